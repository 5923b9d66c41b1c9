#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/net.h"
#include "base/text.h"
#include "base/time.h"
#include "base/url.h"

using namespace pilvi;

TEST_CASE("uuid") {
    const std::string id = new_uuid();
    CHECK(id.size() == 36);
    CHECK(id[14] == '4');
    CHECK(is_uuid_like(id));
    CHECK(is_uuid_like(new_hex_id()));
    CHECK_FALSE(is_uuid_like("not-a-uuid"));
    CHECK_FALSE(is_uuid_like("3f0c0a62x0000-4000-8000-000000000000"));
}

TEST_CASE("time") {
    CHECK(iso8601(0) == "1970-01-01T00:00:00Z");
    CHECK(iso8601_micros(1'500'000) == "1970-01-01T00:00:01.500000Z");
    CHECK(parse_iso8601("1970-01-01T00:00:01.500000Z") == 1'500'000);
    CHECK(parse_iso8601("1970-01-01T01:00:00+01:00") == 0);
    CHECK(parse_iso8601("2026-02-29T00:00:00Z") == std::nullopt);
    CHECK(parse_iso8601("yesterday") == std::nullopt);
}

TEST_CASE("addresses") {
    const auto cidr = Cidr::parse("10.0.0.7/24");
    REQUIRE(cidr);
    CHECK(cidr->text() == "10.0.0.0/24");
    CHECK(cidr->netmask() == "255.255.255.0");
    CHECK(cidr->last().text() == "10.0.0.255");
    CHECK(cidr->contains(*IpAddress::parse("10.0.0.255")));
    CHECK_FALSE(cidr->contains(*IpAddress::parse("10.0.1.0")));
    CHECK(IpAddress::parse("10.0.0.255")->plus(1).text() == "10.0.1.0");
    CHECK(IpAddress::parse("fd00::1")->distance_to(*IpAddress::parse("fd00::ff")) == 254);
    for (const char* bad : {"10.0.0.0/33", "10.0.0/24", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/024", "", "x", "::1/129"})
        CHECK_FALSE(Cidr::parse(bad));
    CHECK(Cidr::parse("10.0.0.0/8")->overlaps(*Cidr::parse("10.1.0.0/16")));
    CHECK(normalize_mac("FA-16-3E-00-00-01") == "fa:16:3e:00:00:01");
    CHECK_FALSE(normalize_mac("fa:16:3e:00:00"));
}

TEST_CASE("base64") {
    for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
        CHECK(base64_decode(base64_encode(text)) == text);
        CHECK(base64url_decode(base64url_encode(text)) == text);
    }
    CHECK(base64_encode("foobar") == "Zm9vYmFy");
    CHECK_FALSE(base64_decode("Zg="));
    CHECK_FALSE(base64_decode("Z"));
    CHECK_FALSE(base64_decode("Zg==Zg=="));
}

TEST_CASE("URLs that Boost.URL would end the process for") {
    for (const char* text : {"x:", "x:?", "x:#", "x:[", "hte:?q", "x:y"}) CHECK_FALSE(parsable_url(text));
    for (const char* text : {"", "x", "?x:", "#x:[", "/x:", "http://h", "http:/x", "//h:1"}) CHECK(parsable_url(text));
}

TEST_CASE("percent and utf-8") {
    CHECK(percent_decode("a%20b+c", true) == "a b c");
    CHECK_FALSE(percent_decode("%2"));
    CHECK_FALSE(percent_decode("%ff"));
    CHECK(percent_encode("a b/ä") == "a%20b%2F%C3%A4");
    CHECK(utf8_length("äö") == 2);
    CHECK_FALSE(is_utf8("\xc0\x80"));
    CHECK_FALSE(is_utf8("\xed\xa0\x80"));
}

TEST_CASE("all is written, a part at a time") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    UniqueFd reader(ends[0]), writer(ends[1]);
    const std::string sent(1 << 20, 'x');  // more than a pipe holds
    std::string got;
    std::thread reading([&] {
        char buffer[5000];
        for (ssize_t n; (n = ::read(reader.get(), buffer, sizeof buffer)) > 0;) got.append(buffer, static_cast<std::size_t>(n));
    });
    CHECK(write_all(writer.get(), sent) == 0);
    writer.reset();
    reading.join();
    CHECK(got == sent);
    CHECK(write_all(reader.get(), "x") == EBADF);  // open for reading only
}

TEST_CASE("json") {
    CHECK_THROWS_AS(parse_json("{"), Error);
    CHECK_THROWS_AS(parse_json(std::string(100, '[') + std::string(100, ']')), Error);
    const json::value v = parse_json(R"({"a": {"b": 5}})");
    REQUIRE(find_path(v, "a.b"));
    CHECK(find_path(v, "a.b")->as_int64() == 5);
    CHECK(find_path(v, "a.c") == nullptr);
}

TEST_CASE("where a redirect leads") {
    const std::string from = "http://h:8080/a/b?q=1";
    for (const auto& [location, to] : {std::pair{"https://x/y", "https://x/y"},
                                       {"https://x/y#part", "https://x/y"},
                                       {"//x/y", "http://x/y"},
                                       {"/y?z", "http://h:8080/y?z"},
                                       {"y", "http://h:8080/a/y"},
                                       {"y?u=k:v", "http://h:8080/a/y?u=k:v"},
                                       {"?z", "http://h:8080/a/b?z"},
                                       {"", ""},
                                       {"ftp://x/y", "ftp://x/y"},
                                       {"file:/etc/passwd", "file:/etc/passwd"},
                                       {"x:", ""},
                                       {"x:[", ""},
                                       {"http://[", ""},
                                       {"a b", ""}}) {
        CAPTURE(location);
        CHECK(redirected_url(from, location) == to);
    }
    CHECK(redirected_url("http://h", "y") == "http://h/y");
    CHECK(redirected_url("http://h?q", "y") == "http://h/y");
}
