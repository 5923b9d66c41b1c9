#pragma once
// The agent put together from its parts.
#include <vector>

#include "service/service.h"

namespace pilvi::compute_agent {

const DaemonSpec& spec();
// Runs until the daemon is asked to stop.
void run(Daemon& daemon);
// "probe": prints "kvm" or "qemu" and why, and ends with 0.
std::vector<Subcommand> subcommands();

}  // namespace pilvi::compute_agent
