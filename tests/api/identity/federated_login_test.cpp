// Logging in as a user of an identity provider: what is asserted at the front door, and that nothing is asserted anywhere else.
#include <sys/stat.h>

#include "base/fd.h"
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

const std::string base = "/v3/OS-FEDERATION/";
const std::string door = base + "identity_providers/acme/protocols/saml2/auth";
const std::string no_method = R"({"error": {"code": 401, "message": "Attempted to authenticate with an unsupported method."}})";

std::string rules(const std::string& local, const std::string& remote = R"({"type": "REMOTE_USER"})") {
    return R"({"mapping": {"rules": [{"local": [)" + local + R"(], "remote": [)" + remote + "]}]}}";
}

struct Federation : IdentityFixture {
    Federation() {
        app.federation = {.listen = "unix:/none", .secret = Secret("0123456789abcdef"), .trusted_dashboards = {"https://dash.example/sso?x=1&y"}};
        admin("PUT", base + "mappings/m", rules(R"({"user": {"name": "{0}"}}, {"group": {"name": "staff", "domain": {"id": "default"}}})"), 201);
        admin("PUT", base + "identity_providers/acme", R"({"identity_provider": {"enabled": true, "remote_ids": ["https://acme"]}})", 201,
              {{"acme_domain", "identity_provider.domain_id"}});
        admin("PUT", base + "identity_providers/acme/protocols/saml2", R"({"protocol": {"mapping_id": "m"}})", 201);
        admin("POST", "/v3/groups", R"({"group": {"name": "staff"}})", 201, {{"staff", "group.id"}});
        admin("PUT", "/v3/projects/${demo_project}/groups/${staff}/roles/${member_role}", "", 204);
        admin("PUT", "/v3/domains/default/groups/${staff}/roles/${reader_role}", "", 204);
    }
    void admin(std::string_view method, const std::string& path, const std::string& body, int status, Pairs save = {}) {
        cases.run({.method = method, .path = path, .token = "${admin_token}", .body = body, .status = status, .save = std::move(save)});
    }
    // At the front door, with its secret.
    static Case at_door(Pairs asserted, int status = 201, std::string expect = {}, std::string path = door) {
        Pairs headers{{"X-Pilvi-Listener", "federation"}, {"X-Federation-Secret", "0123456789abcdef"}};
        for (auto& [name, value] : asserted) headers.emplace_back("X-Federation-" + name, value);
        return {.path = std::move(path), .status = status, .expect = std::move(expect), .headers = std::move(headers)};
    }
    std::string log_in_as(const std::string& user) { return std::string(cases.run(at_door({{"REMOTE_USER", user}})).headers.get("X-Subject-Token")); }
    Case scoped(const std::string& scope, int status, std::string expect = {}) {
        return {.method = "POST",
                .path = "/v3/auth/tokens",
                .body = R"({"auth": {"identity": {"methods": ["token"], "token": {"id": "${federated}"}}, "scope": )" + scope + "}}",
                .status = status,
                .expect = std::move(expect),
                .save = {}};
    }
};

}  // namespace

TEST_CASE("a user of an identity provider logs in and is scoped by groups") {
    Federation f;
    auto login = Federation::at_door({{"REMOTE_USER", "ann"}}, 201,
                                     R"({"token": {"methods": ["saml2"], "user": {"id": "<matches:^[0-9a-f]{64}$>", "name": "ann",
                                         "domain": {"id": "${acme_domain}", "name": "${acme_domain}"}, "password_expires_at": "<absent>",
                                         "OS-FEDERATION": {"groups": [{"id": "${staff}"}], "identity_provider": {"id": "acme"},
                                         "protocol": {"id": "saml2"}}}, "project": "<absent>", "catalog": "<absent>"}})");
    login.save = {{"ann", "token.user.id"}, {"federated", "header:X-Subject-Token"}};
    f.cases.run(login);
    f.cases.vars["ann_name_id"] = f.cases.vars["ann"];
    const Case cases[] = {
        {.path = "/v3/auth/projects", .token = "${federated}", .expect = R"({"projects": [{"id": "${demo_project}"}]})"},
        {.path = base + "projects", .token = "${federated}", .expect = R"({"projects": [{"id": "${demo_project}"}]})"},
        {.path = base + "domains", .token = "${federated}", .expect = R"({"domains": [{"id": "default"}]})"},
        {.path = base + "projects", .status = 401},
        f.scoped(R"({"project": {"id": "${demo_project}"}})", 201,
                 R"({"token": {"methods": ["token", "saml2"], "project": {"id": "${demo_project}"}, "roles": [{"name": "member"}, {"name": "reader"}],
                     "user": {"id": "${ann}", "OS-FEDERATION": {"groups": [{"id": "${staff}"}]}}, "catalog": "<array>"}})"),
        f.scoped(R"({"domain": {"id": "default"}})", 201, R"({"token": {"domain": {"id": "default"}, "user": {"OS-FEDERATION": "<object>"}}})"),
        f.scoped(R"({"project": {"id": "${other_project}"}})", 401),
        f.scoped(R"({"system": {"all": true}})", 401),
        {.method = "POST",
         .path = "/v3/auth/tokens",
         .body =
             R"({"auth": {"identity": {"methods": ["saml2"], "saml2": {"id": "${federated}"}}, "scope": {"project": {"id": "${demo_project}"}}}})",
         .status = 201},
        {.method = "POST",
         .path = "/v3/auth/tokens",
         .body = R"({"auth": {"identity": {"methods": ["mapped"], "mapped": {"id": "${member_token}"}}}})",
         .status = 401},
        // The same user again, under another name; a token names nobody else.
        {.path = "/v3/users/${ann}",
         .token = "${admin_token}",
         .expect = R"({"user": {"id": "${ann}", "name": "ann", "domain_id": "${acme_domain}"}})"},
        {.path = "/v3/auth/tokens",
         .token = "${federated}",
         .expect = R"({"token": {"user": {"id": "${ann}", "OS-FEDERATION": {"groups": [{"id": "${staff}"}]}}}})",
         .headers = {{"X-Subject-Token", "${federated}"}}},
    };
    f.cases.run(cases);
    CHECK(f.log_in_as("ann") != "");
    f.cases.run({.path = "/v3/users?domain_id=${acme_domain}", .token = "${admin_token}", .expect = R"({"users": [{"id": "${ann}"}]})"});
    // Disabling the user or the provider, or removing it, ends what was logged in.
    f.admin("PATCH", base + "identity_providers/acme", R"({"identity_provider": {"enabled": false}})", 200);
    f.cases.run(f.scoped(R"({"project": {"id": "${demo_project}"}})", 403));
    f.cases.run(Federation::at_door({{"REMOTE_USER", "ann"}}, 403, R"({"error": {"message": "Identity Provider acme is disabled"}})"));
    f.admin("PATCH", base + "identity_providers/acme", R"({"identity_provider": {"enabled": true}})", 200);
    f.admin("PATCH", "/v3/users/${ann}", R"({"user": {"enabled": false}})", 200);
    f.cases.run(Federation::at_door({{"REMOTE_USER", "ann"}}, 401));
    f.admin("PATCH", "/v3/users/${ann}", R"({"user": {"enabled": true}})", 200);
    f.now += 2'000'000;
    f.cases.vars["federated"] = f.log_in_as("ann");
    f.cases.run({.path = "/v3/auth/projects", .token = "${federated}"});
    f.admin("DELETE", base + "identity_providers/acme", "", 204);
    f.cases.run({.path = "/v3/auth/projects", .token = "${federated}", .status = 401});
}

TEST_CASE("nothing is asserted but at the front door") {
    Federation f;
    const auto at = [](Pairs headers, std::string path = door, std::string_view method = "GET") {
        return Case{.method = method, .path = std::move(path), .status = 401, .expect = no_method, .headers = std::move(headers)};
    };
    const std::string mapped = R"({"auth": {"identity": {"methods": ["mapped"], "mapped": {"identity_provider": "acme", "protocol": "saml2"}}}})";
    const Case cases[] = {
        at({{"X-Federation-REMOTE_USER", "ann"}}),
        at({{"X-Federation-REMOTE_USER", "ann"}, {"X-Federation-Secret", "0123456789abcdef"}}),
        at({{"X-Federation-REMOTE_USER", "ann"}, {"X-Federation-Secret", "0123456789abcdef"}, {"X-Pilvi-Listener", "other"}}),
        at({{"X-Federation-REMOTE_USER", "ann"}, {"X-Pilvi-Listener", "federation"}}),
        at({{"X-Federation-REMOTE_USER", "ann"}, {"X-Pilvi-Listener", "federation"}, {"X-Federation-Secret", "0123456789abcdeF"}}),
        at({{"X-Federation-REMOTE_USER", "ann"}, {"X-Pilvi-Listener", "federation"}, {"X-Federation-Secret", ""}}),
        at({{"X-Federation-REMOTE_USER", "ann"},
            {"X-Pilvi-Listener", "federation"},
            {"X-Federation-Secret", "0123456789abcdef"},
            {"x-federation-secret", "other"}}),
        at({{"X-Federation-REMOTE_USER", "ann"}}, "/v3/auth/OS-FEDERATION/websso/saml2?origin=https://dash.example/sso?x=1%26y"),
        {.method = "POST",
         .path = "/v3/auth/tokens",
         .body = mapped,
         .status = 401,
         .expect = no_method,
         .headers = {{"X-Federation-REMOTE_USER", "ann"}}},
        // What is said twice is not believed.
        Federation::at_door({{"REMOTE_USER", "ann"}, {"remote_user", "admin"}}, 401),
        // Nor is nothing.
        Federation::at_door({}, 401),
        Federation::at_door({{"OTHER", "ann"}}, 401),
    };
    f.cases.run(cases);
    Case by_body = Federation::at_door({{"REMOTE_USER", "ann"}}, 201, "", "/v3/auth/tokens");
    by_body.method = "POST";
    by_body.body = mapped;
    f.cases.run(by_body);
    f.app.federation.listen.clear();  // off
    f.cases.run(Federation::at_door({{"REMOTE_USER", "ann"}}, 401, no_method));
}

TEST_CASE("the front door is a listener of its own: its name cannot be sent by a client") {
    Federation f;
    TempDir sockets;
    f.app.federation.listen = "unix:" + (sockets / "door.sock");
    http::Server server(f.service, {});
    const int port = server.listen("127.0.0.1", 0);
    CHECK(identity::open_front_door(server, f.app.federation) == 0);
    server.start();
    struct stat status {};
    REQUIRE(::stat((sockets / "door.sock").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0660);
    http::Client client;
    http::ClientRequest request{.url = "http://127.0.0.1:" + std::to_string(port) + door};
    for (const auto& [name, value] :
         Pairs{{"X-Pilvi-Listener", "federation"}, {"X-Federation-Secret", "0123456789abcdef"}, {"X-Federation-REMOTE_USER", "ann"}})
        request.headers.add(name, value);
    CHECK(client.send(request).status == 401);
    request.url = "unix:" + (sockets / "door.sock") + ":" + door;
    CHECK(client.send(request).status == 201);
    server.stop();
}

TEST_CASE("remote ids") {
    Federation f;
    f.admin("PATCH", base + "identity_providers/acme/protocols/saml2", R"({"protocol": {"mapping_id": "m", "remote_id_attribute": "Shib-Id"}})", 200);
    const Case cases[] = {
        Federation::at_door({{"REMOTE_USER", "ann"}, {"Shib-Id", "https://acme"}}),
        Federation::at_door({{"REMOTE_USER", "ann"}, {"Shib-Id", "https://evil"}}, 403),
        Federation::at_door({{"REMOTE_USER", "ann"}}, 401),
        Federation::at_door({{"REMOTE_USER", "ann"}}, 404, "", base + "identity_providers/none/protocols/saml2/auth"),
        Federation::at_door({{"REMOTE_USER", "ann"}}, 404, "", base + "identity_providers/acme/protocols/none/auth"),
    };
    f.cases.run(cases);
}

TEST_CASE("web single sign-on sends the token to a trusted dashboard only") {
    Federation f;
    f.admin("PATCH", base + "identity_providers/acme/protocols/saml2", R"({"protocol": {"mapping_id": "m", "remote_id_attribute": "Shib-Id"}})", 200);
    const std::string sso = "/v3/auth/OS-FEDERATION/websso/saml2", own = "/v3/auth/OS-FEDERATION/identity_providers/acme/protocols/saml2/websso";
    const std::string origin = "?origin=https%3A%2F%2Fdash.example%2Fsso%3Fx%3D1%26y";
    const Pairs ann{{"REMOTE_USER", "ann"}, {"Shib-Id", "https://acme"}};
    for (const std::string& path : {sso, own}) {
        Case page = Federation::at_door(ann, 200, "", path + origin);
        page.text = R"(action="https://dash.example/sso?x=1&amp;y")";
        page.answer_headers = {{"Content-Type", "text/html; charset=utf-8"}, {"Cache-Control", "no-store"}};
        const std::string body = f.cases.run(page).body;
        const std::size_t at = body.find("value=\"") + 7;
        f.cases.vars["sso"] = body.substr(at, body.find('"', at) - at);
        f.cases.run({.path = "/v3/auth/projects", .token = "${sso}", .expect = R"({"projects": [{"id": "${demo_project}"}]})"});
        f.cases.run(Federation::at_door(ann, 400, "", path));
        f.cases.run(Federation::at_door(ann, 401, "", path + "?origin=https://evil.example"));
        f.cases.run(Federation::at_door(ann, 401, "", path + origin + "%22%3E"));
    }
    f.cases.run(Federation::at_door({{"REMOTE_USER", "ann"}}, 401, "", sso + origin));
    f.cases.run(Federation::at_door({{"REMOTE_USER", "ann"}, {"Shib-Id", "https://none"}}, 404, "", sso + origin));
}

TEST_CASE("local users, projects, groups that a mapping gives") {
    Federation f;
    const auto remap = [&](const std::string& mapping) { f.admin("PATCH", base + "mappings/m", mapping, 200); };
    remap(rules(R"({"user": {"name": "{0}", "type": "local", "domain": {"id": "default"}}})"));
    f.cases.run(
        Federation::at_door({{"REMOTE_USER", "member"}}, 201, R"({"token": {"user": {"id": "${member_user}", "OS-FEDERATION": "<absent>"}}})"));
    f.cases.run(Federation::at_door({{"REMOTE_USER", "nobody"}}, 401));
    remap(rules(R"({"user": {"name": "{0}", "email": "{0}@x"}}, {"projects": [{"name": "Dev", "roles": [{"name": "member"}]}]})"));
    Case provisioned = Federation::at_door({{"REMOTE_USER", "bob"}});
    provisioned.save = {{"federated", "header:X-Subject-Token"}, {"bob", "token.user.id"}};
    f.cases.run(provisioned);
    f.cases.run(provisioned);
    const Case cases[] = {
        {.path = "/v3/users/${bob}", .token = "${admin_token}", .expect = R"({"user": {"name": "bob", "email": "bob@x"}})"},
        {.path = base + "projects",
         .token = "${federated}",
         .expect = R"({"projects": [{"name": "Dev", "domain_id": "${acme_domain}"}]})",
         .save = {{"dev", "projects.0.id"}}},
        f.scoped(R"({"project": {"id": "${dev}"}})", 201, R"({"token": {"roles": [{"name": "member"}, {"name": "reader"}]}})"),
    };
    f.cases.run(cases);
    remap(rules(R"({"user": {"name": "{0}"}}, {"projects": [{"name": "Dev", "roles": [{"name": "nothing"}]}]})"));
    f.cases.run(Federation::at_door({{"REMOTE_USER", "carl"}}, 404));
    f.cases.run({.path = "/v3/users?name=carl", .token = "${admin_token}", .expect = R"({"users": []})"});  // nothing stays of a login that failed
    remap(rules(R"({"user": {"name": "{0}"}}, {"group": {"id": "0000"}})"));
    f.cases.run(Federation::at_door({{"REMOTE_USER", "carl"}}, 500));
    remap(rules(R"({"user": {"name": "{7}"}})"));
    f.cases.run(Federation::at_door({{"REMOTE_USER", "carl"}}, 500));
    // A user without a name is REMOTE_USER; its name is no local user's.
    remap(rules(R"({"group": {"name": "none", "domain": {"id": "default"}}})"));
    f.cases.run(Federation::at_door({{"REMOTE_USER", "a b/c@d"}}, 201, R"({"token": {"user": {"name": "a b/c@d"}}})"));
    f.cases.run(Federation::at_door({{"REMOTE_USER", "admin"}}, 201, R"({"token": {"user": {"domain": {"id": "${acme_domain}"}}}})"));
}

TEST_CASE("another provider's user of the same name does not become this one's") {
    Federation f;
    f.admin("PUT", base + "identity_providers/rival", R"({"identity_provider": {"enabled": true, "domain_id": "${acme_domain}"}})", 201);
    f.admin("PUT", base + "identity_providers/rival/protocols/saml2", R"({"protocol": {"mapping_id": "m"}})", 201);
    f.log_in_as("ann");
    f.cases.run(Federation::at_door({{"REMOTE_USER", "ann"}}, 409, "", base + "identity_providers/rival/protocols/saml2/auth"));
}

TEST_CASE("a password login cannot take a shadow user's name") {
    Federation f;
    f.log_in_as("ann");
    f.cases.run({.method = "POST",
                 .path = "/v3/auth/tokens",
                 .body = R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "",
                             "domain": {"id": "${acme_domain}"}}}}}})",
                 .status = 401});
    f.admin("POST", "/v3/users", R"({"user": {"name": "ann", "domain_id": "${acme_domain}", "password": "x"}})", 201);
}

TEST_CASE("a user who is an identity provider's, too") {
    Federation f;
    const std::string link = R"({"user": {"federated": [{"idp_id": "acme", "protocols": [{"protocol_id": "saml2", "unique_id": "mx"}]}]}})";
    f.cases.run({.method = "PATCH", .path = "/v3/users/${member_user}", .token = "${admin_token}", .body = link, .expect = link});
    f.cases.run({.path = "/v3/users/${member_user}", .token = "${admin_token}", .expect = link});
    f.cases.run({.path = "/v3/users/${reader_user}", .token = "${admin_token}", .expect = R"({"user": {"federated": "<absent>"}})"});
    f.cases.run({.path = "/v3/users?unique_id=mx&idp_id=acme", .token = "${admin_token}", .expect = R"({"users": [{"id": "${member_user}"}]})"});
    f.cases.run({.path = "/v3/users?protocol_id=none", .token = "${admin_token}", .expect = R"({"users": []})"});
    // It logs in as the local user.
    f.cases.run(Federation::at_door({{"REMOTE_USER", "mx"}}, 201, R"({"token": {"user": {"id": "${member_user}", "name": "member"}}})"));
    f.admin("PATCH", "/v3/users/${reader_user}", link, 409);
    f.admin("PATCH", "/v3/users/${reader_user}",
            R"({"user": {"federated": [{"idp_id": "none", "protocols": [{"protocol_id": "p", "unique_id": "u"}]}]}})", 400);
    f.admin("PATCH", "/v3/users/${reader_user}", R"({"user": {"federated": [{"idp_id": "acme", "protocols": []}]}})", 400);
    f.admin("PATCH", "/v3/users/${member_user}", R"({"user": {"federated": []}})", 200);
    f.cases.run({.path = "/v3/users/${member_user}", .token = "${admin_token}", .expect = R"({"user": {"federated": "<absent>"}})"});
}

TEST_CASE("memberships last for the provider's time") {
    Federation f;
    f.now = now_micros();
    f.admin("PATCH", base + "identity_providers/acme", R"({"identity_provider": {"authorization_ttl": 10}})", 200);
    Case login = Federation::at_door({{"REMOTE_USER", "ann"}});
    login.save = {{"ann", "token.user.id"}, {"federated", "header:X-Subject-Token"}};
    f.cases.run(login);
    const Case credential[] = {
        f.scoped(R"({"project": {"id": "${demo_project}"}})", 201),
        {.path = "/v3/users/${ann}/groups", .token = "${admin_token}", .expect = R"({"groups": [{"id": "${staff}"}]})"},
    };
    f.cases.run(credential);
    f.store->write([&](Tx& tx) { tx.exec("UPDATE expiring_group_members SET last_verified = ?", {f.now - 600'000'001}); });
    f.cases.run({.path = "/v3/users/${ann}/groups", .token = "${admin_token}", .expect = R"({"groups": []})"});
    f.cases.run({.path = base + "projects", .token = "${federated}", .expect = R"({"projects": [{"id": "${demo_project}"}]})"});  // the token's own
    f.log_in_as("ann");
    f.cases.run({.path = "/v3/users/${ann}/groups", .token = "${admin_token}", .expect = R"({"groups": [{"id": "${staff}"}]})"});
}

TEST_CASE("SAML for other clouds, without anything to sign it with") {
    Federation f;
    f.admin("PUT", base + "service_providers/sp", R"({"service_provider": {"auth_url": "https://a", "sp_url": "https://a", "enabled": true}})", 201);
    f.admin("PUT", base + "service_providers/off", R"({"service_provider": {"auth_url": "https://a", "sp_url": "https://a"}})", 201);
    const auto ask = [](const std::string& provider, const std::string& token, int status, const std::string& path) {
        return Case{.method = "POST",
                    .path = path,
                    .body = R"({"auth": {"identity": {"methods": ["token"], "token": {"id": ")" + token +
                            R"("}}, "scope": {"service_provider": {"id": ")" + provider + R"("}}}})",
                    .status = status};
    };
    for (const std::string path : {"/v3/auth/OS-FEDERATION/saml2", "/v3/auth/OS-FEDERATION/saml2/ecp"}) {
        const Case cases[] = {
            ask("sp", "${member_token}", 500, path),
            ask("sp", "${system_token}", 403, path),
            ask("sp", "nothing", 404, path),
            ask("off", "${member_token}", 403, path),
            ask("none", "${member_token}", 404, path),
            {.method = "POST", .path = path, .body = R"({"auth": {}})", .status = 400},
            {.method = "POST",
             .path = path,
             .body = R"({"auth": {"identity": {"token": {"id": "x"}}, "scope": {"project": {"id": "y"}}}})",
             .status = 400},
            {.path = path, .status = 405},
        };
        f.cases.run(cases);
    }
    f.cases.run({.path = base + "saml2/metadata", .status = 500});
}

TEST_CASE("the front door's settings") {
    MemoryDir dir;
    const auto settings = [&](const std::string& listen, const std::string& secret) {
        std::filesystem::create_directories(dir / "credentials");
        std::filesystem::remove(dir / "credentials/federation-secret");
        if (!secret.empty()) write_file(dir / "credentials/federation-secret", secret);
        ::setenv("CREDENTIALS_DIRECTORY", (dir / "credentials").c_str(), 1);
        Config config({identity::settings});
        config.set("federation.listen", listen);
        const auto made = identity::federation_settings(config);
        ::unsetenv("CREDENTIALS_DIRECTORY");
        return made;
    };
    CHECK(settings("", "").listen.empty());
    CHECK(settings("unix:/run/x.sock", "").secret.empty());
    CHECK(settings("127.0.0.1:5001", "0123456789abcdef").secret.reveal() == "0123456789abcdef");
    for (const char* bad : {"0.0.0.0:5001", "192.0.2.1:5001", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "unix:relative", "localhost:1"})
        CHECK_THROWS_AS(settings(bad, "0123456789abcdef"), Error);
    CHECK_THROWS_AS(settings("127.0.0.1:5001", ""), Error);
    CHECK_THROWS_AS(settings("127.0.0.1:5001", "short"), Error);
    ::unsetenv("CREDENTIALS_DIRECTORY");
}
