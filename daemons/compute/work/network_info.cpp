#include "work/network_info.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"

namespace pilvi::compute {
namespace {

using Index = std::map<std::string, const json::object*>;

std::string any_of(std::string_view name, const std::set<std::string>& values) {
    std::string query;
    for (const std::string& v : values) query += (query.empty() ? "" : "&") + std::string(name) + "=" + percent_encode(v);
    return query;
}

Index by_id(const json::array& rows) {
    Index out;
    for (const json::value& row : rows)
        if (row.is_object()) out[string_or(row.get_object(), "id")] = &row.get_object();
    return out;
}

std::set<std::string> ids_of(const json::array& rows, std::string_view member) {
    std::set<std::string> out;
    for (const json::value& row : rows)
        if (row.is_object()) out.insert(string_or(row.get_object(), member));
    return out;
}

int version_of(const std::string& address) { return address.find(':') == std::string::npos ? 4 : 6; }

json::object subnet_part(const json::object& subnet) {
    const json::value* gateway = find(subnet, "gateway_ip");
    return {{"id", string_or(subnet, "id")},
            {"cidr", string_or(subnet, "cidr")},
            {"ip_version", integer_or(subnet, "ip_version", 4)},
            {"gateway_ip", gateway ? *gateway : json::value(nullptr)},
            {"enable_dhcp", boolean_or(subnet, "enable_dhcp", true)},
            {"dns", array_or_empty(subnet, "dns_nameservers")},
            {"routes", array_or_empty(subnet, "host_routes")},
            {"ipv6_mode", string_or(subnet, "ipv6_address_mode")}};
}

json::object vif_of(const json::object& port, const Index& networks, const json::array& subnets, const json::array& floating_ips,
                    const Index& groups) {
    const std::string id = string_or(port, "id"), network_id = string_or(port, "network_id");
    const auto network = networks.find(network_id);
    json::array fixed, floating, names, parts;
    std::set<std::string> used;
    for (const json::value& ip : array_or_empty(port, "fixed_ips")) {
        if (!ip.is_object()) continue;
        const std::string address = string_or(ip.get_object(), "ip_address"), subnet = string_or(ip.get_object(), "subnet_id");
        used.insert(subnet);
        fixed.push_back(json::object{{"ip", address}, {"subnet_id", subnet}, {"version", version_of(address)}});
    }
    for (const json::value& row : floating_ips)
        if (row.is_object() && string_or(row.get_object(), "port_id") == id)
            floating.push_back(
                json::object{{"ip", string_or(row.get_object(), "floating_ip_address")}, {"fixed", string_or(row.get_object(), "fixed_ip_address")}});
    for (const json::value& group : array_or_empty(port, "security_groups"))
        if (group.is_string())
            if (const auto found = groups.find(str(group.get_string())); found != groups.end())
                names.push_back(json::string(string_or(*found->second, "name")));
    for (const json::value& row : subnets)
        if (row.is_object() && used.contains(string_or(row.get_object(), "id"))) parts.push_back(subnet_part(row.get_object()));
    return {{"id", id},
            {"mac", string_or(port, "mac_address")},
            {"network_id", network_id},
            {"network", network == networks.end() ? network_id : string_or(*network->second, "name")},
            {"mtu", network == networks.end() ? 1450 : integer_or(*network->second, "mtu", 1450)},
            {"status", string_or(port, "status", "DOWN")},
            {"fixed_ips", fixed},
            {"floating_ips", floating},
            {"groups", names},
            {"subnets", parts},
            {"tag", nullptr}};
}

// What the node sees of it: everything but the names, floating addresses and the status.
std::string node_part(const json::array& info) {
    json::array parts;
    for (const json::value& v : info) {
        const json::object& vif = v.as_object();
        parts.push_back(json::object{{"id", vif.at("id")}, {"mac", vif.at("mac")}, {"mtu", vif.at("mtu")}, {"fixed_ips", vif.at("fixed_ips")}});
    }
    return to_text(parts);
}

void store_network_info(App& app, const std::string& server_id, const json::array& info) {
    const std::string text = to_text(info);
    const bool differs = app.store.read([&](Tx& tx) {
        const auto row = tx.one("SELECT network_info FROM instances WHERE id = ? AND deleted = 0", {server_id});
        return row && row->text("network_info") != text;
    });
    if (!differs) return;
    app.store.write([&](Tx& tx) {
        const auto instance = find_instance(tx, server_id);
        if (!instance || instance->deleted || instance->network_info == text) return;
        if (instance->vm_state == "building" && instance->network_info == "[]") return;  // the build writes the first one itself
        Changes changes = network_changes(info);
        if (node_part(info) != node_part(json_array(instance->network_info))) {
            changes.emplace_back("generation", instance->generation + 1);
            if (!instance->host.empty()) app.feed.bump(tx, instance->host);
        }
        tx.update("instances", server_id, changes);
    });
}

}  // namespace

json::array make_network_info(const json::array& ports, const json::array& networks, const json::array& subnets, const json::array& floating_ips,
                              const json::array& groups, const json::array& before, const std::vector<std::string>& order) {
    const Index network_index = by_id(networks), group_index = by_id(groups);
    std::map<std::string, std::pair<std::size_t, json::value>> known;  // id -> position, tag
    for (const json::value& v : before) {
        const std::size_t position = known.size();
        const json::value* tag = find(v.as_object(), "tag");
        known.emplace(string_or(v.as_object(), "id"), std::pair(position, tag ? *tag : json::value(nullptr)));
    }
    for (const std::string& id : order) {
        const std::size_t position = known.size();
        known.emplace(id, std::pair(position, json::value(nullptr)));
    }
    std::vector<std::pair<std::size_t, json::object>> vifs;
    for (const json::value& port : ports) {
        if (!port.is_object()) continue;
        json::object vif = vif_of(port.get_object(), network_index, subnets, floating_ips, group_index);
        std::size_t position = known.size() + vifs.size();
        if (const auto found = known.find(string_or(vif, "id")); found != known.end()) {
            position = found->second.first;
            vif["tag"] = found->second.second;
        }
        vifs.emplace_back(position, std::move(vif));
    }
    std::stable_sort(vifs.begin(), vifs.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    json::array out;
    for (auto& [position, vif] : vifs) out.push_back(std::move(vif));
    return out;
}

json::array fetch_network_info(NetworkClient& network, const std::string& server_id, const json::array& before,
                               const std::vector<std::string>& order) {
    const json::array ports = network.list("", "ports", "device_id=" + percent_encode(server_id));
    if (ports.empty()) return {};
    const auto network_ids = ids_of(ports, "network_id");
    std::set<std::string> group_ids;
    for (const json::value& port : ports)
        for (const json::value& id : array_or_empty(port.as_object(), "security_groups"))
            if (id.is_string()) group_ids.insert(str(id.get_string()));
    const json::array networks = network.list("", "networks", any_of("id", network_ids));
    const json::array subnets = network.list("", "subnets", any_of("network_id", network_ids));
    const json::array floating = network.list("", "floatingips", any_of("port_id", ids_of(ports, "id")));
    const json::array groups = group_ids.empty() ? json::array{} : network.list("", "security-groups", any_of("id", group_ids));
    return make_network_info(ports, networks, subnets, floating, groups, before, order);
}

json::object addresses_of(const json::array& info) {
    json::object out;
    for (const json::value& v : info) {
        const json::object& vif = v.as_object();
        json::value& list = out[string_or(vif, "network")];
        if (!list.is_array()) list.emplace_array();
        const auto add = [&](const std::string& address, std::string_view type) {
            list.get_array().push_back(json::object{
                {"version", version_of(address)}, {"addr", address}, {"OS-EXT-IPS:type", type}, {"OS-EXT-IPS-MAC:mac_addr", vif.at("mac")}});
        };
        for (const json::value& ip : array_or_empty(vif, "fixed_ips")) add(string_or(ip.as_object(), "ip"), "fixed");
        for (const json::value& ip : array_or_empty(vif, "floating_ips")) add(string_or(ip.as_object(), "ip"), "floating");
    }
    return out;
}

json::array groups_of(const json::array& info) {
    json::array out;
    for (const json::value& v : info)
        for (const json::value& name : array_or_empty(v.as_object(), "groups")) out.push_back(json::object{{"name", name}});
    return out;
}

bool all_active(const json::array& info) {
    return std::all_of(info.begin(), info.end(), [](const json::value& v) { return string_or(v.as_object(), "status") == "ACTIVE"; });
}

Changes network_changes(const json::array& info) {
    return {{"network_info", to_text(info)}, {"addresses", to_text(addresses_of(info))}, {"security_groups", to_text(groups_of(info))}};
}

void refresh_network_info(App& app, const std::string& server_id) {
    const auto before = app.store.read(
        [&](Tx& tx) { return tx.scalar("SELECT network_info FROM instances WHERE id = ? AND deleted = 0", {server_id}).optional_text(); });
    if (before) store_network_info(app, server_id, fetch_network_info(app.network, server_id, json_array(*before)));
}

void refresh_all_network_info(App& app) {
    const auto rows =
        app.store.read([](Tx& tx) { return tx.query("SELECT id, network_info FROM instances WHERE deleted = 0 AND vm_state <> 'building'"); });
    if (rows.empty()) return;
    const json::array ports = app.network.list("", "ports", "");
    const json::array networks = app.network.list("", "networks", "");
    const json::array subnets = app.network.list("", "subnets", "");
    const json::array floating = app.network.list("", "floatingips", "");
    const json::array groups = app.network.list("", "security-groups", "");
    std::map<std::string, json::array> of_server;
    for (const json::value& port : ports)
        if (port.is_object()) of_server[string_or(port.get_object(), "device_id")].push_back(port);
    for (const Row& row : rows) {
        const std::string id = row.text("id");
        const auto found = of_server.find(id);
        store_network_info(app, id,
                           make_network_info(found == of_server.end() ? json::array{} : found->second, networks, subnets, floating, groups,
                                             json_array(row.text("network_info")), {}));
    }
}

}  // namespace pilvi::compute
