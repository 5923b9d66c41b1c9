#pragma once
// The desired set as types (README.md states the document).
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace pilvi::compute_agent {

struct ImageRef {
    std::string id;
    std::string disk_format, container_format;
    std::int64_t size = 0;
    std::string checksum;               // md5, "" where unknown
    std::string hash_algo, hash_value;  // "sha512", "" where unknown
    std::map<std::string, std::string> properties;
};

struct DesiredPort {
    std::string id, mac;
    int mtu = 0;
};

enum class Verb { reboot_soft, reboot_hard, unknown };

struct DesiredTask {
    std::string id;
    Verb verb = Verb::unknown;
    std::string verb_text;
    std::optional<Micros> deadline;
};

enum class DesiredPower { running, stopped, deleted };

struct DesiredServer {
    std::string id, name, hostname, project_id, user_id;
    std::int64_t generation = 0;
    DesiredPower power = DesiredPower::running;
    bool vif_plugged = false;
    std::string flavor_name;
    int vcpus = 1;
    int memory_mib = 1;
    std::int64_t disk_gb = 0, ephemeral_gb = 0, swap_mb = 0;
    std::map<std::string, std::string> extra_specs;
    ImageRef image;
    std::optional<ImageRef> kernel, ramdisk;
    std::vector<DesiredPort> ports;
    bool config_drive = false;
    std::vector<DesiredTask> tasks;
};

// Throws Error(bad_gateway) naming what is wrong, also where an id that becomes a file name is not a UUID.
DesiredServer desired_server(const json::object& document);

}  // namespace pilvi::compute_agent
