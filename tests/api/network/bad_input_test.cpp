#include "fixture.h"

namespace pilvi::testing {
namespace {

// Everything here is refused with 400 and the envelope, and changes nothing.
TEST_CASE("bodies of the wrong form") {
    Network n;
    n.net("a", "10.0.0.0/24");
    const std::int64_t rows =
        n.count("SELECT count(*) FROM networks") + n.count("SELECT count(*) FROM ports") + n.count("SELECT count(*) FROM subnets");
    struct Row {
        std::string_view path, body;
    };
    const std::string long_name = R"({"network": {"name": ")" + std::string(256, 'x') + "\"}}";
    const Row refused[] = {
        {"networks", "{"},
        {"networks", "[]"},
        {"networks", "null"},
        {"networks", R"({"net": {}})"},
        {"networks", R"({"network": []})"},
        {"networks", R"({"network": "x"})"},
        {"networks", R"({"network": {"name": 5}})"},
        {"networks", R"({"network": {"name": null}})"},
        {"networks", long_name},
        {"networks", R"({"network": {"admin_state_up": "maybe"}})"},
        {"networks", R"({"network": {"admin_state_up": 2}})"},
        {"networks", R"({"network": {"unknown": 1}})"},
        {"networks", R"({"network": {"id": "${none}"}})"},
        {"networks", R"({"network": {"status": "ACTIVE"}})"},
        {"networks", R"({"network": {"mtu": "big"}})"},
        {"networks", R"({"network": {"mtu": -1}})"},
        {"networks", R"({"network": {"mtu": 9000}})"},
        {"networks", R"({"network": {"tenant_id": "${other_project}"}})"},
        {"networks", R"({"network": {"project_id": "${other_project}"}})"},
        {"networks", R"({"network": {"availability_zone_hints": "nova"}})"},
        {"networks", R"({"network": {"port_security_enabled": "x"}})"},
        {"networks", R"({"network": {"dns_domain": "a b"}})"},
        {"subnets", R"({"subnet": {}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}"}})"},
        {"subnets", R"({"subnet": {"network_id": "x", "ip_version": 4, "cidr": "10.1.0.0/24"}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 5, "cidr": "10.1.0.0/24"}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0/33"}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0"}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": 7}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "fd00::/64"}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "0.0.0.0/0"}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0/24", "gateway_ip": "x"}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0/24", "gateway_ip": "10.1.0.0"}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.2"}]}})"},
        {"subnets",
         R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.2"}]}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": "all"}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0/24", "dns_nameservers": ["dns.example"]}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0/24", "dns_nameservers": ["1.1.1.1\n2.2.2.2"]}})"},
        {"subnets",
         R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0/24", "host_routes": [{"destination": "x", "nexthop": "10.1.0.9"}]}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.1.0.0/24", "enable_dhcp": "perhaps"}})"},
        {"subnets", R"({"subnet": {"network_id": "${a}", "ip_version": 6, "cidr": "fd00::/64", "ipv6_ra_mode": "magic"}})"},
        {"ports", R"({"port": {}})"},
        {"ports", R"({"port": {"network_id": "nope"}})"},
        {"ports", R"({"port": {"network_id": "${a}", "mac_address": "xx:yy"}})"},
        {"ports", R"({"port": {"network_id": "${a}", "fixed_ips": "10.0.0.5"}})"},
        {"ports", R"({"port": {"network_id": "${a}", "fixed_ips": [{"ip_address": "10.0.0"}]}})"},
        {"ports", R"({"port": {"network_id": "${a}", "fixed_ips": [{"subnet_id": "x"}]}})"},
        {"ports", R"({"port": {"network_id": "${a}", "fixed_ips": [{"more": 1}]}})"},
        {"ports", R"({"port": {"network_id": "${a}", "fixed_ips": [{}]}})"},
        {"ports", R"({"port": {"network_id": "${a}", "fixed_ips": [{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.9"}]}})"},
        {"ports", R"({"port": {"network_id": "${a}", "security_groups": ["x"]}})"},
        {"ports", R"({"port": {"network_id": "${a}", "security_groups": "x"}})"},
        {"ports", R"({"port": {"network_id": "${a}", "allowed_address_pairs": [{"mac_address": "fa:16:3e:00:00:01"}]}})"},
        {"ports", R"({"port": {"network_id": "${a}", "allowed_address_pairs": [{"ip_address": "x"}]}})"},
        {"ports", R"({"port": {"network_id": "${a}", "allowed_address_pairs": "x"}})"},
        {"ports", R"({"port": {"network_id": "${a}", "allowed_address_pairs": [{"ip_address": "10.0.0.5", "port": 1}]}})"},
        {"ports", R"({"port": {"network_id": "${a}", "allowed_address_pairs": [{"ip_address": "10.0.0.5"}, {"ip_address": "10.0.0.5"}]}})"},
        {"ports", R"({"port": {"network_id": "${a}", "binding:vnic_type": "teleport"}})"},
        {"ports", R"({"port": {"network_id": "${a}", "status": "ACTIVE"}})"},
        {"routers", R"({"router": {"external_gateway_info": "x"}})"},
        {"routers", R"({"router": {"external_gateway_info": {"network_id": "x"}}})"},
        {"routers", R"({"router": {"routes": [{"destination": "10.0.0.0/24"}]}})"},
        {"routers", R"({"router": {"zebra": 1}})"},
        {"routers", R"({"router": {"routes": [{"destination": "10.9.0.0/24", "nexthop": "10.0.0.4"}]}})"},
        {"floatingips", R"({"floatingip": {"floating_network_id": "x"}})"},
        {"floatingips", R"({"floatingip": {"floating_network_id": "${a}", "port_id": 5}})"},
        {"security-groups", R"({"security_group": {"name": 5}})"},
        {"security-groups", R"({"security_group": {"stateful": "x"}})"},
        {"security-groups", R"({"security_group": {"security_group_rules": []}})"},
    };
    for (const Row& row : refused)
        n.cases.run({.name = row.body,
                     .method = "POST",
                     .path = "/v2.0/" + std::string(row.path),
                     .token = "member",
                     .body = std::string(row.body),
                     .status = 400,
                     .expect = R"({"NeutronError": {"type": "<text>", "message": "<text>", "detail": ""}})"});
    CHECK(rows == n.count("SELECT count(*) FROM networks") + n.count("SELECT count(*) FROM ports") + n.count("SELECT count(*) FROM subnets"));
    n.run("POST", "/v2.0/networks", "", 401, R"({"network": {}})");
    n.run("POST", "/v2.0/networks", "expired", 401, R"({"network": {}})");
    n.cases.run({.method = "POST",
                 .path = "/v2.0/networks",
                 .token = "member",
                 .body = "<xml/>",
                 .status = 415,
                 .headers = {{"Content-Type", "application/xml"}}});
}

TEST_CASE("who may do what") {
    Network n;
    n.net("a", "10.0.0.0/24");
    n.run("POST", "/v2.0/ports", "member", 201, R"({"port": {"network_id": "${a}"}})", "", {{"p", "port.id"}});
    n.run("POST", "/v2.0/routers", "member", 201, R"({"router": {}})", "", {{"r", "router.id"}});
    n.run("GET", "/v2.0/security-groups", "member", 200, "", "", {{"g", "security_groups.0.id"}});
    const Cases::Row rows[] = {
        {"GET", "/v2.0/networks", "", "none:401 reader:200 member:200 other:200 admin:200"},
        {"GET", "/v2.0/networks/${a}", "", "none:401 reader:200 member:200 other:404 admin:200 service:200"},
        {"POST", "/v2.0/networks", R"({"network": {}})", "none:401 reader:403 member:201 admin:201"},
        {"POST", "/v2.0/networks", R"({"network": {"provider:network_type": "vxlan"}})", "reader:403 member:403 admin:201"},
        {"PUT", "/v2.0/networks/${a}", R"({"network": {"description": "x"}})", "none:401 reader:403 member:200 other:404 admin:200"},
        {"PUT", "/v2.0/networks/${a}", R"({"network": {"shared": false}})", "member:403 admin:200"},
        {"GET", "/v2.0/subnets/${a_subnet}", "", "none:401 reader:200 member:200 other:404 admin:200"},
        {"PUT", "/v2.0/subnets/${a_subnet}", R"({"subnet": {"name": "x"}})", "reader:403 member:200 other:404 admin:200"},
        {"GET", "/v2.0/ports/${p}", "", "none:401 reader:200 member:200 other:404 admin:200"},
        {"PUT", "/v2.0/ports/${p}", R"({"port": {"name": "x"}})", "reader:403 member:200 other:404 admin:200"},
        {"PUT", "/v2.0/ports/${p}", R"({"port": {"binding:profile": {}}})", "member:403 admin:200"},
        {"POST", "/v2.0/ports", R"({"port": {"network_id": "${a}"}})", "none:401 reader:403 member:201 other:404 admin:201"},
        {"GET", "/v2.0/routers/${r}", "", "none:401 reader:200 member:200 other:404 admin:200"},
        {"PUT", "/v2.0/routers/${r}", R"({"router": {"name": "x"}})", "reader:403 member:200 other:404 admin:200"},
        {"GET", "/v2.0/security-groups/${g}", "", "none:401 reader:200 member:200 other:404 admin:200"},
        {"PUT", "/v2.0/security-groups/${g}", R"({"security_group": {"description": "x"}})", "reader:403 member:200 other:404 admin:200"},
        {"GET", "/v2.0/agents", "", "none:401 reader:200 member:200 admin:200"},
        {"GET", "/v2.0/network-ip-availabilities", "", "none:401 member:403 admin:200"},
        {"POST", "/agent/v1/nodes/x/observed", "{}", "none:401 member:403 service:200 admin:200"},
    };
    n.cases.matrix(rows);
}

}  // namespace
}  // namespace pilvi::testing
