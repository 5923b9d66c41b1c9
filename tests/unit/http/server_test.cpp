#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <future>

#include "unit/http/support.h"

using namespace test;

TEST_CASE("keep-alive, HEAD, 204, query, peer") {
    Running s;
    s.handler.fn = [](http::Request& r) {
        if (r.path == "/empty") return http::Response{.status = 204};
        return http::Response{.body = r.method + " " + r.path + " [" + r.query + "] " + r.peer + " " + r.body};
    };
    Raw raw(s.port);
    raw.send("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(raw.answer().ends_with("\r\n\r\nGET /a [b=c] 127.0.0.1 "));
    raw.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string head = raw.until("\r\n\r\n");
    CHECK(head.find("Content-Length: 21\r\n") != std::string::npos);
    raw.send("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string empty = raw.answer();
    CHECK(empty.starts_with("HTTP/1.1 204 No Content\r\n"));
    CHECK(empty.find("Content-Length") == std::string::npos);
    raw.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
    raw.send("llo");
    CHECK(raw.answer().ends_with("POST /p [] 127.0.0.1 hello"));
    raw.send("POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n");
    CHECK(raw.answer().ends_with("hello"));
    raw.send("GET http://x/abs?q HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const std::string last = raw.answer();
    CHECK(last.find("Connection: close") != std::string::npos);
    CHECK(last.ends_with("GET /abs [q] 127.0.0.1 "));
    CHECK(raw.closed());
}

TEST_CASE("a chunked body that comes byte by byte") {
    Running s;
    s.handler.fn = [](http::Request& r) { return http::Response{.body = "[" + r.body + "]"}; };
    const std::string bodies[] = {"0\r\n\r\n", "0;x=y\r\nT: 1\r\n\r\n", "2\r\nab\r\n0\r\n\r\n", "2\r\nab\r\n1\r\nc\r\n000\r\n\r\n"};
    const std::string answers[] = {"[]", "[]", "[ab]", "[abc]"};
    for (std::size_t i = 0; i < std::size(bodies); ++i) {
        Raw raw(s.port);
        raw.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (const char c : bodies[i]) {
            raw.send(std::string(1, c));
            std::this_thread::sleep_for(2ms);
        }
        CHECK(raw.answer().ends_with("\r\n\r\n" + answers[i]));
    }
}

TEST_CASE("several requests in one packet are answered in order") {
    Running s;
    Raw raw(s.port);
    std::string all;
    for (int i = 0; i < 50; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
    raw.send(all);
    for (int i = 0; i < 50; ++i) CHECK(raw.answer().ends_with("GET /" + std::to_string(i)));
}

TEST_CASE("requests in quick succession, whatever follows what") {
    Running s;
    s.handler.policy = [](const http::RequestHead& head) { return http::BodyPolicy{.limit = 100, .stream = head.path == "/stream"}; };
    s.handler.fn = [](http::Request& r) {
        if (r.path == "/park")
            return http::Response{
                .park = std::make_shared<http::Park>(http::Park{
                    .topic = "t", .deadline = std::chrono::steady_clock::now(), .poll = [](bool) { return http::Response{.body = "parked"}; }})};
        if (r.path == "/large") return http::Response{.body = std::string(8u << 20, 'x')};
        if (!r.stream) return http::Response{.body = r.method + " " + r.target + " " + r.body};
        char body[16];
        return http::Response{.body = "streamed " + std::string(body, r.stream->read(body, sizeof body))};
    };
    const std::string end = " HTTP/1.1\r\nHost: x\r\n\r\n";
    const std::pair<std::string, std::string> kinds[] = {
        {"GET /a" + end, "GET /a "},
        {"GET /large" + end, "xxx"},
        {"GET /park" + end, "parked"},
        {"\r\nGET /b" + end, "GET /b "},
        {"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "POST /c hi"},
        {"POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "POST /d a"},
        {"PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "streamed abc"},
        {"PUT /stream" + end, "streamed "},
        {"GET http://x/e" + end, "GET /e "},
        {"PUT /f HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\ng", "PUT /f g"},
    };
    Raw raw(s.port);
    const auto ask = [&](const std::string& request, const std::string& expected) {
        CAPTURE(request);
        REQUIRE(raw.send(request));
        std::string answer = raw.answer();
        if (answer.find(" 100 ") != std::string::npos) answer = raw.answer();
        REQUIRE(answer.ends_with(expected));
    };
    for (const auto& [first, after_first] : kinds)
        for (const auto& [second, after_second] : kinds) {
            for (int i = 0; i < 3; ++i) ask("GET /quick" + end, "GET /quick ");
            ask(first, after_first);
            ask(second, after_second);
        }
    // In two pieces, two at once, after a while, and without an end.
    for (int i = 0; i < 3; ++i) ask("GET /quick" + end, "GET /quick ");
    raw.send("GET /pie");
    std::this_thread::sleep_for(5ms);
    ask("ces" + end, "GET /pieces ");
    for (int i = 0; i < 3; ++i) ask("GET /quick" + end, "GET /quick ");
    ask("GET /one" + end + "GET /two" + end, "GET /one ");
    CHECK(raw.answer().ends_with("GET /two "));
    for (int i = 0; i < 3; ++i) ask("GET /quick" + end, "GET /quick ");
    std::this_thread::sleep_for(20ms);
    for (int i = 0; i < 3; ++i) ask("GET /quick" + end, "GET /quick ");
    raw.send("GET  / HTTP/1.1\r\n\r\n");
    CHECK(raw.answer().starts_with("HTTP/1.1 400 "));
    CHECK(raw.closed());
}

TEST_CASE("clients in quick succession take no thread from the others") {
    http::ServerOptions options;
    options.threads = 2;
    Running s(options);
    std::atomic<bool> done{false};
    std::atomic<int> answered{0};
    std::vector<std::thread> quick;
    for (int i = 0; i < 6; ++i)
        quick.emplace_back([&] {
            Raw raw(s.port);
            while (!done && raw.send("GET /quick HTTP/1.1\r\nHost: x\r\n\r\n") && raw.answer().ends_with("GET /quick")) ++answered;
        });
    for (int i = 0; i < 50; ++i) {
        Raw raw(s.port);
        raw.send("GET /new HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(raw.answer().ends_with("GET /new"));
    }
    CHECK(s.server.alive(100s));
    CHECK(eventually([&] { return answered > 0; }));
    s.server.stop(10s);  // in the middle of it
    done = true;
    for (std::thread& thread : quick) thread.join();
    CHECK(s.handler.handled >= answered + 50);
}

TEST_CASE("a half-closed client gets its answer") {
    Running s;
    Raw raw(s.port);
    raw.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    ::shutdown(raw.fd.get(), SHUT_WR);
    CHECK(raw.rest().ends_with("GET /a"));
}

TEST_CASE("limits hold before the handler") {
    http::ServerOptions options;
    options.header_limit = 2000;
    Running s(options);
    s.handler.policy = [](const http::RequestHead& head) { return http::BodyPolicy{.limit = head.path == "/small" ? 10u : 1u << 20}; };
    SUBCASE("head in one piece") {
        Raw raw(s.port);
        raw.send("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(3000, 'a') + "\r\n\r\n");
        CHECK(raw.answer().starts_with("HTTP/1.1 431 "));
        CHECK(raw.closed());
    }
    SUBCASE("head in many small fields") {
        Raw raw(s.port);
        raw.send("GET / HTTP/1.1\r\nHost: x\r\n");
        for (int i = 0; i < 300; ++i)
            if (!raw.send("X-" + std::to_string(i) + ": aaaaaaaaaaaa\r\n")) break;
        CHECK(raw.answer().starts_with("HTTP/1.1 431 "));
    }
    SUBCASE("request line") {
        Raw raw(s.port);
        raw.send("GET /" + std::string(5000, 'a'));
        CHECK(raw.answer().starts_with("HTTP/1.1 431 "));
    }
    SUBCASE("announced body") {
        Raw raw(s.port);
        raw.send("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
        CHECK(raw.answer().starts_with("HTTP/1.1 413 "));
    }
    SUBCASE("chunked body") {
        Raw raw(s.port);
        raw.send("POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\naaaaaa\r\n6\r\naaaaaa\r\n0\r\n\r\n");
        CHECK(raw.answer().starts_with("HTTP/1.1 413 "));
    }
    SUBCASE("a whole body that is refused does not cost the client its answer") {
        http::Client client;
        const http::Response r = client.send({.method = "PUT", .url = s.url("/small"), .body = std::string(3u << 20, 'x')});
        CHECK(r.status == 413);
    }
    SUBCASE("endless chunk extension") {
        Raw raw(s.port);
        raw.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(9000, 'a'));
        CHECK(raw.answer().starts_with("HTTP/1.1 400 "));
    }
    CHECK(s.handler.handled == 0);
}

TEST_CASE("ambiguous and broken requests are refused and end the connection") {
    const char* requests[] = {
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/2.7\r\nHost: x\r\n\r\n",
        "GET foo HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\n\n\n\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not HTTP at all\r\n\r\n",
    };
    Running s;
    for (const char* request : requests) {
        CAPTURE(request);
        Raw raw(s.port);
        raw.send(std::string(request) + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
        const std::string all = raw.rest();
        CHECK(all.starts_with("HTTP/1.1 400 "));
        CHECK(all.find("smuggled") == std::string::npos);
    }
    CHECK(s.handler.handled == 0);
    Raw raw(s.port);
    raw.send("PUT / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n");
    CHECK(raw.answer().starts_with("HTTP/1.1 417 "));
}

TEST_CASE("slow and silent clients") {
    http::ServerOptions options;
    options.header_timeout = 2s;
    options.body_timeout = 2s;
    options.idle_timeout = 2s;
    Running s(options);
    Raw slow(s.port), silent(s.port), body(s.port), idle(s.port);
    slow.send("GET / HT");
    body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(idle.answer().starts_with("HTTP/1.1 200"));
    CHECK(slow.rest().starts_with("HTTP/1.1 408 "));
    CHECK(body.rest().starts_with("HTTP/1.1 408 "));
    CHECK(silent.closed());
    CHECK(idle.closed());
}

TEST_CASE("a full pool answers 503 with Retry-After and keeps the connection") {
    http::ServerOptions options;
    options.threads = 1;
    options.queue = 1;
    Running s(options);
    std::promise<void> go;
    const auto gate = go.get_future().share();
    std::atomic<int> heads{0};
    s.handler.policy = [&heads](const http::RequestHead&) {
        ++heads;
        return http::BodyPolicy{};
    };
    s.handler.fn = [gate](http::Request&) {
        gate.wait();
        return http::Response{.body = "done"};
    };
    Raw a(s.port), b(s.port), c(s.port);
    a.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(eventually([&] { return s.handler.handled == 1; }));
    b.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(eventually([&] { return heads == 2; }));  // it is queued before the next one is looked at
    c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string refused = c.answer();
    CHECK(refused.starts_with("HTTP/1.1 503 "));
    CHECK(refused.find("Retry-After: 1\r\n") != std::string::npos);
    CHECK_FALSE(s.server.alive(50ms));
    go.set_value();
    CHECK(a.answer().ends_with("done"));
    CHECK(b.answer().ends_with("done"));
    CHECK(s.server.alive(100s));  // and the probe of before has left the queue
    c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(c.answer().ends_with("done"));
}

TEST_CASE("connections above the limit are closed at once") {
    http::ServerOptions options;
    options.connections = 2;
    Running s(options);
    Raw a(s.port), b(s.port);
    a.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    b.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(a.answer().starts_with("HTTP/1.1 200"));
    CHECK(b.answer().starts_with("HTTP/1.1 200"));
    Raw c(s.port);
    CHECK(c.closed());
}

TEST_CASE("a handler's header cannot end its line; a throwing handler is a 500") {
    Running s;
    s.handler.fn = [](http::Request& r) -> http::Response {
        if (r.path == "/throw") throw std::runtime_error("x");
        http::Response response{.body = "ok"};
        response.headers.add("X-Name", "a\r\nSet-Cookie: b");
        return response;
    };
    Raw raw(s.port);
    raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(raw.answer().find("X-Name: a  Set-Cookie: b\r\n") != std::string::npos);
    raw.send("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(raw.answer().starts_with("HTTP/1.1 500 "));
}

TEST_CASE("an adopted listener's tag reaches the handler; a forged one does not") {
    Running s;
    s.handler.fn = [](http::Request& r) {
        return http::Response{.body = std::to_string(r.headers.count("x-pilvi-listener")) + std::string(r.headers.get("X-Pilvi-Listener"))};
    };
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(fd.get(), 5) == 0);
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    const int port = ntohs(address.sin_port);
    s.server.adopt(std::move(fd), "net-1");
    http::Client client;
    http::Headers forged;
    forged.add("X-Pilvi-Listener", "net-2");
    CHECK(client.send({.url = "http://127.0.0.1:" + std::to_string(port) + "/", .headers = forged}).body == "1net-1");
    CHECK(client.send({.url = s.url("/"), .headers = forged}).body == "0");
    s.server.forget("net-1");
    CHECK(eventually([&] {
        try {
            http::Client fresh;
            fresh.send({.url = "http://127.0.0.1:" + std::to_string(port) + "/"});
            return false;
        } catch (const Error& e) {
            return e.code() == Errc::unavailable;
        }
    }));
}

TEST_CASE("unix socket") {
    Running s;
    const std::string path = (std::filesystem::temp_directory_path() / ("pilvi-http-" + std::to_string(::getpid()))).string();
    s.server.listen_unix(path, 0600);
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    http::Client client;
    CHECK(client.send({.url = "unix:" + path + ":/x?y"}).body == "GET /x?y");
    s.server.stop();
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("parked requests: woken, deadline, no thread held, gone client, stop") {
    http::ServerOptions options;
    options.threads = 1;
    Running s(options);
    std::atomic<int> revision{0}, polls{0};
    s.handler.fn = [&](http::Request& r) {
        if (r.path != "/watch") return http::Response{.body = "free"};
        auto park = std::make_shared<http::Park>();
        park->topic = "t";
        park->deadline = std::chrono::steady_clock::now() + (r.query == "short" ? 100ms : 60s);
        park->poll = [&](bool last) -> std::optional<http::Response> {
            ++polls;
            if (revision == 0 && !last) return std::nullopt;
            return http::Response{.body = revision == 0 ? "nothing" : "new"};
        };
        return http::Response{.park = park};
    };
    Raw raw(s.port);
    SUBCASE("woken") {
        raw.send("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(eventually([&] { return polls == 1; }));
        Raw other(s.port);
        other.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(other.answer().ends_with("free"));
        s.server.wake("other");
        s.server.wake("t");
        CHECK(eventually([&] { return polls == 2; }));
        revision = 1;
        s.server.wake("t");
        CHECK(raw.answer().ends_with("new"));
        raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(raw.answer().ends_with("free"));
    }
    SUBCASE("deadline") {
        raw.send("GET /watch?short HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(raw.answer().ends_with("nothing"));
        CHECK(polls == 2);
    }
    SUBCASE("the client goes away") {
        raw.send("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(eventually([&] { return polls == 1; }));
        raw.fd.reset();
        // Once the server has seen it, a wake polls nobody.
        CHECK(eventually([&] {
            const int before = polls;
            s.server.wake("t");
            std::this_thread::sleep_for(20ms);
            return s.server.alive(100s) && polls == before;
        }));
    }
    SUBCASE("one of many clients goes away") {
        std::vector<std::unique_ptr<Raw>> others;
        for (int i = 0; i < 40; ++i) {
            others.push_back(std::make_unique<Raw>(s.port));
            others.back()->send("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        CHECK(eventually([&] { return polls == 40; }));
        for (int i = 0; i < 20; ++i) others[static_cast<std::size_t>(i)]->fd.reset();
        std::this_thread::sleep_for(20ms);
        revision = 1;
        s.server.wake("t");
        for (std::size_t i = 20; i < 40; ++i) CHECK(others[i]->answer().ends_with("new"));
    }
    SUBCASE("stop answers it") {
        raw.send("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(eventually([&] { return polls == 1; }));
        s.server.stop(60s);
        CHECK(raw.rest().ends_with("nothing"));
    }
}

TEST_CASE("stop answers who was let in before it and asks after it") {
    Running s;
    s.handler.fn = [](http::Request&) { return http::Response{.body = "done"}; };
    Raw fresh(s.port), used(s.port);
    used.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(eventually([&] { return s.handler.handled == 1; }));  // connections are accepted in their order: both are in
    std::thread stopper([&] { s.server.stop(60s); });
    CHECK(used.rest().ends_with("done"));  // its connection is closed: the stop has begun
    fresh.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(fresh.rest().ends_with("done"));
    stopper.join();
}

TEST_CASE("stop answers who asks again on a kept connection, and says that it ends") {
    http::ServerOptions options;
    options.stop_grace = 60s;
    Running s(options);
    Raw kept(s.port);
    kept.send("GET /before HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(kept.answer().find("Connection: close") == std::string::npos);
    std::thread stopper([&] { s.server.stop(60s); });
    CHECK(eventually([&] { return code_of([&] { http::Client().send({.url = s.url("/")}); }) == Errc::unavailable; }));  // the stop has begun
    kept.send("GET /after HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string last = kept.rest();
    CHECK(last.find("Connection: close") != std::string::npos);
    CHECK(last.ends_with("GET /after"));
    stopper.join();
}

TEST_CASE("stop lets work end and refuses what is new") {
    Running s;
    std::promise<void> go;
    const auto gate = go.get_future().share();
    s.handler.fn = [gate](http::Request&) {
        gate.wait();
        return http::Response{.body = "done"};
    };
    Raw working(s.port), idle(s.port);
    working.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(eventually([&] { return s.handler.handled == 1; }));
    std::thread stopper([&] { s.server.stop(60s); });
    CHECK(idle.closed());
    go.set_value();
    CHECK(working.rest().ends_with("done"));
    stopper.join();
}
