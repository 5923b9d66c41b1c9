// The desired set of a node: everything that its agent has to make, from a handful of queries.
#include <set>

#include "domain/ipam.h"
#include "resources/addresses.h"
#include "resources/common.h"

namespace pilvi::network {
namespace {

using Ids = std::set<std::string>;

json::value nullable(const Value& value) { return value.is_null() ? json::value(nullptr) : json::value(value.text()); }
json::value nullable_number(const Value& value) { return value.is_null() ? json::value(nullptr) : json::value(value.integer()); }

// Rows of "SELECT ... WHERE column IN (<ids>) tail" for a set of any size.
template <class F>
void each(Tx& tx, const Ids& ids, const std::string& select_in, const std::string& tail, F use) {
    std::vector<std::string> batch;
    const auto flush = [&] {
        if (batch.empty()) return;
        Values parameters;
        const std::string in = marks(batch, parameters);
        for (const Row& row : tx.query(fmt::format("{} IN ({}) {}", select_in, in, tail), parameters)) use(row);
        batch.clear();
    };
    for (const std::string& id : ids) {
        batch.push_back(id);
        if (batch.size() == 500) flush();
    }
    flush();
}

struct Builder {
    Tx& tx;
    const App& app;
    const std::string& host;
    Ids networks, port_ids, groups;
    std::map<std::string, json::object> dhcp_ports;  // by network
    std::map<std::string, json::array> addresses;    // fixed_ips by port
    std::map<std::string, json::object> ports;
    json::array routers;

    void load_ports();
    void load_addresses();
    void load_groups_of_ports();
    void load_routers();
    json::object security_groups();
    json::array network_list();
    json::array port_list();
};

constexpr std::string_view port_columns =
    "SELECT p.id, p.network_id, p.project_id, p.mac_address, p.device_id, p.device_owner, p.binding_host_id, p.admin_state_up, "
    "p.port_security_enabled, p.allowed_address_pairs, p.dns_name FROM ports p WHERE ";

json::object port_object(const Row& row) {
    return {{"id", row.text("id")},
            {"network_id", row.text("network_id")},
            {"project_id", row.text("project_id")},
            {"mac_address", row.text("mac_address")},
            {"fixed_ips", json::array{}},
            {"device_id", row.text("device_id")},
            {"device_owner", row.text("device_owner")},
            {"host", row.text("binding_host_id")},
            {"admin_state_up", row.boolean("admin_state_up")},
            {"port_security_enabled", row.boolean("port_security_enabled")},
            {"security_group_ids", json::array{}},
            {"allowed_address_pairs", array_column(row, "allowed_address_pairs")},
            {"hostname", row.text("dns_name")}};
}

void Builder::load_ports() {
    const auto take = [&](const Row& row) {
        networks.insert(row.text("network_id"));
        if (row.text("device_owner") == "network:dhcp" && row.text("binding_host_id") == host) dhcp_ports[row.text("network_id")] = port_object(row);
        ports.emplace(row.text("id"), port_object(row));
    };
    for (const Row& row : tx.query(fmt::format("{} p.binding_host_id = ?", port_columns), {host})) take(row);
    Ids served;
    for (const auto& [network, port] : dhcp_ports) served.insert(network);
    each(tx, served, fmt::format("{} p.network_id", port_columns), "", take);
    for (const auto& [id, port] : ports) port_ids.insert(id);
}

void Builder::load_addresses() {
    each(tx, port_ids, "SELECT port_id, subnet_id, ip_address FROM ip_allocations WHERE port_id", "ORDER BY position, ip_address",
         [&](const Row& row) {
             addresses[row.text("port_id")].push_back(json::object{{"subnet_id", row.text("subnet_id")}, {"ip_address", row.text("ip_address")}});
         });
    for (auto& [id, port] : ports) port["fixed_ips"] = addresses[id];
    for (auto& [network, port] : dhcp_ports) port["fixed_ips"] = addresses[string_or(port, "id")];
}

void Builder::load_groups_of_ports() {
    each(tx, port_ids, "SELECT port_id, security_group_id FROM port_security_groups WHERE port_id", "ORDER BY security_group_id",
         [&](const Row& row) {
             ports.at(row.text("port_id"))["security_group_ids"].as_array().push_back(json::value(row.text("security_group_id")));
             groups.insert(row.text("security_group_id"));
         });
}

json::object Builder::security_groups() {
    json::object out;
    Ids pending = groups, all = groups;
    // Rules name groups whose members matter, not whose rules; one step is enough.
    each(tx, pending,
         "SELECT id, security_group_id, direction, ethertype, protocol, port_range_min, port_range_max, remote_ip_prefix, remote_group_id FROM "
         "security_group_rules WHERE security_group_id",
         "ORDER BY id", [&](const Row& row) {
             json::object& group = out.emplace(row.text("security_group_id"), json::object{{"rules", json::array{}}, {"members", json::array{}}})
                                       .first->value()
                                       .as_object();
             if (!row["remote_group_id"].is_null()) all.insert(row.text("remote_group_id"));
             group["rules"].as_array().push_back(json::object{{"id", row.text("id")},
                                                              {"direction", row.text("direction")},
                                                              {"ethertype", row.text("ethertype")},
                                                              {"protocol", nullable(row["protocol"])},
                                                              {"port_range_min", nullable_number(row["port_range_min"])},
                                                              {"port_range_max", nullable_number(row["port_range_max"])},
                                                              {"remote_ip_prefix", nullable(row["remote_ip_prefix"])},
                                                              {"remote_group_id", nullable(row["remote_group_id"])}});
         });
    for (const std::string& id : all) out.emplace(id, json::object{{"rules", json::array{}}, {"members", json::array{}}});
    std::map<std::string, Ids> members;
    each(tx, all,
         "SELECT g.security_group_id, a.ip_address FROM port_security_groups g JOIN ip_allocations a ON a.port_id = g.port_id WHERE "
         "g.security_group_id",
         "", [&](const Row& row) { members[row.at(0).text()].insert(row.at(1).text()); });
    each(tx, all,
         "SELECT g.security_group_id, p.allowed_address_pairs FROM port_security_groups g JOIN ports p ON p.id = g.port_id WHERE "
         "p.allowed_address_pairs "
         "<> '[]' AND g.security_group_id",
         "", [&](const Row& row) {
             for (const json::value& pair : array_column(row, "allowed_address_pairs"))
                 members[row.at(0).text()].insert(string_or(pair.as_object(), "ip_address"));
         });
    for (const auto& [id, texts_of] : members)
        for (const std::string& text : texts_of) out[id].as_object()["members"].as_array().push_back(json::value(text));
    return out;
}

json::array short_subnets(const std::vector<Subnet>& subnets, const json::array* of_ips, bool with_gateway) {
    json::array out;
    for (const Subnet& subnet : subnets) {
        bool wanted = !of_ips;
        if (of_ips)
            for (const json::value& ip : *of_ips) wanted = wanted || string_or(ip.as_object(), "subnet_id") == subnet.id;
        if (!wanted) continue;
        json::object item{{"id", subnet.id}, {"cidr", subnet.cidr.text()}};
        if (with_gateway) item["gateway_ip"] = subnet.gateway ? json::value(subnet.gateway->text()) : json::value(nullptr);
        out.push_back(std::move(item));
    }
    return out;
}

void Builder::load_routers() {
    std::map<std::string, std::vector<Subnet>> subnets;
    const auto of_network = [&](const std::string& id) -> const std::vector<Subnet>& {
        const auto [at, fresh] = subnets.try_emplace(id);
        if (fresh) at->second = subnets_of(tx, id);
        return at->second;
    };
    std::map<std::string, std::size_t> index;
    for (const Row& row :
         tx.query("SELECT r.id, r.project_id, r.admin_state_up, r.enable_snat, r.routes, p.id AS port_id, p.mac_address, p.network_id FROM routers r "
                  "LEFT JOIN ports p ON p.id = r.gw_port_id WHERE r.host = ? ORDER BY r.id",
                  {host})) {
        json::object router{{"id", row.text("id")},
                            {"project_id", row.text("project_id")},
                            {"admin_state_up", row.boolean("admin_state_up")},
                            {"enable_snat", row.boolean("enable_snat")},
                            {"gateway", nullptr},
                            {"interfaces", json::array{}},
                            {"floating_ips", json::array{}},
                            {"routes", array_column(row, "routes")}};
        if (!row["port_id"].is_null()) {
            const std::string network = row.text("network_id");
            networks.insert(network);
            router["gateway"] = json::object{{"port_id", row.text("port_id")},
                                             {"mac_address", row.text("mac_address")},
                                             {"network_id", network},
                                             {"fixed_ips", addresses[row.text("port_id")]},
                                             {"subnets", short_subnets(of_network(network), nullptr, true)}};
        }
        index[row.text("id")] = routers.size();
        routers.push_back(std::move(router));
    }
    for (const Row& row :
         tx.query("SELECT i.router_id, p.id, p.mac_address, p.network_id FROM router_interfaces i JOIN ports p ON p.id = i.port_id JOIN routers r "
                  "ON r.id = i.router_id WHERE r.host = ? ORDER BY p.id",
                  {host})) {
        const std::string network = row.text("network_id");
        networks.insert(network);
        const json::array& ips = addresses[row.text("id")];
        routers[index.at(row.text("router_id"))].as_object()["interfaces"].as_array().push_back(
            json::object{{"port_id", row.text("id")},
                         {"mac_address", row.text("mac_address")},
                         {"network_id", network},
                         {"fixed_ips", ips},
                         {"subnets", short_subnets(of_network(network), &ips, false)}});
    }
    for (const Row& row :
         tx.query("SELECT f.id, f.router_id, f.floating_ip_address, f.fixed_ip_address, f.port_id FROM floating_ips f JOIN routers r ON r.id = "
                  "f.router_id WHERE r.host = ? AND f.port_id IS NOT NULL ORDER BY f.id",
                  {host}))
        routers[index.at(row.text("router_id"))].as_object()["floating_ips"].as_array().push_back(
            json::object{{"id", row.text("id")},
                         {"floating_ip_address", row.text("floating_ip_address")},
                         {"fixed_ip_address", row.text("fixed_ip_address")},
                         {"port_id", row.text("port_id")}});
}

json::array Builder::network_list() {
    std::map<std::string, json::array> subnets;
    each(tx, networks, "SELECT id, network_id, ip_version, cidr, gateway_ip, enable_dhcp, dns_nameservers, host_routes FROM subnets WHERE network_id",
         "ORDER BY created_at, id", [&](const Row& row) {
             subnets[row.text("network_id")].push_back(json::object{{"id", row.text("id")},
                                                                    {"ip_version", row.integer("ip_version")},
                                                                    {"cidr", row.text("cidr")},
                                                                    {"gateway_ip", nullable(row["gateway_ip"])},
                                                                    {"enable_dhcp", row.boolean("enable_dhcp")},
                                                                    {"dns_nameservers", array_column(row, "dns_nameservers")},
                                                                    {"host_routes", array_column(row, "host_routes")}});
         });
    json::array out;
    each(tx, networks,
         "SELECT id, project_id, provider_network_type, provider_physical_network, provider_segmentation_id, mtu, router_external, admin_state_up, "
         "dns_domain FROM networks WHERE id",
         "ORDER BY id", [&](const Row& row) {
             const std::string id = row.text("id");
             json::value dhcp = nullptr;
             if (const auto found = dhcp_ports.find(id); found != dhcp_ports.end())
                 dhcp = json::object{
                     {"id", found->second.at("id")}, {"mac_address", found->second.at("mac_address")}, {"fixed_ips", found->second.at("fixed_ips")}};
             std::string domain = row.text("dns_domain").empty() ? app.settings.dns_domain : row.text("dns_domain");
             while (domain.ends_with('.')) domain.pop_back();
             out.push_back(json::object{{"id", id},
                                        {"project_id", row.text("project_id")},
                                        {"network_type", row.text("provider_network_type")},
                                        {"physical_network", nullable(row["provider_physical_network"])},
                                        {"segmentation_id", nullable_number(row["provider_segmentation_id"])},
                                        {"mtu", row.integer("mtu")},
                                        {"external", row.boolean("router_external")},
                                        {"admin_state_up", row.boolean("admin_state_up")},
                                        {"dns_domain", domain},
                                        {"dhcp_port", std::move(dhcp)},
                                        {"subnets", subnets[id]}});
         });
    return out;
}

json::array Builder::port_list() {
    json::array out;
    for (auto& [id, port] : ports) out.push_back(std::move(port));
    return out;
}

}  // namespace

json::object desired_set(Tx& tx, const App& app, const std::string& host) {
    Builder builder{tx, app, host, {}, {}, {}, {}, {}, {}, {}};
    builder.load_ports();
    builder.load_addresses();
    builder.load_groups_of_ports();
    builder.load_routers();
    json::array peers;
    for (const Row& row : tx.query("SELECT host, tunnel_ip FROM node_reports WHERE host <> ? AND tunnel_ip <> '' ORDER BY host", {host}))
        peers.push_back(json::object{{"host", row.text("host")}, {"tunnel_ip", row.text("tunnel_ip")}});
    json::object groups = builder.security_groups();
    return {{"networks", builder.network_list()},
            {"ports", builder.port_list()},
            {"security_groups", std::move(groups)},
            {"routers", std::move(builder.routers)},
            {"peers", std::move(peers)}};
}

}  // namespace pilvi::network
