#include "domain/subnet_rules.h"

#include <set>

#include "domain/errors.h"

namespace pilvi::network {
namespace {

constexpr std::size_t most_nameservers = 5;   // max_dns_nameservers
constexpr std::size_t most_host_routes = 20;  // max_subnet_host_routes

void check_version(const std::string& name, const std::string& text, std::int64_t version) {
    const auto address = Cidr::parse(text);
    if (!address || address->address.version() != version)
        throw invalid_input(fmt::format("{} '{}' does not match the ip_version '{}'", name, text, version));
}

void check_dhcp(const Cidr& cidr) {
    const int version = cidr.address.version();
    if ((version == 4 && cidr.prefix > 30) || (version == 6 && cidr.prefix > 126))
        throw invalid_input("Subnet has a prefix length that is incompatible with DHCP service enabled");
    if (cidr.network().is_multicast()) throw invalid_input("Multicast IP subnet is not supported if enable_dhcp is True");
    if (cidr.network().is_loopback()) throw invalid_input("Loopback IP subnet is not supported if enable_dhcp is True");
    if (version == 4 && cidr.network().v4_host_order() == 0)
        throw invalid_input("First IP '0.0.0.0' of network is not supported if enable_dhcp is True.");
}

void check_nameservers(const json::object& row, std::int64_t version) {
    const json::array& servers = array_or_empty(row, "dns_nameservers");
    if (servers.size() > most_nameservers)
        throw bad("DNSNameServersExhausted", fmt::format("Unable to complete operation for {}. The number of DNS nameservers exceeds the limit {}.",
                                                         string_or(row, "id", "new subnet"), most_nameservers));
    std::set<std::string> seen;
    for (const json::value& server : servers) {
        const std::string text = str(server.as_string());
        if (!seen.insert(text).second) throw invalid_attribute("dns_nameservers", fmt::format("Duplicate nameserver '{}'", text));
        check_version("dns_nameserver", text, version);
    }
}

void check_routes(const json::object& row, std::int64_t version) {
    const json::array& routes = array_or_empty(row, "host_routes");
    if (routes.size() > most_host_routes)
        throw bad("HostRoutesExhausted", fmt::format("Unable to complete operation for {}. The number of host routes exceeds the limit {}.",
                                                     string_or(row, "id", "new subnet"), most_host_routes));
    std::set<std::string> seen;
    for (const json::value& item : routes) {
        const json::object& route = item.as_object();
        if (!seen.insert(to_text(item)).second) throw invalid_attribute("host_routes", fmt::format("Duplicate hostroute '{}'", to_text(item)));
        check_version("host_routes destination", string_or(route, "destination"), version);
        check_version("host_routes nexthop", string_or(route, "nexthop"), version);
    }
}

void check_modes(const json::object& row, const json::object* before, std::int64_t version, const Cidr& cidr) {
    const auto ra = optional_string(row, "ipv6_ra_mode"), address = optional_string(row, "ipv6_address_mode");
    if (version == 4) {
        if (ra) throw invalid_input("ipv6_ra_mode is not valid when ip_version is 4");
        if (address) throw invalid_input("ipv6_address_mode is not valid when ip_version is 4");
        return;
    }
    if (!ra && !address) return;
    if (!boolean_or(row, "enable_dhcp")) {
        if (before && boolean_or(*before, "enable_dhcp")) throw invalid_input("Cannot disable enable_dhcp with ipv6 attributes set");
        throw invalid_input("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False");
    }
    if (ra && address && *ra != *address)
        throw invalid_input(
            fmt::format("ipv6_ra_mode set to '{}' with ipv6_address_mode set to '{}' is not valid. If both attributes are set, they "
                        "must be the same value",
                        *ra, *address));
    if (address && *address != "dhcpv6-stateful" && cidr.prefix != 64)
        throw invalid_input(
            fmt::format("Invalid CIDR {} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix "
                        "to be /64",
                        cidr.text()));
}

std::optional<IpAddress> check_gateway(json::object& row, const Cidr& cidr, std::int64_t version, bool given) {
    if (!given) row["gateway_ip"] = default_gateway(cidr).text();
    const auto text = optional_string(row, "gateway_ip");
    if (!text) return std::nullopt;
    check_version("gateway_ip", *text, version);
    const IpAddress gateway = *IpAddress::parse(*text);
    if (given && gateway_unusable(cidr, gateway)) throw invalid_input("Gateway is not valid on subnet");
    return gateway;
}

}  // namespace

json::value convert_subnet_cidr(const json::value& value) {
    if (!value.is_string()) return value;
    const std::string text = str(value.get_string());
    const auto cidr = Cidr::parse(text);
    if (cidr && text.find('/') == std::string::npos)
        throw invalid_attribute("cidr", fmt::format("'{}' isn't a recognized IP subnet cidr, '{}' is recommended", text, cidr->text()));
    return value;
}

json::value convert_list(const json::value& value) { return value.is_null() ? json::value(json::array{}) : value; }

void check_subnet(json::object& row, const json::object* before, bool has_gateway) {
    const std::int64_t version = integer_or(row, "ip_version");
    const std::string text = string_or(row, "cidr");
    check_version("cidr", text, version);
    const Cidr cidr = *Cidr::parse(text);
    if (cidr.prefix == 0) throw invalid_input("0 is not allowed as CIDR prefix length");
    if (boolean_or(row, "enable_dhcp") && !(before && boolean_or(*before, "enable_dhcp"))) check_dhcp(cidr);
    const auto gateway = check_gateway(row, cidr, version, has_gateway || before);
    check_nameservers(row, version);
    check_routes(row, version);
    check_modes(row, before, version, cidr);
    const json::value* given = find(row, "allocation_pools");
    if (!given || !given->is_array()) {
        row["allocation_pools"] = pools_json(default_pools(cidr, gateway));
        return;
    }
    const std::vector<Pool> pools = parse_pools(given->get_array(), cidr);
    const bool changed = !before || *find(*before, "allocation_pools") != *given || string_or(*before, "gateway_ip") != string_or(row, "gateway_ip");
    if (gateway && changed) check_gateway_outside(pools, *gateway);
}

bool is_auto_address(const json::object& subnet) {
    const std::string mode = string_or(subnet, "ipv6_address_mode");
    return mode == "slaac" || mode == "dhcpv6-stateless";
}

}  // namespace pilvi::network
