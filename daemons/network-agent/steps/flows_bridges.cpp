#include <fmt/format.h>

#include "steps/flows.h"

namespace pilvi::network_agent {

FlowSet compile_tunnel(const std::vector<WiredNetwork>& networks, int patch, const std::vector<int>& tunnels) {
    FlowSet flows;
    for (int table : {0, 2, 4, 22}) flows[fmt::format("table={},priority=0", table)] = "drop";
    if (patch <= 0) return flows;
    flows[fmt::format("table=0,priority=1,in_port={}", patch)] = "resubmit(,2)";
    for (int tunnel : tunnels) flows[fmt::format("table=0,priority=1,in_port={}", tunnel)] = "resubmit(,4)";
    flows["table=2,priority=1,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00"] = "resubmit(,20)";
    flows["table=2,priority=1,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"] = "resubmit(,22)";
    flows["table=10,priority=1"] = fmt::format(
        "learn(table=20,hard_timeout=300,priority=1,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],"
        "load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:NXM_OF_IN_PORT[]),output:{}",
        patch);
    flows["table=20,priority=0"] = "resubmit(,22)";
    for (const auto& network : networks) {
        if (network.remote != WiredNetwork::Remote::tunnel) continue;
        flows[fmt::format("table=4,priority=1,tun_id={}", network.segmentation_id)] =
            fmt::format("push_vlan:0x8100,set_field:{}->vlan_vid,resubmit(,10)", 4096 + network.vlan);
        if (tunnels.empty()) continue;
        std::string flood = fmt::format("pop_vlan,set_field:{}->tun_id", network.segmentation_id);
        for (int tunnel : tunnels) flood += fmt::format(",output:{}", tunnel);
        flows[fmt::format("table=22,priority=1,dl_vlan={}", network.vlan)] = flood;
    }
    return flows;
}

FlowSet compile_provider(const std::string& bridge, const std::vector<WiredNetwork>& networks, int patch) {
    FlowSet flows;
    flows["table=0,priority=0"] = "NORMAL";
    if (patch <= 0) return flows;
    flows[fmt::format("table=0,priority=2,in_port={}", patch)] = "drop";
    for (const auto& network : networks) {
        if (network.bridge != bridge) continue;
        std::string match = fmt::format("table=0,priority=4,in_port={},dl_vlan={}", patch, network.vlan);
        if (network.remote == WiredNetwork::Remote::flat) flows[match] = "pop_vlan,NORMAL";
        if (network.remote == WiredNetwork::Remote::vlan) flows[match] = fmt::format("set_field:{}->vlan_vid,NORMAL", 4096 + network.segmentation_id);
    }
    return flows;
}

std::string flow_file(const FlowSet& flows) {
    std::string text;
    for (const auto& [match, actions] : flows) text += fmt::format("{},actions={}\n", match, actions);
    return text;
}

std::string flow_changes(const FlowSet& from, const FlowSet& to) {
    std::string text;
    for (const auto& [match, actions] : from) {
        if (!to.contains(match)) text += fmt::format("delete_strict {}\n", match);
    }
    for (const auto& [match, actions] : to) {
        auto before = from.find(match);
        if (before == from.end() || before->second != actions) text += fmt::format("add {},actions={}\n", match, actions);
    }
    return text;
}

}  // namespace pilvi::network_agent
