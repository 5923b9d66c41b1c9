#pragma once
// The tables of all resources of placement.
#include <span>

#include "api/policy.h"
#include "api/resource.h"
#include "api/service.h"
#include "store/store.h"

namespace pilvi::placement {

std::span<const api::Route> root_routes();
std::span<const api::Route> provider_routes();
std::span<const api::Route> inventory_routes();
std::span<const api::Route> aggregate_routes();
std::span<const api::Route> trait_routes();
std::span<const api::Route> resource_class_routes();
std::span<const api::Route> allocation_routes();
std::span<const api::Route> candidate_routes();
std::span<const api::Route> usage_routes();

// The whole service.
api::ServiceSpec service_spec();
// Adds the standard traits and resource classes that the database does not have yet.
void add_standard_names(Store& store);

}  // namespace pilvi::placement
