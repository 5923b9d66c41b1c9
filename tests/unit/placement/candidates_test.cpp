#include <doctest/doctest.h>

#include "domain/candidates.h"
#include "domain/standard_names.h"

using namespace pilvi::placement;

namespace {

Inventory of(std::int64_t total, std::int64_t used = 0) { return {.total = total, .used = used}; }

std::set<std::string> used(const Snapshot& snapshot, const Candidates& found) {
    std::set<std::string> text;
    for (const Candidate& candidate : found.requests) {
        std::string one;
        for (const auto& [key, amount] : candidate.resources)
            one += (one.empty() ? "" : " ") + snapshot.providers[key.first].uuid + "/" + key.second + ":" + std::to_string(amount);
        text.insert(one);
    }
    return text;
}

std::set<std::string> summaries(const Snapshot& snapshot, const Candidates& found) {
    std::set<std::string> uuids;
    for (const std::size_t i : found.summaries) uuids.insert(snapshot.providers[i].uuid);
    return uuids;
}

using Set = std::set<std::string>;

// Two hosts, one of them full of VCPU, and a shared disk for both.
Snapshot two_hosts() {
    Snapshot s;
    for (const char* uuid : {"host1", "host2", "storage"}) s.add(uuid);
    Provider &host1 = s.providers[0], &host2 = s.providers[1], &storage = s.providers[2];
    host1.inventories = {{"VCPU", of(8)}, {"MEMORY_MB", of(1024)}};
    host2.inventories = {{"VCPU", of(8, 8)}, {"MEMORY_MB", of(1024)}, {"DISK_GB", of(10)}};
    storage.inventories = {{"DISK_GB", of(1000)}};
    storage.traits.emplace(sharing_trait);
    host1.aggregates = {"shared"};
    storage.aggregates = {"shared"};
    return s;
}

}  // namespace

TEST_CASE("capacity and units") {
    Inventory i{.total = 10, .reserved = 1, .min_unit = 2, .max_unit = 6, .step_size = 2, .allocation_ratio = 1.5, .used = 4};
    CHECK(i.capacity() == 13);
    CHECK(i.has_room(9));
    CHECK_FALSE(i.has_room(10));
    CHECK(i.unit_fits(4));
    for (const int amount : {1, 3, 8}) CHECK_FALSE(i.unit_fits(amount));
    i.allocation_ratio = 1e300;
    CHECK(i.capacity() > std::int64_t{max_integer} * max_integer);
}

TEST_CASE("one provider has everything") {
    Snapshot s;
    s.add("a");
    s.add("b");
    s.providers[0].inventories = {{"VCPU", of(4)}, {"MEMORY_MB", of(512)}};
    s.providers[1].inventories = {{"VCPU", of(4, 3)}, {"MEMORY_MB", of(512)}};
    CandidateRequest request{.groups = {{"", {.resources = {{"VCPU", 2}, {"MEMORY_MB", 512}}}}}};
    CHECK(used(s, find_candidates(s, request)) == Set{"a/MEMORY_MB:512 a/VCPU:2"});
    request.groups[""].resources["VCPU"] = 1;
    CHECK(find_candidates(s, request).requests.size() == 2);
    request.limit = 1;
    CHECK(find_candidates(s, request).requests.size() == 1);
    CHECK(find_candidates(s, request).summaries.size() == 1);
    request.groups[""].in_tree = "b";
    CHECK(used(s, find_candidates(s, request)) == Set{"b/MEMORY_MB:512 b/VCPU:1"});
    request.groups[""].in_tree = "nobody";
    CHECK(find_candidates(s, request).requests.empty());
}

TEST_CASE("traits and aggregates decide") {
    Snapshot s;
    for (const char* uuid : {"a", "b", "c"}) s.providers[s.add(uuid)].inventories = {{"VCPU", of(4)}};
    s.providers[0].traits = {"SSD", "FAST"};
    s.providers[1].traits = {"SSD"};
    s.providers[1].aggregates = {"x"};
    s.providers[2].aggregates = {"x", "y"};
    const auto with = [&](auto change) {
        CandidateRequest request{.groups = {{"", {.resources = {{"VCPU", 1}}}}}};
        change(request, request.groups[""]);
        return summaries(s, find_candidates(s, request));
    };
    CHECK(with([](auto&, Group& g) { g.required = {{"SSD"}}; }) == Set{"a", "b"});
    CHECK(with([](auto&, Group& g) { g.required = {{"SSD"}, {"FAST"}}; }) == Set{"a"});
    CHECK(with([](auto&, Group& g) { g.required = {{"FAST", "NONE"}}; }) == Set{"a"});
    CHECK(with([](auto&, Group& g) { g.forbidden = {"SSD"}; }) == Set{"c"});
    CHECK(with([](auto&, Group& g) { g.member_of = {{"x"}}; }) == Set{"b", "c"});
    CHECK(with([](auto&, Group& g) { g.member_of = {{"x"}, {"y"}}; }) == Set{"c"});
    CHECK(with([](auto&, Group& g) { g.forbidden_aggregates = {"y"}; }) == Set{"a", "b"});
    CHECK(with([](auto& r, Group&) { r.root_required = {"SSD"}; }) == Set{"a", "b"});
    CHECK(with([](auto& r, Group&) { r.root_forbidden = {"FAST"}; }) == Set{"b", "c"});
}

TEST_CASE("a shared disk serves the hosts of its aggregate") {
    const Snapshot s = two_hosts();
    const CandidateRequest request{.groups = {{"", {.resources = {{"VCPU", 1}, {"MEMORY_MB", 64}, {"DISK_GB", 5}}}}}};
    const Candidates found = find_candidates(s, request);
    CHECK(used(s, found) == Set{"host1/MEMORY_MB:64 host1/VCPU:1 storage/DISK_GB:5"});
    CHECK(summaries(s, found) == Set{"host1", "storage"});
}

TEST_CASE("nested providers, groups and their policies") {
    Snapshot s;
    s.add("host");
    s.add("numa0", "host");
    s.add("numa1", "host");
    s.add("nic0", "numa0");
    s.providers[0].inventories = {{"DISK_GB", of(100)}};
    s.providers[1].inventories = {{"VCPU", of(4)}};
    s.providers[2].inventories = {{"VCPU", of(4)}};
    s.providers[3].inventories = {{"VF", of(2)}};
    CandidateRequest request{.groups = {{"", {.resources = {{"VCPU", 2}, {"DISK_GB", 10}}}}}};
    CHECK(used(s, find_candidates(s, request)) == Set{"host/DISK_GB:10 numa0/VCPU:2", "host/DISK_GB:10 numa1/VCPU:2"});
    CHECK(summaries(s, find_candidates(s, request)).size() == 4);
    request.nested_aware = false;
    CHECK(find_candidates(s, request).requests.empty());

    CandidateRequest groups{
        .groups = {{"1", {.same_provider = true, .resources = {{"VCPU", 2}}}}, {"2", {.same_provider = true, .resources = {{"VCPU", 2}}}}}};
    CHECK(used(s, find_candidates(s, groups)) == Set{"numa0/VCPU:4", "numa0/VCPU:2 numa1/VCPU:2", "numa1/VCPU:4"});
    CHECK(find_candidates(s, groups).requests.size() == 4);  // the mappings tell the two halves apart
    groups.isolate = true;
    CHECK(used(s, find_candidates(s, groups)) == Set{"numa0/VCPU:2 numa1/VCPU:2"});

    CandidateRequest subtree{
        .groups = {{"_CPU", {.same_provider = true, .resources = {{"VCPU", 1}}}}, {"_NIC", {.same_provider = true, .resources = {{"VF", 1}}}}}};
    CHECK(find_candidates(s, subtree).requests.size() == 2);
    subtree.same_subtrees = {{"_CPU", "_NIC"}};
    CHECK(used(s, find_candidates(s, subtree)) == Set{"numa0/VCPU:1 nic0/VF:1"});
}

TEST_CASE("together groups may not exceed a capacity") {
    Snapshot s;
    s.add("a");
    s.providers[0].inventories = {{"VCPU", {.total = 4, .max_unit = 3}}};
    CandidateRequest request{
        .groups = {{"1", {.same_provider = true, .resources = {{"VCPU", 2}}}}, {"2", {.same_provider = true, .resources = {{"VCPU", 2}}}}}};
    CHECK(find_candidates(s, request).requests.empty());  // 4 in one claim is above max_unit
    request.groups["2"].resources["VCPU"] = 1;
    CHECK(used(s, find_candidates(s, request)) == Set{"a/VCPU:3"});
}

TEST_CASE("a thousand hosts") {
    Snapshot s;
    for (int i = 0; i < 1000; ++i) {
        const std::size_t host = s.add("host" + std::to_string(i));
        s.providers[host].inventories = {{"VCPU", of(64)}, {"MEMORY_MB", of(262144)}, {"DISK_GB", of(2000)}};
    }
    const CandidateRequest request{.groups = {{"", {.resources = {{"VCPU", 1}, {"MEMORY_MB", 512}, {"DISK_GB", 10}}}}}, .limit = 1000};
    CHECK(find_candidates(s, request).requests.size() == 1000);
}
