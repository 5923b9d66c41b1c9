#include "fixture.h"
#include "outbox.h"

namespace pilvi::testing {
namespace {

TEST_CASE("agents: heartbeats, what they serve, versions") {
    Network n;
    n.net("a", "10.0.0.0/24");
    n.run("POST", "/v2.0/routers", "member", 201, R"({"router": {}})", "", {{"r", "router.id"}});
    n.run("PUT", "/v2.0/routers/${r}/add_router_interface", "member", 200, R"({"subnet_id": "${a_subnet}"})");
    n.run("GET", "/v2.0/agents", "admin", 200, "", R"({"agents": []})");
    n.run("GET", "/agent/v1/nodes/node1/desired", "member", 403);
    n.run("GET", "/agent/v1/nodes/node1/desired", "", 401);
    n.run("GET", "/agent/v1/nodes/no%20de/desired", "service", 400);
    n.run("GET", "/agent/v1/nodes/node1/desired?revision=x", "service", 400);
    n.desired("node1");
    n.run("GET", "/v2.0/agents", "admin", 200, "", R"({"agents": []})");
    n.report("node1", "{}");
    n.run("GET", "/v2.0/agents", "member", 200, "", R"({"agents": []})");
    n.run(
        "GET", "/v2.0/agents?sort_key=binary&sort_dir=asc", "admin", 200, "",
        R"({"agents": [{"binary": "neutron-dhcp-agent", "agent_type": "DHCP agent", "host": "node1", "alive": true, "admin_state_up": true, "topic": "dhcp_agent",
              "availability_zone": "nova", "heartbeat_timestamp": "<matches:20[0-9-]+ [0-9:]+>", "configurations": {}},
              {"binary": "neutron-l3-agent", "agent_type": "L3 agent"}, {"binary": "neutron-metadata-agent", "availability_zone": null},
              {"binary": "neutron-openvswitch-agent", "agent_type": "Open vSwitch agent"}]})",
        {{"agent", "agents.0.id"}});
    n.run("GET", "/v2.0/ports?device_owner=network:dhcp", "admin", 200, "",
          R"({"ports": [{"binding:host_id": "node1", "device_id": "<matches:dhcp[0-9a-f-]+>"}]})");
    n.run("GET", "/v2.0/ports?device_owner=network:router_interface", "admin", 200, "", R"({"ports": [{"binding:host_id": "node1"}]})");
    n.run("GET", "/v2.0/networks/${a}/dhcp-agents", "admin", 200, "", R"({"agents": [{"host": "node1"}]})");
    n.run("GET", "/v2.0/routers/${r}/l3-agents", "admin", 200, "", R"({"agents": [{"host": "node1"}]})");
    n.run("GET", "/v2.0/availability_zones", "member", 200, "",
          R"({"availability_zones": [{"name": "nova", "resource": "network", "state": "available"}, {"name": "nova", "resource": "router"}]})");
    n.run("PUT", "/v2.0/agents/${agent}", "admin", 200, R"({"agent": {"admin_state_up": false, "description": "off"}})",
          R"({"agent": {"admin_state_up": false}})");
    n.report(
        "node1",
        R"({"ports": {}, "networks": {}, "routers": {}, "agent": {"tunnel_ip": "192.0.2.1", "bridge_mappings": {"public": "br-ex"}, "datapath": "netdev"}})");
    n.run("GET", "/v2.0/agents?binary=neutron-openvswitch-agent", "admin", 200, "",
          R"({"agents": [{"configurations": {"tunneling_ip": "192.0.2.1", "bridge_mappings": {"public": "br-ex"}, "datapath_type": "netdev"}}]})");
    n.now += 80'000'000;
    n.run("GET", "/v2.0/agents?host=node1&binary=neutron-l3-agent", "admin", 200, "", R"({"agents": [{"alive": false}]})");
    n.run("GET", "/v2.0/agents?alive=true", "admin", 200, "", R"({"agents": []})");
    n.desired("node1");
    n.run("GET", "/v2.0/agents?alive=true&binary=neutron-l3-agent", "admin", 200, "", R"({"agents": [{"alive": true}]})");
    n.run("GET", "/v2.0/agents/${agent}", "member", 404);
    n.run("DELETE", "/v2.0/agents/${agent}", "member", 404);
    n.run("DELETE", "/v2.0/agents/${agent}", "admin", 204);

    n.run("GET", "/", "", 200, "", R"({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self"}]}]})");
    n.run("GET", "/v2.0/", "member", 200, "", R"({"resources": {"<contains>": [{"name": "network", "collection": "networks"}]}})");
    n.run("GET", "/v2.0/extensions", "member", 200, "", R"({"extensions": {"<contains>": [{"alias": "security-group"}, {"alias": "router"}]}})");
    n.run("GET", "/v2.0/extensions/router", "member", 200, "", R"({"extension": {"alias": "router", "links": []}})");
    n.run("GET", "/v2.0/extensions/zebra", "member", 404);
    n.run("GET", "/v2.0/network-ip-availabilities/${a}", "admin", 200, "",
          R"({"network_ip_availability": {"total_ips": 253, "used_ips": 2, "subnet_ip_availability": [{"cidr": "10.0.0.0/24", "total_ips": 253}]}})");
    n.run("GET", "/v2.0/zebras", "member", 404);
    n.run("GET", "/v2.0/zebras", "", 401);
    n.run("PATCH", "/v2.0/networks", "member", 405);
}

TEST_CASE("agents: what a node serves comes and goes with its reports") {
    Network n;
    n.net("a", "10.0.0.0/24");
    n.run("POST", "/v2.0/routers", "member", 201, R"({"router": {}})", "", {{"r", "router.id"}});
    n.run("PUT", "/v2.0/routers/${r}/add_router_interface", "member", 200, R"({"subnet_id": "${a_subnet}"})");
    const auto binaries = [&](const std::string& host, const std::string& expected) {
        n.run("GET", "/v2.0/agents?sort_key=binary&sort_dir=asc&fields=binary&host=" + host, "admin", 200, "", R"({"agents": [)" + expected + "]}");
    };
    const auto served_by = [&](const std::string& dhcp, const std::string& l3) {
        n.run("GET", "/v2.0/ports?device_owner=network:dhcp", "admin", 200, "", R"({"ports": [{"binding:host_id": ")" + dhcp + R"("}]})");
        n.run("GET", "/v2.0/ports?device_owner=network:router_interface", "admin", 200, "", R"({"ports": [{"binding:host_id": ")" + l3 + R"("}]})");
    };
    const std::string all = R"({"binary": "neutron-dhcp-agent"}, {"binary": "neutron-l3-agent"}, {"binary": "neutron-metadata-agent"},
        {"binary": "neutron-openvswitch-agent"})";
    // A node that only runs servers takes neither.
    n.report("compute1", R"({"agent": {"serves": []}})");
    binaries("compute1", R"({"binary": "neutron-openvswitch-agent"})");
    served_by("", "");
    n.report("net1", R"({"agent": {"serves": ["dhcp", "l3"]}})");
    binaries("net1", all);
    served_by("net1", "net1");
    n.report("net2", R"({"agent": {"serves": ["dhcp", "l3"]}})");
    served_by("net1", "net1");
    const std::int64_t before = n.revision("net2");
    n.report("net1", R"({"agent": {"serves": ["dhcp"]}})");
    binaries("net1", R"({"binary": "neutron-dhcp-agent"}, {"binary": "neutron-metadata-agent"}, {"binary": "neutron-openvswitch-agent"})");
    served_by("net1", "net2");
    CHECK(n.revision("net2") > before);
    n.report("net1", R"({"agent": {"serves": []}})");
    n.report("net2", R"({"agent": {"serves": []}})");
    served_by("", "");
    n.report("compute1", R"({"agent": {"serves": ["dhcp", "l3"]}})");
    binaries("compute1", all);
    served_by("compute1", "compute1");
}

TEST_CASE("the desired set says all that a node has to make") {
    Network n;
    n.report("node1", "{}");
    n.report("node2", R"({"agent": {"tunnel_ip": "192.0.2.2"}})");
    n.net("a", "10.0.0.0/24");
    n.outside("a");
    n.run("POST", "/v2.0/security-groups", "member", 201, R"({"security_group": {"name": "g"}})", "", {{"g", "security_group.id"}});
    n.run(
        "POST", "/v2.0/security-group-rules", "member", 201,
        R"({"security_group_rule": {"security_group_id": "${g}", "direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}})");
    n.run("POST", "/v2.0/ports", "admin", 201, R"({"port": {"network_id": "${a}", "project_id": "${member_project}", "device_owner": "compute:nova",
        "device_id": "11111111-1111-4111-8111-111111111111", "binding:host_id": "node1", "security_groups": ["${g}"],
        "allowed_address_pairs": [{"ip_address": "10.0.0.200"}], "dns_name": "vm"}})",
          "", {{"p", "port.id"}});
    n.run("POST", "/v2.0/floatingips", "member", 201, R"({"floatingip": {"floating_network_id": "${public}", "port_id": "${p}"}})", "",
          {{"f", "floatingip.id"}});
    const auto check = [&](const json::value& actual, std::string_view expected) {
        const auto difference = mismatch(parse_json(substitute(expected, n.cases.vars)), actual, "desired");
        CHECK_MESSAGE(!difference, difference.value_or(""));
    };
    const json::value set = n.desired("node1");
    check(set, R"({
        "networks": {"<contains>": [
            {"id": "${a}", "network_type": "vxlan", "segmentation_id": 1, "physical_network": null, "mtu": 1450, "external": false, "admin_state_up": true,
             "dns_domain": "openstacklocal", "dhcp_port": {"id": "<uuid>", "mac_address": "<text>", "fixed_ips": [{"subnet_id": "${a_subnet}", "ip_address": "10.0.0.2"}]},
             "subnets": [{"id": "${a_subnet}", "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1", "enable_dhcp": true, "dns_nameservers": [], "host_routes": []}]},
            {"id": "${public}", "network_type": "flat", "physical_network": "public", "external": true}]},
        "ports": {"<contains>": [
            {"id": "${p}", "network_id": "${a}", "host": "node1", "device_owner": "compute:nova", "port_security_enabled": true, "security_group_ids": ["${g}"],
             "fixed_ips": [{"ip_address": "10.0.0.3"}], "allowed_address_pairs": [{"ip_address": "10.0.0.200"}], "hostname": "vm", "admin_state_up": true}]},
        "security_groups": {"${g}": {"members": ["10.0.0.200", "10.0.0.3"], "rules": {"<contains>": [
            {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": null, "remote_group_id": null}]}}},
        "routers": [{"id": "${r}", "enable_snat": true, "admin_state_up": true,
            "gateway": {"port_id": "<uuid>", "network_id": "${public}", "fixed_ips": [{"ip_address": "203.0.113.3"}],
                        "subnets": [{"cidr": "203.0.113.0/24", "gateway_ip": "203.0.113.1"}]},
            "interfaces": [{"network_id": "${a}", "fixed_ips": [{"ip_address": "10.0.0.1"}], "subnets": [{"cidr": "10.0.0.0/24"}]}],
            "floating_ips": [{"id": "${f}", "fixed_ip_address": "10.0.0.3", "port_id": "${p}"}], "routes": []}],
        "peers": [{"host": "node2", "tunnel_ip": "192.0.2.2"}]})");
    const std::int64_t before = n.revision("node1");
    n.run("PUT", "/v2.0/ports/${p}", "member", 200, R"({"port": {"admin_state_up": false}})");
    CHECK(n.revision("node1") > before);
}

TEST_CASE("reports change statuses and tell compute") {
    Network n;
    n.report("node1", "{}");
    n.net("a", "10.0.0.0/24");
    n.outside("a");
    const std::string port = R"({"port": {"network_id": "${a}", "project_id": "${member_project}", "device_owner": "compute:nova",
        "device_id": "11111111-1111-4111-8111-111111111111", "binding:host_id": "node1"}})";
    n.run("POST", "/v2.0/ports", "admin", 201, port, R"({"port": {"status": "DOWN", "binding:vif_type": "ovs"}})", {{"p", "port.id"}});
    n.run("POST", "/v2.0/floatingips", "member", 201, R"({"floatingip": {"floating_network_id": "${public}", "port_id": "${p}"}})", "",
          {{"f", "floatingip.id"}});
    const auto report = [&](const std::string& status, const std::string& host = "node1") {
        n.report(host, R"({"ports": {"${p}": {"status": ")" + status + R"(", "reason": ""}}, "networks": {}, "agent": {},
            "routers": {"${r}": {"status": "ACTIVE", "reason": "", "floating_ips": {"${f}": ")" +
                           status + R"("}}}})");
    };
    const auto status = [&](std::string_view expected) {
        n.run("GET", "/v2.0/ports/${p}", "member", 200, "", R"({"port": {"status": ")" + std::string(expected) + "\"}}");
    };
    // Another node cannot speak for this port.
    report("ACTIVE", "node2");
    status("DOWN");
    report("ACTIVE");
    status("ACTIVE");
    n.run("GET", "/v2.0/floatingips/${f}", "member", 200, "", R"({"floatingip": {"status": "ACTIVE"}})");
    CHECK(n.count("SELECT count(*) FROM outbox WHERE name = 'network-vif-plugged' AND server_id = '11111111-1111-4111-8111-111111111111'") == 1);
    report("ACTIVE");
    CHECK(n.count("SELECT count(*) FROM outbox WHERE name = 'network-vif-plugged'") == 1);
    report("DOWN");
    status("DOWN");
    CHECK(n.count("SELECT count(*) FROM outbox WHERE name = 'network-vif-unplugged'") == 1);
    report("ACTIVE");
    // Unbound and bound again between two reports: the node's last word counts.
    n.run("PUT", "/v2.0/ports/${p}", "admin", 200, R"({"port": {"binding:host_id": ""}})", R"({"port": {"status": "DOWN"}})");
    n.run("PUT", "/v2.0/ports/${p}", "admin", 200, R"({"port": {"binding:host_id": "node1"}})", R"({"port": {"status": "ACTIVE"}})");
    n.run("PUT", "/v2.0/ports/${p}", "admin", 200, R"({"port": {"binding:host_id": "node9"}})", R"({"port": {"status": "DOWN"}})");
    n.run("DELETE", "/v2.0/ports/${p}", "admin", 204);
    CHECK(n.count("SELECT count(*) FROM outbox WHERE name = 'network-vif-deleted'") == 1);
}

TEST_CASE("the outbox loses nothing and gives up what nobody wants") {
    Network n;
    const auto queue = [&](const std::string& event, const std::string& server) {
        n.store->write([&](Tx& tx) {
            tx.insert("outbox", {{"id", server + event},
                                 {"name", event},
                                 {"server_id", server},
                                 {"port_id", "p"},
                                 {"created_at", n.now},
                                 {"due_at", n.now},
                                 {"attempts", 0}});
        });
    };
    std::vector<json::object> sent;
    std::function<std::pair<int, json::value>()> answer;
    network::Outbox outbox(
        *n.store,
        [&](const json::object& body) {
            sent.push_back(body);
            return answer();
        },
        [&] { return n.now; });
    CHECK(outbox.flush() == 0);
    queue("network-vif-plugged", "a");
    queue("network-vif-plugged", "b");
    answer = []() -> std::pair<int, json::value> { throw Error(Errc::unavailable, "nobody"); };
    CHECK(outbox.flush() == 0);
    CHECK(n.count("SELECT count(*) FROM outbox") == 2);
    CHECK(outbox.flush() == 0);
    CHECK(sent.size() == 1);  // the second is not due yet
    n.now += 60'000'000;
    answer = [] { return std::pair<int, json::value>(207, parse_json(R"({"events": [{"code": 200}, {"code": 422}]})")); };
    CHECK(outbox.flush() == 1);
    CHECK(array_or_empty(sent.back(), "events").size() == 2);
    CHECK(string_or(array_or_empty(sent.back(), "events")[0].as_object(), "status") == "completed");
    n.now += 60'000'000;
    answer = [] { return std::pair<int, json::value>(503, nullptr); };
    CHECK(outbox.flush() == 0);
    n.now += 11LL * 60 * 1'000'000;
    CHECK(outbox.flush() == 0);  // compute is not well: nothing is given up
    n.now += 60'000'000;
    answer = [] { return std::pair<int, json::value>(404, nullptr); };
    CHECK(outbox.flush() == 1);
    CHECK(n.count("SELECT count(*) FROM outbox") == 0);
    queue("network-vif-deleted", "c");
    CHECK(outbox.flush() == 1);
}

}  // namespace
}  // namespace pilvi::testing
