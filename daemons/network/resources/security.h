#pragma once
#include "resources/common.h"

namespace pilvi::network {

// The id of the project's default security group, made with its rules where there is none yet; "" for no project. Counts against the quota of
// rules where `service` is given.
std::string ensure_default_group(Tx& tx, App& app, const api::Service* service, const std::string& project_id);

}  // namespace pilvi::network
