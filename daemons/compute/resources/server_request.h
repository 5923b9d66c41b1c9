#pragma once
// The checks of a create request that a field table cannot say, and what the other services say to it.
#include "resources/common.h"
#include "resources/flavors.h"

namespace pilvi::compute {

struct Request {
    std::string zone, host;  // from availability_zone and host; "" : any
    std::string image_id;
    std::string image, kernel, ramdisk;  // JSON texts for the node, "" : none
    std::optional<std::string> key_name, key_data;
    json::array networks;                // [{"network", "port", "fixed_ip", "tag"}]
    json::array group_ids, group_names;  // security groups; names as [{"name"}]
    json::array tags;
};

// Throws Error(bad_request, conflict, forbidden) in the original's words. Asks the image and network services in the caller's name.
std::pair<Flavor, Request> check_request(api::Call& call, std::int64_t count);
// os:scheduler_hints, or its old name; {} without.
json::object scheduler_hints(const api::Call& call);
// Keys and values of server metadata: 1..255 of [a-zA-Z0-9-_:. ] and text up to 255. `where` names it in the message.
void check_metadata(const json::object& metadata, std::string_view where);
// Quota metadata_items.
void check_metadata_count(api::Call& call, Tx& tx, std::size_t count);
void check_tag(const json::value& tag);

// The networks of a create, or of an attached interface: {"network", "port", "fixed_ip"} with the network filled in, checked in the caller's name.
json::object check_interface(api::Call& call, const std::string& network, const std::string& port, const std::string& fixed_ip);
// id and name of a security group by either, in the caller's project; Error(bad_request).
std::pair<std::string, std::string> check_group(api::Call& call, const std::string& name);

}  // namespace pilvi::compute
