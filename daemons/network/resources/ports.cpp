// Ports. Source: neutron_lib.api.definitions.port and the extensions port security, allowed address pairs, bindings, extra DHCP options, DNS.
#include <algorithm>
#include <set>

#include "base/ids.h"
#include "base/text.h"
#include "resources/addresses.h"
#include "resources/ports.h"
#include "resources/security.h"

namespace pilvi::network {
namespace {

using namespace api;

constexpr std::string_view vnic_types[] = {"normal",           "direct",    "macvtap", "direct-physical",    "baremetal",
                                           "virtio-forwarder", "smart-nic", "vdpa",    "accelerator-direct", "accelerator-direct-physical",
                                           "remote-managed"};
constexpr Field fixed_ip_fields[] = {{.name = "subnet_id", .type = Type::uuid}, {.name = "ip_address", .type = Type::ip}};

json::value null_is_empty_object(const json::value& v) { return v.is_null() ? json::value(json::object{}) : v; }
json::value null_is_empty_list(const json::value& v) { return v.is_null() ? json::value(json::array{}) : v; }

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "name", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "network_id", .type = Type::uuid, .use = create | required | show | filter | sort},
    {.name = "project_id", .use = create | show | filter | sort, .alias = "tenant_id"},
    {.name = "mac_address", .type = Type::mac, .use = accepts | show | filter | sort},
    {.name = "admin_state_up", .type = Type::boolean, .use = accepts | show | filter | sort, .fallback = "true"},
    {.name = "status", .use = show | filter | sort, .fallback = "\"DOWN\""},
    {.name = "device_id", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "device_owner", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "fixed_ips", .type = Type::array, .use = accepts | show | computed, .most = 200, .item = Type::object, .fields = fixed_ip_fields},
    {.name = "allowed_address_pairs", .type = Type::array, .use = accepts | show, .fallback = "[]", .convert = &convert_address_pairs},
    {.name = "extra_dhcp_opts", .type = Type::array, .use = accepts | show, .fallback = "[]", .convert = &convert_dhcp_options},
    {.name = "security_groups",
     .type = Type::array,
     .use = accepts | show | computed,
     .most = 100,
     .item = Type::uuid,
     .convert = &null_is_empty_list},
    {.name = "binding:host_id",
     .use = accepts | show | filter | nullable,
     .fallback = "\"\"",
     .write_check = admin_only,
     .read_check = admin_only,
     .convert = [](const json::value& v) { return v.is_null() ? json::value("") : v; }},
    {.name = "binding:vnic_type", .use = accepts | show | filter, .fallback = "\"normal\"", .values = vnic_types},
    {.name = "binding:profile",
     .type = Type::object,
     .use = accepts | show,
     .fallback = "{}",
     .write_check = admin_only,
     .read_check = admin_only,
     .convert = &null_is_empty_object},
    {.name = "binding:vif_type", .use = show | computed, .read_check = admin_only},
    {.name = "binding:vif_details", .type = Type::object, .use = show | computed, .read_check = admin_only},
    {.name = "port_security_enabled", .type = Type::boolean, .use = accepts | show},
    {.name = "description", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "dns_name", .use = accepts | show | filter, .fallback = "\"\"", .most = 63, .pattern = "([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)?"},
    {.name = "dns_assignment", .type = Type::array, .use = show | computed},
    {.name = "ip_allocation", .use = show, .fallback = "\"immediate\""},
    {.name = "resource_request", .type = Type::any, .use = show | computed, .read_check = admin_only},
    {.name = "tags", .type = Type::array, .use = create | show | computed, .most = 50, .item = Type::text},
};

constexpr Operation operations[] = {
    {.verb = Verb::list, .policy = "get_ports", .check = "@"},
    {.verb = Verb::show,
     .policy = "get_port",
     .check = "rule:admin_only or rule:context_is_advsvc or ((role:reader or role:member) and project_id:%(project_id)s) or rule:network_owner"},
    {.verb = Verb::create, .policy = "create_port", .check = admin_or_member},
    {.verb = Verb::update,
     .policy = "update_port",
     .check = "rule:admin_only or (role:member and project_id:%(project_id)s) or rule:context_is_advsvc"},
    {.verb = Verb::remove,
     .policy = "delete_port",
     .check = "rule:admin_only or (role:member and project_id:%(project_id)s) or rule:context_is_advsvc"},
};

bool trusted(std::string_view device_owner) { return device_owner.starts_with("network:"); }

// What a body says of itself, checked against the rules of single attributes.
void check_attributes(Call& call, Tx& tx, const json::object& row, const json::object* before) {
    json::object about = row;
    network_target(call, tx, row, about);
    const std::string verb = before ? "update_port:" : "create_port:";
    const auto said = [&](std::string_view name) {
        return row.contains(name) && (!before || !find(*before, name) || *find(*before, name) != *find(row, name));
    };
    const std::string owner = string_or(row, "device_owner");
    if (said("device_owner") && trusted(owner)) call.enforce(verb + "device_owner", about);
    if (said("mac_address")) call.enforce(verb + "mac_address", about);
    if (said("port_security_enabled")) call.enforce(verb + "port_security_enabled", about);
    if (said("allowed_address_pairs") && !array_or_empty(row, "allowed_address_pairs").empty()) call.enforce(verb + "allowed_address_pairs", about);
    if (!row.contains("fixed_ips")) return;
    bool exact = false;
    for (const json::value& ip : array_or_empty(row, "fixed_ips")) exact = exact || optional_string(ip.as_object(), "ip_address").has_value();
    call.enforce(verb + "fixed_ips", about);
    if (exact) call.enforce(verb + "fixed_ips:ip_address", about);
}

// A port may not claim to belong to a router of another project.
void check_device(Call& call, Tx& tx, const json::object& row) {
    const std::string owner = string_or(row, "device_owner"), device = string_or(row, "device_id");
    if (call.who.is_admin || device.empty() || !owner.starts_with("network:router_")) return;
    const auto router = tx.one("SELECT project_id FROM routers WHERE id = ?", {device});
    if (router && router->text("project_id") != string_or(row, "project_id"))
        throw conflict("DeviceIDNotOwnedByTenant",
                       fmt::format("The following device_id {} is not owned by your tenant or matches another tenants router.", device));
}

void check_groups(Call& call, Tx& tx, const json::object& row) {
    for (const std::string& id : texts(array_or_empty(row, "security_groups"))) {
        const auto group = tx.one("SELECT project_id FROM security_groups WHERE id = ?", {id});
        const bool shared =
            group &&
            tx.one("SELECT id FROM rbac_policies WHERE object_id = ? AND target_tenant IN (?, '*')", {id, string_or(row, "project_id")}).has_value();
        if (!group || (!call.who.is_admin && !shared && group->text("project_id") != string_or(row, "project_id")))
            throw security_group_not_found(id);
    }
}

// Security groups and port security together; `groups` are the port's after the write.
void check_security(const json::object& row, std::size_t groups, const json::object* before) {
    if (boolean_or(row, "port_security_enabled")) return;
    if (groups > 0 && before && !row.contains("security_groups"))
        throw conflict("PortSecurityPortHasSecurityGroup",
                       "Port has security group associated. Cannot disable port security or IP address until security "
                       "group is removed.");
    if (groups > 0)
        throw bad("PortSecurityAndIPRequiredForSecurityGroups",
                  "Port security must be enabled and port must have an IP address in "
                  "order to use security groups.");
    if (!array_or_empty(row, "allowed_address_pairs").empty())
        throw conflict("AddressPairAndPortSecurityRequired", "Port Security must be enabled in order to have allowed address pairs on a port.");
}

// A pair without a MAC address means the port's own.
void fill_pairs(json::object& row) {
    if (json::value* pairs = row.if_contains("allowed_address_pairs"))
        for (json::value& pair : pairs->as_array())
            if (!pair.as_object().contains("mac_address")) pair.as_object()["mac_address"] = row["mac_address"];
}

void check_mac(Tx& tx, const json::object& row) {
    const std::string network = string_or(row, "network_id"), mac = string_or(row, "mac_address");
    if (tx.one("SELECT id FROM ports WHERE network_id = ? AND mac_address = ? AND id <> ?", {network, mac, string_or(row, "id")}))
        throw conflict("MacAddressInUse", fmt::format("Unable to complete operation for network {}. The mac address {} is in use.", network, mac));
}

void prepare_create(Call& call, Tx& tx, json::object& row) {
    App& app = app_of(call);
    const json::object network = load(call, tx, network_resource, string_or(row, "network_id"));
    check_attributes(call, tx, row, nullptr);
    check_device(call, tx, row);
    if (row.contains("mac_address")) check_mac(tx, row);
    else row["mac_address"] = free_mac(tx, string_or(row, "network_id"));
    if (!row.contains("port_security_enabled")) row["port_security_enabled"] = network.at("port_security_enabled");
    const bool untrusted = !trusted(string_or(row, "device_owner"));
    if (untrusted) {
        const std::string group = ensure_default_group(tx, app, &call.service, string_or(row, "project_id"));
        if (!row.contains("security_groups") && boolean_or(row, "port_security_enabled") && !group.empty())
            row["security_groups"] = json::array{json::value(group)};
    }
    check_groups(call, tx, row);
    check_security(row, array_or_empty(row, "security_groups").size(), nullptr);
    fill_pairs(row);
    if (row.contains("fixed_ips") && array_or_empty(row, "fixed_ips").empty()) row["ip_allocation"] = "none";
}

std::size_t groups_of(Tx& tx, const std::string& port) {
    return static_cast<std::size_t>(tx.scalar("SELECT count(*) FROM port_security_groups WHERE port_id = ?", {port}).integer());
}

// A port that moves to another host, or away from all, has to be wired again; where the host's last report has it wired, it is.
void check_binding(Tx& tx, App& app, json::object& row, const json::object& before) {
    const std::string host = string_or(row, "binding:host_id"), id = string_or(row, "id");
    if (host == string_or(before, "binding:host_id")) return;
    const bool wired = !host.empty() && last_reported(tx, host, "ports", id) == "ACTIVE";
    row["status"] = wired ? "ACTIVE" : "DOWN";
    if (wired && is_server_port(string_or(row, "device_owner"))) tell_compute(tx, app, "network-vif-plugged", string_or(row, "device_id"), id);
}

void prepare_update(Call& call, Tx& tx, json::object& row, const json::object& before) {
    check_attributes(call, tx, row, &before);
    const bool owner_changed = string_or(row, "device_owner") != string_or(before, "device_owner"),
               device_changed = string_or(row, "device_id") != string_or(before, "device_id");
    if (owner_changed || device_changed) {
        if (tx.one("SELECT router_id FROM router_interfaces WHERE port_id = ?", {string_or(row, "id")}))
            throw conflict("PortInUse", fmt::format("Unable to complete operation on port {} for network {}. Port already has an attached device {}.",
                                                    string_or(row, "id"), string_or(row, "network_id"), string_or(before, "device_id")));
        check_device(call, tx, row);
    }
    if (string_or(row, "mac_address") != string_or(before, "mac_address")) {
        if (trusted(string_or(row, "device_owner")))
            throw conflict("UnsupportedPortDeviceOwner", fmt::format("Operation mac address update is not supported for device_owner {} on port {}.",
                                                                     string_or(row, "device_owner"), string_or(row, "id")));
        if (!string_or(before, "binding:host_id").empty())
            throw conflict("PortBound",
                           fmt::format("Unable to complete operation on port {}, port is already bound, port type: ovs, old_mac {}, new_mac {}.",
                                       string_or(row, "id"), string_or(before, "mac_address"), string_or(row, "mac_address")));
        check_mac(tx, row);
    }
    if (row.contains("security_groups")) check_groups(call, tx, row);
    const std::size_t groups = row.contains("security_groups") ? array_or_empty(row, "security_groups").size() : groups_of(tx, string_or(row, "id"));
    check_security(row, groups, &before);
    fill_pairs(row);
    if (call.body.contains("extra_dhcp_opts"))
        row["extra_dhcp_opts"] = merge_dhcp_options(array_or_empty(before, "extra_dhcp_opts"), array_or_empty(row, "extra_dhcp_opts"));
    check_binding(tx, app_of(call), row, before);
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    if (before) prepare_update(call, tx, row, *before);
    else {
        prepare_create(call, tx, row);
        row["extra_dhcp_opts"] = merge_dhcp_options({}, array_or_empty(row, "extra_dhcp_opts"));
    }
}

void bind_groups(Tx& tx, const json::object& row) {
    if (!row.contains("security_groups")) return;
    const std::string id = string_or(row, "id");
    tx.exec("DELETE FROM port_security_groups WHERE port_id = ?", {id});
    std::set<std::string> seen;
    for (const std::string& group : texts(array_or_empty(row, "security_groups")))
        if (seen.insert(group).second) tx.insert("port_security_groups", {{"port_id", id}, {"security_group_id", group}});
}

void after_write(Call& call, Tx& tx, const json::object& row, const json::object* before) {
    App& app = app_of(call);
    const std::string id = string_or(row, "id");
    const Holder holder{id, string_or(row, "network_id"), string_or(row, "mac_address"), string_or(row, "device_owner")};
    const json::value* wanted = find(row, "fixed_ips");
    if (!before) allocate(tx, holder, wanted ? &wanted->as_array() : nullptr);
    else if (wanted) reallocate(tx, app, holder, wanted->as_array());
    bind_groups(tx, row);
    if (!before) {
        std::set<std::string> tags;
        for (const std::string& tag : texts(array_or_empty(row, "tags")))
            if (tags.insert(tag).second) tx.insert("tags", {{"resource_id", id}, {"tag", tag}});
    }
    app.feed.bump_all(tx);
}

void before_remove(Call& call, Tx& tx, const json::object& row) {
    App& app = app_of(call);
    const std::string id = string_or(row, "id"), owner = string_or(row, "device_owner");
    const bool held = tx.one("SELECT id FROM routers WHERE gw_port_id = ?", {id}) ||
                      tx.one("SELECT port_id FROM router_interfaces WHERE port_id = ?", {id}) ||
                      tx.one("SELECT id FROM floating_ips WHERE floating_port_id = ?", {id});
    if (held) throw conflict("ServicePortInUse", fmt::format("Port {} cannot be deleted directly via the port API: has device owner {}.", id, owner));
    release_port(tx, app, id, string_or(row, "device_id"), owner);
    app.feed.bump_all(tx);
}

json::object vif_details() {
    return {{"connectivity", "l2"},      {"port_filter", true},     {"ovs_hybrid_plug", false},
            {"datapath_type", "system"}, {"bridge_name", "br-int"}, {"bound_drivers", json::object{{"0", "openvswitch"}}}};
}

void add_dns(const App& app, std::span<json::object> rows, const std::map<std::string, std::string>& domains) {
    for (json::object& row : rows) {
        const auto found = domains.find(string_or(row, "network_id"));
        std::string domain = found == domains.end() || found->second.empty() ? app.settings.dns_domain : found->second;
        if (!domain.ends_with('.')) domain += '.';
        json::array assignment;
        for (const json::value& ip : row["fixed_ips"].as_array()) {
            const std::string address = string_or(ip.as_object(), "ip_address");
            const std::string name = host_name(row, address);
            assignment.push_back(json::object{{"ip_address", address}, {"hostname", name}, {"fqdn", name + "." + domain}});
        }
        row["dns_assignment"] = std::move(assignment);
    }
}

void view(Call& call, Tx& tx, std::span<json::object> rows) {
    for (json::object& row : rows) {
        row["fixed_ips"] = json::array{};
        row["security_groups"] = json::array{};
        const bool bound = !string_or(row, "binding:host_id").empty();
        row["binding:vif_type"] = bound ? "ovs" : "unbound";
        row["binding:vif_details"] = bound ? vif_details() : json::object{};
        row["resource_request"] = nullptr;
    }
    for_children(tx, rows, "SELECT port_id, subnet_id, ip_address FROM ip_allocations WHERE port_id", "ORDER BY position, ip_address",
                 [](json::object& port, const Row& row) {
                     port["fixed_ips"].as_array().push_back(json::object{{"subnet_id", row.at(1).text()}, {"ip_address", row.at(2).text()}});
                 });
    for_children(tx, rows, "SELECT port_id, security_group_id FROM port_security_groups WHERE port_id", "ORDER BY security_group_id",
                 [](json::object& port, const Row& row) { port["security_groups"].as_array().push_back(json::value(row.at(1).text())); });
    std::map<std::string, std::string> domains;
    std::vector<json::object> networks;
    for (const json::object& row : rows)
        if (domains.emplace(string_or(row, "network_id"), "").second) networks.push_back(json::object{{"id", row.at("network_id")}});
    for_children(tx, networks, "SELECT id, dns_domain FROM networks WHERE id", "",
                 [&](json::object& network, const Row& row) { domains[string_or(network, "id")] = row.at(1).text(); });
    add_dns(app_of(call), rows, domains);
    add_tags(tx, rows);
}

std::string visible(const Call& call, Values& parameters) {
    if (call.who.is_admin || call.who.has_role("advsvc")) return "";
    parameters.emplace_back(call.who.project_id);
    parameters.emplace_back(call.who.project_id);
    return "t.project_id = ? OR t.network_id IN (SELECT id FROM networks WHERE project_id = ?)";
}

// fixed_ips=ip_address=10.0.0.5, fixed_ips=subnet_id=..., fixed_ips=ip_address_substr=10.0, security_groups=ID
std::string filter_parameter(const Call&, std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    if (name == "security_groups")
        return fmt::format("t.id IN (SELECT port_id FROM port_security_groups WHERE security_group_id IN ({}))", marks(values, parameters));
    if (name != "fixed_ips") return tag_filter(name, values, parameters);
    std::map<std::string, std::vector<std::string>> by_key;
    for (const std::string& value : values) {
        const std::size_t at = value.find('=');
        if (at == std::string::npos)
            throw bad("HTTPBadRequest", fmt::format("Bad ports request: '{}' is not of the form <key>=[value].", value.substr(0, 100)));
        by_key[value.substr(0, at)].push_back(value.substr(at + 1));
    }
    std::string out;
    for (const auto& [key, wanted] : by_key) {
        std::string condition;
        if (key == "ip_address" || key == "subnet_id") {
            condition = fmt::format("{} IN ({})", key, marks(wanted, parameters));
        } else if (key == "ip_address_substr") {
            for (const std::string& part : wanted) {
                condition += condition.empty() ? "ip_address LIKE ?" : " OR ip_address LIKE ?";
                parameters.emplace_back("%" + part + "%");
            }
        } else throw bad("HTTPBadRequest", fmt::format("Invalid filter fixed_ips: {}", key.substr(0, 100)));
        out += fmt::format("{}t.id IN (SELECT port_id FROM ip_allocations WHERE {})", out.empty() ? "" : " AND ", condition);
    }
    return out.empty() ? "1 = 1" : "(" + out + ")";
}

}  // namespace

constexpr Resource port_resource{.name = "port",
                                 .plural = "ports",
                                 .path = "/v2.0/ports",
                                 .table = "ports",
                                 .fields = fields,
                                 .operations = operations,
                                 .hooks = {.before_write = &before_write,
                                           .after_write = &after_write,
                                           .before_remove = &before_remove,
                                           .view = &view,
                                           .visible = &visible,
                                           .filter = &filter_parameter,
                                           .target = &network_target},
                                 .title = "Port",
                                 .quota = "port",
                                 .bulk = true,
                                 .timestamps = true,
                                 .revision = true};
static_assert(api::sound(port_resource));

}  // namespace pilvi::network
