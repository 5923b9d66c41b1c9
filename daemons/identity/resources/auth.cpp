// /v3/auth: tokens, and what the caller's own token may be used for.
#include "auth/login.h"
#include "base/text.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

Reply text_reply(std::string text, std::string_view type) {
    Reply reply;
    reply.text = std::move(text);
    reply.headers.set("Content-Type", type);
    return reply;
}

namespace {

bool with_catalog(const Call& call) { return !call.query.has("nocatalog"); }

}  // namespace

Reply log_in_with(Call& call, const json::value& body) {
    const auto result = log_in(call, body);
    if (const Receipt* receipt = std::get_if<Receipt>(&result)) {
        Reply reply(receipt->body);
        reply.status = 401;
        reply.headers.set("Openstack-Auth-Receipt", receipt->text);
        return reply;
    }
    const auto& issued = std::get<Tokens::Issued>(result);
    Reply reply = text_reply(issued.token->body(with_catalog(call)));
    reply.headers.set("X-Subject-Token", issued.text);
    return reply;
}

namespace {

Reply issue(Call& call) { return log_in_with(call, call.raw); }

// The token in X-Subject-Token; nullptr where it is not valid. Only a GET may look past a token's end.
std::shared_ptr<const Token> subject(const Call& call) {
    const std::string_view text = call.request.headers.get("X-Subject-Token");
    if (text.empty() || call.request.headers.count("X-Subject-Token") > 1) return nullptr;
    Tokens& tokens = app(call).tokens;
    const auto expired = call.query.get("allow_expired");
    const bool late = call.request.method != "DELETE" && expired && parse_boolean(*expired).value_or(false);
    return tokens.find(text, late ? tokens.settings().expired_window : 0);
}

std::shared_ptr<const Token> need_subject(const Call& call) {
    auto token = subject(call);
    // The service that asks about a token limited by access rules must be able to check them, and say so.
    const bool checks = !call.request.headers.get("OpenStack-Identity-Access-Rules").empty();
    if (!token || (token->who.access_rules && !checks)) throw Error(Errc::not_found, "Could not find token.");
    return token;
}

// Runs for every request of every service: no transaction, so not Route::target.
void enforce(const Call& call, std::string_view rule, const Token& token) {
    call.enforce(rule, {{"target", {{"token", {{"user_id", token.who.user_id}}}}}});
}

Reply validate(Call& call) {
    const auto token = need_subject(call);
    enforce(call, call.request.method == "HEAD" ? "identity:check_token" : "identity:validate_token", *token);
    Reply reply = text_reply(token->body(with_catalog(call)));
    reply.headers.set("X-Subject-Token", call.request.headers.get("X-Subject-Token"));
    return reply;
}

Reply revoke(Call& call) {
    const auto token = need_subject(call);
    enforce(call, "identity:revoke_token", *token);
    app(call).tokens.revoke(*token);
    return {};
}

Reply catalog(Call& call) {
    if (call.who.project_id.empty()) throw Error(Errc::forbidden, "A project-scoped token is required to produce a service catalog.");
    const auto token = app(call).tokens.find(call.who.token);
    if (!token || !token->catalog) refuse_login();
    return text_reply("{\"catalog\":" + *token->catalog + ",\"links\":{\"self\":" + to_text(json::value(link(call, "auth/catalog"))) + "}}");
}

std::vector<std::string> token_groups(const Call& call) {
    const auto token = app(call).tokens.find(call.who.token);
    return token ? token->payload.group_ids : std::vector<std::string>();
}

}  // namespace

template <Target target>
Reply scopes_of_caller(Call& call) {
    const std::vector<std::string> groups = token_groups(call);
    return call.store().read([&](Tx& tx) -> Reply {
        const Resource& resource = target == Target::domain ? domain_resource : project_resource;
        return list_of(call, tx, resource, scopes_of(tx, call.who.user_id, target, groups));
    });
}
template Reply scopes_of_caller<Target::project>(Call&);
template Reply scopes_of_caller<Target::domain>(Call&);

namespace {

Reply list_systems(Call& call) {
    const std::vector<std::string> groups = token_groups(call);
    return call.store().read([&](Tx& tx) -> Reply {
        json::array out;
        if (!roles_in_effect(tx, call.who.user_id, Target::system, nullptr, groups).empty()) out.push_back(json::object{{"all", true}});
        return json::object{{"system", std::move(out)}, {"links", {{"self", link(call, "auth/system")}}}};
    });
}

// "identity:validate_token" and the like are enforced with the token in question, by the handlers; the route itself is for every caller.
constexpr Route routes[] = {
    {.method = "POST", .path = "/v3/auth/tokens", .handler = &issue, .status = 201, .any_body = true, .body_limit = 16'384, .access = Access::open},
    {.method = "GET", .path = "/v3/auth/tokens", .policy = "identity:use_token_api", .check = anyone, .handler = &validate},
    {.method = "DELETE", .path = "/v3/auth/tokens", .policy = "identity:use_token_api", .check = anyone, .handler = &revoke, .status = 204},
    {.method = "GET", .path = "/v3/auth/catalog", .policy = "identity:get_auth_catalog", .check = anyone, .handler = &catalog},
    {.method = "GET",
     .path = "/v3/auth/projects",
     .policy = "identity:get_auth_projects",
     .check = anyone,
     .handler = &scopes_of_caller<Target::project>},
    {.method = "GET",
     .path = "/v3/auth/domains",
     .policy = "identity:get_auth_domains",
     .check = anyone,
     .handler = &scopes_of_caller<Target::domain>},
    {.method = "GET", .path = "/v3/auth/system", .policy = "identity:get_auth_system", .check = anyone, .handler = list_systems},
};
static_assert(sound(routes));

}  // namespace

std::span<const Route> auth_routes() { return routes; }

}  // namespace pilvi::identity
