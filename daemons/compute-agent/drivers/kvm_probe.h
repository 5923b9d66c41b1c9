#pragma once
// Does /dev/kvm really run guests? Found out by running one: nested or filtered KVM may open and then fail at the first instructions.
#include <string>

#include "command/command.h"

namespace pilvi::compute_agent {

struct KvmProbe {
    bool works = false;
    std::string reason;  // why not, or "a guest ran"
};

// Boots a disk of one sector that says so to its host, in at most 15 seconds. `directory` takes the disk and is writable.
KvmProbe probe_kvm(CommandRunner& runner, const std::string& directory);

}  // namespace pilvi::compute_agent
