#include <doctest/doctest.h>

#include "base/error.h"
#include "node/membership.h"

using namespace pilvi;
using namespace pilvi::cli;

TEST_CASE("join tokens") {
    const std::string fingerprint(64, 'a'), secret(64, '0');
    const JoinToken token = parse_token(" pilvi1." + fingerprint + "." + secret + "\n");
    CHECK(token.authority == fingerprint);
    CHECK(token.secret == secret);
    for (const std::string& text : {std::string(), std::string("pilvi1"), "pilvi2." + fingerprint + "." + secret, "pilvi1." + fingerprint,
                                    "pilvi1." + fingerprint + "." + secret + ".x", "pilvi1." + fingerprint.substr(1) + "." + secret,
                                    "pilvi1." + fingerprint + "." + std::string(64, 'G')})
        CHECK_THROWS_AS(parse_token(text), Error);
}

TEST_CASE("what its roles make of a node's agents") {
    const MembershipRecord record{
        .controller = "2001:db8::1", .port = 8771, .id = "an-id", .name = "node1", .region = "RegionOne", .roles = {"compute"}};
    CHECK(configuration_of("compute-agent", &record, {"compute"}) ==
          R"(# Written by pilvi join and pilvi role: what this node's roles make of its agents.

[identity]
auth_type = "certificate"
region = "RegionOne"
endpoint_override = ["image=https://[2001:db8::1]:9292", "placement=https://[2001:db8::1]:8778"]

[compute]
url = "https://[2001:db8::1]:8774"

[agent]
host = "node1"
)");
    const std::string compute = configuration_of("network-agent", &record, {"compute"}),
                      network = configuration_of("network-agent", &record, {"network"});
    CHECK(compute.find("serves = []") != std::string::npos);
    CHECK(compute.find("url = \"https://[2001:db8::1]:9696\"") != std::string::npos);
    CHECK(network.find("serves") == std::string::npos);
    CHECK(configuration_of("metadata", &record, {"network"}).find("[agent]") == std::string::npos);
    // A controller's agents use its own APIs with the service users' passwords.
    CHECK(configuration_of("compute-agent", nullptr, {"controller", "compute"}).empty());
    CHECK(configuration_of("network-agent", nullptr, {"controller", "network"}).empty());
    CHECK(configuration_of("network-agent", nullptr, {"controller", "compute"}).find("serves = []") != std::string::npos);
}
