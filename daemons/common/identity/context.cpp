#include "identity/identity.h"

#include "base/error.h"
#include "base/fd.h"

namespace pilvi {
namespace {
// {"id", "name", "domain": {"id", "name"}}
void read_owner(const json::object& from, std::string& id, std::string& name, std::string& domain_id, std::string& domain_name) {
    id = string_or(from, "id");
    name = string_or(from, "name");
    const json::object& domain = object_or_empty(from, "domain");
    domain_id = string_or(domain, "id");
    domain_name = string_or(domain, "name");
}
}  // namespace

bool Context::has_role(std::string_view role) const {
    for (const std::string& r : roles)
        if (r == role) return true;
    return false;
}

Context context_from_token(const json::object& body) {
    const json::object& token = object_or_empty(body, "token");
    Context context;
    read_owner(object_or_empty(token, "user"), context.user_id, context.user_name, context.user_domain_id, context.user_domain_name);
    read_owner(object_or_empty(token, "project"), context.project_id, context.project_name, context.project_domain_id, context.project_domain_name);
    const json::object& domain = object_or_empty(token, "domain");
    context.domain_id = string_or(domain, "id");
    context.domain_name = string_or(domain, "name");
    context.system = boolean_or(object_or_empty(token, "system"), "all");
    for (const json::value& role : array_or_empty(token, "roles"))
        if (const json::object* r = role.if_object()) context.roles.push_back(string_or(*r, "name"));
    context.is_admin = context.has_role("admin");
    context.expires_at = parse_iso8601(string_or(token, "expires_at")).value_or(0);
    if (context.user_id.empty() || context.expires_at == 0) throw Error(Errc::bad_gateway, "identity answered a token without user or expiry");
    return context;
}

SessionOptions session_options(const Config& config) {
    return {.auth_url = config.text("identity.url"),
            .username = config.text("identity.username"),
            .password = Secret(read_credential("service-password")),
            .project = config.text("identity.project"),
            .domain = config.text("identity.domain"),
            .region = config.text("identity.region")};
}

}  // namespace pilvi
