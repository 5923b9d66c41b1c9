#include <doctest/doctest.h>

#include <regex>

#include "base/text.h"
#include "steps/flows.h"

using namespace pilvi;
using namespace pilvi::network_agent;

namespace {

AddressPair pair(const char* address, const char* mac) { return {.address = *Cidr::parse(address), .mac = mac}; }

WiredPort guest(int ofport, int vlan, const char* mac, const char* address) {
    return {.id = "p" + std::to_string(ofport),
            .ofport = ofport,
            .vlan = vlan,
            .mac = mac,
            .filtered = true,
            .addresses = {pair(address, mac)},
            .security_groups = {"g"}};
}

SecurityRule rule(bool ingress, const char* protocol = "", std::optional<int> first = {}, std::optional<int> last = {}, int version = 4) {
    static int number = 0;
    return {.id = "r" + std::to_string(++number), .ingress = ingress, .version = version, .protocol = protocol, .port_min = first, .port_max = last};
}

// The lines of the flows whose key has `part`.
std::string with(const FlowSet& flows, const std::string& part) {
    std::string text;
    for (const auto& [key, actions] : flows) {
        if (key.find(part) != std::string::npos) text += key + " -> " + actions + "\n";
    }
    return text;
}

FlowSet rules_of(const std::vector<SecurityRule>& rules, std::map<std::string, std::string>* refused = nullptr, std::vector<Cidr> members = {}) {
    FlowSet flows;
    ConjunctionIds ids;
    std::map<std::string, std::string> unused;
    compile_rules(flows, guest(5, 1, "fa:16:3e:00:00:05", "10.0.0.5"), {{"g", {.rules = rules, .members = std::move(members)}}}, ids,
                  refused ? *refused : unused);
    return flows;
}

}  // namespace

TEST_CASE("port ranges become masks that cover exactly the range") {
    CHECK(port_masks(22, 22) == std::vector<std::string>{"22"});
    CHECK(port_masks(8080, 8090) == std::vector<std::string>{"0x1f90/0xfff8", "0x1f98/0xfffe", "8090"});
    CHECK(port_masks(0, 65535) == std::vector<std::string>{"0x0/0x0"});
    CHECK(port_masks(1, 65535).size() == 16);
    for (auto [first, last] : {std::pair{1, 65535}, {80, 8080}, {1023, 1025}, {0, 0}, {65535, 65535}, {3000, 3999}}) {
        std::vector<bool> covered(65536);
        for (const auto& text : port_masks(first, last)) {
            auto parts = split(text, '/');
            unsigned long value = std::stoul(parts[0], nullptr, 0), mask = parts.size() > 1 ? std::stoul(parts[1], nullptr, 0) : 0xffff;
            for (unsigned long port = 0; port < 65536; ++port) {
                if ((port & mask) == value) {
                    CHECK_FALSE(covered[port]);
                    covered[port] = true;
                }
            }
        }
        bool exact = true;
        for (int port = 0; port < 65536; ++port) exact = exact && covered[static_cast<std::size_t>(port)] == (port >= first && port <= last);
        CHECK(exact);
    }
}

TEST_CASE("rules become conntrack flows") {
    CHECK(flow_file(rules_of({rule(true, "tcp", 22, 22)})) ==
          "table=82,priority=77,reg5=5,ct_state=+est-rel-rpl,tcp,tp_dst=22,actions=output:5\n"
          "table=82,priority=77,reg5=5,ct_state=+new-est,tcp,tp_dst=22,actions=ct(commit,zone=1),output:5\n");
    SecurityRule to = rule(false, "udp", 53, 53);
    to.remote_prefix = Cidr::parse("192.0.2.7/24");
    CHECK(flow_file(rules_of({to})) ==
          "table=72,priority=77,reg5=5,ct_state=+est-rel-rpl,udp,tp_dst=53,nw_dst=192.0.2.0/24,actions=resubmit(,73)\n"
          "table=72,priority=77,reg5=5,ct_state=+new-est,udp,tp_dst=53,nw_dst=192.0.2.0/24,actions=resubmit(,73)\n");
    CHECK(with(rules_of({rule(true)}), "+new").find("+new-est,ip ->") != std::string::npos);
    CHECK(with(rules_of({rule(true, "", {}, {}, 6)}), "+new").find("+new-est,ipv6 ->") != std::string::npos);
    CHECK(with(rules_of({rule(true, "icmp", 8, 0)}), "+new").find("icmp,icmp_type=8,icmp_code=0 ->") != std::string::npos);
    CHECK(with(rules_of({rule(true, "icmp", {}, {}, 6)}), "+new").find(",icmp6 ->") != std::string::npos);
    CHECK(with(rules_of({rule(true, "47")}), "+new").find("ip,nw_proto=47 ->") != std::string::npos);
    CHECK(with(rules_of({rule(true, "tcp", 80, {})}), "+new").empty());
}

TEST_CASE("a rule that is not understood allows nothing and says why") {
    std::map<std::string, std::string> refused;
    SecurityRule prefix = rule(true, "tcp", 22, 22);
    prefix.defect = "remote_ip_prefix";
    SecurityRule unknown_group = rule(true);
    unknown_group.remote_group = "nowhere";
    SecurityRule both = rule(true);
    both.remote_group = "g";
    both.remote_prefix = Cidr::parse("10.0.0.0/8");
    std::vector<SecurityRule> bad = {prefix,
                                     unknown_group,
                                     both,
                                     rule(true, "nonsense"),
                                     rule(true, "256"),
                                     rule(true, "tcp", 90, 80),
                                     rule(true, "tcp", 1, 70000),
                                     rule(true, "esp", 1, 2),
                                     rule(true, "", 1, 2),
                                     rule(true, "icmp", 300, {}),
                                     rule(true, "icmp", {}, 3)};
    CHECK(rules_of(bad, &refused).empty());
    CHECK(refused.size() == bad.size());
    FlowSet flows;
    ConjunctionIds ids;
    compile_rules(flows, guest(5, 1, "fa:16:3e:00:00:05", "10.0.0.5"), {}, ids, refused);
    CHECK(flows.empty());
    CHECK(refused.contains("g"));
}

TEST_CASE("a remote group is one conjunction, however many members and rules") {
    SecurityRule all = rule(true), ssh = rule(true, "tcp", 22, 22);
    all.remote_group = ssh.remote_group = "g";
    FlowSet flows =
        rules_of({all, ssh}, nullptr, {*Cidr::parse("10.0.0.5"), *Cidr::parse("10.0.0.6"), *Cidr::parse("10.9.0.0/16"), *Cidr::parse("2001:db8::1")});
    CHECK(flow_file(flows) ==
          "table=82,priority=70,reg5=5,ct_state=+est-rel-rpl,conj_id=1,ip,actions=output:5\n"
          "table=82,priority=70,reg5=5,ct_state=+new-est,conj_id=1,ip,actions=ct(commit,zone=1),output:5\n"
          "table=82,priority=70,reg5=5,ip,actions=conjunction(1,2/2)\n"
          "table=82,priority=70,reg5=5,tcp,tp_dst=22,actions=conjunction(1,2/2)\n"
          "table=82,priority=70,reg6=1,ip,nw_src=10.0.0.5/32,actions=conjunction(1,1/2)\n"
          "table=82,priority=70,reg6=1,ip,nw_src=10.0.0.6/32,actions=conjunction(1,1/2)\n"
          "table=82,priority=70,reg6=1,ip,nw_src=10.9.0.0/16,actions=conjunction(1,1/2)\n");
}

TEST_CASE("a port sends only what is its own") {
    ConjunctionIds ids;
    WiredPort port = guest(5, 3, "fa:16:3e:00:00:05", "10.0.0.5");
    port.addresses.push_back(pair("10.0.0.100/32", "00:00:5e:00:01:01"));
    port.addresses.push_back(pair("2001:db8::5", "fa:16:3e:00:00:05"));
    FlowSet flows = compile_integration({{.vlan = 3}}, {port}, {}, ids).flows;
    CHECK(flows.at("table=0,priority=0") == "drop");
    CHECK(flows.at("table=71,priority=0") == "drop");
    CHECK(flows.at("table=0,priority=100,in_port=5,vlan_tci=0x0000/0x1fff") == "load:3->NXM_NX_REG6[],load:5->NXM_NX_REG5[],resubmit(,71)");
    CHECK(with(flows, "arp_spa=10.0.0") ==
          "table=71,priority=95,reg5=5,dl_src=00:00:5e:00:01:01,arp,arp_sha=00:00:5e:00:01:01,arp_spa=10.0.0.100 -> resubmit(,73)\n"
          "table=71,priority=95,reg5=5,dl_src=fa:16:3e:00:00:05,arp,arp_sha=fa:16:3e:00:00:05,arp_spa=10.0.0.5 -> resubmit(,73)\n");
    CHECK(with(flows, ",ip,nw_src=") ==
          "table=71,priority=90,reg5=5,dl_src=00:00:5e:00:01:01,ip,nw_src=10.0.0.100 -> ct(table=72,zone=3)\n"
          "table=71,priority=90,reg5=5,dl_src=fa:16:3e:00:00:05,ip,nw_src=10.0.0.5 -> ct(table=72,zone=3)\n");
    CHECK(flows.at("table=71,priority=96,reg5=5,udp,tp_src=67,tp_dst=68") == "drop");
    CHECK(flows.at("table=71,priority=96,reg5=5,icmp6,icmp_type=134") == "drop");
    CHECK(flows.contains("table=71,priority=90,reg5=5,dl_src=fa:16:3e:00:00:05,ipv6,ipv6_src=2001:db8::5"));
    CHECK(flows.contains("table=71,priority=90,reg5=5,dl_src=fa:16:3e:00:00:05,ipv6,ipv6_src=fe80::f816:3eff:fe00:0005"));
    CHECK(flows.at("table=73,priority=100,reg6=3,dl_dst=00:00:5e:00:01:01") == "load:5->NXM_NX_REG5[],resubmit(,81)");
}

TEST_CASE("frames go where the network's ports are") {
    ConjunctionIds ids;
    WiredPort a = guest(5, 1, "fa:16:3e:00:00:05", "10.0.0.5"), b = guest(6, 1, "fa:16:3e:00:00:06", "10.0.0.6");
    WiredPort dhcp{.id = "d", .ofport = 7, .vlan = 1, .mac = "fa:16:3e:00:00:07", .filtered = false};
    WiredPort other{.id = "o", .ofport = 8, .vlan = 2, .mac = "fa:16:3e:00:00:08", .filtered = false};
    FlowSet flows = compile_integration({{.vlan = 1, .remote = WiredNetwork::Remote::tunnel, .remote_ofport = 2, .segmentation_id = 1001},
                                         {.vlan = 2, .remote = WiredNetwork::Remote::flat, .remote_ofport = 3, .bridge = "br-ex"}},
                                        {a, b, dhcp, other}, {}, ids)
                        .flows;
    CHECK(with(flows, "table=94") ==
          "table=94,priority=0 -> drop\n"
          "table=94,priority=10,reg6=1 -> output:7,push_vlan:0x8100,set_field:4097->vlan_vid,output:2\n"
          "table=94,priority=10,reg6=2 -> output:8,push_vlan:0x8100,set_field:4098->vlan_vid,output:3\n"
          "table=94,priority=15,reg6=1,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 -> "
          "load:5->NXM_NX_REG5[],resubmit(,81),load:6->NXM_NX_REG5[],resubmit(,81),"
          "output:7,push_vlan:0x8100,set_field:4097->vlan_vid,output:2\n"
          "table=94,priority=15,reg6=2,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 -> output:8,push_vlan:0x8100,set_field:4098->vlan_vid,output:3\n"
          "table=94,priority=20,reg6=1,dl_dst=fa:16:3e:00:00:07 -> output:7\n"
          "table=94,priority=20,reg6=2,dl_dst=fa:16:3e:00:00:08 -> output:8\n");
    CHECK(with(flows, "in_port=2") == "table=0,priority=50,in_port=2,dl_vlan=1 -> pop_vlan,load:1->NXM_NX_REG6[],resubmit(,73)\n");
    CHECK(with(flows, "in_port=3") == "table=0,priority=50,in_port=3,vlan_tci=0x0000/0x1fff -> load:2->NXM_NX_REG6[],resubmit(,73)\n");
}

TEST_CASE("br-tun and provider bridges") {
    std::vector<WiredNetwork> networks = {
        {.vlan = 1, .remote = WiredNetwork::Remote::tunnel, .remote_ofport = 2, .segmentation_id = 1001},
        {.vlan = 2, .remote = WiredNetwork::Remote::flat, .remote_ofport = 3, .bridge = "br-ex"},
        {.vlan = 4, .remote = WiredNetwork::Remote::vlan, .remote_ofport = 3, .segmentation_id = 77, .bridge = "br-ex"}};
    FlowSet tunnel = compile_tunnel(networks, 1, {20, 21});
    CHECK(tunnel.at("table=4,priority=1,tun_id=1001") == "push_vlan:0x8100,set_field:4097->vlan_vid,resubmit(,10)");
    CHECK(tunnel.at("table=22,priority=1,dl_vlan=1") == "pop_vlan,set_field:1001->tun_id,output:20,output:21");
    CHECK(with(tunnel, "in_port") ==
          "table=0,priority=1,in_port=1 -> resubmit(,2)\ntable=0,priority=1,in_port=20 -> resubmit(,4)\ntable=0,priority=1,in_port=21 -> "
          "resubmit(,4)\n");
    CHECK_FALSE(compile_tunnel(networks, 1, {}).contains("table=22,priority=1,dl_vlan=1"));
    CHECK(flow_file(compile_provider("br-ex", networks, 9)) ==
          "table=0,priority=0,actions=NORMAL\ntable=0,priority=2,in_port=9,actions=drop\ntable=0,priority=4,in_port=9,dl_vlan=2,actions=pop_vlan,"
          "NORMAL\n"
          "table=0,priority=4,in_port=9,dl_vlan=4,actions=set_field:4173->vlan_vid,NORMAL\n");
}

TEST_CASE("only differences are applied") {
    FlowSet from{{"table=0,priority=1,a", "x"}, {"table=0,priority=2,b", "y"}}, to{{"table=0,priority=2,b", "z"}, {"table=0,priority=3,c", "w"}};
    CHECK(flow_changes(from, from).empty());
    CHECK(flow_changes(from, to) == "delete_strict table=0,priority=1,a\nadd table=0,priority=2,b,actions=z\nadd table=0,priority=3,c,actions=w\n");
}
