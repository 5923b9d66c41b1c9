// Logging in through an identity provider: the protocol's own URL, web single sign-on, SAML for other clouds.
#include "auth/login.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

Reply log_in_by(Call& call, const std::string& idp, const std::string& protocol) {
    json::object mapped{{"identity_provider", idp}, {"protocol", protocol}};
    Reply reply = log_in_with(call, {{"auth", {{"identity", {{"methods", json::array{"mapped"}}, {"mapped", std::move(mapped)}}}}}});
    return reply;
}

Reply log_in_at_protocol(Call& call) {
    Reply reply = log_in_by(call, call.arg("idp_id"), call.arg("protocol_id"));
    if (reply.status == 0) reply.status = 201;
    return reply;
}

std::string html(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&') out += "&amp;";
        else if (c == '<') out += "&lt;";
        else if (c == '>') out += "&gt;";
        else if (c == '"') out += "&quot;";
        else if (c == '\'') out += "&#x27;";
        else out += c;
    }
    return out;
}

// Where the token may be sent: one of the configured dashboards, and nothing that a link to us chooses.
std::string trusted_origin(const Call& call) {
    const auto origin = call.query.get("origin");
    if (!origin || origin->empty()) throw Error(Errc::bad_request, "Request must have an origin query parameter");
    for (const std::string& dashboard : app(call).federation.trusted_dashboards)
        if (dashboard == *origin) return dashboard;
    throw Error(Errc::unauthenticated, origin->substr(0, 200) + " is not a trusted dashboard host");
}

// A page that takes the token to the dashboard by itself, as the original's template does.
Reply sign_on(Call& call, const std::string& idp) {
    const std::string origin = trusted_origin(call);
    const Reply login = log_in_by(call, idp, call.arg("protocol_id"));
    if (login.status == 401) refuse_login();  // more methods are needed than a browser can show here
    Reply page = text_reply(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Signing on</title>\n</head>\n<body>\n"
        "<form id=\"sso\" name=\"sso\" action=\"" +
            html(origin) +
            "\" method=\"post\">\n"
            "Please wait...\n<br>\n<input type=\"hidden\" name=\"token\" id=\"token\" value=\"" +
            html(login.headers.get("X-Subject-Token")) +
            "\">\n"
            "<noscript>\n<input type=\"submit\" name=\"submit_no_javascript\" id=\"submit_no_javascript\" value=\"If your JavaScript is disabled, "
            "please "
            "click to continue\">\n</noscript>\n</form>\n<script>\nwindow.onload = function() { document.forms['sso'].submit(); "
            "}\n</script>\n</body>\n</html>\n",
        "text/html; charset=utf-8");
    page.headers.set("Cache-Control", "no-store");
    return page;
}

Reply sign_on_by_assertion(Call& call) { return sign_on(call, provider_of_assertion(call, call.arg("protocol_id"))); }
Reply sign_on_at_provider(Call& call) { return sign_on(call, call.arg("idp_id")); }

// Signing SAML needs xmlsec1 and a key pair, which this daemon has not: the answers are those of an original without them.
Reply saml_metadata(Call&) { throw Error(Errc::internal, "no SAML metadata is configured"); }

constexpr Field id_fields[] = {{.name = "id", .use = required, .most = 65'536}};
constexpr Field saml_identity[] = {
    {.name = "token", .type = Type::object, .use = required, .fields = id_fields},
    {.name = "methods", .type = Type::array},
};
constexpr Field saml_scope[] = {{.name = "service_provider", .type = Type::object, .use = required, .fields = id_fields}};
constexpr Field saml_body[] = {
    {.name = "identity", .type = Type::object, .use = required, .fields = saml_identity},
    {.name = "scope", .type = Type::object, .use = required, .fields = saml_scope},
};

Reply saml_assertion(Call& call) {
    const std::string provider = str(find_path(call.body, "scope.service_provider.id")->as_string());
    call.store().read([&](Tx& tx) {
        if (!boolean_or(need_row(tx, service_provider_resource, provider), "enabled"))
            throw Error(Errc::forbidden, "Service Provider " + provider + " is disabled");
    });
    const auto token = app(call).tokens.find(str(find_path(call.body, "identity.token.id")->as_string()));
    if (!token) throw Error(Errc::not_found, "Failed to validate token");
    if (token->payload.scope != Scope::project)
        throw Error(Errc::forbidden,
                    "You are not authorized to perform the requested action: Use a project scoped token when attempting to create a SAML assertion");
    throw Error(Errc::internal, "SAML assertions cannot be signed");
}

constexpr std::string_view protocol_path = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth";
constexpr std::string_view sso_path = "/v3/auth/OS-FEDERATION/websso/{protocol_id}";
constexpr std::string_view provider_sso_path = "/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso";
constexpr Route routes[] = {
    {.method = "GET", .path = protocol_path, .handler = &log_in_at_protocol, .access = Access::open},
    {.method = "POST", .path = protocol_path, .handler = &log_in_at_protocol, .access = Access::open},
    {.method = "GET", .path = sso_path, .handler = &sign_on_by_assertion, .access = Access::open},
    {.method = "POST", .path = sso_path, .handler = &sign_on_by_assertion, .access = Access::open},
    {.method = "GET", .path = provider_sso_path, .handler = &sign_on_at_provider, .access = Access::open},
    {.method = "POST", .path = provider_sso_path, .handler = &sign_on_at_provider, .access = Access::open},
    {.method = "GET",
     .path = "/v3/OS-FEDERATION/projects",
     .policy = "identity:get_auth_projects",
     .check = anyone,
     .handler = &scopes_of_caller<Target::project>},
    {.method = "GET",
     .path = "/v3/OS-FEDERATION/domains",
     .policy = "identity:get_auth_domains",
     .check = anyone,
     .handler = &scopes_of_caller<Target::domain>},
    {.method = "GET", .path = "/v3/OS-FEDERATION/saml2/metadata", .handler = &saml_metadata, .access = Access::open},
    {.method = "POST",
     .path = "/v3/auth/OS-FEDERATION/saml2",
     .handler = &saml_assertion,
     .wrapper = "auth",
     .body = saml_body,
     .access = Access::open},
    {.method = "POST",
     .path = "/v3/auth/OS-FEDERATION/saml2/ecp",
     .handler = &saml_assertion,
     .wrapper = "auth",
     .body = saml_body,
     .access = Access::open},
};
static_assert(sound(routes));

}  // namespace

std::span<const Route> federation_routes() { return routes; }

}  // namespace pilvi::identity
