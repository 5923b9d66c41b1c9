#include <doctest/doctest.h>

#include "control.h"
#include "handler.h"
#include "node/network_agent/node.h"

using namespace node_test;

namespace {

// pilvi-metadata as its main() wires it, with services that know one server at 10.0.0.11 in each of two networks.
struct MetadataServer {
    metadata::Source source{{.network_url = "http://n", .compute_url = "http://c", .ttl = std::chrono::milliseconds(0)},
                            [](const std::string& url) { return fetch(url); },
                            [](const std::string&, const json::object&) { return 404; }};
    metadata::SourceLimit limit{{}};
    metadata::Handler handler{source, limit};
    http::Server server{handler, {}};
    std::unique_ptr<metadata::Control> control;

    explicit MetadataServer(const std::string& path) {
        server.start();
        control = std::make_unique<metadata::Control>(
            path, metadata::Listeners{.adopt = [this](UniqueFd fd, const std::string& network) { server.adopt(std::move(fd), network); },
                                      .forget = [this](const std::string& network) { server.forget(network); }});
    }
    static std::optional<json::value> fetch(const std::string& url) {
        for (char which : {'1', '2'}) {
            std::string server_id = id('a', which - '0');
            if (url.find("network_id=" + id(which)) != std::string::npos) {
                if (url.find("ip_address%3D10.0.0.11&") == std::string::npos) return parse_json(R"({"ports":[]})");
                return parse_json(R"({"ports":[{"device_id":")" + server_id + R"(","device_owner":"compute:nova","project_id":"p"}]})");
            }
            if (url == "http://c/agent/v1/servers/" + server_id + "/metadata") {
                return parse_json(std::string(R"({"project_id":"p","meta_data":{"hostname":"server-)") + which + R"("},"ec2":{}})");
            }
        }
        return std::nullopt;
    }
};

std::string ask(Node& node, const std::string& guest, const std::string& path, const std::string& header = {}) {
    std::vector<std::string> argv{"/usr/bin/ip", "netns", "exec", guest, "/usr/bin/curl", "-s", "-m", "60"};
    if (!header.empty()) argv.insert(argv.end(), {"-H", header});
    argv.push_back("http://169.254.169.254" + path);
    return node.shell(argv, false);
}

json::object two_networks() {
    json::object set = empty_set();
    for (int i : {1, 2}) {
        std::string digit = std::to_string(i);
        std::string network_id = id(digit[0]);
        add(set, "networks", network(network_id, 1000 + i, "10.0.0.0/24", "10.0.0.1", id('d', i), "fa:16:3e:00:00:d" + digit, "10.0.0.2"));
        add(set, "ports", port(id('a', i), network_id, "fa:16:3e:00:00:a" + digit, "10.0.0.11", id('5', 1)));
        add(set, "ports", port(id('b', i), network_id, "fa:16:3e:00:00:b" + digit, "10.0.0.12", id('5', 1)));
    }
    set.at("security_groups").as_object()[id('5', 1)] = group({rule("egress")}, {});
    set.at("peers").as_array().emplace_back(json::object{{"host", "other"}, {"tunnel_ip", "192.0.2.2"}});
    return set;
}

}  // namespace

TEST_CASE("the metadata server knows a guest by its network, whatever it sends, and outlives restarts") {
    Node node;
    node.settings.metadata_socket = node.directory + "/control.sock";
    node.restart_agent();
    auto server = std::make_unique<MetadataServer>(node.settings.metadata_socket);
    json::object set = two_networks();
    node.converge(set);
    for (int i : {1, 2}) {
        std::string digit = std::to_string(i);
        node.plug_guest("a" + digit, id('a', i), "fa:16:3e:00:00:a" + digit);
        node.plug_guest("b" + digit, id('b', i), "fa:16:3e:00:00:b" + digit);
    }
    node.converge(set);
    CHECK(node.dhcp("a1").find("staticroutes=169.254.169.254/32 10.0.0.2 ") != std::string::npos);
    for (int i : {1, 2}) {
        std::string digit = std::to_string(i);
        node.address("a" + digit, "10.0.0.11/24", "10.0.0.2");
        node.address("b" + digit, "10.0.0.12/24", "10.0.0.2");
    }
    CHECK(ask(node, "a1", "/latest/meta-data/hostname") == "server-1");
    CHECK(ask(node, "a2", "/latest/meta-data/hostname") == "server-2");
    CHECK(ask(node, "b1", "/latest/meta-data/hostname") == "404 Not Found\n");
    CHECK(ask(node, "b1", "/latest/meta-data/hostname", "X-Forwarded-For: 10.0.0.11") == "404 Not Found\n");
    CHECK(ask(node, "a1", "/latest/meta-data/hostname", "X-Pilvi-Listener: " + id('2')) == "server-1");

    // Without a route from DHCP: through the router's interface.
    json::object interface {
        {"port_id", id('e', 2)}, {"mac_address", "fa:16:3e:00:00:e2"}, {"network_id", id('2')},
            {"fixed_ips", json::array{json::object{{"subnet_id", subnet_id(id('2'))}, {"ip_address", "10.0.0.1"}}}}, {
            "subnets", json::array {
                json::object {
                    {"id", subnet_id(id('2'))}, { "cidr", "10.0.0.0/24" }
                }
            }
        }
    };
    add(set, "routers",
        {{"id", id('7')},
         {"project_id", "p"},
         {"admin_state_up", true},
         {"enable_snat", true},
         {"gateway", nullptr},
         {"interfaces", json::array{interface}},
         {"floating_ips", json::array{}},
         {"routes", json::array{}}});
    node.converge(set);
    node.address("a2", "10.0.0.11/24", "10.0.0.1");
    CHECK(ask(node, "a2", "/latest/meta-data/hostname") == "server-2");
    node.address("a2", "10.0.0.11/24", "10.0.0.2");
    CHECK(ask(node, "a2", "/latest/meta-data/hostname") == "server-2");

    server.reset();
    server = std::make_unique<MetadataServer>(node.settings.metadata_socket);
    node.converge(set);  // the watcher asks for this pass
    CHECK(ask(node, "a2", "/latest/meta-data/hostname") == "server-2");

    set.at("routers").as_array().clear();
    set.at("networks").as_array().erase(set.at("networks").as_array().begin() + 1);
    node.converge(set);
    CHECK(ask(node, "a1", "/latest/meta-data/hostname") == "server-1");
    CHECK(MetadataControl(node.settings.metadata_socket).list() == std::set<std::string>{id('1')});
    for (const auto& name : node.spaces.list()) CHECK(name != dhcp_namespace(id('2')));
}

TEST_CASE("with a peer, the network reaches into the tunnel") {
    Node node;
    json::object set = two_networks();
    node.converge(set);
    node.converge(set);
    std::string flows =
        node.shell({"/usr/bin/ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "dump-flows", "unix:" + node.directory + "/ovs/br-tun.mgmt"});
    INFO(flows);
    CHECK(flows.find("tun_id=0x3e9") != std::string::npos);
    CHECK(flows.find("table=22, priority=1,dl_vlan=1") != std::string::npos);
    CHECK(flows.find("learn(table=20") != std::string::npos);
}
