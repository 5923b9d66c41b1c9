// /usages and /resource_providers/{uuid}/usages
#include <fmt/format.h>

#include "base/text.h"
#include "resources/common.h"
#include "resources/routes.h"

namespace pilvi::placement {
namespace {

Reply provider_usages(Call& call) {
    require_accept(call);
    return call.store().read([&](Tx& tx) {
        const ProviderRow provider = load_provider(tx, call.arg("uuid"), ": ");
        json::object usages;
        for (const Row& row : tx.query("SELECT resource_class, used FROM inventories WHERE provider_uuid = ?", {provider.uuid}))
            usages[row.at(0).text()] = row.at(1).integer();
        return answer(call, json::object{{"resource_provider_generation", provider.generation}, {"usages", std::move(usages)}});
    });
}

struct UsageQuery {
    std::string project_id;
    std::optional<std::string> user_id, type;
};

UsageQuery parse(const Call& call) {
    check_parameters(call, {{"project_id"}, {"user_id"}, {"consumer_type", {1, 38}}});
    const auto project = call.query.get("project_id");
    if (!project) bad_query("Invalid query string parameters: 'project_id' is a required property");
    UsageQuery query{*project, call.query.get("user_id"), call.query.get("consumer_type")};
    for (const auto& value : {project, query.user_id, query.type})
        if (value && (value->empty() || value->size() > 255))
            bad_query(fmt::format("Invalid query string parameters: '{}' is too {}", value->substr(0, 60), value->empty() ? "short" : "long"));
    if (query.type && *query.type != "all" && *query.type != "unknown" && !is_name(*query.type))
        bad_query(fmt::format("Invalid query string parameters: '{}' does not match '^[A-Z0-9_]+$|^all|^unknown$'", *query.type));
    return query;
}

// Conditions over consumers c.
std::string condition(const UsageQuery& query, Values& values) {
    std::string sql = " WHERE c.project_id = ?";
    values.emplace_back(query.project_id);
    if (query.user_id) {
        sql += " AND c.user_id = ?";
        values.emplace_back(*query.user_id);
    }
    if (query.type == "unknown") sql += " AND c.consumer_type IS NULL";
    else if (query.type && query.type != "all") {
        sql += " AND c.consumer_type = ?";
        values.emplace_back(*query.type);
    }
    return sql;
}

constexpr std::string_view joined = " FROM allocations a JOIN consumers c ON c.uuid = a.consumer_uuid";

json::object by_class(Tx& tx, const UsageQuery& query) {
    Values values;
    const std::string where = condition(query, values);
    json::object usages;
    for (const Row& row : tx.query(fmt::format("SELECT a.resource_class, SUM(a.used) AS used{}{} GROUP BY a.resource_class", joined, where), values))
        usages[row.at(0).text()] = row.at(1).integer();
    return usages;
}

json::object by_type(Tx& tx, const UsageQuery& query) {
    Values values;
    const std::string where = condition(query, values);
    json::object usages;
    const bool together = query.type == "all";
    const std::string type = together ? "'all'" : "COALESCE(c.consumer_type, 'unknown')";
    const std::string group = together ? "" : " GROUP BY c.consumer_type";
    for (const Row& row :
         tx.query(fmt::format("SELECT {} AS type, COUNT(DISTINCT a.consumer_uuid) AS consumers{}{}{}", type, joined, where, group), values))
        if (row.at(1).integer() > 0) usages[row.at(0).text()] = json::object{{"consumer_count", row.at(1).integer()}};
    for (const Row& row : tx.query(fmt::format("SELECT {} AS type, a.resource_class, SUM(a.used) AS used{}{} GROUP BY a.resource_class{}", type,
                                               joined, where, together ? "" : ", c.consumer_type"),
                                   values))
        usages[row.at(0).text()].as_object()[row.at(1).text()] = row.at(2).integer();
    return usages;
}

Reply total_usages(Call& call) {
    require_accept(call);
    const UsageQuery query = parse(call);
    return call.store().read([&](Tx& tx) {
        return answer(call, json::object{{"usages", call.at_least(1, 38) ? by_type(tx, query) : by_class(tx, query)}});
    });
}

// The rule is about the project that the query string names.
void usage_target(Call& call, Tx&, json::object& target) { target["project_id"] = call.query.get("project_id").value_or(""); }

constexpr api::Route routes[] = {
    {.method = "GET",
     .path = "/resource_providers/{uuid}/usages",
     .policy = "placement:resource_providers:usages",
     .check = reader,
     .handler = provider_usages},
    {.method = "GET",
     .path = "/usages",
     .policy = "placement:usages",
     .check = project_reader,
     .handler = total_usages,
     .since = {1, 9},
     .target = usage_target},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const api::Route> usage_routes() { return routes; }

}  // namespace pilvi::placement
