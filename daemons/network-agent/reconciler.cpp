#include "reconciler.h"

#include <fmt/format.h>
#include <pwd.h>

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "log/log.h"
#include "service/service.h"

namespace pilvi::network_agent {

namespace {

constexpr std::chrono::seconds recheck{30};  // of a namespace whose plan did not change

// The device of this node's own namespace that has the address; "" for none.
std::string device_with(const std::string& address) {
    for (const auto& [name, device] : own_devices())
        for (const std::string& prefixed : device.addresses)
            if (prefixed.substr(0, prefixed.find('/')) == address) return name;
    return {};
}

std::string user_or_root(const std::string& user) { return ::getpwnam(user.c_str()) ? user : "root"; }

}  // namespace

struct Reconciler::Round {
    const Desired& desired;
    std::chrono::steady_clock::time_point now;
    std::string datapath;
    OvsSnapshot snapshot;
    std::set<std::string> kernel_devices;
    std::map<std::string, DhcpPlan> dhcp;       // by network
    std::map<std::string, RouterPlan> routers;  // by router
    std::vector<PluggedPort> own_ports;
    std::map<std::string, std::string> own_failures;  // namespace -> reason
    std::map<std::string, int> vlans;                 // by network
    std::vector<WiredPort> wired;
    std::vector<WiredNetwork> networks;
    std::map<std::string, std::pair<bool, std::string>> ports;  // port -> active, reason
    std::map<std::string, std::string> dhcp_failures;           // network -> reason
    std::map<std::string, std::string> router_failures;
    std::set<std::string> fresh;  // namespaces made in this pass
    std::chrono::milliseconds again{0};
    bool netdev() const { return datapath == "netdev"; }
    void retry(std::chrono::milliseconds delay) { again = again.count() == 0 ? delay : std::min(again, delay); }
};

Reconciler::Reconciler(CommandRunner& runner, AgentSettings settings)
    : settings_(std::move(settings)),
      runner_(runner),
      db_(settings_.ovs.db()),
      ovs_(runner, settings_.ovs),
      spaces_(runner),
      dnsmasq_(runner, settings_.dhcp_directory),
      metadata_(settings_.metadata_socket) {
    settings_.dnsmasq_user = user_or_root(settings_.dnsmasq_user);
}

std::set<int> Reconciler::children() const {
    std::lock_guard lock(mutex_);
    return children_;
}

void Reconciler::complain(const std::string& object, const std::string& reason) {
    std::string& last = complaints_[object];
    if (last == reason) return;
    last = reason;
    if (reason.empty()) complaints_.erase(object);
    else log::warning(fmt::format("{}: {}; trying again", object, reason));
}

json::object Reconciler::pass(const json::object& set, std::chrono::milliseconds* again) {
    if (settings_.find_tunnel_ip)
        if (std::string address = settings_.find_tunnel_ip(); !address.empty()) settings_.tunnel_ip = std::move(address);
    Desired desired = parse_desired(set);
    Round round{.desired = desired, .now = std::chrono::steady_clock::now()};
    bridges(round);
    masquerade(round);
    namespaces(round);
    plug(round);
    wire(round);
    flows(round);
    dhcp(round);
    routers(round);
    metadata(round);
    clean(round);
    announcements(round);
    *again = round.again;
    return report(round);
}

void Reconciler::bridges(Round& round) {
    if (ovs_.instance().empty()) throw Error(Errc::unavailable, "ovs-vswitchd does not run");
    round.snapshot = db_.snapshot();
    round.datapath = choose_datapath(settings_.datapath, round.snapshot, kernel_datapath());
    OvsCommands commands = plan_bridges({.datapath = round.datapath, .mappings = settings_.bridge_mappings}, round.snapshot);
    for (auto& command : plan_tunnels(round.desired.peers, settings_.tunnel_ip, round.snapshot)) commands.push_back(std::move(command));
    if (!commands.empty()) {
        ovs_.transact(commands);
        round.snapshot = db_.snapshot();
    }
    if (!round.desired.peers.empty())
        complain("tunnels", tunnel_obstacle(round.datapath, settings_.tunnel_ip, device_with(settings_.tunnel_ip), round.snapshot));
    if (!settings_.external_address.empty() && !settings_.external_bridge.empty()) {
        const std::string& bridge = settings_.external_bridge;
        auto devices = own_devices();
        auto device = devices.find(bridge);
        if (device != devices.end() && (!device->second.up || !device->second.addresses.contains(settings_.external_address))) {
            runner_.check(Command{.argv = {"/usr/bin/ip", "-batch", "-"},
                                  .input = fmt::format("addr replace {} dev {}\nlink set {} up\n", settings_.external_address, bridge, bridge)});
            if (round.netdev()) disable_checksum_offload(bridge);
        }
    }
}

// This host's own firewall may be loaded anew at any time: the table is looked for again as a namespace is. Where it is not wanted, what an agent with
// other settings left is removed once.
void Reconciler::masquerade(Round& round) {
    if (masquerade_checked_ && (!settings_.masquerade || round.now - *masquerade_checked_ < recheck)) return;
    try {
        if (settings_.masquerade) {
            allow_forwarding();
            const bool fresh = !masquerade_checked_;  // another agent's table may say something else
            if (fresh || runner_.run(Command{.argv = {"/usr/sbin/nft", "list", "table", "ip", masquerade_table}}).status != 0)
                apply_ruleset(runner_, "", masquerade_ruleset(settings_.external_address, settings_.external_bridge));
        } else {
            // A kernel without nftables has no such table either.
            runner_.run(Command{.argv = {"/usr/sbin/nft", "-f", "-"}, .input = masquerade_ruleset("", "")});
        }
        masquerade_checked_ = round.now;
        complain("masquerading", "");
    } catch (const Error& error) {
        round.retry(std::chrono::seconds(2));
        complain("masquerading", error.message());
    }
}

void Reconciler::converge_namespace(Round& round, const NamespacePlan& plan) {
    try {
        auto applied = applied_spaces_.find(plan.name);
        bool whole = applied != applied_spaces_.end() && applied->second.plan == plan && round.now - applied->second.checked < recheck;
        for (const auto& device : plan.devices) whole = whole && round.kernel_devices.contains(device.outside);
        if (whole) return;
        NamespaceChanges changes = spaces_.converge(plan, round.netdev());
        if (changes.fresh_devices) round.fresh.insert(plan.name);
        for (auto& [device, address] : changes.announce) {
            if (address != "169.254.169.254") announcements_.push_back({.space = plan.name, .device = device, .address = address, .left = 3});
        }
        applied_spaces_[plan.name] = {.plan = plan, .checked = round.now};
        complain(plan.name, "");
    } catch (const Error& error) {
        applied_spaces_.erase(plan.name);
        round.own_failures[plan.name] = error.message();
        round.retry(std::chrono::seconds(2));
        complain(plan.name, error.message());
    }
}

void Reconciler::namespaces(Round& round) {
    std::map<std::string, std::vector<const Port*>> ports;
    for (const auto& [id, port] : round.desired.ports) ports[port.network_id].push_back(&port);
    for (const auto& [id, network] : round.desired.networks) {
        if (!network.dhcp_port || !network.admin_state_up) continue;
        round.dhcp[id] = plan_dhcp(network, ports[id], dnsmasq_.directory(id), settings_.dnsmasq_user);
        const auto& port = *network.dhcp_port;
        round.own_ports.push_back({.device = device_name("tap", port.id), .port_id = port.id, .mac = port.mac, .network_id = id});
    }
    for (const auto& [id, router] : round.desired.routers) {
        round.routers[id] = plan_router(router, round.desired.networks);
        if (!router.admin_state_up) continue;
        auto add = [&](const OwnPort& port) {
            round.own_ports.push_back({.device = device_name("tap", port.id), .port_id = port.id, .mac = port.mac, .network_id = port.network_id});
        };
        for (const auto& interface : router.interfaces) add(interface);
        if (router.gateway) add(*router.gateway);
    }
    round.kernel_devices = device_names();
    for (const auto& [id, plan] : round.dhcp) converge_namespace(round, plan.space);
    for (const auto& [id, plan] : round.routers) converge_namespace(round, plan.space);
    round.kernel_devices = device_names();
}

void Reconciler::plug(Round& round) {
    std::set<std::string> known;
    for (const auto& [id, port] : round.desired.ports) known.insert(id);
    OvsCommands commands = plan_ports(round.own_ports, known, round.kernel_devices, round.snapshot);
    if (commands.empty()) return;
    ovs_.transact(commands);
    round.snapshot = db_.snapshot();
}

// Which ports of br-int belong to which desired port, their networks' local VLANs.
void Reconciler::wire(Round& round) {
    std::map<std::string, std::string> port_networks;  // OVS port -> network
    std::map<std::string, const OvsPort*> plugged;     // port id -> OVS port with a device
    std::map<std::string, std::string> errors;
    for (const auto& [name, port] : round.snapshot.ports) {
        if (port.bridge != "br-int" || port.interfaces.empty()) continue;
        const auto& interface = port.interfaces.front();
        auto id = interface.external_ids.find("iface-id");
        if (id == interface.external_ids.end()) continue;
        if (interface.ofport > 0) plugged[id->second] = &port;
        else errors[id->second] = interface.error;
    }
    std::set<std::string> networks;
    auto use = [&](const std::string& port_id, const std::string& network_id) -> const OvsPort* {
        auto found = plugged.find(port_id);
        auto network = round.desired.networks.find(network_id);
        if (found == plugged.end() || network == round.desired.networks.end() || !network->second.admin_state_up) return nullptr;
        networks.insert(network_id);
        port_networks[found->second->name] = network_id;
        return found->second;
    };
    std::set<std::string> own;
    for (const auto& port : round.own_ports) {
        own.insert(port.port_id);
        const OvsPort* at = use(port.port_id, port.network_id);
        if (!at) {
            round.ports[port.port_id] = {false, "the port of br-int has no device yet"};
            round.retry(std::chrono::seconds(1));
            continue;
        }
        round.wired.push_back({.id = port.port_id, .ofport = at->interfaces.front().ofport, .vlan = 0, .mac = port.mac, .filtered = false});
    }
    for (const auto& [id, port] : round.desired.ports) {
        if (own.contains(id)) continue;
        bool here = port.host == settings_.host;
        if (!port.admin_state_up) {
            if (here) round.ports[id] = {false, "administratively down"};
            continue;
        }
        const OvsPort* at = use(id, port.network_id);
        if (!at) {
            if (here) round.ports[id] = {false, errors.contains(id) ? "the device is missing: " + errors[id] : "no device is plugged yet"};
            continue;
        }
        WiredPort wired{.id = id, .ofport = at->interfaces.front().ofport, .vlan = 0, .mac = port.mac};
        wired.filtered = port.port_security && !port.device_owner.starts_with("network:");
        for (const auto& fixed : port.fixed_ips) {
            wired.addresses.push_back({.address = Cidr{.address = fixed.address, .prefix = fixed.address.bits()}, .mac = port.mac});
        }
        wired.addresses.insert(wired.addresses.end(), port.allowed_pairs.begin(), port.allowed_pairs.end());
        wired.security_groups = port.security_groups;
        round.wired.push_back(std::move(wired));
        if (here) round.ports[id] = {true, ""};
    }
    round.vlans = assign_local_vlans(networks, round.snapshot);
    std::set<int> fresh_zones;  // what a former network of the same number left in conntrack is not the new one's
    for (const auto& [id, vlan] : round.vlans) {
        if (!remembers(round.snapshot, id, vlan)) fresh_zones.insert(vlan);
    }
    ovs_.flush_conntrack(fresh_zones);
    std::map<std::string, std::string> network_of;
    for (const auto& port : round.own_ports) network_of[port.port_id] = port.network_id;
    for (const auto& [id, port] : round.desired.ports) network_of.emplace(id, port.network_id);
    for (auto& port : round.wired) port.vlan = round.vlans.at(network_of.at(port.id));
    ovs_.transact(plan_tags(port_networks, round.vlans, round.snapshot));
}

void Reconciler::flows(Round& round) {
    auto ofport = [&](const std::string& name) {
        auto port = round.snapshot.ports.find(name);
        return port == round.snapshot.ports.end() || port->second.interfaces.empty() ? -1 : port->second.interfaces.front().ofport;
    };
    for (const auto& [id, vlan] : round.vlans) {
        const Network& network = round.desired.networks.at(id);
        WiredNetwork wired{.vlan = vlan, .segmentation_id = network.segmentation_id};
        if (network.type == "vxlan") {
            wired.remote = WiredNetwork::Remote::tunnel;
            wired.remote_ofport = ofport("patch-tun");
        } else if (auto mapping = settings_.bridge_mappings.find(network.physical_network);
                   (network.type == "flat" || network.type == "vlan") && mapping != settings_.bridge_mappings.end()) {
            wired.remote = network.type == "flat" ? WiredNetwork::Remote::flat : WiredNetwork::Remote::vlan;
            wired.bridge = mapping->second;
            wired.remote_ofport = ofport(patch_name("int-", mapping->second));
        }
        if (wired.remote_ofport <= 0) wired.remote = WiredNetwork::Remote::none;
        round.networks.push_back(wired);
    }
    IntegrationFlows integration = compile_integration(round.networks, round.wired, round.desired.groups, conjunctions_);
    for (const auto& [rule, reason] : integration.refused) complain("security group rule " + rule, "it allows nothing: " + reason);
    std::vector<int> tunnels;
    for (const auto& [name, port] : round.snapshot.ports) {
        if (port.bridge == "br-tun" && name.starts_with("vxlan") && ofport(name) > 0) tunnels.push_back(ofport(name));
    }
    if (std::string instance = ovs_.instance(); instance != instance_) {
        if (!instance_.empty()) log::notice("Open vSwitch was restarted: its flows are installed again");
        applied_.clear();
        instance_ = instance;
    }
    apply_flows("br-int", std::move(integration.flows));
    apply_flows("br-tun", compile_tunnel(round.networks, ofport("patch-int"), tunnels));
    for (const auto& [physical_network, bridge] : settings_.bridge_mappings) {
        apply_flows(bridge, compile_provider(bridge, round.networks, ofport(patch_name("phy-", bridge))));
    }
}

void Reconciler::apply_flows(const std::string& bridge, FlowSet wanted) {
    auto applied = applied_.find(bridge);
    try {
        if (applied == applied_.end()) ovs_.replace_flows(bridge, flow_file(wanted));
        else ovs_.change_flows(bridge, flow_changes(applied->second, wanted));
    } catch (const Error&) {
        applied_.erase(bridge);
        throw;
    }
    applied_[bridge] = std::move(wanted);
}

void Reconciler::dhcp(Round& round) {
    std::set<int> pids;
    for (const auto& [id, plan] : round.dhcp) {
        if (round.own_failures.contains(plan.space.name)) {
            round.dhcp_failures[id] = round.own_failures[plan.space.name];
            continue;
        }
        try {
            if (round.fresh.contains(plan.space.name)) dnsmasq_.stop(id);  // it serves a device that is gone
            if (apply_dhcp(plan, id, dnsmasq_, known_dhcp_.insert(id).second)) log::info("dnsmasq started", {{"NETWORK_ID", id}});
            if (int pid = dnsmasq_.pid(id)) pids.insert(pid);
            complain("DHCP of network " + id, "");
        } catch (const std::exception& error) {
            round.dhcp_failures[id] = error.what();
            round.retry(std::chrono::seconds(2));
            complain("DHCP of network " + id, error.what());
        }
    }
    std::lock_guard lock(mutex_);
    children_ = std::move(pids);
}

void Reconciler::routers(Round& round) {
    for (const auto& [id, plan] : round.routers) {
        const std::string& space = plan.space.name;
        if (round.own_failures.contains(space)) {
            round.router_failures[id] = round.own_failures[space];
            continue;
        }
        try {
            auto applied = applied_rulesets_.find(space);
            if (applied != applied_rulesets_.end() && applied->second == plan.ruleset && !round.fresh.contains(space)) continue;
            applied_rulesets_.erase(space);
            apply_ruleset(runner_, space, plan.ruleset);
            applied_rulesets_[space] = plan.ruleset;
            forget_connections(id, round.desired.routers.at(id));
            complain("router " + id, "");
        } catch (const Error& error) {
            round.router_failures[id] = error.message();
            round.retry(std::chrono::seconds(2));
            complain("router " + id, error.message());
        }
    }
}

void Reconciler::forget_connections(const std::string& id, const Router& router) {
    try {
        spaces_.inside(router_namespace(id),
                       [&] { delete_connections([&](const Connection& connection) { return contradicts(router, connection); }); });
        complain("connections of router " + id, "");
    } catch (const Error& error) {
        complain("connections of router " + id, error.message());
    }
}

// By the name that the metadata server knows: "<network>" in the DHCP namespace, "<network>/<router>" at a router's interface.
std::map<std::string, Reconciler::Listener> Reconciler::wanted_listeners(const Round& round) const {
    std::map<std::string, Listener> wanted;
    for (const auto& [id, plan] : round.dhcp) {
        if (!round.own_failures.contains(plan.space.name)) wanted[id] = {.space = plan.space.name, .device = ""};
    }
    for (const auto& [id, router] : round.desired.routers) {
        std::string space = router_namespace(id);
        if (!router.admin_state_up || round.own_failures.contains(space)) continue;
        for (const auto& interface : router.interfaces) {
            wanted[interface.network_id + "/" + id] = {.space = space, .device = device_name("qr-", interface.id)};
        }
    }
    return wanted;
}

void Reconciler::metadata(Round& round) {
    if (settings_.metadata_socket.empty()) return;
    stale_spaces_.insert(round.fresh.begin(), round.fresh.end());
    auto wanted = wanted_listeners(round);
    try {
        std::set<std::string> served = metadata_.list();
        for (const auto& name : served) {
            if (!wanted.contains(name)) metadata_.remove(name);
        }
        for (const auto& [name, listener] : wanted) {
            bool stale = stale_spaces_.contains(listener.space);
            if (served.contains(name) && !stale) continue;
            if (served.contains(name)) metadata_.remove(name);
            metadata_.add(name, spaces_.listen(listener.space, "169.254.169.254", 80, listener.device));
        }
        stale_spaces_.clear();
        complain("metadata", "");
    } catch (const Error& error) {
        if (!wanted.empty()) round.retry(std::chrono::seconds(2));
        complain("metadata", error.message());
    }
}

void Reconciler::announcements(Round& round) {
    for (auto& item : announcements_) {
        try {
            spaces_.announce(item.space, item.device, item.address);
            --item.left;
        } catch (const Error&) {
            item.left = 0;  // the namespace is gone
        }
    }
    std::erase_if(announcements_, [](const Announcement& item) { return item.left <= 0; });
    if (!announcements_.empty()) round.retry(std::chrono::seconds(1));
}

void Reconciler::clean(Round& round) {
    for (const auto& id : dnsmasq_.networks()) {
        if (round.dhcp.contains(id)) continue;
        dnsmasq_.stop(id);
        dnsmasq_.forget(id);
        known_dhcp_.erase(id);
    }
    std::set<std::string> wanted;
    for (const auto& [id, plan] : round.dhcp) wanted.insert(plan.space.name);
    for (const auto& [id, plan] : round.routers) wanted.insert(plan.space.name);
    for (const auto& name : spaces_.list()) {
        if ((!name.starts_with("qdhcp-") && !name.starts_with("qrouter-")) || wanted.contains(name)) continue;
        try {
            NamespaceState state = spaces_.observe(name);
            std::string batch;
            for (const auto& [device, unused] : state.devices) {
                if (device.starts_with("ns-") || device.starts_with("qr-") || device.starts_with("qg-")) batch += "link del " + device + "\n";
            }
            if (!batch.empty()) runner_.run(Command{.argv = {"/usr/bin/ip", "-n", name, "-batch", "-"}, .input = batch});
            spaces_.remove(name);
            applied_spaces_.erase(name);
            applied_rulesets_.erase(name);
            log::info("namespace removed: " + name);
        } catch (const Error& error) {
            round.retry(std::chrono::seconds(2));
            complain("removing " + name, error.message());
        }
    }
}

json::object Reconciler::report(Round& round) {
    json::object ports, networks, routers, mappings;
    for (const auto& [id, state] : round.ports) ports[id] = {{"status", state.first ? "ACTIVE" : "DOWN"}, {"reason", state.second}};
    for (const auto& port : round.wired) {
        if (!ports.contains(port.id) && !port.filtered) ports[port.id] = {{"status", "ACTIVE"}, {"reason", ""}};
    }
    for (const auto& [id, network] : round.desired.networks) {
        auto plan = round.dhcp.find(id);
        auto failure = round.dhcp_failures.find(id);
        if (plan == round.dhcp.end()) networks[id] = {{"dhcp", "NONE"}, {"reason", ""}};
        else if (failure != round.dhcp_failures.end()) networks[id] = {{"dhcp", "DOWN"}, {"reason", failure->second}};
        else networks[id] = {{"dhcp", plan->second.serves ? "ACTIVE" : "NONE"}, {"reason", ""}};
    }
    for (const auto& [id, router] : round.desired.routers) {
        auto failure = round.router_failures.find(id);
        bool failed = failure != round.router_failures.end();
        json::object floating;
        for (const auto& item : router.floating_ips) floating[item.id] = !failed && router.admin_state_up ? "ACTIVE" : "DOWN";
        routers[id] = {{"status", failed ? "ERROR" : "ACTIVE"}, {"reason", failed ? failure->second : ""}, {"floating_ips", std::move(floating)}};
    }
    for (const auto& [physical_network, bridge] : settings_.bridge_mappings) mappings[physical_network] = bridge;
    json::object configurations{{"bridge_mappings", mappings},     {"tunneling_ip", settings_.tunnel_ip}, {"tunnel_types", json::array{"vxlan"}},
                                {"datapath_type", round.datapath}, {"integration_bridge", "br-int"},      {"devices", round.wired.size()},
                                {"networks", round.dhcp.size()},   {"routers", round.routers.size()}};
    json::object agent{{"tunnel_ip", settings_.tunnel_ip}, {"serves", json::value_from(settings_.serves)}, {"bridge_mappings", std::move(mappings)},
                       {"datapath", round.datapath},       {"configurations", std::move(configurations)},  {"version", version()}};
    return {{"ports", std::move(ports)}, {"networks", std::move(networks)}, {"routers", std::move(routers)}, {"agent", std::move(agent)}};
}

}  // namespace pilvi::network_agent
