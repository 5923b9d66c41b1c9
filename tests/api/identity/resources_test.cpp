// Domains, projects, users, groups, roles, assignments, services, endpoints, regions: as the original answers, and every bad input.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

Case bad(std::string_view method, std::string path, std::string body, int status = 400) {
    return {.method = method,
            .path = std::move(path),
            .token = "${admin_token}",
            .body = std::move(body),
            .status = status,
            .expect = R"({"error": {"code": )" + std::to_string(status) + R"(, "message": "<text>", "title": "<text>"}})"};
}
Case get(std::string path, std::string expect, int status = 200) {
    return {.path = std::move(path), .token = "${admin_token}", .status = status, .expect = std::move(expect)};
}
Case send(std::string_view method, std::string path, int status, std::string body = {}, std::string expect = {}, Pairs save = {}) {
    return {.method = method,
            .path = std::move(path),
            .token = "${admin_token}",
            .body = std::move(body),
            .status = status,
            .expect = std::move(expect),
            .save = std::move(save),
            .empty = status == 204};
}
const std::string missing = "0123456789abcdef0123456789abcdef";

}  // namespace

TEST_CASE("projects") {
    IdentityFixture f;
    const Case cases[] = {
        send(
            "POST", "/v3/projects", 201, R"({"project": {"name": "p", "description": "d", "tags": ["a", "b"], "color": "red", "options": {}}})",
            R"({"project": {"id": "<hex>", "name": "p", "description": "d", "domain_id": "default", "parent_id": "default", "enabled": true, "is_domain": false,
                "tags": ["a", "b"], "color": "red", "options": {}, "links": {"self": "<matches:^http://api.example/v3/projects/[0-9a-f]{32}$>"},
                "valid_from": "<absent>"}})",
            {{"p", "project.id"}}),
        get("/v3/projects/${p}", R"({"project": {"id": "${p}", "color": "red", "parents": "<absent>"}})"),
        send("POST", "/v3/projects", 201, R"({"project": {"name": "child", "parent_id": "${p}", "domain_id": "default"}})",
             R"({"project": {"parent_id": "${p}"}})", {{"c", "project.id"}}),
        get("/v3/projects?name=p",
            R"({"projects": [{"id": "${p}"}], "links": {"next": null, "previous": null, "self": "http://api.example/v3/projects?name=p"}})"),
        get("/v3/projects?name__icontains=CHIL", R"({"projects": [{"id": "${c}"}]})"),
        get("/v3/projects?parent_id=${p}", R"({"projects": [{"id": "${c}"}]})"),
        get("/v3/projects?tags=a,b", R"({"projects": [{"id": "${p}"}]})"),
        get("/v3/projects?tags=a,x", R"({"projects": []})"),
        get("/v3/projects?tags-any=a,x", R"({"projects": [{"id": "${p}"}]})"),
        get("/v3/projects?not-tags-any=a&name=p", R"({"projects": []})"),
        get("/v3/projects?is_domain=true", R"({"projects": [{"id": "default"}]})"),
        get("/v3/projects?enabled=0", R"({"projects": []})"),
        get("/v3/projects/${c}?parents_as_ids", R"({"project": {"parents": {"${p}": {"default": null}}}})"),
        get("/v3/projects/${p}?subtree_as_ids", R"({"project": {"subtree": {"${c}": null}}})"),
        get("/v3/projects/${p}?subtree_as_ids&subtree_as_list", "", 400),
        bad("DELETE", "/v3/projects/${p}", "", 403),  // not a leaf
        bad("PATCH", "/v3/projects/${p}", R"({"project": {"enabled": false}})", 403),
        send("PATCH", "/v3/projects/${c}", 200, R"({"project": {"enabled": false, "color": "blue"}})",
             R"({"project": {"enabled": false, "color": "blue", "name": "child"}})"),
        send("PATCH", "/v3/projects/${p}", 200, R"({"project": {"enabled": false}})", R"({"project": {"enabled": false}})"),
        bad("PATCH", "/v3/projects/${c}", R"({"project": {"enabled": true}})", 403),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "parent_id": "${p}"}})"),
        send("DELETE", "/v3/projects/${c}", 204),
        send("DELETE", "/v3/projects/${p}", 204),
        get("/v3/projects/${p}", R"({"error": {"code": 404, "message": "Could not find project: ${p}.", "title": "Not Found"}})", 404),
        bad("DELETE", "/v3/projects/${p}", "", 404),
        bad("PATCH", "/v3/projects/${p}", R"({"project": {"name": "x"}})", 404),
    };
    f.cases.run(cases);
}

TEST_CASE("bad projects change nothing") {
    IdentityFixture f;
    const auto before = f.cases.run(get("/v3/projects?sort_key=name", R"({"projects": "<array>"})")).body;
    const Case cases[] = {
        bad("POST", "/v3/projects", R"({"project": {}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": ""}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "   "}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": 7}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": null}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": ")" + std::string(65, 'x') + "\"}}"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "enabled": "yes"}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "enabled": null}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "description": 1}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "domain_id": "no such/domain"}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "domain_id": "nowhere"}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "parent_id": "nowhere"}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "is_domain": true, "parent_id": "default"}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "tags": "a"}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "tags": ["a,b"]}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "tags": ["a", "a"]}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x", "options": []}})"),
        bad("POST", "/v3/projects", R"({"project": []})"),
        bad("POST", "/v3/projects", R"({"name": "x"})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "x")"),
        bad("POST", "/v3/projects", ""),
        bad("POST", "/v3/projects", "{\"project\": {\"name\": \"\xff\xfe\"}}"),
        bad("POST", "/v3/projects", R"({"project": {"name": "a\u0000b"}})"),
        bad("POST", "/v3/projects", R"({"project": {"name": "demo"}})", 409),
        bad("PATCH", "/v3/projects/${demo_project}", R"({"project": {"name": "other"}})", 409),
        bad("PATCH", "/v3/projects/${demo_project}", R"({"project": {"domain_id": "elsewhere"}})"),
        bad("PATCH", "/v3/projects/${demo_project}", R"({"project": {"parent_id": "${other_project}"}})", 403),
        bad("PATCH", "/v3/projects/${demo_project}", R"({"project": {"is_domain": true}})"),
        bad("PATCH", "/v3/projects/${demo_project}", R"({"project": {"id": "another"}})"),
        bad("PATCH", "/v3/projects/not%20an%20id", R"({"project": {"name": "x"}})", 404),
        bad("GET", "/v3/projects?marker=nowhere", ""),
        bad("GET", "/v3/projects?limit=-1", ""),
        bad("GET", "/v3/projects?name=%zz", ""),
    };
    f.cases.run(cases);
    CHECK(f.cases.run(get("/v3/projects?sort_key=name", "")).body == before);
}

TEST_CASE("project tags") {
    IdentityFixture f;
    const std::string tags = "/v3/projects/${demo_project}/tags";
    const Case cases[] = {
        send("PUT", tags, 200, R"({"tags": ["b", "a"]})", R"({"tags": ["a", "b"], "links": {"self": "<text>"}})"),
        send("PUT", tags + "/c", 201),
        get(tags, R"({"tags": ["a", "b", "c"]})"),
        send("GET", tags + "/c", 204),
        send("HEAD", tags + "/c", 204),
        bad("GET", tags + "/d", "", 404),
        send("DELETE", tags + "/c", 204),
        bad("DELETE", tags + "/c", "", 404),
        bad("PUT", tags, R"({"tags": ["a/b"]})"),
        bad("PUT", tags, R"({"tags": [1]})"),
        bad("PUT", tags, R"({"tags": [""]})"),
        bad("PUT", tags, R"({})"),
        bad("PUT", tags + "/a,b", ""),
        bad("PUT", "/v3/projects/nowhere/tags/x", "", 404),
        get(tags, R"({"tags": ["a", "b"]})"),
        send("DELETE", tags, 204),
        get(tags, R"({"tags": []})"),
    };
    f.cases.run(cases);
}

TEST_CASE("domains") {
    IdentityFixture f;
    const Case cases[] = {
        send(
            "POST", "/v3/domains", 201, R"({"domain": {"name": "d", "description": "x"}})",
            R"({"domain": {"id": "<hex>", "name": "d", "enabled": true, "tags": [], "options": {}, "is_domain": "<absent>", "links": {"self": "<text>"}}})",
            {{"d", "domain.id"}}),
        bad("POST", "/v3/domains", R"({"domain": {"name": "d"}})", 409),
        bad("POST", "/v3/domains", R"({"domain": {"name": ""}})"),
        bad("POST", "/v3/domains", R"({"domain": {"name": "e", "enabled": 1}})"),
        bad("POST", "/v3/domains", R"({"domain": {}})"),
        bad("POST", "/v3/domains", R"({"domain": {"name": "e", "explicit_domain_id": "short"}})"),
        get("/v3/domains?name=d", R"({"domains": [{"id": "${d}"}]})"),
        get("/v3/domains?enabled=false", R"({"domains": []})"),
        get("/v3/domains/${demo_project}", "", 404),  // a project is no domain
        get("/v3/domains/default", R"({"domain": {"name": "Default"}})"),
        send("POST", "/v3/users", 201, R"({"user": {"name": "member", "domain_id": "${d}", "password": "pw"}})", R"({"user": {"domain_id": "${d}"}})",
             {{"u", "user.id"}}),
        send("POST", "/v3/projects", 201, R"({"project": {"name": "demo", "domain_id": "${d}"}})", "", {{"p", "project.id"}}),
        send("POST", "/v3/groups", 201, R"({"group": {"name": "g", "domain_id": "${d}"}})", "", {{"g", "group.id"}}),
        send("PUT", "/v3/domains/${d}/users/${u}/roles/${reader_role}", 204),
        {.name = "domain token",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body = R"({"auth": {"identity": {"methods": ["password"], "password": {"user":
            {"id": "${u}", "password": "pw"}}}, "scope": {"domain": {"id": "${d}"}}}})",
         .status = 201,
         .expect = R"({"token": {"domain": {"id": "${d}", "name": "d"}, "roles": [{"name": "reader"}]}})",
         .save = {{"domain_token", "header:X-Subject-Token"}}},
        {.name = "sees its domain only", .path = "/v3/users", .token = "${domain_token}", .expect = R"({"users": [{"id": "${u}"}]})"},
        {.path = "/v3/projects", .token = "${domain_token}", .expect = R"({"projects": [{"id": "${p}"}]})"},
        {.path = "/v3/groups", .token = "${domain_token}", .expect = R"({"groups": [{"id": "${g}"}]})"},
        {.path = "/v3/role_assignments", .token = "${domain_token}", .expect = R"({"role_assignments": [{"user": {"id": "${u}"}}]})"},
        {.path = "/v3/users/${member_user}", .token = "${domain_token}", .status = 403},
        {.path = "/v3/projects/${demo_project}", .token = "${domain_token}", .status = 403},
        {.method = "POST", .path = "/v3/users", .token = "${domain_token}", .body = R"({"user": {"name": "z"}})", .status = 403},
        bad("DELETE", "/v3/domains/${d}", "", 403),  // enabled
        send("PATCH", "/v3/domains/${d}", 200, R"({"domain": {"enabled": false, "description": "off"}})", R"({"domain": {"enabled": false}})"),
        {.name = "its tokens ended", .path = "/v3/users", .token = "${domain_token}", .status = 401},
        send("DELETE", "/v3/domains/${d}", 204),
        get("/v3/users/${u}", "", 404),
        get("/v3/projects/${p}", "", 404),
        get("/v3/groups/${g}", "", 404),
        get("/v3/domains/${d}", R"({"error": {"message": "Could not find domain: ${d}."}})", 404),
    };
    f.cases.run(cases);
}

TEST_CASE("users") {
    IdentityFixture f;
    const Case cases[] = {
        send(
            "POST", "/v3/users", 201,
            R"({"user": {"name": "u", "password": "pw", "email": "a@b", "description": "x", "default_project_id": "${demo_project}"}})",
            R"({"user": {"id": "<hex>", "name": "u", "domain_id": "default", "enabled": true, "email": "a@b", "description": "x", "password_expires_at": null,
                "options": {}, "default_project_id": "${demo_project}", "password": "<absent>", "password_hash": "<absent>", "valid_from": "<absent>",
                "links": {"self": "<matches:/v3/users/>"}}})",
            {{"u", "user.id"}}),
        get("/v3/users/${u}", R"({"user": {"email": "a@b", "password_hash": "<absent>"}})"),
        get("/v3/users?name=u", R"({"users": [{"id": "${u}", "email": "a@b"}]})"),
        get("/v3/users?enabled=true&name=u", R"({"users": [{"id": "${u}"}]})"),
        get("/v3/users?domain_id=elsewhere", R"({"users": []})"),
        send("PATCH", "/v3/users/${u}", 200, R"({"user": {"name": "v", "email": null, "default_project_id": null}})",
             R"({"user": {"name": "v", "email": null, "default_project_id": "<absent>"}})"),
        send("POST", "/v3/users", 201, R"({"user": {"name": "no password", "password": null}})"),
        send("POST", "/v3/users", 201, R"({"user": {"name": "forged", "id": "x", "password_hash": "$argon2id$x", "valid_from": 5}})",
             R"({"user": {"id": "<hex>", "password_hash": "<absent>"}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "v"}})", 409),
        bad("POST", "/v3/users", R"({"user": {}})"),
        bad("POST", "/v3/users", R"({"user": {"name": " "}})"),
        bad("POST", "/v3/users", R"({"user": {"name": ")" + std::string(256, 'x') + "\"}}"),
        bad("POST", "/v3/users", R"({"user": {"name": ["x"]}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "password": 5}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "enabled": "true"}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "domain_id": null}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "domain_id": ")" + missing + "\"}}", 404),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "default_project_id": "default"}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "default_project_id": "a b"}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "options": 1}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "options": {"lock_password": "yes"}}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "options": {"multi_factor_auth_rules": [["password", "password"]]}}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "options": {"multi_factor_auth_rules": [[]]}}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "options": {"multi_factor_auth_rules": ["password"]}}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "options": {"multi_factor_auth_rules": [["password"], ["password"]]}}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "options": {"multi_factor_auth_enabled": "often"}}})"),
        bad("PATCH", "/v3/users/${u}", R"({"user": {}})"),
        send("PATCH", "/v3/users/${member_user}", 200, R"({"user": {"options": {"lock_password": true}}})",
             R"({"user": {"options": {"lock_password": true}}})"),
        send("PATCH", "/v3/users/${member_user}", 200, R"({"user": {"options": {"ignore_password_expiry": true}}})",
             R"({"user": {"options": {"lock_password": true, "ignore_password_expiry": true}}})"),
        bad("POST", "/v3/users/${member_user}/password", R"({"user": {"original_password": "member", "password": "x"}})"),
        send("PATCH", "/v3/users/${member_user}", 200, R"({"user": {"options": {"lock_password": null}}})",
             R"({"user": {"options": {"lock_password": "<absent>"}}})"),
        send("POST", "/v3/users/${member_user}/password", 204, R"({"user": {"original_password": "member", "password": "x"}})"),
        bad("POST", "/v3/users", R"({"user": {"name": "x", "password": ")" + std::string(5000, 'x') + "\"}}", 403),
        bad("PATCH", "/v3/users/${u}", R"({"user": {"domain_id": "other"}})"),
        bad("PATCH", "/v3/users/${u}", R"({"user": {"id": "other"}})"),
        bad("PATCH", "/v3/users/${u}", R"({"user": {"name": "member"}})", 409),
        bad("PATCH", "/v3/users/" + missing, R"({"user": {"name": "z"}})", 404),
        get("/v3/users/${member_user}/projects", R"({"projects": [{"id": "${demo_project}"}], "links": "<object>"})"),
        get("/v3/users/${member_user}/groups", R"({"groups": []})"),
        get("/v3/users/" + missing + "/projects", "", 404),
        get("/v3/users/" + missing, R"({"error": {"message": "Could not find user: 0123456789abcdef0123456789abcdef."}})", 404),
        send("DELETE", "/v3/users/${u}", 204),
        bad("DELETE", "/v3/users/${u}", "", 404),
    };
    f.cases.run(cases);
}

TEST_CASE("groups and their roles") {
    IdentityFixture f;
    const std::string grant = "/v3/projects/${other_project}/groups/${g}/roles/${member_role}";
    const Case cases[] = {
        send("POST", "/v3/groups", 201, R"({"group": {"name": "g", "description": "d"}})",
             R"({"group": {"id": "<hex>", "name": "g", "description": "d", "domain_id": "default", "links": "<object>"}})", {{"g", "group.id"}}),
        bad("POST", "/v3/groups", R"({"group": {"name": "g"}})", 409),
        bad("POST", "/v3/groups", R"({"group": {"name": null}})"),
        bad("POST", "/v3/groups", R"({"group": {"name": "h", "domain_id": "nowhere"}})", 404),
        send("PATCH", "/v3/groups/${g}", 200, R"({"group": {"description": "e"}})", R"({"group": {"name": "g", "description": "e"}})"),
        send("PUT", "/v3/groups/${g}/users/${member_user}", 204),
        send("PUT", "/v3/groups/${g}/users/${member_user}", 204),
        send("HEAD", "/v3/groups/${g}/users/${member_user}", 204),
        bad("GET", "/v3/groups/${g}/users/${other_user}", "", 404),
        bad("PUT", "/v3/groups/${g}/users/" + missing, "", 404),
        bad("PUT", "/v3/groups/" + missing + "/users/${member_user}", "", 404),
        get("/v3/groups/${g}/users", R"({"users": [{"id": "${member_user}", "name": "member"}]})"),
        get("/v3/users/${member_user}/groups", R"({"groups": [{"id": "${g}"}]})"),
        send("PUT", grant, 204),
        send("HEAD", grant, 204),
        get("/v3/projects/${other_project}/groups/${g}/roles", R"({"roles": [{"id": "${member_role}", "name": "member"}], "links": "<object>"})"),
        get("/v3/users/${member_user}/projects", R"({"projects": {"<contains>": [{"id": "${other_project}"}, {"id": "${demo_project}"}]}})"),
        get("/v3/role_assignments?effective&user.id=${member_user}&scope.project.id=${other_project}&role.id=${member_role}",
            R"({"role_assignments": [{"user": {"id": "${member_user}"}, "scope": {"project": {"id": "${other_project}"}}, "links": {
                "assignment": "http://api.example/v3/projects/${other_project}/groups/${g}/roles/${member_role}",
                "membership": "http://api.example/v3/groups/${g}/users/${member_user}"}}]})"),
        send("DELETE", "/v3/groups/${g}/users/${member_user}", 204),
        bad("DELETE", "/v3/groups/${g}/users/${member_user}", "", 404),
        get("/v3/users/${member_user}/projects", R"({"projects": [{"id": "${demo_project}"}]})"),
        send("DELETE", grant, 204),
        bad("DELETE", grant, "", 404),
        bad("GET", grant, "", 404),
        send("DELETE", "/v3/groups/${g}", 204),
    };
    f.cases.run(cases);
}

TEST_CASE("roles and implied roles") {
    IdentityFixture f;
    const Case cases[] = {
        send("POST", "/v3/roles", 201, R"({"role": {"name": "r", "description": "d"}})",
             R"({"role": {"id": "<hex>", "name": "r", "domain_id": null, "description": "d", "options": {}, "links": "<object>"}})",
             {{"r", "role.id"}}),
        bad("POST", "/v3/roles", R"({"role": {"name": "r"}})", 409),
        bad("POST", "/v3/roles", R"({"role": {"name": 1}})"),
        bad("POST", "/v3/roles", R"({"role": {}})"),
        send("POST", "/v3/roles", 201, R"({"role": {"name": "r", "domain_id": "default"}})", R"({"role": {"domain_id": "default"}})",
             {{"local", "role.id"}}),
        get("/v3/roles?name=r", R"({"roles": [{"id": "${r}"}]})"),
        get("/v3/roles?domain_id=default", R"({"roles": [{"id": "${local}"}]})"),
        send("PATCH", "/v3/roles/${r}", 200, R"({"role": {"name": "s"}})", R"({"role": {"name": "s"}})"),
        bad("PATCH", "/v3/roles/${admin_role}", R"({"role": {"name": "root"}})", 403),  // immutable
        bad("PATCH", "/v3/roles/${member_role}", R"({"role": {"options": {"immutable": false}, "description": "d"}})", 403),
        send("PATCH", "/v3/roles/${member_role}", 200, R"({"role": {"options": {"immutable": false}}})"),
        send("PATCH", "/v3/roles/${member_role}", 200, R"({"role": {"options": {"immutable": null}, "description": "d"}})",
             R"({"role": {"options": {}, "description": "d"}})"),
        bad("PATCH", "/v3/roles/${r}", R"({"role": {"options": {"color": 1}}})"),
        bad("DELETE", "/v3/roles/${admin_role}", "", 403),
        send("PUT", "/v3/roles/${r}/implies/${reader_role}", 201, "",
             R"({"role_inference": {"prior_role": {"id": "${r}", "name": "s", "links": "<object>"},
            "implies": {"id": "${reader_role}", "name": "reader"}}})"),
        bad("PUT", "/v3/roles/${r}/implies/${reader_role}", "", 409),
        send("HEAD", "/v3/roles/${r}/implies/${reader_role}", 204),
        get("/v3/roles/${r}/implies", R"({"role_inference": {"implies": [{"id": "${reader_role}"}]}})"),
        get("/v3/roles/${r}/implies/${reader_role}", R"({"role_inference": {"prior_role": {"id": "${r}"}}})"),
        get("/v3/role_inferences", R"({"role_inferences": {"<contains>": [{"prior_role": {"name": "admin"}, "implies": [{"name": "manager"}]},
            {"prior_role": {"id": "${r}"}}]}})"),
        bad("PUT", "/v3/roles/${r}/implies/${admin_role}", "", 403),
        bad("PUT", "/v3/roles/${r}/implies/${local}", "", 403),
        bad("PUT", "/v3/roles/${r}/implies/" + missing, "", 404),
        bad("GET", "/v3/roles/${r}/implies/${member_role}", "", 404),
        send("DELETE", "/v3/roles/${r}/implies/${reader_role}", 204),
        bad("DELETE", "/v3/roles/${r}/implies/${reader_role}", "", 404),
        send("PUT", "/v3/projects/${demo_project}/users/${other_user}/roles/${r}", 204),
        send("DELETE", "/v3/roles/${r}", 204),
        get("/v3/role_assignments?user.id=${other_user}&scope.project.id=${demo_project}", R"({"role_assignments": []})"),
    };
    f.cases.run(cases);
}

TEST_CASE("role assignments") {
    IdentityFixture f;
    const std::string inherit = "/v3/OS-INHERIT/domains/default/users/${other_user}/roles/${reader_role}/inherited_to_projects";
    const Case cases[] = {
        get("/v3/role_assignments?user.id=${member_user}&include_names", R"({"role_assignments": [{"role": {"id": "${member_role}", "name": "member"},
            "user": {"id": "${member_user}", "name": "member", "domain": {"id": "default", "name": "Default"}},
            "scope": {"project": {"id": "${demo_project}", "name": "demo", "domain": {"id": "default", "name": "Default"}}},
            "links": {"assignment": "http://api.example/v3/projects/${demo_project}/users/${member_user}/roles/${member_role}"}}], "links": {"self": "<text>"}})"),
        get("/v3/role_assignments?user.id=${member_user}&effective", R"({"role_assignments": {"<contains>": [{"role": {"id": "${member_role}"}},
            {"role": {"id": "${reader_role}"}, "links": {"prior_role": "<text>"}}]}})"),
        get("/v3/role_assignments?scope.system=all",
            R"({"role_assignments": [{"scope": {"system": {"all": true}}, "user": {"id": "${admin_user}"}}]})"),
        send("PUT", inherit, 204),
        send("HEAD", inherit, 204),
        get("/v3/OS-INHERIT/domains/default/users/${other_user}/roles/inherited_to_projects", R"({"roles": [{"id": "${reader_role}"}]})"),
        get("/v3/domains/default/users/${other_user}/roles", R"({"roles": []})"),
        get("/v3/role_assignments?scope.domain.id=default&scope.OS-INHERIT:inherited_to=projects",
            R"({"role_assignments": [{"scope": {"domain": {"id": "default"}, "OS-INHERIT:inherited_to": "projects"}}]})"),
        get("/v3/role_assignments?effective&user.id=${other_user}&scope.project.id=${demo_project}",
            R"({"role_assignments": [{"role": {"id": "${reader_role}"}, "scope": {"project": {"id": "${demo_project}"}, "OS-INHERIT:inherited_to": "projects"}}]})"),
        {.name = "an inherited role lets in",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body = IdentityFixture::login_body("other", "other", "demo"),
         .status = 201,
         .expect = R"({"token": {"roles": [{"name": "reader"}]}})"},
        send("DELETE", inherit, 204),
        {.method = "POST", .path = "/v3/auth/tokens", .body = IdentityFixture::login_body("other", "other", "demo"), .status = 401},
        bad("GET", inherit, "", 404),
        send("PUT", "/v3/system/users/${other_user}/roles/${reader_role}", 204),
        send("GET", "/v3/system/users/${other_user}/roles/${reader_role}", 204),
        get("/v3/system/users/${other_user}/roles", R"({"roles": [{"id": "${reader_role}"}]})"),
        send("DELETE", "/v3/system/users/${other_user}/roles/${reader_role}", 204),
        bad("PUT", "/v3/projects/${demo_project}/users/${other_user}/roles/" + missing, "", 404),
        bad("PUT", "/v3/projects/${demo_project}/users/" + missing + "/roles/${reader_role}", "", 404),
        bad("PUT", "/v3/projects/" + missing + "/users/${other_user}/roles/${reader_role}", "", 404),
        bad("GET", "/v3/role_assignments?user.id=a&group.id=b", ""),
        bad("GET", "/v3/role_assignments?scope.project.id=a&scope.domain.id=b", ""),
        bad("GET", "/v3/role_assignments?scope.project.id=a&scope.system=all", ""),
        bad("GET", "/v3/role_assignments?effective&group.id=b", ""),
        bad("GET", "/v3/role_assignments?include_subtree", ""),
    };
    f.cases.run(cases);
}

TEST_CASE("services, endpoints, regions") {
    IdentityFixture f;
    const Case cases[] = {
        send("POST", "/v3/services", 201, R"({"service": {"type": "volumev3", "name": "cinder", "description": "Volumes"}})",
             R"({"service": {"id": "<hex>", "type": "volumev3", "name": "cinder", "enabled": true, "description": "Volumes", "links": "<object>"}})",
             {{"s", "service.id"}}),
        bad("POST", "/v3/services", R"({"service": {"name": "x"}})"),
        bad("POST", "/v3/services", R"({"service": {"type": ""}})"),
        bad("POST", "/v3/services", R"({"service": {"type": "x", "enabled": "on"}})"),
        get("/v3/services?type=volumev3", R"({"services": [{"id": "${s}"}]})"),
        send("PATCH", "/v3/services/${s}", 200, R"({"service": {"name": "volumes"}})", R"({"service": {"name": "volumes", "type": "volumev3"}})"),
        send("PUT", "/v3/regions/R2", 201, R"({"region": {"description": "second"}})",
             R"({"region": {"id": "R2", "description": "second", "parent_region_id": null}})"),
        send("POST", "/v3/regions", 201, R"({"region": {"id": "R3", "parent_region_id": "R2"}})",
             R"({"region": {"id": "R3", "parent_region_id": "R2"}})"),
        send("POST", "/v3/regions", 201, R"({"region": {}})", R"({"region": {"id": "<hex>"}})"),
        bad("POST", "/v3/regions", "{}"),
        bad("PUT", "/v3/regions/R4", "{}"),
        bad("POST", "/v3/regions", R"({"region": {"id": "R3"}})", 409),
        bad("POST", "/v3/regions", R"({"region": {"id": "R4", "parent_region_id": "nowhere"}})", 404),
        bad("POST", "/v3/regions", R"({"region": {"id": 4}})"),
        bad("PUT", "/v3/regions/R4", R"({"region": {"id": "R5"}})"),
        bad("PATCH", "/v3/regions/R2", R"({"region": {"parent_region_id": "R3"}})"),
        get("/v3/regions?parent_region_id=R2", R"({"regions": [{"id": "R3"}]})"),
        send("POST", "/v3/endpoints", 201,
             R"({"endpoint": {"interface": "public", "service_id": "${s}", "region_id": "R3", "url": "http://h:8776/v3/$(project_id)s"}})",
             R"({"endpoint": {"id": "<hex>", "interface": "public", "region": "R3", "region_id": "R3", "service_id": "${s}", "enabled": true,
                "url": "http://h:8776/v3/$(project_id)s"}})",
             {{"e", "endpoint.id"}}),
        bad("POST", "/v3/endpoints", R"({"endpoint": {"interface": "secret", "service_id": "${s}", "url": "http://h"}})"),
        bad("POST", "/v3/endpoints", R"({"endpoint": {"interface": "public", "service_id": "nowhere", "url": "http://h"}})"),
        bad("POST", "/v3/endpoints", R"({"endpoint": {"interface": "public", "service_id": "${s}", "url": "nonsense"}})"),
        bad("POST", "/v3/endpoints", R"({"endpoint": {"interface": "public", "service_id": "${s}", "url": "http://h/$(password)s"}})"),
        bad("POST", "/v3/endpoints", R"({"endpoint": {"interface": "public", "service_id": "${s}"}})"),
        bad("POST", "/v3/endpoints", R"({"endpoint": {"interface": "public", "service_id": "${s}", "url": "http://h", "region_id": "nowhere"}})"),
        bad("POST", "/v3/endpoints", R"({"endpoint": {"interface": "public", "service_id": "${s}", "url": "http://h", "enabled": "no"}})"),
        get("/v3/endpoints?interface=public&service_id=${s}", R"({"endpoints": [{"id": "${e}"}]})"),
        {.name = "the project's URL",
         .path = "/v3/auth/catalog",
         .token = "${member_token}",
         .expect = R"({"catalog": {"<contains>": [{"type": "volumev3",
            "endpoints": [{"url": "http://h:8776/v3/${demo_project}"}]}]}})"},
        {.name = "the other project's URL",
         .path = "/v3/auth/catalog",
         .token = "${other_token}",
         .expect = R"({"catalog": {"<contains>": [{"type": "volumev3",
            "endpoints": [{"url": "http://h:8776/v3/${other_project}"}]}]}})"},
        bad("DELETE", "/v3/regions/R2", "", 403),  // its child has an endpoint
        send("PATCH", "/v3/endpoints/${e}", 200, R"({"endpoint": {"enabled": false}})", R"({"endpoint": {"enabled": false}})"),
        {.path = "/v3/auth/catalog", .token = "${member_token}", .expect = R"({"catalog": {"<contains>": [{"type": "volumev3", "endpoints": []}]}})"},
        send("DELETE", "/v3/services/${s}", 204),
        get("/v3/endpoints/${e}", "", 404),
        send("DELETE", "/v3/regions/R2", 204),
        get("/v3/regions/R3", "", 404),
    };
    f.cases.run(cases);
}

TEST_CASE("application credentials and access rules") {
    IdentityFixture f;
    const std::string path = "/v3/users/${member_user}/application_credentials";
    const auto as = [&](std::string token, std::string_view method, std::string at, int status, std::string body = {}, std::string expect = {},
                        Pairs save = {}) {
        return Case{.method = method,
                    .path = std::move(at),
                    .token = "${" + token + "_token}",
                    .body = std::move(body),
                    .status = status,
                    .expect = std::move(expect),
                    .save = std::move(save)};
    };
    const auto login = [](std::string credential, int status, Pairs save = {}) {
        return Case{.name = "log in",
                    .method = "POST",
                    .path = "/v3/auth/tokens",
                    .body = R"({"auth": {"identity": {"methods": ["application_credential"], "application_credential": )" + credential + "}}}",
                    .status = status,
                    .expect = status == 201 ? R"({"token": {"methods": ["application_credential"], "project": {"id": "${demo_project}"},
                        "application_credential": {"id": "<hex>", "name": "<text>", "restricted": "<bool>"}}})"
                                            : "",
                    .save = std::move(save)};
    };
    const Case cases[] = {
        as("member", "POST", path, 201, R"({"application_credential": {"name": "c", "description": "d", "roles": [{"name": "reader"}]}})",
           R"({"application_credential": {"id": "<hex>", "name": "c", "description": "d", "expires_at": null, "project_id": "${demo_project}", "unrestricted": false,
              "secret": "<matches:^[A-Za-z0-9_-]{86}$>", "roles": [{"id": "${reader_role}", "name": "reader"}], "access_rules": "<absent>", "secret_hash": "<absent>"}})",
           {{"c", "application_credential.id"}, {"secret", "application_credential.secret"}}),
        as("member", "GET", path + "/${c}", 200, {}, R"({"application_credential": {"name": "c", "secret": "<absent>"}})"),
        as("member", "GET", path + "?name=c", 200, {}, R"({"application_credentials": [{"id": "${c}"}]})"),
        as("member", "GET", path + "?name=d", 200, {}, R"({"application_credentials": []})"),
        as("member", "POST", path, 409, R"({"application_credential": {"name": "c"}})"),
        as("member", "POST", path, 400, R"({"application_credential": {"name": ""}})"),
        as("member", "POST", path, 400, R"({"application_credential": {}})"),
        as("member", "POST", path, 400, R"({"application_credential": {"name": "x", "roles": [{"name": "admin"}]}})"),
        as("member", "POST", path, 400, R"({"application_credential": {"name": "x", "roles": [{}]}})"),
        as("member", "POST", path, 400, R"({"application_credential": {"name": "x", "roles": "reader"}})"),
        as("member", "POST", path, 400, R"({"application_credential": {"name": "x", "expires_at": "yesterday"}})"),
        as("member", "POST", path, 400, R"({"application_credential": {"name": "x", "expires_at": "2001-01-01T00:00:00"}})"),
        as("member", "POST", path, 400, R"({"application_credential": {"name": "x", "unrestricted": "no"}})"),
        as("member", "POST", path, 400, R"({"application_credential": {"name": "x", "access_rules": [{"method": "GET"}]}})"),
        as("member", "POST", path, 400,
           R"({"application_credential": {"name": "x", "access_rules": [{"method": "PURGE", "service": "compute", "path": "/"}]}})"),
        as("other", "POST", path, 403, R"({"application_credential": {"name": "x"}})"),
        as("admin", "POST", path, 403, R"({"application_credential": {"name": "x"}})"),
        as("other", "GET", path, 403),
        as("other", "GET", path + "/${c}", 403),
        as("other", "DELETE", path + "/${c}", 403),
        {.name = "by its own path", .path = "/v3/users/${other_user}/application_credentials/${c}", .token = "${other_token}", .status = 403},
        login(R"({"id": "${c}", "secret": "${secret}"})", 201, {{"app_token", "header:X-Subject-Token"}}),
        login(R"({"name": "c", "secret": "${secret}", "user": {"name": "member", "domain": {"name": "Default"}}})", 201),
        login(R"({"id": "${c}", "secret": "wrong"})", 401),
        login(R"({"id": "0123456789abcdef0123456789abcdef", "secret": "${secret}"})", 401),
        login(R"({"name": "c", "secret": "${secret}"})", 400),
        login(R"({"id": "${c}"})", 400),
        {.name = "only its roles",
         .path = "/v3/auth/tokens",
         .token = "${app_token}",
         .expect = R"({"token": {"roles": [{"name": "reader"}]}})",
         .headers = {{"X-Subject-Token", "${app_token}"}}},
        {.name = "it does not grow",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body =
             R"({"auth": {"identity": {"methods": ["token"], "token": {"id": "${app_token}"}}, "scope": {"project": {"id": "${demo_project}"}}}})",
         .status = 403},
        {.name = "it makes no others",
         .method = "POST",
         .path = path,
         .token = "${app_token}",
         .body = R"({"application_credential": {"name": "x"}})",
         .status = 403},
        {.name = "it does not go away by itself", .method = "DELETE", .path = path + "/${c}", .token = "${app_token}", .status = 403},
        as("member", "POST", path, 201,
           R"({"application_credential": {"name": "r", "secret": "s", "access_rules": [{"path": "/v2.1/servers", "method": "GET", "service": "compute"}]}})",
           R"({"application_credential": {"secret": "s", "access_rules": [{"id": "<hex>", "path": "/v2.1/servers", "method": "GET", "service": "compute"}]}})",
           {{"r", "application_credential.id"}, {"rule", "application_credential.access_rules.0.id"}}),
        login(R"({"id": "${r}", "secret": "s"})", 201, {{"limited", "header:X-Subject-Token"}}),
        {.name = "who does not check rules is told nothing",
         .path = "/v3/auth/tokens",
         .token = "${service_token}",
         .status = 404,
         .headers = {{"X-Subject-Token", "${limited}"}}},
        {.name = "who does may",
         .path = "/v3/auth/tokens",
         .token = "${service_token}",
         .headers = {{"X-Subject-Token", "${limited}"}, {"OpenStack-Identity-Access-Rules", "1.0"}}},
        {.name = "not for this API", .path = "/v3/auth/projects", .token = "${limited}", .status = 401},
        as("member", "GET", "/v3/users/${member_user}/access_rules", 200, {}, R"({"access_rules": [{"id": "${rule}", "links": "<object>"}]})"),
        as("member", "GET", "/v3/users/${member_user}/access_rules/${rule}", 200, {}, R"({"access_rule": {"service": "compute"}})"),
        as("other", "GET", "/v3/users/${other_user}/access_rules/${rule}", 404),
        as("other", "GET", "/v3/users/${member_user}/access_rules/${rule}", 403),
        as("member", "DELETE", "/v3/users/${member_user}/access_rules/${rule}", 403),
        as("member", "DELETE", path + "/${r}", 204),
        as("member", "DELETE", "/v3/users/${member_user}/access_rules/${rule}", 204),
        as("member", "DELETE", path + "/${r}", 404),
        send("DELETE", "/v3/projects/${demo_project}/users/${member_user}/roles/${member_role}", 204),
        {.name = "gone with the grant", .path = "/v3/auth/projects", .token = "${app_token}", .status = 401},
        get(path, R"({"application_credentials": []})"),
    };
    f.cases.run(cases);
}

TEST_CASE("a limit on lists") {
    IdentityFixture f;
    api::ServiceSpec spec = identity::service_spec();
    spec.style.page_limit = 2;
    api::Service limited(std::move(spec), *f.store, f.app.tokens, f.metrics, &f.app);
    Cases cases{limited};
    cases.vars = f.cases.vars;
    const auto get = [](std::string path, std::string expect, Pairs save = {}) {
        return Case{.path = std::move(path), .token = "${admin_token}", .expect = std::move(expect), .save = std::move(save)};
    };
    const Case table[] = {
        get("/v3/users", R"({"users": [{"id": "<hex>"}, {"id": "<hex>"}], "truncated": true, "links": {"next": "<matches:marker=>"}})",
            {{"last", "users.1.id"}}),
        get("/v3/users?limit=9", R"({"users": [{"id": "<hex>"}, {"id": "<hex>"}], "truncated": true})"),
        get("/v3/users?limit=1", R"({"users": [{"id": "<text>"}], "truncated": "<absent>", "links": {"next": "<text>"}})"),
        get("/v3/users?marker=${last}", R"({"users": [{"id": "<hex>"}, {"id": "<hex>"}], "truncated": true})"),
        get("/v3/users?name=member", R"({"users": [{"id": "<text>"}], "truncated": "<absent>", "links": {"next": null}})"),
        get("/v3/projects", R"({"truncated": true})"),
        get("/v3/domains", R"({"domains": [{"id": "<text>"}], "truncated": "<absent>"})"),
        get("/v3/users/${admin_user}/projects", R"({"projects": [{"id": "<text>"}], "truncated": "<absent>"})"),
    };
    cases.run(table);
}
