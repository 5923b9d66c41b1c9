#include "unit/http/support.h"

using namespace test;

namespace {
// Answers every connection with the next of `answers` after one request head, then closes it, or, where it is silent, when the client has done so.
// With a `pace` the bytes come by and by, `step` at a time.
struct Script {
    UniqueFd fd{::socket(AF_INET, SOCK_STREAM, 0)};
    int port = 0;
    std::atomic<int> connections{0}, closed{0};
    std::thread thread;
    Script(std::vector<std::vector<std::string>> answers, bool last_is_silent = false, std::chrono::milliseconds pace = 0ms, std::size_t step = 1) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(fd.get(), 5) == 0);
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
        port = ntohs(address.sin_port);
        thread = std::thread([this, answers = std::move(answers), last_is_silent, pace, step] {
            for (const auto& connection : answers) {
                UniqueFd peer(::accept(fd.get(), nullptr, nullptr));
                ++connections;
                for (const std::string& answer : connection) {
                    char buffer[4096];
                    if (::recv(peer.get(), buffer, sizeof buffer, 0) <= 0) break;
                    if (pace == 0ms) ::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
                    else
                        for (std::size_t at = 0; at < answer.size(); at += step, std::this_thread::sleep_for(pace))
                            if (::send(peer.get(), &answer[at], std::min(step, answer.size() - at), MSG_NOSIGNAL) <= 0) break;
                }
                char rest = 0;
                while (last_is_silent && ::recv(peer.get(), &rest, 1, 0) > 0) continue;
                peer.reset();
                ++closed;
            }
        });
    }
    ~Script() {
        ::shutdown(fd.get(), SHUT_RDWR);
        thread.join();
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port) + "/"; }
};
const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
}  // namespace

TEST_CASE("connections are kept") {
    Running s;
    http::Client client;
    for (int i = 0; i < 10; ++i) CHECK(client.send({.url = s.url("/x")}).body == "GET /x");
    CHECK(client.send({.method = "POST", .url = s.url("/y"), .body = "b"}).status == 200);
    Script script({{ok, ok, ok}});
    for (int i = 0; i < 3; ++i) CHECK(client.send({.url = script.url()}).body == "ok");
    CHECK(script.connections == 1);
}

TEST_CASE("a kept connection that was closed meanwhile") {
    // The server reads the second request and closes without an answer: sent again on a new connection where that is harmless.
    http::Client client;
    SUBCASE("GET is sent again") {
        Script script({{ok, ""}, {ok}});
        CHECK(client.send({.url = script.url()}).body == "ok");
        CHECK(client.send({.url = script.url()}).body == "ok");
        CHECK(script.connections == 2);
    }
    SUBCASE("POST is not") {
        Script script({{ok, ""}});
        CHECK(client.send({.url = script.url()}).body == "ok");
        CHECK(code_of([&] { client.send({.method = "POST", .url = script.url(), .body = "x"}); }) == Errc::unavailable);
    }
    SUBCASE("one that is seen to be closed is not used, not even for POST") {
        Script script({{ok}, {ok}});
        CHECK(client.send({.url = script.url()}).body == "ok");
        CHECK(eventually([&] { return script.closed == 1; }));
        CHECK(client.send({.method = "POST", .url = script.url(), .body = "x"}).body == "ok");
        CHECK(script.connections == 2);
    }
}

TEST_CASE("answers of every kind") {
    http::Client client;
    Script script({{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
                   {"HTTP/1.1 200 OK\r\n\r\nuntil the end"},
                   {"HTTP/1.1 204 No Content\r\n\r\n"},
                   {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"},
                   {"nonsense\r\n\r\n"},
                   {"HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x')}});
    http::Response r = client.send({.url = script.url()});
    CHECK(r.status == 201);
    CHECK(r.body == "abc");
    CHECK(r.headers.get("x-a") == "1");
    CHECK(client.send({.url = script.url()}).body == "until the end");
    CHECK(client.send({.url = script.url()}).status == 204);
    for (int i = 0; i < 3; ++i) CHECK(code_of([&] { client.send({.url = script.url()}); }) == Errc::bad_gateway);
}

TEST_CASE("an answer that never begins is given up, whatever comes before it") {
    http::ClientOptions options;
    std::string interim;
    for (int i = 0; i < 1000; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
    Script endless({{interim + ok}});
    CHECK(code_of([&] { http::Client(options).send({.url = endless.url()}); }) == Errc::bad_gateway);
    // A stream has its time anew with every 16 KiB of the body, not with every byte of it or of the head.
    Script trickling({{"HTTP/1.1 200 OK\r\nX: " + std::string(50'000, 'x') + "\r\n\r\n"}}, false, 20ms);
    options.timeout = 200ms;
    CHECK(code_of([&] { http::Client(options).send({.url = trickling.url(), .sink = [](std::string_view) {}}); }) == Errc::timeout);
    Script dripping({{"HTTP/1.1 200 OK\r\n\r\n" + std::string(500, 'x')}}, false, 20ms);
    options.timeout = 2s;
    CHECK(code_of([&] { http::Client(options).send({.url = dripping.url(), .sink = [](std::string_view) {}}); }) == Errc::timeout);
    const std::string body(60 * 32768, 'x');
    Script streaming({{"HTTP/1.1 200 OK\r\n\r\n" + body}}, false, 100ms, 32768);
    options.timeout = 5s;
    std::string got;
    http::Client(options).send({.url = streaming.url(), .sink = [&](std::string_view bytes) { got += bytes; }});
    CHECK(got == body);
}

TEST_CASE("errors name their kind") {
    http::Client client;
    CHECK(code_of([&] { client.send({.url = "http://127.0.0.1:1/"}); }) == Errc::unavailable);
    CHECK(code_of([&] { client.send({.url = "unix:/no/such.sock:/"}); }) == Errc::unavailable);
    CHECK(code_of([&] { client.send({.url = "ftp://x/"}); }) == Errc::internal);
    CHECK(code_of([&] { client.send({.url = "http://127.0.0.1:1/a b"}); }) == Errc::internal);
    Script ends({{""}});
    CHECK(code_of([&] { client.send({.url = ends.url()}); }) == Errc::unavailable);  // killed before it answered
    Script script({{""}}, true);
    http::ClientOptions options;
    options.timeout = 200ms;
    CHECK(code_of([&] { http::Client(options).send({.url = script.url()}); }) == Errc::timeout);
}

TEST_CASE("the answer in memory is bounded") {
    Running s;
    s.handler.fn = [](http::Request&) { return http::Response{.body = std::string(2000, 'x')}; };
    http::ClientOptions options;
    options.body_limit = 1000;
    http::Client client(options);
    CHECK(code_of([&] { client.send({.url = s.url("/")}); }) == Errc::bad_gateway);
}

TEST_CASE("many threads share a client and a server") {
    http::ServerOptions options;
    options.queue = 1000;
    Running s(options);
    http::Client client;
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 200; ++i) {
                const std::string path = "/" + std::to_string(t) + "/" + std::to_string(i);
                if (client.send({.method = "POST", .url = s.url(path), .body = std::string(static_cast<std::size_t>(i), 'x')}).body == "POST " + path)
                    ++good;
            }
        });
    for (std::thread& t : threads) t.join();
    CHECK(good == 1600);
}
