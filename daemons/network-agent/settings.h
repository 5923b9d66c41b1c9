#pragma once
#include <span>

#include "config/config.h"
#include "reconciler.h"

namespace pilvi::network_agent {

std::span<const Setting> settings_table();
// Throws Error(bad_request) where a value makes no sense.
AgentSettings agent_settings(const Config& config);

// driver = "fake": every port of the set is reported ACTIVE, nothing is touched.
json::object fake_pass(const json::object& desired, const std::string& host);

}  // namespace pilvi::network_agent
