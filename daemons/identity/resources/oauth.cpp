// /v3/OS-OAUTH1: a consumer (a program) gets a user's leave to act with some of the user's roles on a project.
#include "auth/delegation.h"
#include "auth/login.h"
#include "base/ids.h"
#include "base/text.h"
#include "domain/oauth1.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

// The original's defaults.
constexpr Micros request_token_life = 28'800'000'000, access_token_life = 86'400'000'000;

// Consumers

constexpr Field consumer_fields[] = {
    {.name = "id", .use = show},
    {.name = "description", .use = create | update | show | nullable, .most = 65'536},
    {.name = "secret", .use = show},
};

constexpr Operation consumer_operations[] = {
    {Verb::list, "identity:list_consumers", admin_or_system_reader},
    {Verb::show, "identity:get_consumer", admin_or_system_reader},
    {Verb::create, "identity:create_consumer", admin},
    {Verb::update, "identity:update_consumer", admin},
    {Verb::remove, "identity:delete_consumer", admin},
};

void before_write(Call& call, Tx&, json::object& row, const json::object* before) {
    if (!before) {
        row["secret"] = app(call).seal(new_hex_id());
        return;
    }
    if (find_path(call.raw, "consumer.secret")) throw Error(Errc::bad_request, "Invalid input for field 'secret': it cannot be changed.");
    row["secret"] = before->at("secret");
}

void after_remove(Call& call, Tx& tx, const json::object& row) {
    Tokens& tokens = app(call).tokens;
    tokens.record_revocation(tx, {{"OS-OAUTH1:consumer_id", row.at("id")}});
    tokens.changed(tx);
}

// The secret is told once.
void view(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) {
        if (call.request.method == "POST") row["secret"] = app(call).unseal(string_or(row, "secret"));
        else row.erase("secret");
        add_link(call, "OS-OAUTH1/consumers", row);
    }
}

std::string everyone(const Call&, Values&) { return {}; }

constexpr Resource declared{
    .name = "consumer",
    .plural = "consumers",
    .path = "/v3/OS-OAUTH1/consumers",
    .table = "oauth_consumers",
    .fields = consumer_fields,
    .operations = consumer_operations,
    .hooks = {.before_write = &before_write, .after_remove = &after_remove, .view = &view, .visible = &everyone},
    .missing = "Consumer not found",
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .scopes = system_or_project,
    .hides = item_verbs,
};
static_assert(sound(declared));

// The three steps

[[noreturn]] void refuse(const std::string& why) { throw Error(Errc::unauthenticated, why); }

OAuthHeader need_header(const Call& call, std::initializer_list<std::string_view> names) {
    auto header = parse_oauth_header(call.request.headers.get("Authorization"));
    if (!header) throw Error(Errc::bad_request, "No OAuth Authorization header found, cannot proceed with OAuth related calls.");
    for (const std::string_view name : names)
        if (header->get(name).empty()) throw Error(Errc::bad_request, "Expecting to find " + std::string(name) + " in request.");
    return std::move(*header);
}

void refuse_defect(const OAuthHeader& header, Micros now) {
    if (const std::string defect = oauth_defect(header, now); !defect.empty())
        throw Error(Errc::bad_request, "Validation failed with errors: invalid_request, detail message is: " + defect + ".");
}

// Key, secret and end, as the client's library reads them.
Reply credentials(const std::string& id, const std::string& secret, Micros end) {
    Reply reply;
    reply.text = "oauth_token=" + id + "&oauth_token_secret=" + secret + "&oauth_expires_at=" + iso8601_micros(end);
    reply.headers.set("Content-Type", "application/x-www-form-urlencoded");
    return reply;
}

Reply create_request_token(Call& call) {
    const App& shared = app(call);
    const OAuthHeader header = need_header(call, {"oauth_consumer_key"});
    const std::string consumer(header.get("oauth_consumer_key")), project(call.request.headers.get("Requested-Project-Id"));
    if (project.empty()) throw Error(Errc::bad_request, "Expecting to find Requested-Project-Id in request.");
    const std::string sealed = call.store().read([&](Tx& tx) {
        if (!find_project(tx, project)) throw not_found(Dialect::identity, project_resource, project);
        const auto row = tx.one("SELECT secret FROM oauth_consumers WHERE id = ?", {consumer});
        if (!row) throw Error(Errc::not_found, "Consumer not found");
        return row->at(0).text();
    });
    const Micros now = shared.tokens.now();
    refuse_defect(header, now);
    if (header.get("oauth_callback").empty())
        throw Error(Errc::bad_request, "Validation failed with errors: invalid_request, detail message is: Missing callback URI..");
    if (!oauth_signature_holds(signed_request(call), header, shared.unseal(sealed), "")) refuse("Invalid signature");
    const std::string id = new_hex_id(), secret = new_hex_id();
    call.store().write([&](Tx& tx) {
        tx.exec("DELETE FROM oauth_request_tokens WHERE expires_at < ?", {now});
        tx.insert("oauth_request_tokens", {{"id", id},
                                           {"secret", shared.seal(secret)},
                                           {"requested_project_id", project},
                                           {"consumer_id", consumer},
                                           {"expires_at", now + request_token_life}});
    });
    return credentials(id, secret, now + request_token_life);
}

Row need_request_token(Tx& tx, const std::string& id, Micros now) {
    const auto row = tx.one(
        "SELECT t.secret, t.verifier, t.authorizing_user_id, t.requested_project_id, t.role_ids, t.consumer_id, t.expires_at, c.secret AS "
        "consumer_secret"
        " FROM oauth_request_tokens t JOIN oauth_consumers c ON c.id = t.consumer_id WHERE t.id = ?",
        {id});
    if (!row) throw Error(Errc::not_found, "Request token not found");
    if (row->integer("expires_at") < now) refuse("Request token is expired");
    return *row;
}

std::string new_verifier() {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    std::string out;
    while (out.size() < 8)
        for (const char c : random_bytes(16))
            if (const auto n = static_cast<unsigned char>(c); n < letters.size() * 4 && out.size() < 8) out += letters[n % letters.size()];
    return out;
}

Reply authorize(Call& call) {
    if (is_delegated(token_of(call)->payload)) throw Error(Errc::forbidden, "Cannot authorize a request token with a token issued via delegation.");
    const std::string& id = call.arg("request_token_id");
    const std::string verifier = new_verifier();
    call.store().write([&](Tx& tx) {
        const Row token = need_request_token(tx, id, app(call).tokens.now());
        const std::vector<std::string> roles = role_ids_of(tx, array_or_empty(call.body, "roles"));
        const auto project = find_project(tx, token.text("requested_project_id"));
        if (!project) throw not_found(Dialect::identity, project_resource, token.text("requested_project_id"));
        const std::set<std::string> held = role_ids_in_effect(tx, call.who.user_id, Target::project, &*project);
        for (const std::string& role : roles)
            if (!held.contains(role)) refuse("authorizing user does not have role required");
        tx.exec("UPDATE oauth_request_tokens SET verifier = ?, authorizing_user_id = ?, role_ids = ? WHERE id = ?",
                {verifier, call.who.user_id, texts_to_json(roles), id});
    });
    return json::object{{"token", {{"oauth_verifier", verifier}}}};
}

Reply create_access_token(Call& call) {
    const App& shared = app(call);
    const OAuthHeader header = need_header(call, {"oauth_consumer_key", "oauth_token", "oauth_verifier"});
    const std::string request_id(header.get("oauth_token"));
    const Micros now = shared.tokens.now();
    const Row token = call.store().read([&](Tx& tx) { return need_request_token(tx, request_id, now); });
    refuse_defect(header, now);
    if (token.text("consumer_id") != header.get("oauth_consumer_key")) refuse("Provided consumer key does not match stored consumer key.");
    if (token["verifier"].is_null() || !equals_constant_time(token.text("verifier"), header.get("oauth_verifier")))
        refuse("Provided verifier does not match stored verifier");
    if (!oauth_signature_holds(signed_request(call), header, shared.unseal(token.text("consumer_secret")), shared.unseal(token.text("secret"))))
        refuse("Invalid signature");
    if (token.text("authorizing_user_id").empty()) refuse("Request Token does not have an authorizing user id.");
    const std::string id = new_hex_id(), secret = new_hex_id();
    call.store().write([&](Tx& tx) {
        // Once: of two that come at the same time, one finds it gone.
        if (tx.exec("DELETE FROM oauth_request_tokens WHERE id = ?", {request_id}) == 0) throw Error(Errc::not_found, "Request token not found");
        tx.insert("oauth_access_tokens", {{"id", id},
                                          {"secret", shared.seal(secret)},
                                          {"authorizing_user_id", token.text("authorizing_user_id")},
                                          {"project_id", token.text("requested_project_id")},
                                          {"role_ids", token.text("role_ids")},
                                          {"consumer_id", token.text("consumer_id")},
                                          {"expires_at", now + access_token_life}});
    });
    return credentials(id, secret, now + access_token_life);
}

// /v3/users/{user_id}/OS-OAUTH1/access_tokens

void refuse_delegated(const Call& call) {
    if (is_delegated(token_of(call)->payload)) throw Error(Errc::forbidden, "Cannot manage OAuth access tokens with a token issued via delegation.");
}

json::object shown(const Call& call, const AccessTokenRecord& t) {
    const std::string self = "users/" + t.user_id + "/OS-OAUTH1/access_tokens/" + t.id;
    return {{"id", t.id},
            {"consumer_id", t.consumer_id},
            {"project_id", t.project_id},
            {"authorizing_user_id", t.user_id},
            {"expires_at", t.expires_at ? json::value(iso8601_micros(*t.expires_at)) : json::value(nullptr)},
            {"links", {{"self", link(call, self)}, {"roles", link(call, self + "/roles")}}}};
}

AccessTokenRecord need_access_token(Call& call, Tx& tx) {
    auto token = find_access_token(tx, call.arg("access_token_id"));
    if (!token || token->user_id != call.arg("user_id")) throw Error(Errc::not_found, "Access token not found");
    return std::move(*token);
}

Reply list_access_tokens(Call& call) {
    refuse_delegated(call);
    return call.store().read([&](Tx& tx) -> Reply {
        json::array out;
        for (const Row& row : tx.query("SELECT id, consumer_id, project_id, authorizing_user_id, expires_at FROM oauth_access_tokens WHERE "
                                       "authorizing_user_id = ? ORDER BY id",
                                       {call.arg("user_id")})) {
            AccessTokenRecord t;
            t.id = row.at(0).text();
            t.consumer_id = row.at(1).text();
            t.project_id = row.at(2).text();
            t.user_id = row.at(3).text();
            t.expires_at = row.at(4).optional_integer();
            out.push_back(shown(call, t));
        }
        return json::object{{"access_tokens", std::move(out)}, {"links", page_links(call)}};
    });
}

Reply show_access_token(Call& call) {
    refuse_delegated(call);
    return call.store().read([&](Tx& tx) -> Reply { return json::object{{"access_token", shown(call, need_access_token(call, tx))}}; });
}

Reply remove_access_token(Call& call) {
    refuse_delegated(call);
    Tokens& tokens = app(call).tokens;
    call.store().write([&](Tx& tx) {
        const AccessTokenRecord t = need_access_token(call, tx);
        tx.exec("DELETE FROM oauth_access_tokens WHERE id = ?", {t.id});
        tokens.record_revocation(tx, {{"OS-OAUTH1:access_token_id", t.id}});
        tokens.changed(tx);
    });
    return {};
}

json::array roles_of(Call& call, Tx& tx, const std::vector<std::string>& ids) {
    json::array roles = rendered_rows(call, tx, role_resource, ids);
    for (json::value& role : roles) role.as_object().erase("description");
    return roles;
}

Reply list_roles(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        return json::object{{"roles", roles_of(call, tx, need_access_token(call, tx).roles)}, {"links", page_links(call)}};
    });
}

Reply show_role(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const std::vector<std::string> roles = need_access_token(call, tx).roles;
        json::array found;
        if (std::find(roles.begin(), roles.end(), call.arg("role_id")) != roles.end()) found = roles_of(call, tx, {call.arg("role_id")});
        if (found.empty()) throw not_found(Dialect::identity, role_resource, call.arg("role_id"));
        return json::object{{"role", std::move(found.front())}};
    });
}

constexpr Field role_fields[] = {{.name = "id", .most = 64}, {.name = "name", .most = 255}};
constexpr Field authorize_fields[] = {{.name = "roles", .type = Type::array, .most = 100, .item = Type::object, .fields = role_fields}};
constexpr std::string_view all = "/v3/users/{user_id}/OS-OAUTH1/access_tokens";
constexpr std::string_view one = "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}";

constexpr Route routes[] = {
    {.method = "POST", .path = "/v3/OS-OAUTH1/request_token", .handler = &create_request_token, .status = 201, .access = Access::open},
    {.method = "POST", .path = "/v3/OS-OAUTH1/access_token", .handler = &create_access_token, .status = 201, .access = Access::open},
    {.method = "PUT",
     .path = "/v3/OS-OAUTH1/authorize/{request_token_id}",
     .policy = "identity:authorize_request_token",
     .check = admin,
     .handler = &authorize,
     .body = authorize_fields,
     .scopes = project_scope},
    {.method = "GET", .path = all, .policy = "identity:list_access_tokens", .check = admin, .handler = &list_access_tokens, .scopes = project_scope},
    {.method = "GET", .path = one, .policy = "identity:get_access_token", .check = admin, .handler = &show_access_token, .scopes = project_scope},
    {.method = "DELETE",
     .path = one,
     .policy = "identity:delete_access_token",
     .check = admin,
     .handler = &remove_access_token,
     .status = 204,
     .scopes = project_scope},
    {.method = "GET",
     .path = "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles",
     .policy = "identity:list_access_token_roles",
     .check = admin,
     .handler = &list_roles,
     .scopes = project_scope},
    {.method = "GET",
     .path = "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}",
     .policy = "identity:get_access_token_role",
     .check = admin,
     .handler = &show_role,
     .scopes = project_scope},
};
static_assert(sound(routes));

}  // namespace

const Resource consumer_resource = declared;
std::span<const Route> oauth_routes() { return routes; }

}  // namespace pilvi::identity
