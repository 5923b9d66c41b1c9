#pragma once
// OS-EP-FILTER: which endpoints the catalogue of a project is narrowed to.
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "domain/catalog.h"
#include "store/store.h"

namespace pilvi::identity {

// Ids of the endpoints that meet all of {service_id, region_id, interface} that are there.
std::vector<std::string> matching_endpoints(Tx& tx, const json::object& filters);
// Ids of those associated with the project, alone or in groups, each once; empty where the project has no filter.
std::vector<std::string> filtered_endpoints(Tx& tx, std::string_view project_id);
// Takes the others out, and the services that are left without any.
void keep_only(std::vector<CatalogService>& services, const std::vector<std::string>& endpoint_ids);

}  // namespace pilvi::identity
