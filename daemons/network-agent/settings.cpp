#include "settings.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/net.h"
#include "base/route.h"
#include "base/text.h"
#include "identity/identity.h"
#include "service/service.h"

namespace pilvi::network_agent {

namespace {

constexpr auto table = with_identity_settings(
    "neutron",
    {
        {"agent.host", SettingKind::text, "", "This node's name as the network daemon knows it (binding:host_id); empty: the host name."},
        {"agent.driver", SettingKind::text, "ovs", "ovs: Open vSwitch; fake: reports every port as wired and touches nothing."},
        {"agent.resync", SettingKind::seconds, "60", "A whole pass at least this often.", 5, 3600},
        {"network.url", SettingKind::text, "http://127.0.0.1:9696", "Base URL of the network daemon."},
        {"ovs.datapath", SettingKind::text, "auto", "auto, system (kernel) or netdev (userspace)."},
        {"ovs.run_dir", SettingKind::text, "/run/openvswitch", "Where the sockets of Open vSwitch are."},
        {"external.bridge_mappings", SettingKind::list, "public:br-ex", "Provider networks as physical_network:bridge."},
        {"external.bridge_address", SettingKind::text, "",
         "Address with prefix that this host gets on the first provider bridge (it then is the external gateway); empty: none."},
        {"external.masquerade", SettingKind::boolean, "false",
         "As that gateway: forward packets, and give those from the external network that leave by another interface this host's address there."},
        {"agent.serves", SettingKind::list, "dhcp,l3",
         "What this node does for the networks of others: dhcp, l3 (routers and floating IPs). Empty on a node that only runs servers."},
        {"tunnel.local_ip", SettingKind::text, "auto",
         "This node's VXLAN endpoint: an address, or the interface that has it; auto: its address towards the network daemon, or towards its default "
         "route where that runs here; empty: no "
         "tunnels."},
        {"dhcp.directory", SettingKind::text, "/var/lib/pilvi/network-agent/dhcp", "Files of the dnsmasq processes, one directory a network."},
        {"dhcp.user", SettingKind::text, "dnsmasq", "User that dnsmasq changes to (root where there is no such user)."},
        {"metadata.control_socket", SettingKind::text, "/run/pilvi/metadata/control.sock", "Control socket of pilvi-metadata; empty: no metadata."},
    });

// "" where the node has no address that another could send to.
std::string own_address(const std::string& network_url) {
    constexpr const char* somewhere = "192.0.2.1";  // TEST-NET-1: only the default route leads there
    for (const std::string& target : {host_of_url(network_url), std::string(somewhere)}) {
        const std::string address = address_towards(target);
        const auto parsed = IpAddress::parse(address);
        if (parsed && !parsed->is_loopback()) return address;
    }
    return "";
}

}  // namespace

std::span<const Setting> settings_table() { return table; }

AgentSettings agent_settings(const Config& config) {
    AgentSettings settings;
    settings.host = config.text("agent.host");
    if (settings.host.empty()) {
        char name[256] = {};
        ::gethostname(name, sizeof(name) - 1);
        settings.host = name;
    }
    settings.datapath = config.text("ovs.datapath");
    if (settings.datapath != "auto" && settings.datapath != "system" && settings.datapath != "netdev") {
        throw Error(Errc::bad_request, "ovs.datapath must be auto, system or netdev");
    }
    settings.ovs.run_dir = config.text("ovs.run_dir");
    for (const auto& mapping : config.list("external.bridge_mappings")) {
        auto parts = split(mapping, ':');
        if (parts.size() != 2 || parts[0].empty() || parts[1].empty() || parts[1].size() > 15) {
            throw Error(Errc::bad_request, fmt::format("external.bridge_mappings: '{}' is not physical_network:bridge", mapping));
        }
        settings.bridge_mappings[parts[0]] = parts[1];
        if (settings.external_bridge.empty()) settings.external_bridge = parts[1];
    }
    settings.external_address = config.text("external.bridge_address");
    if (!settings.external_address.empty() && !Cidr::parse(settings.external_address)) {
        throw Error(Errc::bad_request, "external.bridge_address is not an address with prefix");
    }
    settings.masquerade = config.boolean("external.masquerade");
    if (const auto own = Cidr::parse(settings.external_address);
        settings.masquerade && (!own || own->address.version() != 4 || settings.external_bridge.empty()))
        throw Error(Errc::bad_request, "external.masquerade needs an IPv4 external.bridge_address and a bridge of external.bridge_mappings");
    settings.serves = config.list("agent.serves");
    for (const std::string& what : settings.serves)
        if (what != "dhcp" && what != "l3") throw Error(Errc::bad_request, "agent.serves: " + what + " is neither dhcp nor l3");
    settings.tunnel_ip = config.text("tunnel.local_ip");
    if (settings.tunnel_ip == "auto") {
        settings.tunnel_ip.clear();
        settings.find_tunnel_ip = [url = config.text("network.url")] { return own_address(url); };
    }
    if (!settings.tunnel_ip.empty() && !IpAddress::parse(settings.tunnel_ip)) {
        if (settings.tunnel_ip.size() > 15 || settings.tunnel_ip.find_first_of(" /:") != std::string::npos)
            throw Error(Errc::bad_request, "tunnel.local_ip is neither an address nor the name of an interface");
        settings.find_tunnel_ip = [name = settings.tunnel_ip] { return address_of_interface(name); };
        settings.tunnel_ip.clear();
    }
    settings.dhcp_directory = config.text("dhcp.directory");
    settings.dnsmasq_user = config.text("dhcp.user");
    settings.metadata_socket = config.text("metadata.control_socket");
    return settings;
}

json::object fake_pass(const json::object& desired, const std::string& host) {
    json::object ports, networks, routers;
    json::object active{{"status", "ACTIVE"}, {"reason", ""}};
    for (const auto& item : array_or_empty(desired, "ports")) {
        const auto& port = item.as_object();
        bool up = boolean_or(port, "admin_state_up", true);
        if (string_or(port, "host") == host) {
            ports[string_or(port, "id")] = {{"status", up ? "ACTIVE" : "DOWN"}, {"reason", up ? "" : "administratively down"}};
        }
    }
    for (const auto& item : array_or_empty(desired, "networks")) {
        const auto& network = item.as_object();
        const auto* dhcp = find(network, "dhcp_port");
        bool serves = dhcp && dhcp->is_object();
        networks[string_or(network, "id")] = {{"dhcp", serves ? "ACTIVE" : "NONE"}, {"reason", ""}};
        if (serves) ports[string_or(dhcp->get_object(), "id")] = active;
    }
    for (const auto& item : array_or_empty(desired, "routers")) {
        const auto& router = item.as_object();
        json::object floating;
        for (const auto& address : array_or_empty(router, "floating_ips")) floating[string_or(address.as_object(), "id")] = "ACTIVE";
        for (const auto& interface : array_or_empty(router, "interfaces")) ports[string_or(interface.as_object(), "port_id")] = active;
        if (const auto* gateway = find(router, "gateway"); gateway && gateway->is_object())
            ports[string_or(gateway->get_object(), "port_id")] = active;
        routers[string_or(router, "id")] = {{"status", "ACTIVE"}, {"reason", ""}, {"floating_ips", std::move(floating)}};
    }
    json::object mappings{{"public", "br-ex"}};
    return {{"ports", std::move(ports)},
            {"networks", std::move(networks)},
            {"routers", std::move(routers)},
            {"agent", json::object{{"tunnel_ip", ""},
                                   {"bridge_mappings", mappings},
                                   {"datapath", "fake"},
                                   {"configurations", json::object{{"bridge_mappings", mappings}, {"datapath_type", "fake"}}},
                                   {"version", version()}}}};
}

}  // namespace pilvi::network_agent
