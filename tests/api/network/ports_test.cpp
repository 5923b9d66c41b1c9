#include <set>

#include "fixture.h"

namespace pilvi::testing {
namespace {

TEST_CASE("ports") {
    Network n;
    n.net("a", "10.0.0.0/24");
    const Case cases[] = {
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "name": "p"}})",
         .status = 201,
         .expect =
             R"({"port": {"id": "<uuid>", "network_id": "${a}", "name": "p", "status": "DOWN", "admin_state_up": true, "device_id": "", "device_owner": "",
                       "mac_address": "<matches:fa:16:3e:[0-9a-f:]{8}>", "fixed_ips": [{"subnet_id": "${a_subnet}", "ip_address": "10.0.0.3"}],
                       "security_groups": ["<uuid>"], "port_security_enabled": true, "binding:vnic_type": "normal", "binding:host_id": "<absent>",
                       "allowed_address_pairs": [], "extra_dhcp_opts": [], "tenant_id": "${member_project}", "revision_number": 1,
                       "dns_assignment": [{"ip_address": "10.0.0.3", "hostname": "host-10-0-0-3", "fqdn": "host-10-0-0-3.openstacklocal."}]}})",
         .save = {{"p", "port.id"}, {"default", "port.security_groups.0"}}},
        {.path = "/v2.0/ports/${p}",
         .token = "admin",
         .expect = R"({"port": {"binding:host_id": "", "binding:vif_type": "unbound", "binding:vif_details": {}, "binding:profile": {}}})"},
        {.path = "/v2.0/ports/${p}", .token = "other", .status = 404, .expect = R"({"NeutronError": {"type": "PortNotFound"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "other",
         .body = R"({"port": {"network_id": "${a}"}})",
         .status = 404,
         .expect = R"({"NeutronError": {"type": "NetworkNotFound"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body =
             R"({"port": {"network_id": "${a}", "fixed_ips": [{"ip_address": "10.0.0.50"}], "mac_address": "FA-16-3E-00-00-01", "security_groups": []}})",
         .status = 201,
         .expect = R"({"port": {"fixed_ips": [{"ip_address": "10.0.0.50"}], "mac_address": "fa:16:3e:00:00:01", "security_groups": []}})",
         .save = {{"q", "port.id"}}},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "mac_address": "fa:16:3e:00:00:01"}})",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "MacAddressInUse"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "fixed_ips": [{"ip_address": "10.0.0.50"}]}})",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "IpAddressAlreadyAllocated",
            "message": "IP address 10.0.0.50 already allocated in subnet ${a_subnet}"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "fixed_ips": [{"ip_address": "10.1.0.50"}]}})",
         .status = 400,
         .expect = R"({"NeutronError": {"type": "InvalidIpForNetwork"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "fixed_ips": [{"subnet_id": "${a_subnet}", "ip_address": "10.0.0.255"}]}})",
         .status = 400,
         .expect = R"({"NeutronError": {"type": "InvalidIpForSubnet"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "fixed_ips": [{"subnet_id": "${none}"}]}})",
         .status = 404,
         .expect = R"({"NeutronError": {"type": "SubnetNotFound"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "fixed_ips": []}})",
         .status = 201,
         .expect = R"({"port": {"fixed_ips": [], "ip_allocation": "none"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "security_groups": ["${none}"]}})",
         .status = 404,
         .expect = R"({"NeutronError": {"type": "SecurityGroupNotFound"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "port_security_enabled": false, "security_groups": ["${default}"]}})",
         .status = 400,
         .expect = R"({"NeutronError": {"type": "PortSecurityAndIPRequiredForSecurityGroups"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "port_security_enabled": false}})",
         .status = 201,
         .expect = R"({"port": {"security_groups": [], "port_security_enabled": false}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "binding:host_id": "h"}})",
         .status = 403},
        {.method = "PUT",
         .path = "/v2.0/ports/${p}",
         .token = "member",
         .body = R"({"port": {"fixed_ips": [{"subnet_id": "${a_subnet}", "ip_address": "10.0.0.3"}, {"ip_address": "10.0.0.60"}], "name": "pp"}})",
         .expect = R"({"port": {"name": "pp", "fixed_ips": [{"ip_address": "10.0.0.3"}, {"ip_address": "10.0.0.60"}], "revision_number": 2}})"},
        {.method = "PUT",
         .path = "/v2.0/ports/${p}",
         .token = "member",
         .body = R"({"port": {"fixed_ips": [{"subnet_id": "${a_subnet}"}]}})",
         .expect = R"({"port": {"fixed_ips": [{"ip_address": "10.0.0.3"}]}})"},
        {.method = "PUT",
         .path = "/v2.0/ports/${p}",
         .token = "member",
         .body = R"({"port": {"fixed_ips": [{"ip_address": "10.0.0.50"}]}})",
         .status = 409},
        {.method = "PUT", .path = "/v2.0/ports/${p}", .token = "member", .body = R"({"port": {"mac_address": "fa:16:3e:00:00:09"}})", .status = 403},
        {.method = "PUT",
         .path = "/v2.0/ports/${p}",
         .token = "member",
         .body = R"({"port": {"security_groups": []}})",
         .expect = R"({"port": {"security_groups": []}})"},
        {.method = "PUT",
         .path = "/v2.0/ports/${p}",
         .token = "member",
         .body = R"({"port": {"security_groups": ["${default}"]}})",
         .expect = R"({"port": {"security_groups": ["${default}"]}})"},
        {.method = "PUT",
         .path = "/v2.0/ports/${p}",
         .token = "member",
         .body = R"({"port": {"port_security_enabled": false}})",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "PortSecurityPortHasSecurityGroup"}})"},
        {.method = "PUT", .path = "/v2.0/ports/${p}", .token = "member", .body = R"({"port": {"network_id": "${a}"}})", .status = 400},
        {.method = "PUT",
         .path = "/v2.0/ports/${p}",
         .token = "member",
         .body = R"({"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.0/28"}]}})",
         .expect = R"({"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.0/28", "mac_address": "<matches:fa:.*>"}]}})"},
        {.path = "/v2.0/ports?fixed_ips=ip_address%3D10.0.0.3", .token = "member", .expect = R"({"ports": [{"id": "${p}"}]})"},
        {.path = "/v2.0/ports?fixed_ips=subnet_id%3D${a_subnet}&fixed_ips=ip_address%3D10.0.0.50",
         .token = "member",
         .expect = R"({"ports": [{"id": "${q}"}]})"},
        {.path = "/v2.0/ports?fixed_ips=ip_address_substr%3D0.50", .token = "member", .expect = R"({"ports": [{"id": "${q}"}]})"},
        {.path = "/v2.0/ports?security_groups=${default}&name=pp", .token = "member", .expect = R"({"ports": [{"id": "${p}"}]})"},
        {.path = "/v2.0/ports?device_owner=network:dhcp&network_id=${a}",
         .token = "member",
         .expect = R"({"ports": [{"device_id": "reserved_dhcp_port", "fixed_ips": [{"ip_address": "10.0.0.2"}]}]})"},
        {.path = "/v2.0/ports?mac_address=FA:16:3E:00:00:01", .token = "member", .expect = R"({"ports": [{"id": "${q}"}]})"},
        {.method = "DELETE", .path = "/v2.0/ports/${p}", .token = "other", .status = 404},
        {.method = "DELETE", .path = "/v2.0/ports/${p}", .token = "reader", .status = 403},
        {.method = "DELETE", .path = "/v2.0/ports/${p}", .token = "member", .status = 204},
        {.path = "/v2.0/ports/${p}", .token = "member", .status = 404},
    };
    n.cases.run(cases);
}

TEST_CASE("DHCP options that would break out of a shared configuration are refused") {
    Network n;
    n.net("a", "10.0.0.0/24");
    const auto options = [&](const std::string& list, int status) {
        n.run("POST", "/v2.0/ports", "member", status, R"({"port": {"network_id": "${a}", "extra_dhcp_opts": )" + list + "}}");
    };
    options(R"([{"opt_name": "bootfile-name", "opt_value": "pxelinux.0"}])", 201);
    options(R"([{"opt_name": "router", "opt_value": ""}])", 201);
    options(R"([{"opt_name": "bootfile-name", "opt_value": "x\ndhcp-script=/tmp/x"}])", 400);
    options(R"([{"opt_name": "x\ny", "opt_value": "v"}])", 400);
    options(R"([{"opt_name": "bootfile-name", "opt_value": ""}])", 400);
    options(R"([{"opt_name": "bootfile-name", "opt_value": 5}])", 400);
    options(R"([{"opt_name": "", "opt_value": "v"}])", 400);
    options(R"([{"opt_name": "a", "opt_value": "v", "ip_version": 5}])", 400);
    options(R"([{"opt_name": "a", "opt_value": "v", "more": 1}])", 400);
    options(R"([{"opt_name": "a", "opt_value": "v"}, {"opt_name": "a", "opt_value": "w"}])", 400);
    options(R"({"opt_name": "a"})", 400);
    n.run("POST", "/v2.0/ports", "member", 201,
          R"({"port": {"network_id": "${a}", "extra_dhcp_opts": [{"opt_name": "a", "opt_value": "1"}, {"opt_name": "b", "opt_value": "2"}]}})", "",
          {{"p", "port.id"}});
    n.run("PUT", "/v2.0/ports/${p}", "member", 200,
          R"({"port": {"extra_dhcp_opts": [{"opt_name": "a", "opt_value": null}, {"opt_name": "c", "opt_value": "3"}]}})",
          R"({"port": {"extra_dhcp_opts": [{"opt_name": "b", "opt_value": "2"}, {"opt_name": "c", "opt_value": "3"}]}})");
    for (const std::string_view body :
         {R"({"port": {"network_id": "${a}", "dns_name": "a\nb"}})", R"({"port": {"network_id": "${a}", "dns_name": "a b"}})",
          R"({"port": {"network_id": "${a}", "dns_name": "-a"}})"})
        n.run("POST", "/v2.0/ports", "member", 400, std::string(body));
    n.run("POST", "/v2.0/networks", "member", 400, R"({"network": {"dns_domain": "a\ndhcp-option=6,1.1.1.1"}})");
}

TEST_CASE("a subnet runs out of addresses") {
    Network n;
    n.net("a", "10.0.0.0/29");  // .1 gateway, .2 DHCP, .3-.6
    for (int i = 0; i < 4; ++i)
        n.run("POST", "/v2.0/ports", "member", 201, R"({"port": {"network_id": "${a}"}})", "", {{"p" + std::to_string(i), "port.id"}});
    n.run("POST", "/v2.0/ports", "member", 409, R"({"port": {"network_id": "${a}"}})",
          R"({"NeutronError": {"type": "IpAddressGenerationFailure", "message": "No more IP addresses available on network ${a}."}})");
    n.run("DELETE", "/v2.0/ports/${p1}", "member", 204);
    n.run("POST", "/v2.0/ports", "member", 201, R"({"port": {"network_id": "${a}"}})", R"({"port": {"fixed_ips": [{"ip_address": "10.0.0.4"}]}})");
}

TEST_CASE("the DHCP port follows the subnets") {
    Network n;
    n.net("a", "10.0.0.0/24");
    const auto dhcp = [&](std::string_view expect) {
        n.run("GET", "/v2.0/ports?network_id=${a}&device_owner=network:dhcp", "member", 200, "", expect);
    };
    dhcp(R"({"ports": [{"fixed_ips": [{"subnet_id": "${a_subnet}"}], "project_id": "${member_project}"}]})");
    n.run("POST", "/v2.0/subnets", "member", 201, R"({"subnet": {"network_id": "${a}", "ip_version": 4, "cidr": "10.0.1.0/24"}})", "",
          {{"second", "subnet.id"}});
    dhcp(R"({"ports": [{"fixed_ips": [{"subnet_id": "${a_subnet}"}, {"subnet_id": "${second}"}]}]})");
    n.run("PUT", "/v2.0/subnets/${a_subnet}", "member", 200, R"({"subnet": {"enable_dhcp": false}})");
    dhcp(R"({"ports": [{"fixed_ips": [{"subnet_id": "${second}"}]}]})");
    n.run("DELETE", "/v2.0/subnets/${second}", "member", 204);
    dhcp(R"({"ports": []})");
    n.run("PUT", "/v2.0/subnets/${a_subnet}", "member", 200, R"({"subnet": {"enable_dhcp": true}})");
    dhcp(R"({"ports": [{"fixed_ips": [{"subnet_id": "${a_subnet}"}]}]})");
}

}  // namespace
}  // namespace pilvi::testing
