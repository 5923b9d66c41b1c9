// The document that pilvi-metadata and the config drive are made of: metadata-server/README.md.
#include <fmt/format.h>

#include "domain/names.h"
#include "records.h"
#include "work/network_info.h"
#include "work/nodes.h"

namespace pilvi::compute {
namespace {

std::string first_address(const json::array& info, std::string_view list) {
    for (const json::value& v : info)
        for (const json::value& ip : array_or_empty(v.as_object(), list)) {
            const std::string address = string_or(ip.as_object(), "ip");
            if (address.find(':') == std::string::npos) return address;
        }
    return "";
}

json::array keys_of(const Instance& instance) {
    if (!instance.key_name || !instance.key_data) return {};
    const bool certificate = instance.key_data->starts_with("-----BEGIN CERT");
    return {json::object{{"name", *instance.key_name}, {"type", certificate ? "x509" : "ssh"}, {"data", *instance.key_data}}};
}

json::array devices_of(const json::array& info) {
    json::array devices;
    for (const json::value& v : info)
        if (const auto tag = optional_string(v.as_object(), "tag"))
            devices.push_back(
                json::object{{"type", "nic"}, {"bus", "pci"}, {"mac", v.as_object().at("mac")}, {"tags", json::array{json::string(*tag)}}});
    return devices;
}

// The names of the guest's disks, in the order in which pilvi-compute-agent attaches them.
json::object block_devices(const Instance& instance, const json::object& flavor) {
    std::string device = instance.root_device_name.value_or("/dev/vda");
    json::object out{{"ami", device.substr(device.rfind('/') + 1)}, {"root", device}};
    const auto next = [&] {
        ++device.back();
        return json::string(device);
    };
    if (integer_or(flavor, "ephemeral") > 0) out["ephemeral0"] = next();
    if (integer_or(flavor, "swap") > 0) out["swap"] = next();
    return out;
}

json::object ec2_of(const Instance& instance, const json::array& info) {
    json::array groups;
    for (const json::value& g : groups_of(info)) groups.push_back(g.as_object().at("name"));
    const json::object flavor = json_object(instance.flavor);
    const auto number = [&](std::string_view prefix) { return json::string(fmt::format("{}-{:08x}", prefix, instance.number)); };
    return {{"ami-id", number("ami")},
            {"instance-id", number("i")},
            {"reservation-id", instance.reservation_id},
            {"instance-type", string_or(flavor, "name")},
            {"local-ipv4", first_address(info, "fixed_ips")},
            {"public-ipv4", first_address(info, "floating_ips")},
            {"security-groups", groups},
            {"kernel-id", instance.kernel.empty() ? json::value(nullptr) : json::value(number("aki"))},
            {"ramdisk-id", instance.ramdisk.empty() ? json::value(nullptr) : json::value(number("ari"))},
            {"block-device-mapping", block_devices(instance, flavor)}};
}

}  // namespace

std::optional<json::object> metadata_document(Tx& tx, const std::string& server_id) {
    const auto instance = find_instance(tx, server_id);
    if (!instance || instance->deleted) return std::nullopt;
    const json::array info = json_array(instance->network_info);
    const auto password = tx.one("SELECT password FROM server_passwords WHERE instance_id = ?", {instance->id});
    return json::object{{"project_id", instance->project_id},
                        {"password", password ? password->text("password") : ""},
                        {"meta_data", json::object{{"uuid", instance->id},
                                                   {"name", instance->display_name},
                                                   {"hostname", instance->hostname},
                                                   {"availability_zone", instance->zone.empty() ? instance->availability_zone : instance->zone},
                                                   {"launch_index", instance->launch_index},
                                                   {"project_id", instance->project_id},
                                                   {"meta", parse_json(instance->metadata)},
                                                   {"keys", keys_of(*instance)},
                                                   {"devices", devices_of(info)},
                                                   {"dedicated_cpus", json::array{}}}},
                        {"user_data", instance->user_data ? json::value(*instance->user_data) : json::value(nullptr)},
                        {"vendor_data", json::object{}},
                        {"vendor_data2", json::object{}},
                        {"network_data", network_data_of(info)},
                        {"ec2", ec2_of(*instance, info)}};
}

}  // namespace pilvi::compute
