// OS-FEDERATION: identity providers, protocols, mappings, service providers.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

const std::string base = "/v3/OS-FEDERATION/";
constexpr const char* rules = R"([{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "UserName"}]}])";
std::string mapping(std::string_view with = rules) { return R"({"mapping": {"rules": )" + std::string(with) + "}}"; }

Case ask(std::string_view method, std::string path, int status, std::string body = {}, std::string expect = {},
         std::string token = "${admin_token}") {
    return {.method = method,
            .path = base + std::move(path),
            .token = std::move(token),
            .body = std::move(body),
            .status = status,
            .expect = expect.empty() && status >= 400 ? R"({"error": {"code": )" + std::to_string(status) + R"(, "message": "<text>"}})"
                                                      : std::move(expect),
            .empty = status == 204};
}

}  // namespace

TEST_CASE("identity providers") {
    IdentityFixture f;
    const Case cases[] = {
        ask("PUT", "identity_providers/acme", 201, R"({"identity_provider": {"description": "d", "remote_ids": ["b", "a"], "enabled": true}})",
            R"({"identity_provider": {"id": "acme", "description": "d", "enabled": true, "remote_ids": ["a", "b"], "domain_id": "<hex>",
                "authorization_ttl": null, "links": {"self": "http://api.example/v3/OS-FEDERATION/identity_providers/acme",
                "protocols": "http://api.example/v3/OS-FEDERATION/identity_providers/acme/protocols"}}})"),
        ask("PUT", "identity_providers/plain", 201, R"({"identity_provider": {"domain_id": "default", "authorization_ttl": 5}})",
            R"({"identity_provider": {"id": "plain", "enabled": false, "description": null, "remote_ids": [], "domain_id": "default",
                "authorization_ttl": 5}})"),
        ask("GET", "identity_providers/acme", 200, "", R"({"identity_provider": {"remote_ids": ["a", "b"]}})"),
        ask("HEAD", "identity_providers/acme", 200),
        ask("GET", "identity_providers", 200, "",
            R"({"identity_providers": [{"id": "acme", "remote_ids": ["a", "b"], "links": {"protocols": "<text>"}}, {"id": "plain", "remote_ids": []}],
                "links": {"next": null, "previous": null, "self": "http://api.example/v3/OS-FEDERATION/identity_providers"}})"),
        ask("GET", "identity_providers?id=plain", 200, "", R"({"identity_providers": [{"id": "plain"}]})"),
        ask("GET", "identity_providers?enabled=true", 200, "", R"({"identity_providers": [{"id": "acme"}]})"),
        ask("PATCH", "identity_providers/acme", 200, R"({"identity_provider": {"enabled": false, "remote_ids": ["c"]}})",
            R"({"identity_provider": {"id": "acme", "enabled": false, "remote_ids": ["c"], "description": "d"}})"),
        ask("PATCH", "identity_providers/acme", 200, R"({"identity_provider": {"description": null}})",
            R"({"identity_provider": {"remote_ids": ["c"], "description": null}})"),
        ask("PATCH", "identity_providers/plain", 409, R"({"identity_provider": {"remote_ids": ["c"]}})",
            R"({"error": {"message": "Conflict occurred attempting to store identity_provider - Duplicate remote ID: ['c']."}})"),
        ask("PATCH", "identity_providers/acme", 200, R"({"identity_provider": {"remote_ids": null}})",
            R"({"identity_provider": {"remote_ids": []}})"),
        ask("PATCH", "identity_providers/plain", 200, R"({"identity_provider": {"remote_ids": ["c"]}})"),
        ask("PUT", "identity_providers/acme", 409, R"({"identity_provider": {}})",
            R"({"error": {"message": "Conflict occurred attempting to store identity_provider - Duplicate entry found with ID acme."}})"),
        ask("PUT", "identity_providers/x", 409, R"({"identity_provider": {"remote_ids": ["c"]}})"),
        ask("GET", "identity_providers/x", 404, "", R"({"error": {"message": "Could not find Identity Provider: x."}})"),
        ask("PUT", "identity_providers/x", 404, R"({"identity_provider": {"domain_id": "nowhere"}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": {"domain_id": "no/where"}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": {"enabled": "yes"}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": {"enabled": null}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": {"remote_ids": "a"}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": {"remote_ids": [1]}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": {"remote_ids": ["e", "e"]}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": {"authorization_ttl": -1}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": {"authorization_ttl": "1"}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": {"id": "x"}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": {"color": "red"}})"),
        ask("PUT", "identity_providers/x", 400, R"({"identity_provider": [])"),
        ask("PUT", "identity_providers/" + std::string(65, 'x'), 400, R"({"identity_provider": {}})"),
        ask("PATCH", "identity_providers/acme", 400, R"({"identity_provider": {}})"),
        ask("PATCH", "identity_providers/acme", 400, R"({"identity_provider": {"domain_id": "default"}})"),
        ask("PATCH", "identity_providers/x", 404, R"({"identity_provider": {"enabled": true}})"),
        ask("POST", "identity_providers", 405, "{}"),
        ask("GET", "identity_providers/x", 404),
        ask("DELETE", "identity_providers/acme", 204),
        ask("DELETE", "identity_providers/acme", 404),
        ask("DELETE", "identity_providers/plain", 204),
    };
    f.cases.run(cases);
}

TEST_CASE("an identity provider goes with its domain") {
    IdentityFixture f;
    const Case cases[] = {
        {.method = "POST",
         .path = "/v3/domains",
         .token = "${admin_token}",
         .body = R"({"domain": {"name": "d"}})",
         .status = 201,
         .save = {{"d", "domain.id"}}},
        ask("PUT", "identity_providers/acme", 201, R"({"identity_provider": {"domain_id": "${d}", "remote_ids": ["a"]}})"),
        {.method = "PATCH", .path = "/v3/domains/${d}", .token = "${admin_token}", .body = R"({"domain": {"enabled": false}})"},
        {.method = "DELETE", .path = "/v3/domains/${d}", .token = "${admin_token}", .status = 204},
        ask("GET", "identity_providers/acme", 404),
        ask("PUT", "identity_providers/again", 201, R"({"identity_provider": {"remote_ids": ["a"]}})"),
    };
    f.cases.run(cases);
}

TEST_CASE("mappings") {
    IdentityFixture f;
    const Case cases[] = {
        ask("PUT", "mappings/m", 201, mapping(),
            R"({"mapping": {"id": "m", "rules": )" + std::string(rules) +
                R"(, "links": {"self": "http://api.example/v3/OS-FEDERATION/mappings/m"}}})"),
        ask("PUT", "mappings/m", 409, mapping()),
        ask("GET", "mappings/m", 200, "", mapping()),
        ask("GET", "mappings", 200, "", R"({"mappings": [{"id": "m"}], "links": {"self": "<text>"}})"),
        ask("PATCH", "mappings/m", 200, mapping(R"([{"local": [{"group": {"id": "g"}}], "remote": [{"type": "a", "any_one_of": ["b"]}]}])"),
            R"({"mapping": {"rules": [{"local": [{"group": {"id": "g"}}]}]}})"),
        ask("PATCH", "mappings/m", 400, mapping("[]"), R"({"error": {"message": "[] is too short\n"}})"),
        ask("PATCH", "mappings/m", 400, R"({"mapping": {}})", R"({"error": {"message": "'rules' is a required property\n"}})"),
        ask("PUT", "mappings/n", 400, mapping(R"([{"local": [{"user": {"name": 1}}], "remote": [{"type": "a"}]}])")),
        ask("PUT", "mappings/n", 400, mapping(R"([{"local": [], "remote": [{"type": "a", "maybe": true}]}])")),
        ask("PUT", "mappings/n", 400, mapping("7")),
        ask("PUT", "mappings/n", 400, R"({"rules": []})"),
        ask("PUT", "mappings/n", 400, "["),
        ask("GET", "mappings/n", 404, "", R"({"error": {"message": "Could not find mapping: n."}})"),
        ask("PATCH", "mappings/n", 404, mapping()),
        ask("DELETE", "mappings/m", 204),
        ask("DELETE", "mappings/m", 404),
    };
    f.cases.run(cases);
}

TEST_CASE("protocols") {
    IdentityFixture f;
    const std::string acme = "identity_providers/acme/protocols", other = "identity_providers/other/protocols";
    const Case cases[] = {
        ask("PUT", "mappings/m", 201, mapping()),
        ask("PUT", "mappings/n", 201, mapping()),
        ask("PUT", "identity_providers/acme", 201, R"({"identity_provider": {}})"),
        ask("PUT", "identity_providers/other", 201, R"({"identity_provider": {}})"),
        ask("PUT", acme + "/saml2", 201, R"({"protocol": {"mapping_id": "m"}})",
            R"({"protocol": {"id": "saml2", "mapping_id": "m", "links": {"self":
                "http://api.example/v3/OS-FEDERATION/identity_providers/acme/protocols/saml2",
                "identity_provider": "http://api.example/v3/OS-FEDERATION/identity_providers/acme"}}})"),
        ask("PUT", acme + "/saml2", 409, R"({"protocol": {"mapping_id": "m"}})"),
        ask("PUT", other + "/saml2", 201, R"({"protocol": {"mapping_id": "m", "remote_id_attribute": "Shib-Identity-Provider"}})"),
        // The same id below two providers: each is its own.
        ask("PATCH", other + "/saml2", 200, R"({"protocol": {"mapping_id": "n"}})", R"({"protocol": {"id": "saml2", "mapping_id": "n"}})"),
        ask("GET", acme + "/saml2", 200, "", R"({"protocol": {"mapping_id": "m"}})"),
        ask("GET", acme, 200, "", R"({"protocols": [{"id": "saml2", "mapping_id": "m"}], "links": {"self": "<text>"}})"),
        ask("GET", "identity_providers/nobody/protocols", 200, "", R"({"protocols": []})"),
        ask("PUT", acme + "/x", 400, R"({"protocol": {"mapping_id": "none"}})", R"({"error": {"message": "Invalid mapping id: none"}})"),
        ask("PUT", acme + "/x", 400, R"({"protocol": {}})"),
        ask("PUT", acme + "/x", 400, R"({"protocol": {"mapping_id": "m", "color": "red"}})"),
        ask("PUT", acme + "/x", 400, R"({"protocol": {"mapping_id": "m/"}})"),
        ask("PUT", acme + "/x", 400, R"({"protocol": {"mapping_id": "m", "remote_id_attribute": 1}})"),
        ask("PUT", "identity_providers/nobody/protocols/x", 404, R"({"protocol": {"mapping_id": "m"}})"),
        ask("PATCH", acme + "/saml2", 400, R"({"protocol": {"mapping_id": "none"}})"),
        ask("PATCH", acme + "/x", 404, R"({"protocol": {"mapping_id": "m"}})"),
        ask("GET", acme + "/x", 404),
        ask("DELETE", other + "/saml2", 204),
        ask("GET", acme + "/saml2", 200),
        ask("DELETE", other + "/saml2", 404),
        ask("DELETE", "identity_providers/acme", 204),
        ask("GET", acme + "/saml2", 404),
    };
    f.cases.run(cases);
}

TEST_CASE("service providers") {
    IdentityFixture f;
    const std::string good = R"({"service_provider": {"auth_url": "https://sp.example/v3", "sp_url": "https://sp.example/Shibboleth.sso/ECP"}})";
    const Case cases[] = {
        ask("PUT", "service_providers/sp", 201, good,
            R"({"service_provider": {"id": "sp", "auth_url": "https://sp.example/v3", "enabled": false, "description": null,
                "relay_state_prefix": "ss:mem:", "links": {"self": "http://api.example/v3/OS-FEDERATION/service_providers/sp"}}})"),
        ask("PUT", "service_providers/sp", 409, good),
        // Tokens name the enabled ones.
        {.path = "/v3/auth/tokens",
         .token = "${admin_token}",
         .expect = R"({"token": {"service_providers": "<absent>"}})",
         .headers = {{"X-Subject-Token", "${admin_token}"}}},
        ask("PATCH", "service_providers/sp", 200, R"({"service_provider": {"enabled": true, "description": "d"}})",
            R"({"service_provider": {"enabled": true, "description": "d"}})"),
        {.path = "/v3/auth/tokens",
         .token = "${admin_token}",
         .expect = R"({"token": {"service_providers": [{"id": "sp", "auth_url": "https://sp.example/v3",
                       "sp_url": "https://sp.example/Shibboleth.sso/ECP"}]}})",
         .headers = {{"X-Subject-Token", "${admin_token}"}}},
        ask("GET", "service_providers?enabled=false", 200, "", R"({"service_providers": []})"),
        ask("GET", "service_providers?id=sp", 200, "", R"({"service_providers": [{"id": "sp"}]})"),
        ask("PUT", "service_providers/x", 400, R"({"service_provider": {"sp_url": "https://a"}})"),
        ask("PUT", "service_providers/x", 400, R"({"service_provider": {"auth_url": "nourl", "sp_url": "https://a"}})"),
        ask("PUT", "service_providers/x", 400, R"({"service_provider": {"auth_url": "https://a", "sp_url": "https://a", "id": "x"}})"),
        ask("PUT", "service_providers/x", 400,
            R"({"service_provider": {"auth_url": ")" + ("https://" + std::string(220, 'a')) + R"(", "sp_url": "https://a"}})"),
        ask("PATCH", "service_providers/sp", 400, R"({"service_provider": {}})"),
        ask("PATCH", "service_providers/sp", 400, R"({"service_provider": {"auth_url": 7}})"),
        ask("PATCH", "service_providers/x", 404, R"({"service_provider": {"enabled": true}})"),
        ask("GET", "service_providers/x", 404, "", R"({"error": {"message": "Could not find Service Provider: x."}})"),
        ask("DELETE", "service_providers/sp", 204),
        ask("DELETE", "service_providers/sp", 404),
        {.path = "/v3/auth/tokens",
         .token = "${admin_token}",
         .expect = R"({"token": {"service_providers": "<absent>"}})",
         .headers = {{"X-Subject-Token", "${admin_token}"}}},
    };
    f.cases.run(cases);
}

TEST_CASE("who may manage federation") {
    IdentityFixture f;
    const Case setup[] = {
        ask("PUT", "mappings/m", 201, mapping()),
        ask("PUT", "identity_providers/acme", 201, R"({"identity_provider": {}})"),
        ask("PUT", "identity_providers/acme/protocols/p", 201, R"({"protocol": {"mapping_id": "m"}})"),
        ask("PUT", "service_providers/s", 201, R"({"service_provider": {"auth_url": "https://a", "sp_url": "https://a"}})"),
    };
    f.cases.run(setup);
    struct Kind {
        std::string one, body;
    };
    const Kind kinds[] = {
        {"mappings/m", mapping()},
        {"identity_providers/acme", R"({"identity_provider": {"enabled": true}})"},
        {"identity_providers/acme/protocols/p", R"({"protocol": {"mapping_id": "m"}})"},
        {"service_providers/s", R"({"service_provider": {"auth_url": "https://a", "sp_url": "https://a"}})"},
    };
    for (const Kind& kind : kinds) {
        const std::string all = kind.one.substr(0, kind.one.rfind('/'));
        for (const char* caller : {"${member_token}", "${reader_token}", ""}) {
            const int status = *caller ? 403 : 401;
            for (const char* method : {"GET", "PATCH", "DELETE", "PUT"}) f.cases.run(ask(method, kind.one, status, kind.body, "", caller));
            f.cases.run(ask("GET", all, status, "", "", caller));
        }
        f.cases.run(ask("GET", kind.one, 200, "", "", "${system_token}"));
        f.cases.run(ask("GET", all, 200, "", "", "${system_token}"));
        f.cases.run(ask("PATCH", kind.one, 200, kind.body, "", "${system_token}"));
    }
}
