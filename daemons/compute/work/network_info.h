#pragma once
// What compute keeps of a server's ports, so that no list asks the network service: the column network_info and what is derived from it.
//
// network_info: [{"id", "mac", "network_id", "network", "mtu", "status", "fixed_ips": [{"ip", "subnet_id", "version"}],
//   "floating_ips": [{"ip", "fixed"}], "groups": [name], "subnets": [{"id", "cidr", "ip_version", "gateway_ip", "enable_dhcp", "dns", "routes", "ipv6_mode"}],
//   "tag": text or null}], in the order of the guest's interfaces.
#include <string>
#include <vector>

#include "app.h"
#include "base/json.h"
#include "records.h"

namespace pilvi::compute {

// Asks the network service for the ports of one server. `before` gives the order and the tags of ports known already; ports that are new follow in the
// order of `order` (ids), then as listed.
json::array fetch_network_info(NetworkClient& network, const std::string& server_id, const json::array& before,
                               const std::vector<std::string>& order = {});
// Pure: the same from rows that are there already.
json::array make_network_info(const json::array& ports, const json::array& networks, const json::array& subnets, const json::array& floating_ips,
                              const json::array& groups, const json::array& before, const std::vector<std::string>& order);
// {"net": [{"version": 4, "addr": "10.0.0.5", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa:..."}]}
json::object addresses_of(const json::array& network_info);
// [{"name": "default"}], one entry per group and port, as the original lists them.
json::array groups_of(const json::array& network_info);
bool all_active(const json::array& network_info);
// openstack/latest/network_data.json.
json::object network_data_of(const json::array& network_info);
// The columns that follow from it.
Changes network_changes(const json::array& network_info);

// Fetches and stores where it differs; tells the node where its part changed. Safe to call at any time.
void refresh_network_info(App& app, const std::string& server_id);
// The same for every server, with five requests in all.
void refresh_all_network_info(App& app);

}  // namespace pilvi::compute
