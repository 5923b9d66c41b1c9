// Identity v2.0, what older scripts use of it: tokens, and the caller's tenants. Users and tenants are those of the default domain. Source: the Identity
// v2.0 API reference; the original left it with Queens.
#include <map>
#include <set>

#include "auth/login.h"
#include "base/text.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr std::string_view default_domain = "default";

[[noreturn]] void malformed(const std::string& what) {
    throw Error(Errc::bad_request, "Expecting to find " + what +
                                       ". The server could not comply with the request since it is either malformed or "
                                       "otherwise incorrect. The client is assumed to be in error.");
}

json::object in_default_domain(json::object reference) {
    if (!reference.contains("id")) reference["domain"] = {{"id", default_domain}};
    return reference;
}

std::string text_of(const json::object& from, std::string_view member, const std::string& where) {
    const json::value* v = pilvi::find(from, member);
    if (v && !v->is_string()) throw Error(Errc::bad_request, "Invalid input for field '" + std::string(member) + "' in " + where + ": not a text.");
    return v ? str(v->get_string()) : std::string();
}

json::object identity_part(const json::object& auth) {
    if (const json::value* given = pilvi::find(auth, "passwordCredentials")) {
        if (!given->is_object()) malformed("passwordCredentials in auth");
        const json::object& credentials = given->get_object();
        const std::string id = text_of(credentials, "userId", "passwordCredentials"), name = text_of(credentials, "username", "passwordCredentials");
        if (!credentials.contains("password")) malformed("password in passwordCredentials");
        if (id.empty() && name.empty()) malformed("username or userId in passwordCredentials");
        json::object user = in_default_domain(id.empty() ? json::object{{"name", name}} : json::object{{"id", id}});
        user["password"] = text_of(credentials, "password", "passwordCredentials");
        return {{"methods", json::array{"password"}}, {"password", {{"user", std::move(user)}}}};
    }
    if (const json::value* given = pilvi::find(auth, "token")) {
        if (!given->is_object() || !given->get_object().contains("id")) malformed("id in token");
        return {{"methods", json::array{"token"}}, {"token", {{"id", text_of(given->get_object(), "id", "token")}}}};
    }
    malformed("passwordCredentials or token in auth");
}

// {"auth": {"passwordCredentials", "tenantName"}} in the words of v3.
json::object as_v3(const json::value& body) {
    const json::value* given = body.is_object() ? pilvi::find(body.get_object(), "auth") : nullptr;
    if (!given || !given->is_object()) malformed("auth in request body");
    const json::object& auth = given->get_object();
    json::object out{{"identity", identity_part(auth)}, {"scope", "unscoped"}};
    const std::string id = text_of(auth, "tenantId", "auth"), name = text_of(auth, "tenantName", "auth"), trust = text_of(auth, "trust_id", "auth");
    if (!trust.empty()) out["scope"] = {{"OS-TRUST:trust", {{"id", trust}}}};
    else if (!id.empty() || !name.empty())
        out["scope"] = {{"project", in_default_domain(id.empty() ? json::object{{"name", name}} : json::object{{"id", id}})}};
    return {{"auth", std::move(out)}};
}

std::string seconds(Micros at) { return iso8601_micros(at).substr(0, 19) + "Z"; }

// v3's list of endpoints by interface, as one per region.
json::array endpoints_of(const json::object& service) {
    std::vector<std::string> order;
    std::map<std::string, json::object> regions;
    for (const json::value& item : array_or_empty(service, "endpoints")) {
        const json::object& endpoint = item.as_object();
        const std::string region = string_or(endpoint, "region_id");
        if (!regions.contains(region)) order.push_back(region);
        json::object& one = regions[region];
        one["region"] = region;
        if (!one.contains("id")) one["id"] = string_or(endpoint, "id");
        one[string_or(endpoint, "interface") + "URL"] = string_or(endpoint, "url");
    }
    json::array out;
    for (const std::string& region : order) out.emplace_back(std::move(regions[region]));
    return out;
}

json::array service_catalog(const Token& token) {
    json::array out;
    if (!token.catalog) return out;
    const json::value catalog = parse_json(*token.catalog);
    for (const json::value& item : catalog.as_array()) {
        const json::object& service = item.as_object();
        out.push_back(json::object{{"type", string_or(service, "type")},
                                   {"name", string_or(service, "name")},
                                   {"endpoints", endpoints_of(service)},
                                   {"endpoints_links", json::array()}});
    }
    return out;
}

json::object tenant_of(const Row& row) {
    return {{"id", row.at(0).text()}, {"name", row.at(1).text()}, {"description", row.at(2).text()}, {"enabled", row.at(3).boolean()}};
}
constexpr std::string_view tenant_columns = "SELECT id, name, description, enabled FROM projects WHERE is_domain = 0 AND domain_id = 'default'";

json::object access_of(Call& call, const std::string& text, const Token& token) {
    const Context& who = token.who;
    if (who.system || !who.domain_id.empty() || who.user_domain_id != default_domain ||
        (!who.project_id.empty() && who.project_domain_id != default_domain))
        throw Error(Errc::unauthenticated, "Non-default domain is not supported");
    json::object shown{{"id", text}, {"expires", seconds(token.payload.expires_at)}, {"issued_at", seconds(token.issued_at)}};
    json::array audit_ids, roles, role_ids;
    for (const std::string& id : token.payload.audit_ids) audit_ids.emplace_back(id);
    shown["audit_ids"] = std::move(audit_ids);
    if (!who.project_id.empty())
        shown["tenant"] = call.store().read([&](Tx& tx) {
            const auto row = tx.one(std::string(tenant_columns) + " AND id = ?", {who.project_id});
            return row ? tenant_of(*row) : json::object();
        });
    const json::value body = parse_json(token.body(false));
    const json::value* given = find_path(body, "token.roles");
    if (given && given->is_array())
        for (const json::value& role : given->get_array()) {
            roles.push_back(json::object{{"name", string_or(role.as_object(), "name")}});
            role_ids.emplace_back(string_or(role.as_object(), "id"));
        }
    return {
        {"access",
         {{"token", std::move(shown)},
          {"serviceCatalog", service_catalog(token)},
          {"user",
           {{"id", who.user_id}, {"name", who.user_name}, {"username", who.user_name}, {"roles", std::move(roles)}, {"roles_links", json::array()}}},
          {"metadata", {{"is_admin", 0}, {"roles", std::move(role_ids)}}}}}};
}

// A user with rules for several factors logs in by v3: there are no receipts here.
Reply log_in_v2(Call& call) {
    const auto result = [&] {
        try {
            return log_in(call, as_v3(call.raw));
        } catch (const Error& error) {
            if (error.code() == Errc::not_found) refuse_login();  // v3 says so of a token that is not good
            throw;
        }
    }();
    const Tokens::Issued* issued = std::get_if<Tokens::Issued>(&result);
    if (!issued) refuse_login();
    return access_of(call, issued->text, *issued->token);
}

std::shared_ptr<const Token> need_token(Call& call, std::string_view rule) {
    const auto token = app(call).tokens.find(call.arg("token_id"));
    const auto wanted = call.query.get("belongsTo");
    if (!token || token->who.access_rules || (wanted && token->who.project_id != *wanted)) throw Error(Errc::not_found, "Could not find token.");
    call.enforce(rule, {{"target", {{"token", {{"user_id", token->who.user_id}}}}}});
    return token;
}

Reply validate(Call& call) {
    const auto token = need_token(call, call.request.method == "HEAD" ? "identity:check_token" : "identity:validate_token");
    return access_of(call, call.arg("token_id"), *token);
}

Reply revoke(Call& call) {
    app(call).tokens.revoke(*need_token(call, "identity:revoke_token"));
    return {};
}

Reply list_endpoints(Call& call) {
    const auto token = need_token(call, "identity:validate_token");
    json::array out;
    for (const json::value& item : service_catalog(*token))
        for (const json::value& endpoint : item.as_object().at("endpoints").as_array()) {
            json::object one = endpoint.as_object();
            one["type"] = item.as_object().at("type");
            one["name"] = item.as_object().at("name");
            out.emplace_back(std::move(one));
        }
    return json::object{{"endpoints", std::move(out)}, {"endpoints_links", json::array()}};
}

// The caller's own; an administrator finds any by ?name.
Reply list_tenants(Call& call) {
    const auto name = call.query.get("name");
    return call.store().read([&](Tx& tx) -> Reply {
        if (name) {
            call.enforce("admin_required");
            const auto row = tx.one(std::string(tenant_columns) + " AND name = ?", {*name});
            if (!row) throw not_found(Dialect::identity, project_resource, *name);
            return json::object{{"tenant", tenant_of(*row)}};
        }
        const std::vector<std::string> mine = scopes_of(tx, call.who.user_id, Target::project);
        const std::set<std::string> wanted(mine.begin(), mine.end());
        const auto limit = parse_integer(call.query.get("limit").value_or("0"));
        if (!limit || *limit < 0) throw Error(Errc::bad_request, "Invalid limit value");
        const std::string marker = call.query.get("marker").value_or("");
        if (!marker.empty() && !wanted.contains(marker)) throw Error(Errc::bad_request, "Marker could not be found");
        json::array out;
        for (const Row& row : tx.query(std::string(tenant_columns) + " AND enabled = 1 AND id > ? ORDER BY id", {marker})) {
            if (!wanted.contains(row.at(0).text())) continue;
            out.emplace_back(tenant_of(row));
            if (*limit > 0 && out.size() == static_cast<std::size_t>(*limit)) break;
        }
        return json::object{{"tenants", std::move(out)}, {"tenants_links", json::array()}};
    });
}

Reply show_tenant(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const auto row = tx.one(std::string(tenant_columns) + " AND id = ?", {call.arg("tenant_id")});
        if (!row) throw not_found(Dialect::identity, project_resource, call.arg("tenant_id"));
        return json::object{{"tenant", tenant_of(*row)}};
    });
}

Reply show_version(Call& call) {
    return json::object{{"version",
                         {{"id", "v2.0"},
                          {"status", "deprecated"},
                          {"updated", "2016-08-04T00:00:00Z"},
                          {"links", json::array{{{"rel", "self"}, {"href", call.base_url() + "/v2.0/"}}}},
                          {"media-types", json::array{{{"base", "application/json"}, {"type", "application/vnd.openstack.identity-v2.0+json"}}}}}}};
}

Reply list_extensions(Call&) { return json::object{{"extensions", {{"values", json::array()}}}}; }

constexpr std::string_view token_path = "/v2.0/tokens/{token_id}";

// Rules are enforced with the token in question, by the handlers.
constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.0", .handler = &show_version, .access = Access::open},
    {.method = "GET", .path = "/v2.0/extensions", .handler = &list_extensions, .access = Access::open},
    {.method = "POST", .path = "/v2.0/tokens", .handler = &log_in_v2, .any_body = true, .body_limit = 16'384, .access = Access::open},
    {.method = "GET", .path = token_path, .policy = "identity:use_token_api", .check = anyone, .handler = &validate},
    {.method = "DELETE", .path = token_path, .policy = "identity:use_token_api", .check = anyone, .handler = &revoke, .status = 204},
    {.method = "GET", .path = "/v2.0/tokens/{token_id}/endpoints", .policy = "identity:use_token_api", .check = anyone, .handler = &list_endpoints},
    {.method = "GET", .path = "/v2.0/tenants", .policy = "identity:get_auth_projects", .check = anyone, .handler = &list_tenants},
    {.method = "GET", .path = "/v2.0/tenants/{tenant_id}", .policy = "identity:get_tenant", .check = admin, .handler = &show_tenant},
};
static_assert(sound(routes));

}  // namespace

std::span<const Route> v2_routes() { return routes; }

}  // namespace pilvi::identity
