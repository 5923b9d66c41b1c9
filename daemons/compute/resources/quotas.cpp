// os-quota-sets, os-quota-class-sets, limits.
#include <fmt/format.h>

#include "base/text.h"
#include "resources/common.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::QuotaLimit;
using api::Reply;
using api::Route;

struct Quota {
    std::string_view name;
    std::int64_t fallback;
    int until = 0;  // last minor version that shows it; 0: all
};
// What the originals limit by default. Those of networks are the network service's business: they are shown to old callers only.
constexpr Quota quotas[] = {
    {"instances", 10},
    {"cores", 20},
    {"ram", 51200},
    {"metadata_items", 128},
    {"key_pairs", 100},
    {"server_groups", 10},
    {"server_group_members", 10},
    {"injected_files", 5, 56},
    {"injected_file_content_bytes", 10240, 56},
    {"injected_file_path_bytes", 255, 56},
    {"floating_ips", -1, 35},
    {"fixed_ips", -1, 35},
    {"security_groups", -1, 35},
    {"security_group_rules", -1, 35},
};
constexpr QuotaLimit limits[] = {
    {"instances", 10},
    {"cores", 20},
    {"ram", 51200},
    {"metadata_items", 128},
    {"key_pairs", 100},
    {"server_groups", 10},
    {"server_group_members", 10},
    {"injected_files", 5},
    {"injected_file_content_bytes", 10240},
    {"injected_file_path_bytes", 255},
    {"floating_ips", -1},
    {"fixed_ips", -1},
    {"security_groups", -1},
    {"security_group_rules", -1},
};

bool shown(Call& call, const Quota& q) { return q.until == 0 || !call.at_least(2, q.until + 1); }

// What class "default" says, else what is built in.
std::int64_t default_of(Tx& tx, const Quota& q) {
    const Value v = tx.scalar("SELECT hard_limit FROM quota_classes WHERE class = 'default' AND resource = ?", {q.name});
    return v.is_null() ? q.fallback : v.integer();
}
std::int64_t limit_of(Tx& tx, const std::string& project, const Quota& q) {
    const Value v = tx.scalar("SELECT hard_limit FROM quotas WHERE project_id = ? AND resource = ?", {project, q.name});
    return v.is_null() ? default_of(tx, q) : v.integer();
}

std::int64_t used_of(Tx& tx, const std::string& project, std::string_view name) {
    const auto sum = [&](const char* what) {
        return tx.scalar(std::string("SELECT ") + what + " FROM instances WHERE deleted = 0 AND project_id = ?", {project}).integer();
    };
    if (name == "instances") return sum("COUNT(*)");
    if (name == "cores") return sum("COALESCE(SUM(vcpus), 0)");
    if (name == "ram") return sum("COALESCE(SUM(memory_mb), 0)");
    if (name == "server_groups") return tx.scalar("SELECT COUNT(*) FROM server_groups WHERE project_id = ?", {project}).integer();
    return 0;
}

json::object set_of(Call& call, Tx& tx, const std::string& project, bool defaults) {
    json::object out;
    for (const Quota& q : quotas)
        if (shown(call, q)) out[q.name] = defaults ? default_of(tx, q) : limit_of(tx, project, q);
    return out;
}

Reply show(Call& call, bool defaults) {
    const std::string& project = call.arg("id");
    call.enforce(call.route.policy, {{"project_id", project}});
    return call.store().read([&](Tx& tx) {
        json::object set = set_of(call, tx, project, defaults);
        set["id"] = project;
        return Reply(json::object{{"quota_set", set}});
    });
}
Reply show_set(Call& call) { return show(call, false); }
Reply show_defaults(Call& call) { return show(call, true); }

Reply show_detail(Call& call) {
    const std::string& project = call.arg("id");
    call.enforce(call.route.policy, {{"project_id", project}});
    return call.store().read([&](Tx& tx) {
        json::object set{{"id", project}};
        for (const Quota& q : quotas)
            if (shown(call, q))
                set[q.name] = json::object{{"limit", limit_of(tx, project, q)}, {"in_use", used_of(tx, project, q.name)}, {"reserved", 0}};
        return Reply(json::object{{"quota_set", set}});
    });
}

// name -> value of a body, checked. Members that are no quota are refused.
std::vector<std::pair<const Quota*, std::int64_t>> values_of(Call& call, bool force_allowed) {
    std::vector<std::pair<const Quota*, std::int64_t>> out;
    for (const auto& item : call.body) {
        const std::string name(item.key());
        if (force_allowed && name == "force") continue;
        if (name == "networks") throw bad_request("The networks quota has been removed");
        const auto quota = std::find_if(std::begin(quotas), std::end(quotas), [&](const Quota& q) { return q.name == name; });
        if (quota == std::end(quotas) || !shown(call, *quota))
            throw bad_request("Additional properties are not allowed ('" + name.substr(0, 100) + "' was unexpected)");
        const json::value& v = item.value();
        const auto number = v.is_int64() ? std::optional(v.get_int64()) : v.is_string() ? parse_integer(str(v.get_string())) : std::nullopt;
        if (!number) refuse_field(name, v, "is not of type 'integer', 'string'");
        if (*number < -1) refuse_field(name, v, "is less than the minimum of -1");
        if (*number > 0x7fffffff) refuse_field(name, v, "is greater than the maximum of 2147483647");
        out.emplace_back(&*quota, *number);
    }
    return out;
}

Reply update(Call& call) {
    const std::string& project = call.arg("id");
    const auto values = values_of(call, true);
    const json::value* force_value = find(call.body, "force");
    const bool force =
        force_value && (force_value->is_bool() ? force_value->get_bool()
                                               : force_value->is_string() && parse_boolean(str(force_value->get_string())).value_or(false));
    return call.store().write([&](Tx& tx) {
        for (const auto& [quota, value] : values) {
            const std::int64_t used = used_of(tx, project, quota->name);
            if (!force && value >= 0 && value < used)
                throw bad_request(
                    fmt::format("Quota limit {} for {} must be greater than or equal to already used and reserved {}.", value, quota->name, used));
            tx.exec(
                "INSERT INTO quotas (project_id, resource, hard_limit) VALUES (?, ?, ?) ON CONFLICT (project_id, resource) DO UPDATE SET hard_limit "
                "= excluded.hard_limit",
                {project, quota->name, value});
        }
        return Reply(json::object{{"quota_set", set_of(call, tx, project, false)}});
    });
}

Reply remove(Call& call) {
    call.store().write([&](Tx& tx) { tx.exec("DELETE FROM quotas WHERE project_id = ?", {call.arg("id")}); });
    return {};
}

Reply show_class(Call& call) {
    return call.store().read([&](Tx& tx) {
        json::object set = set_of(call, tx, "", true);
        set["id"] = call.arg("id");
        return Reply(json::object{{"quota_class_set", set}});
    });
}
Reply update_class(Call& call) {
    const auto values = values_of(call, false);
    return call.store().write([&](Tx& tx) {
        for (const auto& [quota, value] : values)
            tx.exec(
                "INSERT INTO quota_classes (class, resource, hard_limit) VALUES (?, ?, ?) ON CONFLICT (class, resource) DO UPDATE SET hard_limit = "
                "excluded.hard_limit",
                {call.arg("id"), quota->name, value});
        return Reply(json::object{{"quota_class_set", set_of(call, tx, "", true)}});
    });
}

Reply show_limits(Call& call) {
    std::string project = call.who.project_id;
    if (const auto other = call.query.get("tenant_id"); other && *other != project) {
        call.enforce("os_compute_api:limits:other_project", {{"project_id", *other}});
        project = *other;
    }
    return call.store().read([&](Tx& tx) {
        struct Absolute {
            std::string_view name, quota;
            bool used;
            int until;
        };
        constexpr Absolute table[] = {
            {"maxTotalInstances", "instances", false, 0},
            {"maxTotalCores", "cores", false, 0},
            {"maxTotalRAMSize", "ram", false, 0},
            {"maxServerMeta", "metadata_items", false, 0},
            {"maxImageMeta", "metadata_items", false, 38},
            {"maxTotalKeypairs", "key_pairs", false, 0},
            {"maxServerGroups", "server_groups", false, 0},
            {"maxServerGroupMembers", "server_group_members", false, 0},
            {"maxPersonality", "injected_files", false, 56},
            {"maxPersonalitySize", "injected_file_content_bytes", false, 56},
            {"maxTotalFloatingIps", "floating_ips", false, 35},
            {"maxSecurityGroups", "security_groups", false, 35},
            {"maxSecurityGroupRules", "security_group_rules", false, 35},
            {"totalInstancesUsed", "instances", true, 0},
            {"totalCoresUsed", "cores", true, 0},
            {"totalRAMUsed", "ram", true, 0},
            {"totalServerGroupsUsed", "server_groups", true, 0},
            {"totalFloatingIpsUsed", "floating_ips", true, 35},
            {"totalSecurityGroupsUsed", "security_groups", true, 35},
        };
        json::object absolute;
        for (const Absolute& a : table) {
            if (a.until && call.at_least(2, a.until + 1)) continue;
            const auto quota = std::find_if(std::begin(quotas), std::end(quotas), [&](const Quota& q) { return q.name == a.quota; });
            absolute[a.name] = a.used ? used_of(tx, project, a.quota) : limit_of(tx, project, *quota);
        }
        return Reply(json::object{{"limits", json::object{{"rate", json::array{}}, {"absolute", absolute}}}});
    });
}

constexpr Route quota_table[] = {
    {.method = "GET", .path = "/v2.1/os-quota-sets/{id}", .policy = "os_compute_api:os-quota-sets:show", .check = reader_check, .handler = &show_set},
    {.method = "GET",
     .path = "/v2.1/os-quota-sets/{id}/defaults",
     .policy = "os_compute_api:os-quota-sets:defaults",
     .check = anybody_check,
     .handler = &show_defaults},
    {.method = "GET",
     .path = "/v2.1/os-quota-sets/{id}/detail",
     .policy = "os_compute_api:os-quota-sets:detail",
     .check = reader_check,
     .handler = &show_detail},
    {.method = "PUT",
     .path = "/v2.1/os-quota-sets/{id}",
     .policy = "os_compute_api:os-quota-sets:update",
     .check = admin_check,
     .handler = &update,
     .wrapper = "quota_set"},
    {.method = "DELETE",
     .path = "/v2.1/os-quota-sets/{id}",
     .policy = "os_compute_api:os-quota-sets:delete",
     .check = admin_check,
     .handler = &remove,
     .status = 202},
    {.method = "GET",
     .path = "/v2.1/os-quota-class-sets/{id}",
     .policy = "os_compute_api:os-quota-class-sets:show",
     .check = admin_check,
     .handler = &show_class},
    {.method = "PUT",
     .path = "/v2.1/os-quota-class-sets/{id}",
     .policy = "os_compute_api:os-quota-class-sets:update",
     .check = admin_check,
     .handler = &update_class,
     .wrapper = "quota_class_set"},
};
static_assert(api::sound(quota_table));
constexpr Route limit_table[] = {
    {.method = "GET", .path = "/v2.1/limits", .policy = "os_compute_api:limits", .check = anybody_check, .handler = &show_limits},
};
static_assert(api::sound(limit_table));

}  // namespace

std::span<const Route> quota_routes() { return quota_table; }
std::span<const Route> limit_routes() { return limit_table; }
std::span<const QuotaLimit> quota_limits() { return limits; }

std::int64_t quota_of(Tx& tx, const std::string& project, std::string_view name) {
    const auto quota = std::find_if(std::begin(quotas), std::end(quotas), [&](const Quota& q) { return q.name == name; });
    return quota == std::end(quotas) ? -1 : limit_of(tx, project, *quota);
}

}  // namespace pilvi::compute
