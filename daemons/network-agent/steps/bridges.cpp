#include "steps/bridges.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace pilvi::network_agent {

namespace {

void patch(OvsCommands& commands, const OvsSnapshot& snapshot, const std::string& bridge, const std::string& name, const std::string& peer) {
    auto present = snapshot.ports.find(name);
    if (present != snapshot.ports.end() && present->second.bridge == bridge && !present->second.interfaces.empty()) {
        const auto& interface = present->second.interfaces.front();
        auto option = interface.options.find("peer");
        if (interface.type == "patch" && option != interface.options.end() && option->second == peer) return;
    }
    if (present != snapshot.ports.end()) commands.push_back({"del-port", name});
    commands.push_back({"add-port", bridge, name});
    commands.push_back({"set", "Interface", name, "type=patch", "options:peer=" + peer, fmt::format("external_ids:{}={}", owner_key, owner_value)});
}

std::string tunnel_name(const IpAddress& peer) {
    if (peer.version() == 4) return fmt::format("vxlan-{:08x}", peer.v4_host_order());
    std::uint32_t hash = 2166136261u;
    for (auto byte : peer.bytes()) hash = (hash ^ byte) * 16777619u;
    return fmt::format("vxlan6-{:08x}", hash);
}

}  // namespace

std::string choose_datapath(const std::string& configured, const OvsSnapshot& snapshot, bool kernel) {
    if (configured == "system" || configured == "netdev") return configured;
    if (auto bridge = snapshot.bridges.find("br-int"); bridge != snapshot.bridges.end() && !bridge->second.datapath_type.empty()) {
        return bridge->second.datapath_type;
    }
    return kernel ? "system" : "netdev";
}

std::string patch_name(const std::string& prefix, const std::string& bridge) { return (prefix + bridge).substr(0, 15); }

OvsCommands plan_bridges(const BridgeSettings& settings, const OvsSnapshot& snapshot) {
    OvsCommands commands;
    auto bridge = [&](const std::string& name, const std::string& fail_mode) {
        auto present = snapshot.bridges.find(name);
        if (present == snapshot.bridges.end()) commands.push_back({"add-br", name});
        if (present == snapshot.bridges.end() || present->second.datapath_type != settings.datapath ||
            (!fail_mode.empty() && present->second.fail_mode != fail_mode)) {
            std::vector<std::string> set{"set", "Bridge", name, "datapath_type=" + settings.datapath};
            if (!fail_mode.empty()) set.push_back("fail_mode=" + fail_mode);
            commands.push_back(std::move(set));
        }
    };
    bridge("br-int", "secure");
    bridge("br-tun", "secure");
    patch(commands, snapshot, "br-int", "patch-tun", "patch-int");
    patch(commands, snapshot, "br-tun", "patch-int", "patch-tun");
    for (const auto& [physical_network, name] : settings.mappings) {
        bridge(name, "");
        patch(commands, snapshot, "br-int", patch_name("int-", name), patch_name("phy-", name));
        patch(commands, snapshot, name, patch_name("phy-", name), patch_name("int-", name));
    }
    return commands;
}

OvsCommands plan_tunnels(const std::vector<IpAddress>& peers, const std::string& local_ip, const OvsSnapshot& snapshot) {
    OvsCommands commands;
    std::set<std::string> wanted;
    for (const auto& peer : peers) {
        if (local_ip.empty() || peer.text() == local_ip) continue;
        std::string name = tunnel_name(peer);
        if (!wanted.insert(name).second) continue;
        auto present = snapshot.ports.find(name);
        if (present != snapshot.ports.end() && !present->second.interfaces.empty()) {
            const auto& options = present->second.interfaces.front().options;
            auto remote = options.find("remote_ip"), local = options.find("local_ip");
            if (remote != options.end() && remote->second == peer.text() && local != options.end() && local->second == local_ip) continue;
            commands.push_back({"del-port", name});
        }
        commands.push_back({"add-port", "br-tun", name});
        commands.push_back({"set", "Interface", name, "type=vxlan", "options:remote_ip=" + peer.text(), "options:local_ip=" + local_ip,
                            "options:key=flow", "options:dst_port=4789", fmt::format("external_ids:{}={}", owner_key, owner_value)});
    }
    for (const auto& [name, port] : snapshot.ports) {
        if (port.bridge == "br-tun" && name.starts_with("vxlan") && !wanted.contains(name)) commands.push_back({"del-port", name});
    }
    return commands;
}

std::string tunnel_obstacle(const std::string& datapath, const std::string& local_ip, const std::string& device, const OvsSnapshot& snapshot) {
    if (datapath != "netdev" || local_ip.empty()) return {};
    if (device.empty()) return fmt::format("no interface of this node has the tunnel address {}", local_ip);
    if (snapshot.bridges.contains(device)) return {};
    return fmt::format(
        "the tunnel address {} is on {}, which is no bridge of Open vSwitch: its userspace datapath reaches other nodes through its bridges only; "
        "give the address to a bridge that has {} as a port",
        local_ip, device, device);
}

OvsCommands plan_ports(const std::vector<PluggedPort>& wanted, const std::set<std::string>& known, const std::set<std::string>& devices,
                       const OvsSnapshot& snapshot) {
    OvsCommands commands;
    std::set<std::string> names;
    for (const auto& port : wanted) {
        names.insert(port.device);
        auto present = snapshot.ports.find(port.device);
        if (present != snapshot.ports.end() && present->second.bridge == "br-int" && !present->second.interfaces.empty()) {
            const auto& interface = present->second.interfaces.front();
            auto id = interface.external_ids.find("iface-id");
            auto mac = interface.external_ids.find("attached-mac");
            // -1: the switch saw no device of that name; added anew now that there is one.
            bool dead = interface.ofport <= 0 && devices.contains(port.device) && !interface.error.empty();
            if (!dead && id != interface.external_ids.end() && id->second == port.port_id && mac != interface.external_ids.end() &&
                mac->second == port.mac) {
                continue;
            }
        }
        if (present != snapshot.ports.end()) commands.push_back({"del-port", port.device});
        commands.push_back({"add-port", "br-int", port.device});
        commands.push_back({"set", "Interface", port.device, "external_ids:iface-id=" + port.port_id, "external_ids:iface-status=active",
                            fmt::format("external_ids:attached-mac=\"{}\"", port.mac), fmt::format("external_ids:{}={}", owner_key, owner_value)});
    }
    for (const auto& [name, port] : snapshot.ports) {
        if (port.bridge != "br-int" || port.interfaces.empty() || names.contains(name)) continue;
        const auto& interface = port.interfaces.front();
        if (interface.type == "patch") continue;
        auto owner = interface.external_ids.find(owner_key);
        auto id = interface.external_ids.find("iface-id");
        bool own = owner != interface.external_ids.end() && owner->second == owner_value;
        bool dead_guest = id != interface.external_ids.end() && !known.contains(id->second) && interface.ofport <= 0 && !devices.contains(name);
        if (own || dead_guest) commands.push_back({"--if-exists", "del-port", "br-int", name});
    }
    return commands;
}

std::map<std::string, int> assign_local_vlans(const std::set<std::string>& networks, const OvsSnapshot& snapshot) {
    std::map<std::string, int> vlans;
    std::set<int> used;
    for (const auto& [name, port] : snapshot.ports) {
        auto id = port.other_config.find("net_uuid");
        if (port.bridge != "br-int" || id == port.other_config.end() || !networks.contains(id->second)) continue;
        if (port.tag < 1 || port.tag > 4094 || vlans.contains(id->second) || used.contains(port.tag)) continue;
        vlans[id->second] = port.tag;
        used.insert(port.tag);
    }
    int next = 1;
    for (const auto& network : networks) {
        if (vlans.contains(network)) continue;
        while (used.contains(next)) ++next;
        if (next > 4094) throw Error(Errc::unavailable, "No local VLAN is free on this node: 4094 networks are in use");
        vlans[network] = next;
        used.insert(next);
    }
    return vlans;
}

bool remembers(const OvsSnapshot& snapshot, const std::string& network, int vlan) {
    for (const auto& [name, port] : snapshot.ports) {
        auto id = port.other_config.find("net_uuid");
        if (port.bridge == "br-int" && port.tag == vlan && id != port.other_config.end() && id->second == network) return true;
    }
    return false;
}

OvsCommands plan_tags(const std::map<std::string, std::string>& port_networks, const std::map<std::string, int>& vlans, const OvsSnapshot& snapshot) {
    OvsCommands commands;
    for (const auto& [name, network] : port_networks) {
        auto port = snapshot.ports.find(name);
        auto vlan = vlans.find(network);
        if (port == snapshot.ports.end() || vlan == vlans.end()) continue;
        auto id = port->second.other_config.find("net_uuid");
        if (port->second.tag == vlan->second && id != port->second.other_config.end() && id->second == network) continue;
        commands.push_back({"set", "Port", name, fmt::format("tag={}", vlan->second), "other_config:net_uuid=" + network});
    }
    return commands;
}

}  // namespace pilvi::network_agent
