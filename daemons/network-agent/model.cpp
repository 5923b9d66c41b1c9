#include "model.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"

namespace pilvi::network_agent {

namespace {

[[noreturn]] void broken(const std::string& what) { throw Error(Errc::bad_gateway, "The desired set is not understood: " + what); }

std::string id_of(const json::object& object, std::string_view key) {
    std::string id = string_or(object, key);
    if (id.size() != 36 || !is_uuid_like(id)) broken(fmt::format("{} is not a UUID", key));
    return lower(id);
}

const json::object& as_object(const json::value& value, std::string_view what) {
    if (!value.is_object()) broken(fmt::format("{} is not an object", what));
    return value.get_object();
}

std::string mac_of(const json::object& object) {
    auto mac = normalize_mac(string_or(object, "mac_address"));
    if (!mac) broken("mac_address");
    return *mac;
}

IpAddress address_of(std::string_view text) {
    auto address = IpAddress::parse(text);
    if (!address) broken(fmt::format("address '{}'", text));
    return *address;
}

Cidr cidr_of(std::string_view text) {
    auto cidr = Cidr::parse(text);
    if (!cidr) broken(fmt::format("prefix '{}'", text));
    return *cidr;
}

std::vector<FixedIp> fixed_ips_of(const json::object& object) {
    std::vector<FixedIp> list;
    for (const auto& item : array_or_empty(object, "fixed_ips")) {
        const auto& fixed = as_object(item, "fixed_ips");
        list.push_back({.subnet_id = id_of(fixed, "subnet_id"), .address = address_of(string_or(fixed, "ip_address"))});
    }
    return list;
}

std::vector<HostRoute> routes_of(const json::object& object, std::string_view key) {
    std::vector<HostRoute> list;
    for (const auto& item : array_or_empty(object, key)) {
        const auto& route = as_object(item, key);
        list.push_back({.destination = cidr_of(string_or(route, "destination")), .nexthop = address_of(string_or(route, "nexthop"))});
    }
    return list;
}

Subnet subnet_of(const json::value& value) {
    const auto& object = as_object(value, "subnet");
    Subnet subnet{.id = id_of(object, "id"), .cidr = cidr_of(string_or(object, "cidr"))};
    if (auto gateway = optional_string(object, "gateway_ip"); gateway && !gateway->empty()) subnet.gateway = address_of(*gateway);
    subnet.enable_dhcp = boolean_or(object, "enable_dhcp");
    for (const auto& server : array_or_empty(object, "dns_nameservers")) {
        if (server.is_string()) subnet.dns_nameservers.push_back(address_of(str(server.get_string())));
    }
    subnet.host_routes = routes_of(object, "host_routes");
    return subnet;
}

OwnPort own_port_of(const json::object& object, std::string_view id_key) {
    OwnPort port{.id = id_of(object, id_key), .mac = mac_of(object), .network_id = {}, .fixed_ips = fixed_ips_of(object)};
    for (const auto& item : array_or_empty(object, "subnets")) port.subnets.push_back(subnet_of(item));
    return port;
}

Network network_of(const json::object& object) {
    Network network{.id = id_of(object, "id"), .project_id = string_or(object, "project_id")};
    network.type = string_or(object, "network_type", "local");
    network.physical_network = string_or(object, "physical_network");
    network.segmentation_id = static_cast<int>(integer_or(object, "segmentation_id"));
    network.mtu = static_cast<int>(integer_or(object, "mtu", 1450));
    if (network.mtu < 68 || network.mtu > 65535) network.mtu = 1450;
    network.external = boolean_or(object, "external");
    network.admin_state_up = boolean_or(object, "admin_state_up", true);
    network.dns_domain = string_or(object, "dns_domain");
    for (const auto& item : array_or_empty(object, "subnets")) network.subnets.push_back(subnet_of(item));
    if (const auto* dhcp = find(object, "dhcp_port"); dhcp && dhcp->is_object()) {
        network.dhcp_port = own_port_of(dhcp->get_object(), "id");
        network.dhcp_port->network_id = network.id;
    }
    return network;
}

Port port_of(const json::object& object) {
    Port port{.id = id_of(object, "id"), .network_id = id_of(object, "network_id"), .mac = mac_of(object)};
    port.fixed_ips = fixed_ips_of(object);
    port.device_id = string_or(object, "device_id");
    port.device_owner = string_or(object, "device_owner");
    port.host = string_or(object, "host");
    port.admin_state_up = boolean_or(object, "admin_state_up", true);
    port.port_security = boolean_or(object, "port_security_enabled", true);
    for (const auto& group : array_or_empty(object, "security_group_ids")) {
        if (group.is_string()) port.security_groups.push_back(lower(str(group.get_string())));
    }
    for (const auto& item : array_or_empty(object, "allowed_address_pairs")) {
        const auto& pair = as_object(item, "allowed_address_pairs");
        port.allowed_pairs.push_back(
            {.address = cidr_of(string_or(pair, "ip_address")), .mac = normalize_mac(string_or(pair, "mac_address")).value_or(port.mac)});
    }
    port.hostname = string_or(object, "hostname");
    return port;
}

std::optional<int> number_of(const json::object& object, std::string_view key) {
    const auto* value = find(object, key);
    if (!value || value->is_null()) return std::nullopt;
    return static_cast<int>(integer_or(object, key, -1));
}

SecurityRule rule_of(const json::object& object) {
    SecurityRule rule{.id = string_or(object, "id")};
    std::string direction = string_or(object, "direction"), ethertype = string_or(object, "ethertype");
    rule.ingress = direction == "ingress";
    if (!rule.ingress && direction != "egress") rule.defect = "direction";
    rule.version = ethertype == "IPv6" ? 6 : 4;
    if (ethertype != "IPv4" && ethertype != "IPv6") rule.defect = "ethertype";
    rule.protocol = lower(string_or(object, "protocol"));
    rule.port_min = number_of(object, "port_range_min");
    rule.port_max = number_of(object, "port_range_max");
    if (auto prefix = optional_string(object, "remote_ip_prefix"); prefix && !prefix->empty()) {
        rule.remote_prefix = Cidr::parse(*prefix);
        if (!rule.remote_prefix || rule.remote_prefix->address.version() != rule.version) rule.defect = "remote_ip_prefix";
    }
    rule.remote_group = lower(string_or(object, "remote_group_id"));
    for (std::string_view unknown : {"remote_address_group_id", "source_port_range_min", "source_port_range_max"}) {
        if (const auto* value = find(object, unknown); value && !value->is_null()) rule.defect = unknown;
    }
    return rule;
}

SecurityGroup group_of(const json::object& object) {
    SecurityGroup group;
    for (const auto& item : array_or_empty(object, "rules")) group.rules.push_back(rule_of(as_object(item, "rule")));
    for (const auto& item : array_or_empty(object, "members")) {
        if (item.is_string()) group.members.push_back(cidr_of(str(item.get_string())));
    }
    return group;
}

Router router_of(const json::object& object) {
    Router router{.id = id_of(object, "id"), .project_id = string_or(object, "project_id")};
    router.admin_state_up = boolean_or(object, "admin_state_up", true);
    router.enable_snat = boolean_or(object, "enable_snat", true);
    if (const auto* gateway = find(object, "gateway"); gateway && gateway->is_object()) {
        router.gateway = own_port_of(gateway->get_object(), "port_id");
        router.gateway->network_id = id_of(gateway->get_object(), "network_id");
    }
    for (const auto& item : array_or_empty(object, "interfaces")) {
        const auto& interface = as_object(item, "interface");
        router.interfaces.push_back(own_port_of(interface, "port_id"));
        router.interfaces.back().network_id = id_of(interface, "network_id");
    }
    for (const auto& item : array_or_empty(object, "floating_ips")) {
        const auto& floating = as_object(item, "floating_ips");
        router.floating_ips.push_back({.id = id_of(floating, "id"),
                                       .floating = address_of(string_or(floating, "floating_ip_address")),
                                       .fixed = address_of(string_or(floating, "fixed_ip_address")),
                                       .port_id = string_or(floating, "port_id")});
    }
    router.routes = routes_of(object, "routes");
    return router;
}

const json::array& list_of(const json::object& set, std::string_view key) {
    const auto* value = find(set, key);
    if (!value || !value->is_array()) broken(fmt::format("no list '{}'", key));
    return value->get_array();
}

}  // namespace

const Subnet* Network::subnet(const std::string& subnet_id) const {
    for (const auto& subnet : subnets) {
        if (subnet.id == subnet_id) return &subnet;
    }
    return nullptr;
}

Desired parse_desired(const json::object& set) {
    Desired desired;
    for (const auto& item : list_of(set, "networks")) {
        Network network = network_of(as_object(item, "network"));
        desired.networks.emplace(network.id, std::move(network));
    }
    for (const auto& item : list_of(set, "ports")) {
        Port port = port_of(as_object(item, "port"));
        desired.ports.emplace(port.id, std::move(port));
    }
    const auto* groups = find(set, "security_groups");
    if (!groups || !groups->is_object()) broken("no object 'security_groups'");
    for (const auto& [id, group] : groups->get_object()) {
        desired.groups.emplace(lower(std::string_view(id.data(), id.size())), group_of(as_object(group, "security group")));
    }
    for (const auto& item : list_of(set, "routers")) {
        Router router = router_of(as_object(item, "router"));
        desired.routers.emplace(router.id, std::move(router));
    }
    for (const auto& item : array_or_empty(set, "peers")) {
        desired.peers.push_back(address_of(string_or(as_object(item, "peer"), "tunnel_ip")));
    }
    return desired;
}

std::string device_name(const std::string& prefix, const std::string& port_id) { return prefix + port_id.substr(0, 11); }
std::string dhcp_namespace(const std::string& network_id) { return "qdhcp-" + network_id; }
std::string router_namespace(const std::string& router_id) { return "qrouter-" + router_id; }

}  // namespace pilvi::network_agent
