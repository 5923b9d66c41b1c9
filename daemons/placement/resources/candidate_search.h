#pragma once
// Allocation candidates from the database: it loads the providers that can be part of the answer, domain/candidates.h decides among them.
#include <vector>

#include "domain/candidates.h"
#include "resources/common.h"

namespace pilvi::placement {

struct FoundCandidates {
    Snapshot snapshot;
    Candidates candidates;
};

// A bounded number of queries, whatever the number of providers; rows of providers without room are not looked at. With a limit and more trees that
// can serve than that, those with the most room of the first class (in a cloud of trees or sharing providers: the first by uuid) are taken.
FoundCandidates search_candidates(Tx& tx, const CandidateRequest& request);

// Trait names by provider index, of these providers: standard ones first, as the original has them.
std::vector<json::array> load_traits(Tx& tx, const Snapshot& snapshot, const std::vector<std::size_t>& providers);

}  // namespace pilvi::placement
