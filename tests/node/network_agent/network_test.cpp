#include <doctest/doctest.h>

#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "base/fd.h"
#include "node/network_agent/node.h"

using namespace node_test;

namespace {

// Counts the programs that the agent runs.
class CountingRunner final : public CommandRunner {
public:
    explicit CountingRunner(CommandRunner& real) : real_(real) {}
    CommandResult run(const Command& command) override {
        ++count;
        return real_.run(command);
    }
    int count = 0;

private:
    CommandRunner& real_;
};

// Network 1 with two guests of the group "default" and one of a group without ingress rules.
json::object three_guests() {
    json::object set = empty_set();
    add(set, "networks", network(id('1'), 1001, "10.0.0.0/24", "10.0.0.1", id('d', 1), "fa:16:3e:00:00:d1", "10.0.0.2"));
    add(set, "ports", port(id('a', 1), id('1'), "fa:16:3e:00:00:a1", "10.0.0.11", id('5', 1)));
    add(set, "ports", port(id('a', 2), id('1'), "fa:16:3e:00:00:a2", "10.0.0.12", id('5', 1)));
    add(set, "ports", port(id('a', 3), id('1'), "fa:16:3e:00:00:a3", "10.0.0.13", id('5', 2)));
    auto& groups = set.at("security_groups").as_object();
    groups[id('5', 1)] =
        group({rule("egress"), rule("ingress", "", -1, -1, id('5', 1)), rule("ingress", "tcp", 8080, 8090)}, {"10.0.0.11", "10.0.0.12"});
    groups[id('5', 2)] = group({rule("egress")}, {"10.0.0.13"});
    return set;
}

void plug_three(Node& node) {
    for (int i = 1; i <= 3; ++i) node.plug_guest("g" + std::to_string(i), id('a', i), "fa:16:3e:00:00:a" + std::to_string(i));
}

// Ends the agent after the n-th program.
struct Killed {};
class KillingRunner final : public CommandRunner {
public:
    KillingRunner(CommandRunner& real, int left) : real_(real), left_(left) {}
    CommandResult run(const Command& command) override {
        CommandResult result = real_.run(command);
        if (--left_ == 0) throw Killed{};
        return result;
    }
    bool survived() const { return left_ > 0; }

private:
    CommandRunner& real_;
    int left_;
};

std::string status(const json::object& report, const std::string& port_id) {
    return std::string(report.at("ports").at(port_id).at("status").as_string());
}

bool no_taps() {
    const auto names = device_names();
    return std::none_of(names.begin(), names.end(), [](const std::string& name) { return name.starts_with("tap"); });
}

}  // namespace

TEST_CASE("guests of one network: DHCP, security groups, anti-spoofing") {
    Node node;
    json::object set = three_guests();
    json::object before = node.converge(set);
    CHECK(status(before, id('a', 1)) == "DOWN");
    plug_three(node);
    CHECK(node.dhcp("g1", "3").empty());  // plugged, but not wired yet: nothing passes
    json::object report = node.converge(set);
    for (int i = 1; i <= 3; ++i) CHECK(status(report, id('a', i)) == "ACTIVE");
    CHECK(status(report, id('d', 1)) == "ACTIVE");

    std::string lease = node.dhcp("g1");
    INFO(lease);
    CHECK(lease.find("ip=10.0.0.11\n") != std::string::npos);
    CHECK(lease.find("mask=24\n") != std::string::npos);
    CHECK(lease.find("router=10.0.0.1\n") != std::string::npos);
    CHECK(lease.find("mtu=1450\n") != std::string::npos);
    CHECK(lease.find("dns=192.0.2.53\n") != std::string::npos);
    CHECK(lease.find("hostname=guest\n") != std::string::npos);
    CHECK(lease.find("staticroutes=169.254.169.254/32 10.0.0.2 0.0.0.0/0 10.0.0.1\n") != std::string::npos);

    for (int i = 1; i <= 3; ++i) node.address("g" + std::to_string(i), "10.0.0.1" + std::to_string(i) + "/24");
    for (int i = 1; i <= 3; ++i) node.serve("g" + std::to_string(i), 8085), node.serve("g" + std::to_string(i), 22);
    CHECK(node.reaches("g1", "10.0.0.12"));  // same group
    CHECK(node.reaches("g2", "10.0.0.11"));
    CHECK_FALSE(node.ping("g3", "10.0.0.11"));   // no rule for ICMP from outside the group
    CHECK_FALSE(node.ping("g1", "10.0.0.13"));   // no ingress rule at all
    CHECK(node.reaches("g1", "10.0.0.2"));       // the DHCP port
    CHECK(node.opens("g3", "10.0.0.11", 8085));  // 8080-8090 is open to all
    CHECK_FALSE(node.tcp("g3", "10.0.0.11", 22));
    CHECK(node.opens("g1", "10.0.0.12", 22));  // remote group
    CHECK(node.seen_source("g3", "10.0.0.11", 8085) == "10.0.0.13");
}

TEST_CASE("guests of one network: what they may not do, and what changes") {
    Node node;
    json::object set = three_guests();
    node.converge(set);
    plug_three(node);
    node.converge(set);
    for (int i = 1; i <= 3; ++i) node.address("g" + std::to_string(i), "10.0.0.1" + std::to_string(i) + "/24");

    SUBCASE("a forged source address is dropped") {
        node.address("g1", "10.0.0.99/24");
        CHECK(node.reaches("g1", "10.0.0.12", "10.0.0.11"));  // finds the neighbour
        CHECK_FALSE(node.ping("g1", "10.0.0.12", "10.0.0.99"));
        CHECK(node.reaches("g1", "10.0.0.12", "10.0.0.11"));
    }
    SUBCASE("a forged MAC address is dropped") {
        node.shell({"/usr/bin/ip", "-n", "g1", "link", "set", "eth0", "address", "fa:16:3e:00:00:a2"});
        CHECK_FALSE(node.ping("g1", "10.0.0.12"));
    }
    SUBCASE("a guest cannot poison ARP") {
        node.shell({"/usr/bin/ip", "-n", "g2", "neigh", "flush", "all"}, false);
        node.shell({"/usr/bin/ip", "-n", "g3", "addr", "add", "10.0.0.2/24", "dev", "eth0"});
        node.spaces.announce("g3", "eth0", "10.0.0.2");
        CHECK(node.reaches("g2", "10.0.0.2"));
        CHECK(node.shell({"/usr/bin/ip", "-n", "g2", "neigh", "show"}).find("fa:16:3e:00:00:a3") == std::string::npos);
    }
    SUBCASE("a guest's DHCP server is not heard") {
        node.shell({"/usr/bin/ip", "netns", "exec", "g3", "/usr/sbin/dnsmasq", "--port=0", "--interface=eth0", "--bind-interfaces",
                    "--except-interface=lo", "--dhcp-range=10.0.0.200,10.0.0.210,1h", "--dhcp-authoritative", "--leasefile-ro", "--user=root",
                    "--pid-file=" + node.directory + "/rogue.pid"});
        for (int i = 0; i < 3; ++i) CHECK(node.dhcp("g1").find("serverid=10.0.0.2\n") != std::string::npos);
        ::kill(std::stoi(read_file(node.directory + "/rogue.pid")), SIGKILL);
    }
    SUBCASE("a removed rule closes established connections, an added one opens") {
        set.at("security_groups").at(id('5', 1)) = group({rule("egress")}, {"10.0.0.11", "10.0.0.12"});
        node.serve("g1", 8085);
        CHECK(node.opens("g3", "10.0.0.11", 8085));
        node.converge(set);
        CHECK_FALSE(node.ping("g1", "10.0.0.12"));
        CHECK_FALSE(node.tcp("g3", "10.0.0.11", 8085));
        set.at("security_groups").at(id('5', 2)) = group({rule("egress"), rule("ingress", "icmp")}, {"10.0.0.13"});
        node.converge(set);
        CHECK(node.reaches("g1", "10.0.0.13"));
    }
    SUBCASE("a rule that is not understood opens nothing") {
        json::object bad = rule("ingress", "tcp", 22, 22);
        bad["remote_ip_prefix"] = "10.0.0.0/99";
        set.at("security_groups").at(id('5', 2)) = group({rule("egress"), bad, rule("ingress", "esp", 1, 65535)}, {});
        node.serve("g3", 22);
        node.converge(set);
        CHECK_FALSE(node.tcp("g1", "10.0.0.13", 22));
    }
    SUBCASE("nothing changed: no program is run") {
        CountingRunner counting(node.runner);
        node.agent_runner = &counting;
        node.restart_agent();
        node.converge(set);
        CHECK(node.reaches("g1", "10.0.0.12"));
        counting.count = 0;
        node.converge(set);
        CHECK(counting.count == 0);
        node.agent_runner = &node.runner;
        node.restart_agent();
    }
}

TEST_CASE("IPv6: neighbours are found, rules hold, forged sources and router advertisements are dropped") {
    Node node;
    json::object set = three_guests();
    auto& ports = set.at("ports").as_array();
    for (std::size_t i = 0; i < 3; ++i) {
        ports[i].at("fixed_ips").as_array().push_back(json::object{{"subnet_id", id('6')}, {"ip_address", "2001:db8::1" + std::to_string(i + 1)}});
    }
    set.at("security_groups").at(id('5', 1)) = group(
        {rule("egress"), rule("egress", "", -1, -1, "", "IPv6"), rule("ingress", "", -1, -1, id('5', 1), "IPv6")}, {"2001:db8::11", "2001:db8::12"});
    set.at("security_groups").at(id('5', 2)) = group({rule("egress", "", -1, -1, "", "IPv6")}, {"2001:db8::13"});
    node.converge(set);
    plug_three(node);
    node.converge(set);
    for (int i = 1; i <= 3; ++i) {
        std::string guest = "g" + std::to_string(i);
        node.shell({"/usr/bin/ip", "-n", guest, "addr", "add", "2001:db8::1" + std::to_string(i) + "/64", "dev", "eth0", "nodad"});
    }
    CHECK(node.reaches("g1", "2001:db8::12"));
    CHECK_FALSE(node.ping("g1", "2001:db8::13"));
    CHECK_FALSE(node.ping("g3", "2001:db8::11"));
    node.shell({"/usr/bin/ip", "-n", "g1", "addr", "add", "2001:db8::99/64", "dev", "eth0", "nodad"});
    CHECK_FALSE(node.ping("g1", "2001:db8::12", "2001:db8::99"));
    std::string flows = node.shell({"/usr/bin/ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "unix:" + node.directory + "/ovs/br-int.mgmt"});
    CHECK(flows.find("icmp_type=134 actions=drop") != std::string::npos);
}

TEST_CASE("an Open vSwitch restart is closed, then restored") {
    Node node;
    json::object set = three_guests();
    node.converge(set);
    plug_three(node);
    node.converge(set);
    for (int i = 1; i <= 3; ++i) node.address("g" + std::to_string(i), "10.0.0.1" + std::to_string(i) + "/24");
    CHECK(node.reaches("g1", "10.0.0.12"));
    node.kill_switch();
    node.start_switch();
    CHECK_FALSE(node.ping("g1", "10.0.0.12"));
    CHECK_FALSE(node.ping("g1", "10.0.0.13"));
    node.converge(set);
    CHECK(node.reaches("g1", "10.0.0.12"));
    CHECK_FALSE(node.ping("g1", "10.0.0.13"));
    CHECK(node.dhcp("g1").find("ip=10.0.0.11\n") != std::string::npos);
}

TEST_CASE("a dnsmasq that ended is started again; an agent restart keeps everything") {
    Node node;
    json::object set = three_guests();
    node.converge(set);
    plug_three(node);
    node.converge(set);
    auto pids = node.reconciler->children();
    REQUIRE(pids.size() == 1);
    std::string ports =
        node.shell({"/usr/bin/ovs-vsctl", "--db=unix:" + node.directory + "/ovs/db.sock", "--columns=name,tag,other_config", "list", "Port"});
    node.restart_agent();
    node.converge(set);
    CHECK(node.reconciler->children() == pids);
    CHECK(ports ==
          node.shell({"/usr/bin/ovs-vsctl", "--db=unix:" + node.directory + "/ovs/db.sock", "--columns=name,tag,other_config", "list", "Port"}));
    ::kill(*pids.begin(), SIGKILL);
    CHECK(eventually([&] {  // its end is seen
        node.converge(set);
        return node.reconciler->children() != pids;
    }));
    CHECK(node.dhcp("g2").find("ip=10.0.0.12\n") != std::string::npos);
}

TEST_CASE("an agent that is killed after any of its programs: the next one ends the work") {
    Node node;
    json::object set = three_guests();
    node.converge(empty_set());
    bool survived = false;
    for (int n = 1; !survived && n < 40; ++n) {
        KillingRunner killing(node.runner, n);
        node.agent_runner = &killing;
        node.restart_agent();
        plug_three(node);
        try {
            node.converge(set, 3);
        } catch (const Killed&) {
        }
        survived = killing.survived();
        node.agent_runner = &node.runner;
        node.restart_agent();
        json::object report = node.converge(set);
        INFO(n);
        CHECK(status(report, id('a', 1)) == "ACTIVE");
        CHECK(status(report, id('d', 1)) == "ACTIVE");
        CHECK(node.dhcp("g1").find("ip=10.0.0.11\n") != std::string::npos);
        for (int i = 1; i <= 3; ++i) node.unplug_guest("g" + std::to_string(i), id('a', i));
        KillingRunner cleaning(node.runner, n);
        node.agent_runner = &cleaning;
        node.restart_agent();
        try {
            node.converge(empty_set(), 3);
        } catch (const Killed&) {
        }
        node.agent_runner = &node.runner;
        node.restart_agent();
        node.converge(empty_set());
        CHECK(node.spaces.list().empty());
        CHECK(eventually(no_taps));
    }
    CHECK(survived);
}

TEST_CASE("an address that went to another port is leased to the new one") {
    Node node;
    json::object set = three_guests();
    node.converge(set);
    plug_three(node);
    node.converge(set);
    CHECK(node.dhcp("g1").find("ip=10.0.0.11\n") != std::string::npos);
    set.at("ports").as_array()[0].as_object()["mac_address"] = "fa:16:3e:00:00:af";
    node.unplug_guest("g1", id('a', 1));
    node.plug_guest("g9", id('a', 1), "fa:16:3e:00:00:af");
    node.converge(set);
    CHECK(node.dhcp("g9").find("ip=10.0.0.11\n") != std::string::npos);
}

namespace {

// Two projects' networks with the same addresses, the first behind a router with a floating IP.
json::object routed() {
    json::object set = empty_set();
    add(set, "networks", network(id('1'), 1001, "10.0.0.0/24", "10.0.0.1", id('d', 1), "fa:16:3e:00:00:d1", "10.0.0.2"));
    add(set, "networks", network(id('2'), 1002, "10.0.0.0/24", "10.0.0.1", id('d', 2), "fa:16:3e:00:00:d2", "10.0.0.2"));
    add(set, "networks", public_network(id('9'), "172.24.4.0/24", "172.24.4.1"));
    add(set, "ports", port(id('a', 1), id('1'), "fa:16:3e:00:00:a1", "10.0.0.11", id('5', 1)));
    add(set, "ports", port(id('a', 2), id('1'), "fa:16:3e:00:00:a2", "10.0.0.12", id('5', 1)));
    add(set, "ports", port(id('b', 1), id('2'), "fa:16:3e:00:00:b1", "10.0.0.11", id('5', 1)));
    set.at("security_groups").as_object()[id('5', 1)] = group({rule("egress"), rule("ingress", "icmp"), rule("ingress", "tcp", 22, 22)}, {});
    auto interface = [](char letter, const std::string& network_id, const std::string& mac) {
        return json::object{{"port_id", id(letter, 1)},
                            {"mac_address", mac},
                            {"network_id", network_id},
                            {"fixed_ips", json::array{json::object{{"subnet_id", subnet_id(network_id)}, {"ip_address", "10.0.0.1"}}}},
                            {"subnets", json::array{json::object{{"id", subnet_id(network_id)}, {"cidr", "10.0.0.0/24"}}}}};
    };
    json::object gateway{{"port_id", id('c', 1)},
                         {"mac_address", "fa:16:3e:00:00:c1"},
                         {"network_id", id('9')},
                         {"fixed_ips", json::array{json::object{{"subnet_id", subnet_id(id('9'))}, {"ip_address", "172.24.4.10"}}}},
                         {"subnets", json::array{json::object{{"id", subnet_id(id('9'))}, {"cidr", "172.24.4.0/24"}, {"gateway_ip", "172.24.4.1"}}}}};
    json::object router{
        {"id", id('7')},
        {"project_id", "p"},
        {"admin_state_up", true},
        {"enable_snat", true},
        {"gateway", gateway},
        {"interfaces", json::array{interface('e', id('1'), "fa:16:3e:00:00:e1")}},
        {"floating_ips",
         json::array{
             json::object{{"id", id('f', 1)}, {"floating_ip_address", "172.24.4.100"}, {"fixed_ip_address", "10.0.0.11"}, {"port_id", id('a', 1)}}}},
        {"routes", json::array{}}};
    add(set, "routers", router);
    return set;
}

json::object start_routed(Node& node, const json::object& set) {
    node.converge(set);
    node.plug_guest("g1", id('a', 1), "fa:16:3e:00:00:a1");
    node.plug_guest("g2", id('a', 2), "fa:16:3e:00:00:a2");
    node.plug_guest("h1", id('b', 1), "fa:16:3e:00:00:b1");
    json::object report = node.converge(set);
    node.address("g1", "10.0.0.11/24", "10.0.0.1");
    node.address("g2", "10.0.0.12/24", "10.0.0.1");
    node.address("h1", "10.0.0.11/24", "10.0.0.1");
    node.serve("", 7000);
    for (const char* guest : {"g1", "g2", "h1"}) node.serve(guest, 22);
    return report;
}

}  // namespace

TEST_CASE("router: SNAT and floating IP; the same addresses twice are isolated") {
    Node node;
    json::object set = routed(), report = start_routed(node, set);
    CHECK(report.at("routers").at(id('7')).at("status") == "ACTIVE");
    CHECK(report.at("routers").at(id('7')).at("floating_ips").at(id('f', 1)) == "ACTIVE");
    CHECK(node.reaches("g2", "172.24.4.1"));
    CHECK(node.seen_source("g2", "172.24.4.1", 7000) == "172.24.4.10");   // SNAT
    CHECK(node.seen_source("g1", "172.24.4.1", 7000) == "172.24.4.100");  // its floating IP
    CHECK(node.reaches("", "172.24.4.100"));
    CHECK(node.seen_source("", "172.24.4.100", 22) == "172.24.4.1");
    CHECK_FALSE(node.tcp("", "172.24.4.100", 23));
    CHECK(node.seen_source("g2", "172.24.4.100", 22) == "172.24.4.10");  // hairpin
    // The other project's network with the same addresses.
    CHECK_FALSE(node.ping("h1", "10.0.0.12"));
    CHECK_FALSE(node.ping("h1", "172.24.4.1"));
    CHECK(node.reaches("h1", "10.0.0.2"));
    CHECK(node.reaches("g1", "10.0.0.12"));
}

TEST_CASE("router: guests reach what the host reaches where it masquerades") {
    Node node;
    node.shell({"/usr/bin/ip", "netns", "add", "outside"});
    node.shell({"/usr/bin/ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", "outside"});
    node.shell({"/usr/bin/ip", "address", "add", "198.51.100.1/24", "dev", "uplink"});
    node.shell({"/usr/bin/ip", "link", "set", "uplink", "up"});
    node.shell({"/usr/bin/ip", "-n", "outside", "link", "set", "eth0", "up"});
    node.address("outside", "198.51.100.7/24");  // no route back to the external network
    node.serve("outside", 7000);
    // As the metadata service of a cloud that the host is itself a guest of.
    node.shell({"/usr/bin/ip", "-n", "outside", "address", "add", "169.254.169.123/32", "dev", "eth0"});
    node.shell({"/usr/bin/ip", "route", "add", "169.254.169.123/32", "dev", "uplink"});
    const auto table = [&] { return node.shell({"/usr/sbin/nft", "list", "table", "ip", masquerade_table}, false); };
    json::object set = routed();
    start_routed(node, set);
    CHECK_FALSE(node.tcp("g1", "198.51.100.7", 7000));

    node.settings.masquerade = true;
    node.restart_agent();
    node.converge(set);
    CHECK(node.seen_source("g1", "198.51.100.7", 7000) == "198.51.100.1");  // with a floating IP
    CHECK(node.seen_source("g2", "198.51.100.7", 7000) == "198.51.100.1");
    CHECK(node.seen_source("g1", "172.24.4.1", 7000) == "172.24.4.100");  // not towards the host itself
    CHECK(node.seen_source("", "172.24.4.100", 22) == "172.24.4.1");
    CHECK(node.opens("", "169.254.169.123", 7000));
    CHECK_FALSE(node.tcp("g1", "169.254.169.123", 7000));
    // The host's firewall was loaded anew, and the host started anew.
    node.shell({"/usr/sbin/nft", "flush", "ruleset"});
    node.restart_agent();
    node.converge(set);
    CHECK(node.opens("g1", "198.51.100.7", 7000));
    node.settings.masquerade = false;
    node.restart_agent();
    node.converge(set);
    CHECK(table().find("No such file") != std::string::npos);
    CHECK_FALSE(node.tcp("g1", "198.51.100.7", 7000));
    node.shell({"/usr/bin/ip", "link", "del", "uplink"});
    node.shell({"/usr/bin/ip", "netns", "delete", "outside"});
}

TEST_CASE("router: floating IPs move, and teardown leaves nothing") {
    Node node;
    json::object set = routed();
    start_routed(node, set);

    SUBCASE("a connection through a floating IP ends with it") {
        node.serve_echo("", 7001);
        Echo floating = node.open_echo("g1", "172.24.4.1", 7001), shared = node.open_echo("g2", "172.24.4.1", 7001);
        CHECK(floating.works());
        CHECK(shared.works());
        set.at("routers").as_array()[0].at("floating_ips").as_array().clear();
        node.converge(set);
        CHECK_FALSE(floating.works(3000));
        CHECK(shared.works());
    }
    SUBCASE("a floating IP moves") {
        auto& item = set.at("routers").as_array()[0].at("floating_ips").as_array()[0].as_object();
        item["fixed_ip_address"] = "10.0.0.12";
        item["port_id"] = id('a', 2);
        node.converge(set);
        CHECK(node.seen_source("g2", "172.24.4.1", 7000) == "172.24.4.100");
        CHECK(node.seen_source("g1", "172.24.4.1", 7000) == "172.24.4.10");
        set.at("routers").as_array()[0].at("floating_ips").as_array().clear();
        node.converge(set);
        CHECK_FALSE(node.ping("", "172.24.4.100"));
    }
    SUBCASE("teardown") {
        node.unplug_guest("g1", id('a', 1));
        node.unplug_guest("g2", id('a', 2));
        node.unplug_guest("h1", id('b', 1));
        auto pids = node.reconciler->children();
        CHECK(pids.size() == 2);
        node.shell({"/usr/bin/ip", "netns", "add", router_namespace(id('8'))});  // an unknown one
        node.restart_agent();
        node.converge(empty_set());
        CHECK(node.spaces.list().empty());
        for (int pid : pids) CHECK(eventually([&] { return !std::filesystem::exists("/proc/" + std::to_string(pid) + "/exe"); }));
        CHECK(eventually(no_taps));
        std::string ports = node.shell({"/usr/bin/ovs-vsctl", "--db=unix:" + node.directory + "/ovs/db.sock", "list-ports", "br-int"});
        CHECK(ports == "int-br-ex\npatch-tun\n");
        CHECK(Dnsmasq(node.runner, node.settings.dhcp_directory).networks().empty());
        std::string flows =
            node.shell({"/usr/bin/ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "dump-flows", "unix:" + node.directory + "/ovs/br-int.mgmt"});
        CHECK(flows.find("reg5") == std::string::npos);
        CHECK(flows.find("in_port") == std::string::npos);
    }
}
