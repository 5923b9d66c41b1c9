// os-server-groups.
#include "base/ids.h"
#include "base/text.h"
#include "domain/names.h"
#include "resources/common.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

json::object view(Call& call, Tx& tx, const Row& row) {
    json::array members;
    for (const Row& m : tx.query("SELECT id FROM instances WHERE group_id = ? AND deleted = 0 ORDER BY number", {row.text("id")}))
        members.push_back(json::string(m.text("id")));
    json::object out{{"id", row.text("id")}, {"name", row.text("name")}, {"members", members}};
    if (call.at_least(2, 64)) {
        out["policy"] = row.text("policy");
        out["rules"] = parse_json(row.text("rules"));
    } else {
        out["policies"] = json::array{json::string(row.text("policy"))};
        out["metadata"] = json::object{};
    }
    if (call.at_least(2, 13)) {
        out["project_id"] = row.text("project_id");
        out["user_id"] = row.text("user_id");
    }
    return out;
}

Row load(Call& call, Tx& tx) {
    const std::string& id = call.arg("id");
    auto row = tx.one("SELECT * FROM server_groups WHERE id = ?", {id});
    if (!row || (!call.who.is_admin && row->text("project_id") != call.who.project_id))
        throw Error(Errc::not_found, "Instance group " + id + " could not be found.");
    return std::move(*row);
}

Reply list(Call& call) {
    const auto limit = call.query.get("limit"), offset = call.query.get("offset");
    const std::int64_t most = page_of(call).limit;
    const auto skip = offset ? parse_integer(*offset) : std::optional<std::int64_t>(0);
    if (!skip || *skip < 0) throw bad_request("offset must be a non-negative integer");
    const bool everybody = call.query.has("all_projects") && call.allowed("os_compute_api:os-server-groups:index:all_projects");
    return call.store().read([&](Tx& tx) {
        json::array items;
        const std::string where = everybody ? "" : " WHERE project_id = ?";
        const Values values = everybody ? Values{} : Values{call.who.project_id};
        for (const Row& row :
             tx.query("SELECT * FROM server_groups" + where + " ORDER BY number LIMIT " + std::to_string(most) + " OFFSET " + std::to_string(*skip),
                      values))
            items.push_back(view(call, tx, row));
        return Reply(json::object{{"server_groups", items}});
    });
}
Reply show(Call& call) {
    return call.store().read([&](Tx& tx) { return Reply(json::object{{"server_group", view(call, tx, load(call, tx))}}); });
}

bool known_policy(Call& call, const std::string& policy) {
    if (policy == "affinity" || policy == "anti-affinity") return true;
    return call.at_least(2, 15) && (policy == "soft-affinity" || policy == "soft-anti-affinity");
}

Reply create(Call& call) {
    const std::string name = string_or(call.body, "name");
    if (!is_name(name)) refuse_field("name", call.body.at("name"), "is not a 'name'");
    const json::array& policies = array_or_empty(call.body, "policies");
    std::string policy = string_or(call.body, "policy");
    if (!call.at_least(2, 64)) {
        if (policies.size() != 1 || !policies[0].is_string()) refuse_field("policies", policies, "is too long");
        policy = str(policies[0].get_string());
    }
    if (!known_policy(call, policy))
        refuse_field("policy", json::string(policy), "is not one of ['anti-affinity', 'affinity', 'soft-anti-affinity', 'soft-affinity']");
    const json::object rules = object_or_empty(call.body, "rules");
    if (!rules.empty() && policy != "anti-affinity") throw bad_request("Only anti-affinity policy supports rules.");
    return call.store().write([&](Tx& tx) {
        const std::int64_t limit = quota_of(tx, call.who.project_id, "server_groups");
        const std::int64_t used = tx.scalar("SELECT COUNT(*) FROM server_groups WHERE project_id = ?", {call.who.project_id}).integer();
        if (limit >= 0 && used + 1 > limit) throw Error(Errc::over_quota, "Quota exceeded, too many server groups.");
        const std::string id = new_uuid();
        tx.insert("server_groups", {{"id", id},
                                    {"number", next_number(tx, "server_groups")},
                                    {"project_id", call.who.project_id},
                                    {"user_id", call.who.user_id},
                                    {"name", name},
                                    {"policy", policy},
                                    {"rules", to_text(rules)},
                                    {"created_at", app_of(call).now()}});
        return Reply(json::object{{"server_group", view(call, tx, *tx.one("SELECT * FROM server_groups WHERE id = ?", {id}))}});
    });
}

Reply remove(Call& call) {
    call.store().write([&](Tx& tx) {
        const Row row = load(call, tx);
        tx.exec("DELETE FROM server_groups WHERE id = ?", {row.text("id")});
    });
    return {};
}

constexpr Field rule_fields[] = {{.name = "max_server_per_host", .type = Type::integer, .least = 1}};
constexpr Field fields[] = {
    {.name = "name", .type = Type::text, .use = api::required, .least = 1},
    {.name = "policies", .type = Type::array, .use = api::required, .item = Type::text, .until = {2, 63}},
    {.name = "policy", .type = Type::text, .use = api::required, .since = {2, 64}},
    {.name = "rules", .type = Type::object, .fields = rule_fields, .since = {2, 64}},
};
constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.1/os-server-groups", .policy = "os_compute_api:os-server-groups:index", .check = reader_check, .handler = &list},
    {.method = "POST",
     .path = "/v2.1/os-server-groups",
     .policy = "os_compute_api:os-server-groups:create",
     .check = member_check,
     .handler = &create,
     .wrapper = "server_group",
     .body = fields},
    {.method = "GET",
     .path = "/v2.1/os-server-groups/{id}",
     .policy = "os_compute_api:os-server-groups:show",
     .check = reader_check,
     .handler = &show},
    {.method = "DELETE",
     .path = "/v2.1/os-server-groups/{id}",
     .policy = "os_compute_api:os-server-groups:delete",
     .check = member_check,
     .handler = &remove,
     .status = 204},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> server_group_routes() { return routes; }

}  // namespace pilvi::compute
