#include "domain/catalog.h"

namespace pilvi::identity {

std::optional<std::string> fill_url(std::string_view url, std::string_view project_id, std::string_view user_id) {
    std::string out;
    while (!url.empty()) {
        const std::size_t at = url.find_first_of("$%");
        out += url.substr(0, at);
        if (at == url.npos) break;
        url.remove_prefix(at);
        if (!url.substr(1).starts_with('(')) {
            out += url.front();
            url.remove_prefix(1);
            continue;
        }
        const std::size_t end = url.find(")s");
        if (end == url.npos) return std::nullopt;
        const std::string_view name = url.substr(2, end - 2);
        const std::string_view value = name == "project_id" || name == "tenant_id" ? project_id : name == "user_id" ? user_id : std::string_view();
        if (value.empty()) return std::nullopt;
        out += value;
        url.remove_prefix(end + 2);
    }
    return out;
}

json::array render_catalog(const std::vector<CatalogService>& services, std::string_view project_id, std::string_view user_id) {
    json::array out;
    for (const CatalogService& service : services) {
        json::array endpoints;
        for (const CatalogEndpoint& e : service.endpoints) {
            const auto url = fill_url(e.url, project_id, user_id);
            if (!url) continue;
            const json::value region = e.region_id.empty() ? json::value(nullptr) : json::value(e.region_id);
            endpoints.push_back({{"id", e.id}, {"interface", e.interface}, {"region_id", region}, {"url", *url}, {"region", region}});
        }
        out.push_back({{"endpoints", std::move(endpoints)}, {"id", service.id}, {"type", service.type}, {"name", service.name}});
    }
    return out;
}

bool depends_on_token(const std::vector<CatalogService>& services) {
    for (const CatalogService& service : services)
        for (const CatalogEndpoint& e : service.endpoints)
            if (e.url.find("$(") != e.url.npos || e.url.find("%(") != e.url.npos) return true;
    return false;
}

}  // namespace pilvi::identity
