#include "fixture.h"

namespace pilvi::testing {
namespace {

TEST_CASE("routers and their interfaces") {
    Network n;
    n.net("a", "10.0.0.0/24");
    n.net("b", "10.1.0.0/24");
    n.net("same", "10.0.0.0/24");
    n.net("theirs", "10.5.0.0/24", "other");
    const Case cases[] = {
        {.method = "POST", .path = "/v2.0/routers", .token = "member", .body = R"({"router": {"name": "r"}})", .status = 201,
         .expect = R"({"router": {"id": "<uuid>", "name": "r", "status": "ACTIVE", "admin_state_up": true, "external_gateway_info": null, "routes": [],
                       "tenant_id": "${member_project}", "ha": "<absent>", "distributed": "<absent>", "enable_snat": "<absent>", "gw_port_id": "<absent>",
                       "availability_zone_hints": [], "availability_zones": [], "flavor_id": null}})", .save = {{"r", "router.id"}}},
        {.path = "/v2.0/routers/${r}", .token = "admin", .expect = R"({"router": {"ha": false, "distributed": false}})"},
        {.path = "/v2.0/routers/${r}", .token = "other", .status = 404, .expect = R"({"NeutronError": {"type": "RouterNotFound", "message":
            "Router ${r} could not be found"}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "member", .body = R"({"subnet_id": "${a_subnet}"})",
         .expect = R"({"id": "${r}", "subnet_id": "${a_subnet}", "subnet_ids": ["${a_subnet}"], "port_id": "<uuid>", "network_id": "${a}",
                       "tenant_id": "${member_project}"})", .save = {{"if", "port_id"}}},
        {.path = "/v2.0/ports/${if}", .token = "member", .expect = R"({"port": {"device_owner": "network:router_interface", "device_id": "${r}",
            "fixed_ips": [{"ip_address": "10.0.0.1"}]}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "member", .body = R"({"subnet_id": "${a_subnet}"})", .status = 400,
         .expect = R"({"NeutronError": {"type": "BadRequest", "message": "Bad router request: Router already has a port on subnet ${a_subnet}."}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "member", .body = R"({"subnet_id": "${same_subnet}"})", .status = 400},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "member", .body = R"({"subnet_id": "${theirs_subnet}"})", .status = 404},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "other", .body = R"({"subnet_id": "${theirs_subnet}"})", .status = 404},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "reader", .body = R"({"subnet_id": "${b_subnet}"})", .status = 403},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "member", .body = "{}", .status = 400},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "member", .body = R"({"subnet_id": "x"})", .status = 400},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "member", .body = R"({"subnet_id": "${a_subnet}", "port_id": "${if}"})", .status = 400},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "member", .body = R"({"port_id": "${if}"})", .status = 409,
         .expect = R"({"NeutronError": {"type": "PortInUse"}})"},
        {.method = "POST", .path = "/v2.0/ports", .token = "member", .body = R"({"port": {"network_id": "${b}"}})", .status = 201, .save = {{"pb", "port.id"}}},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_router_interface", .token = "member", .body = R"({"port_id": "${pb}"})",
         .expect = R"({"port_id": "${pb}", "subnet_id": "${b_subnet}"})"},
        {.path = "/v2.0/ports/${pb}", .token = "member", .expect = R"({"port": {"device_owner": "network:router_interface", "device_id": "${r}", "security_groups": []}})"},
        {.method = "DELETE", .path = "/v2.0/ports/${pb}", .token = "member", .status = 409, .expect = R"({"NeutronError": {"type": "ServicePortInUse", "message":
            "Port ${pb} cannot be deleted directly via the port API: has device owner network:router_interface."}})"},
        {.method = "PUT", .path = "/v2.0/ports/${pb}", .token = "member", .body = R"({"port": {"device_id": "", "device_owner": ""}})", .status = 409},
        {.method = "PUT", .path = "/v2.0/subnets/${a_subnet}", .token = "member", .body = R"({"subnet": {"gateway_ip": "10.0.0.254"}})", .status = 409,
         .expect = R"({"NeutronError": {"type": "GatewayIpInUse"}})"},
        {.method = "DELETE", .path = "/v2.0/subnets/${a_subnet}", .token = "member", .status = 409, .expect = R"({"NeutronError": {"type": "SubnetInUse"}})"},
        {.method = "DELETE", .path = "/v2.0/networks/${a}", .token = "member", .status = 409, .expect = R"({"NeutronError": {"type": "NetworkInUse"}})"},
        {.method = "DELETE", .path = "/v2.0/routers/${r}", .token = "member", .status = 409, .expect = R"({"NeutronError": {"type": "RouterInUse"}})"},
        // Extra routes.
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member",
         .body = R"({"router": {"routes": [{"destination": "192.168.0.0/24", "nexthop": "10.1.0.77"}]}})",
         .expect = R"({"router": {"routes": [{"destination": "192.168.0.0/24", "nexthop": "10.1.0.77"}]}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member",
         .body = R"({"router": {"routes": [{"destination": "192.168.0.0/24", "nexthop": "10.99.0.77"}]}})", .status = 400,
         .expect = R"({"NeutronError": {"type": "InvalidRoutes"}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member",
         .body = R"({"router": {"routes": [{"destination": "192.168.0.0/24", "nexthop": "10.0.0.1"}]}})", .status = 400},
        {.method = "PUT", .path = "/v2.0/routers/${r}/add_extraroutes", .token = "member",
         .body = R"({"router": {"routes": [{"destination": "192.168.1.0/24", "nexthop": "10.1.0.77"}]}})",
         .expect = R"({"router": {"routes": [{"destination": "192.168.0.0/24"}, {"destination": "192.168.1.0/24"}]}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}/remove_router_interface", .token = "member", .body = R"({"port_id": "${pb}"})", .status = 409,
         .expect = R"({"NeutronError": {"type": "RouterInterfaceInUseByRoute"}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}/remove_extraroutes", .token = "member",
         .body = R"({"router": {"routes": [{"destination": "192.168.1.0/24", "nexthop": "10.1.0.77"}, {"destination": "192.168.0.0/24", "nexthop": "10.1.0.77"}]}})",
         .expect = R"({"router": {"routes": []}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}/remove_router_interface", .token = "member", .body = R"({"port_id": "${none}"})", .status = 404,
         .expect = R"({"NeutronError": {"type": "RouterInterfaceNotFound"}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}/remove_router_interface", .token = "member", .body = R"({"subnet_id": "${same_subnet}"})", .status = 404,
         .expect = R"({"NeutronError": {"type": "RouterInterfaceNotFoundForSubnet"}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}/remove_router_interface", .token = "member", .body = R"({"port_id": "${pb}", "subnet_id": "${a_subnet}"})", .status = 400},
        {.method = "PUT", .path = "/v2.0/routers/${r}/remove_router_interface", .token = "member", .body = R"({"port_id": "${pb}"})", .expect = R"({"port_id": "${pb}"})"},
        {.path = "/v2.0/ports/${pb}", .token = "member", .status = 404},
        {.method = "PUT", .path = "/v2.0/routers/${r}/remove_router_interface", .token = "member", .body = R"({"subnet_id": "${a_subnet}"})",
         .expect = R"({"port_id": "${if}"})"},
        {.method = "DELETE", .path = "/v2.0/routers/${r}", .token = "member", .status = 204},
        {.method = "DELETE", .path = "/v2.0/networks/${a}", .token = "member", .status = 204},
    };
    n.cases.run(cases);
    CHECK(n.count("SELECT count(*) FROM router_interfaces") == 0);
}

TEST_CASE("gateways") {
    Network n;
    n.net("a", "10.0.0.0/24");
    n.net("ext", "203.0.113.0/24", "admin", R"(, "router:external": true)");
    const Case cases[] = {
        {.method = "POST", .path = "/v2.0/routers", .token = "member", .body = R"({"router": {"external_gateway_info": {"network_id": "${ext}"}}})", .status = 201,
         .expect = R"({"router": {"external_gateway_info": {"network_id": "${ext}", "enable_snat": true,
                       "external_fixed_ips": [{"subnet_id": "${ext_subnet}", "ip_address": "203.0.113.3"}]}}})", .save = {{"r", "router.id"}}},
        {.path = "/v2.0/ports?device_id=${r}", .token = "admin", .expect = R"({"ports": [{"device_owner": "network:router_gateway", "project_id": ""}]})",
         .save = {{"gw", "ports.0.id"}}},
        {.path = "/v2.0/ports?device_id=${r}", .token = "member", .expect = R"({"ports": []})"},
        {.method = "DELETE", .path = "/v2.0/ports/${gw}", .token = "admin", .status = 409, .expect = R"({"NeutronError": {"type": "ServicePortInUse"}})"},
        {.method = "DELETE", .path = "/v2.0/networks/${ext}", .token = "admin", .status = 409},
        {.method = "PUT", .path = "/v2.0/networks/${ext}", .token = "admin", .body = R"({"network": {"router:external": false}})", .status = 409,
         .expect = R"({"NeutronError": {"type": "ExternalNetworkInUse"}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member", .body = R"({"router": {"external_gateway_info": {"network_id": "${a}"}}})", .status = 400,
         .expect = R"({"NeutronError": {"type": "BadRequest", "message": "Bad router request: Network ${a} is not an external network."}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member", .body = R"({"router": {"external_gateway_info": {"network_id": "${none}"}}})", .status = 404},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member", .body = R"({"router": {"external_gateway_info": {"network_id": "${ext}", "enable_snat": false}}})",
         .status = 403},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member",
         .body = R"({"router": {"external_gateway_info": {"network_id": "${ext}", "external_fixed_ips": [{"ip_address": "203.0.113.9"}]}}})", .status = 403},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "admin",
         .body = R"({"router": {"external_gateway_info": {"network_id": "${ext}", "enable_snat": false, "external_fixed_ips": [{"ip_address": "203.0.113.9"}]}}})",
         .expect = R"({"router": {"external_gateway_info": {"enable_snat": false, "external_fixed_ips": [{"ip_address": "203.0.113.9"}]}}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "admin",
         .body = R"({"router": {"external_gateway_info": {"network_id": "${ext}", "external_fixed_ips": [{"ip_address": "203.0.113.1"}]}}})", .status = 400},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member", .body = R"({"router": {"name": "x"}})",
         .expect = R"({"router": {"name": "x", "external_gateway_info": {"enable_snat": false}}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member", .body = R"({"router": {"external_gateway_info": {}}})",
         .expect = R"({"router": {"external_gateway_info": null}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member", .body = R"({"router": {"external_gateway_info": {"network_id": "${ext}"}}})",
         .expect = R"({"router": {"external_gateway_info": {"network_id": "${ext}", "enable_snat": true}}})"},
        {.method = "POST", .path = "/v2.0/routers", .token = "member", .body = R"({"router": {"external_gateway_info": {"enable_snat": true}}})", .status = 400},
        {.method = "POST", .path = "/v2.0/routers", .token = "member", .body = R"({"router": {"external_gateway_info": {"network_id": "${ext}", "x": 1}}})", .status = 400},
        {.method = "DELETE", .path = "/v2.0/routers/${r}", .token = "member", .status = 204},
        {.method = "DELETE", .path = "/v2.0/networks/${ext}", .token = "admin", .status = 204},
    };
    n.cases.run(cases);
}

TEST_CASE("floating IPs") {
    Network n;
    n.net("a", "10.0.0.0/24");
    n.net("alone", "10.1.0.0/24");
    n.outside("a");
    n.run("POST", "/v2.0/ports", "member", 201, R"({"port": {"network_id": "${a}", "device_owner": "compute:nova"}})", "", {{"p", "port.id"}, {"ip", "port.fixed_ips.0.ip_address"}});
    n.run("POST", "/v2.0/ports", "member", 201, R"({"port": {"network_id": "${alone}"}})", "", {{"far", "port.id"}});
    const Case cases[] = {
        {.method = "POST", .path = "/v2.0/floatingips", .token = "member", .body = R"({"floatingip": {"floating_network_id": "${public}"}})", .status = 201,
         .expect = R"({"floatingip": {"id": "<uuid>", "floating_ip_address": "<matches:203\\.0\\.113\\.[0-9]+>", "floating_network_id": "${public}", "port_id": null,
                       "fixed_ip_address": null, "router_id": null, "status": "DOWN", "tenant_id": "${member_project}", "port_details": null, "tags": [],
                       "floating_port_id": "<absent>"}})", .save = {{"f", "floatingip.id"}}},
        {.path = "/v2.0/floatingips/${f}", .token = "other", .status = 404, .expect = R"({"NeutronError": {"type": "FloatingIPNotFound"}})"},
        {.path = "/v2.0/ports?device_owner=network:floatingip", .token = "admin", .expect = R"({"ports": [{"device_id": "${f}", "status": "N/A", "project_id": ""}]})",
         .save = {{"fp", "ports.0.id"}}},
        {.method = "DELETE", .path = "/v2.0/ports/${fp}", .token = "admin", .status = 409, .expect = R"({"NeutronError": {"type": "ServicePortInUse"}})"},
        {.method = "PUT", .path = "/v2.0/floatingips/${f}", .token = "member", .body = R"({"floatingip": {"port_id": "${p}"}})",
         .expect = R"({"floatingip": {"port_id": "${p}", "fixed_ip_address": "${ip}", "router_id": "${r}", "status": "DOWN",
                       "port_details": {"device_owner": "compute:nova", "network_id": "${a}"}}})"},
        {.method = "PUT", .path = "/v2.0/floatingips/${f}", .token = "member", .body = R"({"floatingip": {"description": "d"}})",
         .expect = R"({"floatingip": {"port_id": "${p}", "description": "d"}})"},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "member", .body = R"({"floatingip": {"floating_network_id": "${public}", "port_id": "${p}"}})",
         .status = 409, .expect = R"({"NeutronError": {"type": "FloatingIPPortAlreadyAssociated"}})"},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "member", .body = R"({"floatingip": {"floating_network_id": "${public}", "port_id": "${far}"}})",
         .status = 404, .expect = R"({"NeutronError": {"type": "ExternalGatewayForFloatingIPNotFound"}})"},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "member", .body = R"({"floatingip": {"floating_network_id": "${a}"}})", .status = 400,
         .expect = R"({"NeutronError": {"type": "BadRequest"}})"},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "member", .body = R"({"floatingip": {"floating_network_id": "${none}"}})", .status = 404},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "member", .body = R"({"floatingip": {}})", .status = 400},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "other", .body = R"({"floatingip": {"floating_network_id": "${public}", "port_id": "${p}"}})",
         .status = 404, .expect = R"({"NeutronError": {"type": "PortNotFound"}})"},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "member",
         .body = R"({"floatingip": {"floating_network_id": "${public}", "floating_ip_address": "203.0.113.200"}})", .status = 403},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "admin",
         .body = R"({"floatingip": {"floating_network_id": "${public}", "floating_ip_address": "203.0.113.200"}})", .status = 201,
         .expect = R"({"floatingip": {"floating_ip_address": "203.0.113.200"}})", .save = {{"g", "floatingip.id"}}},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "admin",
         .body = R"({"floatingip": {"floating_network_id": "${public}", "floating_ip_address": "203.0.113.200"}})", .status = 409},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "admin",
         .body = R"({"floatingip": {"floating_network_id": "${public}", "floating_ip_address": "198.51.100.1"}})", .status = 400},
        {.method = "POST", .path = "/v2.0/floatingips", .token = "member",
         .body = R"({"floatingip": {"floating_network_id": "${public}", "fixed_ip_address": "10.0.0.5"}})", .status = 400},
        {.method = "PUT", .path = "/v2.0/floatingips/${f}", .token = "member", .body = R"({"floatingip": {"port_id": "${p}", "fixed_ip_address": "10.0.0.99"}})",
         .status = 400},
        // What a floating IP needs stays.
        {.method = "PUT", .path = "/v2.0/routers/${r}/remove_router_interface", .token = "member", .body = R"({"subnet_id": "${a_subnet}"})", .status = 409,
         .expect = R"({"NeutronError": {"type": "RouterInterfaceInUseByFloatingIP"}})"},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member", .body = R"({"router": {"external_gateway_info": null}})", .status = 409,
         .expect = R"({"NeutronError": {"type": "RouterExternalGatewayInUseByFloatingIp"}})"},
        {.method = "PUT", .path = "/v2.0/floatingips/${f}", .token = "member", .body = R"({"floatingip": {"port_id": null}})",
         .expect = R"({"floatingip": {"port_id": null, "fixed_ip_address": null, "router_id": null, "status": "DOWN"}})"},
        {.method = "PUT", .path = "/v2.0/floatingips/${f}", .token = "member", .body = R"({"floatingip": {"port_id": "${p}"}})"},
        {.method = "DELETE", .path = "/v2.0/ports/${p}", .token = "member", .status = 204},
        {.path = "/v2.0/floatingips/${f}", .token = "member", .expect = R"({"floatingip": {"port_id": null, "fixed_ip_address": null, "router_id": null}})"},
        {.path = "/v2.0/floatingips?status=DOWN&floating_network_id=${public}", .token = "member", .expect = R"({"floatingips": [{"id": "${f}"}]})"},
        {.method = "DELETE", .path = "/v2.0/floatingips/${f}", .token = "other", .status = 404},
        {.method = "DELETE", .path = "/v2.0/floatingips/${f}", .token = "member", .status = 204},
        {.method = "PUT", .path = "/v2.0/routers/${r}", .token = "member", .body = R"({"router": {"external_gateway_info": null}})"},
        // A floating IP that serves nobody goes with its network.
        {.method = "DELETE", .path = "/v2.0/networks/${public}", .token = "admin", .status = 204},
        {.path = "/v2.0/floatingips/${g}", .token = "admin", .status = 404},
    };
    n.cases.run(cases);
    CHECK(n.count("SELECT count(*) FROM ports WHERE device_owner = 'network:floatingip'") == 0);
}

TEST_CASE("an IPv6 interface takes further subnets of its network") {
    Network n;
    n.net("a", "10.0.0.0/24");
    const auto subnet = [&](const std::string& name, const std::string& cidr) {
        n.run("POST", "/v2.0/subnets", "member", 201, R"({"subnet": {"network_id": "${a}", "ip_version": 6, "cidr": ")" + cidr + R"("}})", "", {{name, "subnet.id"}});
    };
    subnet("one", "fd00:1::/64");
    subnet("two", "fd00:2::/64");
    n.run("POST", "/v2.0/routers", "member", 201, R"({"router": {}})", "", {{"r", "router.id"}});
    n.run("PUT", "/v2.0/routers/${r}/add_router_interface", "member", 200, R"({"subnet_id": "${one}"})", "", {{"port", "port_id"}});
    n.run("PUT", "/v2.0/routers/${r}/add_router_interface", "member", 200, R"({"subnet_id": "${two}"})", R"({"port_id": "${port}"})");
    n.run("PUT", "/v2.0/routers/${r}/remove_router_interface", "member", 200, R"({"subnet_id": "${one}"})", R"({"port_id": "${port}"})");
    n.run("GET", "/v2.0/ports/${port}", "member", 200, "", R"({"port": {"fixed_ips": [{"ip_address": "fd00:2::1"}]}})");
    n.run("PUT", "/v2.0/routers/${r}/remove_router_interface", "member", 200, R"({"subnet_id": "${two}"})");
    n.run("GET", "/v2.0/ports/${port}", "member", 404);
}

}  // namespace
}  // namespace pilvi::testing
