#pragma once
// What a machine says about itself before it is deployed: read by pilvi deploy on every host, by ssh.
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace pilvi::cli {

struct NodeFacts {
    std::string name;  // host name
    std::int64_t uid = 0;
    Micros clock = 0;
    std::int64_t free_disk_mib = 0, memory_mib = 0;  // of the file system of /var/lib; in all
    bool kvm = false;                                // /dev/kvm is there
    std::set<std::string> installed, enabled;        // roles
    std::set<std::string> resolved;                  // those of the names that were asked for
    std::set<int> ports;                             // TCP, listened on
    std::string controller;                          // of the cluster that it joined, "" for none
    std::set<std::string> member_roles;              // in that cluster
    bool volume_group = false;                       // cinder-volumes is there
};

NodeFacts look_at_machine(const std::vector<std::string>& names);
json::object to_json(const NodeFacts& facts);
// Throws Error(bad_gateway) where the text is something else.
NodeFacts facts_from(std::string_view text);

}  // namespace pilvi::cli
