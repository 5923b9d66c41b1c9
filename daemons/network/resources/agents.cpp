// Agents as the original lists them: one row for each of the roles that a node's network agent has. Source: neutron.db.agents_db.
#include "resources/agents.h"

#include <algorithm>
#include <set>

#include "base/ids.h"
#include "base/text.h"
#include "resources/addresses.h"

namespace pilvi::network {
namespace {

using namespace api;

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "agent_type", .use = show | filter | sort},
    {.name = "binary", .use = show | filter | sort, .column = "binary_name"},
    {.name = "topic", .use = show | filter | sort},
    {.name = "host", .use = show | filter | sort},
    {.name = "availability_zone", .use = show | filter | sort},
    {.name = "admin_state_up", .type = Type::boolean, .use = update | show | filter | sort},
    {.name = "description", .use = update | show | filter | sort | nullable},
    {.name = "alive", .type = Type::boolean, .use = show | computed},
    {.name = "configurations", .type = Type::object, .use = show},
    {.name = "created_at", .type = Type::integer, .use = show | sort},
    {.name = "started_at", .type = Type::integer, .use = show | sort},
    {.name = "heartbeat_timestamp", .type = Type::integer, .use = show | sort},
    {.name = "resource_versions", .type = Type::object, .use = computed},
    {.name = "resources_synced", .type = Type::boolean, .use = show | computed},
};

constexpr Operation operations[] = {
    {.verb = Verb::list, .policy = "get_agents", .check = "@"},
    {.verb = Verb::show, .policy = "get_agent", .check = admin_only},
    {.verb = Verb::update, .policy = "update_agent", .check = admin_only},
    {.verb = Verb::remove, .policy = "delete_agent", .check = admin_only},
};

// "2026-01-31 12:00:00", the form of the original's agents.
std::string plain_time(std::int64_t at) {
    std::string text = iso8601(at);
    text[10] = ' ';
    text.pop_back();
    return text;
}

void view(Call& call, Tx&, std::span<json::object> rows) {
    const App& app = app_of(call);
    for (json::object& row : rows) {
        row["alive"] = app.clock() - integer_or(row, "heartbeat_timestamp") < app.settings.agent_down;
        for (const std::string_view name : {"created_at", "started_at", "heartbeat_timestamp"}) row[name] = plain_time(integer_or(row, name));
        row["resources_synced"] = nullptr;
    }
}

std::string filter_parameter(const Call& call, std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    if (name != "alive" || values.empty()) return "";
    const App& app = call.app<App>();
    parameters.emplace_back(app.clock() - app.settings.agent_down);
    return parse_boolean(values.back()).value_or(false) ? "t.heartbeat_timestamp > ?" : "t.heartbeat_timestamp <= ?";
}

// Others than administrators see none.
std::string visible(const Call& call, Values&) { return call.who.is_admin ? "" : "1 = 0"; }

struct Role {
    std::string_view binary, type, topic, zone;
};
constexpr Role roles[] = {
    {"neutron-openvswitch-agent", "Open vSwitch agent", "N/A", ""},
    {"neutron-l3-agent", "L3 agent", "l3_agent", "nova"},
    {"neutron-dhcp-agent", "DHCP agent", "dhcp_agent", "nova"},
    {"neutron-metadata-agent", "Metadata agent", "N/A", ""},
};

// The roles of a node whose agent serves this (network-agent/README.md, "serves"). An agent that does not say serves everything.
std::set<std::string_view> roles_of(const json::object& agent) {
    std::set<std::string_view> out{"neutron-openvswitch-agent"};
    bool dhcp = true, l3 = true;
    if (const json::value* serves = find(agent, "serves"); serves && serves->is_array()) {
        const auto named = [&](std::string_view name) {
            return std::ranges::any_of(serves->get_array(), [&](const json::value& item) { return item.is_string() && item.get_string() == name; });
        };
        dhcp = named("dhcp");
        l3 = named("l3");
    }
    if (dhcp) out.insert("neutron-dhcp-agent");
    if (l3) out.insert("neutron-l3-agent");
    if (dhcp || l3) out.insert("neutron-metadata-agent");
    return out;
}

void make_agent(Tx& tx, App& app, const std::string& host, const Role& role) {
    const Micros now = app.clock();
    tx.insert("agents", {{"id", new_uuid()},
                         {"binary_name", role.binary},
                         {"agent_type", role.type},
                         {"host", host},
                         {"topic", role.topic},
                         {"availability_zone", role.zone.empty() ? Value() : Value(role.zone)},
                         {"admin_state_up", true},
                         {"description", Value()},
                         {"configurations", "{}"},
                         {"created_at", now},
                         {"started_at", now},
                         {"heartbeat_timestamp", now}});
}

// A router moves with all its ports.
void give_router(Tx& tx, const std::string& router, const std::string& host) {
    tx.exec("UPDATE routers SET host = ? WHERE id = ?", {host, router});
    tx.exec("UPDATE ports SET binding_host_id = ? WHERE device_id = ? AND device_owner IN ('network:router_interface', 'network:router_gateway')",
            {host, router});
}

void give_dhcp_port(Tx& tx, const Row& port, const std::string& host) {
    tx.exec("UPDATE ports SET binding_host_id = ?, device_id = ? WHERE id = ?",
            {host, dhcp_device_id(host, port.text("network_id")), port.text("id")});
}

// What nobody serves goes to the node that came.
void give_unserved(Tx& tx, App& app, const std::string& host, const std::set<std::string_view>& serving) {
    if (serving.contains("neutron-l3-agent"))
        for (const Row& router : tx.query("SELECT id FROM routers WHERE host = ''")) give_router(tx, router.text("id"), host);
    if (!serving.contains("neutron-dhcp-agent")) return;
    for (const Row& port : tx.query("SELECT id, network_id FROM ports WHERE device_owner = 'network:dhcp' AND binding_host_id = ''"))
        give_dhcp_port(tx, port, host);
    // Networks whose DHCP port could not be made get it now.
    for (const Row& network :
         tx.query("SELECT DISTINCT s.network_id FROM subnets s WHERE s.enable_dhcp = 1 AND NOT EXISTS (SELECT 1 FROM ports p WHERE "
                  "p.network_id = s.network_id AND p.device_owner = 'network:dhcp')"))
        ensure_dhcp_port(tx, app, network.text("network_id"));
}

// What a node no longer serves goes to another one that does, or waits for one.
void take_away(Tx& tx, App& app, const std::string& host, std::string_view binary) {
    if (binary == "neutron-l3-agent")
        for (const Row& router : tx.query("SELECT id FROM routers WHERE host = ?", {host}))
            give_router(tx, router.text("id"), pick_host(tx, app, binary));
    if (binary == "neutron-dhcp-agent")
        for (const Row& port : tx.query("SELECT id, network_id FROM ports WHERE device_owner = 'network:dhcp' AND binding_host_id = ?", {host}))
            give_dhcp_port(tx, port, pick_host(tx, app, binary));
}

// Makes the rows of `host` those of the roles that its agent has.
void keep_roles(Tx& tx, App& app, const std::string& host, const std::set<std::string_view>& wanted) {
    std::set<std::string> have;
    for (const Row& row : tx.query("SELECT binary_name FROM agents WHERE host = ?", {host})) have.insert(row.text("binary_name"));
    bool came = false, went = false;
    for (const Role& role : roles) {
        const bool there = have.contains(std::string(role.binary)), should = wanted.contains(role.binary);
        if (should && !there) make_agent(tx, app, host, role);
        if (there && !should) {
            tx.exec("DELETE FROM agents WHERE host = ? AND binary_name = ?", {host, role.binary});
            take_away(tx, app, host, role.binary);
        }
        came = came || (should && !there);
        went = went || (there && !should);
    }
    if (came) give_unserved(tx, app, host, wanted);
    if (came) app.feed.bump(tx, host);
    if (went) app.feed.bump_all(tx);
}

void store_configurations(Tx& tx, const std::string& host, const json::object& agent) {
    json::object configurations = object_or_empty(agent, "configurations");
    const std::string tunnel = string_or(agent, "tunnel_ip");
    json::object ovs = configurations;
    ovs["bridge_mappings"] = object_or_empty(agent, "bridge_mappings");
    ovs["datapath_type"] = string_or(agent, "datapath", "system");
    ovs["tunneling_ip"] = tunnel;
    ovs["tunnel_types"] = json::array{"vxlan"};
    ovs["integration_bridge"] = "br-int";
    configurations["agent_mode"] = "legacy";
    for (const Role& role : roles)
        tx.exec("UPDATE agents SET configurations = ? WHERE host = ? AND binary_name = ?",
                {to_text(role.binary == "neutron-openvswitch-agent" ? ovs : configurations), host, role.binary});
}

}  // namespace

constexpr Resource agent_resource{.name = "agent",
                                  .plural = "agents",
                                  .path = "/v2.0/agents",
                                  .table = "agents",
                                  .fields = fields,
                                  .operations = operations,
                                  .hooks = {.view = &view, .visible = &visible, .filter = &filter_parameter},
                                  .title = "Agent",
                                  .missing = "Agent {} could not be found",
                                  .scope = ""};
static_assert(api::sound(agent_resource));

void take_heartbeat(Tx& tx, App& app, const std::string& host, const json::object* agent) {
    tx.exec("UPDATE agents SET heartbeat_timestamp = ? WHERE host = ?", {app.clock(), host});
    if (!agent) return;
    keep_roles(tx, app, host, roles_of(*agent));
    store_configurations(tx, host, *agent);
}

bool heartbeat_due(Tx& tx, const App& app, const std::string& host) {
    const Value last = tx.scalar("SELECT min(heartbeat_timestamp) FROM agents WHERE host = ?", {host});
    return !last.is_null() && app.clock() - last.integer() > 5'000'000;
}

}  // namespace pilvi::network
