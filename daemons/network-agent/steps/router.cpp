#include "steps/router.h"

#include <fmt/format.h>

namespace pilvi::network_agent {

namespace {

NamespacePlan::Device device_of(const OwnPort& port, const char* prefix, const std::map<std::string, Network>& networks) {
    auto network = networks.find(port.network_id);
    NamespacePlan::Device device{.inside = device_name(prefix, port.id),
                                 .outside = device_name("tap", port.id),
                                 .mac = port.mac,
                                 .mtu = network == networks.end() ? 1450 : network->second.mtu,
                                 .addresses = {}};
    for (const auto& fixed : port.fixed_ips) {
        int length = fixed.address.bits();
        for (const auto& subnet : port.subnets) {
            if (subnet.id == fixed.subnet_id) length = subnet.cidr.prefix;
        }
        device.addresses.push_back(fmt::format("{}/{}", fixed.address.text(), length));
    }
    return device;
}

std::string gateway_address(const Router& router) {
    if (router.gateway) {
        for (const auto& fixed : router.gateway->fixed_ips) {
            if (fixed.address.version() == 4) return fixed.address.text();
        }
    }
    return {};
}

}  // namespace

std::string router_ruleset(const Router& router) {
    std::string dnat, floating_snat;
    for (const auto& floating : router.floating_ips) {
        if (floating.floating.version() != 4 || floating.fixed.version() != 4) continue;
        dnat += fmt::format("    ip daddr {} dnat to {}\n", floating.floating.text(), floating.fixed.text());
        floating_snat += fmt::format("    ip saddr {} snat to {}\n", floating.fixed.text(), floating.floating.text());
    }
    std::string text = "table ip pilvi\ndelete table ip pilvi\ntable ip pilvi {\n";
    std::string address = gateway_address(router);
    if (!address.empty()) {
        std::string device = device_name("qg-", router.gateway->id);
        // Marked: came in from outside, so a DNATed packet keeps its source.
        text += fmt::format(
            "  chain mark_external {{\n    type filter hook prerouting priority mangle; policy accept;\n    iifname \"{}\" meta mark set 0x2\n  }}\n",
            device);
        text += fmt::format("  chain prerouting {{\n    type nat hook prerouting priority dstnat; policy accept;\n{}  }}\n", dnat);
        text += fmt::format("  chain output {{\n    type nat hook output priority -100; policy accept;\n{}  }}\n", dnat);
        std::string source = fmt::format("    snat to {}\n", address);
        text += fmt::format("  chain external {{\n{}{}  }}\n", floating_snat, router.enable_snat ? source : "");
        text += fmt::format("  chain hairpin {{\n{}{}  }}\n", floating_snat, source);
        text += fmt::format(
            "  chain postrouting {{\n    type nat hook postrouting priority srcnat; policy accept;\n    oifname \"{}\" goto external\n"
            "    meta mark != 0x2 ct status dnat goto hairpin\n  }}\n",
            device);
    }
    return text + "}\n";
}

std::string masquerade_ruleset(const std::string& address, const std::string& bridge) {
    std::string text = fmt::format("table ip {0}\ndelete table ip {0}\n", masquerade_table);
    if (const auto network = Cidr::parse(address); network && network->address.version() == 4)
        text += fmt::format(
            "table ip {0} {{\n  chain postrouting {{\n    type nat hook postrouting priority srcnat; policy accept;\n"
            "    ip saddr {1} oifname != {{ \"lo\", \"{2}\" }} masquerade\n  }}\n  chain forward {{\n    type filter hook forward priority filter; "
            "policy accept;\n"
            "    ip saddr {1} ip daddr 169.254.0.0/16 drop\n  }}\n}}\n",
            masquerade_table, network->text(), bridge);
    return text;
}

bool contradicts(const Router& router, const Connection& connection) {
    const FloatingIp *by_floating = nullptr, *by_fixed = nullptr;
    for (const auto& floating : router.floating_ips) {
        if (floating.floating == connection.original_destination) by_floating = &floating;
        if (floating.fixed == connection.original_source) by_fixed = &floating;
    }
    bool dnat = connection.original_destination != connection.reply_source;
    if (dnat && (!by_floating || by_floating->fixed != connection.reply_source)) return true;
    if (connection.original_source == connection.reply_destination) return false;
    // Source NAT: the guest's own floating IP, or the gateway's address (also of connections that are older than the floating IP).
    if (by_fixed && by_fixed->floating == connection.reply_destination) return false;
    return connection.reply_destination.text() != gateway_address(router);
}

RouterPlan plan_router(const Router& router, const std::map<std::string, Network>& networks) {
    RouterPlan plan;
    plan.space.name = router_namespace(router.id);
    plan.space.forward = true;
    if (router.admin_state_up) {
        for (const auto& interface : router.interfaces) {
            plan.space.devices.push_back(device_of(interface, "qr-", networks));
            plan.space.devices.back().addresses.push_back("169.254.169.254/32");  // the metadata server
        }
        if (router.gateway) {
            auto device = device_of(*router.gateway, "qg-", networks);
            for (const auto& floating : router.floating_ips) device.addresses.push_back(floating.floating.text() + "/32");
            for (const auto& subnet : router.gateway->subnets) {
                if (subnet.version() != 4 || !subnet.gateway) continue;
                bool connected = subnet.cidr.contains(*subnet.gateway);
                plan.space.routes.push_back({.destination = "0.0.0.0/0", .via = subnet.gateway->text(), .device = connected ? "" : device.inside});
                break;
            }
            plan.space.devices.push_back(std::move(device));
        }
        for (const auto& route : router.routes) {
            if (route.destination.address.version() == 4) {
                plan.space.routes.push_back({.destination = route.destination.text(), .via = route.nexthop.text(), .device = {}});
            }
        }
    }
    plan.ruleset = router_ruleset(router);
    return plan;
}

}  // namespace pilvi::network_agent
