#include "steps/desired.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/net.h"
#include "base/text.h"

namespace pilvi::compute_agent {
namespace {

[[noreturn]] void bad(const std::string& what) { throw Error(Errc::bad_gateway, "The desired set is not usable: " + what); }

std::string uuid(const json::object& o, std::string_view key) {
    const std::string value = string_or(o, key);
    if (value.size() != 36 || !is_uuid_like(value)) bad(std::string(key) + " is not a UUID");
    return lower(value);
}

std::map<std::string, std::string> texts(const json::object& o) {
    std::map<std::string, std::string> out;
    for (const auto& [key, value] : o) out[std::string(key)] = value.is_string() ? str(value.as_string()) : to_text(value);
    return out;
}

ImageRef image(const json::object& o) {
    ImageRef out;
    out.id = uuid(o, "id");
    out.disk_format = string_or(o, "disk_format", "raw");
    out.container_format = string_or(o, "container_format", "bare");
    out.size = integer_or(o, "size");
    out.checksum = string_or(o, "checksum");
    out.hash_algo = string_or(o, "os_hash_algo");
    out.hash_value = string_or(o, "os_hash_value");
    out.properties = texts(object_or_empty(o, "properties"));
    return out;
}

std::optional<ImageRef> optional_image(const json::object& o, std::string_view key) {
    const json::value* value = find(o, key);
    if (!value || !value->is_object()) return std::nullopt;
    return image(value->as_object());
}

int bounded(const json::object& o, std::string_view key, std::int64_t least, std::int64_t most) {
    const std::int64_t value = integer_or(o, key, least - 1);
    if (value < least || value > most) bad("flavor." + std::string(key) + " is out of range");
    return static_cast<int>(value);
}

DesiredTask task(const json::object& o) {
    DesiredTask out;
    out.id = uuid(o, "id");
    out.verb_text = string_or(o, "verb");
    out.verb = out.verb_text == "reboot_soft" ? Verb::reboot_soft : out.verb_text == "reboot_hard" ? Verb::reboot_hard : Verb::unknown;
    if (const auto deadline = optional_string(o, "deadline")) out.deadline = parse_iso8601(*deadline);
    return out;
}

DesiredPort port(const json::object& o) {
    DesiredPort out{.id = uuid(o, "id"), .mac = {}, .mtu = static_cast<int>(integer_or(o, "mtu"))};
    const auto mac = normalize_mac(string_or(o, "mac"));
    if (!mac) bad("a port's mac is not one");
    out.mac = *mac;
    if (out.mtu < 0 || out.mtu > 65535) bad("a port's mtu is out of range");
    return out;
}

template <class T, class F>
std::vector<T> each(const json::object& o, std::string_view key, F&& read) {
    std::vector<T> out;
    for (const json::value& item : array_or_empty(o, key)) {
        if (!item.is_object()) bad(std::string(key) + " holds something that is not an object");
        out.push_back(read(item.as_object()));
    }
    return out;
}

}  // namespace

DesiredServer desired_server(const json::object& o) {
    DesiredServer out;
    out.id = uuid(o, "id");
    const std::string power = string_or(o, "power");
    if (power != "running" && power != "stopped" && power != "deleted") bad("power is " + power);
    out.power = power == "running" ? DesiredPower::running : power == "stopped" ? DesiredPower::stopped : DesiredPower::deleted;
    out.name = string_or(o, "name");
    out.generation = integer_or(o, "generation");
    out.ports = each<DesiredPort>(o, "ports", port);
    if (out.power == DesiredPower::deleted) return out;  // what is needed to build it may be gone
    if (out.name.empty() || out.name.find('/') != std::string::npos) bad("name is empty or holds '/'");
    out.hostname = string_or(o, "hostname");
    out.project_id = string_or(o, "project_id");
    out.user_id = string_or(o, "user_id");
    out.vif_plugged = boolean_or(o, "vif_plugged");
    const json::object& flavor = object_or_empty(o, "flavor");
    out.flavor_name = string_or(flavor, "name");
    out.vcpus = bounded(flavor, "vcpus", 1, 1024);
    out.memory_mib = bounded(flavor, "ram_mb", 1, 1 << 30);
    out.disk_gb = bounded(flavor, "disk_gb", 0, 1 << 20);
    // A compute service of an earlier version does not say these.
    if (flavor.contains("ephemeral_gb")) out.ephemeral_gb = bounded(flavor, "ephemeral_gb", 0, 1 << 20);
    if (flavor.contains("swap_mb")) out.swap_mb = bounded(flavor, "swap_mb", 0, 1 << 30);
    out.extra_specs = texts(object_or_empty(flavor, "extra_specs"));
    out.image = image(object_or_empty(o, "image"));
    out.kernel = optional_image(o, "kernel");
    out.ramdisk = optional_image(o, "ramdisk");
    out.config_drive = boolean_or(o, "config_drive");
    out.tasks = each<DesiredTask>(o, "tasks", task);
    return out;
}

}  // namespace pilvi::compute_agent
