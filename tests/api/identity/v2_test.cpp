// Identity v2.0, and tokens of the other provider.
#include "domain/jws.h"
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

Case post(std::string name, std::string body, int status) {
    return {.name = std::move(name),
            .method = "POST",
            .path = "/v2.0/tokens",
            .body = std::move(body),
            .status = status,
            .expect = status >= 400 ? R"({"error": {"code": )" + std::to_string(status) + "}}" : ""};
}

}  // namespace

TEST_CASE("v2.0: tokens and tenants") {
    IdentityFixture f;
    const std::string credentials = R"("passwordCredentials": {"username": "member", "password": "member"})";
    Case login = post("by name", R"({"auth": {)" + credentials + R"(, "tenantName": "demo"}})", 200);
    login.expect = R"({"access": {"token": {"id": "<text>", "expires": "<matches:^2027-.*:..Z$>", "issued_at": "<text>", "audit_ids": ["<text>"],
        "tenant": {"id": "${demo_project}", "name": "demo", "enabled": true, "description": "<any>"}},
        "user": {"id": "${member_user}", "name": "member", "username": "member", "roles": [{"name": "member"}, {"name": "reader"}], "roles_links": []},
        "metadata": {"is_admin": 0, "roles": ["<hex>", "<hex>"]},
        "serviceCatalog": {"<contains>": [{"type": "identity", "name": "keystone", "endpoints_links": [], "endpoints": [{"region": "RegionOne", "id": "<hex>",
            "publicURL": "http://cloud.example:5000/v3", "internalURL": "<text>", "adminURL": "<text>"}]}]}}})";
    login.save = {{"v2_token", "access.token.id"}};
    f.cases.run(login);
    const std::string one = "/v2.0/tokens/${v2_token}";
    const Case cases[] = {
        post("by id", R"({"auth": {"passwordCredentials": {"userId": "${member_user}", "password": "member"}, "tenantId": "${demo_project}"}})", 200),
        {.name = "unscoped",
         .method = "POST",
         .path = "/v2.0/tokens",
         .body = R"({"auth": {)" + credentials + "}}",
         .expect = R"({"access": {"token": {"tenant": "<absent>"}, "serviceCatalog": [], "user": {"roles": []}}})"},
        {.name = "by token",
         .method = "POST",
         .path = "/v2.0/tokens",
         .body = R"({"auth": {"token": {"id": "${v2_token}"}, "tenantName": "demo"}})",
         .expect = R"({"access": {"token": {"tenant": {"name": "demo"}}}})"},
        post("wrong password", R"({"auth": {"passwordCredentials": {"username": "member", "password": "x"}, "tenantName": "demo"}})", 401),
        post("no such tenant", R"({"auth": {)" + credentials + R"(, "tenantName": "nothing"}})", 401),
        post("another's tenant", R"({"auth": {)" + credentials + R"(, "tenantName": "other"}})", 401),
        post("no such token", R"({"auth": {"token": {"id": "gAAAAA"}}})", 401),
        post("nothing", "{}", 400),
        post("nobody", R"({"auth": {}})", 400),
        post("a text", R"({"auth": "x"})", 400),
        post("no user", R"({"auth": {"passwordCredentials": {"password": "x"}}})", 400),
        post("no password", R"({"auth": {"passwordCredentials": {"username": "member"}}})", 400),
        post("a number", R"({"auth": {"passwordCredentials": {"username": "member", "password": 5}}})", 400),
        post("tenant is a number", R"({"auth": {)" + credentials + R"(, "tenantName": 5}})", 400),
        {.path = "/v2.0/tenants",
         .token = "${v2_token}",
         .expect = R"({"tenants": [{"id": "${demo_project}", "name": "demo", "enabled": true}], "tenants_links": []})"},
        {.path = "/v2.0/tenants?limit=1", .token = "${admin_token}", .expect = R"({"tenants": [{"id": "<hex>"}]})"},
        {.path = "/v2.0/tenants?limit=x", .token = "${admin_token}", .status = 400},
        {.path = "/v2.0/tenants?marker=x", .token = "${admin_token}", .status = 400},
        {.path = "/v2.0/tenants?name=demo", .token = "${admin_token}", .expect = R"({"tenant": {"name": "demo"}})"},
        {.path = "/v2.0/tenants?name=nothing", .token = "${admin_token}", .status = 404},
        {.path = "/v2.0/tenants?name=demo", .token = "${v2_token}", .status = 403},
        {.path = "/v2.0/tenants/${demo_project}", .token = "${admin_token}", .expect = R"({"tenant": {"name": "demo"}})"},
        {.path = "/v2.0/tenants/${demo_project}", .token = "${v2_token}", .status = 403},
        {.path = "/v2.0/tenants", .status = 401},
        {.path = one, .token = "${service_token}", .expect = R"({"access": {"user": {"id": "${member_user}"}}})"},
        {.path = one + "?belongsTo=${demo_project}", .token = "${admin_token}"},
        {.path = one + "?belongsTo=${other_project}", .token = "${admin_token}", .status = 404},
        {.method = "HEAD", .path = one, .token = "${admin_token}"},
        {.path = one, .token = "${other_token}", .status = 403},
        {.path = one, .status = 401},
        {.path = "/v2.0/tokens/gAAAAA", .token = "${admin_token}", .status = 404},
        {.path = "/v2.0/tokens/${system_token}", .token = "${admin_token}", .status = 401},
        {.path = one + "/endpoints",
         .token = "${admin_token}",
         .expect = R"({"endpoints": {"<contains>": [{"type": "identity", "publicURL": "<text>"}]}})"},
        {.method = "DELETE", .path = one, .token = "${other_token}", .status = 403},
        {.method = "DELETE", .path = one, .token = "${admin_token}", .status = 204},
        {.path = one, .token = "${admin_token}", .status = 404},
        {.path = "/v2.0", .expect = R"({"version": {"id": "v2.0", "status": "deprecated"}})"},
        {.path = "/v2.0/", .expect = R"({"version": {"id": "v2.0"}})"},
        {.path = "/v2.0/extensions", .expect = R"({"extensions": {"values": []}})"},
    };
    f.cases.run(cases);
}

TEST_CASE("JWS tokens; those of the provider before stay good, and so do those of a key before") {
    IdentityFixture f;
    const identity::JwsRepository repository(f.dir / "jws");
    repository.initialize();
    identity::JwsKeyRing ring(repository);
    f.app.tokens.use_jws(ring, true);
    f.cases.run({.path = "/v3/auth/projects", .token = "${member_token}"});
    f.now += 500'000;  // claims know whole seconds
    const auto response = f.cases.run({.method = "POST",
                                       .path = "/v3/auth/tokens",
                                       .body = IdentityFixture::login_body("member", "member", "demo"),
                                       .status = 201,
                                       .expect = R"({"token": {"expires_at": "<matches:[.]000000Z$>", "project": {"id": "${demo_project}"}}})",
                                       .answer_headers = {{"X-Subject-Token", "<matches:^eyJ.*[.].*[.].*$>"}},
                                       .save = {{"jws", "header:X-Subject-Token"}}});
    repository.rotate(4);
    CHECK(ring.reload_if_changed());
    f.app.tokens.forget();
    f.cases.run({.path = "/v3/auth/tokens",
                 .token = "${admin_token}",
                 .expect = R"({"token": {"user": {"id": "${member_user}"}, "methods": ["password"], "project": {"id": "${demo_project}"}}})",
                 .headers = {{"X-Subject-Token", "${jws}"}}});
    const Case cases[] = {
        {.path = "/v3/auth/projects", .token = "${jws}"},
        {.path = "/v3/auth/projects", .token = "${jws}x", .status = 401},
        {.name = "system",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body = R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name":
            "admin", "password": "secret", "domain": {"id": "default"}}}}, "scope": {"system": {"all": true}}}})",
         .status = 201,
         .save = {{"system", "header:X-Subject-Token"}}},
        {.path = "/v3/auth/tokens",
         .token = "${system}",
         .expect = R"({"token": {"system": {"all": true}}})",
         .headers = {{"X-Subject-Token", "${system}"}}},
        {.method = "DELETE", .path = "/v3/auth/tokens", .token = "${jws}", .status = 204, .headers = {{"X-Subject-Token", "${jws}"}}},
        {.path = "/v3/auth/projects", .token = "${jws}", .status = 401},
    };
    f.cases.run(cases);
    f.app.tokens.use_jws(ring, false);
    f.cases.run({.name = "back to Fernet", .path = "/v3/auth/projects", .token = "${system}"});
}
