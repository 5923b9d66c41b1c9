// The JSON home document: for each relation of the API, where it is. Names and relations are the original's.
#include <algorithm>
#include <string>

#include "resources/json_home.h"

namespace pilvi::identity {

namespace {

constexpr std::string_view base = "https://docs.openstack.org/api/openstack-identity/3/";

struct Relation {
    std::string_view extension, name, path;
};
constexpr Relation relations[] = {
    {"", "access_rule", "/users/{user_id}/access_rules/{access_rule_id}"},
    {"", "access_rules", "/users/{user_id}/access_rules"},
    {"", "application_credential", "/users/{user_id}/application_credentials/{application_credential_id}"},
    {"", "application_credentials", "/users/{user_id}/application_credentials"},
    {"", "auth_catalog", "/auth/catalog"},
    {"", "auth_domains", "/auth/domains"},
    {"", "auth_projects", "/auth/projects"},
    {"", "auth_system", "/auth/system"},
    {"", "auth_tokens", "/auth/tokens"},
    {"", "credential", "/credentials/{credential_id}"},
    {"", "credentials", "/credentials"},
    {"", "domain", "/domains/{domain_id}"},
    {"", "domain_config", "/domains/{domain_id}/config"},
    {"", "domain_config_default", "/domains/config/default"},
    {"", "domain_config_default_group", "/domains/config/{group}/default"},
    {"", "domain_config_default_option", "/domains/config/{group}/{option}/default"},
    {"", "domain_config_group", "/domains/{domain_id}/config/{group}"},
    {"", "domain_config_option", "/domains/{domain_id}/config/{group}/{option}"},
    {"", "domain_group_role", "/domains/{domain_id}/groups/{group_id}/roles/{role_id}"},
    {"", "domain_group_roles", "/domains/{domain_id}/groups/{group_id}/roles"},
    {"", "domain_user_role", "/domains/{domain_id}/users/{user_id}/roles/{role_id}"},
    {"", "domain_user_roles", "/domains/{domain_id}/users/{user_id}/roles"},
    {"", "domains", "/domains"},
    {"", "endpoint", "/endpoints/{endpoint_id}"},
    {"", "endpoints", "/endpoints"},
    {"", "group", "/groups/{group_id}"},
    {"", "group_user", "/groups/{group_id}/users/{user_id}"},
    {"", "group_users", "/groups/{group_id}/users"},
    {"", "groups", "/groups"},
    {"", "implied_role", "/roles/{prior_role_id}/implies/{implied_role_id}"},
    {"", "implied_roles", "/roles/{prior_role_id}/implies"},
    {"", "limit", "/limits/{limit_id}"},
    {"", "limit_model", "/limits/model"},
    {"", "limits", "/limits"},
    {"", "policies", "/policies"},
    {"", "policy", "/policies/{policy_id}"},
    {"", "project", "/projects/{project_id}"},
    {"", "project_group_role", "/projects/{project_id}/groups/{group_id}/roles/{role_id}"},
    {"", "project_group_roles", "/projects/{project_id}/groups/{group_id}/roles"},
    {"", "project_tags", "/projects/{project_id}/tags/{value}"},
    {"", "project_user_role", "/projects/{project_id}/users/{user_id}/roles/{role_id}"},
    {"", "project_user_roles", "/projects/{project_id}/users/{user_id}/roles"},
    {"", "projects", "/projects"},
    {"", "region", "/regions/{region_id}"},
    {"", "regions", "/regions"},
    {"", "registered_limit", "/registered_limits/{registered_limit_id}"},
    {"", "registered_limits", "/registered_limits"},
    {"", "role", "/roles/{role_id}"},
    {"", "role_assignments", "/role_assignments"},
    {"", "role_inferences", "/role_inferences"},
    {"", "roles", "/roles"},
    {"", "service", "/services/{service_id}"},
    {"", "services", "/services"},
    {"", "system_group_role", "/system/groups/{group_id}/roles/{role_id}"},
    {"", "system_group_roles", "/system/groups/{group_id}/roles"},
    {"", "system_user_role", "/system/users/{user_id}/roles/{role_id}"},
    {"", "system_user_roles", "/system/users/{user_id}/roles"},
    {"", "user", "/users/{user_id}"},
    {"", "user_change_password", "/users/{user_id}/password"},
    {"", "user_groups", "/users/{user_id}/groups"},
    {"", "user_projects", "/users/{user_id}/projects"},
    {"", "users", "/users"},
    {"OS-EC2", "ec2tokens", "/ec2tokens"},
    {"OS-EC2", "user_credential", "/users/{user_id}/credentials/OS-EC2/{credential_id}"},
    {"OS-EC2", "user_credentials", "/users/{user_id}/credentials/OS-EC2"},
    {"OS-ENDPOINT-POLICY", "endpoint_policy", "/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy"},
    {"OS-ENDPOINT-POLICY", "endpoint_policy_association", "/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}"},
    {"OS-ENDPOINT-POLICY", "policy_endpoints", "/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints"},
    {"OS-ENDPOINT-POLICY", "region_and_service_policy_association",
     "/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}"},
    {"OS-ENDPOINT-POLICY", "service_policy_association", "/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}"},
    {"OS-EP-FILTER", "endpoint_group", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"},
    {"OS-EP-FILTER", "endpoint_group_to_project_association", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}"},
    {"OS-EP-FILTER", "endpoint_groups", "/OS-EP-FILTER/endpoint_groups"},
    {"OS-EP-FILTER", "endpoint_projects", "/OS-EP-FILTER/endpoints/{endpoint_id}/projects"},
    {"OS-EP-FILTER", "endpoints_in_endpoint_group", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints"},
    {"OS-EP-FILTER", "project_endpoint", "/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}"},
    {"OS-EP-FILTER", "project_endpoint_groups", "/OS-EP-FILTER/projects/{project_id}/endpoint_groups"},
    {"OS-EP-FILTER", "project_endpoints", "/OS-EP-FILTER/projects/{project_id}/endpoints"},
    {"OS-EP-FILTER", "projects_associated_with_endpoint_group", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects"},
    {"OS-FEDERATION", "domains", "/auth/domains"},
    {"OS-FEDERATION", "identity_provider", "/OS-FEDERATION/identity_providers/{idp_id}"},
    {"OS-FEDERATION", "identity_provider_protocol", "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"},
    {"OS-FEDERATION", "identity_provider_protocols", "/OS-FEDERATION/identity_providers/{idp_id}/protocols"},
    {"OS-FEDERATION", "identity_providers", "/OS-FEDERATION/identity_providers"},
    {"OS-FEDERATION", "mapping", "/OS-FEDERATION/mappings/{mapping_id}"},
    {"OS-FEDERATION", "mappings", "/OS-FEDERATION/mappings"},
    {"OS-FEDERATION", "projects", "/auth/projects"},
    {"OS-FEDERATION", "service_provider", "/OS-FEDERATION/service_providers/{sp_id}"},
    {"OS-FEDERATION", "service_providers", "/OS-FEDERATION/service_providers"},
    {"OS-INHERIT", "domain_group_role_inherited_to_projects",
     "/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects"},
    {"OS-INHERIT", "domain_group_roles_inherited_to_projects", "/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects"},
    {"OS-INHERIT", "domain_user_role_inherited_to_projects", "/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects"},
    {"OS-INHERIT", "domain_user_roles_inherited_to_projects", "/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects"},
    {"OS-INHERIT", "project_group_role_inherited_to_projects",
     "/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects"},
    {"OS-INHERIT", "project_user_role_inherited_to_projects",
     "/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects"},
    {"OS-OAUTH1", "access_tokens", "/OS-OAUTH1/access_token"},
    {"OS-OAUTH1", "authorize_request_token", "/OS-OAUTH1/authorize/{request_token_id}"},
    {"OS-OAUTH1", "consumer", "/OS-OAUTH1/consumers/{consumer_id}"},
    {"OS-OAUTH1", "consumers", "/OS-OAUTH1/consumers"},
    {"OS-OAUTH1", "request_tokens", "/OS-OAUTH1/request_token"},
    {"OS-OAUTH1", "user_access_token", "/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}"},
    {"OS-OAUTH1", "user_access_token_role", "/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}"},
    {"OS-OAUTH1", "user_access_token_roles", "/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles"},
    {"OS-OAUTH1", "user_access_tokens", "/users/{user_id}/OS-OAUTH1/access_tokens"},
    {"OS-REVOKE", "events", "/OS-REVOKE/events"},
    {"OS-TRUST", "trust", "/OS-TRUST/trusts/{trust_id}"},
    {"OS-TRUST", "trust_role", "/OS-TRUST/trusts/{trust_id}/roles/{role_id}"},
    {"OS-TRUST", "trust_roles", "/OS-TRUST/trusts/{trust_id}/roles"},
    {"OS-TRUST", "trusts", "/OS-TRUST/trusts"},
    {"s3tokens", "s3tokens", "/s3tokens"},
};

// Parameters that belong to an extension, or have another name in the document.
struct Parameter {
    std::string_view name, extension, shown;
};
constexpr Parameter parameters[] = {
    {"endpoint_group_id", "OS-EP-FILTER", "endpoint_group_id"},
    {"idp_id", "OS-FEDERATION", "idp_id"},
    {"protocol_id", "OS-FEDERATION", "protocol_id"},
    {"mapping_id", "OS-FEDERATION", "mapping_id"},
    {"sp_id", "OS-FEDERATION", "sp_id"},
    {"request_token_id", "OS-OAUTH1", "request_token_id"},
    {"consumer_id", "OS-OAUTH1", "consumer_id"},
    {"access_token_id", "OS-OAUTH1", "access_token_id"},
    {"trust_id", "OS-TRUST", "trust_id"},
    {"group", "", "config_group"},
    {"option", "", "config_option"},
    {"prior_role_id", "", "role_id"},
    {"implied_role_id", "", "role_id"},
    {"value", "", "tag_value"},
};

std::string link(std::string_view extension, std::string_view kind, std::string_view name) {
    const std::string below = extension.empty() ? "" : "ext/" + std::string(extension) + "/1.0/";
    return std::string(base) + below + std::string(kind) + "/" + std::string(name);
}

// {"user_id": ".../param/user_id"} of "/users/{user_id}".
json::object variables(std::string_view path) {
    json::object out;
    for (std::size_t at = path.find('{'); at != path.npos; at = path.find('{', at)) {
        const std::size_t end = path.find('}', at);
        const std::string_view name = path.substr(at + 1, end - at - 1);
        const auto known = std::find_if(std::begin(parameters), std::end(parameters), [&](const Parameter& p) { return p.name == name; });
        out[name] = known == std::end(parameters) ? link("", "param", name) : link(known->extension, "param", known->shown);
        at = end;
    }
    return out;
}

bool experimental(const Relation& relation) { return relation.path.starts_with("/limits") || relation.path.starts_with("/registered_limits"); }

}  // namespace

json::object json_home(std::string_view prefix) {
    json::object resources;
    for (const Relation& relation : relations) {
        json::object resource;
        json::object names = variables(relation.path);
        resource[names.empty() ? "href" : "href-template"] = std::string(prefix) + std::string(relation.path);
        if (!names.empty()) resource["href-vars"] = std::move(names);
        if (experimental(relation)) resource["hints"] = {{"status", "experimental"}};
        resources[link(relation.extension, "rel", relation.name)] = std::move(resource);
    }
    return {{"resources", std::move(resources)}};
}

}  // namespace pilvi::identity
