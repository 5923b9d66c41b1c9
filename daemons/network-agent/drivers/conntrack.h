#pragma once
// The kernel's connection table of the calling thread's network namespace, over ctnetlink.
#include <functional>

#include "base/net.h"

namespace pilvi::network_agent {

// An IPv4 connection as its first packet was sent, and as its answers are.
struct Connection {
    IpAddress original_source, original_destination, reply_source, reply_destination;
};

// Deletes every IPv4 connection that `stale` says so of; returns how many. Throws Error(unsupported) where the kernel has no ctnetlink.
int delete_connections(const std::function<bool(const Connection&)>& stale);

}  // namespace pilvi::network_agent
