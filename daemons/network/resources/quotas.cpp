// Quotas of projects: limits, defaults, use. Source: neutron.pecan_wsgi.controllers.quota, neutron.extensions.quotasv2_detail.
#include "base/text.h"
#include "resources/misc.h"

namespace pilvi::network {
namespace {

using namespace api;

struct Quota {
    std::string_view name;
    std::int64_t fallback;
    std::string_view table;  // "" where nothing of that kind exists
};
constexpr Quota quotas[] = {
    {"network", 100, "networks"},
    {"subnet", 100, "subnets"},
    {"subnetpool", -1, ""},
    {"port", 500, "ports"},
    {"router", 10, "routers"},
    {"floatingip", 50, "floating_ips"},
    {"security_group", 10, "security_groups"},
    {"security_group_rule", 100, "security_group_rules"},
    {"rbac_policy", 10, "rbac_policies"},
};
constexpr auto limits = [] {
    std::array<QuotaLimit, std::size(quotas)> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = {quotas[i].name, quotas[i].fallback};
    return out;
}();

json::object limits_of(const Call& call, Tx& tx, const std::string& project) {
    json::object out;
    for (const Quota& quota : quotas) out[quota.name] = call.service.quota_limit(tx, project, quota.name);
    for (const char* name : {"project_id", "tenant_id"}) out[name] = project;
    return out;
}

Reply list(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        json::array out;
        for (const Row& row : tx.query("SELECT DISTINCT project_id FROM quotas ORDER BY project_id"))
            out.push_back(limits_of(call, tx, row.text("project_id")));
        return json::object{{"quotas", std::move(out)}};
    });
}

Reply show(Call& call) {
    const std::string& project = call.arg("project_id");
    if (project == "tenant" || project == "project")
        return json::object{{project, json::object{{"tenant_id", call.who.project_id}, {"project_id", call.who.project_id}}}};
    return call.store().read([&](Tx& tx) -> Reply { return json::object{{"quota", limits_of(call, tx, project)}}; });
}

Reply show_defaults(Call& call) {
    json::object out;
    for (const Quota& quota : quotas) out[quota.name] = quota.fallback;
    for (const char* name : {"project_id", "tenant_id"}) out[name] = call.arg("project_id");
    return json::object{{"quota", std::move(out)}};
}

Reply show_details(Call& call) {
    const std::string& project = call.arg("project_id");
    return call.store().read([&](Tx& tx) -> Reply {
        json::object out;
        for (const Quota& quota : quotas) {
            const std::int64_t used =
                quota.table.empty() ? 0 : tx.scalar(fmt::format("SELECT count(*) FROM {} WHERE project_id = ?", quota.table), {project}).integer();
            out[quota.name] = json::object{{"limit", call.service.quota_limit(tx, project, quota.name)}, {"used", used}, {"reserved", 0}};
        }
        return json::object{{"quota", std::move(out)}};
    });
}

std::int64_t checked_limit(std::string_view name, const json::value& value) {
    std::optional<std::int64_t> limit;
    if (value.is_int64()) limit = value.get_int64();
    if (value.is_string()) limit = parse_integer(str(value.get_string()));
    const std::string shown = value.is_string() ? str(value.get_string()).substr(0, 60) : to_text(value).substr(0, 60);
    if (!limit) throw invalid_attribute(name, fmt::format("'{}' is not an integer", shown));
    if (*limit < -1) throw invalid_attribute(name, fmt::format("'{}' is too small - must be at least '-1'", shown));
    if (*limit > 2147483647) throw invalid_attribute(name, fmt::format("'{}' is too large - must be no larger than '2147483647'", shown));
    return *limit;
}

const Quota* find_quota(std::string_view name) {
    for (const Quota& quota : quotas)
        if (quota.name == name) return &quota;
    return nullptr;
}

Reply update(Call& call) {
    const std::string& project = call.arg("project_id");
    return call.store().write([&](Tx& tx) -> Reply {
        for (const auto& member : call.body) {
            const std::string_view name = member.key();
            if (name == "project_id" || name == "tenant_id" || name == "force" || name == "check_limit") continue;
            const Quota* quota = find_quota(name);
            if (!quota) throw bad("HTTPBadRequest", fmt::format("Unrecognized attribute(s) '{}'", name.substr(0, 60)));
            const std::int64_t limit = checked_limit(name, member.value());
            if (boolean_or(call.body, "check_limit") && limit >= 0 && !quota->table.empty()) {
                const std::int64_t used = tx.scalar(fmt::format("SELECT count(*) FROM {} WHERE project_id = ?", quota->table), {project}).integer();
                if (used > limit) throw bad_request("quota", fmt::format("Quota limit {} for {} is below the current use {}", limit, name, used));
            }
            tx.exec(
                "INSERT INTO quotas (project_id, resource, hard_limit) VALUES (?, ?, ?) ON CONFLICT (project_id, resource) DO UPDATE SET hard_limit "
                "= "
                "excluded.hard_limit",
                {project, name, limit});
        }
        return json::object{{"quota", limits_of(call, tx, project)}};
    });
}

Reply reset(Call& call) {
    const std::string& project = call.arg("project_id");
    call.store().write([&](Tx& tx) {
        if (tx.exec("DELETE FROM quotas WHERE project_id = ?", {project}) == 0)
            throw missing("TenantQuotaNotFound", fmt::format("Quota for tenant {} could not be found.", project));
    });
    return {};
}

// Own quotas may be read: the path names the project. "project" and "tenant" ask who one is.
void about(Call& call, Tx&, json::object& target) {
    const std::string& project = call.arg("project_id");
    target["project_id"] = project == "tenant" || project == "project" ? call.who.project_id : project;
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.0/quotas", .policy = "get_quotas", .check = admin_only, .handler = &list},
    {.method = "GET", .path = "/v2.0/quotas/{project_id}", .policy = "get_quota", .check = admin_or_reader, .handler = &show, .target = &about},
    {.method = "GET",
     .path = "/v2.0/quotas/{project_id}/default",
     .policy = "get_quota",
     .check = admin_or_reader,
     .handler = &show_defaults,
     .target = &about},
    {.method = "GET",
     .path = "/v2.0/quotas/{project_id}/details",
     .policy = "get_quota",
     .check = admin_or_reader,
     .handler = &show_details,
     .target = &about},
    {.method = "GET",
     .path = "/v2.0/quotas/{project_id}/details.json",
     .policy = "get_quota",
     .check = admin_or_reader,
     .handler = &show_details,
     .target = &about},
    {.method = "PUT",
     .path = "/v2.0/quotas/{project_id}",
     .policy = "update_quota",
     .check = admin_only,
     .handler = &update,
     .wrapper = "quota",
     .extra = true},
    {.method = "DELETE", .path = "/v2.0/quotas/{project_id}", .policy = "delete_quota", .check = admin_only, .handler = &reset, .status = 204},
};
static_assert(api::sound(std::span<const Route>(routes)));

}  // namespace

const std::span<const api::Route> quota_routes = routes;
const std::span<const api::QuotaLimit> quota_limits = limits;

}  // namespace pilvi::network
