// Users, their passwords, and what they belong to.
#include <set>

#include "auth/delegation.h"
#include "base/text.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

// Lists of methods, each list enough by itself; not empty, no method twice.
json::value check_rules(const json::value& given) {
    const auto refuse = [] { throw Error(Errc::bad_request, "Invalid input for field 'multi_factor_auth_rules': lists of distinct method names."); };
    if (!given.is_array()) return given;  // null takes them away; the type check refuses the rest
    std::set<std::set<std::string>> rules;
    for (const json::value& rule : given.get_array()) {
        if (!rule.is_array() || rule.get_array().empty()) refuse();
        std::set<std::string> methods;
        for (const json::value& method : rule.get_array())
            if (!method.is_string() || method.get_string().empty() || !methods.insert(str(method.get_string())).second) refuse();
        if (!rules.insert(std::move(methods)).second) refuse();
    }
    return given;
}

constexpr Field options[] = {
    {.name = "lock_password", .type = Type::boolean, .use = nullable},
    {.name = "ignore_password_expiry", .type = Type::boolean, .use = nullable},
    {.name = "ignore_change_password_upon_first_use", .type = Type::boolean, .use = nullable},
    {.name = "ignore_lockout_failure_attempts", .type = Type::boolean, .use = nullable},
    {.name = "ignore_user_inactivity", .type = Type::boolean, .use = nullable},
    {.name = "multi_factor_auth_enabled", .type = Type::boolean, .use = nullable},
    {.name = "multi_factor_auth_rules", .type = Type::array, .use = nullable, .most = 100, .convert = &check_rules},
};

constexpr Field federated_protocols[] = {{.name = "protocol_id", .use = required, .most = 64}, {.name = "unique_id", .use = required}};
constexpr Field federated_fields[] = {
    {.name = "idp_id", .use = required, .most = 64},
    {.name = "protocols", .type = Type::array, .use = required, .least = 1, .most = 100, .item = Type::object, .fields = federated_protocols},
};

constexpr Field fields[] = {
    {.name = "id", .use = show | filter},
    {.name = "name", .use = create | update | required | show | filter | sort, .least = 1, .most = 255, .pattern = not_blank},
    {.name = "domain_id", .use = create | update | show | filter, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "enabled", .type = Type::boolean, .use = create | update | show | filter, .fallback = "true"},
    {.name = "description", .use = create | update | show | nullable, .most = 65'536},
    {.name = "default_project_id", .use = create | update | show | nullable | filter, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "password", .use = create | update | nullable | secret | computed, .most = 65'536},
    {.name = "password_hash"},
    {.name = "password_expires_at", .type = Type::integer, .use = show},
    {.name = "valid_from", .type = Type::integer},
    {.name = "created_at", .type = Type::integer},
    {.name = "last_active_on", .type = Type::integer},
    {.name = "failed_auth_count", .type = Type::integer, .fallback = "0"},
    {.name = "failed_auth_at", .type = Type::integer},
    {.name = "password_created_at", .type = Type::integer},
    {.name = "password_self_service", .type = Type::boolean, .fallback = "false"},
    {.name = "options", .type = Type::object, .use = create | update | show, .fallback = "{}", .fields = options},
    {.name = "federated",
     .type = Type::array,
     .use = create | update | show | computed,
     .most = 100,
     .item = Type::object,
     .fields = federated_fields},
};

constexpr std::string_view get_check =
    "rule:admin_required or (role:reader and system_scope:all) or (role:reader and token.domain.id:%(target.user.domain_id)s) or "
    "user_id:%(target.user.id)s";

constexpr Operation operations[] = {
    {Verb::list, "identity:list_users", admin_or_reader}, {Verb::show, "identity:get_user", get_check},
    {Verb::create, "identity:create_user", admin},        {Verb::update, "identity:update_user", admin},
    {Verb::remove, "identity:delete_user", admin},
};

constexpr std::string_view password_hash = "password_hash";

void check_password(std::string_view password) {
    if (password.size() > longest_password)
        throw Error(Errc::forbidden, "The password length must be less than or equal to " + std::to_string(longest_password) + " bytes.");
}

// Hashing takes its time: not inside the transaction, and only for who may set a password.
void prepare(Call& call) {
    App& shared = app(call);
    if (call.path.contains("id")) shared.directories->renew_user(call.store(), shared.tokens, call.arg("id"));
    else if (call.request.method != "POST" && call.allowed("identity:list_users"))
        shared.directories->renew_users(call.store(), shared.tokens, listed_domain(call));
    const json::value* password = pilvi::find(call.body, "password");
    if (!password) return;
    const std::string_view rule = call.path.contains("id") ? "identity:update_user" : "identity:create_user";
    if (!call.allowed(rule, {{"target", {{"user", call.body}}}})) return;
    if (password->is_null()) {
        call.body[password_hash] = nullptr;
    } else {
        const std::string text = str(password->as_string());
        check_password(text);
        check_strength(app(call).options.compliance, text);
        call.body[password_hash] = app(call).hasher.hash(Secret(text));
    }
    call.body.erase("password");
}

// An administrator set the password: its age and end are counted anew.
void set_password_age(Call& call, json::object& row) {
    const Micros now = app(call).tokens.now();
    const auto end = expiry(app(call).options.compliance, account_of(row), true, now);
    row["password_created_at"] = now;
    row["password_self_service"] = false;
    row["password_expires_at"] = end ? json::value(*end) : json::value(nullptr);
}

// Writing an enabled account lifts its lock, and counts as activity.
void refresh_account(Call& call, json::object& row, const json::object* before) {
    const Micros now = app(call).tokens.now();
    if (!before) row["created_at"] = now;
    if (!boolean_or(row, "enabled")) return;
    row["failed_auth_count"] = 0;
    row["failed_auth_at"] = nullptr;
    if (app(call).options.compliance.inactive_days > 0) row["last_active_on"] = now;
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    row.erase("password");
    merge_options(row, before);
    if (before) {
        refuse_change(row, before, "domain_id", "Domain ID");
        const bool disabled = boolean_or(*before, "enabled") && !boolean_or(row, "enabled");
        if (disabled || row.at(password_hash) != before->at(password_hash)) row["valid_from"] = app(call).tokens.now() / 1'000'000 + 1;
    } else {
        row["valid_from"] = 0;
        set_domain(call, tx, row, Errc::not_found);
    }
    app(call).directories->refuse_write(tx, string_or(row, "domain_id"));
    refresh_account(call, row, before);
    if (!string_or(row, password_hash).empty() && (!before || row.at(password_hash) != before->at(password_hash))) set_password_age(call, row);
    const std::string domain_id = string_or(row, "domain_id"), name = std::string(trim(string_or(row, "name")));
    row["name"] = name;
    refuse_duplicate(tx, user_resource, row, "domain_id = ? AND name = ? AND kind <> 'federated'", {domain_id, name},
                     "name " + name + " at domain ID " + domain_id);
    if (const std::string id = string_or(row, "default_project_id"); !id.empty())
        if (const auto project = find_project(tx, id); project && project->is_domain)
            throw Error(Errc::bad_request, "User's default project ID cannot be a domain ID: " + id);
}

void write_federated(Tx& tx, const json::object& row);

void after_write(Call& call, Tx& tx, const json::object& row, const json::object* before) {
    write_federated(tx, row);
    if (before && row.at("valid_from") != before->at("valid_from")) app(call).tokens.record_revocation(tx, {{"user_id", row.at("id")}});
    if (const std::string hash = string_or(row, password_hash); !before || hash != string_or(*before, password_hash))
        remember_password(tx, app(call).options.compliance, string_or(row, "id"), hash, app(call).tokens.now());
    // As in the original: enabling a user again does not bring its application credentials back.
    if (!boolean_or(row, "enabled")) tx.exec("DELETE FROM application_credentials WHERE user_id = ?", {string_or(row, "id")});
    app(call).tokens.changed(tx);
}

void before_remove(Call& call, Tx& tx, const json::object& row) {
    app(call).directories->refuse_write(tx, string_or(row, "domain_id"));
    forget_assignments(tx, "actor_id", string_or(row, "id"));
}

void after_remove(Call& call, Tx& tx, const json::object& row) {
    forget_users(tx, "?", {string_or(row, "id")});
    app(call).tokens.record_revocation(tx, {{"user_id", row.at("id")}});
    app(call).tokens.changed(tx);
}

// Who of identity providers the users are, of those that are any.
void view_federated(Tx& tx, std::span<json::object> rows) {
    Values ids;
    for (const json::object& row : rows) ids.emplace_back(string_or(row, "id"));
    const bool all = ids.size() > 500;  // databases bound the number of parameters
    std::map<std::string, std::map<std::string, json::array>, std::less<>> by_user;
    for (const Row& row : tx.query("SELECT user_id, idp_id, protocol_id, unique_id FROM federated_users" +
                                       (all ? std::string() : " WHERE user_id IN (" + marks(ids.size()) + ")") + " ORDER BY idp_id, protocol_id",
                                   all ? Values() : ids))
        by_user[row.at(0).text()][row.at(1).text()].push_back(json::object{{"protocol_id", row.at(2).text()}, {"unique_id", row.at(3).text()}});
    for (json::object& row : rows) {
        row.erase("federated");
        const auto user = by_user.find(string_or(row, "id"));
        if (user == by_user.end()) continue;
        json::array shown;
        for (auto& [idp, protocols] : user->second) shown.push_back(json::object{{"idp_id", idp}, {"protocols", std::move(protocols)}});
        row["federated"] = std::move(shown);
    }
}

// "federated" replaces all that the user was.
void write_federated(Tx& tx, const json::object& row) {
    const json::value* given = pilvi::find(row, "federated");
    if (!given) return;
    const std::string user = string_or(row, "id");
    tx.exec("DELETE FROM federated_users WHERE user_id = ?", {user});
    for (const json::value& entry : given->as_array()) {
        const std::string idp = string_or(entry.as_object(), "idp_id");
        if (!find_row(tx, identity_provider_resource, idp)) throw Error(Errc::bad_request, "Could not find Identity Provider: " + idp);
        for (const json::value& protocol : entry.as_object().at("protocols").as_array()) {
            const std::string id = string_or(protocol.as_object(), "protocol_id"), unique = string_or(protocol.as_object(), "unique_id");
            if (!tx.one("SELECT 1 FROM federation_protocols WHERE idp_id = ? AND id = ?", {idp, id}))
                throw Error(Errc::bad_request, "Could not find federated protocol " + id + " for Identity Provider: " + idp + ".");
            if (tx.exec("INSERT INTO federated_users (idp_id, protocol_id, unique_id, user_id, display_name) VALUES (?, ?, ?, ?, ?)"
                        " ON CONFLICT DO NOTHING",
                        {idp, id, unique, user, string_or(row, "name")}) == 0)
                throw Error(Errc::conflict,
                            "Conflict occurred attempting to store federated_user - Duplicate entry found with unique ID " + unique + ".");
        }
    }
}

void view(Call& call, Tx& tx, std::span<json::object> rows) {
    view_federated(tx, rows);
    const Compliance& rules = app(call).options.compliance;
    for (json::object& row : rows) {
        if (inactive(rules, account_of(row), app(call).tokens.now())) row["enabled"] = false;
        if (const json::value& end = row.at("password_expires_at"); end.is_int64()) row["password_expires_at"] = iso8601_micros(end.as_int64());
        hide_null(row, {"default_project_id", "description"});
        add_link(call, "users", row);
    }
}

// Users that a directory server has no more are not there.
std::string visible(const Call& call, Values& parameters) {
    const std::string present = "t.kind <> 'gone'";
    if (call.who.domain_id.empty() || call.path.contains("id")) return present;
    parameters.emplace_back(call.who.domain_id);
    return present + " AND t.domain_id = ?";
}

// ?password_expires_at=lt:2026-01-31T12:00:00Z
std::string expiry_filter(const std::string& text, Values& parameters) {
    static constexpr std::pair<std::string_view, std::string_view> operators[] = {{"lt", "<"},   {"lte", "<="}, {"gt", ">"},
                                                                                  {"gte", ">="}, {"eq", "="},   {"neq", "<>"}};
    const std::size_t colon = text.find(':');
    for (const auto& [name, sign] : operators)
        if (colon != text.npos && std::string_view(text).substr(0, colon) == name) {
            const auto at = parse_iso8601(std::string_view(text).substr(colon + 1));
            if (!at) break;
            parameters.emplace_back(*at);
            return "t.password_expires_at " + std::string(sign) + " ?";
        }
    throw Error(Errc::bad_request,
                "Invalid input for field 'password_expires_at': OPERATOR:TIME is expected, with lt, lte, gt, gte, eq or neq and a time"
                " such as 2026-01-31T12:00:00Z");
}

std::string filters(const Call&, std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    if (name == "password_expires_at") return expiry_filter(values.back(), parameters);
    for (const std::string_view column : {"idp_id", "protocol_id", "unique_id"})
        if (name == column) {
            parameters.emplace_back(values.back());
            return "t.id IN (SELECT user_id FROM federated_users WHERE " + std::string(column) + " = ?)";
        }
    return enabled_filter(name, values);
}

void target(Call&, Tx&, const json::object& row, json::object& target) { target["target"] = {{"user", row}}; }

constexpr Resource declared{
    .name = "user",
    .plural = "users",
    .path = "/v3/users",
    .table = "users",
    .fields = fields,
    .operations = operations,
    .hooks = {.prepare = &prepare,
              .before_write = &before_write,
              .after_write = &after_write,
              .before_remove = &before_remove,
              .after_remove = &after_remove,
              .view = &view,
              .visible = &visible,
              .filter = &filters,
              .target = &target},
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .hides = item_verbs,
};
static_assert(sound(declared));

// Routes below /v3/users/{user_id}.

void user_target(Call& call, Tx& tx, json::object& target) {
    if (const auto row = find_row(tx, user_resource, call.arg("user_id"))) target["target"] = {{"user", *row}};
}

constexpr Field change_fields[] = {{.name = "original_password", .use = required | secret, .most = 65'536},
                                   {.name = "password", .use = required | secret, .most = 65'536}};

// Open: who knows the old password may change it, with or without a token (it may have expired). Says nothing of who exists.
Reply change_password(Call& call) {
    App& shared = app(call);
    const std::string& id = call.arg("user_id");
    for (const auto& member : call.body)
        if (member.key() != "original_password" && member.key() != "password")
            throw Error(Errc::bad_request,
                        "Additional properties are not allowed ('" + std::string(member.key()).substr(0, 100) + "' was unexpected)");
    const Secret original(string_or(call.body, "original_password")), fresh(string_or(call.body, "password"));
    const auto user = call.store().read([&](Tx& tx) {
        auto found = find_user(tx, id);
        if (found) shared.directories->refuse_write(tx, found->domain_id);
        return found;
    });
    const Compliance& rules = shared.options.compliance;
    const Micros now = shared.tokens.now();
    if (!password_login(call.store(), shared.hasher, rules, user, original, now, true))
        throw Error(Errc::unauthenticated, "The request you have made requires authentication.");
    check_password(fresh.reveal());
    check_choice(call.store(), shared.hasher, rules, id, fresh, now);
    const std::string hash = shared.hasher.hash(fresh);
    call.store().write([&](Tx& tx) {
        const auto end = expiry(rules, load_account(tx, id), false, now);
        // Of two changes at the same time, both knowing the old password, one wins.
        if (tx.exec("UPDATE users SET password_hash = ?, password_expires_at = ?, password_created_at = ?, password_self_service = 1, valid_from = ?"
                    " WHERE id = ? AND password_hash = ?",
                    {hash, end ? Value(*end) : Value(), now, now / 1'000'000 + 1, id, user->password_hash}) == 0)
            throw Error(Errc::unauthenticated, "The request you have made requires authentication.");
        remember_password(tx, rules, id, hash, now);
        shared.tokens.record_revocation(tx, {{"user_id", id}});
        shared.tokens.changed(tx);
    });
    return {};
}

Reply list_groups(Call& call) {
    app(call).directories->renew_user(call.store(), app(call).tokens, call.arg("user_id"));
    return call.store().read([&](Tx& tx) -> Reply {
        need_row(tx, user_resource, call.arg("user_id"));
        json::object answer = list_of(call, tx, group_resource, groups_of(tx, call.arg("user_id")));
        for (json::value& group : answer["groups"].as_array()) group.as_object()["membership_expires_at"] = nullptr;  // they do not end
        return answer;
    });
}

Reply list_projects(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        need_row(tx, user_resource, call.arg("user_id"));
        return list_of(call, tx, project_resource, scopes_of(tx, call.arg("user_id"), Target::project));
    });
}

constexpr Route routes[] = {
    {.method = "POST",
     .path = "/v3/users/{user_id}/password",
     .handler = &change_password,
     .status = 204,
     .wrapper = "user",
     .body = change_fields,
     .access = Access::open},
    {.method = "GET",
     .path = "/v3/users/{user_id}/groups",
     .policy = "identity:list_groups_for_user",
     .check = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.user.domain_id)s) or "
              "user_id:%(user_id)s",
     .handler = &list_groups,
     .target = &user_target},
    {.method = "GET",
     .path = "/v3/users/{user_id}/projects",
     .policy = "identity:list_user_projects",
     .check = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.user.domain_id)s) or "
              "user_id:%(target.user.id)s",
     .handler = &list_projects,
     .target = &user_target},
};
static_assert(sound(routes));

}  // namespace

const Resource user_resource = declared;
std::span<const Route> user_routes() { return routes; }

}  // namespace pilvi::identity
