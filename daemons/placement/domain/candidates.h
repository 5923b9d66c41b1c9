#pragma once
// Allocation candidates: which sets of providers can serve a request. Pure: works on a snapshot of the providers.
// Source of the rules: placement API reference, "Allocation candidates", and the behaviour of placement 8.0.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "domain/inventory.h"

namespace pilvi::placement {

using Names = std::set<std::string, std::less<>>;

struct Provider {
    std::string uuid;
    std::size_t root = 0;  // index into Snapshot::providers; itself for a root
    std::optional<std::size_t> parent = {};
    std::map<std::string, Inventory, std::less<>> inventories = {};
    Names traits = {};  // at least those that the request names, and sharing_trait
    Names aggregates = {};
};

struct Snapshot {
    std::vector<Provider> providers;
    std::unordered_map<std::string, std::size_t> by_uuid;
    bool nested = false;  // some provider of the cloud has a parent, though it may not be here
    // Adds a provider; the parent must be there already. Returns its index.
    std::size_t add(std::string uuid, const std::string& parent_uuid = {});
    void reserve(std::size_t count);
    const Provider& operator[](std::string_view uuid) const { return providers[by_uuid.at(std::string(uuid))]; }
};

// One "resources[S]=..., required[S]=..., member_of[S]=..., in_tree[S]=..." group.
struct Group {
    bool same_provider = false;                          // a suffixed group: all from one provider
    std::map<std::string, std::int64_t> resources = {};  // class -> amount
    std::vector<Names> required = {};                    // of each set at least one trait
    Names forbidden = {};
    std::vector<Names> member_of = {};  // of each set at least one aggregate
    Names forbidden_aggregates = {};
    std::string in_tree = {};  // provider uuid; "" = any
};

struct CandidateRequest {
    std::map<std::string, Group> groups;  // by suffix; "" is the unsuffixed one
    std::size_t limit = 0;                // 0 = none
    bool isolate = false;                 // group_policy=isolate
    Names root_required = {}, root_forbidden = {};
    std::vector<Names> same_subtrees = {};  // sets of suffixes
    bool nested_aware = true;               // microversion 1.29
};

struct Candidate {
    std::map<std::pair<std::size_t, std::string>, std::int64_t> resources;  // (provider, class) -> amount
    std::map<std::string, std::set<std::size_t>> mappings;                  // suffix -> providers that satisfy the group
    auto operator<=>(const Candidate&) const = default;
};

struct Candidates {
    std::vector<Candidate> requests;
    std::vector<std::size_t> summaries;  // providers to be described: the whole trees of those that are used
};

Candidates find_candidates(const Snapshot& snapshot, const CandidateRequest& request);

// Every trait that the request names.
Names traits_of(const CandidateRequest& request);
Names resource_classes_of(const CandidateRequest& request);

}  // namespace pilvi::placement
