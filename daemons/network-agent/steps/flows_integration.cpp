#include <fmt/format.h>

#include <set>

#include "steps/flows.h"

namespace pilvi::network_agent {

namespace {

std::string key(int table, int priority, std::string_view match = {}) {
    return match.empty() ? fmt::format("table={},priority={}", table, priority) : fmt::format("table={},priority={},{}", table, priority, match);
}

// The interface identifier of RFC 4291 appendix A.
std::string link_local(const std::string& mac) {
    auto byte = [&](int i) { return static_cast<unsigned>(std::stoul(mac.substr(static_cast<std::size_t>(i) * 3, 2), nullptr, 16)); };
    return fmt::format("fe80::{:02x}{:02x}:{:02x}ff:fe{:02x}:{:02x}{:02x}", byte(0) ^ 2u, byte(1), byte(2), byte(3), byte(4), byte(5));
}

std::string prefix_text(const Cidr& cidr) { return cidr.prefix == cidr.address.bits() ? cidr.address.text() : cidr.text(); }

std::set<std::string> macs_of(const WiredPort& port) {
    std::set<std::string> macs{port.mac};
    for (const auto& pair : port.addresses) macs.insert(pair.mac);
    return macs;
}

// Table 71: what the port may send at all.
void base_egress(FlowSet& flows, const WiredPort& port) {
    auto add = [&](int priority, const std::string& match, const std::string& actions) {
        flows[key(71, priority, fmt::format("reg5={},{}", port.ofport, match))] = actions;
    };
    add(96, "udp,tp_src=67,tp_dst=68", "drop");
    add(96, "udp6,tp_src=547,tp_dst=546", "drop");
    add(96, "icmp6,icmp_type=134", "drop");
    add(96, "icmp6,icmp_type=137", "drop");
    for (const auto& mac : macs_of(port)) {
        add(95, fmt::format("dl_src={},arp,arp_sha={},arp_spa=0.0.0.0,arp_op=1", mac, mac), "resubmit(,73)");
        add(95, fmt::format("dl_src={},udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67", mac), "resubmit(,73)");
        std::string local = link_local(mac);
        add(95, fmt::format("dl_src={},udp6,ipv6_src={},tp_src=546,tp_dst=547", mac, local), "resubmit(,73)");
        for (int type : {131, 132, 133, 135, 143})
            add(95, fmt::format("dl_src={},icmp6,ipv6_src={},icmp_type={}", mac, local, type), "resubmit(,73)");
        for (int type : {133, 135, 143}) add(95, fmt::format("dl_src={},icmp6,ipv6_src=::,icmp_type={}", mac, type), "resubmit(,73)");
        add(95, fmt::format("dl_src={},icmp6,icmp_type=136,nd_target={}", mac, local), "resubmit(,73)");
        add(90, fmt::format("dl_src={},ipv6,ipv6_src={}", mac, local), fmt::format("ct(table=72,zone={})", port.vlan));
    }
    for (const auto& pair : port.addresses) {
        std::string address = prefix_text(pair.address);
        std::string track = fmt::format("ct(table=72,zone={})", port.vlan);
        if (pair.address.address.version() == 4) {
            add(95, fmt::format("dl_src={},arp,arp_sha={},arp_spa={}", pair.mac, pair.mac, address), "resubmit(,73)");
            add(95, fmt::format("dl_src={},udp,nw_src={},tp_src=68,tp_dst=67", pair.mac, address), "resubmit(,73)");
            add(90, fmt::format("dl_src={},ip,nw_src={}", pair.mac, address), track);
        } else {
            for (int type : {135}) add(95, fmt::format("dl_src={},icmp6,ipv6_src={},icmp_type={}", pair.mac, address, type), "resubmit(,73)");
            add(95, fmt::format("dl_src={},icmp6,icmp_type=136,nd_target={}", pair.mac, address), "resubmit(,73)");
            add(90, fmt::format("dl_src={},ipv6,ipv6_src={}", pair.mac, address), track);
        }
    }
}

// Tables 72 and 82 around the rules: established answers pass, what no rule allows any more is marked and stays closed.
void tracked(FlowSet& flows, const WiredPort& port, int table, const std::string& accept) {
    auto add = [&](int priority, const std::string& match, const std::string& actions) {
        flows[key(table, priority, fmt::format("reg5={},{}", port.ofport, match))] = actions;
    };
    add(50, "ct_state=+trk+inv", "drop");
    add(50, "ct_mark=0x1", "drop");
    add(50, "ct_state=+est-rel+rpl,ct_mark=0", accept);
    add(50, "ct_state=-new-est+rel-inv,ct_mark=0", accept);
    for (const char* family : {"ip", "ipv6"}) {
        add(40, fmt::format("ct_state=+est,{}", family), fmt::format("ct(commit,zone={},exec(load:0x1->NXM_NX_CT_MARK[]))", port.vlan));
    }
}

void base_ingress(FlowSet& flows, const WiredPort& port) {
    std::string accept = fmt::format("output:{}", port.ofport);
    auto add = [&](int priority, const std::string& match, const std::string& actions) {
        flows[key(81, priority, fmt::format("reg5={},{}", port.ofport, match))] = actions;
    };
    add(100, "arp", accept);
    for (int type : {130, 131, 132, 134, 135, 136}) add(100, fmt::format("icmp6,icmp_type={}", type), accept);
    add(95, "udp,tp_src=67,tp_dst=68", accept);
    add(95, "udp6,tp_src=547,tp_dst=546", accept);
    for (const char* family : {"ip", "ipv6"}) {
        add(90, fmt::format("ct_state=-trk,{}", family), fmt::format("ct(table=82,zone={})", port.vlan));
        add(80, fmt::format("ct_state=+trk,{}", family), "resubmit(,82)");
    }
}

void filtered_port(FlowSet& flows, const WiredPort& port) {
    flows[key(0, 100, fmt::format("in_port={},vlan_tci=0x0000/0x1fff", port.ofport))] =
        fmt::format("load:{}->NXM_NX_REG6[],load:{}->NXM_NX_REG5[],resubmit(,71)", port.vlan, port.ofport);
    base_egress(flows, port);
    base_ingress(flows, port);
    tracked(flows, port, 72, "resubmit(,73)");
    tracked(flows, port, 82, fmt::format("output:{}", port.ofport));
}

std::string to_remote(const WiredNetwork& network) {
    switch (network.remote) {
        case WiredNetwork::Remote::none:
            return {};
        default:
            break;
    }
    return fmt::format("push_vlan:0x8100,set_field:{}->vlan_vid,output:{}", 4096 + network.vlan, network.remote_ofport);
}

// Where frames come in from the other nodes.
void remote_side(FlowSet& flows, const WiredNetwork& network) {
    std::string enter = fmt::format("load:{}->NXM_NX_REG6[],resubmit(,73)", network.vlan);
    switch (network.remote) {
        case WiredNetwork::Remote::none:
            return;
        case WiredNetwork::Remote::tunnel:
            flows[key(0, 50, fmt::format("in_port={},dl_vlan={}", network.remote_ofport, network.vlan))] = "pop_vlan," + enter;
            return;
        case WiredNetwork::Remote::flat:
            flows[key(0, 50, fmt::format("in_port={},vlan_tci=0x0000/0x1fff", network.remote_ofport))] = enter;
            return;
        case WiredNetwork::Remote::vlan:
            flows[key(0, 50, fmt::format("in_port={},dl_vlan={}", network.remote_ofport, network.segmentation_id))] = "pop_vlan," + enter;
            return;
    }
}

// Tables 73 and 94 of one network.
void deliver(FlowSet& flows, const WiredNetwork& network, const std::vector<const WiredPort*>& ports) {
    std::map<std::string, std::vector<const WiredPort*>> owners;  // of a MAC; allowed pairs may share one
    for (const auto* port : ports) {
        for (const auto& mac : macs_of(*port)) owners[mac].push_back(port);
    }
    for (const auto& [mac, list] : owners) {
        std::string filtered, open;
        for (const auto* port : list) {
            if (port->filtered) filtered += fmt::format("{}load:{}->NXM_NX_REG5[],resubmit(,81)", filtered.empty() ? "" : ",", port->ofport);
            else open += fmt::format("{}output:{}", open.empty() ? "" : ",", port->ofport);
        }
        std::string match = fmt::format("reg6={},dl_dst={}", network.vlan, mac);
        if (!filtered.empty()) flows[key(73, 100, match)] = open.empty() ? filtered : filtered + "," + open;
        else flows[key(94, 20, match)] = open;
    }
    for (const char* family : {"ip", "ipv6"}) {
        flows[key(73, 90, fmt::format("reg6={},ct_state=+new-est,{}", network.vlan, family))] =
            fmt::format("ct(commit,zone={}),resubmit(,94)", network.vlan);
    }
    std::string unknown, flood;
    auto append = [](std::string& list, const std::string& action) { list += (list.empty() ? "" : ",") + action; };
    for (const auto* port : ports) {
        if (port->filtered) append(flood, fmt::format("load:{}->NXM_NX_REG5[],resubmit(,81)", port->ofport));
        else append(unknown, fmt::format("output:{}", port->ofport));
    }
    std::string remote = to_remote(network);
    if (!unknown.empty()) append(flood, unknown);
    if (!remote.empty()) {  // last: it changes the frame
        append(flood, remote);
        append(unknown, remote);
    }
    if (!unknown.empty()) flows[key(94, 10, fmt::format("reg6={}", network.vlan))] = unknown;
    if (!flood.empty()) flows[key(94, 15, fmt::format("reg6={},dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", network.vlan))] = flood;
}

}  // namespace

std::uint32_t ConjunctionIds::id(const std::string& name) {
    auto [position, added] = ids_.emplace(name, static_cast<std::uint32_t>(ids_.size() + 1));
    (void)added;
    return position->second;
}

IntegrationFlows compile_integration(const std::vector<WiredNetwork>& networks, const std::vector<WiredPort>& ports,
                                     const std::map<std::string, SecurityGroup>& groups, ConjunctionIds& conjunctions) {
    IntegrationFlows result;
    FlowSet& flows = result.flows;
    for (int table : {0, 71, 72, 81, 82, 94}) flows[key(table, 0)] = "drop";
    flows[key(73, 0)] = "resubmit(,94)";
    std::map<int, std::vector<const WiredPort*>> by_vlan;
    for (const auto& port : ports) {
        by_vlan[port.vlan].push_back(&port);
        if (port.filtered) {
            filtered_port(flows, port);
            compile_rules(flows, port, groups, conjunctions, result.refused);
        } else {
            flows[key(0, 100, fmt::format("in_port={},vlan_tci=0x0000/0x1fff", port.ofport))] =
                fmt::format("load:{}->NXM_NX_REG6[],resubmit(,73)", port.vlan);
        }
    }
    for (const auto& network : networks) {
        remote_side(flows, network);
        deliver(flows, network, by_vlan[network.vlan]);
    }
    return result;
}

}  // namespace pilvi::network_agent
