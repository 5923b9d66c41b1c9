#pragma once
#include "resources/common.h"

namespace pilvi::network {

// Conversions for the field table: null is []; every item is checked in the original's words.
json::value convert_address_pairs(const json::value& value);  // [{"ip_address" (address or CIDR), "mac_address"}]
json::value convert_dhcp_options(const json::value& value);   // [{"opt_name", "opt_value", "ip_version"}]; one line each: they end in dnsmasq's files
// Options of `wanted` over those of `old` by name and IP version; a null value removes one.
json::array merge_dhcp_options(const json::array& old, const json::array& wanted);
// The port's name for DNS and DHCP: dns_name, or "host-10-0-0-5" of the address.
std::string host_name(const json::object& port, std::string_view address);
// What the host's last report says of an object: "ACTIVE", "DOWN", ...; "" where it does not name it. `kind` is "ports" or "routers".
std::string last_reported(Tx& tx, const std::string& host, std::string_view kind, const std::string& id);
// The same for a floating IP of a router.
std::string last_floating_ip(Tx& tx, const std::string& host, const std::string& router, const std::string& id);

}  // namespace pilvi::network
