// What users may have fetched for them, and what they may not (server-side request forgery).
#include "image/fetch.h"

#include "image/stores/store.h"
#include "unit/http/support.h"

using namespace test;
using image::Fetcher;
using image::FetchRules;
using image::refused_address;

namespace {
const std::vector<Cidr> loopback = {*Cidr::parse("127.0.0.0/8")};

// Rules under which a server of the test can be reached.
FetchRules local_rules(int port) { return {.ports = {port}, .networks = loopback}; }

std::string fetched(const Fetcher& fetcher, const std::string& url, std::uint64_t offset = 0) {
    std::string out;
    fetcher.get(
        url, [&](std::string_view bytes) { out += bytes; }, offset);
    return out;
}
}  // namespace

TEST_CASE("addresses: the public ones pass, all that lead inside do not, in whatever form") {
    for (const char* address : {"8.8.8.8", "1.1.1.1", "2600::1", "2a00:1450:4001:81b::200e", "::ffff:8.8.8.8", "64:ff9b::808:808", "172.32.0.1"}) {
        CAPTURE(address);
        CHECK(refused_address(address, {}) == "");
    }
    for (const char* address : {"127.0.0.1",
                                "127.255.0.9",
                                "0.0.0.0",
                                "0.1.2.3",
                                "10.1.2.3",
                                "172.16.0.1",
                                "172.31.255.255",
                                "192.168.7.7",
                                "169.254.169.254",
                                "100.64.0.1",
                                "224.0.0.1",
                                "255.255.255.255",
                                "198.18.0.1",
                                "::",
                                "::1",
                                "::7f00:1",
                                "::ffff:127.0.0.1",
                                "::ffff:169.254.169.254",
                                "64:ff9b::a9fe:a9fe",
                                "2002:7f00:1::",
                                "2002:a9fe:a9fe::1",
                                "2001:0:808:808:0:0:80ff:fffe",
                                "fe80::1",
                                "fd00::1",
                                "fc00::",
                                "ff02::1",
                                "fec0::1",
                                "fe80::1%lo",
                                "localhost",
                                ""}) {
        CAPTURE(address);
        CHECK(refused_address(address, {}) != "");
    }
    CHECK(refused_address("127.0.0.1", loopback) == "");
    CHECK(refused_address("::ffff:127.0.0.1", loopback) == "");
    CHECK(refused_address("10.0.0.1", loopback) != "");
}

TEST_CASE("URLs: schemes, hosts, ports and user names by the rules, without a lookup") {
    const Fetcher open{FetchRules{}};
    for (const char* url : {"http://images.example.org/a", "https://images.example.org:443/a?b=c", "HTTP://x.example/"})
        CHECK_NOTHROW(open.check(url));
    for (const char* url :
         {"ftp://x.example/a", "file:///etc/passwd", "http://x.example:22/", "http://user:word@x.example/", "http:///a", "//x.example/a", "x", "",
          "http://x.example/a b", "gopher://x.example/", "http://x.example:99999/", "http:", "http:?", "x:["}) {
        CAPTURE(url);
        CHECK(code_of([&] { open.check(url); }) == Errc::bad_request);
    }
    const Fetcher listed{FetchRules{.hosts = {"mirror.example"}, .refused_hosts = {"no.example"}}};
    CHECK_NOTHROW(listed.check("http://Mirror.Example/"));
    CHECK_THROWS(listed.check("http://other.example/"));
    CHECK_THROWS((Fetcher{FetchRules{.refused_hosts = {"no.example"}}}.check("http://NO.example/")));
}

TEST_CASE("a name or a number that means this machine is not connected to, however it is written") {
    Running s;
    const Fetcher strict{FetchRules{.ports = {}}};
    const std::string port = ":" + std::to_string(s.port) + "/";
    for (const std::string host :
         {"127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "0"}) {
        CAPTURE(host);
        CHECK_THROWS_AS(fetched(strict, "http://" + host + port), Error);
        CHECK_THROWS_AS(strict.size("http://" + host + port), Error);
    }
    CHECK(s.handler.handled == 0);
}

TEST_CASE("redirects: followed a few times, each checked as if it came first") {
    Running inside, outside;
    outside.handler.fn = [&](http::Request& r) {
        http::Response moved{.status = 302};
        if (r.path == "/relative") moved.headers.set("Location", "data");
        else if (r.path == "/inside") moved.headers.set("Location", inside.url("/secret"));
        else if (r.path == "/name") moved.headers.set("Location", "http://[::1]:" + std::to_string(outside.port) + "/");
        else if (r.path == "/file") moved.headers.set("Location", "file:///etc/passwd");
        else if (r.path == "/loop") moved.headers.set("Location", "/loop");
        else if (r.path == "/odd") moved.headers.set("Location", "x:?");
        else if (r.path == "/nowhere") return moved;
        else return http::Response{.body = "bytes of " + r.path};
        return moved;
    };
    const Fetcher fetcher{local_rules(outside.port)};
    CHECK(fetched(fetcher, outside.url("/relative")) == "bytes of /data");
    CHECK(fetched(fetcher, outside.url("/relative", "HTTP")) == "bytes of /data");
    CHECK(code_of([&] { fetched(fetcher, outside.url("/inside")); }) == Errc::bad_request);
    CHECK(code_of([&] { fetched(fetcher, outside.url("/name")); }) == Errc::bad_request);
    CHECK(code_of([&] { fetched(fetcher, outside.url("/file")); }) == Errc::bad_request);
    CHECK(code_of([&] { fetched(fetcher, outside.url("/loop")); }) == Errc::bad_gateway);
    CHECK(code_of([&] { fetched(fetcher, outside.url("/nowhere")); }) == Errc::bad_gateway);
    CHECK(code_of([&] { fetched(fetcher, outside.url("/odd")); }) == Errc::bad_gateway);
    CHECK(inside.handler.handled == 0);
}

TEST_CASE("a range that was not asked for is not taken for the one that was") {
    Running s;
    std::string_view range;
    s.handler.fn = [&](http::Request&) {
        http::Response part{.status = 206, .body = "0123456789"};
        if (!range.empty()) part.headers.set("Content-Range", range);
        return part;
    };
    const Fetcher fetcher{local_rules(s.port)};
    range = "bytes 5-14/15";
    CHECK(fetched(fetcher, s.url("/"), 5) == "0123456789");
    CHECK(code_of([&] { fetched(fetcher, s.url("/"), 4); }) == Errc::bad_gateway);
    CHECK(code_of([&] { fetched(fetcher, s.url("/")); }) == Errc::bad_gateway);
    for (const std::string_view lie : {"", "bytes 0-9/10", "bytes */15", "bytes x", "5-14/15", "bytes -5/10"}) {
        CAPTURE(lie);
        range = lie;
        CHECK(code_of([&] { fetched(fetcher, s.url("/"), 5); }) == Errc::bad_gateway);
    }
}

TEST_CASE("the read-only store: sizes, offsets with and without a server's ranges, what is missing, and what is cut short") {
    Running s;
    std::string content(5'000'000, 0);
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 2654435761u >> 13);
    s.handler.fn = [&](http::Request& r) {
        if (r.path == "/missing") return http::Response{.status = 404};
        const std::string_view range = r.headers.get("Range");
        if (range.empty() || r.path == "/plain") return http::Response{.body = content};
        const auto from = static_cast<std::size_t>(std::stoull(std::string(range.substr(6))));
        http::Response part{.status = 206, .body = content.substr(from)};
        part.headers.set("Content-Range", "bytes " + std::to_string(from) + "-/" + std::to_string(content.size()));
        return part;
    };
    const auto store = image::make_http_store("", {.fetch = local_rules(s.port)});
    for (const char* path : {"/plain", "/ranges"})
        for (const std::uint64_t offset : {0u, 1u, 4'999'999u}) {
            CAPTURE(path);
            CAPTURE(offset);
            auto opened = store->open(s.url(path));
            REQUIRE(opened);
            CHECK(opened->size == content.size());
            std::string got;
            char buffer[100'000];
            while (offset + got.size() < content.size()) got.append(buffer, opened->read(offset + got.size(), buffer, sizeof buffer));
            CHECK(got == content.substr(offset));
            CHECK_THROWS_AS(opened->read(content.size(), buffer, 1), Error);
        }
    {
        auto abandoned = store->open(s.url("/plain"));
        char byte;
        CHECK(abandoned->read(0, &byte, 1) == 1);
    }
    CHECK_FALSE(store->open(s.url("/missing")));
    CHECK_THROWS_AS(store->open("file:///etc/passwd"), Error);
    CHECK_THROWS_AS(store->begin("x", "y"), Error);
    CHECK_FALSE(store->writable());
}
