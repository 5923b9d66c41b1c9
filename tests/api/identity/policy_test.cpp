// Who may do what: every operation for each persona.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

TEST_CASE("reading") {
    IdentityFixture f;
    f.cases.run({.method = "PUT", .path = "/v3/system/users/${reader_user}/roles/${reader_role}", .token = "${admin_token}", .status = 204});
    f.cases.vars["auditor_token"] =
        f.token(R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "reader", "password": "reader",
        "domain": {"id": "default"}}}}, "scope": {"system": {"all": true}}}})");
    const std::string admins = "admin:200 system:200 auditor:200 member:403 reader:403 other:403 none:401";
    const std::string everyone = "admin:200 auditor:200 member:200 reader:200 other:200 none:401";
    const Cases::Row rows[] = {
        {"GET", "/v3/users", {}, admins},
        {"GET", "/v3/projects", {}, admins},
        {"GET", "/v3/domains", {}, admins},
        {"GET", "/v3/groups", {}, admins},
        {"GET", "/v3/roles", {}, admins},
        {"GET", "/v3/roles/${member_role}", {}, admins},
        {"GET", "/v3/roles/${member_role}/implies", {}, admins},
        {"GET", "/v3/role_inferences", {}, admins},
        {"GET", "/v3/role_assignments", {}, admins},
        {"GET", "/v3/services", {}, admins},
        {"GET", "/v3/endpoints", {}, admins},
        {"GET", "/v3/regions", {}, everyone},
        {"GET", "/v3/regions/RegionOne", {}, everyone},
        {"GET", "/v3/auth/projects", {}, everyone},
        {"GET", "/v3/auth/domains", {}, everyone},
        {"GET", "/v3/auth/system", {}, everyone},
        {"GET", "/v3/users/${member_user}", {}, "admin:200 auditor:200 member:200 reader:403 other:403 none:401"},
        {"GET", "/v3/users/${member_user}/projects", {}, "admin:200 auditor:200 member:200 reader:403 other:403 none:401"},
        {"GET", "/v3/users/${member_user}/groups", {}, "admin:200 auditor:200 member:200 reader:403 other:403 none:401"},
        {"GET", "/v3/projects/${demo_project}", {}, "admin:200 auditor:200 member:200 reader:200 other:403 none:401"},
        {"GET", "/v3/projects/${demo_project}/tags", {}, "admin:200 auditor:200 member:200 reader:200 other:403 none:401"},
        {"GET", "/v3/domains/default", {}, "admin:200 auditor:200 member:200 other:200 none:401"},
        {"GET", "/v3/projects/${demo_project}/users/${member_user}/roles", {}, "admin:200 auditor:200 member:403 reader:403 none:401"},
        {"GET", "/v3/projects/${demo_project}/users/${member_user}/roles/${member_role}", {}, "admin:204 auditor:204 member:403 none:401"},
        {"GET", "/v3/system/users/${member_user}/roles", {}, "admin:200 auditor:200 member:403 none:401"},
    };
    f.cases.matrix(rows);
}

TEST_CASE("writing is for admins") {
    IdentityFixture f;
    const std::string refused = "member:403 reader:403 other:403 none:401";
    const Cases::Row rows[] = {
        {"POST", "/v3/users", R"({"user": {"name": "x"}})", refused},
        {"PATCH", "/v3/users/${member_user}", R"({"user": {"enabled": true}})", refused},
        {"DELETE", "/v3/users/${admin_user}", {}, refused},
        {"POST", "/v3/projects", R"({"project": {"name": "x"}})", refused},
        {"PATCH", "/v3/projects/${demo_project}", R"({"project": {"description": "x"}})", refused},
        {"DELETE", "/v3/projects/${demo_project}", {}, refused},
        {"PUT", "/v3/projects/${demo_project}/tags", R"({"tags": []})", refused},
        {"PUT", "/v3/projects/${demo_project}/tags/x", {}, refused},
        {"DELETE", "/v3/projects/${demo_project}/tags", {}, refused},
        {"POST", "/v3/domains", R"({"domain": {"name": "x"}})", refused},
        {"PATCH", "/v3/domains/default", R"({"domain": {"enabled": false}})", refused},
        {"DELETE", "/v3/domains/default", {}, refused},
        {"POST", "/v3/groups", R"({"group": {"name": "x"}})", refused},
        {"POST", "/v3/roles", R"({"role": {"name": "x"}})", refused},
        {"DELETE", "/v3/roles/${member_role}", {}, refused},
        {"PUT", "/v3/roles/${reader_role}/implies/${member_role}", {}, refused},
        {"PUT", "/v3/projects/${demo_project}/users/${member_user}/roles/${admin_role}", {}, refused},
        {"DELETE", "/v3/projects/${demo_project}/users/${member_user}/roles/${member_role}", {}, refused},
        {"PUT", "/v3/domains/default/users/${member_user}/roles/${admin_role}", {}, refused},
        {"PUT", "/v3/OS-INHERIT/domains/default/users/${member_user}/roles/${admin_role}/inherited_to_projects", {}, refused},
        {"PUT", "/v3/system/users/${member_user}/roles/${admin_role}", {}, refused},
        {"POST", "/v3/services", R"({"service": {"type": "x"}})", refused},
        {"POST", "/v3/endpoints", R"({"endpoint": {"interface": "public", "service_id": "x", "url": "http://h"}})", refused},
        {"POST", "/v3/regions", R"({"region": {"id": "x"}})", refused},
        {"PUT", "/v3/regions/x", R"({"region": {}})", refused},
        {"DELETE", "/v3/regions/RegionOne", {}, refused},
    };
    f.cases.matrix(rows);
}

TEST_CASE("every operation has a rule that the policy knows, and every rule parses") {
    IdentityFixture f;
    std::size_t count = 0;
    for (const std::string& operation : f.service.operations()) {
        const std::string rule = operation.substr(operation.rfind(' ') + 1);
        if (!rule.empty()) CHECK_MESSAGE(f.service.policy().knows(rule), operation);
        ++count;
    }
    CHECK(count > 90);
}

TEST_CASE("a token of a domain reaches only what is for domains, whatever its roles") {
    IdentityFixture f;
    f.cases.run({.method = "PUT", .path = "/v3/domains/default/users/${admin_user}/roles/${admin_role}", .token = "${admin_token}", .status = 204});
    f.cases.vars["domain_token"] = f.token(R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin",
        "password": "secret", "domain": {"id": "default"}}}}, "scope": {"domain": {"id": "default"}}}})");
    const Cases::Row rows[] = {
        {"GET", "/v3/users", "", "domain:200 system:200 admin:200"},
        {"GET", "/v3/projects", "", "domain:200 system:200"},
        {"GET", "/v3/regions", "", "domain:200 system:200"},
        {"PUT", "/v3/regions/r", R"({"region": {}})", "domain:403 system:201"},
        {"GET", "/v3/services", "", "domain:403 system:200 admin:200"},
        {"GET", "/v3/endpoints", "", "domain:403 system:200"},
        {"GET", "/v3/domains", "", "domain:403 system:200"},
        {"GET", "/v3/roles", "", "domain:403 system:200"},
        {"GET", "/v3/policies", "", "domain:403 system:200"},
        {"GET", "/v3/credentials", "", "domain:403 system:200"},
        {"GET", "/v3/OS-OAUTH1/consumers", "", "domain:403 system:200"},
        {"GET", "/v3/OS-FEDERATION/mappings", "", "domain:403 system:200"},
        {"GET", "/v3/users/${admin_user}/credentials/OS-EC2", "", "domain:403 admin:200"},
        {"GET", "/v3/users/${admin_user}/application_credentials", "", "domain:403 admin:200"},
        // What is not there: 404 for who would see it, 403 for the others.
        {"GET", "/v3/services/nowhere", "", "domain:403 member:403 admin:404"},
        {"GET", "/v3/users/nowhere", "", "member:403 admin:404"},
        {"GET", "/v3/endpoints/nowhere", "", "member:404 admin:404"},
        {"GET", "/v3/OS-OAUTH1/consumers/nowhere", "", "member:403 admin:404"},
        {"DELETE", "/v3/OS-OAUTH1/consumers/nowhere", "", "member:403 admin:404"},
        {"PATCH", "/v3/OS-OAUTH1/consumers/nowhere", "{}", "member:403 admin:400"},
    };
    f.cases.matrix(rows);
    f.service.policy().enforce_scope(false);
    f.cases.run({.path = "/v3/services", .token = "${domain_token}"});
    // Rules in the original's words find what they are about.
    f.service.policy().add("identity:list_users", "role:admin and domain_id:%(target.domain_id)s");
    f.service.policy().add("identity:list_groups", "role:admin and domain_id:%(target.group.domain_id)s");
    f.service.policy().add("identity:get_user", "rule:admin_or_owner");
    const Cases::Row renamed[] = {
        {"GET", "/v3/users", "", "domain:200 admin:403 member:403"},
        {"GET", "/v3/groups", "", "domain:200 admin:403 member:403"},
        {"GET", "/v3/users/${member_user}", "", "admin:200 member:200 other:403"},
    };
    f.cases.matrix(renamed);
}

TEST_CASE("roles of a domain have rules of their own") {
    IdentityFixture f;
    const Case role{.method = "POST",
                    .path = "/v3/roles",
                    .token = "${admin_token}",
                    .body = R"({"role": {"name": "local", "domain_id": "default"}})",
                    .status = 201,
                    .save = {{"local_role", "role.id"}}};
    f.cases.run(role);
    const std::string path = "/v3/roles/${local_role}", change = R"({"role": {"description": "x"}})";
    const Cases::Row before[] = {
        {"GET", path, "", "admin:200 system:200 member:403"},
        {"GET", "/v3/roles?domain_id=default", "", "admin:200 system:200 member:403"},
        {"POST", "/v3/roles", R"({"role": {"name": "x", "domain_id": "default"}})", "member:403"},
        {"PATCH", path, change, "admin:200 member:403"},
        {"DELETE", path, "", "member:403"},
    };
    f.cases.matrix(before);
    // Only theirs is opened, and only theirs is closed.
    for (const char* name : {"get_domain_role", "create_domain_role", "update_domain_role", "delete_domain_role"})
        f.service.policy().add("identity:" + std::string(name), "role:member");
    f.service.policy().add("identity:list_domain_roles", "role:member and not role:admin");
    const Cases::Row after[] = {
        {"GET", path, "", "member:200 reader:403"},
        {"GET", "/v3/roles/${member_role}", "", "member:403 admin:200"},
        {"GET", "/v3/roles/nowhere", "", "member:404 admin:404"},
        {"GET", "/v3/roles", "", "member:403 admin:200"},
        {"GET", "/v3/roles?domain_id=", "", "member:403 admin:200"},
        {"GET", "/v3/roles?domain_id=default", "", "member:200 reader:403"},
        {"POST", "/v3/roles", R"({"role": {"name": "second", "domain_id": "default"}})", "reader:403 member:201"},
        {"POST", "/v3/roles", R"({"role": {"name": "second"}})", "member:403"},
        {"POST", "/v3/roles", R"({"role": {"name": 1, "domain_id": "default"}})", "reader:403 member:400"},
        {"PATCH", path, change, "reader:403 member:200"},
        {"PATCH", "/v3/roles/${reader_role}", change, "member:403"},
        {"DELETE", "/v3/roles/${reader_role}", "", "member:403"},
        {"DELETE", path, "", "reader:403 member:204"},
    };
    f.cases.matrix(after);
}

TEST_CASE("HEAD of an implied role has a rule of its own beside the one of GET") {
    IdentityFixture f;
    const std::string path = "/v3/roles/${member_role}/implies/${reader_role}";
    const Cases::Row before[] = {{"HEAD", path, "", "admin:204 member:403"}, {"GET", path, "", "admin:200 member:403"}};
    f.cases.matrix(before);
    f.service.policy().add("identity:check_implied_role", "!");
    const Cases::Row after[] = {{"HEAD", path, "", "admin:403"}, {"GET", path, "", "admin:200"}};
    f.cases.matrix(after);
}

TEST_CASE("who may not, does not learn what is wrong with a body") {
    IdentityFixture f;
    const Cases::Row rows[] = {
        {"POST", "/v3/users", "{}", "member:403 admin:400 none:401"},
        {"POST", "/v3/users", R"({"user": 1})", "member:403 admin:400"},
        {"POST", "/v3/users", R"({"user": {"name": "x", "domain_id": 1}})", "member:403 admin:400"},
        {"POST", "/v3/users", "{", "member:400 admin:400"},
        {"POST", "/v3/users", "[]", "member:400 admin:400"},
        {"PATCH", "/v3/users/${member_user}", R"({"user": {}})", "other:403 admin:400"},
        {"PATCH", "/v3/users/nowhere", R"({"user": {}})", "other:403 admin:400"},
        {"PATCH", "/v3/users/nowhere", R"({"user": {"id": "x"}})", "other:403 admin:400"},
        {"PATCH", "/v3/projects/${demo_project}", R"({"project": {"name": 1}})", "member:403 admin:400"},
        {"PATCH", "/v3/regions/nowhere", R"({"region": {}})", "member:403 admin:400"},
        {"PUT", "/v3/regions/r", R"({"region": {"description": 1}})", "member:403 admin:400"},
        {"PATCH", "/v3/endpoints/nowhere", R"({"endpoint": {"interface": "x"}})", "member:404 admin:404"},
        {"POST", "/v3/OS-TRUST/trusts", R"({"trust": {}})", "member:403 admin:403"},
        {"POST", "/v3/OS-TRUST/trusts", R"({"trust": {"trustor_user_id": "${member_user}"}})", "member:400 other:403"},
        {"POST", "/v3/OS-TRUST/trusts", R"({"trust": {"trustor_user_id": 1}})", "member:403"},
        {"POST", "/v3/users/${member_user}/application_credentials", R"({"application_credential": {}})", "other:403 member:400"},
        // Without its member, a body stands for an empty object.
        {"POST", "/v3/OS-OAUTH1/consumers", "{}", "member:403 admin:201"},
        {"PATCH", "/v3/projects/${demo_project}", "{}", "member:403 admin:400"},
        {"PUT", "/v3/projects/${demo_project}/tags", "{}", "member:403 admin:400"},
        {"PUT", "/v3/domains/default/config", "{}", "member:403 admin:403"},
        {"POST", "/v3/users/${member_user}/password", "{}", "none:400"},
        {"PUT", "/v3/OS-FEDERATION/identity_providers/p", "{}", "member:403 admin:201"},
        {"PUT", "/v3/OS-FEDERATION/mappings/m", "{}", "member:403 admin:400"},
    };
    f.cases.matrix(rows);
}

TEST_CASE("OPTIONS tells the methods of a path to everybody") {
    IdentityFixture f;
    const Case cases[] = {
        {.method = "OPTIONS", .path = "/v3/users", .answer_headers = {{"Allow", "GET, HEAD, OPTIONS, POST"}}},
        {.method = "OPTIONS", .path = "/v3/users/x", .answer_headers = {{"Allow", "DELETE, GET, HEAD, OPTIONS, PATCH"}}},
        {.method = "OPTIONS", .path = "/v3/nothing", .status = 404},
        {.method = "PUT", .path = "/v3/users", .status = 405, .answer_headers = {{"Allow", "GET, HEAD, OPTIONS, POST"}}},
    };
    f.cases.run(cases);
}
