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
    const json::object& credential = object_or_empty(token, "application_credential");
    if (credential.contains("access_rules")) {
        auto rules = std::make_shared<std::vector<AccessRule>>();
        for (const json::value& rule : array_or_empty(credential, "access_rules"))
            if (const json::object* r = rule.if_object())
                rules->push_back({string_or(*r, "service"), string_or(*r, "method"), string_or(*r, "path")});
        context.access_rules = std::move(rules);
    }
    context.is_admin = context.has_role("admin");
    context.expires_at = parse_iso8601(string_or(token, "expires_at")).value_or(0);
    if (context.user_id.empty() || context.expires_at == 0) throw Error(Errc::bad_gateway, "identity answered a token without user or expiry");
    return context;
}

bool path_matches(std::string_view path, std::string_view pattern) {
    // Positions in `path` that a prefix of the pattern reaches: no backtracking, whatever the pattern.
    std::vector<char> reached(path.size() + 1, 0), next;
    reached[0] = 1;
    for (std::size_t at = 0; at < pattern.size();) {
        const std::size_t close = pattern[at] == '{' ? pattern.find('}', at) : pattern.npos;
        const bool any = pattern.substr(at, 2) == "**";
        const bool segment = !any && (pattern[at] == '*' || close != pattern.npos);
        next.assign(path.size() + 1, 0);
        if (any || segment) {
            bool open = false;
            for (std::size_t i = 0; i <= path.size(); ++i) {
                if (i > 0 && segment && path[i - 1] == '/') open = false;
                if (open || (any && reached[i])) next[i] = 1;
                if (reached[i]) open = true;
            }
        } else {
            for (std::size_t i = 0; i < path.size(); ++i)
                if (reached[i] && path[i] == pattern[at]) next[i + 1] = 1;
        }
        reached.swap(next);
        at = any ? at + 2 : close != pattern.npos ? close + 1 : at + 1;
    }
    return reached[path.size()] != 0;
}

bool allows(const std::vector<AccessRule>& rules, std::string_view service, std::string_view method, std::string_view path) {
    for (const AccessRule& rule : rules)
        if (rule.service == service && rule.method == method && path_matches(path, rule.path)) return true;
    return false;
}

std::string node_tls_name(std::string_view node) { return std::string(node) + ".node" + std::string(http::internal_domain); }

http::TlsFiles node_files(const Config& config) {
    return {.certificate = config.text("node.identity"), .key = config.text("node.identity"), .client_ca = config.text("node.trust")};
}

SessionOptions session_options(const Config& config) {
    const std::string type = config.text("identity.auth_type");
    if (type == "certificate")
        return {.auth_url = config.text("identity.url"),
                .region = config.text("identity.region"),
                .endpoint_override = config.list("identity.endpoint_override"),
                .certificate = node_files(config)};
    if (type != "password") throw Error(Errc::bad_request, "identity.auth_type is password or certificate");
    return {.auth_url = config.text("identity.url"),
            .username = config.text("identity.username"),
            .password = Secret(read_credential("service-password")),
            .project = config.text("identity.project"),
            .domain = config.text("identity.domain"),
            .region = config.text("identity.region"),
            .endpoint_override = config.list("identity.endpoint_override")};
}

}  // namespace pilvi
