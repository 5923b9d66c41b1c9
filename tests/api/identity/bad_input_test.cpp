#include "fixture.h"

#include "support/bad_input.h"

namespace pilvi::testing {
namespace {

struct Subject final : BadInputSubject {
    IdentityFixture identity;
    Subject() {
        headers.set("Content-Type", "application/json");
        // What the requests change is nothing that the caller's own token stands on.
        create("domains", R"({"domain": {"name": "d"}})", "domain");
        create("projects", R"({"project": {"name": "p", "domain_id": "${domain}"}})", "project");
        create("users", R"({"user": {"name": "u", "password": "secret", "domain_id": "${domain}"}})", "user");
        create("groups", R"({"group": {"name": "g", "domain_id": "${domain}"}})", "group");
        create("roles", R"({"role": {"name": "r"}})", "role");
        create("regions", R"({"region": {"id": "Elsewhere"}})", "region");
        create("services", R"({"service": {"type": "t", "name": "s"}})", "service");
        create("endpoints", R"({"endpoint": {"service_id": "${service}", "interface": "public", "url": "http://h/"}})", "endpoint");
        create("policies", R"({"policy": {"blob": "{}", "type": "application/json"}})", "policy");
        create("credentials", R"({"credential": {"type": "ec2", "blob": "{\"access\": \"a\", \"secret\": \"s\"}", "user_id": "${user}",
            "project_id": "${project}"}})",
               "credential");
        create("OS-OAUTH1/consumers", R"({"consumer": {"description": "c"}})", "consumer");
        create("OS-EP-FILTER/endpoint_groups", R"({"endpoint_group": {"name": "e", "filters": {"interface": "public"}}})", "endpoint_group");
        put("OS-FEDERATION/identity_providers/idp", R"({"identity_provider": {"remote_ids": ["x"], "domain_id": "${domain}"}})");
        put("OS-FEDERATION/mappings/map", R"({"mapping": {"rules": [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "U"}]}]}})");
        put("OS-FEDERATION/identity_providers/idp/protocols/proto", R"({"protocol": {"mapping_id": "map"}})");
        put("OS-FEDERATION/service_providers/sp", R"({"service_provider": {"auth_url": "http://h/", "sp_url": "http://h/"}})");
        create("registered_limits", R"({"registered_limits": [{"service_id": "${service}", "resource_name": "r", "default_limit": 5}]})",
               "registered_limit", "registered_limits.0.id");
        create("limits", R"({"limits": [{"service_id": "${service}", "resource_name": "r", "resource_limit": 3, "project_id": "${project}"}]})",
               "limit", "limits.0.id");
        auto& vars = identity.cases.vars;
        parameters = {{"/v3/domains/{id}", vars["domain"]},
                      {"/v3/projects/{id}", vars["project"]},
                      {"/v3/users/{id}", vars["user"]},
                      {"/v3/groups/{id}", vars["group"]},
                      {"/v3/roles/{id}", vars["role"]},
                      {"/v3/regions/{id}", "Elsewhere"},
                      {"/v3/services/{id}", vars["service"]},
                      {"/v3/endpoints/{id}", vars["endpoint"]},
                      {"/v3/policies/{id}", vars["policy"]},
                      {"/v3/credentials/{id}", vars["credential"]},
                      {"/v3/OS-OAUTH1/consumers/{id}", vars["consumer"]},
                      {"/v3/OS-EP-FILTER/endpoint_groups/{id}", vars["endpoint_group"]},
                      {"/v3/OS-FEDERATION/identity_providers/{id}", "idp"},
                      {"/v3/OS-FEDERATION/mappings/{id}", "map"},
                      {"/v3/OS-FEDERATION/service_providers/{id}", "sp"},
                      {"/v3/registered_limits/{id}", vars["registered_limit"]},
                      {"/v3/limits/{id}", vars["limit"]},
                      {"/v3/projects/{target_id}", vars["project"]},
                      {"/v3/domains/{target_id}", vars["domain"]},
                      {"/v3/OS-INHERIT/projects/{target_id}", vars["project"]},
                      {"/v3/OS-INHERIT/domains/{target_id}", vars["domain"]},
                      {"{domain_id}", vars["domain"]},
                      {"{project_id}", vars["project"]},
                      {"{tenant_id}", vars["project"]},
                      {"/v3/users/{user_id}", vars["admin_user"]},  // who may only be asked by himself
                      {"{user_id}", vars["user"]},
                      {"{actor_id}", vars["user"]},
                      {"{group_id}", vars["group"]},
                      {"{role_id}", vars["role"]},
                      {"{prior_role_id}", vars["role"]},
                      {"{implied_role_id}", vars["reader_role"]},
                      {"{region_id}", "Elsewhere"},
                      {"{service_id}", vars["service"]},
                      {"{endpoint_id}", vars["endpoint"]},
                      {"{policy_id}", vars["policy"]},
                      {"{credential_id}", vars["credential"]},
                      {"{endpoint_group_id}", vars["endpoint_group"]},
                      {"{idp_id}", "idp"},
                      {"{protocol_id}", "proto"},
                      {"{token_id}", vars["member_token"]},
                      {"{group}", "ldap"},
                      {"{option}", "url"},
                      {"user", vars["user"]},
                      {"self", vars["admin_user"]},
                      {"project", vars["project"]},
                      {"domain", vars["domain"]},
                      {"role", vars["role"]},
                      {"service", vars["service"]},
                      {"token", vars["member_token"]}};
    }
    api::Service& service() override { return identity.service; }
    std::string token() override { return identity.cases.vars["admin_token"]; }

private:
    void create(const std::string& what, const std::string& body, const std::string& name, const std::string& where = {}) {
        identity.cases.run({.method = "POST",
                            .path = "/v3/" + what,
                            .token = "${admin_token}",
                            .body = body,
                            .status = 201,
                            .save = {{name, where.empty() ? name + ".id" : where}}});
    }
    void put(const std::string& what, const std::string& body) {
        identity.cases.run({.method = "PUT", .path = "/v3/" + what, .token = "${admin_token}", .body = body, .status = 201});
    }
};

BadInputPlan plan() {
    return {
        .fresh = [] { return std::make_unique<Subject>(); },
        .bodies =
            {{"POST /v3/auth/tokens",
              R"({"auth": {"identity": {"methods": ["password", "token", "totp", "application_credential", "oauth1", "mapped"],
                "password": {"user": {"id": "${user}", "name": "u", "password": "secret", "domain": {"id": "${domain}", "name": "d"}}},
                "token": {"id": "${token}"}, "totp": {"user": {"id": "${user}", "passcode": "123456"}},
                "application_credential": {"id": "x", "secret": "y", "user": {"id": "${user}"}}, "oauth1": {},
                "mapped": {"identity_provider": "idp", "protocol": "proto"}},
                "scope": {"project": {"id": "${project}", "name": "p", "domain": {"id": "default"}}, "system": {"all": true},
                "OS-TRUST:trust": {"id": "x"}}}})"},
             {"POST /v2.0/tokens", R"({"auth": {"passwordCredentials": {"username": "admin", "userId": "${user}", "password": "secret"},
                "token": {"id": "${token}"}, "tenantName": "admin", "tenantId": "${project}"}})"},
             {"POST /v3/ec2tokens", R"({"credentials": {"access": "a", "signature": "s", "host": "h:80", "verb": "GET", "path": "/", "body_hash": "0",
                "headers": {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20270115/r/s/aws4_request", "X-Amz-Date": "20270115T080000Z"},
                "params": {"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "Timestamp": "2027-01-15T08:00:00Z"}}})"},
             {"POST /v3/s3tokens", R"({"credentials": {"access": "a", "signature": "s", "token": "QVdTNC0="}})"},
             {"POST /v3/users", R"({"user": {"name": "n", "password": "p", "default_project_id": "${project}", "options":
                {"multi_factor_auth_rules": [["password", "totp"]], "ignore_password_expiry": true, "lock_password": null},
                "federated": [{"idp_id": "idp", "protocols": [{"protocol_id": "proto", "unique_id": "u"}]}]}})"},
             {"POST /v3/projects", R"({"project": {"name": "n", "tags": ["a"], "options": {"immutable": true}, "parent_id": "${project}"}})"},
             {"POST /v3/limits", R"({"limits": [{"service_id": "${service}", "region_id": "Elsewhere", "resource_name": "r", "resource_limit": 1,
                "project_id": "${project}", "description": "d"}]})"},
             {"POST /v3/registered_limits", R"({"registered_limits": [{"service_id": "${service}", "region_id": "Elsewhere", "resource_name": "q",
                "default_limit": 1, "description": "d"}]})"},
             {"POST /v3/OS-TRUST/trusts", R"({"trust": {"trustor_user_id": "${self}", "trustee_user_id": "${user}", "project_id": "${project}",
                "impersonation": true, "roles": [{"id": "${role}"}], "expires_at": "2030-01-01T00:00:00Z", "remaining_uses": 3,
                "allow_redelegation": true, "redelegation_count": 2}})"},
             {"POST /v3/users/{user_id}/application_credentials", R"({"application_credential": {"name": "a", "secret": "s", "expires_at":
                "2030-01-01T00:00:00Z", "roles": [{"name": "member"}], "unrestricted": false,
                "access_rules": [{"path": "/v2.1/**", "method": "GET", "service": "compute"}]}})"},
             {"PUT /v3/OS-OAUTH1/authorize/{request_token_id}", R"({"roles": [{"id": "${role}"}]})"},
             {"PUT /v3/domains/{domain_id}/config",
              R"({"config": {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://h", "user_tree_dn": "x"}}})"},
             {"PATCH /v3/domains/{domain_id}/config", R"({"config": {"ldap": {"url": "ldap://h"}}})"},
             {"PUT /v3/OS-FEDERATION/mappings/{id}",
              R"({"mapping": {"rules": [{"local": [{"user": {"name": "{0}", "type": "local", "domain": {"id": "x"}},
                "group": {"id": "g"}, "projects": [{"name": "p", "roles": [{"name": "r"}]}]}], "remote": [{"type": "U", "any_one_of": ["a"],
                "regex": true}, {"type": "G", "whitelist": ["b"]}]}]}})"},
             {"PUT /v3/projects/{project_id}/tags", R"({"tags": ["a", "b"]})"},
             {"POST /v3/OS-EP-FILTER/endpoint_groups",
              R"({"endpoint_group": {"name": "x", "filters": {"interface": "public", "region_id": "Elsewhere"}}})"},
             {"POST /v3/credentials",
              R"({"credential": {"type": "ec2", "blob": "{\"access\": \"b\"}", "user_id": "${user}", "project_id": "${project}"}})"}},
        .judged_by_body = {"POST /v3/OS-TRUST/trusts"},
        .failing = {"GET /v3/OS-FEDERATION/saml2/metadata"},  // assertions cannot be signed
        .renew_after = 50,
    };
}

TEST_CASE("bad input for every operation") { check_bad_input(plan()); }

}  // namespace
}  // namespace pilvi::testing
