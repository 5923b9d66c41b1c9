#pragma once
// Security groups of the network service in the shape that compute shows them.
#include "base/json.h"

namespace pilvi::compute {

// Rows of GET /v2.0/security-groups -> [{"id", "name", "tenant_id", "description", "rules": [ingress rules]}].
json::array group_views(const json::array& rows);

}  // namespace pilvi::compute
