#pragma once
// What the node itself says: uptime, memory in use, space, this boot.
#include <cstdint>
#include <string>

namespace pilvi::compute_agent {

// Differs for each boot of the node, of a container too (whose kernel's boot id stays): the boot id and the start of process 1.
std::string boot_epoch();
std::int64_t uptime_seconds();
std::int64_t memory_available_mib();

struct Space {
    std::int64_t total = 0, available = 0;  // bytes
};
Space space_of(const std::string& directory);

// Files of this directory can be opened with O_DIRECT (not on tmpfs, for one).
bool direct_io_works(const std::string& directory);

std::string host_name();

}  // namespace pilvi::compute_agent
