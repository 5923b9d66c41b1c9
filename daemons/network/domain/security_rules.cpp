#include "domain/security_rules.h"

#include <array>

#include "base/net.h"
#include "base/text.h"
#include "domain/errors.h"

namespace pilvi::network {
namespace {

struct Protocol {
    std::string_view name;
    int number;
};
constexpr Protocol protocols[] = {
    {"ah", 51},         {"dccp", 33},      {"egp", 8},         {"esp", 50},        {"gre", 47},       {"hopopt", 0},     {"icmp", 1},
    {"igmp", 2},        {"ip", 0},         {"ipip", 4},        {"ipv6-encap", 41}, {"ipv6-frag", 44}, {"ipv6-icmp", 58}, {"icmpv6", 58},
    {"ipv6-nonxt", 59}, {"ipv6-opts", 60}, {"ipv6-route", 43}, {"ospf", 89},       {"pgm", 113},      {"rsvp", 46},      {"sctp", 132},
    {"tcp", 6},         {"udp", 17},       {"udplite", 136},   {"vrrp", 112},
};
constexpr int with_ports[] = {6, 17, 33, 132, 136};
constexpr int only_ipv6[] = {41, 43, 44, 58, 59, 60};

template <std::size_t N>
bool one_of(const int (&list)[N], int number) {
    for (const int n : list)
        if (n == number) return true;
    return false;
}

Error unknown_protocol(const json::value& value) {
    std::string names;
    for (const Protocol& p : protocols) names += (names.empty() ? "'" : ", '") + std::string(p.name) + "'";
    return bad(
        "SecurityGroupRuleInvalidProtocol",
        fmt::format("Security group rule protocol {} not supported. Only protocol values [None, {}] and integer representations [0 to 255] are "
                    "supported.",
                    value.is_string() ? str(value.get_string()).substr(0, 60) : to_text(value), names));
}

bool null(const json::object& rule, std::string_view key) {
    const json::value* v = find(rule, key);
    return !v || v->is_null();
}

void check_tcp_like(const json::object& rule) {
    const bool both = !null(rule, "port_range_min") && !null(rule, "port_range_max");
    const std::int64_t low = integer_or(rule, "port_range_min", -1), high = integer_or(rule, "port_range_max", -1);
    if (low == 0 || high == 0) throw bad("SecurityGroupInvalidPortValue", "Invalid value for port 0");
    if (!both || low > high) throw bad("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max");
}

void check_icmp(const json::object& rule) {
    constexpr std::pair<std::string_view, std::string_view> parts[] = {{"port_range_min", "type"}, {"port_range_max", "code"}};
    for (const auto& [attribute, field] : parts)
        if (const std::int64_t v = integer_or(rule, attribute, 0); v < 0 || v > 255)
            throw bad("SecurityGroupInvalidIcmpValue", fmt::format("Invalid value for ICMP {} ({}) {}. It must be 0 to 255.", field, attribute, v));
    if (null(rule, "port_range_min") && !null(rule, "port_range_max"))
        throw bad("SecurityGroupMissingIcmpType", fmt::format("ICMP code (port-range-max) {} is provided but ICMP type (port-range-min) is missing.",
                                                              integer_or(rule, "port_range_max")));
}

void check_ports(const json::object& rule) {
    if (null(rule, "port_range_min") && null(rule, "port_range_max")) return;
    if (null(rule, "protocol")) throw bad("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.");
    const int number = protocol_number(string_or(rule, "protocol"));
    if (one_of(with_ports, number)) return check_tcp_like(rule);
    if (number == 1 || number == 58) return check_icmp(rule);
    throw bad("SecurityGroupInvalidProtocolForPort",
              fmt::format("Ports cannot be specified for protocol {}. Ports are only supported for DCCP, SCTP, TCP, UDP, UDPLITE.", number));
}

}  // namespace

int protocol_number(std::string_view protocol) {
    for (const Protocol& p : protocols)
        if (p.name == protocol) return p.number;
    const auto number = parse_integer(protocol);
    return number && *number >= 0 && *number <= 255 ? static_cast<int>(*number) : -1;
}

json::value convert_protocol(const json::value& value) {
    if (value.is_null()) return nullptr;
    if (value.is_int64() && value.get_int64() >= 0 && value.get_int64() <= 255) return json::value(std::to_string(value.get_int64()));
    if (!value.is_string()) throw unknown_protocol(value);
    const std::string text = lower(str(value.get_string()));
    if (const auto number = parse_integer(text)) {
        if (*number < 0 || *number > 255) throw unknown_protocol(value);
        return json::value(std::to_string(*number));
    }
    if (protocol_number(text) < 0) throw unknown_protocol(value);
    return json::value(text);
}

json::value convert_port(const json::value& value) {
    if (value.is_null()) return nullptr;
    std::optional<std::int64_t> port;
    if (value.is_int64()) port = value.get_int64();
    if (value.is_string()) port = parse_integer(str(value.get_string()));
    if (!port || *port < 0 || *port > 65535)
        throw bad("SecurityGroupInvalidPortValue",
                  "Invalid value for port " + (value.is_string() ? str(value.get_string()).substr(0, 60) : to_text(value)));
    return *port;
}

json::value convert_ethertype(const json::value& value) {
    if (value.is_string())
        for (const std::string_view known : {"IPv4", "IPv6"})
            if (equals_ignoring_case(value.get_string(), known)) return json::value(known);
    throw bad("SecurityGroupRuleInvalidEtherType",
              fmt::format("Security group rule for ethertype '{}' not supported. Allowed values are ['IPv4', 'IPv6'].",
                          value.is_string() ? str(value.get_string()).substr(0, 60) : to_text(value)));
}

json::value convert_remote_prefix(const json::value& value) {
    if (value.is_null() || (value.is_string() && value.get_string().empty())) return nullptr;
    const auto cidr = value.is_string() ? Cidr::parse(str(value.get_string())) : std::nullopt;
    if (!cidr)
        throw bad("InvalidCIDR",
                  fmt::format("Invalid CIDR {} given as IP prefix.", value.is_string() ? str(value.get_string()).substr(0, 60) : to_text(value)));
    return json::value(fmt::format("{}/{}", cidr->address.text(), cidr->prefix));
}

void normalize_rule(json::object& rule) {
    const std::string ethertype = string_or(rule, "ethertype", "IPv4");
    std::string protocol = string_or(rule, "protocol");
    if (ethertype == "IPv6" && (protocol == "icmp" || protocol == "icmpv6")) rule["protocol"] = "ipv6-icmp";
    if (ethertype == "IPv6" && protocol == "1") rule["protocol"] = "58";
    if (integer_or(rule, "port_range_min", -1) == 1 && integer_or(rule, "port_range_max", -1) == 65535)
        for (const char* name : {"port_range_min", "port_range_max"}) rule[name] = nullptr;
    check_ports(rule);
    int remotes = 0;
    for (const std::string_view key : {"remote_ip_prefix", "remote_group_id", "remote_address_group_id"}) remotes += !null(rule, key);
    if (const auto prefix = optional_string(rule, "remote_ip_prefix")) {
        const auto cidr = Cidr::parse(*prefix);
        if (!cidr || ethertype != fmt::format("IPv{}", cidr->address.version()))
            throw bad("SecurityGroupRuleParameterConflict", fmt::format("Conflicting value ethertype {} for CIDR {}", ethertype, *prefix));
    }
    protocol = string_or(rule, "protocol");
    if (ethertype == "IPv4" && !protocol.empty() && one_of(only_ipv6, protocol_number(protocol)))
        throw bad("SecurityGroupEthertypeConflictWithProtocol", fmt::format("Invalid ethertype {} for protocol {}.", ethertype, protocol));
    if (remotes > 1)
        throw bad("SecurityGroupMultipleRemoteEntites",
                  "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.");
}

std::string rule_key(const json::object& rule) {
    const auto number = [&](std::string_view key) { return null(rule, key) ? std::string("+") : std::to_string(integer_or(rule, key)); };
    std::string prefix = string_or(rule, "remote_ip_prefix");
    if (const auto cidr = Cidr::parse(prefix)) prefix = cidr->prefix == 0 ? "+" : cidr->text();
    else prefix = "+";
    const std::string protocol = string_or(rule, "protocol");
    return fmt::format("{}_{}_{}_{}_{}_{}_{}", string_or(rule, "direction"), string_or(rule, "ethertype"), number("port_range_max"),
                       number("port_range_min"), protocol.empty() ? "+" : std::to_string(protocol_number(protocol)),
                       string_or(rule, "remote_group_id", "+"), prefix);
}

}  // namespace pilvi::network
