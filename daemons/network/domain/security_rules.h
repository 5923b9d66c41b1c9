#pragma once
// What a security group rule may say, and its normal form. Pure. Source: neutron.db.securitygroups_db, neutron.extensions.securitygroup.
#include <string>

#include "base/json.h"

namespace pilvi::network {

// Conversions of single attributes, for the field table. They throw the original's errors (400).
json::value convert_protocol(const json::value& value);       // name in lower case, or the number as text; null
json::value convert_port(const json::value& value);           // 0..65535; null
json::value convert_ethertype(const json::value& value);      // "IPv4" or "IPv6" in any case
json::value convert_remote_prefix(const json::value& value);  // CIDR text, "" and null: null

// Checks a rule whose attributes are converted, and rewrites what has several forms: ICMP names under IPv6, a range of all ports.
void normalize_rule(json::object& rule);
// Equal for rules that let the same packets pass: the key of the duplicate check.
std::string rule_key(const json::object& rule);
// IP protocol number of a name or a number as text; -1 where it is neither.
int protocol_number(std::string_view protocol);

}  // namespace pilvi::network
