#include "resources/server_request.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "base/net.h"
#include "base/text.h"
#include "domain/names.h"

namespace pilvi::compute {
namespace {

using api::Call;

// ---- plain checks

void check_names(const json::object& body) {
    for (const std::string_view name : {"name", "availability_zone", "key_name"})
        if (const json::value* v = find(body, name); v && !is_name(str(v->as_string()))) refuse_field(name, *v, "is not a 'name'");
    if (const json::value* data = find(body, "user_data"); data && !base64_decode(str(data->as_string())))
        refuse_field("user_data", "...", "is not a 'base64'");
    for (const auto& [name, version] : {std::pair{"accessIPv4", 4}, std::pair{"accessIPv6", 6}})
        if (const auto text = optional_string(body, name); text && IpAddress::parse(*text)->version() != version)
            refuse_field(name, body.at(name), version == 4 ? "is not a 'ipv4'" : "is not a 'ipv6'");
}

void check_disks(const json::object& body, const std::string& image_id) {
    if (!array_or_empty(body, "personality").empty())
        throw bad_request("Injected files (personality) are not supported: use user_data or a config drive.");
    if (!array_or_empty(body, "block_device_mapping").empty())
        throw bad_request("Block Device Mapping is Invalid: only booting from an image onto a local disk is supported.");
    const json::array& mappings = array_or_empty(body, "block_device_mapping_v2");
    if (mappings.empty()) return;
    const json::object& m = mappings[0].as_object();
    const bool boots = mappings.size() == 1 && string_or(m, "source_type") == "image" && string_or(m, "destination_type", "local") == "local" &&
                       integer_or(m, "boot_index", 0) == 0 && (string_or(m, "uuid") == image_id || string_or(m, "image_id") == image_id);
    if (!boots) throw bad_request("Block Device Mapping is Invalid: only booting from an image onto a local disk is supported.");
}

// "zone", "zone:host", "zone:host:node", ":host".
void parse_zone(Call& call, Request& request) {
    const std::string text = string_or(call.body, "availability_zone");
    const auto parts = split(text, ':');
    if (parts.size() > 3) throw bad_request("Unable to parse availability_zone: " + text);
    if (!text.empty()) request.zone = parts[0];
    if (parts.size() > 1) request.host = !parts[1].empty() ? parts[1] : parts.size() > 2 ? parts[2] : "";
    const bool forced = !request.host.empty();
    if (forced) call.enforce("os_compute_api:servers:create:forced_host", {{"project_id", call.who.project_id}, {"user_id", call.who.user_id}});
    std::string wanted = string_or(call.body, "host");
    if (wanted.empty()) wanted = string_or(call.body, "hypervisor_hostname");
    if (!wanted.empty()) {
        call.enforce("compute:servers:create:requested_destination", {{"project_id", call.who.project_id}, {"user_id", call.who.user_id}});
        if (forced)
            throw bad_request("One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node are mutually exclusive.");
        request.host = wanted;
    }
}

void check_zone(Call& call, Tx& tx, Request& request) {
    if (!request.host.empty()) {
        const auto zone = tx.scalar("SELECT zone FROM nodes WHERE host = ?", {request.host}).optional_text();
        if (!zone) throw bad_request("Compute host " + request.host + " could not be found.");
        request.zone = *zone;
        return;
    }
    if (request.zone.empty() || request.zone == app_of(call).options.zone) return;
    if (tx.scalar("SELECT COUNT(*) FROM nodes WHERE zone = ?", {request.zone}).integer() == 0)
        throw bad_request("The requested availability zone is not available");
}

Flavor check_flavor(Call& call, Tx& tx) {
    const json::value& ref = call.body.at("flavorRef");
    std::string id = ref.is_string() ? str(ref.get_string()) : ref.is_int64() ? std::to_string(ref.get_int64()) : "";
    if (id.empty()) refuse_field("flavorRef", ref, "is not of type 'string', 'integer'");
    if (const std::size_t slash = id.rfind('/'); slash != std::string::npos) id = id.substr(slash + 1);
    auto flavor = find_flavor(tx, id);
    if (!flavor || !may_see(tx, call.who, *flavor)) throw bad_request("Flavor " + id.substr(0, 255) + " could not be found.");
    if (flavor->root_gb == 0 && !call.allowed("os_compute_api:servers:create:zero_disk_flavor"))
        throw Error(Errc::forbidden, "Only volume-backed servers are allowed for flavors with zero disk.");
    return std::move(*flavor);
}

void check_key(Call& call, Tx& tx, Request& request) {
    const auto name = optional_string(call.body, "key_name");
    if (!name) return;
    const auto row = tx.one("SELECT name, public_key FROM keypairs WHERE user_id = ? AND name = ?", {call.who.user_id, *name});
    if (!row) throw bad_request("Invalid key_name provided.");
    request.key_name = row->text("name");
    request.key_data = row->text("public_key");
}

// ---- the image service

json::object node_image(const json::object& image) {
    static constexpr std::string_view own[] = {"id",           "name",     "status",       "visibility",    "owner",       "size",
                                               "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "disk_format", "container_format",
                                               "min_disk",     "min_ram",  "protected",    "tags",          "created_at",  "updated_at",
                                               "self",         "file",     "schema",       "os_hidden",     "locations",   "stores",
                                               "direct_url"};
    json::object properties;
    for (const auto& member : image)
        if (member.value().is_string() && std::find(std::begin(own), std::end(own), std::string_view(member.key())) == std::end(own))
            properties[member.key()] = member.value();
    json::object out;
    for (const std::string_view name :
         {"id", "disk_format", "container_format", "size", "checksum", "os_hash_algo", "os_hash_value", "virtual_size"}) {
        const json::value* v = find(image, name);
        out[name] = v ? *v : json::value(nullptr);
    }
    out["properties"] = std::move(properties);
    return out;
}

void check_size(const json::object& image, const Flavor& flavor) {
    constexpr std::int64_t gib = 1LL << 30;
    if (integer_or(image, "min_ram") > flavor.memory_mb) throw bad_request("Flavor's memory is too small for requested image.");
    if (flavor.root_gb == 0) return;
    const std::int64_t disk = flavor.root_gb * gib, size = integer_or(image, "virtual_size", integer_or(image, "size")),
                       least = integer_or(image, "min_disk") * gib;
    if (size > disk)
        throw bad_request(fmt::format("Flavor's disk is too small for requested image. Flavor disk is {} bytes, image is {} bytes.", disk, size));
    if (least > disk)
        throw bad_request(fmt::format(
            "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {} bytes, minimum size is {} bytes.", disk,
            least));
}

json::object fetch_image(Call& call, const std::string& id, std::string_view what) {
    auto image = app_of(call).images.image(call.who.token, id);
    if (!image)
        throw bad_request(what.empty() ? std::string("Can not find requested image")
                                       : "Can not find requested " + std::string(what) + " image " + id);
    const std::string status = string_or(*image, "status");
    if (status != "active") throw bad_request("Image " + id + " is not active.");
    return std::move(*image);
}

void check_image(Call& call, const Flavor& flavor, Request& request) {
    std::string id = string_or(call.body, "imageRef");
    if (id.empty()) {
        const json::array& mappings = array_or_empty(call.body, "block_device_mapping_v2");
        if (!mappings.empty() && string_or(mappings[0].as_object(), "source_type") == "image") id = string_or(mappings[0].as_object(), "uuid");
    }
    if (id.empty() && array_or_empty(call.body, "block_device_mapping_v2").empty()) throw bad_request("Invalid imageRef provided.");
    if (!id.empty() && (!is_uuid_like(id) || id.size() != 36))
        refuse_field("imageRef", call.body.contains("imageRef") ? call.body.at("imageRef") : json::value(id),
                     "is not valid under any of the given schemas");
    id = lower(id);
    check_disks(call.body, id);
    const json::object image = fetch_image(call, id, "");
    check_size(image, flavor);
    request.image_id = id;
    request.image = to_text(node_image(image));
    if (const std::string kernel = string_or(image, "kernel_id"); is_uuid_like(kernel))
        request.kernel = to_text(node_image(fetch_image(call, kernel, "kernel")));
    if (const std::string ramdisk = string_or(image, "ramdisk_id"); is_uuid_like(ramdisk))
        request.ramdisk = to_text(node_image(fetch_image(call, ramdisk, "ramdisk")));
}

// ---- the network service

void available_network(Call& call, Request& request, bool automatic) {
    App& app = app_of(call);
    std::vector<std::string> ids;
    for (const json::value& row : app.network.list(call.who.token, "networks", "project_id=" + percent_encode(call.who.project_id) + "&shared=False"))
        ids.push_back(string_or(row.as_object(), "id"));
    for (const json::value& row : app.network.list(call.who.token, "networks", "shared=True")) {
        const std::string id = string_or(row.as_object(), "id");
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    }
    if (ids.size() > 1) throw Error(Errc::conflict, "Multiple possible networks found, use a Network ID to be more specific.");
    if (ids.empty() && automatic) {
        const auto made = app.network.auto_allocated_network(call.who.token, call.who.project_id);
        if (!made) throw bad_request("Unable to automatically allocate a network for project " + call.who.project_id);
        ids.push_back(*made);
    }
    for (const std::string& id : ids) request.networks.push_back(check_interface(call, id, "", ""));
}

std::string text_member(const json::object& item, std::string_view name, bool uuid) {
    const json::value* v = find(item, name);
    if (!v || v->is_null()) return "";
    if (!v->is_string()) refuse_field(name, *v, "is not of type 'string'");
    const std::string text = str(v->get_string());
    if (uuid && !is_uuid_like(text)) {
        if (name == "uuid") throw bad_request("Bad networks format: network uuid is not in proper format (" + text.substr(0, 255) + ")");
        refuse_field(name, *v, "is not a 'uuid'");
    }
    return uuid ? lower(text) : text;
}

void requested_interface(Call& call, const json::value& item, std::int64_t count, Request& request, std::set<std::string>& ports) {
    if (!item.is_object()) refuse_field("networks", item, "is not of type 'object'");
    const json::object& o = item.get_object();
    for (const auto& member : o)
        if (const std::string_view name = member.key();
            name != "uuid" && name != "port" && name != "fixed_ip" && !(name == "tag" && call.at_least(2, 32)))
            throw bad_request("Additional properties are not allowed ('" + std::string(name) + "' was unexpected)");
    const std::string network = text_member(o, "uuid", true), port = text_member(o, "port", true), address = text_member(o, "fixed_ip", false);
    if (!address.empty() && !IpAddress::parse(address)) refuse_field("fixed_ip", o.at("fixed_ip"), "is not valid under any of the given schemas");
    if (!port.empty() && !address.empty())
        throw bad_request("Specified Fixed IP '" + address + "' cannot be used with port '" + port + "': the two cannot be specified together.");
    if (!port.empty() && count > 1)
        throw bad_request(
            "Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one with different ports.");
    if (!address.empty() && count > 1) throw bad_request("max_count cannot be greater than 1 if an fixed_ip is specified.");
    if (port.empty() && network.empty()) throw bad_request("Bad networks format: network uuid is not in proper format (None)");
    if (!port.empty() && !ports.insert(port).second) throw bad_request("Duplicate port " + port + " in the networks of the request.");
    json::object interface = check_interface(call, network, port, address);
    if (const json::value* tag = find(o, "tag")) {
        check_tag(*tag);
        interface["tag"] = *tag;
    }
    request.networks.push_back(std::move(interface));
}

void check_networks(Call& call, std::int64_t count, Request& request) {
    const json::value* networks = find(call.body, "networks");
    if (!networks) return available_network(call, request, false);
    if (networks->is_string() && call.at_least(2, 37)) {
        const std::string word = str(networks->get_string());
        if (word == "auto") return available_network(call, request, true);
        if (word == "none") return;
    }
    if (!networks->is_array())
        refuse_field("networks", *networks, call.at_least(2, 37) ? "is not valid under any of the given schemas" : "is not of type 'array'");
    if (networks->get_array().size() > 64) throw bad_request("More than 64 networks in one request.");
    if (networks->get_array().empty()) return available_network(call, request, false);
    std::set<std::string> ports;
    for (const json::value& item : networks->get_array()) requested_interface(call, item, count, request, ports);
}

void check_groups(Call& call, Request& request) {
    std::set<std::string> seen;
    for (const json::value& g : array_or_empty(call.body, "security_groups")) {
        const std::string name = string_or(g.as_object(), "name");
        if (name.empty() || !seen.insert(name).second) continue;
        if (name == "default") {
            request.group_names.push_back(json::object{{"name", name}});
            if (array_or_empty(call.body, "security_groups").size() == 1) return;  // what the network service gives by itself
        }
        const auto [id, shown] = check_group(call, name);
        request.group_ids.push_back(json::string(id));
        if (name != "default") request.group_names.push_back(json::object{{"name", shown}});
    }
    if (request.group_names.empty()) request.group_names.push_back(json::object{{"name", "default"}});
}

}  // namespace

json::object check_interface(Call& call, const std::string& network, const std::string& port, const std::string& fixed_ip) {
    App& app = app_of(call);
    json::object out{{"network", network}, {"port", port}, {"fixed_ip", fixed_ip}};
    if (!port.empty()) {
        const auto row = app.network.show(call.who.token, "ports", port);
        if (!row) throw bad_request("Port id " + port + " could not be found.");
        if (!string_or(*row, "device_id").empty()) throw Error(Errc::conflict, "Port " + port + " is still in use.");
        if (array_or_empty(*row, "fixed_ips").empty()) throw bad_request("Port " + port + " requires a FixedIP in order to be used.");
        out["network"] = string_or(*row, "network_id");
        return out;
    }
    const auto row = app.network.show(call.who.token, "networks", network);
    if (!row) throw bad_request("Network " + network + " could not be found.");
    if (array_or_empty(*row, "subnets").empty()) throw bad_request("Network " + network + " requires a subnet in order to boot instances on.");
    if (boolean_or(*row, "router:external") && !boolean_or(*row, "shared") && !call.allowed("network:attach_external_network"))
        throw Error(Errc::forbidden, "It is not allowed to create an interface on external network " + network);
    return out;
}

std::pair<std::string, std::string> check_group(Call& call, const std::string& name) {
    App& app = app_of(call);
    const std::string scope = "project_id=" + percent_encode(call.who.project_id);
    json::array rows;
    if (is_uuid_like(name)) rows = app.network.list(call.who.token, "security-groups", scope + "&id=" + percent_encode(name));
    if (rows.empty()) rows = app.network.list(call.who.token, "security-groups", scope + "&name=" + percent_encode(name));
    if (rows.empty()) throw bad_request("Security group " + name + " not found for project " + call.who.project_id + ".");
    if (rows.size() > 1) throw Error(Errc::conflict, "Multiple security groups found matching '" + name + "'. Use an ID to be more specific.");
    return {string_or(rows[0].as_object(), "id"), string_or(rows[0].as_object(), "name")};
}

void check_metadata(const json::object& metadata, std::string_view where) {
    for (const auto& item : metadata) {
        const std::string key(item.key());
        const bool sound = !key.empty() && key.size() <= 255 &&
                           key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:. ") == std::string::npos;
        if (!sound)
            throw bad_request("Invalid input for field/attribute " + std::string(where) + ". Value: ... '" + key.substr(0, 260) +
                              "' does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'");
        if (!item.value().is_string()) refuse_field(key, item.value(), "is not of type 'string'");
        if (utf8_length(str(item.value().get_string())) > 255) refuse_field(key, "...", "is too long");
    }
}

void check_metadata_count(Call& call, Tx& tx, std::size_t count) {
    const std::int64_t limit = quota_of(tx, call.who.project_id, "metadata_items");
    if (limit >= 0 && static_cast<std::int64_t>(count) > limit)
        throw Error(Errc::over_quota, fmt::format("Maximum number of metadata items exceeds {}", limit));
}

void check_tag(const json::value& tag) {
    if (!tag.is_string()) refuse_field("tag", tag, "is not of type 'string'");
    const std::string text = str(tag.get_string());
    if (text.empty()) refuse_field("tag", tag, "is too short");
    if (utf8_length(text) > 60) refuse_field("tag", "...", "is too long");
    if (text.find_first_of(",/") != std::string::npos) refuse_field("tag", tag, "does not match '^[^,/]*$'");
}

json::object scheduler_hints(const Call& call) {
    if (!call.raw.is_object()) return {};
    for (const std::string_view name : {"os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"})
        if (const json::value* hints = find(call.raw.get_object(), name)) {
            if (!hints->is_object()) refuse_field(name, *hints, "is not of type 'object'");
            if (to_text(*hints).size() > 65535) throw bad_request("The scheduler hints are too long.");
            if (const json::value* group = find(hints->get_object(), "group"); group && !group->is_string())
                refuse_field("group", *group, "is not of type 'string'");
            return hints->get_object();
        }
    return {};
}

std::pair<Flavor, Request> check_request(Call& call, std::int64_t count) {
    check_names(call.body);
    check_metadata(object_or_empty(call.body, "metadata"), "metadata");
    Request request;
    for (const json::value& tag : array_or_empty(call.body, "tags")) {
        check_tag(tag);
        if (std::find(request.tags.begin(), request.tags.end(), tag) == request.tags.end()) request.tags.push_back(tag);
    }
    parse_zone(call, request);
    const Flavor flavor = call.store().read([&](Tx& tx) {
        check_zone(call, tx, request);
        Flavor found = check_flavor(call, tx);
        check_key(call, tx, request);
        check_metadata_count(call, tx, object_or_empty(call.body, "metadata").size());
        return found;
    });
    check_image(call, flavor, request);
    check_networks(call, count, request);
    check_groups(call, request);
    return {flavor, std::move(request)};
}

}  // namespace pilvi::compute
