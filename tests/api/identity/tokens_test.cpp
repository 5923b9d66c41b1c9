// /v3/auth: logging in, validating, revoking.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

const std::string refused = R"({"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}})";
const std::string bad = R"({"error": {"code": 400, "title": "Bad Request", "message": "<text>"}})";

Case login(std::string name, std::string identity, int status, std::string scope = {}) {
    return {.name = std::move(name),
            .method = "POST",
            .path = "/v3/auth/tokens",
            .body = R"({"auth": {"identity": )" + identity + (scope.empty() ? "" : ", \"scope\": " + scope) + "}}",
            .status = status,
            .expect = status == 401   ? refused
                      : status == 400 ? bad
                                      : ""};
}

std::string password(const std::string& user) { return R"({"methods": ["password"], "password": {"user": )" + user + "}}"; }

const std::string right = password(R"({"name": "member", "password": "member", "domain": {"id": "default"}})");

}  // namespace

TEST_CASE("versions need no token") {
    IdentityFixture f;
    const Case cases[] = {
        {.path = "/",
         .status = 300,
         .expect = R"({"versions": {"values": [{"id": "v3.14", "status": "stable", "links": [{"rel": "self",
            "href": "http://api.example/v3/"}]}]}})",
         .answer_headers = {{"Location", "http://api.example/v3/"}}},
        {.path = "/v3", .expect = R"({"version": {"id": "v3.14", "media-types": [{"base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json"}]}})"},
        {.path = "/v3/", .status = 200},
        {.path = "/v3/nowhere", .status = 404, .expect = R"({"error": {"code": 404, "title": "Not Found"}})"},
        {.method = "PATCH", .path = "/v3/auth/tokens", .token = "${admin_token}", .status = 405, .expect = R"({"error": {"code": 405}})"},
        {.path = "/healthcheck", .text = "OK"},
    };
    f.cases.run(cases);
}

TEST_CASE("log in by password") {
    IdentityFixture f;
    const Case cases[] = {
        {.method = "POST",
         .path = "/v3/auth/tokens",
         .body = IdentityFixture::login_body("member", "member", "demo"),
         .status = 201,
         .expect = R"({"token": {"methods": ["password"], "user": {"id": "${member_user}", "name": "member", "password_expires_at": null,
            "domain": {"id": "default", "name": "Default"}}, "project": {"id": "${demo_project}", "name": "demo", "domain": {"id": "default"}},
            "is_domain": false, "roles": [{"id": "<hex>", "name": "member"}, {"id": "<hex>", "name": "reader"}],
            "audit_ids": ["<text>"], "expires_at": "<matches:^2027-.*[.]000000Z$>", "issued_at": "<matches:^2027-.*[.]000000Z$>",
            "catalog": {"<contains>": [{"type": "identity", "name": "keystone", "id": "<hex>", "endpoints": {"<contains>": [
                {"interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": "http://cloud.example:5000/v3", "id": "<hex>"}]}}]}}})",
         .answer_headers = {{"X-Subject-Token", "<matches:^gAAAA>"}, {"Vary", "X-Auth-Token"}, {"X-Openstack-Request-Id", "<matches:^req->"}}},
        {.method = "POST",
         .path = "/v3/auth/tokens?nocatalog",
         .body = IdentityFixture::login_body("member", "member", "demo"),
         .status = 201,
         .expect = R"({"token": {"catalog": "<absent>", "project": {"name": "demo"}}})"},
        {.method = "POST",
         .path = "/v3/auth/tokens",
         .body = IdentityFixture::login_body("member", "member", ""),
         .status = 201,
         .expect = R"({"token": {"catalog": "<absent>", "project": "<absent>", "roles": "<absent>", "is_domain": "<absent>"}})"},
        login("by id", password(R"({"id": "${member_user}", "password": "member"})"), 201),
        login("scope by id", right, 201, R"({"project": {"id": "${demo_project}"}})"),
        login("unscoped as text", right, 201, R"("unscoped")"),
        login("unscoped as object", right, 201, R"({"unscoped": {}})"),
        login("system", password(R"({"id": "${admin_user}", "password": "secret"})"), 201, R"({"system": {"all": true}})"),
        login("system, in short", password(R"({"id": "${admin_user}", "password": "secret"})"), 201, R"({"system": {}})"),
    };
    f.cases.run(cases);
}

TEST_CASE("what is wrong with a login is not told") {
    IdentityFixture f;
    const Case cases[] = {
        login("wrong password", password(R"({"name": "member", "password": "wrong", "domain": {"id": "default"}})"), 401),
        login("no such user", password(R"({"name": "nobody", "password": "member", "domain": {"id": "default"}})"), 401),
        login("no such id", password(R"({"id": "0123456789abcdef0123456789abcdef", "password": "member"})"), 401),
        login("no such domain", password(R"({"name": "member", "password": "member", "domain": {"name": "nowhere"}})"), 401),
        login("no password", password(R"({"id": "${member_user}"})"), 401),
        login("empty password", password(R"({"name": "member", "password": "", "domain": {"id": "default"}})"), 401),
        login("endless password", password(R"({"name": "member", "password": ")" + std::string(5000, 'x') + R"(", "domain": {"id": "default"}})"),
              401),
        login("no such project", right, 401, R"({"project": {"id": "0123456789abcdef0123456789abcdef"}})"),
        login("no role there", right, 401, R"({"project": {"id": "${other_project}"}})"),
        login("no role on the domain", right, 401, R"({"domain": {"id": "default"}})"),
        login("no role on the system", right, 401, R"({"system": {"all": true}})"),
        login("no role on the system, in short", right, 401, R"({"system": {}})"),
        login("no such trust", right, 401, R"({"OS-TRUST:trust": {"id": "0123456789abcdef0123456789abcdef"}})"),
        login("no such token", R"({"methods": ["token"], "token": {"id": "gAAAAAnonsense"}})", 404),
        login("wrong password and bad scope", password(R"({"name": "member", "password": "wrong", "domain": {"id": "default"}})"), 400,
              R"({"project": {}})"),
        {.name = "unknown method",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body = R"({"auth": {"identity": {"methods": ["oauth9"], "oauth9": {}}}})",
         .status = 401,
         .expect = R"({"error": {"code": 401}})"},
        {.name = "two users",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body = R"({"auth": {"identity": {"methods": ["password", "token"], "token": {"id": "${reader_token}"},
            "password": {"user": {"name": "member", "password": "member", "domain": {"id": "default"}}}}}})",
         .status = 401,
         .expect = refused},
    };
    f.cases.run(cases);
}

TEST_CASE("login bodies of a wrong shape") {
    IdentityFixture f;
    const auto raw = [](std::string name, std::string body, int status = 400) {
        return Case{.name = std::move(name),
                    .method = "POST",
                    .path = "/v3/auth/tokens",
                    .body = std::move(body),
                    .status = status,
                    .expect = status == 400 ? bad : ""};
    };
    const Case cases[] = {
        raw("no JSON", "{"),
        raw("nested too deeply", std::string(100, '[') + std::string(100, ']')),
        raw("an array", "[]"),
        raw("a text", "\"auth\""),
        raw("nothing in it", "{}"),
        raw("auth is null", R"({"auth": null})"),
        raw("auth is a text", R"({"auth": "x"})"),
        raw("no identity", R"({"auth": {}})"),
        raw("no methods", R"({"auth": {"identity": {}}})"),
        raw("methods are a text", R"({"auth": {"identity": {"methods": "password"}}})"),
        raw("a method is a number", R"({"auth": {"identity": {"methods": [1]}}})"),
        raw("no method", R"({"auth": {"identity": {"methods": []}}})", 401),
        raw("method without data", R"({"auth": {"identity": {"methods": ["password"]}}})"),
        login("no user", R"({"methods": ["password"], "password": {}})", 400),
        login("user is a text", password(R"("member")"), 400),
        login("no name, no id", password(R"({"password": "member"})"), 400),
        login("name without domain", password(R"({"name": "member", "password": "member"})"), 400),
        login("empty domain", password(R"({"name": "member", "password": "member", "domain": {}})"), 400),
        login("password is a number", password(R"({"id": "x", "password": 7})"), 400),
        login("password is null", password(R"({"id": "x", "password": null})"), 400),
        login("token without id", R"({"methods": ["token"], "token": {}})", 400),
        login("token id is a number", R"({"methods": ["token"], "token": {"id": 1}})", 400),
        login("scope is a number", right, 400, "7"),
        login("scope is another text", right, 400, R"("everything")"),
        login("scope is empty", right, 400, "{}"),
        login("two scopes", right, 400, R"({"project": {"id": "x"}, "domain": {"id": "y"}})"),
        login("project by name without domain", right, 400, R"({"project": {"name": "demo"}})"),
        login("project without name", right, 400, R"({"project": {}})"),
        login("domain is a text", right, 400, R"({"domain": "default"})"),
        login("trust without an id", right, 400, R"({"OS-TRUST:trust": {}})"),
        login("trust is a text", right, 400, R"({"OS-TRUST:trust": "x"})"),
        login("trust and project", right, 400, R"({"OS-TRUST:trust": {"id": "x"}, "project": {"id": "x"}})"),
        {.name = "wrong content type",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body = "{}",
         .status = 400,
         .expect = bad,
         .headers = {{"Content-Type", "text/plain"}}},
        raw("too large, before anything else", R"({"auth": ")" + std::string(20'000, 'x') + "\"}", 413),
    };
    f.cases.run(cases);
}

TEST_CASE("validate and revoke") {
    IdentityFixture f;
    const Case cases[] = {
        {.path = "/v3/auth/tokens",
         .token = "${admin_token}",
         .status = 200,
         .expect = R"({"token": {"user": {"name": "member"}, "catalog": "<array>", "roles": [{"name": "member"}, {"name": "reader"}]}})",
         .headers = {{"X-Subject-Token", "${member_token}"}},
         .answer_headers = {{"X-Subject-Token", "${member_token}"}}},
        {.path = "/v3/auth/tokens?nocatalog",
         .token = "${service_token}",
         .expect = R"({"token": {"catalog": "<absent>"}})",
         .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.method = "HEAD", .path = "/v3/auth/tokens", .token = "${admin_token}", .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.name = "its own", .path = "/v3/auth/tokens", .token = "${member_token}", .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.name = "another's",
         .path = "/v3/auth/tokens",
         .token = "${other_token}",
         .status = 403,
         .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.name = "another's",
         .method = "DELETE",
         .path = "/v3/auth/tokens",
         .token = "${other_token}",
         .status = 403,
         .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.name = "no token at all", .path = "/v3/auth/tokens", .status = 401, .expect = refused, .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.name = "nonsense",
         .path = "/v3/auth/tokens",
         .token = "nonsense",
         .status = 401,
         .expect = refused,
         .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.name = "no subject",
         .path = "/v3/auth/tokens",
         .token = "${admin_token}",
         .status = 404,
         .expect = R"({"error": {"code": 404, "title": "Not Found"}})"},
        {.name = "nonsense subject",
         .path = "/v3/auth/tokens",
         .token = "${admin_token}",
         .status = 404,
         .headers = {{"X-Subject-Token", "gAAAAAgarbage"}}},
        {.method = "DELETE",
         .path = "/v3/auth/tokens",
         .token = "${member_token}",
         .status = 204,
         .headers = {{"X-Subject-Token", "${member_token}"}},
         .empty = true},
        {.name = "gone at once",
         .path = "/v3/auth/tokens",
         .token = "${admin_token}",
         .status = 404,
         .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.name = "gone at once", .path = "/v3/auth/projects", .token = "${member_token}", .status = 401},
        {.name = "twice",
         .method = "DELETE",
         .path = "/v3/auth/tokens",
         .token = "${admin_token}",
         .status = 404,
         .headers = {{"X-Subject-Token", "${member_token}"}}},
    };
    f.cases.run(cases);
}

TEST_CASE("a token from a token ends with it") {
    IdentityFixture f;
    f.now += 600'000'000;
    const std::string by_token = R"({"methods": ["token"], "token": {"id": "${member_token}"}})";
    auto c = login("rescope", by_token, 201, R"({"project": {"id": "${demo_project}"}})");
    c.expect = R"({"token": {"methods": ["password", "token"], "audit_ids": ["<text>", "<text>"]}})";
    const auto response = f.cases.run(c);
    f.cases.vars["second"] = std::string(response.headers.get("X-Subject-Token"));
    f.now += 3'001'000'000;
    const Case cases[] = {
        {.path = "/v3/auth/tokens", .token = "${second}", .status = 401, .headers = {{"X-Subject-Token", "${second}"}}},
        login("from an ended one", by_token, 404),
    };
    f.cases.run(cases);
}

TEST_CASE("an ended token may be looked at for a while by who asks for it") {
    IdentityFixture f;
    f.now += 3'601'000'000;
    f.cases.vars["fresh"] = f.log_in("nova", "nova", "service");
    const Case within[] = {
        {.path = "/v3/auth/tokens", .token = "${fresh}", .status = 404, .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.path = "/v3/auth/tokens?allow_expired=1", .token = "${fresh}", .status = 200, .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.path = "/v3/auth/tokens?allow_expired=0", .token = "${fresh}", .status = 404, .headers = {{"X-Subject-Token", "${member_token}"}}},
        {.path = "/v3/auth/tokens?allow_expired=1", .token = "${member_token}", .status = 401, .headers = {{"X-Subject-Token", "${member_token}"}}},
    };
    f.cases.run(within);
    f.now += 172'800'000'000;
    f.cases.vars["fresh"] = f.log_in("nova", "nova", "service");
    f.cases.run({.path = "/v3/auth/tokens?allow_expired=1", .token = "${fresh}", .status = 404, .headers = {{"X-Subject-Token", "${member_token}"}}});
}

TEST_CASE("what ends tokens, at once") {
    IdentityFixture f;
    const auto alive = [&](int status) { f.cases.run({.path = "/v3/auth/projects", .token = "${member_token}", .status = status}); };
    const auto patch = [&](std::string path, std::string body) {
        f.cases.run({.method = "PATCH", .path = path, .token = "${admin_token}", .body = std::move(body)});
    };
    alive(200);
    SUBCASE("a new password") {
        patch("/v3/users/${member_user}", R"({"user": {"password": "fresh"}})");
        alive(401);
        // In the same second, for the clock stands still: the new one counts as made afterwards.
        f.cases.vars["member_token"] = f.log_in("member", "fresh", "demo");
        alive(200);
        f.cases.run(login("the old one", right, 401));
    }
    SUBCASE("a new password by its user") {
        f.cases.run({.method = "POST",
                     .path = "/v3/users/${member_user}/password",
                     .body = R"({"user": {"original_password": "member", "password": "fresh"}})",
                     .status = 204,
                     .empty = true});
        alive(401);
        f.cases.vars["member_token"] = f.log_in("member", "fresh", "demo");
        alive(200);
    }
    SUBCASE("the user disabled; enabling it brings no token back") {
        patch("/v3/users/${member_user}", R"({"user": {"enabled": false}})");
        alive(401);
        f.cases.run(login("disabled", right, 401));
        patch("/v3/users/${member_user}", R"({"user": {"enabled": true}})");
        alive(401);
        f.cases.run(login("enabled", right, 201));
    }
    SUBCASE("the project disabled") {
        patch("/v3/projects/${demo_project}", R"({"project": {"enabled": false}})");
        alive(401);
        patch("/v3/projects/${demo_project}", R"({"project": {"enabled": true}})");
        alive(401);
        f.cases.vars["member_token"] = f.log_in("member", "member", "demo");
        alive(200);
    }
    SUBCASE("the role taken away") {
        f.cases.run({.method = "DELETE",
                     .path = "/v3/projects/${demo_project}/users/${member_user}/roles/${member_role}",
                     .token = "${admin_token}",
                     .status = 204});
        alive(401);
    }
    SUBCASE("the user deleted") {
        f.cases.run({.method = "DELETE", .path = "/v3/users/${member_user}", .token = "${admin_token}", .status = 204});
        alive(401);
    }
    SUBCASE("another key ring") {
        f.repository.rotate(3);
        f.app.reload_keys();
        alive(200);
        f.repository.rotate(3);  // its key is gone
        f.app.reload_keys();
        alive(401);
    }
    SUBCASE("another process wrote") {
        f.store->write([&](Tx& tx) {
            tx.exec("UPDATE users SET enabled = 0 WHERE name = 'member'");
            identity::touch(tx);
        });
        f.now += 1'000'000;
        alive(401);
    }
}

TEST_CASE("a password change tells nothing and changes nothing when it is refused") {
    IdentityFixture f;
    const auto change = [](std::string user, std::string body, int status) {
        return Case{.method = "POST", .path = "/v3/users/" + user + "/password", .body = std::move(body), .status = status};
    };
    const Case cases[] = {
        change("${member_user}", R"({"user": {"original_password": "wrong", "password": "fresh"}})", 401),
        change("0123456789abcdef0123456789abcdef", R"({"user": {"original_password": "member", "password": "fresh"}})", 401),
        change("${member_user}", R"({"user": {"password": "fresh"}})", 400),
        change("${member_user}", R"({"user": {"original_password": "member"}})", 400),
        change("${member_user}", R"({"user": {"original_password": "member", "password": null}})", 400),
        change("${member_user}", R"({"user": {"original_password": "member", "password": "fresh", "name": "x"}})", 400),
        change("${member_user}", R"({"original_password": "member", "password": "fresh"})", 400),
        change("${member_user}", R"({"user": {"original_password": "member", "password": ")" + std::string(5000, 'x') + "\"}}", 403),
        login("still the old one", right, 201),
    };
    f.cases.run(cases);
}

TEST_CASE("forged identity headers mean nothing") {
    IdentityFixture f;
    const Pairs forged{{"X-Roles", "admin"},
                       {"X-Role", "admin"},
                       {"X-Is-Admin-Project", "True"},
                       {"X-User-Id", "${admin_user}"},
                       {"X-Identity-Status", "Confirmed"},
                       {"X-Project-Id", "${admin_project}"},
                       {"X-Domain-Id", "default"},
                       {"OpenStack-System-Scope", "all"}};
    const Case cases[] = {
        {.path = "/v3/users", .status = 401, .headers = forged},
        {.path = "/v3/users", .token = "${member_token}", .status = 403, .headers = forged},
        {.name = "two tokens", .path = "/v3/users", .token = "${member_token}", .status = 401, .headers = {{"x-auth-token", ""}}},
    };
    f.cases.run(cases);
}

TEST_CASE("what a token may be used for") {
    IdentityFixture f;
    const Case cases[] = {
        {.path = "/v3/auth/catalog",
         .token = "${member_token}",
         .expect = R"({"catalog": "<array>", "links": {"self": "http://api.example/v3/auth/catalog"}})"},
        {.path = "/v3/auth/catalog", .token = "${system_token}", .status = 403},
        {.path = "/v3/auth/projects",
         .token = "${member_token}",
         .expect = R"({"projects": [{"id": "${demo_project}", "name": "demo"}], "links": {"next": null}})"},
        {.path = "/v3/auth/domains", .token = "${member_token}", .expect = R"({"domains": []})"},
        {.path = "/v3/auth/system", .token = "${member_token}", .expect = R"({"system": []})"},
        {.path = "/v3/auth/system", .token = "${admin_token}", .expect = R"({"system": [{"all": true}]})"},
        {.path = "/v3/auth/tokens",
         .token = "${system_token}",
         .expect = R"({"token": {"system": {"all": true}, "project": "<absent>",
            "roles": {"<contains>": [{"name": "admin"}, {"name": "reader"}]}, "catalog": "<array>"}})",
         .headers = {{"X-Subject-Token", "${system_token}"}}},
    };
    f.cases.run(cases);
}
