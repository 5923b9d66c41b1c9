#pragma once
#include "resources/common.h"

namespace pilvi::network {

extern const std::span<const api::Route> version_routes;  // "/", "/v2.0", extensions
extern const std::span<const api::Route> quota_routes;
extern const std::span<const api::Route> tag_routes;
extern const std::span<const api::Route> overview_routes;  // availability zones, IP availability, agents of a network or router
extern const std::span<const api::QuotaLimit> quota_limits;

}  // namespace pilvi::network
