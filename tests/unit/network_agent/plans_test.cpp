#include <doctest/doctest.h>

#include "base/error.h"
#include "drivers/ovsdb.h"
#include "settings.h"
#include "steps/bridges.h"
#include "steps/dhcp.h"
#include "steps/router.h"

using namespace pilvi;
using namespace pilvi::network_agent;

namespace {

constexpr const char* net = "11111111-1111-4111-8111-111111111111";
constexpr const char* sub = "22222222-2222-4222-8222-222222222222";
constexpr const char* dhcp_id = "dddddddd-dddd-4ddd-8ddd-dddddddddddd";

Network network() {
    Network n{.id = net, .type = "vxlan", .segmentation_id = 1001, .mtu = 1450};
    n.subnets = {{.id = sub,
                  .cidr = *Cidr::parse("10.0.0.0/24"),
                  .gateway = IpAddress::parse("10.0.0.1"),
                  .enable_dhcp = true,
                  .dns_nameservers = {*IpAddress::parse("192.0.2.53"), *IpAddress::parse("2001:db8::53")},
                  .host_routes = {{*Cidr::parse("10.9.0.0/16"), *IpAddress::parse("10.0.0.9")}}}};
    n.dhcp_port = OwnPort{.id = dhcp_id, .mac = "fa:16:3e:00:00:d1", .network_id = net, .fixed_ips = {{sub, *IpAddress::parse("10.0.0.2")}}};
    return n;
}

OvsSnapshot snapshot_with(std::vector<OvsPort> ports) {
    OvsSnapshot snapshot;
    snapshot.bridges["br-int"] = {.name = "br-int", .datapath_type = "netdev", .fail_mode = "secure"};
    for (auto& port : ports) snapshot.ports[port.name] = port;
    return snapshot;
}

OvsPort plugged(const char* name, const char* id, int tag = 0, const char* network_id = nullptr, int ofport = 5) {
    OvsPort port{.name = name, .bridge = "br-int", .tag = tag};
    if (network_id) port.other_config["net_uuid"] = network_id;
    port.interfaces = {{.name = name, .ofport = ofport, .external_ids = {{"iface-id", id}}}};
    return port;
}

std::string text(const OvsCommands& commands) {
    std::string all;
    for (const auto& command : commands) {
        for (const auto& word : command) all += (word == command.front() ? "" : " ") + word;
        all += "\n";
    }
    return all;
}

}  // namespace

TEST_CASE("dnsmasq's files") {
    Network n = network();
    Port a{.id = "a", .mac = "fa:16:3e:00:00:0a", .fixed_ips = {{sub, *IpAddress::parse("10.0.0.10")}}, .hostname = "web-1"};
    Port b{.id = "b", .mac = "fa:16:3e:00:00:0b", .fixed_ips = {{sub, *IpAddress::parse("10.0.0.11")}}};
    DhcpPlan plan = plan_dhcp(n, {&a, &b}, "/d", "nobody");
    CHECK(plan.serves);
    CHECK(plan.hosts == "fa:16:3e:00:00:0a,10.0.0.10,web-1\nfa:16:3e:00:00:0b,10.0.0.11,host-10-0-0-11\n");
    std::string tag = std::string("tag:subnet-") + sub;
    CHECK(plan.options == tag + ",option:classless-static-route,169.254.169.254/32,10.0.0.2,10.9.0.0/16,10.0.0.9,0.0.0.0/0,10.0.0.1\n" + tag +
                              ",249,169.254.169.254/32,10.0.0.2,10.9.0.0/16,10.0.0.9,0.0.0.0/0,10.0.0.1\n" + tag + ",option:router,10.0.0.1\n" + tag +
                              ",option:dns-server,192.0.2.53\n" + tag + ",option:mtu,1450\n");
    CHECK(plan.config.find(std::string("dhcp-range=set:subnet-") + sub + ",10.0.0.0,static,255.255.255.0,86400s\n") != std::string::npos);
    CHECK(plan.config.find("interface=ns-dddddddd-dd\n") != std::string::npos);
    REQUIRE(plan.space.devices.size() == 1);
    CHECK(plan.space.name == std::string("qdhcp-") + net);
    CHECK(plan.space.devices[0].outside == "tapdddddddd-dd");
    CHECK(plan.space.devices[0].addresses == std::vector<std::string>{"10.0.0.2/24", "169.254.169.254/32"});
    n.subnets[0].gateway.reset();
    n.subnets[0].dns_nameservers.clear();
    plan = plan_dhcp(n, {}, "/d", "nobody");
    CHECK(plan.options.find("option:router\n") != std::string::npos);
    CHECK(plan.options.find("0.0.0.0/0") == std::string::npos);
    n.subnets[0].enable_dhcp = false;
    CHECK_FALSE(plan_dhcp(n, {}, "/d", "nobody").serves);
}

TEST_CASE("a lease that went or changed restarts dnsmasq, a new one does not") {
    CHECK_FALSE(needs_restart("", "m1,10.0.0.1,a\n"));
    CHECK_FALSE(needs_restart("m1,10.0.0.1,a\n", "m0,10.0.0.0,b\nm1,10.0.0.1,a\n"));
    CHECK(needs_restart("m1,10.0.0.1,a\n", "m2,10.0.0.1,a\n"));
    CHECK(needs_restart("m1,10.0.0.1,a\n", ""));
}

TEST_CASE("nothing that a user names can become an option") {
    CHECK(dhcp_name("web-1") == "web-1");
    CHECK(dhcp_name("web\ndhcp-option=3,6.6.6.6") == "webdhcp-option36.6.6.6");
    CHECK(dhcp_name("a,set:evil") == "asetevil");
    CHECK(dhcp_name("--x--") == "x");
    CHECK(dhcp_name("\xc3\xa4.\n.") == "");
    CHECK(dhcp_name(std::string(100, 'a')).size() == 63);
    CHECK(dhcp_name("example.org.") == "example.org");
    Network n = network();
    n.dns_domain = "x\ndhcp-script=/bin/sh";
    Port a{.id = "a", .mac = "fa:16:3e:00:00:0a", .fixed_ips = {{sub, *IpAddress::parse("10.0.0.10")}}, .hostname = "x\nfa:16:3e:00:00:0b,10.0.0.99"};
    DhcpPlan plan = plan_dhcp(n, {&a}, "/d", "nobody");
    CHECK(std::count(plan.hosts.begin(), plan.hosts.end(), '\n') == 1);
    CHECK(plan.options.find("\ndhcp-script") == std::string::npos);
}

TEST_CASE("a router's ruleset and namespace") {
    Router router{.id = "77777777-7777-4777-8777-777777777777"};
    router.interfaces = {{.id = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa",
                          .mac = "fa:16:3e:00:00:01",
                          .network_id = net,
                          .fixed_ips = {{sub, *IpAddress::parse("10.0.0.1")}},
                          .subnets = {{.id = sub, .cidr = *Cidr::parse("10.0.0.0/24")}}}};
    CHECK(router_ruleset(router) == "table ip pilvi\ndelete table ip pilvi\ntable ip pilvi {\n}\n");
    constexpr const char* external = "33333333-3333-4333-8333-333333333333";
    router.gateway = OwnPort{.id = "cccccccc-cccc-4ccc-8ccc-cccccccccccc",
                             .mac = "fa:16:3e:00:00:02",
                             .network_id = "99999999-9999-4999-8999-999999999999",
                             .fixed_ips = {{external, *IpAddress::parse("172.24.4.10")}},
                             .subnets = {{.id = external, .cidr = *Cidr::parse("172.24.4.0/24"), .gateway = IpAddress::parse("172.24.4.1")}}};
    router.floating_ips = {{"f", *IpAddress::parse("172.24.4.100"), *IpAddress::parse("10.0.0.11"), "p"}};
    router.routes = {{*Cidr::parse("10.8.0.0/16"), *IpAddress::parse("10.0.0.8")}};
    CHECK(router_ruleset(router) == R"(table ip pilvi
delete table ip pilvi
table ip pilvi {
  chain mark_external {
    type filter hook prerouting priority mangle; policy accept;
    iifname "qg-cccccccc-cc" meta mark set 0x2
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 172.24.4.100 dnat to 10.0.0.11
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ip daddr 172.24.4.100 dnat to 10.0.0.11
  }
  chain external {
    ip saddr 10.0.0.11 snat to 172.24.4.100
    snat to 172.24.4.10
  }
  chain hairpin {
    ip saddr 10.0.0.11 snat to 172.24.4.100
    snat to 172.24.4.10
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "qg-cccccccc-cc" goto external
    meta mark != 0x2 ct status dnat goto hairpin
  }
}
)");
    CHECK(masquerade_ruleset("172.24.4.1/24", "br-ex") == R"(table ip pilvi-masquerade
delete table ip pilvi-masquerade
table ip pilvi-masquerade {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 172.24.4.0/24 oifname != { "lo", "br-ex" } masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr 172.24.4.0/24 ip daddr 169.254.0.0/16 drop
  }
}
)");
    CHECK(masquerade_ruleset("", "") == "table ip pilvi-masquerade\ndelete table ip pilvi-masquerade\n");
    router.enable_snat = false;
    CHECK(router_ruleset(router).find("  chain external {\n    ip saddr 10.0.0.11 snat to 172.24.4.100\n  }") != std::string::npos);
    RouterPlan plan = plan_router(router, {{net, network()}});
    REQUIRE(plan.space.devices.size() == 2);
    CHECK(plan.space.devices[0].inside == "qr-aaaaaaaa-aa");
    CHECK(plan.space.devices[0].outside == "tapaaaaaaaa-aa");
    CHECK(plan.space.devices[0].addresses == std::vector<std::string>{"10.0.0.1/24", "169.254.169.254/32"});
    CHECK(plan.space.devices[1].addresses == std::vector<std::string>{"172.24.4.10/24", "172.24.4.100/32"});
    REQUIRE(plan.space.routes.size() == 2);
    CHECK(plan.space.routes[0].via == "172.24.4.1");
    CHECK(plan.space.routes[1].destination == "10.8.0.0/16");
    router.admin_state_up = false;
    CHECK(plan_router(router, {}).space.devices.empty());
}

TEST_CASE("connections of a floating IP end with its mapping") {
    Router router{.id = "r"};
    constexpr const char* external = "33333333-3333-4333-8333-333333333333";
    router.gateway = OwnPort{.id = "g", .mac = "", .network_id = "", .fixed_ips = {{external, *IpAddress::parse("172.24.4.10")}}};
    auto connection = [](const char* os, const char* od, const char* rs, const char* rd) {
        return Connection{*IpAddress::parse(os), *IpAddress::parse(od), *IpAddress::parse(rs), *IpAddress::parse(rd)};
    };
    Connection in = connection("9.9.9.9", "172.24.4.100", "10.0.0.11", "9.9.9.9"),
               out = connection("10.0.0.11", "9.9.9.9", "9.9.9.9", "172.24.4.100");
    Connection shared = connection("10.0.0.11", "9.9.9.9", "9.9.9.9", "172.24.4.10"),
               plain = connection("10.0.0.11", "10.1.0.5", "10.1.0.5", "10.0.0.11");
    CHECK(contradicts(router, in));
    CHECK(contradicts(router, out));
    CHECK_FALSE(contradicts(router, shared));
    CHECK_FALSE(contradicts(router, plain));
    router.floating_ips = {{"f", *IpAddress::parse("172.24.4.100"), *IpAddress::parse("10.0.0.11"), "p"}};
    for (const auto& one : {in, out, shared, plain}) CHECK_FALSE(contradicts(router, one));
    router.floating_ips[0].fixed = *IpAddress::parse("10.0.0.12");
    CHECK(contradicts(router, in));
    CHECK(contradicts(router, out));
}

TEST_CASE("a namespace converges from whatever is there") {
    NamespacePlan plan{.name = "qrouter-x",
                       .devices = {{.inside = "qr-1", .outside = "tap1", .mac = "fa:16:3e:00:00:01", .mtu = 1450, .addresses = {"10.0.0.1/24"}}},
                       .routes = {{.destination = "0.0.0.0/0", .via = "10.0.0.254", .device = ""}}};
    NamespaceChanges fresh = plan_namespace(plan, {});
    CHECK(fresh.outside ==
          std::vector<std::string>{"netns add qrouter-x",
                                   "link add tap1 mtu 1450 type veth peer name qr-1 address fa:16:3e:00:00:01 mtu 1450 netns qrouter-x",
                                   "link set tap1 up"});
    CHECK(fresh.inside ==
          std::vector<std::string>{"link set lo up", "addr add 10.0.0.1/24 dev qr-1", "link set qr-1 up", "route replace 0.0.0.0/0 via 10.0.0.254"});
    CHECK(fresh.announce.size() == 1);
    NamespaceState state{.exists = true,
                         .devices = {{"lo", {.up = true, .addresses = {"127.0.0.1/8"}}},
                                     {"qr-1", {.mac = "fa:16:3e:00:00:01", .mtu = 1450, .up = true, .addresses = {"10.0.0.1/24"}}}},
                         .routes = {"0.0.0.0/0 via 10.0.0.254 dev qr-1"}};
    CHECK(plan_namespace(plan, state).empty());
    state.devices["qr-1"].addresses = {"10.0.0.9/24"};
    state.devices["qr-2"] = {.up = true};
    state.routes = {"0.0.0.0/0 via 10.0.0.7 dev qr-1", "10.8.0.0/16 via 10.0.0.8 dev qr-1"};
    CHECK(plan_namespace(plan, state).inside == std::vector<std::string>{"addr del 10.0.0.9/24 dev qr-1", "addr add 10.0.0.1/24 dev qr-1",
                                                                         "link del qr-2", "route replace 0.0.0.0/0 via 10.0.0.254",
                                                                         "route del 10.8.0.0/16 via 10.0.0.8 dev qr-1"});
}

TEST_CASE("local VLANs are remembered in OVSDB") {
    std::set<std::string> networks = {"a", "b", "c"};
    OvsSnapshot snapshot = snapshot_with({plugged("tap1", "1", 7, "b"), plugged("tap2", "2", 1, "gone"), plugged("tap3", "3", 7, "c")});
    auto vlans = assign_local_vlans(networks, snapshot);
    CHECK(vlans["b"] == 7);
    CHECK(vlans["a"] == 1);
    CHECK(vlans["c"] == 2);  // 7 is b's
    CHECK(remembers(snapshot, "b", 7));
    CHECK_FALSE(remembers(snapshot, "a", 1));
    CHECK(text(plan_tags({{"tap1", "b"}, {"tap3", "c"}}, vlans, snapshot)) == "set Port tap3 tag=2 other_config:net_uuid=c\n");
    std::set<std::string> many;
    for (int i = 0; i < 4095; ++i) many.insert(std::to_string(i));
    CHECK_THROWS_AS(assign_local_vlans(many, {}), Error);
}

TEST_CASE("bridges are closed from the first moment, and patched together") {
    BridgeSettings settings{.datapath = "netdev", .mappings = {{"public", "br-ex"}}};
    std::string all = text(plan_bridges(settings, {}));
    CHECK(all.find("add-br br-int\nset Bridge br-int datapath_type=netdev fail_mode=secure\n") == 0);
    CHECK(all.find("add-br br-ex\nset Bridge br-ex datapath_type=netdev\n") != std::string::npos);
    CHECK(all.find("set Interface int-br-ex type=patch options:peer=phy-br-ex") != std::string::npos);
    CHECK(choose_datapath("auto", {}, false) == "netdev");
    CHECK(choose_datapath("auto", {}, true) == "system");
    CHECK(choose_datapath("auto", snapshot_with({}), true) == "netdev");
    CHECK(choose_datapath("system", {}, false) == "system");
}

TEST_CASE("tunnels follow the peers") {
    OvsSnapshot snapshot;
    OvsPort old{.name = "vxlan-c0000209", .bridge = "br-tun"};
    old.interfaces = {{.name = old.name, .type = "vxlan", .options = {{"remote_ip", "192.0.2.9"}, {"local_ip", "192.0.2.1"}}}};
    snapshot.ports[old.name] = old;
    std::vector<IpAddress> peers = {*IpAddress::parse("192.0.2.2"), *IpAddress::parse("192.0.2.1")};
    CHECK(text(plan_tunnels(peers, "192.0.2.1", snapshot)) ==
          "add-port br-tun vxlan-c0000202\nset Interface vxlan-c0000202 type=vxlan options:remote_ip=192.0.2.2 options:local_ip=192.0.2.1 "
          "options:key=flow "
          "options:dst_port=4789 external_ids:pilvi-owner=network-agent\ndel-port vxlan-c0000209\n");
    CHECK(text(plan_tunnels({*IpAddress::parse("192.0.2.9")}, "192.0.2.1", snapshot)).empty());
    CHECK(text(plan_tunnels(peers, "", {})).empty());
}

TEST_CASE("tunnels of the userspace datapath need their address on a bridge") {
    OvsSnapshot snapshot;
    snapshot.bridges["br-phy"] = {.name = "br-phy", .datapath_type = "netdev"};
    CHECK(tunnel_obstacle("netdev", "192.0.2.1", "br-phy", snapshot).empty());
    CHECK(tunnel_obstacle("netdev", "192.0.2.1", "eth0", snapshot).find("192.0.2.1 is on eth0") != std::string::npos);
    CHECK(tunnel_obstacle("netdev", "192.0.2.1", "", snapshot).find("no interface") != std::string::npos);
    CHECK(tunnel_obstacle("netdev", "", "", snapshot).empty());
    CHECK(tunnel_obstacle("system", "192.0.2.1", "eth0", snapshot).empty());
}

TEST_CASE("own ports that are not wanted and dead ports of guests go, living ones stay") {
    OvsPort own = plugged("tapold", "x");
    own.interfaces[0].external_ids[owner_key] = owner_value;
    OvsSnapshot snapshot = snapshot_with({own, plugged("tapdead", "gone", 1, net, -1), plugged("tapwaiting", "known", 1, net, -1),
                                          plugged("taplive", "gone2"), plugged("tapodd", "gone3", 0, nullptr, -1)});
    CHECK(text(plan_ports({}, {"known"}, {"tapodd"}, snapshot)) == "--if-exists del-port br-int tapdead\n--if-exists del-port br-int tapold\n");
    CHECK(text(plan_ports({{.device = "tapnew", .port_id = "n", .mac = "fa:16:3e:00:00:01", .network_id = net}}, {}, {}, snapshot_with({}))) ==
          "add-port br-int tapnew\nset Interface tapnew external_ids:iface-id=n external_ids:iface-status=active "
          "external_ids:attached-mac=\"fa:16:3e:00:00:01\" external_ids:pilvi-owner=network-agent\n");
}

TEST_CASE("OVSDB's answer becomes a snapshot") {
    json::value answer = parse_json(R"([
      {"rows":[{"external_ids":["map",[["system-id","s"]]],"ovs_version":"3.1.0"}]},
      {"rows":[{"name":"br-int","datapath_type":"netdev","fail_mode":"secure","ports":["uuid","p1"]}]},
      {"rows":[{"_uuid":["uuid","p1"],"name":"tap1","tag":7,"other_config":["map",[["net_uuid","n"]]],"interfaces":["uuid","i1"]},
               {"_uuid":["uuid","p2"],"name":"lost","tag":["set",[]],"other_config":["map",[]],"interfaces":["set",[]]}]},
      {"rows":[{"_uuid":["uuid","i1"],"name":"tap1","type":"","ofport":5,"error":["set",[]],"external_ids":["map",[["iface-id","x"]]],"options":["map",[]]}]}])");
    OvsSnapshot snapshot = parse_snapshot(answer);
    CHECK(snapshot.version == "3.1.0");
    CHECK(snapshot.bridges.at("br-int").fail_mode == "secure");
    REQUIRE(snapshot.ports.size() == 1);
    const auto& port = snapshot.ports.at("tap1");
    CHECK(port.bridge == "br-int");
    CHECK(port.tag == 7);
    CHECK(port.other_config.at("net_uuid") == "n");
    CHECK(port.interfaces.at(0).ofport == 5);
    CHECK(port.interfaces.at(0).external_ids.at("iface-id") == "x");
    CHECK_THROWS_AS(parse_snapshot(parse_json("{}")), Error);
}

TEST_CASE("a desired set of another shape is refused whole") {
    json::object good = parse_json(R"({"networks":[],"ports":[],"security_groups":{},"routers":[],"peers":[]})").as_object();
    CHECK_NOTHROW(parse_desired(good));
    CHECK_THROWS_AS(parse_desired({}), Error);
    for (const char* bad : {R"({"id":"../../etc"})", R"({"id":"x"})", R"(7)"}) {
        json::object set = good;
        set["networks"] = json::array{parse_json(bad)};
        CHECK_THROWS_AS(parse_desired(set), Error);
    }
    json::object set = good;
    set["ports"] = json::array{
        parse_json(R"({"id":"11111111-1111-4111-8111-111111111111","network_id":"11111111-1111-4111-8111-111111111111","mac_address":"x"})")};
    CHECK_THROWS_AS(parse_desired(set), Error);
}

TEST_CASE("the fake driver reports everything as wired") {
    json::object set =
        parse_json(R"({"networks":[{"id":"n","dhcp_port":{"id":"d"}}],"ports":[{"id":"p","host":"h"},{"id":"q","host":"other"},{"id":"r","host":"h",
      "admin_state_up":false}],"security_groups":{},"routers":[{"id":"x","gateway":{"port_id":"g"},"interfaces":[{"port_id":"i"}],"floating_ips":[{"id":"f"}]}],
      "peers":[]})")
            .as_object();
    json::object report = fake_pass(set, "h");
    const auto& ports = report.at("ports").as_object();
    CHECK(ports.at("p").at("status") == "ACTIVE");
    CHECK_FALSE(ports.contains("q"));
    CHECK(ports.at("r").at("status") == "DOWN");
    for (const char* own : {"d", "g", "i"}) CHECK(ports.at(own).at("status") == "ACTIVE");
    CHECK(report.at("routers").at("x").at("floating_ips").at("f") == "ACTIVE");
    CHECK(report.at("networks").at("n").at("dhcp") == "ACTIVE");
}
