// PUT /v2.0/routers/{id}/add_router_interface and its kin: actions of a router. Source: neutron.db.l3_db, neutron.db.extraroute_db.
#include "base/ids.h"
#include "resources/routers.h"

namespace pilvi::network {
namespace {

using namespace api;

json::object interface_answer(const json::object& router, const std::string& project, const std::string& port, const std::string& network,
                              const std::vector<Subnet>& subnets) {
    json::array ids;
    for (const Subnet& subnet : subnets) ids.push_back(json::value(subnet.id));
    return {{"id", string_or(router, "id")}, {"tenant_id", project},
            {"project_id", project},         {"port_id", port},
            {"network_id", network},         {"subnet_id", subnets.empty() ? json::value(nullptr) : json::value(subnets.back().id)},
            {"subnet_ids", std::move(ids)}};
}

struct Wish {
    std::optional<std::string> port_id, subnet_id;
};

Wish read_wish(const Call& call, bool removal) {
    Wish wish;
    const auto id = [&](std::string_view name) -> std::optional<std::string> {
        const json::value* value = find(call.body, name);
        if (!value) return std::nullopt;
        if (!value->is_string() || !is_uuid_like(value->get_string()))
            throw bad_request("router", fmt::format("'{}' is not a valid UUID",
                                                    value->is_string() ? str(value->get_string()).substr(0, 60) : to_text(*value).substr(0, 60)));
        return str(value->get_string());
    };
    wish.port_id = id("port_id");
    wish.subnet_id = id("subnet_id");
    if (!wish.port_id && !wish.subnet_id) throw bad_request("router", "Either subnet_id or port_id must be specified");
    if (!removal && wish.port_id && wish.subnet_id) throw bad_request("router", "Cannot specify both subnet-id and port-id");
    return wish;
}

json::object own_router(Call& call, Tx& tx) {
    json::object router = load(call, tx, router_resource, call.arg("id"));
    call.enforce(call.route.policy, router);
    return router;
}

void check_mode(Tx& tx, const Subnet& subnet) {
    const auto row = tx.one("SELECT ipv6_ra_mode, ipv6_address_mode FROM subnets WHERE id = ?", {subnet.id});
    if (subnet.cidr.address.version() == 6 && row && (*row)["ipv6_ra_mode"].is_null() && !(*row)["ipv6_address_mode"].is_null())
        throw bad_request(
            "router", fmt::format("IPv6 subnet {} configured to receive RAs from an external router cannot be added to Neutron Router.", subnet.id));
}

void attach(Tx& tx, App& app, const json::object& router, const std::string& port) {
    tx.insert("router_interfaces", {{"port_id", port}, {"router_id", string_or(router, "id")}});
    tx.exec("UPDATE ports SET device_id = ?, device_owner = 'network:router_interface', binding_host_id = ? WHERE id = ?",
            {string_or(router, "id"), string_or(router, "host"), port});
    touch(tx, app, "ports", port);
    touch(tx, app, "routers", string_or(router, "id"));
    app.feed.bump_all(tx);
}

std::vector<Subnet> subnets_of_port(Tx& tx, const std::string& port) {
    std::vector<Subnet> out;
    for (const json::value& ip : fixed_ips(tx, port)) out.push_back(find_subnet(tx, string_or(ip.as_object(), "subnet_id")));
    return out;
}

// A port of somebody else's subnet must have an address that its owner lets out.
void check_in_pools(const Call& call, Tx& tx, const std::string& port, const std::vector<Subnet>& subnets) {
    if (call.who.is_admin) return;
    for (const json::value& ip : fixed_ips(tx, port))
        for (const Subnet& subnet : subnets) {
            if (subnet.id != string_or(ip.as_object(), "subnet_id") || subnet.project_id == call.who.project_id) continue;
            const IpAddress address = *IpAddress::parse(string_or(ip.as_object(), "ip_address"));
            bool inside = false;
            for (const Pool& pool : subnet.pools) inside = inside || pool.contains(address);
            if (!inside)
                throw bad_request("router",
                                  fmt::format("Cannot add interface to router because specified port {} has an IP address out of the allocation "
                                              "pool of subnet {}, which is not owned by the project making the request",
                                              port, subnet.id));
        }
}

json::object add_port(Call& call, Tx& tx, const json::object& router, const std::string& id) {
    const json::object port = load(call, tx, port_resource, id);
    if (!call.who.is_admin && string_or(port, "project_id") != call.who.project_id) throw port_not_found(id);
    if (const std::string device = string_or(port, "device_id"); !device.empty())
        throw conflict("PortInUse", fmt::format("Unable to complete operation on port {} for network {}. Port already has an attached device {}.", id,
                                                string_or(port, "network_id"), device));
    const std::vector<Subnet> subnets = subnets_of_port(tx, id);
    if (subnets.empty()) throw bad_request("router", "Router port must have at least one fixed IP");
    int ipv4 = 0;
    for (const Subnet& subnet : subnets) {
        check_mode(tx, subnet);
        ipv4 += subnet.cidr.address.version() == 4;
    }
    check_router_subnets(tx, string_or(router, "id"), subnets);
    if (ipv4 > 1) throw bad_request("router", "Cannot have multiple IPv4 subnets on router port");
    check_in_pools(call, tx, id, subnets);
    attach(tx, app_of(call), router, id);
    // A router's port forwards for others: neither anti-spoofing nor security groups.
    tx.exec("DELETE FROM port_security_groups WHERE port_id = ?", {id});
    tx.exec("UPDATE ports SET port_security_enabled = 0 WHERE id = ?", {id});
    return interface_answer(router, string_or(port, "project_id"), id, string_or(port, "network_id"), subnets);
}

// The router's IPv6 interface on a network takes every further IPv6 subnet of it.
std::string ipv6_interface(Tx& tx, const std::string& router, const Subnet& subnet) {
    if (subnet.cidr.address.version() != 6) return "";
    for (const Row& row :
         tx.query("SELECT i.port_id, a.ip_address FROM router_interfaces i JOIN ip_allocations a ON a.port_id = i.port_id WHERE i.router_id = ? "
                  "AND a.network_id = ?",
                  {router, subnet.network_id}))
        if (row.text("ip_address").find(':') != std::string::npos) return row.text("port_id");
    return "";
}

json::object add_subnet(Call& call, Tx& tx, const json::object& router, const std::string& id) {
    App& app = app_of(call);
    const std::string router_id = string_or(router, "id");
    load(call, tx, subnet_resource, id);
    const Subnet subnet = find_subnet(tx, id);
    if (!subnet.gateway) throw bad_request("router", "Subnet for router interface must have a gateway IP");
    if (!call.who.is_admin && subnet.project_id != call.who.project_id &&
        !tx.one("SELECT id FROM rbac_policies WHERE object_id = ? AND action = 'access_as_shared' AND target_tenant = ?",
                {subnet.network_id, call.who.project_id}))
        throw bad_request("router", fmt::format("Cannot add interface to router because subnet {} is not owned by project making the request", id));
    check_mode(tx, subnet);
    check_router_subnets(tx, router_id, {subnet});
    json::array wanted{json::object{{"subnet_id", id}, {"ip_address", subnet.gateway->text()}}};
    if (const std::string port = ipv6_interface(tx, router_id, subnet); !port.empty()) {
        json::array ips = fixed_ips(tx, port);
        ips.push_back(wanted.front());
        const auto row = tx.one("SELECT mac_address FROM ports WHERE id = ?", {port});
        reallocate(tx, app, {port, subnet.network_id, row->text("mac_address"), "network:router_interface"}, ips);
        app.feed.bump_all(tx);
        return interface_answer(router, string_or(router, "project_id"), port, subnet.network_id, {subnet});
    }
    const std::string port = make_port(
        tx, app, {string_or(router, "project_id"), subnet.network_id, router_id, "network:router_interface", string_or(router, "host")}, &wanted);
    attach(tx, app, router, port);
    return interface_answer(router, string_or(router, "project_id"), port, subnet.network_id, {subnet});
}

Reply add_interface(Call& call) {
    const Wish wish = read_wish(call, false);
    return call.store().write([&](Tx& tx) -> Reply {
        const json::object router = own_router(call, tx);
        return wish.port_id ? add_port(call, tx, router, *wish.port_id) : add_subnet(call, tx, router, *wish.subnet_id);
    });
}

// A floating IP or a route may need the interface.
void check_unused(Tx& tx, const json::object& router, const Subnet& subnet) {
    const std::string id = string_or(router, "id");
    if (tx.one("SELECT f.id FROM floating_ips f JOIN ip_allocations a ON a.port_id = f.port_id AND a.ip_address = f.fixed_ip_address WHERE "
               "f.router_id = ? "
               "AND a.subnet_id = ? LIMIT 1",
               {id, subnet.id}))
        throw conflict("RouterInterfaceInUseByFloatingIP",
                       fmt::format("Router interface for subnet {} on router {} cannot be deleted, as it is required by "
                                   "one or more floating IPs.",
                                   subnet.id, id));
    for (const json::value& route : array_or_empty(router, "routes"))
        if (subnet.cidr.contains(*IpAddress::parse(string_or(route.as_object(), "nexthop"))))
            throw conflict("RouterInterfaceInUseByRoute",
                           fmt::format("Router interface for subnet {} on router {} cannot be deleted, as it is required by one "
                                       "or more routes.",
                                       subnet.id, id));
}

json::object remove_by_port(Tx& tx, App& app, const json::object& router, const Wish& wish) {
    const auto port = tx.one(
        "SELECT p.id, p.project_id, p.network_id FROM ports p JOIN router_interfaces i ON i.port_id = p.id WHERE i.router_id = ? AND "
        "p.id = ?",
        {string_or(router, "id"), *wish.port_id});
    if (!port)
        throw missing("RouterInterfaceNotFound",
                      fmt::format("Router {} does not have an interface with id {}", string_or(router, "id"), *wish.port_id));
    const std::vector<Subnet> subnets = subnets_of_port(tx, *wish.port_id);
    bool matches = !wish.subnet_id;
    for (const Subnet& subnet : subnets) matches = matches || subnet.id == *wish.subnet_id;
    if (!matches)
        throw bad("SubnetMismatchForPort", fmt::format("Subnet on port {} does not match the requested subnet {}.", *wish.port_id, *wish.subnet_id));
    for (const Subnet& subnet : subnets) check_unused(tx, router, subnet);
    remove_port(tx, app, *wish.port_id);
    return interface_answer(router, port->text("project_id"), *wish.port_id, port->text("network_id"), subnets);
}

json::object remove_by_subnet(Tx& tx, App& app, const json::object& router, const std::string& subnet_id) {
    const std::string id = string_or(router, "id");
    const Subnet subnet = find_subnet(tx, subnet_id);
    const auto port = tx.one(
        "SELECT p.id, p.project_id, p.network_id, p.mac_address FROM ports p JOIN router_interfaces i ON i.port_id = p.id JOIN "
        "ip_allocations a ON a.port_id = p.id WHERE i.router_id = ? AND a.subnet_id = ?",
        {id, subnet_id});
    if (!port) throw missing("RouterInterfaceNotFoundForSubnet", fmt::format("Router {} has no interface on subnet {}", id, subnet_id));
    check_unused(tx, router, subnet);
    json::array others;
    for (const json::value& ip : fixed_ips(tx, port->text("id")))
        if (string_or(ip.as_object(), "subnet_id") != subnet_id) others.push_back(ip);
    if (others.empty()) remove_port(tx, app, port->text("id"));
    else reallocate(tx, app, {port->text("id"), port->text("network_id"), port->text("mac_address"), "network:router_interface"}, others);
    return interface_answer(router, port->text("project_id"), port->text("id"), port->text("network_id"), {subnet});
}

Reply remove_interface(Call& call) {
    const Wish wish = read_wish(call, true);
    return call.store().write([&](Tx& tx) -> Reply {
        App& app = app_of(call);
        const json::object router = own_router(call, tx);
        if (!wish.port_id) load(call, tx, subnet_resource, *wish.subnet_id);
        json::object answer = wish.port_id ? remove_by_port(tx, app, router, wish) : remove_by_subnet(tx, app, router, *wish.subnet_id);
        touch(tx, app, "routers", string_or(router, "id"));
        app.feed.bump_all(tx);
        return answer;
    });
}

bool same_route(const json::value& a, const json::value& b) {
    return string_or(a.as_object(), "destination") == string_or(b.as_object(), "destination") &&
           string_or(a.as_object(), "nexthop") == string_or(b.as_object(), "nexthop");
}

constexpr Field route_fields[] = {{.name = "destination", .type = Type::cidr, .use = required},
                                  {.name = "nexthop", .type = Type::ip, .use = required}};
constexpr Field extra_fields[] = {
    {.name = "routes", .type = Type::array, .use = required, .most = 200, .item = Type::object, .fields = route_fields}};

Reply change_routes(Call& call, bool adding) {
    return call.store().write([&](Tx& tx) -> Reply {
        App& app = app_of(call);
        const json::object router = own_router(call, tx);
        const json::array &old = array_or_empty(router, "routes"), &wanted = array_or_empty(call.body, "routes");
        json::array routes;
        const auto in = [](const json::array& list, const json::value& route) {
            for (const json::value& other : list)
                if (same_route(other, route)) return true;
            return false;
        };
        for (const json::value& route : old)
            if (adding || !in(wanted, route)) routes.push_back(route);
        if (adding)
            for (const json::value& route : wanted)
                if (!in(routes, route)) routes.push_back(route);
        check_routes(tx, string_or(router, "id"), routes);
        tx.exec("UPDATE routers SET routes = ? WHERE id = ?", {to_text(routes), string_or(router, "id")});
        touch(tx, app, "routers", string_or(router, "id"));
        app.feed.bump_all(tx);
        json::object shown = *find_row(tx, router_resource, string_or(router, "id"));
        router_resource.hooks.view(call, tx, std::span(&shown, 1));
        return json::object{{"router", render(call, router_resource, shown)}};
    });
}

Reply add_routes(Call& call) { return change_routes(call, true); }
Reply remove_routes(Call& call) { return change_routes(call, false); }

constexpr std::string_view anyone = "rule:admin_only or (role:member and project_id:%(project_id)s)";
constexpr Route routes[] = {
    {.method = "PUT",
     .path = "/v2.0/routers/{id}/add_router_interface",
     .policy = "add_router_interface",
     .check = anyone,
     .handler = &add_interface,
     .json_body = true,
     .any_body = true},
    {.method = "PUT",
     .path = "/v2.0/routers/{id}/remove_router_interface",
     .policy = "remove_router_interface",
     .check = anyone,
     .handler = &remove_interface,
     .json_body = true,
     .any_body = true},
    {.method = "PUT",
     .path = "/v2.0/routers/{id}/add_extraroutes",
     .policy = "add_extraroutes",
     .check = anyone,
     .handler = &add_routes,
     .wrapper = "router",
     .body = extra_fields},
    {.method = "PUT",
     .path = "/v2.0/routers/{id}/remove_extraroutes",
     .policy = "remove_extraroutes",
     .check = anyone,
     .handler = &remove_routes,
     .wrapper = "router",
     .body = extra_fields},
};
static_assert(api::sound(std::span<const Route>(routes)));

}  // namespace

const std::span<const api::Route> router_routes = routes;

}  // namespace pilvi::network
