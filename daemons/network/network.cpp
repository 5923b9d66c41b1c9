#include "network.h"

#include "base/text.h"
#include "resources/agents.h"
#include "resources/misc.h"
#include "resources/routers.h"

namespace pilvi::network {
namespace {

using api::PolicyRule;

// Named rules beside those of operations. Source of names and defaults: neutron.conf.policies.
constexpr std::string_view net_owner = "rule:admin_only or rule:context_is_advsvc or rule:network_owner";
constexpr std::string_view net_owner_or_shared = "rule:admin_only or rule:context_is_advsvc or rule:network_owner or rule:shared";
constexpr PolicyRule rules[] = {
    {"context_is_admin", "role:admin"},
    {"admin_only", "rule:context_is_admin"},
    {"context_is_advsvc", "role:advsvc"},
    {"owner", "project_id:%(project_id)s"},
    {"admin_or_owner", "rule:context_is_admin or rule:owner"},
    {"network_owner", "project_id:%(network:project_id)s"},
    {"admin_or_network_owner", "rule:context_is_admin or rule:network_owner"},
    {"sg_owner", "project_id:%(security_group:project_id)s"},
    {"shared", "True:%(network:shared)s"},
    {"create_port:device_owner", net_owner},
    {"create_port:mac_address", net_owner},
    {"create_port:fixed_ips", net_owner_or_shared},
    {"create_port:fixed_ips:ip_address", net_owner},
    {"create_port:port_security_enabled", net_owner},
    {"create_port:allowed_address_pairs", "rule:admin_or_network_owner"},
    {"update_port:device_owner", net_owner},
    {"update_port:mac_address", "rule:admin_only or rule:context_is_advsvc"},
    {"update_port:fixed_ips", net_owner_or_shared},
    {"update_port:fixed_ips:ip_address", net_owner},
    {"update_port:port_security_enabled", net_owner},
    {"update_port:allowed_address_pairs", "rule:admin_or_network_owner"},
    {"create_router:external_gateway_info:enable_snat", "rule:admin_only"},
    {"create_router:external_gateway_info:external_fixed_ips", "rule:admin_only"},
    {"update_router:external_gateway_info:enable_snat", "rule:admin_only"},
    {"update_router:external_gateway_info:external_fixed_ips", "rule:admin_only"},
};

}  // namespace

api::ServiceSpec service_spec() {
    return {
        .style = {.dialect = api::Dialect::network, .service_type = "network", .unknown = api::Unknown::refuse, .coerce = true, .page_limit = 0},
        .resources = {&network_resource, &subnet_resource, &port_resource, &router_resource, &floating_ip_resource, &security_group_resource,
                      &security_group_rule_resource, &rbac_policy_resource, &agent_resource},
        .routes = {version_routes, quota_routes, router_routes, overview_routes, tag_routes, agent_api_routes},
        .rules = {rules},
        .quotas = quota_limits,
    };
}

std::pair<std::int64_t, std::int64_t> parse_range(std::string_view text) {
    const auto parts = split(text, ':');
    const auto first = parts.size() == 2 ? parse_integer(parts[0]) : std::nullopt, last = parts.size() == 2 ? parse_integer(parts[1]) : std::nullopt;
    if (!first || !last || *first < 1 || *last < *first) throw Error(Errc::bad_request, fmt::format("'{}' is not a range FIRST:LAST", text));
    return {*first, *last};
}

VlanRange parse_vlan_range(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == 0 || text.empty()) throw Error(Errc::bad_request, fmt::format("'{}' is not a VLAN range PHYSICAL_NETWORK[:FIRST:LAST]", text));
    VlanRange range{std::string(text.substr(0, colon))};
    if (colon == std::string_view::npos) return range;
    std::tie(range.first, range.last) = parse_range(text.substr(colon + 1));
    if (range.last > 4094) throw Error(Errc::bad_request, fmt::format("'{}': a VLAN id is at most 4094", text));
    return range;
}

}  // namespace pilvi::network
