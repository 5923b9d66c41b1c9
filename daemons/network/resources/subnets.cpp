// Subnets: addresses of a network. Source: neutron_lib.api.definitions.subnet, neutron.db.db_base_plugin_v2.
#include "domain/subnet_rules.h"
#include "resources/addresses.h"
#include "resources/common.h"

namespace pilvi::network {
namespace {

using namespace api;

constexpr std::string_view ipv6_modes[] = {"dhcpv6-stateful", "dhcpv6-stateless", "slaac"};
constexpr Field pool_fields[] = {{.name = "start", .type = Type::ip, .use = required}, {.name = "end", .type = Type::ip, .use = required}};
constexpr Field route_fields[] = {{.name = "destination", .type = Type::cidr, .use = required},
                                  {.name = "nexthop", .type = Type::ip, .use = required}};

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "name", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "project_id", .use = create | show | filter | sort, .alias = "tenant_id"},
    {.name = "network_id", .type = Type::uuid, .use = create | required | show | filter | sort},
    {.name = "ip_version",
     .type = Type::integer,
     .use = create | required | show | filter | sort,
     .convert =
         [](const json::value& v) {
             const bool known = v == json::value(4) || v == json::value(6) || v == json::value("4") || v == json::value("6");
             if (!known)
                 throw invalid_attribute("ip_version",
                                         fmt::format("'{}' is not in [4, 6]", v.is_string() ? str(v.get_string()).substr(0, 60) : to_text(v)));
             return v;
         }},
    {.name = "cidr", .type = Type::cidr, .use = create | show | filter | sort | nullable, .convert = &convert_subnet_cidr},
    {.name = "gateway_ip", .type = Type::ip, .use = accepts | show | filter | sort | nullable},
    {.name = "enable_dhcp", .type = Type::boolean, .use = accepts | show | filter | sort, .fallback = "true"},
    {.name = "allocation_pools", .type = Type::array, .use = accepts | show | nullable, .most = 100, .item = Type::object, .fields = pool_fields},
    {.name = "dns_nameservers",
     .type = Type::array,
     .use = accepts | show,
     .fallback = "[]",
     .most = 100,
     .item = Type::ip,
     .convert = &convert_list},
    {.name = "host_routes",
     .type = Type::array,
     .use = accepts | show,
     .fallback = "[]",
     .most = 100,
     .item = Type::object,
     .fields = route_fields,
     .convert = &convert_list},
    {.name = "ipv6_ra_mode", .use = accepts | show | filter | sort | nullable, .values = ipv6_modes},
    {.name = "ipv6_address_mode", .use = accepts | show | filter | sort | nullable, .values = ipv6_modes},
    {.name = "service_types",
     .type = Type::array,
     .use = accepts | show,
     .fallback = "[]",
     .most = 16,
     .item = Type::text,
     .write_check = admin_only},
    {.name = "subnetpool_id", .use = create | show | nullable | computed},
    {.name = "use_default_subnetpool", .type = Type::boolean, .use = create | computed},
    {.name = "prefixlen", .type = Type::integer, .use = create | nullable | computed, .least = 0, .most = 128},
    {.name = "segment_id", .type = Type::uuid, .use = create | nullable | computed, .write_check = admin_only},
    {.name = "shared", .type = Type::boolean, .use = show | computed},
    {.name = "description", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "tags", .type = Type::array, .use = show | computed},
};

constexpr Operation operations[] = {
    {.verb = Verb::list, .policy = "get_subnets", .check = "@"},
    {.verb = Verb::show,
     .policy = "get_subnet",
     .check = "rule:admin_only or ((role:reader or role:member) and project_id:%(project_id)s) or True:%(visible)s"},
    {.verb = Verb::create, .policy = "create_subnet", .check = net_owner_or_member},
    {.verb = Verb::update, .policy = "update_subnet", .check = net_owner_or_member},
    {.verb = Verb::remove, .policy = "delete_subnet", .check = net_owner_or_member},
};

void target(Call& call, Tx& tx, const json::object& row, json::object& out) {
    network_target(call, tx, row, out);
    out["visible"] = row.contains("id");
}

// The network must be there for the caller, and be its own unless it is an administrator.
void check_network(Call& call, Tx& tx, const json::object& row) {
    const std::string id = string_or(row, "network_id");
    const json::object network = load(call, tx, network_resource, id);
    if (!call.who.is_admin && string_or(network, "project_id") != call.who.project_id)
        throw Error(Errc::forbidden, "(rule:create_subnet and rule:network_owner) is disallowed by policy", "PolicyNotAuthorized");
}

void check_pool_wishes(const json::object& row) {
    if (const auto pool = optional_string(row, "subnetpool_id"))
        throw missing("SubnetPoolNotFound", fmt::format("Subnet pool {} could not be found.", *pool));
    if (boolean_or(row, "use_default_subnetpool"))
        throw bad_request("subnets", fmt::format("No default subnetpool found for IPv{}", integer_or(row, "ip_version")));
    const json::value* length = find(row, "prefixlen");
    const bool has_cidr = optional_string(row, "cidr").has_value();
    if (has_cidr && length && !length->is_null()) throw bad_request("subnets", "cidr and prefixlen must not be supplied together");
    if (!has_cidr) throw bad_request("subnets", "a subnetpool must be specified in the absence of a cidr");
}

void check_overlap(Tx& tx, const json::object& row) {
    const Cidr cidr = *Cidr::parse(string_or(row, "cidr"));
    for (const Row& other : tx.query("SELECT cidr FROM subnets WHERE network_id = ?", {string_or(row, "network_id")}))
        if (Cidr::parse(other.text("cidr"))->overlaps(cidr))
            throw invalid_input(fmt::format("Requested subnet with cidr: {} for network: {} overlaps with another subnet", cidr.text(),
                                            string_or(row, "network_id")));
}

// A gateway that a router has as its interface cannot change under it.
void check_gateway_free(Tx& tx, const json::object& row, const json::object& before) {
    const auto old = optional_string(before, "gateway_ip");
    if (!old || optional_string(row, "gateway_ip") == old) return;
    const Value port = tx.scalar(
        "SELECT a.port_id FROM ip_allocations a JOIN router_interfaces i ON i.port_id = a.port_id WHERE a.subnet_id = ? AND "
        "a.ip_address = ?",
        {string_or(row, "id"), *old});
    if (!port.is_null())
        throw conflict("GatewayIpInUse", fmt::format("Current gateway ip {} already in use by port {}. Unable to update.", *old, port.text()));
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    if (before) {
        check_gateway_free(tx, row, *before);
        check_subnet(row, before, true);
        return;
    }
    check_network(call, tx, row);
    check_pool_wishes(row);
    check_subnet(row, nullptr, row.contains("gateway_ip"));
    check_overlap(tx, row);
}

// Router gateways on an external network get an address of an IP version that they did not have.
void add_gateway_addresses(Tx& tx, App& app, const json::object& row) {
    const std::string network = string_or(row, "network_id");
    const int version = static_cast<int>(integer_or(row, "ip_version"));
    for (const Row& port :
         tx.query("SELECT id, mac_address FROM ports WHERE network_id = ? AND device_owner = 'network:router_gateway'", {network})) {
        json::array ips = fixed_ips(tx, port.text("id"));
        bool has = false;
        for (const json::value& ip : ips) has = has || IpAddress::parse(string_or(ip.as_object(), "ip_address"))->version() == version;
        if (has) continue;
        ips.push_back(json::object{{"subnet_id", string_or(row, "id")}});
        reallocate(tx, app, {port.text("id"), network, port.text("mac_address"), "network:router_gateway"}, ips);
    }
}

// Ports that are there already get their self-made address on a new subnet of that kind.
void add_auto_addresses(Tx& tx, const json::object& row) {
    if (!is_auto_address(row)) return;
    const Cidr cidr = *Cidr::parse(string_or(row, "cidr"));
    const std::string id = string_or(row, "id"), network = string_or(row, "network_id");
    for (const Row& port : tx.query("SELECT id, mac_address FROM ports WHERE network_id = ? AND device_owner NOT LIKE 'network:%'", {network})) {
        const IpAddress address = eui64(cidr, port.text("mac_address"));
        tx.insert("ip_allocations", {{"subnet_id", id},
                                     {"ip_offset", offset_of(cidr, address)},
                                     {"ip_address", address.text()},
                                     {"port_id", port.text("id")},
                                     {"network_id", network},
                                     {"position", std::int64_t{100}}});
    }
}

void after_write(Call& call, Tx& tx, const json::object& row, const json::object* before) {
    App& app = app_of(call);
    const std::string network = string_or(row, "network_id");
    if (!before) {
        add_gateway_addresses(tx, app, row);
        add_auto_addresses(tx, row);
        touch(tx, app, "networks", network);
    }
    ensure_dhcp_port(tx, app, network);
    app.feed.bump_all(tx);
}

void before_remove(Call& call, Tx& tx, const json::object& row) {
    App& app = app_of(call);
    const std::string id = string_or(row, "id"), network = string_or(row, "network_id");
    const std::string_view owners =
        is_auto_address(row) ? "p.device_owner IN ('network:router_interface', 'network:router_gateway')" : "p.device_owner <> 'network:dhcp'";
    if (tx.one(fmt::format("SELECT a.port_id FROM ip_allocations a JOIN ports p ON p.id = a.port_id WHERE a.subnet_id = ? AND {} LIMIT 1", owners),
               {id}))
        throw conflict("SubnetInUse",
                       fmt::format("Unable to complete operation on subnet {}: One or more ports have an IP allocation from this subnet.", id));
    tx.exec("DELETE FROM ip_allocations WHERE subnet_id = ?", {id});
    remove_tags(tx, id);
    touch(tx, app, "networks", network);
}

void after_remove(Call& call, Tx& tx, const json::object& row) {
    App& app = app_of(call);
    ensure_dhcp_port(tx, app, string_or(row, "network_id"));
    app.feed.bump_all(tx);
}

void view(Call&, Tx& tx, std::span<json::object> rows) {
    std::vector<json::object> networks;
    std::map<std::string, bool> shared;
    for (json::object& row : rows) {
        row["subnetpool_id"] = nullptr;
        if (shared.emplace(string_or(row, "network_id"), false).second) networks.push_back(json::object{{"id", row["network_id"]}});
    }
    for_children(tx, networks, "SELECT id, shared FROM networks WHERE id", "",
                 [&](json::object& network, const Row& row) { shared[string_or(network, "id")] = row.at(1).boolean(); });
    for (json::object& row : rows) row["shared"] = shared[string_or(row, "network_id")];
    add_tags(tx, rows);
}

std::string visible(const Call& call, Values& parameters) {
    if (call.who.is_admin) return "";
    for (int i = 0; i < 3; ++i) parameters.emplace_back(call.who.project_id);
    return "t.project_id = ? OR t.network_id IN (SELECT n.id FROM networks n WHERE n.shared = 1 OR n.project_id = ?) OR t.network_id IN (SELECT "
           "object_id FROM rbac_policies WHERE object_type = 'network' AND action = 'access_as_shared' AND target_tenant IN (?, '*'))";
}

std::string filter_parameter(const Call&, std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    return tag_filter(name, values, parameters);
}

}  // namespace

constexpr Resource subnet_resource{.name = "subnet",
                                   .plural = "subnets",
                                   .path = "/v2.0/subnets",
                                   .table = "subnets",
                                   .fields = fields,
                                   .operations = operations,
                                   .hooks = {.before_write = &before_write,
                                             .after_write = &after_write,
                                             .before_remove = &before_remove,
                                             .after_remove = &after_remove,
                                             .view = &view,
                                             .visible = &visible,
                                             .filter = &filter_parameter,
                                             .target = &target},
                                   .title = "Subnet",
                                   .quota = "subnet",
                                   .bulk = true,
                                   .timestamps = true,
                                   .revision = true};
static_assert(api::sound(subnet_resource));

}  // namespace pilvi::network
