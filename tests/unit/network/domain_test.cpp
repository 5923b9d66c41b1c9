#include <doctest/doctest.h>

#include "base/error.h"
#include "network/domain/ipam.h"
#include "network/domain/security_rules.h"
#include "network/domain/subnet_rules.h"

namespace pilvi::network {
namespace {

Cidr cidr(std::string_view text) { return *Cidr::parse(text); }
IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

std::string texts(const std::vector<Pool>& pools) {
    std::string out;
    for (const Pool& p : pools) out += (out.empty() ? "" : " ") + p.text();
    return out;
}

std::string type_of(const auto& act) {
    try {
        act();
    } catch (const Error& error) {
        return error.type();
    }
    return "";
}

TEST_CASE("default pools leave out network, broadcast and gateway") {
    struct Row {
        std::string_view cidr, gateway, pools;
    };
    const Row rows[] = {
        {"10.0.0.0/24", "10.0.0.1", "10.0.0.2-10.0.0.254"},
        {"10.0.0.0/24", "10.0.0.254", "10.0.0.1-10.0.0.253"},
        {"10.0.0.0/24", "10.0.0.10", "10.0.0.1-10.0.0.9 10.0.0.11-10.0.0.254"},
        {"10.0.0.0/24", "", "10.0.0.1-10.0.0.254"},
        {"10.0.0.0/24", "192.168.0.1", "10.0.0.1-10.0.0.254"},
        {"10.0.0.0/30", "10.0.0.1", "10.0.0.2-10.0.0.2"},
        {"10.0.0.0/31", "10.0.0.0", "10.0.0.1-10.0.0.1"},
        {"10.0.0.5/32", "", "10.0.0.5-10.0.0.5"},
        {"fd00::/64", "fd00::1", "fd00::2-fd00::ffff:ffff:ffff:ffff"},
        {"fd00::/64", "fd00::10", "fd00::1-fd00::f fd00::11-fd00::ffff:ffff:ffff:ffff"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.cidr);
        CAPTURE(row.gateway);
        CHECK(texts(default_pools(cidr(row.cidr), IpAddress::parse(row.gateway))) == row.pools);
    }
}

TEST_CASE("pools are checked against the subnet and one another") {
    const auto type = [](std::string_view pools, std::string_view subnet = "10.0.0.0/24") {
        return type_of([&] { parse_pools(parse_json(pools).as_array(), cidr(subnet)); });
    };
    CHECK(type(R"([{"start": "10.0.0.5", "end": "10.0.0.9"}, {"start": "10.0.0.10", "end": "10.0.0.10"}])") == "");
    CHECK(type(R"([{"start": "10.0.0.9", "end": "10.0.0.5"}])") == "InvalidAllocationPool");
    CHECK(type(R"([{"start": "fd00::1", "end": "fd00::2"}])") == "InvalidAllocationPool");
    CHECK(type(R"([{"start": "10.0.0.0", "end": "10.0.0.5"}])") == "OutOfBoundsAllocationPool");
    CHECK(type(R"([{"start": "10.0.0.5", "end": "10.0.0.255"}])") == "OutOfBoundsAllocationPool");
    CHECK(type(R"([{"start": "10.0.0.5", "end": "10.0.0.9"}, {"start": "10.0.0.9", "end": "10.0.0.12"}])") == "OverlappingAllocationPools");
    CHECK(type_of([] { check_gateway_outside({{ip("10.0.0.1"), ip("10.0.0.9")}}, ip("10.0.0.9")); }) == "GatewayConflictWithAllocationPools");
    CHECK(type_of([] { check_gateway_outside({{ip("10.0.0.2"), ip("10.0.0.9")}}, ip("10.0.0.1")); }) == "");
}

TEST_CASE("offsets and addresses are inverse") {
    for (const auto& [net, address] :
         {std::pair{"10.0.0.0/8", "10.255.255.254"}, {"10.1.2.128/25", "10.1.2.129"}, {"fd00::/64", "fd00::f816:3eff:fe00:1"}}) {
        CHECK(at_offset(cidr(net), offset_of(cidr(net), ip(address))) == ip(address));
    }
    CHECK(eui64(cidr("fd00::/64"), "fa:16:3e:01:02:03").text() == "fd00::f816:3eff:fe01:203");
    CHECK_FALSE(usable_on(cidr("10.0.0.0/24"), ip("10.0.0.0"), ""));
    CHECK_FALSE(usable_on(cidr("10.0.0.0/24"), ip("10.0.0.255"), ""));
    CHECK_FALSE(usable_on(cidr("10.0.0.0/24"), ip("10.0.1.1"), ""));
    CHECK(usable_on(cidr("10.0.0.0/24"), ip("10.0.0.1"), ""));
}

TEST_CASE("rules that poison or open everything are refused") {
    struct Row {
        std::string_view rule, type;
    };
    const Row rows[] = {
        {R"({"ethertype": "IPv4"})", ""},
        {R"({"ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22})", ""},
        {R"({"ethertype": "IPv4", "protocol": "6", "port_range_min": 22, "port_range_max": 22})", ""},
        {R"({"ethertype": "IPv4", "protocol": "tcp", "port_range_min": 23, "port_range_max": 22})", "SecurityGroupInvalidPortRange"},
        {R"({"ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22})", "SecurityGroupInvalidPortRange"},
        {R"({"ethertype": "IPv4", "protocol": "tcp", "port_range_min": 0, "port_range_max": 22})", "SecurityGroupInvalidPortValue"},
        {R"({"ethertype": "IPv4", "port_range_min": 22, "port_range_max": 22})", "SecurityGroupProtocolRequiredWithPorts"},
        {R"({"ethertype": "IPv4", "protocol": "ah", "port_range_min": 22, "port_range_max": 22})", "SecurityGroupInvalidProtocolForPort"},
        {R"({"ethertype": "IPv4", "protocol": "112", "port_range_min": 22, "port_range_max": 22})", "SecurityGroupInvalidProtocolForPort"},
        {R"({"ethertype": "IPv4", "protocol": "icmp", "port_range_min": 256})", "SecurityGroupInvalidIcmpValue"},
        {R"({"ethertype": "IPv4", "protocol": "icmp", "port_range_max": 0})", "SecurityGroupMissingIcmpType"},
        {R"({"ethertype": "IPv4", "protocol": "icmp", "port_range_min": 8, "port_range_max": 0})", ""},
        {R"({"ethertype": "IPv4", "protocol": "ipv6-icmp"})", "SecurityGroupEthertypeConflictWithProtocol"},
        {R"({"ethertype": "IPv4", "protocol": "58"})", "SecurityGroupEthertypeConflictWithProtocol"},
        {R"({"ethertype": "IPv6", "remote_ip_prefix": "10.0.0.0/8"})", "SecurityGroupRuleParameterConflict"},
        {R"({"ethertype": "IPv4", "remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "x"})", "SecurityGroupMultipleRemoteEntites"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.rule);
        json::object rule = parse_json(row.rule).as_object();
        CHECK(type_of([&] { normalize_rule(rule); }) == row.type);
    }
}

TEST_CASE("conversions of a rule's attributes") {
    CHECK(convert_protocol("TCP") == json::value("tcp"));
    CHECK(convert_protocol(6) == json::value("6"));
    CHECK(convert_protocol(nullptr).is_null());
    CHECK(type_of([] { convert_protocol(256); }) == "SecurityGroupRuleInvalidProtocol");
    CHECK(type_of([] { convert_protocol("nope"); }) == "SecurityGroupRuleInvalidProtocol");
    CHECK(type_of([] { convert_protocol(json::array{}); }) == "SecurityGroupRuleInvalidProtocol");
    CHECK(convert_port("22") == json::value(22));
    CHECK(type_of([] { convert_port(65536); }) == "SecurityGroupInvalidPortValue");
    CHECK(type_of([] { convert_port("22 23"); }) == "SecurityGroupInvalidPortValue");
    CHECK(convert_ethertype("ipv6") == json::value("IPv6"));
    CHECK(type_of([] { convert_ethertype("ipx"); }) == "SecurityGroupRuleInvalidEtherType");
    CHECK(convert_remote_prefix("192.168.1.10") == json::value("192.168.1.10/32"));
    CHECK(type_of([] { convert_remote_prefix("10.0.0.0/33"); }) == "InvalidCIDR");
}

TEST_CASE("the key of a rule is the same for the same meaning") {
    const auto key = [](std::string_view text) {
        json::object rule = parse_json(text).as_object();
        normalize_rule(rule);
        return rule_key(rule);
    };
    CHECK(key(R"({"ethertype": "IPv4", "protocol": "tcp"})") == key(R"({"ethertype": "IPv4", "protocol": "6"})"));
    CHECK(key(R"({"ethertype": "IPv4", "remote_ip_prefix": "0.0.0.0/0"})") == key(R"({"ethertype": "IPv4"})"));
    CHECK(key(R"({"ethertype": "IPv4", "protocol": "tcp", "port_range_min": 1, "port_range_max": 65535})") ==
          key(R"({"ethertype": "IPv4", "protocol": "tcp"})"));
    CHECK(key(R"({"ethertype": "IPv6", "protocol": "icmp"})") == key(R"({"ethertype": "IPv6", "protocol": "ipv6-icmp"})"));
    CHECK(key(R"({"ethertype": "IPv4", "protocol": "tcp"})") != key(R"({"ethertype": "IPv6", "protocol": "tcp"})"));
    CHECK(key(R"({"ethertype": "IPv4", "remote_ip_prefix": "10.0.0.1/24"})") == key(R"({"ethertype": "IPv4", "remote_ip_prefix": "10.0.0.0/24"})"));
}

TEST_CASE("subnets are completed or refused") {
    json::object row = parse_json(R"({"ip_version": 4, "cidr": "10.0.0.0/24", "enable_dhcp": true})").as_object();
    check_subnet(row, nullptr, false);
    CHECK(string_or(row, "gateway_ip") == "10.0.0.1");
    CHECK(row["allocation_pools"] == parse_json(R"([{"start": "10.0.0.2", "end": "10.0.0.254"}])"));

    const auto refused = [](std::string_view text, bool gateway = false) {
        json::object r = parse_json(text).as_object();
        return type_of([&] { check_subnet(r, nullptr, gateway); });
    };
    CHECK(refused(R"({"ip_version": 6, "cidr": "10.0.0.0/24"})") == "InvalidInput");
    CHECK(refused(R"({"ip_version": 4, "cidr": "0.0.0.0/0"})") == "InvalidInput");
    CHECK(refused(R"({"ip_version": 4, "cidr": "10.0.0.0/31", "enable_dhcp": true})") == "InvalidInput");
    CHECK(refused(R"({"ip_version": 4, "cidr": "10.0.0.0/31", "enable_dhcp": false})") == "");
    CHECK(refused(R"({"ip_version": 4, "cidr": "224.0.0.0/24", "enable_dhcp": true})") == "InvalidInput");
    CHECK(refused(R"({"ip_version": 4, "cidr": "127.0.0.0/24", "enable_dhcp": true})") == "InvalidInput");
    CHECK(refused(R"({"ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.255"})", true) == "InvalidInput");
    CHECK(refused(R"({"ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": "fd00::1"})", true) == "InvalidInput");
    CHECK(refused(
              R"({"ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.5", "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}]})",
              true) == "GatewayConflictWithAllocationPools");
    CHECK(refused(R"({"ip_version": 4, "cidr": "10.0.0.0/24", "dns_nameservers": ["fd00::1"]})") == "InvalidInput");
    CHECK(refused(R"({"ip_version": 4, "cidr": "10.0.0.0/24", "dns_nameservers": ["1.1.1.1", "1.1.1.1"]})") == "HTTPBadRequest");
    CHECK(refused(R"({"ip_version": 4, "cidr": "10.0.0.0/24", "ipv6_ra_mode": "slaac"})") == "InvalidInput");
    CHECK(
        refused(R"({"ip_version": 6, "cidr": "fd00::/64", "enable_dhcp": true, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"})") ==
        "InvalidInput");
    CHECK(refused(R"({"ip_version": 6, "cidr": "fd00::/80", "enable_dhcp": true, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"})") ==
          "InvalidInput");
    CHECK(type_of([] { convert_subnet_cidr("10.0.0.0"); }) == "HTTPBadRequest");
}

}  // namespace
}  // namespace pilvi::network
