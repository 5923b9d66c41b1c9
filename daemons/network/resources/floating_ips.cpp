// Floating IPs: an address of an external network that a router maps to a port. Source: neutron.db.l3_db.
#include "base/ids.h"
#include "resources/addresses.h"
#include "resources/common.h"
#include "resources/ports.h"

namespace pilvi::network {
namespace {

using namespace api;

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "floating_network_id", .type = Type::uuid, .use = create | required | show | filter | sort},
    {.name = "floating_ip_address", .type = Type::ip, .use = create | show | filter | sort | nullable, .write_check = admin_only},
    {.name = "subnet_id", .type = Type::uuid, .use = create | nullable | computed},
    {.name = "router_id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "port_id", .type = Type::uuid, .use = accepts | show | filter | sort | nullable},
    {.name = "fixed_ip_address", .type = Type::ip, .use = accepts | show | filter | sort | nullable},
    {.name = "project_id", .use = create | show | filter | sort, .alias = "tenant_id"},
    {.name = "status", .use = show | filter | sort, .fallback = "\"DOWN\""},
    {.name = "description", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "dns_name", .use = create | show | filter, .fallback = "\"\"", .pattern = "([A-Za-z0-9]([A-Za-z0-9.-]*)?)?"},
    {.name = "dns_domain", .use = create | show | filter, .fallback = "\"\"", .pattern = "([A-Za-z0-9]([A-Za-z0-9.-]*)?)?"},
    {.name = "port_details", .type = Type::object, .use = show | computed},
    {.name = "tags", .type = Type::array, .use = show | computed},
    {.name = "floating_port_id"},
};

constexpr Operation operations[] = {
    {.verb = Verb::list, .policy = "get_floatingips", .check = "@"},
    {.verb = Verb::show, .policy = "get_floatingip", .check = admin_or_reader},
    {.verb = Verb::create, .policy = "create_floatingip", .check = admin_or_member},
    {.verb = Verb::update, .policy = "update_floatingip", .check = admin_or_member},
    {.verb = Verb::remove, .policy = "delete_floatingip", .check = admin_or_member},
};

struct Inside {
    std::string subnet_id, address;
};

// The address of the internal port that the floating IP means.
Inside inside_address(Tx& tx, const std::string& port, const std::optional<std::string>& wanted) {
    std::vector<Inside> ipv4;
    for (const json::value& ip : fixed_ips(tx, port)) {
        const std::string address = string_or(ip.as_object(), "ip_address");
        if (address.find(':') == std::string::npos) ipv4.push_back({string_or(ip.as_object(), "subnet_id"), address});
    }
    if (wanted) {
        if (wanted->find(':') != std::string::npos)
            throw bad_request("floatingip",
                              fmt::format("Cannot process floating IP association with {}, since that is not an IPv4 address", *wanted));
        for (const Inside& inside : ipv4)
            if (inside.address == *wanted) return inside;
        throw bad_request("floatingip", fmt::format("Port {} does not have fixed ip {}", port, *wanted));
    }
    if (ipv4.empty()) throw bad_request("floatingip", fmt::format("Cannot add floating IP to port {} that has no fixed IPv4 addresses", port));
    if (ipv4.size() > 1)
        throw bad_request(
            "floatingip",
            fmt::format("Port {} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP", port));
    return ipv4.front();
}

// A router between the inner subnet and the external network; the one that is the subnet's gateway where there are several.
std::string router_between(Tx& tx, const std::string& port, const Inside& inside, const std::string& external) {
    const auto router = tx.one(
        "SELECT i.router_id FROM router_interfaces i JOIN ip_allocations a ON a.port_id = i.port_id JOIN routers r ON r.id = i.router_id "
        "JOIN ports g ON g.id = r.gw_port_id JOIN subnets s ON s.id = a.subnet_id WHERE a.subnet_id = ? AND g.network_id = ? "
        "ORDER BY CASE WHEN a.ip_address = s.gateway_ip THEN 0 ELSE 1 END, i.router_id LIMIT 1",
        {inside.subnet_id, external});
    if (!router)
        throw missing("ExternalGatewayForFloatingIPNotFound",
                      fmt::format("External network {} is not reachable from subnet {}.  Therefore, cannot associate Port {} with a Floating IP.",
                                  external, inside.subnet_id, port));
    return router->text("router_id");
}

void clear(json::object& row) {
    for (const char* name : {"port_id", "fixed_ip_address", "router_id"}) row[name] = nullptr;
    row["status"] = "DOWN";
}

void associate(Call& call, Tx& tx, json::object& row, const std::string& port_id) {
    const json::object port = load(call, tx, port_resource, port_id);
    if (!call.who.is_admin && string_or(port, "project_id") != string_or(row, "project_id"))
        throw bad_request(
            "floatingip",
            fmt::format("Cannot process floating IP association with Port {}, since that port is owned by a different tenant", port_id));
    const std::string owner = string_or(port, "device_owner");
    if (owner.starts_with("network:") && owner != "network:router_interface")
        throw bad_request("floatingip", fmt::format("Port {} is unable to be assigned a floating IP", port_id));
    const Inside inside = inside_address(tx, port_id, optional_string(row, "fixed_ip_address"));
    const std::string external = string_or(row, "floating_network_id"), router = router_between(tx, port_id, inside, external);
    if (tx.one("SELECT id FROM floating_ips WHERE port_id = ? AND fixed_ip_address = ? AND floating_network_id = ? AND id <> ?",
               {port_id, inside.address, external, string_or(row, "id")}))
        throw conflict(
            "FloatingIPPortAlreadyAssociated",
            fmt::format("Cannot associate floating IP {} ({}) with port {} using fixed IP {}, as that fixed IP already has a floating IP on external "
                        "network {}.",
                        string_or(row, "floating_ip_address"), string_or(row, "id"), port_id, inside.address, external));
    row["port_id"] = port_id;
    row["fixed_ip_address"] = inside.address;
    row["router_id"] = router;
}

// The port on the external network that keeps the address; nobody's, as in the original.
void take_address(Call& call, Tx& tx, json::object& row) {
    App& app = app_of(call);
    const std::string network_id = string_or(row, "floating_network_id");
    const json::object network = load(call, tx, network_resource, network_id);
    if (!boolean_or(network, "router:external"))
        throw bad_request("floatingip", fmt::format("Network {} is not a valid external network", network_id));
    bool ipv4 = false;
    for (const Subnet& subnet : subnets_of(tx, network_id)) ipv4 = ipv4 || subnet.cidr.address.version() == 4;
    if (!ipv4) throw bad_request("floatingip", fmt::format("Network {} does not contain any IPv4 subnet", network_id));
    json::object wish;
    if (const auto subnet = optional_string(row, "subnet_id")) wish["subnet_id"] = *subnet;
    if (const auto address = optional_string(row, "floating_ip_address")) wish["ip_address"] = *address;
    const json::array wanted{wish};
    PortSpec spec{"", network_id, string_or(row, "id"), "network:floatingip", "", "N/A"};
    spec.only_ipv4 = true;
    const std::string port = make_port(tx, app, spec, wish.empty() ? nullptr : &wanted);
    const json::array ips = fixed_ips(tx, port);
    const std::string address = ips.empty() ? "" : string_or(ips.front().as_object(), "ip_address");
    if (address.empty() || address.find(':') != std::string::npos)
        throw bad("ExternalIpAddressExhausted", fmt::format("Unable to find any IP address on external network {}.", network_id));
    row["floating_port_id"] = port;
    row["floating_ip_address"] = address;
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    if (!before) {
        const auto port = optional_string(row, "port_id");
        if (!port && optional_string(row, "fixed_ip_address"))
            throw bad_request("floatingip", "fixed_ip_address cannot be specified without a port_id");
        take_address(call, tx, row);
        if (port) associate(call, tx, row, *port);
        return;
    }
    const bool says_port = call.body.contains("port_id"), says_address = call.body.contains("fixed_ip_address");
    if (!says_port && !says_address) return;
    const auto port = optional_string(row, "port_id");
    if (!port) {
        if (says_address && optional_string(row, "fixed_ip_address"))
            throw bad_request("floatingip", "fixed_ip_address cannot be specified without a port_id");
        return clear(row);
    }
    if (!says_address) row["fixed_ip_address"] = nullptr;
    if (optional_string(*before, "port_id") != port) row["status"] = "DOWN";
    associate(call, tx, row, *port);
}

// The server behind the port shows the address among its own.
void tell_server(Tx& tx, App& app, const std::optional<std::string>& port_id) {
    if (!port_id) return;
    const auto port = tx.one("SELECT device_id, device_owner FROM ports WHERE id = ?", {*port_id});
    if (port && is_server_port(port->text("device_owner")) && is_uuid_like(port->text("device_id")))
        tell_compute(tx, app, "network-changed", port->text("device_id"), *port_id);
}

void after_write(Call& call, Tx& tx, const json::object& row, const json::object* before) {
    App& app = app_of(call);
    const auto now = optional_string(row, "port_id"), then = before ? optional_string(*before, "port_id") : std::nullopt;
    tell_server(tx, app, now);
    if (then != now) tell_server(tx, app, then);
    // Where the router's node says that it has this address mapped already, it has: the agent reports changes only.
    if (const auto router = optional_string(row, "router_id"); router && string_or(row, "status") != "ACTIVE") {
        const std::string host = tx.scalar("SELECT host FROM routers WHERE id = ?", {*router}).text();
        if (last_floating_ip(tx, host, *router, string_or(row, "id")) == "ACTIVE")
            tx.exec("UPDATE floating_ips SET status = 'ACTIVE' WHERE id = ?", {string_or(row, "id")});
    }
    app.feed.bump_all(tx);
}

void before_remove(Call&, Tx& tx, const json::object& row) { remove_tags(tx, string_or(row, "id")); }

void after_remove(Call& call, Tx& tx, const json::object& row) {
    App& app = app_of(call);
    tell_server(tx, app, optional_string(row, "port_id"));
    remove_port(tx, app, string_or(row, "floating_port_id"));
    app.feed.bump_all(tx);
}

void view(Call&, Tx& tx, std::span<json::object> rows) {
    for (json::object& row : rows) row["port_details"] = nullptr;
    for_children(tx, rows,
                 "SELECT f.id, p.name, p.network_id, p.mac_address, p.admin_state_up, p.status, p.device_id, p.device_owner FROM floating_ips f JOIN "
                 "ports p ON p.id = f.port_id WHERE f.id",
                 "", [](json::object& fip, const Row& row) {
                     fip["port_details"] = json::object{{"name", row.text("name")},
                                                        {"network_id", row.text("network_id")},
                                                        {"mac_address", row.text("mac_address")},
                                                        {"admin_state_up", row.boolean("admin_state_up")},
                                                        {"status", row.text("status")},
                                                        {"device_id", row.text("device_id")},
                                                        {"device_owner", row.text("device_owner")}};
                 });
    add_tags(tx, rows);
}

std::string filter_parameter(const Call&, std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    return tag_filter(name, values, parameters);
}

}  // namespace

constexpr Resource floating_ip_resource{.name = "floatingip",
                                        .plural = "floatingips",
                                        .path = "/v2.0/floatingips",
                                        .table = "floating_ips",
                                        .fields = fields,
                                        .operations = operations,
                                        .hooks = {.before_write = &before_write,
                                                  .after_write = &after_write,
                                                  .before_remove = &before_remove,
                                                  .after_remove = &after_remove,
                                                  .view = &view,
                                                  .filter = &filter_parameter},
                                        .title = "Floating IP",
                                        .missing = "Floating IP {} could not be found",
                                        .quota = "floatingip",
                                        .bulk = true,
                                        .timestamps = true,
                                        .revision = true};
static_assert(api::sound(floating_ip_resource));

}  // namespace pilvi::network
