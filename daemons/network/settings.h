#pragma once
#include <span>

#include "config/config.h"
#include "network.h"

namespace pilvi::network {

std::span<const Setting> settings_table();
// Throws Error(bad_request) naming the key.
Settings settings_from(const Config& config);

}  // namespace pilvi::network
