#pragma once
// DHCP of a network: the files of its dnsmasq and its namespace. plan_dhcp() is pure.
#include <map>
#include <string>
#include <vector>

#include "drivers/dnsmasq.h"
#include "drivers/netns.h"
#include "model.h"

namespace pilvi::network_agent {

struct DhcpPlan {
    NamespacePlan space;
    std::string config;   // dnsmasq.conf: a change restarts
    std::string hosts;    // fixed leases: a change reloads
    std::string options;  // per subnet: a change reloads
    bool serves = false;  // some IPv4 subnet has enable_dhcp
};

// `directory`: of this network's files. `ports`: all of the network's ports. The network has a dhcp_port.
DhcpPlan plan_dhcp(const Network& network, const std::vector<const Port*>& ports, const std::string& directory, const std::string& user);

// What may stand in a dnsmasq file: anything else than letters, digits, '-' and '.' is dropped; "" where nothing useful is left. At most 63 characters a label.
std::string dhcp_name(std::string_view text);

// True where a lease went or changed from `before` to `after` (hosts files): dnsmasq would keep the address for the MAC that had it.
bool needs_restart(const std::string& before, const std::string& after);

// Writes what differs, starts, reloads or restarts. `reload`: reload even where no file differs (a former agent may have ended before it did).
// Returns true where dnsmasq was (re)started.
bool apply_dhcp(const DhcpPlan& plan, const std::string& network_id, Dnsmasq& dnsmasq, bool reload);

}  // namespace pilvi::network_agent
