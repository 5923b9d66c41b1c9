#include "doctor/judge.h"

#include <algorithm>

#include "base/ids.h"
#include "node/roles.h"

namespace pilvi::cli {
namespace {

constexpr std::string_view prefixes[] = {"tap", "qr-", "qg-", "qvo"};

bool of_ours(const std::string& name) {
    return std::any_of(std::begin(prefixes), std::end(prefixes), [&](std::string_view prefix) { return name.starts_with(prefix); });
}

class Judge {
public:
    Judge(const NodeView& node, const CloudView& cloud, const std::string& host) : node_(node), cloud_(cloud), host_(host) {}

    std::vector<Finding> run() {
        for (const std::string& text : cloud_.troubles) problem("API", text.substr(0, text.find(':')), text, "journalctl -u 'pilvi-*' says why");
        for (const std::string& text : node_.troubles) problem("program", text.substr(0, text.find(' ')), text, "is its service running?");
        units();
        agents();
        bridges();
        tunnels();
        if (cloud_.compute) servers();
        if (cloud_.network) network();
        flows();
        if (cloud_.compute && cloud_.placement) allocations();
        for (const std::string& path : node_.stale_parts)
            leak("image part", path, "an image's fetch left it and nobody has written to it for an hour", "rm " + path);
        for (const auto& [store, location] : node_.unknown_image_data)
            leak("image data", location, "the store " + store + " has it, and the image service's database does not know it",
                 "remove it, unless the database was restored and the data is newer than that");
        return std::move(findings_);
    }

private:
    void leak(std::string kind, std::string object, std::string message, std::string remedy) {
        findings_.push_back({std::move(kind), true, std::move(object), std::move(message), std::move(remedy)});
    }
    void problem(std::string kind, std::string object, std::string message, std::string remedy) {
        findings_.push_back({std::move(kind), false, std::move(object), std::move(message), std::move(remedy)});
    }

    void units() {
        for (const UnitOnNode& unit : node_.units) {
            if (unit.state == "failed")
                problem("unit", unit.name, "failed (" + unit.result + ")", "journalctl -u " + unit.name + "; systemctl restart " + unit.name);
            if (unit.state == "inactive" && unit.enabled && is_wanted(unit.name, node_.roles))
                problem("unit", unit.name, "is enabled and does not run", "systemctl start " + unit.name);
        }
    }

    void agents() {
        for (const AgentRow& agent : cloud_.agents)
            if (!agent.up && agent.enabled)
                problem("agent", agent.kind + " on " + agent.host, "has not reported for a while", "is its daemon running on " + agent.host + "?");
    }

    void bridges() {
        for (const auto& [bridge, mode] : node_.fail_modes)
            if (bridge == "br-int" && mode != "secure")
                problem("bridge", bridge, "its fail mode is not secure: without flows it would pass everything",
                        "systemctl restart pilvi-network-agent");
        for (const SwitchPort& port : node_.ports)
            if (!port.error.empty())
                problem("switch port", port.name, "Open vSwitch could not make it: " + port.error,
                        "ovs-vsctl del-port " + port.name + ", where nothing uses it");
    }

    // The userspace datapath reaches other nodes through its own bridges only.
    void tunnels() {
        std::set<std::string> ends;
        for (const SwitchPort& port : node_.ports) {
            const auto end = port.options.find("local_ip"), datapath = node_.datapaths.find(port.bridge);
            if (end != port.options.end() && datapath != node_.datapaths.end() && datapath->second == "netdev") ends.insert(end->second);
        }
        for (const std::string& end : ends) {
            const auto link = node_.addresses.find(end);
            if (link == node_.addresses.end())
                problem("tunnel", end, "no interface of this node has this address of its tunnels", "tunnel.local_ip in network-agent.toml");
            else if (!node_.datapaths.contains(link->second))
                problem(
                    "tunnel", end,
                    "is on " + link->second + ", no bridge of Open vSwitch, whose userspace datapath reaches other nodes through its bridges only",
                    "give the address to a bridge that has " + link->second + " as a port");
        }
    }

    bool here(const ServerRow& server) const { return server.host == host_ || server.host.empty(); }

    void servers() {
        std::set<std::string> running;
        for (const DomainOnNode& domain : node_.domains) {
            if (domain.running) running.insert(domain.id);
            if (!domain.ours && !domain.name.starts_with("instance-")) continue;
            const auto server = cloud_.servers.find(domain.id);
            if (server == cloud_.servers.end())
                leak("domain", domain.name + " " + domain.id, "no server has this id",
                     "virsh destroy " + domain.name + "; virsh undefine " + domain.name);
            else if (!here(server->second))
                leak("domain", domain.name + " " + domain.id, "its server is on " + server->second.host,
                     "virsh destroy " + domain.name + "; virsh undefine " + domain.name);
        }
        for (const std::string& name : node_.instance_directories) {
            const auto server = cloud_.servers.find(name);
            if (server == cloud_.servers.end() || !here(server->second))
                leak("instance directory", node_.instances_path + "/" + name, "no server of this node has this id",
                     "rm -r " + node_.instances_path + "/" + name);
        }
        if (!node_.has_libvirt) return;
        for (const auto& [id, server] : cloud_.servers)
            if (server.host == host_ && server.status == "ACTIVE" && server.task_state.empty() && !running.contains(id))
                problem("server", id, "is ACTIVE and no domain runs", "journalctl -u pilvi-compute-agent INSTANCE_UUID=" + id);
    }

    void network() {
        for (const SwitchPort& port : node_.ports) {
            const auto id = port.external_ids.find("iface-id");
            const bool known = id != port.external_ids.end() ? cloud_.ports.contains(id->second) : known_by_name(port.name);
            if (known || (id == port.external_ids.end() && !of_ours(port.name))) continue;
            leak("switch port", port.name, "on " + (port.bridge.empty() ? "a bridge" : port.bridge) + ": no port has this id",
                 "ovs-vsctl del-port " + port.name);
        }
        for (const std::string& link : node_.links) {
            const bool on_switch = std::any_of(node_.ports.begin(), node_.ports.end(), [&](const SwitchPort& port) { return port.name == link; });
            if (link.starts_with("tap") && !on_switch && !known_by_name(link)) leak("tap", link, "no port has this id", "ip link delete " + link);
        }
        for (const std::string& name : node_.namespaces) {
            if (name.starts_with("qdhcp-") && !cloud_.networks.contains(name.substr(6)))
                leak("namespace", name, "there is no such network", "ip netns delete " + name);
            if (name.starts_with("qrouter-") && !cloud_.routers.contains(name.substr(8)))
                leak("namespace", name, "there is no such router", "ip netns delete " + name);
        }
        for (const DnsmasqOnNode& process : node_.dnsmasqs)
            if (!cloud_.networks.contains(process.network_id))
                leak("dnsmasq", std::to_string(process.pid) + " of " + process.network_id, "there is no such network",
                     "kill " + std::to_string(process.pid));
        port_rows();
    }

    // "tap" and others, and the first 11 characters of a port's id.
    bool known_by_name(const std::string& name) const {
        if (name.size() < 14) return false;
        const std::string start = name.substr(3, 11);
        const auto at = cloud_.ports.lower_bound(start);
        return at != cloud_.ports.end() && at->first.starts_with(start);
    }

    void port_rows() {
        for (const auto& [id, port] : cloud_.ports) {
            const std::string remedy = "openstack port delete " + id;
            if (port.device_owner.starts_with("compute:") && cloud_.compute && !cloud_.servers.contains(port.device_id))
                leak("port", id, "its server " + port.device_id + " is gone", remedy);
            if (port.device_owner.starts_with("network:router_") && !cloud_.routers.contains(port.device_id))
                leak("port", id, "its router " + port.device_id + " is gone", remedy);
        }
    }

    void flows() {
        std::map<std::string, std::set<std::int64_t>> there;
        for (const SwitchPort& port : node_.ports)
            if (!port.bridge.empty()) there[port.bridge].insert(port.ofport);
        for (const FlowOnNode& flow : node_.flows)
            for (const std::int64_t number : flow.ports)
                if (number < 0xff00 && !there[flow.bridge].contains(number)) {
                    leak("flow", flow.bridge + ": " + flow.text, "there is no port " + std::to_string(number) + " on " + flow.bridge,
                         "systemctl restart pilvi-network-agent");
                    break;
                }
    }

    void allocations() {
        for (const AllocationRow& row : cloud_.allocations) {
            if (cloud_.servers.contains(row.consumer)) continue;
            const auto provider = cloud_.providers.find(row.provider);
            leak("allocation", row.consumer,
                 "on " + (provider == cloud_.providers.end() ? row.provider : provider->second) + ": no server has this id",
                 "openstack resource provider allocation delete " + row.consumer);
        }
    }

    const NodeView& node_;
    const CloudView& cloud_;
    const std::string& host_;
    std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> judge(const NodeView& node, const CloudView& cloud, const std::string& host) { return Judge(node, cloud, host).run(); }

}  // namespace pilvi::cli
