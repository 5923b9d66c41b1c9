// pilvi-identity bootstrap: makes what a cloud needs, once, and repairs it.
#include "base/fd.h"
#include "fixture.h"
#include "service/subcommands.h"

using namespace pilvi;
using namespace pilvi::testing;

TEST_CASE("bootstrap again changes only what is not right") {
    IdentityFixture f;
    identity::BootstrapPlan plan{.admin_password = Secret("secret"),
                                 .service_passwords = {{"nova", Secret("nova")}},
                                 .endpoints = identity::standard_endpoints("cloud.example")};
    const auto again = [&] { return identity::bootstrap(*f.store, f.app.hasher, plan, f.now); };
    CHECK(again().empty());
    f.cases.run({.path = "/v3/users", .token = "${admin_token}"});  // its tokens are still good

    plan.endpoints = identity::standard_endpoints("fd00::1");
    CHECK(again().size() == 15);
    CHECK(again().empty());
    f.now += 1'000'000;
    f.cases.run({.name = "the running service sees it",
                 .path = "/v3/auth/catalog",
                 .token = "${member_token}",
                 .expect = R"({"catalog": {"<contains>": [{"type": "image", "endpoints": {"<contains>": [{"url": "http://[fd00::1]:9292"}]}}]}})"});

    plan.admin_password = Secret("changed");
    CHECK(again() == std::vector<std::string>{"set the password of user admin"});
    f.now += 1'000'000;
    f.cases.run({.path = "/v3/users", .token = "${admin_token}", .status = 401});
    f.cases.vars["admin_token"] = f.log_in("admin", "changed", "admin");

    f.cases.run({.method = "PATCH", .path = "/v3/users/${admin_user}", .token = "${admin_token}", .body = R"({"user": {"enabled": false}})"});
    CHECK(again() == std::vector<std::string>{"enabled user admin"});
    f.now += 1'000'000;
    f.log_in("admin", "changed", "admin");

    plan.service_passwords["neutron"] = Secret("n");
    CHECK(again() == std::vector<std::string>{"created user neutron", "granted role admin to user neutron on project",
                                              "granted role service to user neutron on project"});
}

TEST_CASE("bootstrap by its command line") {
    const MemoryDir dir;
    write_file(dir / "admin", "secret\n", 0600);
    write_file(dir / "nova", "nova\n", 0600);
    Config config({identity::settings});
    config.set("database.url", "sqlite:" + (dir / "i.sqlite"));
    config.set("password.operations", "1");
    config.set("password.memory_kib", "8");
    const std::vector<std::string> arguments{"--admin-password-file", dir / "admin", "--service-password-file",        "nova=" + (dir / "nova"),
                                             "--host=cloud",          "--endpoint",  "compute=http://elsewhere:1/v2.1"};
    const auto run = [&](const std::vector<std::string>& words) {
        return identity::run_bootstrap(config, parse_arguments(subcommands::bootstrap, words));
    };
    CHECK(run(arguments) == 0);
    const auto store = identity::open_store(config);
    const auto services = store->read([](Tx& tx) { return identity::load_catalog(tx); });
    CHECK(services.size() == 5);
    for (const auto& service : services)
        for (const auto& endpoint : service.endpoints)
            if (service.type == "compute") CHECK(endpoint.url == "http://elsewhere:1/v2.1");
            else CHECK(endpoint.url.starts_with("http://cloud:"));
    for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--host"},
                                                  {"--nonsense", "x"},
                                                  {"--service-password-file", "nova"},
                                                  {"--admin-password-file", dir / "missing"},
                                                  {"--endpoint", "=x"}})
        CHECK_THROWS_AS(run(wrong), Error);
}
