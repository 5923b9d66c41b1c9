#include "domain/scheduler.h"

#include <algorithm>
#include <numeric>

#include "base/text.h"

namespace pilvi::compute {
namespace {

std::optional<std::string> compute_filter(const Candidate& c, const Wanted&) {
    if (!c.enabled) return "the service is disabled";
    if (!c.up) return "the service is down";
    return std::nullopt;
}
std::optional<std::string> zone_filter(const Candidate& c, const Wanted& w) {
    if (w.zone.empty() || w.zone == c.zone) return std::nullopt;
    return "it is in the availability zone " + c.zone + ", not " + w.zone;
}
std::optional<std::string> requested_host_filter(const Candidate& c, const Wanted& w) {
    if (w.host.empty() || w.host == c.host) return std::nullopt;
    return "the host " + w.host + " was asked for";
}
std::optional<std::string> retry_filter(const Candidate& c, const Wanted& w) {
    if (!w.excluded.contains(c.host)) return std::nullopt;
    return "the build failed there before";
}
std::optional<std::string> same_host_filter(const Candidate& c, const Wanted& w) {
    if (!w.has_same_host || w.same_host.contains(c.host)) return std::nullopt;
    return "the servers of the same_host hint are elsewhere";
}
std::optional<std::string> different_host_filter(const Candidate& c, const Wanted& w) {
    if (!w.different_host.contains(c.host)) return std::nullopt;
    return "a server of the different_host hint is there";
}
std::optional<std::string> affinity_filter(const Candidate& c, const Wanted& w) {
    if (w.group_policy != "affinity" || w.group_hosts.empty() || w.group_hosts.contains(c.host)) return std::nullopt;
    return "the servers of the group are elsewhere";
}
std::optional<std::string> anti_affinity_filter(const Candidate& c, const Wanted& w) {
    if (w.group_policy != "anti-affinity") return std::nullopt;
    const auto found = w.group_hosts.find(c.host);
    if (found == w.group_hosts.end() || found->second < w.max_per_host) return std::nullopt;
    return "as many servers of the group as allowed are there";
}

double ram_weigher(const Candidate& c, const Wanted&) { return c.free_memory_mb; }
double cpu_weigher(const Candidate& c, const Wanted&) { return c.free_vcpus; }
double disk_weigher(const Candidate& c, const Wanted&) { return c.free_disk_gb; }
double io_weigher(const Candidate& c, const Wanted&) { return c.building; }
double failure_weigher(const Candidate& c, const Wanted&) { return c.failures; }
double group_weigher(const Candidate& c, const Wanted& w) {
    const auto found = w.group_hosts.find(c.host);
    const double members = found == w.group_hosts.end() ? 0 : found->second;
    if (w.group_policy == "soft-affinity") return members;
    if (w.group_policy == "soft-anti-affinity") return -members;
    return 0;
}

}  // namespace

const std::vector<NamedFilter> filters = {
    {"ComputeFilter", &compute_filter},
    {"AvailabilityZoneFilter", &zone_filter},
    {"RequestedHostFilter", &requested_host_filter},
    {"RetryFilter", &retry_filter},
    {"SameHostFilter", &same_host_filter},
    {"DifferentHostFilter", &different_host_filter},
    {"ServerGroupAffinityFilter", &affinity_filter},
    {"ServerGroupAntiAffinityFilter", &anti_affinity_filter},
};
const std::vector<NamedWeigher> weighers = {
    {"RAMWeigher", &ram_weigher, 1.0},
    {"CPUWeigher", &cpu_weigher, 1.0},
    {"DiskWeigher", &disk_weigher, 1.0},
    {"IoOpsWeigher", &io_weigher, -1.0},
    {"BuildFailureWeigher", &failure_weigher, -1000.0},
    {"ServerGroupWeigher", &group_weigher, 1.0},
};

Choice choose(std::vector<Candidate> candidates, const Wanted& wanted) {
    Choice choice;
    for (Candidate& candidate : candidates) {
        std::optional<Rejection> rejection;
        for (const NamedFilter& f : filters)
            if (auto reason = f.filter(candidate, wanted)) {
                rejection = Rejection{candidate.host, std::string(f.name), *reason};
                break;
            }
        if (rejection) choice.rejections.push_back(std::move(*rejection));
        else choice.hosts.push_back(std::move(candidate));
    }
    std::vector<double> totals(choice.hosts.size(), 0.0);
    for (const NamedWeigher& w : weighers) {
        std::vector<double> raw;
        for (const Candidate& c : choice.hosts) raw.push_back(w.weigher(c, wanted));
        if (raw.empty()) break;
        const auto [least, most] = std::minmax_element(raw.begin(), raw.end());
        const double range = *most - *least;
        if (range <= 0) continue;
        for (std::size_t i = 0; i < raw.size(); ++i) totals[i] += w.multiplier * (raw[i] - *least) / range;
    }
    std::vector<std::size_t> order(choice.hosts.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return totals[a] > totals[b]; });
    std::vector<Candidate> sorted;
    for (const std::size_t i : order) sorted.push_back(std::move(choice.hosts[i]));
    choice.hosts = std::move(sorted);
    return choice;
}

std::string describe(const std::vector<Rejection>& rejections) {
    std::string text;
    for (const Rejection& r : rejections) text += (text.empty() ? "" : "; ") + r.host + ": " + r.filter + ": " + r.reason;
    return text;
}

void request_of_flavor(Wanted& wanted, const std::map<std::string, std::string>& extra_specs) {
    wanted.resources = {{"VCPU", wanted.vcpus}, {"MEMORY_MB", wanted.memory_mb}, {"DISK_GB", wanted.disk_gb}};
    for (const auto& [key, value] : extra_specs) {
        if (key.starts_with("resources:")) {
            if (const auto amount = parse_integer(value)) wanted.resources[key.substr(10)] = *amount;
        } else if (key.starts_with("trait:")) {
            if (value == "required") wanted.required_traits.insert(key.substr(6));
            else if (value == "forbidden") wanted.forbidden_traits.insert(key.substr(6));
        }
    }
    std::erase_if(wanted.resources, [](const auto& item) { return item.second <= 0; });
}

}  // namespace pilvi::compute
