#include "auth/endpoint_filter.h"

#include <algorithm>

namespace pilvi::identity {

std::vector<std::string> matching_endpoints(Tx& tx, const json::object& filters) {
    std::string sql = "SELECT id FROM endpoints WHERE 1 = 1";
    Values values;
    for (const std::string_view name : {"service_id", "region_id", "interface"})
        if (filters.contains(name)) {
            sql += " AND " + std::string(name) + " = ?";
            values.emplace_back(string_or(filters, name));
        }
    std::vector<std::string> out;
    for (const Row& row : tx.query(sql + " ORDER BY id", values)) out.push_back(row.at(0).text());
    return out;
}

std::vector<std::string> filtered_endpoints(Tx& tx, std::string_view project_id) {
    std::vector<std::string> out;
    for (const Row& row : tx.query("SELECT endpoint_id FROM project_endpoints WHERE project_id = ?", {project_id})) out.push_back(row.at(0).text());
    for (const Row& row : tx.query("SELECT g.filters FROM project_endpoint_groups p JOIN endpoint_groups g ON g.id = p.endpoint_group_id"
                                   " WHERE p.project_id = ?",
                                   {project_id})) {
        const json::value filters = parse_json(row.at(0).text());
        for (std::string& id : matching_endpoints(tx, filters.as_object())) out.push_back(std::move(id));
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

void keep_only(std::vector<CatalogService>& services, const std::vector<std::string>& endpoint_ids) {
    for (CatalogService& service : services)
        std::erase_if(service.endpoints,
                      [&](const CatalogEndpoint& e) { return std::find(endpoint_ids.begin(), endpoint_ids.end(), e.id) == endpoint_ids.end(); });
    std::erase_if(services, [](const CatalogService& service) { return service.endpoints.empty(); });
}

}  // namespace pilvi::identity
