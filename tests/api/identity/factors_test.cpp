// Logging in by several factors: TOTP, rules, receipts.
#include "domain/totp.h"
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

const std::string secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const std::string user = R"("name": "member", "domain": {"id": "default"})";

std::string by_password() { return R"("password": {"user": {)" + user + R"(, "password": "member"}})"; }
std::string by_totp(const std::string& code) { return R"("totp": {"user": {)" + user + R"(, "passcode": ")" + code + "\"}}"; }

Case login(std::string name, const std::string& methods, const std::string& data, int status, std::string receipt = {}) {
    Case c{.name = std::move(name),
           .method = "POST",
           .path = "/v3/auth/tokens",
           .body = R"({"auth": {"identity": {"methods": )" + methods + ", " + data + "}}}",
           .status = status};
    if (!receipt.empty()) c.headers = {{"Openstack-Auth-Receipt", std::move(receipt)}};
    return c;
}

struct Factors : IdentityFixture {
    Factors() {
        cases.run({.method = "POST",
                   .path = "/v3/credentials",
                   .token = "${member_token}",
                   .body = R"({"credential": {"type": "totp", "user_id": "${member_user}", "blob": ")" + secret + "\"}}",
                   .status = 201});
    }
    std::string code() const { return identity::totp_code(*identity::base32_decode(secret), now); }
    void rules(const std::string& options) {
        cases.run(
            {.method = "PATCH", .path = "/v3/users/${member_user}", .token = "${admin_token}", .body = R"({"user": {"options": )" + options + "}}"});
    }
};

}  // namespace

TEST_CASE("a passcode logs in") {
    Factors f;
    Case good = login("passcode", R"(["totp"])", by_totp(f.code()), 201);
    good.expect = R"({"token": {"methods": ["totp"], "user": {"id": "${member_user}"}}})";
    f.cases.run(good);
    good = login("both", R"(["totp", "password"])", by_totp(f.code()) + ", " + by_password(), 201);
    good.expect = R"({"token": {"methods": ["password", "totp"]}})";
    f.cases.run(good);
    const std::string code = f.code();
    f.now += 30'000'000;
    f.cases.run(login("of the period before", R"(["totp"])", by_totp(code), 201));
    f.now += 30'000'000;
    const Case cases[] = {
        login("too old", R"(["totp"])", by_totp(code), 401),
        login("empty", R"(["totp"])", by_totp(""), 401),
        login("none", R"(["totp"])", R"("totp": {"user": {)" + user + "}}", 400),
        login("no user", R"(["totp"])", R"("totp": {})", 400),
        login("no domain", R"(["totp"])", R"("totp": {"user": {"name": "member", "passcode": "1"}})", 400),
        login("a user without a secret", R"(["totp"])", R"("totp": {"user": {"id": "${reader_user}", "passcode": "123456"}})", 401),
        login("nobody", R"(["totp"])", R"("totp": {"user": {"id": "0123456789abcdef0123456789abcdef", "passcode": "123456"}})", 401),
    };
    f.cases.run(cases);
}

TEST_CASE("rules ask for several methods, at once or by receipt") {
    Factors f;
    f.rules(R"({"multi_factor_auth_rules": [["password", "totp"], ["password", "mapped"]]})");
    Case first = login("password alone", R"(["password"])", by_password(), 401);
    first.expect = R"({"receipt": {"methods": ["password"], "user": {"id": "${member_user}", "name": "member", "domain": {"id": "default",
        "name": "Default"}}, "expires_at": "<time>", "issued_at": "<time>"},
        "required_auth_methods": {"<contains>": [["password", "totp"], ["password", "mapped"]]}})";
    first.answer_headers = {{"Openstack-Auth-Receipt", "<matches:^gAAAA>"}, {"X-Subject-Token", ""}};
    const std::string receipt(f.cases.run(first).headers.get("Openstack-Auth-Receipt"));
    f.cases.run(login("at once", R"(["password", "totp"])", by_password() + ", " + by_totp(f.code()), 201));
    Case second = login("by receipt", R"(["totp"])", by_totp(f.code()), 201, receipt);
    second.expect = R"({"token": {"methods": ["password", "totp"]}})";
    f.cases.run(second);
    second = login("totp alone", R"(["totp"])", by_totp(f.code()), 401);
    second.expect = R"({"receipt": {"methods": ["totp"]}, "required_auth_methods": [["password", "totp"]]})";
    f.cases.run(second);
    const Case cases[] = {
        login("a receipt is no method", R"(["totp"])", by_totp("000000"), 401, receipt),
        login("a broken receipt", R"(["totp"])", by_totp(f.code()), 401, receipt + "x"),
        login("a token is no receipt", R"(["totp"])", by_totp(f.code()), 401, f.cases.vars["member_token"]),
        {.name = "a receipt is no token", .path = "/v3/auth/projects", .token = receipt, .status = 401},
        {.name = "another user's receipt",
         .method = "POST",
         .path = "/v3/auth/tokens",
         .body = IdentityFixture::login_body("reader", "reader", ""),
         .status = 401,
         .headers = {{"Openstack-Auth-Receipt", receipt}}},
    };
    f.cases.run(cases);
    f.now += 301'000'000;
    f.cases.run(login("an old receipt", R"(["totp"])", by_totp(f.code()), 401, receipt));
    // A token that was issued under the rules may be exchanged.
    const std::string token(
        f.cases.run(login("again", R"(["password", "totp"])", by_password() + ", " + by_totp(f.code()), 201)).headers.get("X-Subject-Token"));
    f.cases.run({.method = "POST",
                 .path = "/v3/auth/tokens",
                 .body = R"({"auth": {"identity": {"methods": ["token"], "token": {"id": ")" + token +
                         R"("}}, "scope": {"project": {"id": "${demo_project}"}}}})",
                 .status = 201,
                 .expect = R"({"token": {"methods": ["password", "token", "totp"]}})"});
}

TEST_CASE("rules that are off, or taken away, ask for nothing; a password change ends a receipt") {
    Factors f;
    f.rules(R"({"multi_factor_auth_rules": [["password", "totp"]], "multi_factor_auth_enabled": false})");
    f.cases.run(login("off", R"(["password"])", by_password(), 201));
    f.rules(R"({"multi_factor_auth_enabled": null})");
    const std::string receipt(f.cases.run(login("on", R"(["password"])", by_password(), 401)).headers.get("Openstack-Auth-Receipt"));
    f.cases.run({.method = "POST",
                 .path = "/v3/users/${member_user}/password",
                 .body = R"({"user": {"original_password": "member", "password": "fresh"}})",
                 .status = 204});
    f.cases.run(login("after a password change", R"(["totp"])", by_totp(f.code()), 401, receipt));
    f.rules(R"({"multi_factor_auth_rules": null})");
    f.cases.run(login("taken away", R"(["totp"])", by_totp(f.code()), 201));
}
