#include <fcntl.h>

#include <filesystem>

#include "unit/http/support.h"

using namespace test;

namespace {
constexpr std::uint64_t total = 64u << 20;

// Byte `i` of the test's content.
char byte_at(std::uint64_t i) { return static_cast<char>((i * 2654435761u) >> 13); }

std::uint64_t checksum(std::uint64_t sum, std::string_view bytes) {
    for (const char c : bytes) sum = sum * 1099511628211ull + static_cast<unsigned char>(c);
    return sum;
}

// Reads everything, answers "<bytes> <checksum>".
http::Response swallow(http::Request& r) {
    std::vector<char> buffer(65536);
    std::uint64_t bytes = 0, sum = 0;
    try {
        while (const std::size_t got = r.stream->read(buffer.data(), buffer.size())) {
            bytes += got;
            sum = checksum(sum, {buffer.data(), got});
        }
    } catch (const Error& e) {
        return {.status = http_status(e.code()), .body = e.message()};
    }
    return {.body = std::to_string(bytes) + " " + std::to_string(sum)};
}

struct TempFile {
    std::string path = (std::filesystem::temp_directory_path() / ("pilvi-stream-" + std::to_string(::getpid()))).string();
    ~TempFile() { ::unlink(path.c_str()); }
};
}  // namespace

TEST_CASE("upload: streamed, known length and chunked, in constant memory") {
    Running s;
    s.handler.policy = [](const http::RequestHead&) { return http::BodyPolicy{.limit = 1u << 30, .stream = true}; };
    s.handler.fn = swallow;
    std::uint64_t sum = 0;
    std::vector<char> block(65536);
    for (const bool chunked : {false, true}) {
        const long before = peak_kib();
        std::uint64_t sent = 0;
        sum = 0;
        http::Client client;
        const http::Response r = client.send({.method = "PUT",
                                              .url = s.url("/"),
                                              .source =
                                                  [&](char* into, std::size_t size) {
                                                      const std::size_t n = std::min<std::uint64_t>(size, total - sent);
                                                      for (std::size_t i = 0; i < n; ++i) into[i] = byte_at(sent + i);
                                                      sum = checksum(sum, {into, n});
                                                      sent += n;
                                                      return n;
                                                  },
                                              .content_length = chunked ? -1 : static_cast<std::int64_t>(total)});
        CHECK(r.status == 200);
        CHECK(r.body == std::to_string(total) + " " + std::to_string(sum));
        CHECK(peak_kib() - before < 16 * 1024);
    }
}

TEST_CASE("download: a file in constant memory, ranges of it, HEAD, keep-alive") {
    const TempFile file;
    {
        UniqueFd fd(::open(file.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
        std::string block(65536, 0);
        for (std::uint64_t at = 0; at < total; at += block.size()) {
            for (std::size_t i = 0; i < block.size(); ++i) block[i] = byte_at(at + i);
            REQUIRE(::write(fd.get(), block.data(), block.size()) == static_cast<ssize_t>(block.size()));
        }
    }
    Running s;
    s.handler.fn = [&](http::Request& r) {
        auto body = std::make_shared<http::FileBody>();
        body->fd = UniqueFd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC));
        body->offset = r.path == "/part" ? 1000 : 0;
        body->length = r.path == "/part" ? 10 : total;
        return http::Response{.file = body};
    };
    const long before = peak_kib();
    http::Client client;
    std::uint64_t bytes = 0;
    bool right = true;
    const http::Response r = client.send({.url = s.url("/"), .sink = [&](std::string_view part) {
                                              for (const char c : part) right = right && c == byte_at(bytes++);
                                          }});
    CHECK(r.status == 200);
    CHECK(bytes == total);
    CHECK(right);
    CHECK(peak_kib() - before < 16 * 1024);
    std::string expected;
    for (int i = 0; i < 10; ++i) expected += byte_at(1000 + static_cast<std::uint64_t>(i));
    CHECK(client.send({.url = s.url("/part")}).body == expected);
    const http::Response head = client.send({.method = "HEAD", .url = s.url("/")});
    CHECK(head.headers.get("Content-Length") == std::to_string(total));
    CHECK(head.body.empty());
}

TEST_CASE("download: a body that is read from elsewhere, and one whose source fails in the middle") {
    Running s;
    s.handler.fn = [&](http::Request& r) {
        auto body = std::make_shared<http::FileBody>();
        body->length = total;
        body->read = [broken = r.path == "/broken"](std::uint64_t offset, char* into, std::size_t size) {
            if (broken && offset >= total / 2) throw Error(Errc::unavailable, "gone");
            const std::size_t n = std::min<std::size_t>(size, 70'001);
            for (std::size_t i = 0; i < n; ++i) into[i] = byte_at(offset + i);
            return n;
        };
        return http::Response{.file = body};
    };
    const long before = peak_kib();
    http::Client client;
    std::uint64_t bytes = 0;
    bool right = true;
    const auto sink = [&](std::string_view part) {
        for (const char c : part) right = right && c == byte_at(bytes++);
    };
    CHECK(client.send({.url = s.url("/"), .sink = sink}).status == 200);
    CHECK(bytes == total);
    CHECK(right);
    CHECK(peak_kib() - before < 16 * 1024);
    CHECK_THROWS_AS(client.send({.url = s.url("/broken"), .sink = sink}), Error);
}

TEST_CASE("upload: limit, early answer, broken clients, Expect") {
    http::ServerOptions options;
    options.streams = 2;
    Running s(options);
    s.handler.policy = [](const http::RequestHead&) { return http::BodyPolicy{.limit = 1000, .stream = true}; };
    s.handler.fn = swallow;
    SUBCASE("above the limit: announced") {
        Raw raw(s.port);
        raw.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
        CHECK(raw.answer().starts_with("HTTP/1.1 413 "));
        CHECK(s.handler.handled == 0);
    }
    SUBCASE("above the limit: chunked") {
        Raw raw(s.port);
        raw.send("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5dc\r\n" + std::string(1500, 'x') + "\r\n0\r\n\r\n");
        CHECK(raw.answer().starts_with("HTTP/1.1 413 "));
    }
    SUBCASE("the client goes away") {
        Raw raw(s.port);
        raw.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
        ::shutdown(raw.fd.get(), SHUT_WR);
        CHECK(raw.answer().starts_with("HTTP/1.1 400 "));
    }
    SUBCASE("Expect: 100-continue is answered when the handler reads") {
        Raw raw(s.port);
        raw.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        CHECK(raw.until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
        raw.send("abc");
        CHECK(raw.answer().starts_with("HTTP/1.1 200 "));
        raw.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcPUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        CHECK(raw.answer().find("\r\n\r\n3 ") != std::string::npos);
        CHECK(raw.answer().find("\r\n\r\n0 ") != std::string::npos);
    }
    SUBCASE("a handler that does not read") {
        s.handler.fn = [](http::Request&) { return http::Response{.status = 401}; };
        Raw raw(s.port);
        raw.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        const std::string answer = raw.answer();
        CHECK(answer.starts_with("HTTP/1.1 401 "));
        CHECK(answer.find("Connection: close") != std::string::npos);
        Raw small(s.port);
        small.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
        CHECK(small.answer().find("Connection: keep-alive") != std::string::npos);
    }
    SUBCASE("no more transfers than allowed") {
        Raw a(s.port), b(s.port), c(s.port);
        const std::string begin = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
        a.send(begin);
        b.send(begin);
        CHECK(eventually([&] { return s.handler.handled == 2; }));
        c.send(begin);
        const std::string refused = c.answer();
        CHECK(refused.starts_with("HTTP/1.1 503 "));
        CHECK(refused.find("Retry-After") != std::string::npos);
        a.send("abc");
        CHECK(a.answer().starts_with("HTTP/1.1 200 "));
    }
}

TEST_CASE("upload: a client that sends next to nothing") {
    http::ServerOptions options;
    options.body_timeout = 1s;
    Running s(options);
    s.handler.policy = [](const http::RequestHead&) { return http::BodyPolicy{.limit = 1000, .stream = true}; };
    s.handler.fn = swallow;
    Raw raw(s.port);
    raw.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
    for (int i = 0; i < 20; ++i) {
        if (!raw.send("x")) break;
        std::this_thread::sleep_for(100ms);
    }
    CHECK(raw.answer().starts_with("HTTP/1.1 504 "));
}

TEST_CASE("a large answer that is refused early reaches a client that is still sending") {
    Running s;
    s.handler.policy = [](const http::RequestHead&) { return http::BodyPolicy{.limit = 1ull << 40, .stream = true}; };
    s.handler.fn = [](http::Request&) { return http::Response{.status = 409, .body = "no"}; };
    http::Client client;
    std::uint64_t sent = 0;
    const http::Response r = client.send({.method = "PUT", .url = s.url("/"), .source = [&](char* into, std::size_t size) {
                                              std::fill(into, into + size, 'x');
                                              sent += size;
                                              return sent > (1ull << 32) ? 0 : size;
                                          }});
    CHECK(r.status == 409);
    CHECK(sent < (1ull << 32));
}
