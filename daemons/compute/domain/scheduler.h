#pragma once
// Choosing a host: candidates of placement -> filters -> weighers, each a small pure function. No HTTP, no SQL.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pilvi::compute {

// What a server needs of one host.
struct Wanted {
    std::int64_t vcpus = 0, memory_mb = 0, disk_gb = 0;
    std::map<std::string, std::int64_t> resources;  // what placement is asked for: {"VCPU": 1, ...}
    std::set<std::string> required_traits, forbidden_traits;
    std::string zone;                                 // "" any
    std::string host;                                 // "" any; an administrator's choice
    std::set<std::string> excluded;                   // hosts where a build failed before
    std::set<std::string> same_host, different_host;  // hosts of the servers that the hints name
    bool has_same_host = false;                       // a same_host hint was given, though its servers may have no host
    std::string group_policy;                         // "affinity", "anti-affinity", "soft-...", "" none
    std::map<std::string, int> group_hosts;           // host -> members of the server group there
    int max_per_host = 1;                             // rule of anti-affinity
};

// A host that placement says has room.
struct Candidate {
    std::string host, provider, zone;
    bool enabled = true, up = true;
    double free_vcpus = 0, free_memory_mb = 0, free_disk_gb = 0;
    int building = 0;  // servers being built there
    int failures = 0;  // builds that failed there lately
};

struct Rejection {
    std::string host, filter, reason;
};

// Reason why the host is not taken; nullopt: it passes.
using Filter = std::optional<std::string> (*)(const Candidate&, const Wanted&);
struct NamedFilter {
    std::string_view name;
    Filter filter;
};
using Weigher = double (*)(const Candidate&, const Wanted&);
struct NamedWeigher {
    std::string_view name;
    Weigher weigher;
    double multiplier;
};
extern const std::vector<NamedFilter> filters;
extern const std::vector<NamedWeigher> weighers;

struct Choice {
    std::vector<Candidate> hosts;  // best first
    std::vector<Rejection> rejections;
};
// Weights are normalised to 0..1 over the hosts that passed, multiplied and added; ties keep the order of `candidates`.
Choice choose(std::vector<Candidate> candidates, const Wanted& wanted);
// "host1: ComputeFilter: the service is down; host2: ...", for the user. "" for none.
std::string describe(const std::vector<Rejection>& rejections);

// Resources, traits that a flavor asks for: VCPU, MEMORY_MB, DISK_GB, overridden by the extra specs resources:CLASS=N (0 removes),
// trait:NAME=required|forbidden.
void request_of_flavor(Wanted& wanted, const std::map<std::string, std::string>& extra_specs);

}  // namespace pilvi::compute
