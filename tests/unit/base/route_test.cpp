#include <doctest/doctest.h>

#include "base/route.h"

using namespace pilvi;

TEST_CASE("the host of a URL, and this node's addresses") {
    CHECK(host_of_url("http://a.example:80/x") == "a.example");
    CHECK(host_of_url("https://[2001:db8::1]:9696") == "2001:db8::1");
    CHECK(host_of_url("a.example/x") == "a.example");
    CHECK(address_towards("127.0.0.1") == "127.0.0.1");
    CHECK(address_of_interface("lo") == "127.0.0.1");
    CHECK(address_of_interface("no-such-device").empty());
}
