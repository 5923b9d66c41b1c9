// pilvi-identity's key commands: a rotation loses nothing.
#include "commands.h"
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

int run(const std::string& name, const Config& config, const std::vector<std::string>& arguments = {}) {
    for (const Subcommand& command : identity::commands())
        if (command.usage.name == name) return command.run(config, parse_arguments(command.usage, arguments));
    FAIL("no such command");
    return -1;
}

}  // namespace

TEST_CASE("rotations of every repository, while tokens and secrets are in use") {
    IdentityFixture f;
    Config config({identity::settings});
    config.set("database.url", f.url);
    config.set("fernet.directory", f.dir / "keys");
    config.set("credential.directory", f.dir / "credential-keys");
    config.set("jws.directory", f.dir / "jws");
    f.cases.run({.method = "POST",
                 .path = "/v3/credentials",
                 .token = "${member_token}",
                 .body = R"({"credential": {"type": "totp", "user_id": "${member_user}", "blob": "GEZDGNBVGY3TQOJQ"}})",
                 .status = 201,
                 .save = {{"credential", "credential.id"}}});
    f.cases.run({.method = "POST", .path = "/v3/OS-OAUTH1/consumers", .token = "${admin_token}", .body = R"({"consumer": {}})", .status = 201});
    for (int i = 0; i < 5; ++i) {
        CHECK(run("credential-rotate", config) == 0);
        CHECK(f.app.reload_changed_keys());
        CHECK(f.app.credential_keys.keys()->size() == 3);
        f.cases.run(
            {.path = "/v3/credentials/${credential}", .token = "${member_token}", .expect = R"({"credential": {"blob": "GEZDGNBVGY3TQOJQ"}})"});
    }
    CHECK(run("credential-migrate", config) == 0);
    CHECK(run("fernet-rotate", config) == 0);
    CHECK(f.app.reload_changed_keys());
    f.cases.run({.path = "/v3/credentials/${credential}", .token = "${member_token}"});
    CHECK(run("jws-setup", config) == 0);
    CHECK(run("jws-rotate", config) == 0);
    CHECK(run("fernet-setup", config) == 0);
    CHECK(run("credential-setup", config) == 0);
    CHECK(run("token-flush", config) == 0);
    CHECK_THROWS_AS(run("fernet-rotate", config, {"now"}), Error);
}
