#include "base/net.h"
#include "work/network_info.h"

// openstack/latest/network_data.json. Source of the shape: the original's "Metadata-OpenStack format" reference.
namespace pilvi::compute {
namespace {

const json::object* subnet_of(const json::object& vif, const std::string& id) {
    for (const json::value& s : array_or_empty(vif, "subnets"))
        if (string_or(s.as_object(), "id") == id) return &s.as_object();
    return nullptr;
}

std::string type_of(const json::object& subnet, bool v6) {
    const bool dhcp = boolean_or(subnet, "enable_dhcp");
    if (!v6) return dhcp ? "ipv4_dhcp" : "ipv4";
    const std::string mode = string_or(subnet, "ipv6_mode");
    if (mode == "dhcpv6-stateful") return "ipv6_dhcpv6-stateful";
    if (mode == "dhcpv6-stateless") return "ipv6_dhcpv6-stateless";
    return mode == "slaac" ? "ipv6_slaac" : "ipv6";
}

json::array routes_of(const json::object& subnet, bool v6) {
    json::array routes;
    if (const auto gateway = optional_string(subnet, "gateway_ip"))
        routes.push_back(json::object{{"network", v6 ? "::" : "0.0.0.0"}, {"netmask", v6 ? "::" : "0.0.0.0"}, {"gateway", *gateway}});
    for (const json::value& r : array_or_empty(subnet, "routes"))
        if (const auto cidr = Cidr::parse(string_or(r.as_object(), "destination")))
            routes.push_back(
                json::object{{"network", cidr->network().text()}, {"netmask", cidr->netmask()}, {"gateway", string_or(r.as_object(), "nexthop")}});
    return routes;
}

json::array services_of(const json::object& subnet) {
    json::array services;
    for (const json::value& address : array_or_empty(subnet, "dns")) services.push_back(json::object{{"type", "dns"}, {"address", address}});
    return services;
}

json::object network_of(const json::object& vif, const json::object& ip, const json::object& subnet, const std::string& link, std::size_t number) {
    const bool v6 = integer_or(subnet, "ip_version", 4) == 6;
    const std::string type = type_of(subnet, v6);
    json::object network{{"id", "network" + std::to_string(number)}, {"type", type}, {"link", link}, {"network_id", vif.at("network_id")}};
    if (type == "ipv4_dhcp" || type == "ipv6_dhcpv6-stateful") return network;
    const auto cidr = Cidr::parse(string_or(subnet, "cidr"));
    network["ip_address"] = ip.at("ip");
    network["netmask"] = cidr ? cidr->netmask() : "";
    network["routes"] = routes_of(subnet, v6);
    network["services"] = services_of(subnet);
    return network;
}

}  // namespace

json::object network_data_of(const json::array& info) {
    json::array links, networks, services;
    for (const json::value& v : info) {
        const json::object& vif = v.as_object();
        const std::string link = "tap" + string_or(vif, "id").substr(0, 11);
        links.push_back(
            json::object{{"id", link}, {"vif_id", vif.at("id")}, {"type", "ovs"}, {"mtu", vif.at("mtu")}, {"ethernet_mac_address", vif.at("mac")}});
        for (const json::value& ip : array_or_empty(vif, "fixed_ips")) {
            const json::object* subnet = subnet_of(vif, string_or(ip.as_object(), "subnet_id"));
            if (!subnet) continue;
            networks.push_back(network_of(vif, ip.as_object(), *subnet, link, networks.size()));
            for (const json::value& s : services_of(*subnet)) {
                bool known = false;
                for (const json::value& k : services) known |= k == s;
                if (!known) services.push_back(s);
            }
        }
    }
    return {{"links", links}, {"networks", networks}, {"services", services}};
}

}  // namespace pilvi::compute
