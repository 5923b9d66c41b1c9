#pragma once
#include "resources/common.h"

namespace pilvi::network {

// Whether the node's last heartbeat is old enough to be written again.
bool heartbeat_due(Tx& tx, const App& app, const std::string& host);
extern const std::span<const api::Route> agent_api_routes;  // /agent/v1/nodes/{host}/desired and observed

}  // namespace pilvi::network
