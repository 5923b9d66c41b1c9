// A database of the first schema, with rows in every table, is upgraded when the service opens it; everything in it is there through the API.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

const std::string user_id(32, 'a'), project_id(32, 'b'), group_id(32, 'c'), role_id(32, 'd'), service_id(32, 'e'), endpoint_id(32, 'f'),
    credential_id(32, '1'), admin_role_id(32, '2');

// As the first release wrote them.
void fill(Tx& tx, const std::string& password_hash) {
    const auto project = [&](const std::string& id, const std::string& name, Value domain, Value parent, int is_domain) {
        tx.insert("projects", {{"id", id},
                               {"name", name},
                               {"domain_id", domain},
                               {"parent_id", parent},
                               {"description", "kept"},
                               {"enabled", 1},
                               {"is_domain", is_domain},
                               {"options", "{}"},
                               {"valid_from", 0},
                               {"extra", R"({"color":"red"})"}});
    };
    project("default", "Default", {}, {}, 1);
    project(project_id, "old", "default", "default", 0);
    tx.insert("project_tags", {{"project_id", project_id}, {"name", "tag"}});
    tx.insert("users", {{"id", user_id},
                        {"name", "olduser"},
                        {"domain_id", "default"},
                        {"enabled", 1},
                        {"default_project_id", project_id},
                        {"password_hash", password_hash},
                        {"valid_from", 0},
                        {"options", R"({"lock_password":true})"},
                        {"extra", R"({"email":"a@example.org"})"}});
    tx.insert("user_groups", {{"id", group_id}, {"name", "oldgroup"}, {"domain_id", "default"}, {"description", "kept"}, {"extra", "{}"}});
    tx.insert("group_members", {{"group_id", group_id}, {"user_id", user_id}});
    for (const auto& [id, name] : {std::pair(role_id, "oldrole"), std::pair(admin_role_id, "admin")})
        tx.insert("roles", {{"id", id}, {"name", name}, {"options", "{}"}, {"extra", "{}"}});
    tx.insert("implied_roles", {{"prior_role_id", admin_role_id}, {"implied_role_id", role_id}});
    tx.insert("assignments", {{"actor_type", "group"},
                              {"actor_id", group_id},
                              {"target_type", "project"},
                              {"target_id", project_id},
                              {"role_id", admin_role_id},
                              {"inherited", 0}});
    tx.insert("regions", {{"id", "R"}, {"description", "kept"}, {"extra", "{}"}});
    tx.insert("services", {{"id", service_id}, {"type", "compute"}, {"name", "nova"}, {"enabled", 1}, {"extra", "{}"}});
    tx.insert("endpoints", {{"id", endpoint_id},
                            {"interface", "public"},
                            {"service_id", service_id},
                            {"region_id", "R"},
                            {"url", "http://old/"},
                            {"enabled", 1},
                            {"extra", "{}"}});
    tx.insert("application_credentials", {{"id", credential_id},
                                          {"user_id", user_id},
                                          {"project_id", project_id},
                                          {"name", "oldapp"},
                                          {"secret_hash", password_hash},
                                          {"unrestricted", 0},
                                          {"roles", R"([")" + admin_role_id + R"("])"}});
    tx.insert("access_rules", {{"id", "rule"}, {"user_id", user_id}, {"service", "compute"}, {"method", "GET"}, {"path", "/servers"}});
    tx.insert("revoked_tokens", {{"audit_id", "revoked"}, {"expires_at", std::int64_t{4'000'000'000'000'000}}});
}

}  // namespace

TEST_CASE("an upgrade from the first schema keeps everything") {
    MemoryDir dir;
    const std::string url = database_url(dir);
    const identity::PasswordHasher hasher(IdentityFixture::cheap);
    REQUIRE(identity::migrations().front().version == 1);
    {
        const auto first = Store::open(url, identity::migrations().first(1));
        first->write([&](Tx& tx) { fill(tx, hasher.hash(Secret("word"))); });
    }
    const auto store = Store::open(url, identity::migrations());
    identity::KeyRepository repository(dir / "keys"), sealing(dir / "credential-keys");
    identity::App app(*store, initialized(repository), initialized(sealing), IdentityFixture::cheap);
    metrics::Registry metrics;
    api::Service service(identity::service_spec(), *store, app.tokens, metrics, &app);
    Cases cases(service);
    for (const auto& [name, value] : {std::pair("user", user_id),
                                      {"project", project_id},
                                      {"group", group_id},
                                      {"role", role_id},
                                      {"service", service_id},
                                      {"endpoint", endpoint_id},
                                      {"credential", credential_id},
                                      {"admin_role", admin_role_id}})
        cases.vars[name] = value;
    const auto get = [](std::string path, std::string expect) {
        return Case{.path = std::move(path), .token = "${token}", .expect = std::move(expect)};
    };
    const Case all[] = {
        {.method = "POST",
         .path = "/v3/auth/tokens",
         .body = R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "${user}", "password": "word"}}}}})",
         .status = 201,
         .expect = R"({"token": {"project": {"id": "${project}"}, "roles": [{"name": "admin"}, {"name": "oldrole"}],
                      "catalog": [{"id": "${service}", "endpoints": [{"id": "${endpoint}", "url": "http://old/", "region": "R"}]}]}})",
         .save = {{"token", "header:X-Subject-Token"}}},
        {.method = "POST",
         .path = "/v3/auth/tokens",
         .body =
             R"({"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"id": "${credential}", "secret": "word"}}}})",
         .status = 201},
        get("/v3/users/${user}", R"({"user": {"name": "olduser", "email": "a@example.org", "options": {"lock_password": true}, "enabled": true}})"),
        get("/v3/projects/${project}",
            R"({"project": {"name": "old", "tags": ["tag"], "color": "red", "description": "kept", "domain_id": "default"}})"),
        get("/v3/domains/default", R"({"domain": {"name": "Default", "color": "red"}})"),
        get("/v3/groups/${group}/users", R"({"users": [{"id": "${user}"}]})"),
        get("/v3/groups/${group}", R"({"group": {"name": "oldgroup", "description": "kept"}})"),
        get("/v3/roles/${admin_role}/implies", R"({"role_inference": {"implies": [{"id": "${role}"}]}})"),
        get("/v3/role_assignments", R"({"role_assignments": [{"group": {"id": "${group}"}, "role": {"id": "${admin_role}"}}]})"),
        get("/v3/regions/R", R"({"region": {"description": "kept"}})"),
        get("/v3/services/${service}", R"({"service": {"type": "compute", "name": "nova"}})"),
        get("/v3/endpoints/${endpoint}", R"({"endpoint": {"region_id": "R", "enabled": true}})"),
        get("/v3/users/${user}/application_credentials", R"({"application_credentials": [{"name": "oldapp"}]})"),
        get("/v3/users/${user}/access_rules", R"({"access_rules": [{"id": "rule", "service": "compute"}]})"),
        {.method = "PATCH", .path = "/v3/users/${user}", .token = "${token}", .body = R"({"user": {"password": "new"}})"},
    };
    cases.run(all);
}
