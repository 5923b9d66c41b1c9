// Security group rules as conntrack flows. A rule that is not understood allows nothing and is reported.
#include <fmt/format.h>

#include <set>

#include "base/text.h"
#include "steps/flows.h"

namespace pilvi::network_agent {

namespace {

constexpr int plain_priority = 77;
constexpr int conjunction_priority = 70;

// IANA numbers of the names that the Network API takes.
std::optional<int> protocol_number(const std::string& text) {
    static const std::map<std::string, int> names = {{"ah", 51},        {"dccp", 33},       {"egp", 8},        {"esp", 50},       {"gre", 47},
                                                     {"hopopt", 0},     {"icmp", 1},        {"icmpv6", 58},    {"igmp", 2},       {"ip", 0},
                                                     {"ipip", 4},       {"ipv6-encap", 41}, {"ipv6-frag", 44}, {"ipv6-icmp", 58}, {"ipv6-nonxt", 59},
                                                     {"ipv6-opts", 60}, {"ipv6-route", 43}, {"ospf", 89},      {"pgm", 113},      {"rsvp", 46},
                                                     {"sctp", 132},     {"tcp", 6},         {"udp", 17},       {"udplite", 136},  {"vrrp", 112}};
    if (auto known = names.find(text); known != names.end()) return known->second;
    auto number = parse_integer(text);
    if (!number || *number < 0 || *number > 255) return std::nullopt;
    return static_cast<int>(*number);
}

// The matches of protocol and ports ("tcp,tp_dst=22"), several where a range needs masks; empty with `defect` set where the rule makes no sense.
std::vector<std::string> protocol_matches(const SecurityRule& rule, std::string& defect) {
    const char* family = rule.version == 4 ? "ip" : "ipv6";
    if (rule.protocol.empty() || rule.protocol == "any") {
        if (rule.port_min || rule.port_max) defect = "ports without a protocol";
        return {family};
    }
    auto number = protocol_number(rule.protocol);
    if (!number) {
        defect = "protocol";
        return {};
    }
    if (rule.version == 6 && *number == 1) number = 58;
    if (*number == 1 || *number == 58) {
        std::string match = rule.version == 4 ? (*number == 1 ? "icmp" : "ip,nw_proto=58") : "icmp6";
        if (!rule.port_min && rule.port_max) defect = "ICMP code without type";
        if (match.starts_with("ip,") && rule.port_min) defect = "ICMPv6 type in IPv4";
        if (rule.port_min) {
            if (*rule.port_min < 0 || *rule.port_min > 255 || rule.port_max.value_or(0) < 0 || rule.port_max.value_or(0) > 255)
                defect = "ICMP type or code";
            match += fmt::format(",icmp_type={}", *rule.port_min);
            if (rule.port_max) match += fmt::format(",icmp_code={}", *rule.port_max);
        }
        return {match};
    }
    static const std::map<int, std::string> with_ports = {{6, "tcp"}, {17, "udp"}, {132, "sctp"}};
    auto named = with_ports.find(*number);
    if (named == with_ports.end()) {
        if (rule.port_min || rule.port_max) defect = "ports of a protocol without ports";
        return {fmt::format("{},nw_proto={}", family, *number)};
    }
    std::string base = named->second + (rule.version == 6 ? "6" : "");
    if (!rule.port_min && !rule.port_max) return {base};
    int first = rule.port_min.value_or(-1), last = rule.port_max.value_or(-1);
    if (first < 0 || last > 65535 || first > last) {
        defect = "port range";
        return {};
    }
    std::vector<std::string> matches;
    for (const auto& mask : port_masks(first, last)) matches.push_back(fmt::format("{},tp_dst={}", base, mask));
    return matches;
}

struct Direction {
    int table;
    std::string address_field;  // with the family's prefix
    std::string accept_new, accept_established;
};

Direction direction_of(const WiredPort& port, const SecurityRule& rule) {
    std::string field = std::string(rule.version == 4 ? "nw_" : "ipv6_") + (rule.ingress ? "src" : "dst");
    if (!rule.ingress) return {72, field, "resubmit(,73)", "resubmit(,73)"};
    std::string out = fmt::format("output:{}", port.ofport);
    return {82, field, fmt::format("ct(commit,zone={}),{}", port.vlan, out), out};
}

class Rules {
public:
    Rules(FlowSet& flows, const WiredPort& port, ConjunctionIds& ids) : flows_(flows), port_(port), ids_(ids) {}

    void plain(const SecurityRule& rule, const std::vector<std::string>& matches) {
        Direction direction = direction_of(port_, rule);
        std::string address;
        if (rule.remote_prefix && rule.remote_prefix->prefix > 0)
            address = fmt::format(",{}={}", direction.address_field, rule.remote_prefix->text());
        for (const auto& match : matches) accept(direction, plain_priority, match + address);
    }

    void remote_group(const SecurityRule& rule, const SecurityGroup& group, const std::vector<std::string>& matches) {
        Direction direction = direction_of(port_, rule);
        std::string key = fmt::format("{}/{}/{}/{}", rule.remote_group, port_.vlan, direction.table, rule.version);
        std::uint32_t id = ids_.id(key);
        const char* family = rule.version == 4 ? "ip" : "ipv6";
        for (const auto& member : group.members) {
            if (member.address.version() != rule.version) continue;
            std::string match = fmt::format("table={},priority={},reg6={},{}", direction.table, conjunction_priority, port_.vlan, family);
            if (member.prefix > 0) match += fmt::format(",{}={}", direction.address_field, member.text());
            conjoin(match, id, 1);
        }
        for (const auto& match : matches) {
            conjoin(fmt::format("table={},priority={},reg5={},{}", direction.table, conjunction_priority, port_.ofport, match), id, 2);
        }
        accept(direction, conjunction_priority, fmt::format("conj_id={},{}", id, family));
    }

private:
    void accept(const Direction& direction, int priority, const std::string& match) {
        auto add = [&](const char* state, const std::string& actions) {
            flows_[fmt::format("table={},priority={},reg5={},ct_state={},{}", direction.table, priority, port_.ofport, state, match)] = actions;
        };
        add("+new-est", direction.accept_new);
        add("+est-rel-rpl", direction.accept_established);
    }

    void conjoin(const std::string& key, std::uint32_t id, int dimension) {
        std::string action = fmt::format("conjunction({},{}/2)", id, dimension);
        std::string& actions = flows_[key];
        if (actions.empty()) actions = action;
        else if (("," + actions + ",").find("," + action + ",") == std::string::npos) actions += "," + action;
    }

    FlowSet& flows_;
    const WiredPort& port_;
    ConjunctionIds& ids_;
};

}  // namespace

std::vector<std::string> port_masks(int first, int last) {
    std::vector<std::string> masks;
    while (first <= last) {
        int size = 1;
        while (first % (size * 2) == 0 && first + size * 2 - 1 <= last && size < 65536) size *= 2;
        if (size == 1) masks.push_back(fmt::format("{}", first));
        else masks.push_back(fmt::format("0x{:x}/0x{:x}", first, 65536 - size));
        first += size;
    }
    return masks;
}

void compile_rules(FlowSet& flows, const WiredPort& port, const std::map<std::string, SecurityGroup>& groups, ConjunctionIds& conjunctions,
                   std::map<std::string, std::string>& refused) {
    Rules rules(flows, port, conjunctions);
    for (const auto& group_id : port.security_groups) {
        auto group = groups.find(group_id);
        if (group == groups.end()) {
            refused[group_id] = "the security group is not in the desired set";
            continue;
        }
        for (const auto& rule : group->second.rules) {
            std::string defect = rule.defect;
            std::vector<std::string> matches;
            if (defect.empty()) matches = protocol_matches(rule, defect);
            auto remote = groups.end();
            if (!rule.remote_group.empty()) {
                remote = groups.find(rule.remote_group);
                if (remote == groups.end()) defect = "the remote group is not in the desired set";
                if (rule.remote_prefix) defect = "both a remote prefix and a remote group";
            }
            if (!defect.empty()) {
                refused[rule.id] = defect;
                continue;
            }
            if (rule.remote_group.empty()) rules.plain(rule, matches);
            else rules.remote_group(rule, remote->second, matches);
        }
    }
}

}  // namespace pilvi::network_agent
