#pragma once
// What a machine that starts from the network is told: an iPXE script, and the settings that the operator has for it.
#include <map>
#include <string>
#include <string_view>

#include "pxe/media.h"

namespace pilvi::cli {

// Where machines find what they need, as they see it.
struct Provisioning {
    std::string files;       // "http://10.9.0.1:8870"
    std::string controller;  // HOST or HOST:PORT of pilvi-cluster
    std::string authority;   // fingerprint of its authority
};

// Settings of one machine: node.conf (docs/appliance.md). Any who is on the network may read them: Error(bad_request) where they have a secret.
using Settings = std::map<std::string, std::string>;
Settings read_settings(std::string_view text);

// The first script, the same for all: it comes back with the machine's address.
std::string first_script(const Provisioning& provisioning);
enum class BootWay { live, install, disk };
// `settings`: whether there are any for this machine.
std::string boot_script(const Provisioning& provisioning, const Media& media, const std::string& mac, BootWay way, bool settings);

}  // namespace pilvi::cli
