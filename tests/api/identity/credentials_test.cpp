// Credentials of other kinds, and their EC2 view.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

TEST_CASE("credentials") {
    IdentityFixture f;
    const auto as = [](std::string token, std::string_view method, std::string path, int status, std::string body = {}, std::string expect = {},
                       Pairs save = {}) {
        return Case{.method = method,
                    .path = std::move(path),
                    .token = "${" + token + "_token}",
                    .body = std::move(body),
                    .status = status,
                    .expect = std::move(expect),
                    .save = std::move(save)};
    };
    const std::string mine = R"({"credential": {"user_id": "${member_user}", "type": "totp", "blob": "s3cret words"}})";
    const std::string ec2 =
        R"({"credential": {"user_id": "${member_user}", "project_id": "${demo_project}", "type": "ec2", "blob": "{\"access\": \"a\", \"secret\": \"b\"}"}})";
    const Case cases[] = {
        as("member", "POST", "/v3/credentials", 201, mine,
           R"({"credential": {"id": "<hex>", "user_id": "${member_user}", "type": "totp", "blob": "s3cret words", "project_id": null, "links": "<object>"}})",
           {{"c", "credential.id"}}),
        as("member", "GET", "/v3/credentials/${c}", 200, {}, R"({"credential": {"blob": "s3cret words"}})"),
        as("member", "GET", "/v3/credentials", 200, {}, R"({"credentials": [{"id": "${c}"}]})"),
        as("other", "GET", "/v3/credentials", 200, {}, R"({"credentials": []})"),
        as("other", "GET", "/v3/credentials?user_id=${member_user}", 200, {}, R"({"credentials": []})"),
        as("other", "GET", "/v3/credentials/${c}", 403),
        as("other", "DELETE", "/v3/credentials/${c}", 403),
        as("other", "POST", "/v3/credentials", 403, mine),
        as("admin", "GET", "/v3/credentials?type=totp", 200, {}, R"({"credentials": [{"id": "${c}"}]})"),
        as("member", "PATCH", "/v3/credentials/${c}", 200, R"({"credential": {"blob": "other words"}})",
           R"({"credential": {"blob": "other words"}})"),
        as("member", "PATCH", "/v3/credentials/${c}", 403, R"({"credential": {"user_id": "${other_user}"}})"),
        as("member", "PATCH", "/v3/credentials/${c}", 403, R"({"credential": {"project_id": "${other_project}"}})"),
        as("member", "GET", "/v3/credentials/${c}", 200, {}, R"({"credential": {"blob": "other words", "user_id": "${member_user}"}})"),
        as("member", "POST", "/v3/credentials", 201, ec2,
           R"({"credential": {"id": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}})", {{"e", "credential.id"}}),
        as("member", "POST", "/v3/credentials", 409, ec2),
        as("member", "PATCH", "/v3/credentials/${e}", 400,
           R"({"credential": {"blob": "{\"access\": \"a\", \"secret\": \"b\", \"app_cred_id\": \"x\"}"}})"),
        as("member", "PATCH", "/v3/credentials/${e}", 400, R"({"credential": {"blob": "no json"}})"),
        as("member", "POST", "/v3/credentials", 400,
           R"({"credential": {"user_id": "${member_user}", "type": "ec2", "blob": "{\"access\": \"x\"}"}})"),
        as("member", "POST", "/v3/credentials", 400,
           R"({"credential": {"user_id": "${member_user}", "project_id": "${demo_project}", "type": "ec2", "blob": "{}"}})"),
        as("member", "POST", "/v3/credentials", 400, R"({"credential": {"user_id": "${member_user}", "type": "totp"}})"),
        as("member", "POST", "/v3/credentials", 400, R"({"credential": {"user_id": "${member_user}", "blob": "x"}})"),
        as("member", "POST", "/v3/credentials", 400, R"({"credential": {"user_id": "${member_user}", "type": "totp", "blob": {}}})"),
        as("member", "DELETE", "/v3/credentials/${c}", 204),
        as("member", "DELETE", "/v3/credentials/${c}", 403),
    };
    f.cases.run(cases);
    f.store->read([](Tx& tx) {
        for (const Row& row : tx.query("SELECT blob FROM credentials")) CHECK(row.at(0).text().starts_with("gAAAA"));
    });
}

TEST_CASE("ec2 credentials") {
    IdentityFixture f;
    const std::string path = "/v3/users/${member_user}/credentials/OS-EC2";
    const auto as = [](std::string token, std::string_view method, std::string at, int status, std::string body = {}, std::string expect = {},
                       Pairs save = {}) {
        return Case{.method = method,
                    .path = std::move(at),
                    .token = "${" + token + "_token}",
                    .body = std::move(body),
                    .status = status,
                    .expect = std::move(expect),
                    .save = std::move(save)};
    };
    const Case cases[] = {
        as("member", "POST", path, 201, R"({"tenant_id": "${demo_project}"})",
           R"({"credential": {"user_id": "${member_user}", "tenant_id": "${demo_project}", "access": "<hex>", "secret": "<hex>", "trust_id": null, "links": "<object>"}})",
           {{"access", "credential.access"}}),
        as("member", "GET", path, 200, {}, R"({"credentials": [{"access": "${access}"}]})"),
        as("member", "GET", path + "/${access}", 200, {}, R"({"credential": {"secret": "<hex>"}})"),
        as("other", "GET", path, 403),
        as("other", "GET", path + "/${access}", 403),
        as("other", "GET", "/v3/users/${other_user}/credentials/OS-EC2/${access}", 403),
        as("other", "DELETE", "/v3/users/${other_user}/credentials/OS-EC2/${access}", 403),
        as("admin", "GET", "/v3/users/${other_user}/credentials/OS-EC2/${access}", 200, {}, R"({"credential": {"user_id": "${member_user}"}})"),
        as("admin", "GET", "/v3/users/nobody/credentials/OS-EC2/${access}", 404),
        as("other", "GET", path + "/nothing", 404),
        as("other", "DELETE", path + "/nothing", 404),
        as("reader", "POST", "/v3/users/${reader_user}/credentials/OS-EC2", 403, R"({"tenant_id": "${demo_project}"})"),
        as("member", "POST", path, 404, R"({"tenant_id": "nowhere"})"),
        as("member", "POST", path, 404, R"({})"),
        as("member", "POST", path, 400, R"({"tenant_id": 1})"),
        as("other", "POST", path, 403, R"({"tenant_id": 1})"),
        {.method = "POST",
         .path = "/v3/users/${member_user}/application_credentials",
         .token = "${member_token}",
         .body = R"({"application_credential": {"name": "c", "secret": "s", "unrestricted": true}})",
         .status = 201,
         .save = {{"c", "application_credential.id"}}},
        {.method = "POST",
         .path = "/v3/auth/tokens",
         .body = R"({"auth": {"identity": {"methods": ["application_credential"],
            "application_credential": {"id": "${c}", "secret": "s"}}}})",
         .status = 201,
         .save = {{"app_token", "header:X-Subject-Token"}}},
        as("app", "POST", path, 403, R"({"tenant_id": "${demo_project}"})"),
        as("app", "GET", path, 403),
        as("app", "GET", "/v3/credentials", 403),
        as("member", "DELETE", path + "/${access}", 204),
        as("member", "GET", path + "/${access}", 404),
        as("member", "DELETE", path + "/${access}", 404),
    };
    f.cases.run(cases);
}
