#pragma once
// The libvirt implementation, by its C API.
#include "drivers/hypervisor.h"

namespace pilvi::compute_agent {

// `uri` e.g. "qemu:///system". Connects at the first call and again after a loss; starts one thread for libvirt's events.
// libvirt allows one event loop in a process: make one of these only.
std::unique_ptr<Hypervisor> make_libvirt(std::string uri);

}  // namespace pilvi::compute_agent
