#pragma once
// What a machine says about itself before it is deployed: read by pilvi deploy on every host, by ssh.
#include <map>
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
    std::int64_t free_disk_mib = 0, memory_mib = 0;                   // of the file system of /var/lib; in all
    bool kvm = false;                                                 // /dev/kvm is there
    std::set<std::string> installed, enabled;                         // roles; those that are enabled, configured and run
    std::set<std::string> available = {};                             // roles whose packages apt could install; looked for where one is not installed
    std::map<std::string, std::vector<std::string>> interfaces = {};  // their addresses, without link-local ones
    std::string url_host = {};                                        // what its catalogue names, "" where it has none
    std::set<std::string> pending = {};                               // what a deployment that was ended left undone: deploy_pending
    std::set<std::string> resolved;                                   // those of the names that were asked for
    std::set<int> ports;                                              // TCP, listened on
    std::string controller;                                           // of the cluster that it joined, "" for none
    std::set<std::string> member_roles;                               // in that cluster
    bool volume_group = false;                                        // cinder-volumes is there
};

// The guest of a first server: a package, which stands among the roles that are installed or available.
inline constexpr std::string_view guest_package = "pilvi-guest-image";
inline constexpr const char* guest_image = "/usr/share/pilvi/guest/guest.qcow2";

// Where a deployment notes a change whose other half is still to come: "bootstrap", or a daemon that is to be started anew; one a line.
inline constexpr const char* deploy_pending = "/var/lib/pilvi/deploy-pending";

// Of this machine, as its kernel has it.
std::string host_name();
NodeFacts look_at_machine(const std::vector<std::string>& names);
json::object to_json(const NodeFacts& facts);
// Throws Error(bad_gateway) where the text is something else.
NodeFacts facts_from(std::string_view text);

// The same of a machine without pilvi, from what Debian's own programs say: the programs, and their outputs in the same order (the exit status of the
// fifth says whether /dev/kvm is there). Roles are available as apt-cache policy says.
struct Probe {
    std::vector<std::string> argv;
};
std::vector<Probe> probes(const std::string& name);
struct ProbeAnswer {
    int status = 0;
    std::string out;
};
NodeFacts facts_from(const std::vector<ProbeAnswer>& answers, const std::string& name);

}  // namespace pilvi::cli
