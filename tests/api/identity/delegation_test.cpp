// Trusts, OAuth1, EC2 and S3 signatures, access rules.
#include "base/text.h"
#include "domain/aws_signature.h"
#include "domain/digest.h"
#include "domain/oauth1.h"
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

struct Trusts : IdentityFixture {
    Trusts() { cases.vars["unscoped_reader"] = log_in("reader", "reader", ""); }
    static std::string body(const std::string& more) {
        return R"({"trust": {"trustor_user_id": "${member_user}", "trustee_user_id": "${reader_user}", "project_id": "${demo_project}", )" + more +
               "}}";
    }
    // member trusts reader; saved as `name`.
    void make(const std::string& name, const std::string& more = R"("impersonation": true, "roles": [{"name": "member"}])") {
        cases.run({.name = name,
                   .method = "POST",
                   .path = "/v3/OS-TRUST/trusts",
                   .token = "${member_token}",
                   .body = body(more),
                   .status = 201,
                   .save = {{name, "trust.id"}}});
    }
    Case use(const std::string& trust, int status, const std::string& user = "reader") {
        return {.method = "POST",
                .path = "/v3/auth/tokens",
                .body = R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": ")" + user + R"(", "password": ")" + user +
                        R"(", "domain": {"id": "default"}}}}, "scope": {"OS-TRUST:trust": {"id": "${)" + trust + R"(}"}}}})",
                .status = status};
    }
    std::string token_of(const std::string& trust) { return std::string(cases.run(use(trust, 201)).headers.get("X-Subject-Token")); }
};

}  // namespace

TEST_CASE("trusts: create, list, show, roles, delete") {
    Trusts f;
    const std::string path = "/v3/OS-TRUST/trusts";
    const auto bad = [&](std::string name, std::string body, int status) {
        return Case{.name = std::move(name),
                    .method = "POST",
                    .path = path,
                    .token = "${member_token}",
                    .body = std::move(body),
                    .status = status,
                    .expect = R"({"error": {"code": )" + std::to_string(status) + "}}"};
    };
    const Case cases[] = {
        {.method = "POST",
         .path = path,
         .token = "${member_token}",
         .body = Trusts::body(R"("impersonation": true, "expires_at": "2027-02-01T00:00:00.000000Z", "remaining_uses": 3, "note": "x",
            "roles": [{"name": "member"}, {"id": "${reader_role}"}])"),
         .status = 201,
         .expect = R"({"trust": {"id": "<hex>", "trustor_user_id": "${member_user}", "trustee_user_id": "${reader_user}", "impersonation": true,
            "project_id": "${demo_project}", "expires_at": "2027-02-01T00:00:00.000000Z", "remaining_uses": 3, "redelegation_count": 0, "note": "x",
            "deleted_at": null, "redelegated_trust_id": null, "links": {"self": "<text>"}, "roles_links": {"self": "<text>"},
            "roles": [{"id": "${member_role}", "name": "member", "links": {"self": "<text>"}}, {"name": "reader"}]}})",
         .save = {{"trust", "trust.id"}}},
        {.path = path + "/${trust}", .token = "${member_token}", .expect = R"({"trust": {"id": "${trust}", "note": "x", "roles": "<array>"}})"},
        {.path = path + "/${trust}", .token = "${reader_token}"},
        {.path = path + "/${trust}", .token = "${system_token}"},
        {.path = path + "/${trust}", .token = "${other_token}", .status = 403},
        {.path = path + "/${trust}", .status = 401},
        {.path = path + "/0123456789abcdef0123456789abcdef", .token = "${other_token}", .status = 404, .text = "Could not find trust"},
        {.path = path + "?trustor_user_id=${member_user}",
         .token = "${member_token}",
         .expect = R"({"trusts": [{"id": "${trust}", "roles": "<absent>", "expires_at": "<time>"}], "links": {"self": "<text>"}})"},
        {.path = path + "?trustee_user_id=${reader_user}", .token = "${reader_token}", .expect = R"({"trusts": [{"id": "${trust}"}]})"},
        {.path = path + "?trustor_user_id=${member_user}", .token = "${reader_token}", .status = 403},
        {.path = path + "?trustee_user_id=${reader_user}", .token = "${member_token}", .status = 403},
        {.path = path, .token = "${member_token}", .status = 403},
        {.path = path, .token = "${admin_token}", .expect = R"({"trusts": [{"id": "${trust}"}]})"},
        {.path = path + "?other=1", .token = "${admin_token}", .expect = R"({"trusts": []})"},
        {.path = path + "/${trust}/roles",
         .token = "${reader_token}",
         .expect = R"({"roles": [{"name": "member"}, {"name": "reader"}], "links": "<object>"})"},
        {.path = path + "/${trust}/roles", .token = "${other_token}", .status = 403},
        {.path = path + "/${trust}/roles/${member_role}",
         .token = "${reader_token}",
         .expect = R"({"role": {"id": "${member_role}", "name": "member"}})"},
        {.method = "HEAD", .path = path + "/${trust}/roles/${member_role}", .token = "${reader_token}"},
        {.path = path + "/${trust}/roles/${admin_role}", .token = "${reader_token}", .status = 404},
        {.path = path + "/${trust}/roles/${member_role}", .token = "${other_token}", .status = 403},
        {.method = "DELETE", .path = path + "/${trust}", .token = "${reader_token}", .status = 403},
        {.method = "DELETE", .path = path + "/${trust}", .token = "${member_token}", .status = 204},
        {.method = "DELETE", .path = path + "/${trust}", .token = "${member_token}", .status = 404},
        {.path = "/v3/OS-REVOKE/events", .token = "${service_token}", .expect = R"({"events": {"<contains>": [{"OS-TRUST:trust_id": "${trust}"}]}})"},
        bad("another's role", Trusts::body(R"("impersonation": true, "roles": [{"name": "admin"}])"), 404),
        bad("no such role", Trusts::body(R"("impersonation": true, "roles": [{"name": "nothing"}])"), 404),
        bad("id and name", Trusts::body(R"("impersonation": true, "roles": [{"name": "member", "id": "${member_role}"}])"), 400),
        bad("no roles", Trusts::body(R"("impersonation": true)"), 403),
        bad("no impersonation", Trusts::body(R"("roles": [{"name": "member"}])"), 400),
        bad("past", Trusts::body(R"("impersonation": true, "roles": [{"name": "member"}], "expires_at": "2020-01-01T00:00:00Z")"), 400),
        bad("no time", Trusts::body(R"("impersonation": true, "roles": [{"name": "member"}], "expires_at": "soon")"), 400),
        bad("no uses", Trusts::body(R"("impersonation": true, "roles": [{"name": "member"}], "remaining_uses": 0)"), 400),
        bad("uses and redelegation",
            Trusts::body(R"("impersonation": true, "roles": [{"name": "member"}], "remaining_uses": 2, "allow_redelegation": true)"), 400),
        bad("too deep", Trusts::body(R"("impersonation": true, "roles": [{"name": "member"}], "allow_redelegation": true, "redelegation_count": 4)"),
            403),
        bad("no trustee", R"({"trust": {"trustor_user_id": "${member_user}", "impersonation": true}})", 400),
        bad("nobody", R"({"trust": {"trustor_user_id": "${member_user}", "trustee_user_id": "nobody", "impersonation": true}})", 404),
        bad("for another", R"({"trust": {"trustor_user_id": "${reader_user}", "trustee_user_id": "${member_user}", "impersonation": true}})", 403),
        bad("no such project", R"({"trust": {"trustor_user_id": "${member_user}", "trustee_user_id": "${reader_user}", "impersonation": true,
            "project_id": "0123456789abcdef0123456789abcdef", "roles": [{"name": "member"}]}})",
            404),
        {.name = "without a project",
         .method = "POST",
         .path = path,
         .token = "${member_token}",
         .body = R"({"trust": {"trustor_user_id": "${member_user}", "trustee_user_id": "${reader_user}", "impersonation": false}})",
         .status = 201,
         .expect = R"({"trust": {"project_id": null, "roles": []}})"},
    };
    f.cases.run(cases);
}

TEST_CASE("a trust's token: as the trustor or the trustee, with the trust's roles, and nothing more") {
    Trusts f;
    f.make("as_member");
    f.make("as_reader", R"("impersonation": false, "roles": [{"name": "member"}])");
    Case login = f.use("as_member", 201);
    login.expect = R"({"token": {"user": {"id": "${member_user}"}, "project": {"id": "${demo_project}"}, "is_domain": "<absent>",
        "roles": [{"name": "member"}, {"name": "reader"}], "OS-TRUST:trust": {"id": "${as_member}", "impersonation": true,
        "trustor_user": {"id": "${member_user}"}, "trustee_user": {"id": "${reader_user}"}}}})";
    login.save = {{"trust_token", "header:X-Subject-Token"}};
    f.cases.run(login);
    login = f.use("as_reader", 201);
    login.expect = R"({"token": {"user": {"id": "${reader_user}"}, "OS-TRUST:trust": {"impersonation": false}}})";
    f.cases.run(login);
    const Case cases[] = {
        {.path = "/v3/auth/tokens",
         .token = "${admin_token}",
         .expect = R"({"token": {"user": {"id": "${member_user}"}, "OS-TRUST:trust": {"id": "${as_member}"}}})",
         .headers = {{"X-Subject-Token", "${trust_token}"}}},
        {.name = "no exchange",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body = R"({"auth": {"identity": {"methods": ["token"], "token": {"id": "${trust_token}"}}}})",
         .status = 403,
         .text = "Using trust-scoped token to create another token."},
        {.path = "/v3/credentials", .token = "${trust_token}", .status = 403},
        {.path = "/v3/users/${member_user}/application_credentials", .token = "${trust_token}", .status = 403},
        {.path = "/v3/users/${member_user}/credentials/OS-EC2", .token = "${trust_token}", .status = 403},
        f.use("as_member", 403, "other"),
        f.use("as_member", 403, "member"),
    };
    f.cases.run(cases);
    // What the trustor loses, the trust loses.
    f.cases.run({.method = "DELETE",
                 .path = "/v3/projects/${demo_project}/users/${member_user}/roles/${member_role}",
                 .token = "${admin_token}",
                 .status = 204});
    f.cases.run({.path = "/v3/auth/projects", .token = "${trust_token}", .status = 401});
    f.cases.run(f.use("as_member", 403));
}

TEST_CASE("a trust ends: by time, by use, by the trustor, with its parties") {
    Trusts f;
    f.make("timed", R"("impersonation": true, "roles": [{"name": "member"}], "expires_at": "2027-01-15T08:01:00Z")");
    f.make("once", R"("impersonation": true, "roles": [{"name": "member"}], "remaining_uses": 1)");
    f.make("deleted");
    f.make("party");
    for (const char* name : {"timed", "once", "deleted", "party"}) f.cases.vars[std::string(name) + "_token"] = f.token_of(name);
    f.cases.run(f.use("once", 401));
    f.cases.run({.path = "/v3/OS-TRUST/trusts/${once}", .token = "${member_token}", .status = 404});
    f.cases.run({.path = "/v3/auth/projects", .token = "${once_token}"});
    f.cases.run({.method = "DELETE", .path = "/v3/OS-TRUST/trusts/${deleted}", .token = "${member_token}", .status = 204});
    f.cases.run({.path = "/v3/auth/projects", .token = "${deleted_token}", .status = 401});
    f.cases.run(f.use("deleted", 401));
    f.now += 61'000'000;
    f.cases.run(
        {.method = "DELETE", .path = "/v3/auth/tokens", .token = "${once_token}", .status = 204, .headers = {{"X-Subject-Token", "${once_token}"}}});
    f.cases.run({.path = "/v3/auth/projects", .token = "${timed_token}", .status = 401});
    f.cases.run(f.use("timed", 401));
    f.cases.run({.path = "/v3/auth/projects", .token = "${party_token}"});
    f.cases.run({.method = "PATCH", .path = "/v3/users/${member_user}", .token = "${admin_token}", .body = R"({"user": {"enabled": false}})"});
    f.cases.run({.path = "/v3/auth/projects", .token = "${party_token}", .status = 401});
    f.cases.run(f.use("party", 403));
    f.cases.run({.method = "DELETE", .path = "/v3/users/${member_user}", .token = "${admin_token}", .status = 204});
    f.cases.run({.path = "/v3/OS-TRUST/trusts", .token = "${admin_token}", .expect = R"({"trusts": []})"});
}

TEST_CASE("redelegation narrows, and goes with what it comes from") {
    Trusts f;
    f.make("first", R"("impersonation": true, "roles": [{"name": "member"}], "allow_redelegation": true, "redelegation_count": 2,
        "expires_at": "2027-01-20T00:00:00Z")");
    f.cases.vars["first_token"] = f.token_of("first");
    const auto again = [](std::string name, const std::string& more, int status) {
        return Case{
            .name = std::move(name),
            .method = "POST",
            .path = "/v3/OS-TRUST/trusts",
            .token = "${first_token}",
            .body = R"({"trust": {"trustor_user_id": "${member_user}", "trustee_user_id": "${other_user}", "project_id": "${demo_project}", )" +
                    more + "}}",
            .status = status};
    };
    Case good = again("good", R"("impersonation": true, "roles": [{"name": "member"}], "allow_redelegation": true)", 201);
    good.expect = R"({"trust": {"redelegated_trust_id": "${first}", "redelegation_count": 1, "expires_at": "2027-01-20T00:00:00.000000Z"}})";
    good.save = {{"second", "trust.id"}};
    const Case cases[] = {
        good,
        again("longer", R"("impersonation": true, "roles": [{"name": "member"}], "expires_at": "2027-01-21T00:00:00Z")", 403),
        again("other depth", R"("impersonation": true, "roles": [{"name": "member"}], "allow_redelegation": true, "redelegation_count": 2)", 403),
        again("uses", R"("impersonation": true, "roles": [{"name": "member"}], "remaining_uses": 1)", 403),
        again("more roles", R"("impersonation": true, "roles": [{"name": "member"}, {"name": "reader"}])", 403),
        f.use("second", 201, "other"),
        {.method = "DELETE", .path = "/v3/OS-TRUST/trusts/${first}", .token = "${member_token}", .status = 204},
        {.path = "/v3/OS-TRUST/trusts/${second}", .token = "${member_token}", .status = 404},
        f.use("second", 401, "other"),
    };
    f.cases.run(cases);
}

namespace {

struct OAuth : IdentityFixture {
    OAuth() {
        cases.run({.method = "POST",
                   .path = "/v3/OS-OAUTH1/consumers",
                   .token = "${admin_token}",
                   .body = R"({"consumer": {"description": "robot"}})",
                   .status = 201,
                   .expect = R"({"consumer": {"id": "<hex>", "description": "robot", "secret": "<hex>", "links": {"self": "<text>"}}})",
                   .save = {{"consumer", "consumer.id"}, {"consumer_secret", "consumer.secret"}}});
    }
    std::string var(const std::string& name) { return cases.vars.at(name); }
    // An Authorization header; PLAINTEXT signs no request, the other ways are in the unit tests.
    std::string sign(std::string key, const std::string& secret, const std::string& more, const std::string& token_secret) {
        if (key.empty()) key = var("consumer");
        std::string header = "OAuth oauth_consumer_key=\"" + key + "\", oauth_nonce=\"12ab\", oauth_version=\"1.0\", oauth_timestamp=\"" +
                             std::to_string(now / 1'000'000) + "\", oauth_signature_method=\"PLAINTEXT\"" + more + ", oauth_signature=\"";
        return header + percent_encode(secret + "&" + token_secret) + "\"";
    }
    Case request_token(std::string name, int status, const std::string& authorization, const std::string& project = "${demo_project}") {
        return {.name = std::move(name),
                .method = "POST",
                .path = "/v3/OS-OAUTH1/request_token",
                .status = status,
                .headers = {{"Authorization", authorization}, {"Requested-Project-Id", project}}};
    }
    // "oauth_token=a&oauth_token_secret=b&..." -> <name>, <name>_secret
    void keep(const std::string& name, const http::Response& response) {
        for (const std::string& part : split(response.body, '&')) {
            if (part.starts_with("oauth_token=")) cases.vars[name] = part.substr(12);
            if (part.starts_with("oauth_token_secret=")) cases.vars[name + "_secret"] = part.substr(19);
        }
    }
    Case authorize(int status, const std::string& roles = R"([{"name": "reader"}])", const std::string& token = "${admin_token}") {
        return {
            .method = "PUT", .path = "/v3/OS-OAUTH1/authorize/${request}", .token = token, .body = R"({"roles": )" + roles + "}", .status = status};
    }
    Case access_token(std::string name, int status, const std::string& authorization) {
        return {.name = std::move(name),
                .method = "POST",
                .path = "/v3/OS-OAUTH1/access_token",
                .status = status,
                .headers = {{"Authorization", authorization}}};
    }
    Case login(std::string name, int status, const std::string& authorization) {
        return {.name = std::move(name),
                .method = "POST",
                .path = "/v3/auth/tokens",
                .body = R"({"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}})",
                .status = status,
                .headers = {{"Authorization", authorization}}};
    }
};

}  // namespace

TEST_CASE("consumers") {
    OAuth f;
    const std::string one = "/v3/OS-OAUTH1/consumers/${consumer}";
    const Case cases[] = {
        {.path = one, .token = "${admin_token}", .expect = R"({"consumer": {"id": "${consumer}", "description": "robot", "secret": "<absent>"}})"},
        {.path = "/v3/OS-OAUTH1/consumers", .token = "${system_token}", .expect = R"({"consumers": [{"id": "${consumer}", "secret": "<absent>"}]})"},
        {.method = "PATCH",
         .path = one,
         .token = "${admin_token}",
         .body = R"({"consumer": {"description": "other"}})",
         .expect = R"({"consumer": {"description": "other", "secret": "<absent>"}})"},
        {.method = "PATCH", .path = one, .token = "${admin_token}", .body = R"({"consumer": {"secret": "mine"}})", .status = 400},
        {.method = "PATCH", .path = one, .token = "${admin_token}", .body = R"({"consumer": {}})", .status = 400},
        {.method = "POST",
         .path = "/v3/OS-OAUTH1/consumers",
         .token = "${admin_token}",
         .body = R"({"consumer": {"secret": "mine"}})",
         .status = 201,
         .expect = R"({"consumer": {"secret": "<hex>"}})"},
        {.method = "POST",
         .path = "/v3/OS-OAUTH1/consumers",
         .token = "${admin_token}",
         .body = R"({"consumer": {"description": 5}})",
         .status = 400},
        {.path = one, .token = "${member_token}", .status = 403},
        {.path = "/v3/OS-OAUTH1/consumers", .token = "${member_token}", .status = 403},
        {.method = "POST", .path = "/v3/OS-OAUTH1/consumers", .token = "${member_token}", .body = R"({"consumer": {}})", .status = 403},
        {.method = "DELETE", .path = one, .token = "${member_token}", .status = 403},
        {.method = "DELETE", .path = one, .status = 401},
        {.method = "DELETE", .path = one, .token = "${admin_token}", .status = 204},
        {.path = one, .token = "${admin_token}", .status = 404, .expect = R"({"error": {"message": "Consumer not found"}})"},
    };
    f.cases.run(cases);
}

TEST_CASE("OAuth1 from the request to the token, and back") {
    OAuth f;
    const std::string callback = ", oauth_callback=\"oob\"", secret = f.var("consumer_secret");
    const std::string path = "/v3/OS-OAUTH1/request_token";
    f.cases.vars["demo_project"] = f.var("admin_project");  // the administrator authorizes, so it is about their project
    Case good = f.request_token("good", 201, f.sign("", secret, callback, ""));
    good.answer_headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
    f.keep("request", f.cases.run(good));
    const Case refused[] = {
        f.request_token("wrong secret", 401, f.sign("", "wrong", callback, "")),
        f.request_token("no callback", 400, f.sign("", secret, "", "")),
        f.request_token("no such consumer", 404, f.sign("0123456789abcdef0123456789abcdef", secret, callback, "")),
        f.request_token("no such project", 404, f.sign("", secret, callback, ""), "0123456789abcdef0123456789abcdef"),
        f.request_token("no project", 400, f.sign("", secret, callback, ""), ""),
        f.request_token("no OAuth header", 400, "Basic abc"),
        {.method = "GET", .path = path, .status = 405},
        f.authorize(403, R"([{"name": "reader"}])", "${member_token}"),
        f.authorize(404, R"([{"name": "nothing"}])"),
        f.authorize(400, R"([{}])"),
        f.authorize(401, R"([{"id": "${service_role}"}])"),
    };
    f.cases.run(refused);
    const auto exchange = [&](const std::string& verifier, const std::string& token_secret) {
        return f.sign("", secret, ", oauth_token=\"" + f.var("request") + "\", oauth_verifier=\"" + verifier + "\"", token_secret);
    };
    f.cases.run(f.access_token("not authorized yet", 401, exchange("abcdefgh", f.var("request_secret"))));
    Case authorize = f.authorize(200);
    authorize.expect = R"({"token": {"oauth_verifier": "<matches:^[a-zA-Z0-9]{8}$>"}})";
    authorize.save = {{"verifier", "token.oauth_verifier"}};
    f.cases.run(authorize);
    f.cases.run(f.access_token("wrong verifier", 401, exchange("abcdefg", f.var("request_secret"))));
    f.cases.run(f.access_token("wrong secret", 401, exchange(f.var("verifier"), "wrong")));
    f.keep("access", f.cases.run(f.access_token("good", 201, exchange(f.var("verifier"), f.var("request_secret")))));
    f.cases.run(f.access_token("twice", 404, exchange(f.var("verifier"), f.var("request_secret"))));

    const auto signed_login = [&](const std::string& token, const std::string& token_secret) {
        return f.sign("", secret, ", oauth_token=\"" + token + "\"", token_secret);
    };
    Case login = f.login("good", 201, signed_login(f.var("access"), f.var("access_secret")));
    login.expect =
        R"({"token": {"methods": ["oauth1"], "user": {"id": "${admin_user}"}, "project": {"id": "${admin_project}"}, "roles": [{"name": "reader"}],
        "OS-OAUTH1": {"consumer_id": "${consumer}", "access_token_id": "${access}"}}})";
    login.save = {{"oauth_token", "header:X-Subject-Token"}};
    f.cases.run(login);
    const std::string tokens = "/v3/users/${admin_user}/OS-OAUTH1/access_tokens";
    const Case cases[] = {
        f.login("wrong secret", 401, signed_login(f.var("access"), "wrong")),
        f.login("no such token", 401, signed_login("0123456789abcdef0123456789abcdef", f.var("access_secret"))),
        f.login("no header", 400, ""),
        {.path = "/v3/auth/tokens",
         .token = "${admin_token}",
         .expect = R"({"token": {"OS-OAUTH1": {"access_token_id": "${access}"}}})",
         .headers = {{"X-Subject-Token", "${oauth_token}"}}},
        {.name = "no exchange",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body = R"({"auth": {"identity": {"methods": ["token"], "token": {"id": "${oauth_token}"}}}})",
         .status = 403},
        {.path = tokens,
         .token = "${admin_token}",
         .expect =
             R"({"access_tokens": [{"id": "${access}", "consumer_id": "${consumer}", "project_id": "${admin_project}", "authorizing_user_id": "${admin_user}", "links": {"roles": "<text>"}}]})"},
        {.path = tokens + "/${access}", .token = "${admin_token}", .expect = R"({"access_token": {"id": "${access}"}})"},
        {.path = tokens + "/${access}/roles", .token = "${admin_token}", .expect = R"({"roles": [{"name": "reader"}]})"},
        {.path = tokens + "/${access}/roles/${reader_role}", .token = "${admin_token}", .expect = R"({"role": {"name": "reader"}})"},
        {.path = tokens + "/${access}/roles/${member_role}", .token = "${admin_token}", .status = 404},
        {.path = "/v3/users/${member_user}/OS-OAUTH1/access_tokens/${access}", .token = "${admin_token}", .status = 404},
        {.path = tokens, .token = "${member_token}", .status = 403},
        {.path = tokens + "/${access}", .token = "${member_token}", .status = 403},
        {.method = "DELETE", .path = tokens + "/${access}", .token = "${member_token}", .status = 403},
        {.method = "DELETE", .path = tokens + "/${access}", .token = "${admin_token}", .status = 204},
        {.path = tokens + "/${access}", .token = "${admin_token}", .status = 404},
        {.name = "its tokens are gone", .path = "/v3/auth/projects", .token = "${oauth_token}", .status = 401},
    };
    f.cases.run(cases);
    f.cases.run(f.login("deleted", 401, signed_login(f.var("access"), f.var("access_secret"))));
    f.keep("request", f.cases.run(f.request_token("another", 201, f.sign("", secret, callback, ""))));
    f.now += 28'801'000'000;
    f.cases.vars["admin_token"] = f.log_in("admin", "secret", "admin");
    f.cases.run(f.authorize(401));
}

TEST_CASE("EC2 and S3 signatures") {
    IdentityFixture f;
    f.cases.run({.method = "POST",
                 .path = "/v3/users/${member_user}/credentials/OS-EC2",
                 .token = "${member_token}",
                 .body = R"({"tenant_id": "${demo_project}"})",
                 .status = 201,
                 .save = {{"access", "credential.access"}, {"secret", "credential.secret"}}});
    const std::string secret = f.cases.vars["secret"];
    const auto ec2 = [&](const std::string& time, const std::string& with) {
        json::object request{{"access", f.cases.vars["access"]},
                             {"host", "ec2:8773"},
                             {"verb", "GET"},
                             {"path", "/"},
                             {"params", {{"Action", "X"}, {"SignatureVersion", "2"}, {"Timestamp", time}}}};
        request["signature"] = identity::ec2_signature(request, with).value();
        return to_text(json::object{{"ec2Credentials", request}});
    };
    const auto s3 = [&](const std::string& with) {
        json::object request{{"access", f.cases.vars["access"]}, {"token", base64url_encode("GET\n\n\nx")}};
        request["signature"] = base64_encode(identity::hmac(identity::Digest::sha1, with, "GET\n\n\nx"));
        return to_text(json::object{{"credentials", request}});
    };
    const auto post = [](std::string path, std::string body, int status, std::string token = "${service_token}") {
        return Case{.method = "POST", .path = std::move(path), .token = std::move(token), .body = std::move(body), .status = status};
    };
    Case good = post("/v3/ec2tokens", ec2("2027-01-15T08:00:00Z", secret), 200);
    good.expect =
        R"({"token": {"methods": ["ec2credential"], "user": {"id": "${member_user}"}, "project": {"id": "${demo_project}"}, "catalog": "<array>"}})";
    good.save = {{"ec2_token", "header:X-Subject-Token"}};
    Case good_s3 = post("/v3/s3tokens", s3(secret), 200);
    good_s3.expect = R"({"token": {"user": {"id": "${member_user}"}}})";
    good_s3.answer_headers = {{"X-Subject-Token", ""}};
    const Case cases[] = {
        good,
        good_s3,
        post("/v2.0/ec2tokens", ec2("2027-01-15T08:00:00Z", secret), 200, "${admin_token}"),
        post("/v3/ec2tokens", ec2("2027-01-15T08:00:00Z", secret), 403, "${member_token}"),
        post("/v3/ec2tokens", ec2("2027-01-15T08:00:00Z", secret), 401, ""),
        post("/v3/ec2tokens", ec2("2027-01-15T08:00:00Z", "wrong"), 401),
        post("/v3/ec2tokens", ec2("2027-01-15T07:44:00Z", secret), 401),
        post("/v3/ec2tokens", ec2("yesterday", secret), 401),
        post("/v3/ec2tokens", "{}", 400),
        post("/v3/ec2tokens", R"({"credentials": {"signature": "x"}})", 401),
        post("/v3/ec2tokens", R"({"credentials": {"access": "nobody", "signature": "x"}})", 404),
        post("/v3/ec2tokens", R"({"credentials": {"access": "${access}", "host": 5, "params": [1]}})", 401),
        post("/v3/s3tokens", s3("wrong"), 401),
        post("/v3/s3tokens", R"({"credentials": {"access": "${access}", "token": "*", "signature": "x"}})", 401),
        post("/v3/s3tokens", s3(secret), 403, "${member_token}"),
        {.name = "delegated",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body = R"({"auth": {"identity": {"methods": ["token"], "token": {"id": "${ec2_token}"}}}})",
         .status = 403},
        {.path = "/v3/users/${member_user}/credentials/OS-EC2", .token = "${ec2_token}", .status = 403},
        {.path = "/v3/OS-TRUST/trusts?trustor_user_id=${member_user}", .token = "${ec2_token}", .status = 403},
        {.path = "/v3/auth/projects", .token = "${ec2_token}"},
    };
    f.cases.run(cases);
}

TEST_CASE("an EC2 credential cannot name what is not its owner's") {
    Trusts f;
    f.make("trust", R"("impersonation": true, "roles": [{"name": "member"}])");
    const auto attempt = [&](const std::string& access, const std::string& member, int status) {
        f.cases.run(
            {.method = "POST",
             .path = "/v3/credentials",
             .token = "${other_token}",
             .body = R"({"credential": {"type": "ec2", "user_id": "${other_user}", "project_id": "${demo_project}", "blob": "{\"access\": \")" +
                     access + R"(\", \"secret\": \"s\", \")" + member + R"(\": \"${trust}\"}"}})",
             .status = 201});
        json::object request{{"access", access}, {"host", "h"}, {"verb", "GET"}, {"path", "/"}, {"params", {{"SignatureVersion", "2"}}}};
        request["signature"] = identity::ec2_signature(request, "s").value();
        f.cases.run({.method = "POST",
                     .path = "/v3/ec2tokens",
                     .token = "${service_token}",
                     .body = to_text(json::object{{"credentials", request}}),
                     .status = status});
    };
    attempt("a1", "trust_id", 401);
    attempt("a2", "app_cred_id", 404);
    attempt("a3", "access_token_id", 404);
}

TEST_CASE("access rules hold at the identity service, too") {
    IdentityFixture f;
    f.cases.run(
        {.method = "POST",
         .path = "/v3/users/${member_user}/application_credentials",
         .token = "${member_token}",
         .body = R"({"application_credential": {"name": "a", "access_rules": [{"service": "identity", "method": "GET", "path": "/v3/auth/{what}"},
                    {"service": "compute", "method": "GET", "path": "/v2.1/**"}]}})",
         .status = 201,
         .save = {{"id", "application_credential.id"}, {"secret", "application_credential.secret"}}});
    f.cases.run(
        {.method = "POST",
         .path = "/v3/auth/tokens",
         .body =
             R"({"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"id": "${id}", "secret": "${secret}"}}}})",
         .status = 201,
         .expect = R"({"token": {"application_credential": {"id": "${id}", "restricted": true, "access_rules": {"<contains>": [
                    {"id": "<hex>", "service": "compute", "method": "GET", "path": "/v2.1/**"}]}}}})",
         .save = {{"limited", "header:X-Subject-Token"}}});
    const Case cases[] = {
        {.path = "/v3/auth/projects", .token = "${limited}"},
        {.path = "/v3/auth/catalog", .token = "${limited}"},
        {.path = "/v3/users/${member_user}", .token = "${limited}", .status = 401},
        {.path = "/v3/auth/OS-FEDERATION/x", .token = "${limited}", .status = 404},
        {.method = "DELETE", .path = "/v3/auth/tokens", .token = "${limited}", .status = 401, .headers = {{"X-Subject-Token", "${limited}"}}},
        {.name = "who cannot check them",
         .path = "/v3/auth/tokens",
         .token = "${limited}",
         .status = 404,
         .headers = {{"X-Subject-Token", "${limited}"}}},
        {.name = "who can",
         .path = "/v3/auth/tokens",
         .token = "${service_token}",
         .expect = R"({"token": {"application_credential": {"access_rules": "<array>"}}})",
         .headers = {{"X-Subject-Token", "${limited}"}, {"OpenStack-Identity-Access-Rules", "1.0"}}},
        {.name = "on behalf", .path = "/v3/users/${member_user}", .token = "${limited}", .headers = {{"X-Service-Token", "${service_token}"}}},
        {.name = "a user is no service",
         .path = "/v3/users/${member_user}",
         .token = "${limited}",
         .status = 401,
         .headers = {{"X-Service-Token", "${reader_token}"}}},
    };
    f.cases.run(cases);
    f.now += 3'700'000'000;
    f.cases.vars["service_token"] = f.log_in("nova", "nova", "service");
    f.cases.run({.name = "ended", .path = "/v3/auth/projects", .token = "${member_token}", .status = 401});
    f.cases.run({.name = "ended, but a service goes on",
                 .path = "/v3/auth/projects",
                 .token = "${member_token}",
                 .headers = {{"X-Service-Token", "${service_token}"}}});
}

TEST_CASE("what was revoked is listed for services; PKI is gone") {
    IdentityFixture f;
    f.cases.run({.method = "DELETE",
                 .path = "/v3/auth/tokens",
                 .token = "${reader_token}",
                 .status = 204,
                 .headers = {{"X-Subject-Token", "${reader_token}"}}});
    f.cases.run({.method = "POST",
                 .path = "/v3/users/${member_user}/password",
                 .body = R"({"user": {"original_password": "member", "password": "x"}})",
                 .status = 204});
    f.cases.run({.method = "PATCH", .path = "/v3/users/${other_user}", .token = "${admin_token}", .body = R"({"user": {"enabled": false}})"});
    const Case cases[] = {
        {.path = "/v3/OS-REVOKE/events",
         .token = "${service_token}",
         .expect =
             R"({"events": {"<contains>": [{"audit_id": "<text>", "issued_before": "<time>", "revoked_at": "<time>"}, {"user_id": "${member_user}"},
            {"user_id": "${other_user}"}]}, "links": {"next": null, "previous": null, "self": "<text>"}})"},
        {.path = "/v3/OS-REVOKE/events?since=2028-01-01T00:00:00Z", .token = "${admin_token}", .expect = R"({"events": []})"},
        {.path = "/v3/OS-REVOKE/events?since=soon", .token = "${admin_token}", .status = 400},
        {.path = "/v3/OS-REVOKE/events", .token = "${member_token}", .status = 401},
        {.path = "/v3/OS-REVOKE/events", .status = 401},
        {.path = "/v3/auth/tokens/OS-PKI/revoked", .status = 403},
        {.path = "/v3/OS-SIMPLE-CERT/ca", .status = 410},
        {.path = "/v3/OS-SIMPLE-CERT/certificates", .status = 410},
        {.path = "/v3/OS-PILVI/revocations?listener=x", .token = "${service_token}", .status = 400},
        {.path = "/v3/OS-PILVI/revocations?listener=0123456789abcdef0123456789abcdef",
         .token = "${service_token}",
         .expect = R"({"revision": "<number>"})"},
        {.path = "/v3/OS-PILVI/revocations?listener=0123456789abcdef0123456789abcdef&revision=x", .token = "${service_token}", .status = 400},
    };
    f.cases.run(cases);
    f.cases.vars["other_token"] = f.log_in("reader", "reader", "demo");
    f.cases.run({.path = "/v3/OS-REVOKE/events", .token = "${other_token}", .status = 403});
    f.cases.run({.path = "/v3/OS-PILVI/revocations?listener=0123456789abcdef0123456789abcdef", .token = "${other_token}", .status = 403});
}
