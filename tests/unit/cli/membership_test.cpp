#include <doctest/doctest.h>

#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/text.h"
#include "node/membership.h"
#include "node/roles.h"
#include "node/storage.h"

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

TEST_CASE("where a controller is") {
    CHECK(controller_address("ctl") == std::pair<std::string, int>("ctl", 8771));
    CHECK(controller_address("10.0.0.1:9000") == std::pair<std::string, int>("10.0.0.1", 9000));
    CHECK(controller_address("2001:db8::1") == std::pair<std::string, int>("2001:db8::1", 8771));
    CHECK(controller_address("[2001:db8::1]") == std::pair<std::string, int>("2001:db8::1", 8771));
    CHECK(controller_address("[2001:db8::1]:9000") == std::pair<std::string, int>("2001:db8::1", 9000));
    for (const char* text :
         {"", ":", ":9000", "ctl:", "ctl:0", "ctl:65536", "ctl:x", "[]", "[]:1", "[::1]9000", "[::1]:", "[::1]:65536", "[::1]:-1"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(controller_address(text), Error);
    }
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

TEST_CASE("the volume group of a storage node") {
    const auto group = group_in(R"({"report": [{"vg": [{"vg_name": "other", "vg_size": "1.00", "vg_free": "1.00"},
        {"vg_name": "cinder-volumes", "vg_size": "8188.00", "vg_free": "8000.50"}]}]})");
    REQUIRE(group);
    CHECK(group->size_mib == 8188);
    CHECK(group->free_mib == 8000);
    CHECK_FALSE(group_in(R"({"report": [{"vg": []}]})"));
    for (const char* text : {"", "  WARNING", "[]"}) CHECK_THROWS_AS(group_in(text), Error);
    CHECK(describe({.lvm = false}).find("apt-get install lvm2") != std::string::npos);
    CHECK(describe({.lvm = true}).find("vgcreate cinder-volumes") != std::string::npos);
    CHECK(describe({.lvm = true, .device_mapper = true, .group = group}) == "volume group cinder-volumes, 8000 of 8188 MiB free");
    CHECK(describe({.lvm = true, .group = group}).find("device-mapper") != std::string::npos);
}

TEST_CASE("a member's certificate is renewed from when its roles are enabled") {
    struct Systemd final : CommandRunner {
        std::vector<std::string> enabled;
        CommandResult run(const Command& command) override {
            if (command.argv.at(1) == "enable") enabled.push_back(join(command.argv, " "));
            return {};
        }
    } systemd;
    const std::string directory = (std::filesystem::temp_directory_path() / ("pilvi-roles-" + new_hex_id())).string();
    const MemberPlaces places{.node = directory + "/node", .configuration = directory + "/etc", .compute_id = directory + "/agent/compute_id"};
    std::filesystem::create_directories(places.node);
    Roles roles(systemd, places);
    roles.add({"storage"});
    CHECK(systemd.enabled.back() == "/usr/bin/systemctl enable --now pilvi-storage.target");
    write_file(places.node + "/membership.json",
               R"({"controller": "ctl", "port": 8771, "id": "1", "name": "node1", "region": "R", "roles": ["storage"]})");
    roles.add({"storage"});
    CHECK(systemd.enabled.back() == "/usr/bin/systemctl enable --now pilvi-storage.target pilvi-renew.timer");
    std::filesystem::remove_all(directory);
}
