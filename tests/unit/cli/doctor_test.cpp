// One of each kind is planted in what the node and the APIs show, and is to be reported; and nothing else is.
#include <doctest/doctest.h>

#include <algorithm>

#include "cli/doctor/judge.h"

using namespace pilvi;
using namespace pilvi::cli;

namespace {

const std::string server = "11111111-2222-4333-8444-555555555555", port = "21111111-2222-4333-8444-555555555555",
                  network = "31111111-2222-4333-8444-555555555555", router = "41111111-2222-4333-8444-555555555555",
                  nobody = "deadbeef-2222-4333-8444-555555555555", provider = "51111111-2222-4333-8444-555555555555";

NodeView healthy_node() {
    NodeView node;
    node.has_libvirt = node.has_switch = node.has_namespaces = true;
    node.instances_path = "/i";
    node.roles = {"controller", "compute", "network"};
    node.domains = {{.id = server, .name = "instance-00000001", .running = true, .ours = true}};
    node.instance_directories = {server};
    node.fail_modes = {{"br-int", "secure"}};
    node.datapaths = {{"br-int", "netdev"}, {"br-tun", "netdev"}, {"br-phy", "netdev"}};
    node.addresses = {{"192.0.2.1", "br-phy"}, {"192.0.2.7", "eth0"}};
    node.ports = {{.bridge = "br-int", .name = "tap21111111-22", .type = "", .ofport = 5, .external_ids = {{"iface-id", port}}},
                  {.bridge = "br-int", .name = "br-int", .type = "internal", .ofport = 65534},
                  {.bridge = "br-tun", .name = "vxlan-c0000202", .type = "vxlan", .ofport = 2, .options = {{"local_ip", "192.0.2.1"}}}};
    node.links = {"lo", "tap21111111-22"};
    node.namespaces = {"qdhcp-" + network, "qrouter-" + router, "other"};
    node.dnsmasqs = {{77, network}};
    node.flows = {{.bridge = "br-int", .text = "in_port=5 actions=output:5", .ports = {5}}};
    return node;
}

CloudView healthy_cloud() {
    CloudView cloud;
    cloud.compute = cloud.network = cloud.placement = cloud.image = cloud.identity = true;
    cloud.servers[server] = {.id = server, .host = "node1", .status = "ACTIVE"};
    cloud.ports[port] = {.id = port, .network_id = network, .device_id = server, .device_owner = "compute:nova", .host = "node1"};
    cloud.networks = {network};
    cloud.routers = {router};
    cloud.agents = {{.kind = "nova-compute", .host = "node1", .up = true}};
    cloud.providers = {{provider, "node1"}};
    cloud.allocations = {{server, provider}};
    return cloud;
}

// Exactly one finding, of that kind and about that object.
void check_one(const NodeView& node, const CloudView& cloud, const std::string& kind, const std::string& object, bool leak = true) {
    const std::vector<Finding> findings = judge(node, cloud, "node1");
    for (const Finding& f : findings) INFO(f.kind, " ", f.object, " ", f.message);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].kind == kind);
    CHECK(findings[0].object.find(object) != std::string::npos);
    CHECK(findings[0].leak == leak);
    CHECK_FALSE(findings[0].remedy.empty());
}

}  // namespace

TEST_CASE("a healthy node has no findings") { CHECK(judge(healthy_node(), healthy_cloud(), "node1").empty()); }

TEST_CASE("each kind of leak is reported") {
    NodeView node = healthy_node();
    CloudView cloud = healthy_cloud();
    SUBCASE("domain") {
        node.domains.push_back({.id = nobody, .name = "instance-0000beef", .running = true, .ours = true});
        check_one(node, cloud, "domain", nobody);
    }
    SUBCASE("domain of a server that is elsewhere") {
        cloud.servers[nobody] = {.id = nobody, .host = "node2", .status = "ACTIVE"};
        node.domains.push_back({.id = nobody, .name = "instance-0000beef", .running = true, .ours = true});
        check_one(node, cloud, "domain", nobody);
    }
    SUBCASE("instance directory") {
        node.instance_directories.push_back(nobody);
        check_one(node, cloud, "instance directory", "/i/" + nobody);
    }
    SUBCASE("switch port") {
        node.ports.push_back({.bridge = "br-int", .name = "tapdeadbeef-22", .ofport = 6, .external_ids = {{"iface-id", nobody}}});
        check_one(node, cloud, "switch port", "tapdeadbeef-22");
    }
    SUBCASE("switch port without an id") {
        node.ports.push_back({.bridge = "br-int", .name = "qr-deadbeef-22", .ofport = 6});
        check_one(node, cloud, "switch port", "qr-deadbeef-22");
    }
    SUBCASE("tap") {
        node.links.push_back("tapdeadbeef-22");
        check_one(node, cloud, "tap", "tapdeadbeef-22");
    }
    SUBCASE("flow") {
        node.flows.push_back({.bridge = "br-int", .text = "in_port=9 actions=drop", .ports = {9}});
        check_one(node, cloud, "flow", "in_port=9");
    }
    SUBCASE("DHCP namespace") {
        node.namespaces.push_back("qdhcp-" + nobody);
        check_one(node, cloud, "namespace", "qdhcp-" + nobody);
    }
    SUBCASE("router namespace") {
        node.namespaces.push_back("qrouter-" + nobody);
        check_one(node, cloud, "namespace", "qrouter-" + nobody);
    }
    SUBCASE("dnsmasq") {
        node.dnsmasqs.push_back({88, nobody});
        check_one(node, cloud, "dnsmasq", "88");
    }
    SUBCASE("allocation") {
        cloud.allocations.push_back({nobody, provider});
        check_one(node, cloud, "allocation", nobody);
    }
    SUBCASE("port of a server") {
        cloud.ports[nobody] = {.id = nobody, .network_id = network, .device_id = nobody, .device_owner = "compute:nova"};
        check_one(node, cloud, "port", nobody);
    }
    SUBCASE("port of a router") {
        cloud.ports[nobody] = {.id = nobody, .network_id = network, .device_id = nobody, .device_owner = "network:router_interface"};
        check_one(node, cloud, "port", nobody);
    }
    SUBCASE("part of an image") {
        node.stale_parts.push_back("/b/x.part");
        check_one(node, cloud, "image part", "/b/x.part");
    }
    SUBCASE("data of no image") {
        node.unknown_image_data.emplace_back("local", "file:///s/" + nobody);
        check_one(node, cloud, "image data", "file:///s/" + nobody);
    }
}

TEST_CASE("each kind of problem is reported") {
    NodeView node = healthy_node();
    CloudView cloud = healthy_cloud();
    SUBCASE("unit that failed") {
        node.units.push_back({.name = "pilvi-image.service", .state = "failed", .result = "exit-code"});
        check_one(node, cloud, "unit", "pilvi-image", false);
    }
    SUBCASE("unit that should run") {
        node.units.push_back({.name = "pilvi-image.service", .state = "inactive", .enabled = true});
        check_one(node, cloud, "unit", "pilvi-image", false);
    }
    SUBCASE("unit of a role that the node has not") {
        node.roles = {"compute"};
        node.units.push_back({.name = "pilvi-image.service", .state = "inactive", .enabled = true});
        CHECK(judge(node, cloud, "node1").empty());
    }
    SUBCASE("tunnels that no packet leaves through") {
        node.ports.back().options["local_ip"] = "192.0.2.7";
        check_one(node, cloud, "tunnel", "192.0.2.7", false);
        node.ports.back().options["local_ip"] = "192.0.2.8";
        check_one(node, cloud, "tunnel", "192.0.2.8", false);
        node.datapaths["br-tun"] = "system";
        CHECK(judge(node, cloud, "node1").empty());
    }
    SUBCASE("agent that is silent") {
        cloud.agents[0].up = false;
        check_one(node, cloud, "agent", "nova-compute on node1", false);
    }
    SUBCASE("bridge that fails open") {
        node.fail_modes["br-int"] = "standalone";
        check_one(node, cloud, "bridge", "br-int", false);
    }
    SUBCASE("server without a domain") {
        node.domains.clear();
        check_one(node, cloud, "server", server, false);
    }
    SUBCASE("API that is silent") {
        cloud.compute = false;
        cloud.troubles = {"the compute API: nobody answers"};
        cloud.servers.clear();
        check_one(node, cloud, "API", "the compute API", false);
    }
}

TEST_CASE("what the programs print") {
    const auto ports = parse_interfaces(
        R"({"data": [["tapx", "internal", 3, ["map", [["iface-id", "a"]]], ["set", []], ["map", []]],
                     ["tapy", "", -1, ["map", []], "no such device", ["map", [["local_ip", "192.0.2.1"]]]]],
        "headings": ["name", "type", "ofport", "external_ids", "error", "options"]})",
        {{"tapx", "br-int"}});
    REQUIRE(ports.size() == 2);
    CHECK(ports[0].ofport == 3);
    CHECK(ports[0].bridge == "br-int");
    CHECK(ports[0].external_ids.at("iface-id") == "a");
    CHECK(ports[0].error.empty());
    CHECK(ports[1].error == "no such device");
    CHECK(ports[1].options.at("local_ip") == "192.0.2.1");
    CHECK(ports_of_flow("table=0, priority=5,in_port=7,ip actions=output:9,resubmit(,2)") == std::set<std::int64_t>{7, 9});
    CHECK(ports_of_flow("in_port=LOCAL actions=learn(table=1,output:NXM_OF_IN_PORT[]),NORMAL").empty());
    const auto units = parse_units(
        "Id=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nMainPID=7\nNRestarts=2\n\nId=b."
        "service\nLoadState=not-found\n");
    REQUIRE(units.size() == 1);
    CHECK(units[0].pid == 7);
    CHECK(units[0].restarts == 2);
    CHECK(units[0].enabled);
}
