#pragma once
// An imitation: servers "run" at once, or after a delay. Its state is one file, so that it outlives the agent like real guests do.
#include <chrono>

#include "drivers/hypervisor.h"

namespace pilvi::compute_agent {

struct FakeOptions {
    std::string state_file;                    // "": in memory only
    std::chrono::milliseconds start_delay{0};  // what a start takes
    int vcpus = 64;
    std::int64_t memory_mib = 256 * 1024;
};

std::unique_ptr<Hypervisor> make_fake(FakeOptions options);

}  // namespace pilvi::compute_agent
