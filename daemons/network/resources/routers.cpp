// Routers: gateway with SNAT, extra routes. Interfaces are in router_interfaces.cpp. Source: neutron.db.{l3_db,extraroute_db,l3_gwmode_db}.
#include "resources/routers.h"

#include "resources/addresses.h"

namespace pilvi::network {
namespace {

using namespace api;

constexpr Field route_fields[] = {{.name = "destination", .type = Type::cidr, .use = required},
                                  {.name = "nexthop", .type = Type::ip, .use = required}};
constexpr Field fixed_ip_fields[] = {{.name = "subnet_id", .type = Type::uuid}, {.name = "ip_address", .type = Type::ip}};
constexpr Field gateway_fields[] = {
    {.name = "network_id", .type = Type::uuid, .use = required},
    {.name = "enable_snat", .type = Type::boolean},
    {.name = "external_fixed_ips", .type = Type::array, .most = 32, .item = Type::object, .fields = fixed_ip_fields},
};

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "name", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "project_id", .use = create | show | filter | sort, .alias = "tenant_id"},
    {.name = "admin_state_up", .type = Type::boolean, .use = accepts | show | filter | sort, .fallback = "true"},
    {.name = "status", .use = show | filter | sort, .fallback = "\"ACTIVE\""},
    {.name = "external_gateway_info",
     .type = Type::object,
     .use = accepts | show | nullable | computed,
     .fields = gateway_fields,
     .convert = [](const json::value& v) { return v.is_object() && v.get_object().empty() ? json::value(nullptr) : v; }},
    {.name = "routes",
     .type = Type::array,
     .use = accepts | show,
     .fallback = "[]",
     .most = 200,
     .item = Type::object,
     .fields = route_fields,
     .convert = [](const json::value& v) { return v.is_null() ? json::value(json::array{}) : v; }},
    {.name = "description", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "distributed", .type = Type::boolean, .use = create | show | computed | nullable, .write_check = admin_only, .read_check = admin_only},
    {.name = "ha", .type = Type::boolean, .use = create | show | computed | nullable, .write_check = admin_only, .read_check = admin_only},
    {.name = "flavor_id", .use = show | computed},
    {.name = "availability_zone_hints", .type = Type::array, .use = create | show, .fallback = "[]", .most = 16, .item = Type::text},
    {.name = "availability_zones", .type = Type::array, .use = show | computed},
    {.name = "tags", .type = Type::array, .use = show | computed},
    {.name = "gw_port_id"},
    {.name = "enable_snat", .type = Type::boolean, .fallback = "true"},
    {.name = "host", .fallback = "\"\""},
};

constexpr Operation operations[] = {
    {.verb = Verb::list, .policy = "get_routers", .check = "@"},
    {.verb = Verb::show, .policy = "get_router", .check = admin_or_reader},
    {.verb = Verb::create, .policy = "create_router", .check = admin_or_member},
    {.verb = Verb::update, .policy = "update_router", .check = admin_or_member},
    {.verb = Verb::remove, .policy = "delete_router", .check = admin_or_member},
};

constexpr std::size_t most_routes = 30;  // max_routes

Error invalid_routes(const json::array& routes, std::string_view why) {
    return bad("InvalidRoutes", fmt::format("Invalid format for routes: {}, {}", to_text(routes), why));
}

void check_zones(Tx& tx, const json::object& row) {
    for (const std::string& zone : texts(array_or_empty(row, "availability_zone_hints")))
        if (zone != "nova" && tx.scalar("SELECT count(*) FROM agents WHERE availability_zone = ?", {zone}).integer() == 0)
            throw missing("AvailabilityZoneNotFound", fmt::format("AvailabilityZone {} could not be found.", zone));
}

// Who may say what inside external_gateway_info.
void check_gateway_policy(Call& call, const json::object& row, const json::object& info, std::string_view verb) {
    if (info.contains("enable_snat")) call.enforce(fmt::format("{}_router:external_gateway_info:enable_snat", verb), row);
    if (!array_or_empty(info, "external_fixed_ips").empty())
        call.enforce(fmt::format("{}_router:external_gateway_info:external_fixed_ips", verb), row);
}

// The external network, which the caller must see.
json::object external_network(Call& call, Tx& tx, const json::object& info) {
    const std::string id = string_or(info, "network_id");
    const json::object network = load(call, tx, network_resource, id);
    if (!boolean_or(network, "router:external")) throw bad_request("router", fmt::format("Network {} is not an external network", id));
    const std::vector<Subnet> subnets = subnets_of(tx, id);
    for (const json::value& ip : array_or_empty(info, "external_fixed_ips")) {
        const std::string address = string_or(ip.as_object(), "ip_address");
        for (const Subnet& subnet : subnets)
            if (subnet.gateway && subnet.gateway->text() == address)
                throw bad_request("router", fmt::format("External IP {} is the same as the gateway IP", address));
    }
    return network;
}

void remove_gateway(Tx& tx, App& app, const std::string& router, const std::string& port, const std::string& network) {
    if (tx.one("SELECT id FROM floating_ips WHERE router_id = ? LIMIT 1", {router}))
        throw conflict(
            "RouterExternalGatewayInUseByFloatingIp",
            fmt::format("Gateway cannot be updated for router {}, since a gateway to external network {} is required by one or more floating "
                        "IPs.",
                        router, network));
    tx.exec("UPDATE routers SET gw_port_id = NULL WHERE id = ?", {router});
    remove_port(tx, app, port);
}

std::string add_gateway(Tx& tx, App& app, const json::object& row, const std::string& network, const json::array& ips) {
    const std::string router = string_or(row, "id");
    std::vector<Subnet> subnets = subnets_of(tx, network);
    check_router_subnets(tx, router, subnets);
    std::string port = make_port(tx, app, {"", network, router, "network:router_gateway", string_or(row, "host")}, ips.empty() ? nullptr : &ips);
    tx.exec("UPDATE routers SET gw_port_id = ? WHERE id = ?", {port, router});
    return port;
}

// Makes the gateway what the request wants; `info` null takes it away.
void set_gateway(Call& call, Tx& tx, const json::object& row, const json::value& info) {
    App& app = app_of(call);
    const std::string router = string_or(row, "id");
    const auto current =
        tx.one("SELECT p.id, p.network_id, p.mac_address FROM routers r JOIN ports p ON p.id = r.gw_port_id WHERE r.id = ?", {router});
    if (info.is_null()) {
        if (current) remove_gateway(tx, app, router, current->text("id"), current->text("network_id"));
        return;
    }
    const json::object& wanted = info.as_object();
    const json::object network = external_network(call, tx, wanted);
    const std::string network_id = string_or(network, "id");
    const json::array& ips = array_or_empty(wanted, "external_fixed_ips");
    if (current && current->text("network_id") == network_id) {
        if (!ips.empty()) reallocate(tx, app, {current->text("id"), network_id, current->text("mac_address"), "network:router_gateway"}, ips);
        return;
    }
    if (current) remove_gateway(tx, app, router, current->text("id"), current->text("network_id"));
    add_gateway(tx, app, row, network_id, ips);
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    if (!before) {
        check_zones(tx, row);
        if (boolean_or(row, "distributed") || boolean_or(row, "ha"))
            throw bad_request("router", "distributed and highly available routers are not supported by this deployment");
        row["host"] = pick_host(tx, app_of(call), "neutron-l3-agent");
    }
    if (const json::value* info = find(row, "external_gateway_info"); info && info->is_object()) {
        check_gateway_policy(call, row, info->get_object(), before ? "update" : "create");
        row["enable_snat"] = boolean_or(info->get_object(), "enable_snat", true);
    }
    if (!before && !array_or_empty(row, "routes").empty())
        throw invalid_routes(array_or_empty(row, "routes"), "the nexthop is not connected with router");
}

void after_write(Call& call, Tx& tx, const json::object& row, const json::object* before) {
    if (row.contains("external_gateway_info")) set_gateway(call, tx, row, *find(row, "external_gateway_info"));
    if (before && (call.body.contains("routes") || call.body.contains("external_gateway_info")))
        check_routes(tx, string_or(row, "id"), array_or_empty(row, "routes"));
    app_of(call).feed.bump_all(tx);
}

void before_remove(Call& call, Tx& tx, const json::object& row) {
    App& app = app_of(call);
    const std::string id = string_or(row, "id");
    std::string attached;
    for (const Row& port : tx.query("SELECT port_id FROM router_interfaces WHERE router_id = ? ORDER BY port_id LIMIT 20", {id}))
        attached += (attached.empty() ? "" : ", ") + port.text("port_id");
    if (!attached.empty()) throw conflict("RouterInUse", fmt::format("Router {} has ports still attached: {}", id, attached));
    if (const auto port = tx.one("SELECT p.id, p.network_id FROM routers r JOIN ports p ON p.id = r.gw_port_id WHERE r.id = ?", {id}))
        remove_gateway(tx, app, id, port->text("id"), port->text("network_id"));
    remove_tags(tx, id);
    app.feed.bump_all(tx);
}

void view(Call&, Tx& tx, std::span<json::object> rows) {
    for (json::object& row : rows) {
        for (const char* name : {"external_gateway_info", "flavor_id"}) row[name] = nullptr;
        for (const char* name : {"distributed", "ha"}) row[name] = false;
        row["availability_zones"] = json::array{};
    }
    for_children(tx, rows, "SELECT r.id, p.network_id FROM routers r JOIN ports p ON p.id = r.gw_port_id WHERE r.id", "",
                 [](json::object& router, const Row& row) {
                     router["external_gateway_info"] = json::object{{"network_id", row.at(1).text()},
                                                                    {"external_fixed_ips", json::array{}},
                                                                    {"enable_snat", boolean_or(router, "enable_snat", true)}};
                 });
    for_children(tx, rows, "SELECT r.id, a.subnet_id, a.ip_address FROM routers r JOIN ip_allocations a ON a.port_id = r.gw_port_id WHERE r.id",
                 "ORDER BY a.position, a.ip_address", [](json::object& router, const Row& row) {
                     if (router["external_gateway_info"].is_object())
                         router["external_gateway_info"].as_object()["external_fixed_ips"].as_array().push_back(
                             json::object{{"subnet_id", row.at(1).text()}, {"ip_address", row.at(2).text()}});
                 });
    for_children(tx, rows,
                 "SELECT r.id, a.availability_zone FROM routers r JOIN agents a ON a.host = r.host AND a.binary_name = 'neutron-l3-agent' "
                 "WHERE a.availability_zone IS NOT NULL AND r.id",
                 "", [](json::object& router, const Row& row) { router["availability_zones"].as_array().push_back(json::value(row.at(1).text())); });
    add_tags(tx, rows);
}

std::string filter_parameter(const Call&, std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    return tag_filter(name, values, parameters);
}

}  // namespace

constexpr Resource router_resource{.name = "router",
                                   .plural = "routers",
                                   .path = "/v2.0/routers",
                                   .table = "routers",
                                   .fields = fields,
                                   .operations = operations,
                                   .hooks = {.before_write = &before_write,
                                             .after_write = &after_write,
                                             .before_remove = &before_remove,
                                             .view = &view,
                                             .filter = &filter_parameter},
                                   .title = "Router",
                                   .missing = "Router {} could not be found",
                                   .quota = "router",
                                   .bulk = true,
                                   .timestamps = true,
                                   .revision = true};
static_assert(api::sound(router_resource));

std::vector<Subnet> router_subnets(Tx& tx, const std::string& router_id) {
    std::vector<Subnet> out;
    for (const Row& row :
         tx.query("SELECT DISTINCT a.subnet_id FROM ip_allocations a JOIN router_interfaces i ON i.port_id = a.port_id WHERE i.router_id = ?",
                  {router_id}))
        out.push_back(find_subnet(tx, row.text("subnet_id")));
    const Value gateway = tx.scalar("SELECT p.network_id FROM routers r JOIN ports p ON p.id = r.gw_port_id WHERE r.id = ?", {router_id});
    if (!gateway.is_null())
        for (Subnet& subnet : subnets_of(tx, gateway.text())) out.push_back(std::move(subnet));
    return out;
}

void check_router_subnets(Tx& tx, const std::string& router_id, const std::vector<Subnet>& wanted) {
    for (const Subnet& had : router_subnets(tx, router_id))
        for (const Subnet& subnet : wanted) {
            if (had.id == subnet.id) throw bad_request("router", fmt::format("Router already has a port on subnet {}", subnet.id));
            if (had.cidr.overlaps(subnet.cidr))
                throw bad_request("router", fmt::format("Cidr {} of subnet {} overlaps with cidr {} of subnet {}", subnet.cidr.text(), subnet.id,
                                                        had.cidr.text(), had.id));
        }
}

void check_routes(Tx& tx, const std::string& router_id, const json::array& routes) {
    if (routes.size() > most_routes)
        throw bad("RoutesExhausted",
                  fmt::format("Unable to complete operation for {}. The number of routes exceeds the maximum {}.", router_id, most_routes));
    if (routes.empty()) return;
    const std::vector<Subnet> subnets = router_subnets(tx, router_id);
    for (const json::value& item : routes) {
        const std::string text = string_or(item.as_object(), "nexthop");
        const IpAddress nexthop = *IpAddress::parse(text);
        const auto destination = Cidr::parse(string_or(item.as_object(), "destination"));
        bool connected = false;
        for (const Subnet& subnet : subnets) connected = connected || subnet.cidr.contains(nexthop);
        if (!connected || !destination || destination->address.version() != nexthop.version())
            throw invalid_routes(routes, "the nexthop is not connected with router");
        if (tx.one("SELECT a.port_id FROM ip_allocations a JOIN ports p ON p.id = a.port_id WHERE a.ip_address = ? AND p.device_id = ? AND "
                   "p.device_owner IN "
                   "('network:router_interface', 'network:router_gateway') LIMIT 1",
                   {text, router_id}))
            throw invalid_routes(routes, "the nexthop is used by router");
    }
}

}  // namespace pilvi::network
