// What is read only and made from other tables: availability zones, addresses in use per network, the agents of a network or router.
#include "resources/addresses.h"
#include "resources/misc.h"

namespace pilvi::network {
namespace {

using namespace api;

Reply zones(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        json::array out;
        for (const Row& row :
             tx.query("SELECT availability_zone, binary_name, max(admin_state_up) AS up FROM agents WHERE availability_zone IS NOT NULL GROUP BY "
                      "availability_zone, binary_name ORDER BY availability_zone, binary_name"))
            out.push_back(json::object{{"name", row.text("availability_zone")},
                                       {"resource", row.text("binary_name") == "neutron-l3-agent" ? "router" : "network"},
                                       {"state", row.boolean("up") ? "available" : "unavailable"}});
        return json::object{{"availability_zones", std::move(out)}};
    });
}

// Addresses of the pools: a number where it fits, which all of IPv4 does.
json::value pool_size(const std::vector<Pool>& pools) {
    std::uint64_t size = 0;
    for (const Pool& pool : pools) size += pool.first.distance_to(pool.last) + 1;
    return size;
}

json::object availability(Tx& tx, const Row& network) {
    const std::string id = network.text("id");
    std::map<std::string, std::int64_t> used;
    for (const Row& row : tx.query("SELECT subnet_id, count(*) AS n FROM ip_allocations WHERE network_id = ? GROUP BY subnet_id", {id}))
        used[row.text("subnet_id")] = row.integer("n");
    json::array subnets;
    std::uint64_t total = 0;
    std::int64_t all = 0;
    for (const Subnet& subnet : subnets_of(tx, id)) {
        const json::value size = pool_size(subnet.pools);
        total += size.to_number<std::uint64_t>();
        all += used[subnet.id];
        subnets.push_back(json::object{{"subnet_id", subnet.id},
                                       {"cidr", subnet.cidr.text()},
                                       {"ip_version", subnet.cidr.address.version()},
                                       {"total_ips", size},
                                       {"used_ips", used[subnet.id]}});
    }
    for (json::value& subnet : subnets) {
        const std::string name = tx.scalar("SELECT name FROM subnets WHERE id = ?", {string_or(subnet.as_object(), "subnet_id")}).text();
        subnet.as_object()["subnet_name"] = name;
    }
    return {{"network_id", id},
            {"network_name", network.text("name")},
            {"project_id", network.text("project_id")},
            {"tenant_id", network.text("project_id")},
            {"total_ips", total},
            {"used_ips", all},
            {"subnet_ip_availability", std::move(subnets)}};
}

Reply list_availability(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        json::array out;
        for (const Row& network : tx.query("SELECT id, name, project_id FROM networks ORDER BY id")) out.push_back(availability(tx, network));
        return json::object{{"network_ip_availabilities", std::move(out)}};
    });
}

Reply show_availability(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const auto network = tx.one("SELECT id, name, project_id FROM networks WHERE id = ?", {call.arg("network_id")});
        if (!network) throw network_not_found(call.arg("network_id"));
        return json::object{{"network_ip_availability", availability(tx, *network)}};
    });
}

Reply agents_on(Call& call, const std::string& host, std::string_view binary) {
    return call.store().read([&](Tx& tx) -> Reply {
        json::array out;
        for (const Row& row : tx.query(fmt::format("SELECT {} FROM agents t WHERE t.host = ? AND t.binary_name = ?", select_columns(agent_resource)),
                                       {host, binary})) {
            json::object agent = row_to_object(agent_resource, row);
            agent_resource.hooks.view(call, tx, std::span(&agent, 1));
            out.push_back(render(call, agent_resource, agent));
        }
        return json::object{{"agents", std::move(out)}};
    });
}

Reply dhcp_agents(Call& call) {
    const std::string host = call.store().read([&](Tx& tx) {
        load(call, tx, network_resource, call.arg("id"));
        return tx.scalar("SELECT binding_host_id FROM ports WHERE network_id = ? AND device_owner = 'network:dhcp'", {call.arg("id")}).text();
    });
    return agents_on(call, host, "neutron-dhcp-agent");
}

Reply l3_agents(Call& call) {
    const std::string host = call.store().read([&](Tx& tx) { return string_or(load(call, tx, router_resource, call.arg("id")), "host"); });
    return agents_on(call, host, "neutron-l3-agent");
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.0/availability_zones", .policy = "get_availability_zones", .check = "@", .handler = &zones},
    {.method = "GET",
     .path = "/v2.0/network-ip-availabilities",
     .policy = "get_network_ip_availabilities",
     .check = admin_only,
     .handler = &list_availability},
    {.method = "GET",
     .path = "/v2.0/network-ip-availabilities/{network_id}",
     .policy = "get_network_ip_availability",
     .check = admin_only,
     .handler = &show_availability},
    {.method = "GET", .path = "/v2.0/networks/{id}/dhcp-agents", .policy = "get_dhcp-agents", .check = admin_only, .handler = &dhcp_agents},
    {.method = "GET", .path = "/v2.0/routers/{id}/l3-agents", .policy = "get_l3-agents", .check = admin_only, .handler = &l3_agents},
};
static_assert(api::sound(std::span<const Route>(routes)));

}  // namespace

const std::span<const api::Route> overview_routes = routes;

}  // namespace pilvi::network
