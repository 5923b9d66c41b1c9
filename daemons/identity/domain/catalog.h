#pragma once
// The service catalogue of a token: enabled services with their enabled endpoints, URLs filled in for the token's project.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pilvi::identity {

struct CatalogEndpoint {
    std::string id, interface, region_id, url;
};
struct CatalogService {
    std::string id, type, name;
    std::vector<CatalogEndpoint> endpoints;
};

// Replaces $(name)s and %(name)s of project_id, tenant_id, user_id; nullopt where the URL needs what is "" here or names anything else: the endpoint
// is then left out of the catalogue.
std::optional<std::string> fill_url(std::string_view url, std::string_view project_id, std::string_view user_id);
// The "catalog" array.
json::array render_catalog(const std::vector<CatalogService>& services, std::string_view project_id, std::string_view user_id);
// Whether any URL has something to fill in, so that the catalogue is not the same for everyone.
bool depends_on_token(const std::vector<CatalogService>& services);

}  // namespace pilvi::identity
