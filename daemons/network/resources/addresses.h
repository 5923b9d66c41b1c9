#pragma once
// Ports and their addresses inside a transaction, for every resource that has a port: who may have what is checked by the callers.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/ipam.h"
#include "resources/common.h"

namespace pilvi::network {

struct Subnet {
    std::string id, network_id, project_id;
    Cidr cidr;
    std::optional<IpAddress> gateway;
    std::vector<Pool> pools;
    bool auto_address = false;  // addresses made from router advertisements
    bool enable_dhcp = false;
    std::vector<std::string> service_types;
};

// Of a network, oldest first.
std::vector<Subnet> subnets_of(Tx& tx, std::string_view network_id);
// Throws SubnetNotFound.
Subnet find_subnet(Tx& tx, std::string_view id);

// Whose addresses these are.
struct Holder {
    std::string port_id, network_id, mac_address, device_owner;
    bool only_ipv4 = false;  // where nothing is asked for
};

// Gives the port addresses: `wanted` is an array of {"subnet_id", "ip_address"} with either or both, or null for one address of each IP version that
// the network has, as the original chooses. Throws IpAddressGenerationFailure, IpAddressAlreadyAllocated (409), InvalidIpForNetwork, ... (400).
void allocate(Tx& tx, const Holder& holder, const json::array* wanted);
// Makes the port's addresses those of `wanted`, keeping what it has where that fits.
void reallocate(Tx& tx, const App& app, const Holder& holder, const json::array& wanted);
// [{"subnet_id", "ip_address"}] in order.
json::array fixed_ips(Tx& tx, std::string_view port_id);

// A port that the service makes for itself (DHCP, router, floating IP).
struct PortSpec {
    std::string project_id, network_id, device_id, device_owner;
    std::string host = {};
    std::string status = "DOWN";
    bool only_ipv4 = false;
};
// Throws as allocate(). Returns the id.
std::string make_port(Tx& tx, App& app, const PortSpec& spec, const json::array* wanted);
// The port with all that hangs on it; floating IPs are disassociated; compute is told where it was a server's.
void remove_port(Tx& tx, App& app, const std::string& id);
// The same without the row itself.
void release_port(Tx& tx, App& app, const std::string& id, std::string_view device_id, std::string_view device_owner);
// Floating IPs of the port (of one address of it) lose it.
void disassociate(Tx& tx, const App& app, std::string_view port_id, std::optional<std::string> fixed_ip = std::nullopt);
// A MAC address that no port of the network has.
std::string free_mac(Tx& tx, std::string_view network_id);

// Makes, changes or removes the network's DHCP port so that it has an address on every subnet with DHCP.
void ensure_dhcp_port(Tx& tx, App& app, const std::string& network_id);
// The node that gets the next router or DHCP port: alive, with the fewest; "" where there is none.
std::string pick_host(Tx& tx, const App& app, std::string_view binary);
// "dhcp<uuid of the host>-<network>"
std::string dhcp_device_id(std::string_view host, std::string_view network_id);

// Queues an event for compute, in this transaction.
void tell_compute(Tx& tx, App& app, std::string_view event, std::string_view server_id, std::string_view port_id);
inline bool is_server_port(std::string_view device_owner) { return device_owner.starts_with("compute:"); }

}  // namespace pilvi::network
