#include "steps/dhcp.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace pilvi::network_agent {

namespace {

constexpr int lease_seconds = 86400;
constexpr const char* metadata_address = "169.254.169.254";

std::string tag_of(const Subnet& subnet) { return "subnet-" + subnet.id; }

// Options of one subnet; values are made of parsed addresses only.
std::string subnet_options(const Network& network, const Subnet& subnet, const IpAddress& server) {
    std::string text, tag = "tag:" + tag_of(subnet);
    std::string routes = fmt::format("{}/32,{}", metadata_address, server.text());
    for (const auto& route : subnet.host_routes) {
        if (route.destination.address.version() == 4 && route.nexthop.version() == 4) {
            routes += fmt::format(",{},{}", route.destination.text(), route.nexthop.text());
        }
    }
    if (subnet.gateway) routes += fmt::format(",0.0.0.0/0,{}", subnet.gateway->text());
    text += fmt::format("{},option:classless-static-route,{}\n{},249,{}\n", tag, routes, tag, routes);
    text += subnet.gateway ? fmt::format("{},option:router,{}\n", tag, subnet.gateway->text()) : fmt::format("{},option:router\n", tag);
    std::string servers;
    for (const auto& dns : subnet.dns_nameservers) {
        if (dns.version() == 4) servers += "," + dns.text();
    }
    text += servers.empty() ? fmt::format("{},option:dns-server\n", tag) : fmt::format("{},option:dns-server{}\n", tag, servers);
    text += fmt::format("{},option:mtu,{}\n", tag, network.mtu);
    if (std::string domain = dhcp_name(network.dns_domain); !domain.empty()) text += fmt::format("{},option:domain-name,{}\n", tag, domain);
    return text;
}

std::string read_or_empty(const std::string& path) {
    try {
        return read_file(path);
    } catch (const Error&) {
        return {};
    }
}

}  // namespace

std::string dhcp_name(std::string_view text) {
    std::string name;
    for (const auto& part : split(text, '.', false)) {
        std::string label;
        for (char c : part) {
            bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (letter || (c == '-' && !label.empty())) label += c;
        }
        label = label.substr(0, 63);
        while (!label.empty() && label.back() == '-') label.pop_back();
        if (!label.empty()) name += (name.empty() ? "" : ".") + label;
    }
    return name.size() > 253 ? std::string() : name;
}

DhcpPlan plan_dhcp(const Network& network, const std::vector<const Port*>& ports, const std::string& directory, const std::string& user) {
    const OwnPort& server = *network.dhcp_port;
    DhcpPlan plan;
    NamespacePlan::Device device{
        .inside = device_name("ns-", server.id), .outside = device_name("tap", server.id), .mac = server.mac, .mtu = network.mtu, .addresses = {}};
    plan.space.name = dhcp_namespace(network.id);
    std::string ranges;
    std::map<std::string, const Subnet*> served;
    for (const auto& fixed : server.fixed_ips) {
        const Subnet* subnet = network.subnet(fixed.subnet_id);
        if (!subnet) continue;
        device.addresses.push_back(fmt::format("{}/{}", fixed.address.text(), subnet->cidr.prefix));
        if (subnet->version() == 4 && plan.space.routes.empty() && subnet->gateway && *subnet->gateway != fixed.address) {
            plan.space.routes.push_back({.destination = "0.0.0.0/0", .via = subnet->gateway->text(), .device = {}});
        }
        if (!subnet->enable_dhcp || subnet->version() != 4) continue;
        served[subnet->id] = subnet;
        ranges += fmt::format("dhcp-range=set:{},{},static,{},{}s\n", tag_of(*subnet), subnet->cidr.network().text(), subnet->cidr.netmask(),
                              lease_seconds);
        plan.options += subnet_options(network, *subnet, fixed.address);
    }
    device.addresses.push_back(fmt::format("{}/32", metadata_address));
    plan.serves = !served.empty();
    plan.config = fmt::format(
        "port=0\nno-hosts\nno-resolv\nno-ping\nbind-interfaces\nexcept-interface=lo\ninterface={}\npid-file={}/pid\ndhcp-hostsfile={}/hosts\n"
        "dhcp-optsfile={}/options\nleasefile-ro\ndhcp-authoritative\nuser={}\ndhcp-lease-max=65536\nquiet-dhcp\n{}",
        device.inside, directory, directory, directory, user, ranges);
    for (const auto* port : ports) {
        for (const auto& fixed : port->fixed_ips) {
            if (!served.contains(fixed.subnet_id)) continue;
            std::string name = dhcp_name(port->hostname);
            name = name.substr(0, name.find('.'));
            if (name.empty()) {
                name = "host-" + fixed.address.text();
                for (auto& c : name) c = c == '.' ? '-' : c;
            }
            plan.hosts += fmt::format("{},{},{}\n", port->mac, fixed.address.text(), name);
        }
    }
    plan.space.devices.push_back(std::move(device));
    return plan;
}

bool needs_restart(const std::string& before, const std::string& after) {
    auto lines = split(after, '\n', false);
    std::set<std::string> now(lines.begin(), lines.end());
    for (const auto& line : split(before, '\n', false)) {
        if (!now.contains(line)) return true;
    }
    return false;
}

bool apply_dhcp(const DhcpPlan& plan, const std::string& network_id, Dnsmasq& dnsmasq, bool reload) {
    std::string directory = dnsmasq.directory(network_id);
    if (!plan.serves) {
        dnsmasq.stop(network_id);
        return false;
    }
    std::filesystem::create_directories(directory);
    std::string hosts = read_or_empty(directory + "/hosts");
    bool restart = read_or_empty(directory + "/dnsmasq.conf") != plan.config || needs_restart(hosts, plan.hosts);
    bool changed = hosts != plan.hosts || read_or_empty(directory + "/options") != plan.options;
    if (restart) dnsmasq.stop(network_id);  // before the files: whoever finds them finds nothing that runs with older ones
    if (restart || changed || !std::filesystem::exists(directory + "/options")) {
        write_file(directory + "/dnsmasq.conf", plan.config, 0644);
        write_file(directory + "/options", plan.options, 0644);
        write_file(directory + "/hosts", plan.hosts, 0644);
    }
    if (dnsmasq.pid(network_id) == 0) {
        dnsmasq.start(network_id, plan.space.name);
        return true;
    }
    if (changed || reload) dnsmasq.reload(network_id);
    return false;
}

}  // namespace pilvi::network_agent
