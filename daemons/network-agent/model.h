#pragma once
// The desired set as plain structs. The shape on the wire is in README.md.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/net.h"

namespace pilvi::network_agent {

struct FixedIp {
    std::string subnet_id;
    IpAddress address;
};

struct HostRoute {
    Cidr destination;
    IpAddress nexthop;
};

struct Subnet {
    std::string id;
    Cidr cidr;
    std::optional<IpAddress> gateway;
    bool enable_dhcp = false;
    std::vector<IpAddress> dns_nameservers;
    std::vector<HostRoute> host_routes;
    int version() const { return cidr.address.version(); }
};

// A port that the agent makes itself: DHCP, router interface, gateway.
struct OwnPort {
    std::string id;
    std::string mac;
    std::string network_id;
    std::vector<FixedIp> fixed_ips;
    std::vector<Subnet> subnets;  // of the fixed addresses; the first of a gateway tells the default route
};

struct Network {
    std::string id;
    std::string project_id;
    std::string type;  // "vxlan", "vlan", "flat", "local"
    std::string physical_network;
    int segmentation_id = 0;
    int mtu = 1450;
    bool external = false;
    bool admin_state_up = true;
    std::string dns_domain;
    std::optional<OwnPort> dhcp_port;
    std::vector<Subnet> subnets;
    const Subnet* subnet(const std::string& subnet_id) const;
};

struct AddressPair {
    Cidr address;
    std::string mac;
};

struct Port {
    std::string id;
    std::string network_id;
    std::string mac;
    std::vector<FixedIp> fixed_ips;
    std::string device_id;
    std::string device_owner;
    std::string host;
    bool admin_state_up = true;
    bool port_security = true;
    std::vector<std::string> security_groups;
    std::vector<AddressPair> allowed_pairs;
    std::string hostname;
};

struct SecurityRule {
    std::string id;
    bool ingress = true;
    int version = 4;       // of IP
    std::string protocol;  // name or number as on the wire, "" for any
    std::optional<int> port_min, port_max;
    std::optional<Cidr> remote_prefix;
    std::string remote_group;
    std::string defect;  // why the rule cannot be understood: it then allows nothing
};

struct SecurityGroup {
    std::vector<SecurityRule> rules;
    std::vector<Cidr> members;
};

struct FloatingIp {
    std::string id;
    IpAddress floating;
    IpAddress fixed;
    std::string port_id;
};

struct Router {
    std::string id;
    std::string project_id;
    bool admin_state_up = true;
    bool enable_snat = true;
    std::optional<OwnPort> gateway;
    std::vector<OwnPort> interfaces;
    std::vector<FloatingIp> floating_ips;
    std::vector<HostRoute> routes;
};

struct Desired {
    std::map<std::string, Network> networks;
    std::map<std::string, Port> ports;
    std::map<std::string, SecurityGroup> groups;
    std::map<std::string, Router> routers;
    std::vector<IpAddress> peers;
};

// Throws Error(bad_gateway) where the set does not have the shape: the caller keeps what runs. Ids are checked to be UUIDs, since they become names of
// kernel objects and files; a rule that is not understood is kept with its defect.
Desired parse_desired(const json::object& set);

// Names of kernel objects: prefix + the first 11 characters of the port's id.
std::string device_name(const std::string& prefix, const std::string& port_id);
std::string dhcp_namespace(const std::string& network_id);
std::string router_namespace(const std::string& router_id);

}  // namespace pilvi::network_agent
