// /v3/OS-TRUST: a user (the trustor) lets another (the trustee) act with some of the trustor's roles on a project.
#include <algorithm>
#include <map>
#include <set>

#include "auth/delegation.h"
#include "base/ids.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr Field role_fields[] = {{.name = "id", .most = 64}, {.name = "name", .most = 255}};
constexpr Field fields[] = {
    {.name = "trustor_user_id", .use = required, .least = 1, .most = 255},
    {.name = "trustee_user_id", .use = required, .least = 1, .most = 255},
    {.name = "impersonation", .type = Type::boolean, .use = required},
    {.name = "project_id", .use = nullable, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "remaining_uses", .type = Type::integer, .use = nullable, .least = 1},
    {.name = "expires_at", .use = nullable},
    {.name = "allow_redelegation", .type = Type::boolean, .use = nullable},
    {.name = "redelegation_count", .type = Type::integer, .use = nullable, .least = 0},
    {.name = "roles", .type = Type::array, .most = 100, .item = Type::object, .fields = role_fields},
};

[[noreturn]] void forbid(const std::string& action) {
    throw Error(Errc::forbidden, "You are not authorized to perform the requested action: " + action + ".");
}

// A trust-scoped token may redelegate; what was delegated in another way manages no trusts.
std::shared_ptr<const Token> need_token(const Call& call) {
    auto token = token_of(call);
    if (has_delegated_method(token->payload)) forbid("Delegated tokens cannot manage trusts.");
    return token;
}

Error missing(const std::string& id) { return {Errc::not_found, "Could not find trust: " + id + "."}; }

// A trust that can be used; each of the trusts that it comes from must be able to serve, too.
TrustRecord need_trust(Tx& tx, const std::string& id, Micros now) {
    const auto trust = find_trust(tx, id);
    if (!trust || trust->ended(now) || trust->used_up()) throw missing(id);
    const std::vector<TrustRecord> chain = pedigree_of(tx, *trust);
    bool whole = !chain.empty();
    for (std::size_t i = 1; i < chain.size() && whole; ++i) {
        const auto agent = find_user(tx, chain[i].trustee_user_id);
        whole = agent && agent->enabled;
    }
    if (!whole) throw Error(Errc::forbidden, "One of the trust agents is disabled or deleted");
    return *trust;
}

json::value or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

json::object view(const Call& call, const TrustRecord& t, std::string_view extra) {
    const json::value more = parse_json(extra);
    json::object out = more.as_object();
    out["id"] = t.id;
    out["trustor_user_id"] = t.trustor_user_id;
    out["trustee_user_id"] = t.trustee_user_id;
    out["project_id"] = or_null(t.project_id);
    out["impersonation"] = t.impersonation;
    out["expires_at"] = t.expires_at ? json::value(iso8601_micros(*t.expires_at)) : json::value(nullptr);
    out["remaining_uses"] = t.remaining_uses ? json::value(*t.remaining_uses) : json::value(nullptr);
    out["deleted_at"] = nullptr;
    out["redelegated_trust_id"] = or_null(t.redelegated_trust_id);
    out["redelegation_count"] = t.redelegation_count;
    out["links"] = {{"self", link(call, "OS-TRUST/trusts/" + t.id)}};
    return out;
}

json::object links_of_roles(const Call& call, const TrustRecord& t) {
    return {{"self", link(call, "OS-TRUST/trusts/" + t.id + "/roles")}, {"next", nullptr}, {"previous", nullptr}};
}

json::object whole_view(Call& call, Tx& tx, const TrustRecord& t) {
    json::object out = view(call, t, tx.scalar("SELECT extra FROM trusts WHERE id = ?", {t.id}).text());
    out["roles"] = rendered_rows(call, tx, role_resource, t.roles);
    out["roles_links"] = links_of_roles(call, t);
    return {{"trust", std::move(out)}};
}

// The ids of the roles asked for; each one that the trustor has on the project.
std::vector<std::string> delegated_roles(Call& call, Tx& tx, const std::string& project_id) {
    const std::vector<std::string> asked = role_ids_of(tx, array_or_empty(call.body, "roles"));
    std::set<std::string> held;
    if (!project_id.empty()) {
        const auto project = find_project(tx, project_id);
        if (!project) throw not_found(Dialect::identity, project_resource, project_id);
        held = role_ids_in_effect(tx, call.who.user_id, Target::project, &*project);
    }
    for (const std::string& role : asked)
        if (!held.contains(role)) throw not_found(Dialect::identity, role_resource, role);
    return asked;
}

// How often it may be handed on: what is asked for, within what the first trust allows.
void set_redelegation(const Call& call, TrustRecord& t) {
    const json::value* count = pilvi::find(call.body, "redelegation_count");
    const std::int64_t requested = count && count->is_int64() ? count->as_int64() : -1;
    if (!boolean_or(call.body, "allow_redelegation") || requested == 0) {
        t.redelegation_count = 0;
        return;
    }
    if (requested > max_redelegation_count)
        throw Error(Errc::forbidden, "Requested redelegation depth of " + std::to_string(requested) + " is greater than allowed " +
                                         std::to_string(max_redelegation_count));
    if (t.remaining_uses) throw Error(Errc::bad_request, "remaining_uses must not be set if redelegation is allowed");
    t.redelegation_count = requested > 0 ? static_cast<int>(requested) : max_redelegation_count;
}

// A trust narrows those that it comes from.
void check_against(const TrustRecord& from, TrustRecord& t) {
    if (from.redelegation_count <= 0 || from.redelegation_count > max_redelegation_count)
        throw Error(Errc::forbidden, "Remaining redelegation depth of " + std::to_string(from.redelegation_count) + " out of allowed range of [0.." +
                                         std::to_string(max_redelegation_count) + "]");
    if (t.remaining_uses)
        throw Error(Errc::forbidden, "Field \"remaining_uses\" is set to " + std::to_string(*t.remaining_uses) +
                                         " while it must not be set in order to redelegate a trust");
    if (from.expires_at && t.expires_at && *t.expires_at > *from.expires_at)
        throw Error(Errc::forbidden, "Requested expiration time is more than redelegated trust can provide");
    if (!t.expires_at) t.expires_at = from.expires_at;
    for (const std::string& role : t.roles)
        if (std::find(from.roles.begin(), from.roles.end(), role) == from.roles.end())
            throw Error(Errc::forbidden, "Some of requested roles are not in redelegated trust");
    if (t.impersonation && !from.impersonation)
        throw Error(Errc::forbidden,
                    "Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated trust id: " + from.id);
    if (t.project_id != from.project_id) throw Error(Errc::forbidden, "Some of requested roles are not in redelegated trust");
}

void redelegate(const Call& call, Tx& tx, const std::string& from_id, TrustRecord& t) {
    const TrustRecord from = need_trust(tx, from_id, app(call).tokens.now());
    const json::value* count = pilvi::find(call.body, "redelegation_count");
    if (t.redelegation_count > 0 && count && count->is_int64() && count->as_int64() != from.redelegation_count - 1)
        throw Error(Errc::forbidden, "Modifying \"redelegation_count\" upon redelegation is forbidden. Omitting this parameter is advised.");
    t.redelegated_trust_id = from.id;
    if (t.redelegation_count > 0) t.redelegation_count = from.redelegation_count - 1;
    for (const TrustRecord& link : pedigree_of(tx, from)) check_against(link, t);
}

std::string unknown_members(const json::object& body) {
    json::object extra;
    for (const auto& member : body) {
        bool known = false;
        for (const Field& field : fields) known = known || field.name == std::string_view(member.key());
        if (!known && member.key() != "id") extra[member.key()] = member.value();
    }
    return to_text(extra);
}

Reply create_one(Call& call) {
    const auto token = need_token(call);
    const json::object& body = call.body;
    TrustRecord t{.id = new_hex_id(),
                  .trustor_user_id = string_or(body, "trustor_user_id"),
                  .trustee_user_id = string_or(body, "trustee_user_id"),
                  .project_id = string_or(body, "project_id"),
                  .redelegated_trust_id = {},
                  .impersonation = boolean_or(body, "impersonation"),
                  .expires_at = expiry(call),
                  .remaining_uses = {},
                  .redelegation_count = 0,
                  .roles = {}};
    if (const json::value* uses = pilvi::find(body, "remaining_uses"); uses && uses->is_int64()) t.remaining_uses = uses->as_int64();
    if (!t.project_id.empty() && array_or_empty(body, "roles").empty()) forbid("At least one role should be specified");
    if (call.who.user_id != t.trustor_user_id) forbid("The authenticated user should match the trustor");
    return call.store().write([&](Tx& tx) -> Reply {
        if (!find_user(tx, t.trustee_user_id)) throw not_found(Dialect::identity, user_resource, t.trustee_user_id);
        t.roles = delegated_roles(call, tx, t.project_id);
        set_redelegation(call, t);
        if (!token->payload.trust_id.empty()) redelegate(call, tx, token->payload.trust_id, t);
        tx.insert("trusts", {{"id", t.id},
                             {"trustor_user_id", t.trustor_user_id},
                             {"trustee_user_id", t.trustee_user_id},
                             {"project_id", t.project_id.empty() ? Value() : Value(t.project_id)},
                             {"impersonation", t.impersonation},
                             {"expires_at", t.expires_at},
                             {"remaining_uses", t.remaining_uses},
                             {"redelegated_trust_id", t.redelegated_trust_id.empty() ? Value() : Value(t.redelegated_trust_id)},
                             {"redelegation_count", t.redelegation_count},
                             {"roles", texts_to_json(t.roles)},
                             {"extra", unknown_members(body)}});
        return whole_view(call, tx, t);
    });
}

Reply list_all(Call& call) {
    const std::string trustor = call.query.get("trustor_user_id").value_or(""), trustee = call.query.get("trustee_user_id").value_or("");
    std::string condition;
    Values values;
    if (!trustor.empty()) {
        call.enforce("identity:list_trusts_for_trustor", {{"target", {{"trust", {{"trustor_user_id", trustor}}}}}});
        condition = " WHERE trustor_user_id = ?";
        values = {trustor};
    } else if (!trustee.empty()) {
        call.enforce("identity:list_trusts_for_trustee", {{"target", {{"trust", {{"trustee_user_id", trustee}}}}}});
        condition = " WHERE trustee_user_id = ?";
        values = {trustee};
    } else {
        call.enforce("identity:list_trusts");
        if (!call.request.query.empty()) condition = " WHERE 1 = 0";
    }
    need_token(call);
    return call.store().read([&](Tx& tx) -> Reply {
        json::array out;
        std::map<std::string, std::string> extras;
        for (const Row& row : tx.query("SELECT id, extra FROM trusts" + condition, values)) extras[row.at(0).text()] = row.at(1).text();
        for (const Row& row : tx.query(std::string(trust_columns) + condition + " ORDER BY id", values)) {
            const TrustRecord t = trust_of(row);
            out.push_back(view(call, t, extras[t.id]));
        }
        return json::object{{"trusts", std::move(out)}, {"links", page_links(call)}};
    });
}

Reply show_one(Call& call) {
    need_token(call);
    return call.store().read([&](Tx& tx) -> Reply { return whole_view(call, tx, need_trust(tx, call.arg("trust_id"), app(call).tokens.now())); });
}

Reply remove_one(Call& call) {
    need_token(call);
    Tokens& tokens = app(call).tokens;
    call.store().write([&](Tx& tx) {
        for (const std::string& id : remove_trusts(tx, "id = ?", {call.arg("trust_id")})) tokens.record_revocation(tx, {{"OS-TRUST:trust_id", id}});
        tokens.changed(tx);
    });
    return {};
}

Reply list_roles(Call& call) {
    need_token(call);
    return call.store().read([&](Tx& tx) -> Reply {
        const TrustRecord t = need_trust(tx, call.arg("trust_id"), app(call).tokens.now());
        return json::object{{"roles", rendered_rows(call, tx, role_resource, t.roles)}, {"links", links_of_roles(call, t)}};
    });
}

Reply show_role(Call& call) {
    need_token(call);
    return call.store().read([&](Tx& tx) -> Reply {
        const TrustRecord t = need_trust(tx, call.arg("trust_id"), app(call).tokens.now());
        const std::string& role = call.arg("role_id");
        json::array found = rendered_rows(call, tx, role_resource, {role});
        if (std::find(t.roles.begin(), t.roles.end(), role) == t.roles.end() || found.empty())
            throw not_found(Dialect::identity, role_resource, role);
        return json::object{{"role", std::move(found.front())}};
    });
}

// A trust that is not there is a 404 before it is asked who may see it.
void target(Call& call, Tx& tx, json::object& target) {
    const TrustRecord t = need_trust(tx, call.arg("trust_id"), app(call).tokens.now());
    target["target"] = {{"trust", {{"trustor_user_id", t.trustor_user_id}, {"trustee_user_id", t.trustee_user_id}}}};
}

void body_target(Call& call, Tx&, json::object& target) { target["target"] = {{"trust", call.body}}; }

constexpr std::string_view all = "/v3/OS-TRUST/trusts";
constexpr std::string_view one = "/v3/OS-TRUST/trusts/{trust_id}";
constexpr std::string_view trustor_check = "user_id:%(target.trust.trustor_user_id)s";
constexpr std::string_view admin_or_trustor = "rule:admin_required or user_id:%(target.trust.trustor_user_id)s";
constexpr std::string_view parties =
    "rule:admin_required or (role:reader and system_scope:all) or user_id:%(target.trust.trustor_user_id)s or "
    "user_id:%(target.trust.trustee_user_id)s";

// The lists are enforced by their handler, with what is listed.
constexpr Route routes[] = {
    {.method = "POST",
     .path = all,
     .policy = "identity:create_trust",
     .check = trustor_check,
     .handler = &create_one,
     .status = 201,
     .wrapper = "trust",
     .body = fields,
     .extra = true,
     .target = &body_target,
     .scopes = project_scope},
    {.method = "GET", .path = all, .policy = "identity:use_trust_api", .check = anyone, .handler = &list_all, .scopes = system_or_project},
    {.method = "GET",
     .path = one,
     .policy = "identity:get_trust",
     .check = parties,
     .handler = &show_one,
     .target = &target,
     .scopes = system_or_project},
    {.method = "DELETE",
     .path = one,
     .policy = "identity:delete_trust",
     .check = admin_or_trustor,
     .handler = &remove_one,
     .status = 204,
     .target = &target,
     .scopes = system_or_project},
    {.method = "GET",
     .path = "/v3/OS-TRUST/trusts/{trust_id}/roles",
     .policy = "identity:list_roles_for_trust",
     .check = parties,
     .handler = &list_roles,
     .target = &target,
     .scopes = system_or_project},
    {.method = "GET",
     .path = "/v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}",
     .policy = "identity:get_role_for_trust",
     .check = parties,
     .handler = &show_role,
     .target = &target,
     .scopes = system_or_project},
};
static_assert(sound(routes));

constexpr PolicyRule rules[] = {
    {"identity:list_trusts", admin_or_system_reader},
    {"identity:list_trusts_for_trustor", "rule:admin_required or (role:reader and system_scope:all) or user_id:%(target.trust.trustor_user_id)s"},
    {"identity:list_trusts_for_trustee", "rule:admin_required or (role:reader and system_scope:all) or user_id:%(target.trust.trustee_user_id)s"},
};

}  // namespace

std::span<const Route> trust_routes() { return routes; }
std::span<const PolicyRule> trust_rules() { return rules; }

}  // namespace pilvi::identity
