// What `pilvi provision` makes of a cloud that runs, by its parts. A whole deployment is tests/system/deploy.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "cli/cloud/cloud.h"
#include "cli/deploy/provision.h"

using namespace pilvi;

TEST_CASE("networks: the external one's gateway is its first address where none is named; again, nothing is made") {
    cli::Cloud cloud({.seed = false});
    cloud.start();
    const std::string files = cloud.directory() + "/provision";
    std::filesystem::create_directory(files);
    std::ofstream(files + "/admin-password") << cloud.admin_password() << "\n";
    const cli::Access access{.auth_url = cloud.url("identity"), .credentials = files};
    cli::ProvisionOptions options{.part = "networks", .what = {}, .home = files, .demo_password_file = files + "/demo-password"};
    options.what.floating_range = "198.51.100.0/24";
    http::Client client;
    const auto subnets = [&] {
        http::ClientRequest request{.url = cloud.url("network") + "/v2.0/subnets?sort_key=cidr"};
        request.headers.set("X-Auth-Token", cloud.admin_token());
        return parse_json(client.send(request).body).at("subnets").as_array();
    };
    for (int round = 0; round < 2; ++round) {
        CHECK(cli::provision(access, options) == 0);
        const json::array made = subnets();
        REQUIRE(made.size() == 2);
        CHECK(made[0].at("cidr") == "10.0.0.0/24");
        CHECK(made[1].at("cidr") == "198.51.100.0/24");
        CHECK(made[1].at("gateway_ip") == "198.51.100.1");
    }
}
