#pragma once
// The flows of br-int, br-tun and of the provider bridges, compiled from what is wired. Pure: no process, no clock.
//
// br-int forwards by what is known, never by MAC learning, so a port that the agent does not know sends and receives nothing:
//   0   classify: in_port -> reg6 = local VLAN, reg5 = port (ports with filters); everything else is dropped
//   71  base egress: anti-spoofing (MAC, IP, ARP, ND, DHCP server, RA), then conntrack in the zone of the local VLAN
//   72  egress rules of the port's security groups
//   73  accepted egress: to the ingress filter of a local port, or commit
//   81  base ingress of port reg5, 82 its ingress rules
//   94  deliver: local port without filters, remote side, or flood
// The table numbers are the ones of the original's firewall.
#include <map>
#include <string>
#include <vector>

#include "model.h"

namespace pilvi::network_agent {

// Key: "table=T,priority=P[,match]"; value: actions. Ordered, so that texts and differences are stable.
using FlowSet = std::map<std::string, std::string>;

// A port of br-int that takes part.
struct WiredPort {
    std::string id;
    int ofport = 0;
    int vlan = 0;  // the network's local VLAN
    std::string mac;
    bool filtered = true;                // anti-spoofing and security groups
    std::vector<AddressPair> addresses;  // fixed addresses with the port's MAC, then the allowed pairs
    std::vector<std::string> security_groups;
};

// How a local VLAN reaches the other nodes.
struct WiredNetwork {
    enum class Remote { none, tunnel, flat, vlan };
    int vlan = 0;
    Remote remote = Remote::none;
    int remote_ofport = 0;    // on br-int: patch-tun or int-<bridge>
    int segmentation_id = 0;  // VNI or VLAN id
    std::string bridge;       // flat, vlan: the provider bridge
};

// Numbers of the conjunctions of remote groups: the same key keeps its number as long as the object lives.
class ConjunctionIds {
public:
    std::uint32_t id(const std::string& key);

private:
    std::map<std::string, std::uint32_t> ids_;
};

struct IntegrationFlows {
    FlowSet flows;
    std::map<std::string, std::string> refused;  // rule id -> why it allows nothing
};

IntegrationFlows compile_integration(const std::vector<WiredNetwork>& networks, const std::vector<WiredPort>& ports,
                                     const std::map<std::string, SecurityGroup>& groups, ConjunctionIds& conjunctions);

// The rules of one port's groups, tables 72 and 82 (part of compile_integration; in rules.cpp).
void compile_rules(FlowSet& flows, const WiredPort& port, const std::map<std::string, SecurityGroup>& groups, ConjunctionIds& conjunctions,
                   std::map<std::string, std::string>& refused);

// "0x1f90/0xfff0" masks that cover [first, last] exactly.
std::vector<std::string> port_masks(int first, int last);

// br-tun: `patch` is the port towards br-int, `tunnels` the VXLAN ports.
FlowSet compile_tunnel(const std::vector<WiredNetwork>& networks, int patch, const std::vector<int>& tunnels);

// A provider bridge: local VLANs of its networks become flat or provider VLAN frames; host traffic is switched as usual.
FlowSet compile_provider(const std::string& bridge, const std::vector<WiredNetwork>& networks, int patch);

// Flow file for `ovs-ofctl replace-flows`.
std::string flow_file(const FlowSet& flows);
// Lines for `ovs-ofctl --bundle add-flows` that turn `from` into `to`; "" where nothing differs.
std::string flow_changes(const FlowSet& from, const FlowSet& to);

}  // namespace pilvi::network_agent
