// Networks: the layer 2 segment and who may use it. Source: neutron_lib.api.definitions.{network,provider_net,external_net,network_mtu}.
#include "resources/addresses.h"
#include "resources/common.h"
#include "resources/security.h"
#include "resources/segments.h"

namespace pilvi::network {
namespace {

using namespace api;

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "name", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "subnets", .type = Type::array, .use = show | computed},
    {.name = "admin_state_up", .type = Type::boolean, .use = accepts | show | filter | sort, .fallback = "true"},
    {.name = "status", .use = show | filter | sort, .fallback = "\"ACTIVE\""},
    {.name = "project_id", .use = create | show | filter | sort, .alias = "tenant_id"},
    {.name = "description", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "shared", .type = Type::boolean, .use = accepts | show | filter | sort, .fallback = "false", .write_check = admin_only},
    {.name = "router:external", .type = Type::boolean, .use = accepts | show | filter, .fallback = "false", .write_check = admin_only},
    {.name = "is_default", .type = Type::boolean, .use = accepts | show | filter, .fallback = "false", .write_check = admin_only},
    {.name = "provider:network_type", .use = accepts | show | filter | nullable, .write_check = admin_only, .read_check = admin_only},
    {.name = "provider:physical_network",
     .use = accepts | show | filter | nullable,
     .least = 1,
     .most = 64,
     .write_check = admin_only,
     .read_check = admin_only},
    {.name = "provider:segmentation_id",
     .type = Type::integer,
     .use = accepts | show | filter | nullable,
     .write_check = admin_only,
     .read_check = admin_only},
    {.name = "mtu", .type = Type::integer, .use = accepts | show | filter | sort, .least = 0, .most = 65535},
    {.name = "port_security_enabled", .type = Type::boolean, .use = accepts | show, .fallback = "true"},
    {.name = "availability_zone_hints", .type = Type::array, .use = create | show, .fallback = "[]", .most = 16, .item = Type::text},
    {.name = "availability_zones", .type = Type::array, .use = show | computed},
    {.name = "dns_domain", .use = accepts | show | filter | sort, .fallback = "\"\"", .pattern = "([A-Za-z0-9][A-Za-z0-9.-]*)?"},
    {.name = "ipv4_address_scope", .use = show | computed},
    {.name = "ipv6_address_scope", .use = show | computed},
    {.name = "tags", .type = Type::array, .use = show | computed},
};

constexpr Operation operations[] = {
    {.verb = Verb::list, .policy = "get_networks", .check = "@"},
    {.verb = Verb::show,
     .policy = "get_network",
     .check = "rule:admin_only or (role:reader and project_id:%(project_id)s) or (role:member and project_id:%(project_id)s) or True:%(visible)s or "
              "rule:context_is_advsvc"},
    {.verb = Verb::create, .policy = "create_network", .check = admin_or_member},
    {.verb = Verb::update, .policy = "update_network", .check = admin_or_member},
    {.verb = Verb::remove, .policy = "delete_network", .check = admin_or_member},
};

// Rows that the visibility condition let through are the caller's to see: own, shared, external, or shared with its project.
void target(Call&, Tx&, const json::object& row, json::object& out) {
    out["visible"] = row.contains("id");
    for (const char* name : {"network:tenant_id", "network:project_id"}) out[name] = string_or(row, "project_id");
}

std::int64_t highest_mtu(const Settings& settings, std::string_view type) { return type == "vxlan" ? settings.mtu - 50 : settings.mtu; }

void set_mtu(const App& app, json::object& row, const json::object* before) {
    const std::int64_t highest = highest_mtu(app.settings, string_or(row, "provider:network_type"));
    const std::int64_t wanted = integer_or(row, "mtu");
    if (wanted == 0) row["mtu"] = highest;
    else if (wanted > highest && !(before && integer_or(*before, "mtu") == wanted))
        throw invalid_input(fmt::format("Requested MTU is too big, maximum is {}", highest));
    else if (wanted < 68) throw invalid_input(fmt::format("Requested MTU is too small, minimum is {}", 68));
}

void check_zones(Tx& tx, const json::object& row) {
    for (const std::string& zone : texts(array_or_empty(row, "availability_zone_hints")))
        if (zone != "nova" && tx.scalar("SELECT count(*) FROM agents WHERE availability_zone = ?", {zone}).integer() == 0)
            throw missing("AvailabilityZoneNotFound", fmt::format("AvailabilityZone {} could not be found.", zone));
}

void check_update(Tx& tx, const json::object& row, const json::object& before) {
    for (const std::string_view name : {"provider:network_type", "provider:physical_network", "provider:segmentation_id"})
        if (*find(row, name) != *find(before, name)) throw invalid_input("Plugin does not support updating provider attributes");
    const std::string id = string_or(before, "id");
    if (boolean_or(before, "router:external") && !boolean_or(row, "router:external") &&
        tx.scalar("SELECT count(*) FROM ports WHERE network_id = ? AND device_owner IN ('network:router_gateway', 'network:floatingip')", {id})
                .integer() > 0)
        throw conflict("ExternalNetworkInUse",
                       fmt::format("External network {} cannot be updated to be made non-external, since it has existing gateway ports.", id));
    if (boolean_or(before, "shared") && !boolean_or(row, "shared") &&
        tx.scalar("SELECT count(*) FROM ports WHERE network_id = ? AND project_id NOT IN (?, '') AND device_owner NOT LIKE 'network:%'",
                  {id, string_or(before, "project_id")})
                .integer() > 0)
        throw conflict("InvalidSharedSetting",
                       fmt::format("Unable to reconfigure sharing settings for network {}. Multiple tenants are using it.", string_or(before, "id")));
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    App& app = app_of(call);
    if (before) {
        check_update(tx, row, *before);
        set_mtu(app, row, before);
        return;
    }
    check_zones(tx, row);
    take_segment(tx, app.settings, row);
    set_mtu(app, row, nullptr);
    ensure_default_group(tx, app, &call.service, string_or(row, "project_id"));
}

void after_write(Call& call, Tx& tx, const json::object&, const json::object* before) {
    if (before) app_of(call).feed.bump_all(tx);
}

// A network goes with its subnets and DHCP ports, unless somebody has a port on it.
void before_remove(Call& call, Tx& tx, const json::object& row) {
    App& app = app_of(call);
    const std::string id = string_or(row, "id");
    // Floating IPs that serve nobody go with their network.
    for (const Row& fip : tx.query("SELECT id, floating_port_id FROM floating_ips WHERE floating_network_id = ? AND port_id IS NULL", {id})) {
        remove_tags(tx, fip.text("id"));
        tx.exec("DELETE FROM floating_ips WHERE id = ?", {fip.text("id")});
        remove_port(tx, app, fip.text("floating_port_id"));
    }
    std::string used;
    for (const Row& port : tx.query("SELECT id FROM ports WHERE network_id = ? AND device_owner <> 'network:dhcp' ORDER BY id LIMIT 20", {id}))
        used += (used.empty() ? "" : ",") + port.text("id");
    if (!used.empty())
        throw conflict("NetworkInUse", fmt::format("Unable to complete operation on network {}. There are one or more ports still in use on the "
                                                   "network, id for these ports is: {}.",
                                                   id, used));
    for (const Row& port : tx.query("SELECT id FROM ports WHERE network_id = ?", {id})) remove_port(tx, app, port.text("id"));
    tx.exec("DELETE FROM tags WHERE resource_id IN (SELECT id FROM subnets WHERE network_id = ?)", {id});
    tx.exec("DELETE FROM subnets WHERE network_id = ?", {id});
    tx.exec("DELETE FROM segments WHERE network_id = ?", {id});
    tx.exec("DELETE FROM rbac_policies WHERE object_id = ?", {id});
    remove_tags(tx, id);
    app.feed.bump_all(tx);
}

void view(Call&, Tx& tx, std::span<json::object> rows) {
    for (json::object& row : rows) {
        for (const char* name : {"subnets", "tags", "availability_zones"}) row[name] = json::array{};
        for (const char* name : {"ipv4_address_scope", "ipv6_address_scope"}) row[name] = nullptr;
    }
    // One statement: a small list costs little more than its statements.
    constexpr std::string_view members[] = {"subnets", "tags", "availability_zones"};
    for_children(
        tx, rows,
        "SELECT network_id, 0, id, created_at FROM subnets WHERE network_id IN ({0})"
        " UNION ALL SELECT resource_id, 1, tag, 0 FROM tags WHERE resource_id IN ({0})"
        " UNION ALL SELECT p.network_id, 2, a.availability_zone, 0 FROM ports p JOIN agents a ON a.host = p.binding_host_id AND a.binary_name ="
        " 'neutron-dhcp-agent' WHERE p.device_owner = 'network:dhcp' AND a.availability_zone IS NOT NULL AND p.network_id IN ({0})"
        " ORDER BY 2, 4, 3",
        [&](json::object& network, const Row& row) {
            network[members[static_cast<std::size_t>(row.at(1).integer())]].as_array().push_back(json::value(row.at(2).text()));
        });
}

std::string filter_parameter(const Call&, std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    return tag_filter(name, values, parameters);
}

}  // namespace

constexpr Resource network_resource{.name = "network",
                                    .plural = "networks",
                                    .path = "/v2.0/networks",
                                    .table = "networks",
                                    .fields = fields,
                                    .operations = operations,
                                    .hooks = {.before_write = &before_write,
                                              .after_write = &after_write,
                                              .before_remove = &before_remove,
                                              .view = &view,
                                              .visible = &visible_networks,
                                              .filter = &filter_parameter,
                                              .target = &target},
                                    .title = "Network",
                                    .quota = "network",
                                    .bulk = true,
                                    .timestamps = true,
                                    .revision = true};
static_assert(api::sound(network_resource));

}  // namespace pilvi::network
