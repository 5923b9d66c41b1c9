// Clients that do everything wrong at once: cut requests, vanish, half-close, mix parks, streams, files and nonsense. Run it with a sanitizer, too.
#include <fcntl.h>

#include <random>

#include "unit/http/support.h"

using namespace test;

namespace {
http::Response act(http::Request& r) {
    if (r.stream) {
        char buffer[5000];
        std::size_t total = 0;
        try {
            while (const std::size_t got = r.stream->read(buffer, sizeof buffer))
                if ((total += got) > 3000 && r.query == "half") break;
        } catch (const Error& e) {
            return {.status = http_status(e.code())};
        }
        return {.body = std::to_string(total)};
    }
    if (r.path == "/park") {
        auto park = std::make_shared<http::Park>();
        park->topic = r.query;
        park->deadline = std::chrono::steady_clock::now() + 100ms;
        park->poll = [](bool last) { return last ? std::optional(http::Response{}) : std::nullopt; };
        return {.park = park};
    }
    if (r.path == "/file") {
        auto file = std::make_shared<http::FileBody>();
        file->fd = UniqueFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
        file->length = 500'000;
        return {.file = file};
    }
    return {.body = r.path == "/big" ? std::string(1'000'000, 'x') : r.body};
}

const std::string requests[] = {
    "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'y'),
    "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: 1\r\n\r\n",
    "PUT /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + std::string(60000, 'y'),
    "PUT /stream?half HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + std::string(4096, 'q') + "\r\n1000\r\n" +
        std::string(4096, 'q') + "\r\n0\r\n\r\n",
    "GET /park?a HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /park?b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /file HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /big HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Le",
    "PUT /stream HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
    std::string("\x80\x01\x00nonsense\r\n\r\n", 15),
};

void misbehave(int port, unsigned seed, std::chrono::steady_clock::time_point end) {
    std::minstd_rand random(seed);
    const auto chance = [&random](unsigned percent) { return random() % 100 < percent; };
    while (std::chrono::steady_clock::now() < end) {
        Raw raw(port);
        timeval limit{0, 150'000};
        ::setsockopt(raw.fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        for (unsigned i = random() % 5; i < 5; ++i) {
            const std::string& request = requests[random() % std::size(requests)];
            const std::size_t cut = chance(30) ? random() % request.size() : request.size();
            if (!raw.send(std::string_view(request).substr(0, cut))) break;
            if (cut < request.size() && chance(40)) break;
            if (cut < request.size() && !raw.send(std::string_view(request).substr(cut))) break;
            if (chance(15)) break;
            if (chance(15)) ::shutdown(raw.fd.get(), SHUT_WR);
            if (!raw.more()) break;
        }
        const linger reset{1, 0};
        if (chance(30)) ::setsockopt(raw.fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
}
}  // namespace

TEST_CASE("a server among hostile clients stays well") {
    http::ServerOptions options;
    options.header_timeout = options.body_timeout = options.idle_timeout = 1s;
    options.streams = 4;
    options.connections = 64;
    options.queue = 16;
    Running s(options);
    s.handler.policy = [](const http::RequestHead& head) { return http::BodyPolicy{.limit = 1u << 20, .stream = head.path == "/stream"}; };
    s.handler.fn = act;
    const auto end = std::chrono::steady_clock::now() + 2s;
    std::vector<std::thread> clients;
    for (unsigned i = 0; i < 12; ++i) clients.emplace_back([&, i] { misbehave(s.port, i + 1, end); });
    while (std::chrono::steady_clock::now() < end) {
        s.server.wake("a");
        s.server.wake("b");
        std::this_thread::sleep_for(5ms);
    }
    for (std::thread& client : clients) client.join();
    CHECK(s.server.alive(100s));
    http::Client client;
    CHECK(client.send({.method = "POST", .url = s.url("/x"), .body = "still here"}).body == "still here");
    s.server.stop(2s);
}
