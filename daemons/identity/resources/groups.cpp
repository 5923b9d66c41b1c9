// Groups and who is in them.
#include "base/text.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr Field fields[] = {
    {.name = "id", .use = show | filter},
    {.name = "name", .use = create | update | required | show | filter | sort, .least = 1, .most = 255, .pattern = not_blank},
    {.name = "domain_id", .use = create | update | show | filter, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "description", .use = create | update | show | nullable, .fallback = R"("")", .most = 65'536},
};

constexpr std::string_view group_reader =
    "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.group.domain_id)s)";
constexpr std::string_view member_reader =
    "rule:admin_required or (role:reader and system_scope:all) or "
    "(role:reader and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)";

constexpr Operation operations[] = {
    {Verb::list, "identity:list_groups", group_reader}, {Verb::show, "identity:get_group", group_reader},
    {Verb::create, "identity:create_group", admin},     {Verb::update, "identity:update_group", admin},
    {Verb::remove, "identity:delete_group", admin},
};

void prepare(Call& call) {
    App& shared = app(call);
    if (call.path.contains("id")) shared.directories->renew_groups_of(call.store(), shared.tokens, call.arg("id"));
    else if (call.request.method != "POST" && call.allowed("identity:list_groups"))
        shared.directories->renew_groups(call.store(), shared.tokens, listed_domain(call));
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    if (before) {
        refuse_change(row, before, "domain_id", "Domain ID");
    } else {
        set_domain(call, tx, row, Errc::not_found);
    }
    app(call).directories->refuse_write(tx, string_or(row, "domain_id"));
    const std::string domain_id = string_or(row, "domain_id"), name = string_or(row, "name");
    refuse_duplicate(tx, group_resource, row, "domain_id = ? AND name = ?", {domain_id, name}, "name " + name + " at domain ID " + domain_id);
}

void after_write(Call& call, Tx& tx, const json::object&, const json::object*) { app(call).tokens.changed(tx); }
void before_remove(Call& call, Tx& tx, const json::object& row) {
    app(call).directories->refuse_write(tx, string_or(row, "domain_id"));
    forget_assignments(tx, "actor_id", string_or(row, "id"));
}
void after_remove(Call& call, Tx& tx, const json::object&) { app(call).tokens.changed(tx); }

void view(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) add_link(call, "groups", row);
}

std::string visible(const Call& call, Values& parameters) {
    if (call.who.domain_id.empty() || call.path.contains("id")) return {};
    parameters.emplace_back(call.who.domain_id);
    return "t.domain_id = ?";
}

void target(Call&, Tx&, const json::object& row, json::object& target) { target["target"] = {{"group", row}}; }

constexpr Resource declared{
    .name = "group",
    .plural = "groups",
    .path = "/v3/groups",
    .table = "user_groups",
    .fields = fields,
    .operations = operations,
    .hooks = {.prepare = &prepare,
              .before_write = &before_write,
              .after_write = &after_write,
              .before_remove = &before_remove,
              .after_remove = &after_remove,
              .view = &view,
              .visible = &visible,
              .target = &target},
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .hides = bit(Verb::show) | bit(Verb::update),
};
static_assert(sound(declared));

// Membership.

void member_target(Call& call, Tx& tx, json::object& target) {
    json::object objects;
    if (const auto row = find_row(tx, group_resource, call.arg("group_id"))) objects["group"] = *row;
    if (call.path.contains("user_id"))
        if (const auto row = find_row(tx, user_resource, call.arg("user_id"))) objects["user"] = *row;
    target["target"] = std::move(objects);
}

Reply list_members(Call& call) {
    app(call).directories->renew_groups_of(call.store(), app(call).tokens, call.arg("group_id"));
    return call.store().read([&](Tx& tx) -> Reply {
        need_row(tx, group_resource, call.arg("group_id"));
        std::vector<std::string> ids;
        for (const Row& row : tx.query("SELECT user_id FROM group_members WHERE group_id = ?", {call.arg("group_id")}))
            ids.push_back(row.at(0).text());
        return list_of(call, tx, user_resource, ids);
    });
}

void need_both(Call& call, Tx& tx) {
    need_row(tx, group_resource, call.arg("group_id"));
    need_row(tx, user_resource, call.arg("user_id"));
}

[[noreturn]] void no_member(const Call& call) {
    throw Error(Errc::not_found, "User '" + call.arg("user_id") + "' not found in group '" + call.arg("group_id") + "'");
}

Reply check_member(Call& call) {
    app(call).directories->renew_groups_of(call.store(), app(call).tokens, call.arg("group_id"));
    call.store().read([&](Tx& tx) {
        need_both(call, tx);
        if (!tx.one("SELECT 1 FROM group_members WHERE group_id = ? AND user_id = ?", {call.arg("group_id"), call.arg("user_id")})) no_member(call);
    });
    return {};
}

void refuse_directory(Call& call, Tx& tx) {
    app(call).directories->refuse_write(tx, string_or(need_row(tx, group_resource, call.arg("group_id")), "domain_id"));
}

Reply add_member(Call& call) {
    call.store().write([&](Tx& tx) {
        need_both(call, tx);
        refuse_directory(call, tx);
        tx.exec("INSERT INTO group_members (group_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING", {call.arg("group_id"), call.arg("user_id")});
        app(call).tokens.changed(tx);
    });
    return {};
}

Reply remove_member(Call& call) {
    call.store().write([&](Tx& tx) {
        need_both(call, tx);
        refuse_directory(call, tx);
        if (tx.exec("DELETE FROM group_members WHERE group_id = ? AND user_id = ?", {call.arg("group_id"), call.arg("user_id")}) == 0)
            no_member(call);
        app(call).tokens.changed(tx);
    });
    return {};
}

constexpr std::string_view member = "/v3/groups/{group_id}/users/{user_id}";
constexpr Route routes[] = {
    {.method = "GET",
     .path = "/v3/groups/{group_id}/users",
     .policy = "identity:list_users_in_group",
     .check = group_reader,
     .handler = &list_members,
     .target = &member_target},
    {.method = "GET",
     .path = member,
     .policy = "identity:check_user_in_group",
     .check = member_reader,
     .handler = &check_member,
     .status = 204,
     .target = &member_target},
    {.method = "PUT",
     .path = member,
     .policy = "identity:add_user_to_group",
     .check = admin,
     .handler = &add_member,
     .status = 204,
     .target = &member_target},
    {.method = "DELETE",
     .path = member,
     .policy = "identity:remove_user_from_group",
     .check = admin,
     .handler = &remove_member,
     .status = 204,
     .target = &member_target},
};
static_assert(sound(routes));

}  // namespace

const Resource group_resource = declared;
std::span<const Route> group_routes() { return routes; }

}  // namespace pilvi::identity
