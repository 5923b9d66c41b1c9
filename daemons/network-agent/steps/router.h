#pragma once
// A router: its namespace and its nftables ruleset. Pure.
#include <map>
#include <string>

#include "drivers/conntrack.h"
#include "drivers/netns.h"
#include "model.h"

namespace pilvi::network_agent {

struct RouterPlan {
    NamespacePlan space;
    std::string ruleset;
};

// `networks`: for the MTU of each device.
RouterPlan plan_router(const Router& router, const std::map<std::string, Network>& networks);

// The whole table, replaced in one transaction: floating IPs (DNAT, SNAT), source NAT behind the gateway, hairpin.
std::string router_ruleset(const Router& router);

// The table in this host's own namespace by which it is the gateway of the external network `address` (CIDR) on `bridge` for all that the host itself
// reaches: what leaves by another interface gets the host's address there; link-local addresses, the metadata service of a cloud that the host is a guest of
// among them, are not passed on to (RFC 3927, section 7). "" for `address`: the table is removed.
inline constexpr const char* masquerade_table = "pilvi-masquerade";
std::string masquerade_ruleset(const std::string& address, const std::string& bridge);

// Whether a connection was translated by a floating IP that is no longer mapped so: it must not go on.
bool contradicts(const Router& router, const Connection& connection);

}  // namespace pilvi::network_agent
