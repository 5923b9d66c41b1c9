#pragma once
// What is on this node, read with the programs that made it. No judgement here.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "command/command.h"

namespace pilvi::cli {

struct DomainOnNode {
    std::string id, name;
    bool running = false;
    bool ours = false;  // carries our metadata
};

struct SwitchPort {
    std::string bridge, name, type;
    std::int64_t ofport = -1;
    std::map<std::string, std::string> external_ids;
    std::string error;  // Open vSwitch could not make it
    std::map<std::string, std::string> options = {};
};

struct DnsmasqOnNode {
    int pid = 0;
    std::string network_id;  // of the network agent's directory in its command line
};

struct FlowOnNode {
    std::string bridge, text;
    std::set<std::int64_t> ports;  // that it matches or sends to, by number
};

struct UnitOnNode {
    std::string name, state, sub_state, result;
    bool enabled = false;
    int pid = 0;
    std::int64_t restarts = 0;
};

struct NodeView {
    bool has_systemd = false, has_libvirt = false, has_switch = false, has_namespaces = false;
    std::vector<std::string> roles;  // that are enabled
    std::vector<UnitOnNode> units;
    std::vector<DomainOnNode> domains;
    std::vector<std::string> instance_directories;  // names in instances/
    std::string instances_path;
    std::vector<std::string> stale_parts;                                 // *.part in _base that nobody has written to for an hour
    std::vector<std::pair<std::string, std::string>> unknown_image_data;  // store and location, as the image daemon tells
    std::vector<SwitchPort> ports;
    std::map<std::string, std::string> fail_modes;  // by bridge
    std::map<std::string, std::string> datapaths;   // by bridge: "netdev", "system" or ""
    std::vector<FlowOnNode> flows;
    std::vector<std::string> links;                // in the node's own namespace
    std::map<std::string, std::string> addresses;  // in it: the link that has each
    std::vector<std::string> namespaces;
    std::vector<DnsmasqOnNode> dnsmasqs;
    std::vector<std::string> troubles;  // a program that is there did not answer
};

struct NodePlaces {
    std::string state = "/var/lib/pilvi";
    std::string libvirt_uri = "qemu:///system";
    std::string proc = "/proc";
    std::string image_program = "/usr/libexec/pilvi/pilvi-image";
    std::vector<std::string> bridges = {"br-int", "br-tun", "br-ex"};
};

// systemd alone.
NodeView look_at_units_only(CommandRunner& runner);
NodeView look_at_node(CommandRunner& runner, const NodePlaces& places);

// Parsers of what the programs print; for tests.
std::vector<SwitchPort> parse_interfaces(const std::string& ovs_json, const std::map<std::string, std::string>& bridge_of);
std::set<std::int64_t> ports_of_flow(const std::string& flow);
std::vector<UnitOnNode> parse_units(const std::string& systemctl_show);

}  // namespace pilvi::cli
