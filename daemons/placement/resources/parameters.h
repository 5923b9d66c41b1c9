#pragma once
// The small languages of placement's query strings: resources, required, member_of, in_tree, groups.
#include <map>
#include <string>
#include <vector>

#include "domain/candidates.h"
#include "resources/common.h"
#include "resources/condition.h"

namespace pilvi::placement {

struct TraitFilter {
    std::vector<Names> required;  // of each set at least one
    Names forbidden;
};
struct AggregateFilter {
    std::vector<Names> required;
    Names forbidden;
};

// "VCPU:2,MEMORY_MB:1024"
std::map<std::string, std::int64_t> parse_resources(const std::string& text);
// Every "required<suffix>" of the query, as the microversion allows: A,B | !C (1.22) | in:A,B (1.39).
TraitFilter parse_required(const Call& call, const std::string& suffix = {});
// One value of it.
TraitFilter parse_required_value(const std::string& value, bool allow_forbidden, bool allow_any);
// Every "member_of<suffix>": uuid | in:uuid,uuid | !uuid | !in:uuid,uuid (1.32).
AggregateFilter parse_member_of(const Call& call, const std::string& suffix = {});

// GET /resource_providers: the condition is over resource_providers p.
struct ProviderFilter {
    Condition condition;
    Names resource_classes, traits;  // to be checked for existence
};
ProviderFilter provider_filter(const Call& call);

// GET /allocation_candidates.
CandidateRequest parse_candidate_request(const Call& call);

}  // namespace pilvi::placement
