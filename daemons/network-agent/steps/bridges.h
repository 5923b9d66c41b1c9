#pragma once
// Bridges, tunnels, ports and local VLANs in OVSDB: what to write, as ovs-vsctl commands. Pure.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "drivers/ovsdb.h"
#include "model.h"

namespace pilvi::network_agent {

using OvsCommands = std::vector<std::vector<std::string>>;

// Marks what the agent made itself in OVSDB (Interface external_ids).
inline constexpr const char* owner_key = "pilvi-owner";
inline constexpr const char* owner_value = "network-agent";

struct BridgeSettings {
    std::string datapath;                         // "system" or "netdev"
    std::map<std::string, std::string> mappings;  // physical network -> bridge
};

// "system", "netdev": as configured; "auto": what br-int has, else system where the kernel has the datapath (`kernel`).
std::string choose_datapath(const std::string& configured, const OvsSnapshot& snapshot, bool kernel);

// br-int and br-tun (fail_mode secure from the first moment), provider bridges, the patch ports between them.
OvsCommands plan_bridges(const BridgeSettings& settings, const OvsSnapshot& snapshot);

// VXLAN ports of br-tun, one a peer; none while this node has no tunnel address.
OvsCommands plan_tunnels(const std::vector<IpAddress>& peers, const std::string& local_ip, const OvsSnapshot& snapshot);

// Why no packet leaves through this node's tunnels, "" where nothing is in the way: the userspace datapath sends and receives tunnels through its own
// bridges only. `device` has the tunnel address, "" where none has.
std::string tunnel_obstacle(const std::string& datapath, const std::string& local_ip, const std::string& device, const OvsSnapshot& snapshot);

// The other end of a patch port's name, at most 15 characters: "int-br-ex", "phy-br-ex".
std::string patch_name(const std::string& prefix, const std::string& bridge);

// A port that the agent adds itself.
struct PluggedPort {
    std::string device;
    std::string port_id;
    std::string mac;
    std::string network_id;
};

// Adds missing own ports, removes own ports that are not in `wanted`, and dead ports of guests that are gone (`known`: every port id that is desired;
// `devices`: what exists in the kernel).
OvsCommands plan_ports(const std::vector<PluggedPort>& wanted, const std::set<std::string>& known, const std::set<std::string>& devices,
                       const OvsSnapshot& snapshot);

// A local VLAN (1-4094) for each of `networks`: the one remembered in OVSDB where there is one, the lowest free one otherwise.
// Throws Error(unavailable) where none is free.
std::map<std::string, int> assign_local_vlans(const std::set<std::string>& networks, const OvsSnapshot& snapshot);

// Whether some port remembers that the network has this local VLAN.
bool remembers(const OvsSnapshot& snapshot, const std::string& network, int vlan);

// Remembers the local VLAN at each port (`port_networks`: OVS port -> network).
OvsCommands plan_tags(const std::map<std::string, std::string>& port_networks, const std::map<std::string, int>& vlans, const OvsSnapshot& snapshot);

}  // namespace pilvi::network_agent
