#pragma once
// What a subnet may be. Pure: the subnet as field values, checked and completed. Source: neutron.db.db_base_plugin_v2._validate_subnet.
#include <optional>

#include "base/json.h"
#include "domain/ipam.h"

namespace pilvi::network {

// Conversions of single attributes, for the field table.
json::value convert_subnet_cidr(const json::value& value);  // the mask must be there
json::value convert_list(const json::value& value);         // null: []

// Checks a new (`before` null) or changed subnet and fills gateway_ip and allocation_pools where `row` has none.
// `has_gateway`: gateway_ip was given, null included. Throws InvalidInput and the types of the pools (ipam.h).
void check_subnet(json::object& row, const json::object* before, bool has_gateway);

// Addresses that hosts make themselves from a router advertisement: never handed out from pools.
bool is_auto_address(const json::object& subnet);

}  // namespace pilvi::network
