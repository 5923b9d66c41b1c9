#pragma once
// Writing allocations: whole sets of claims of consumers, replaced in one transaction, never above a capacity.
#include <optional>
#include <string>
#include <vector>

#include "resources/common.h"

namespace pilvi::placement {

struct Claim {
    std::string provider, resource_class;
    std::int64_t amount = 0;
};

// What one consumer shall have from now on; no claims: nothing.
struct ConsumerClaims {
    std::string consumer;
    std::string project_id, user_id;
    std::optional<std::string> type;         // 1.38; else kept
    bool check_generation = false;           // 1.28
    std::optional<std::int64_t> generation;  // as the caller believes; nullopt: the consumer is new
    std::vector<Claim> claims;
};

// Error(bad_request) where a provider or class is unknown (`unknown_prefix` before the latter's message), Error(conflict) on a consumer's
// generation, where there is no such inventory, where units do not fit, and where the capacity would be exceeded.
void write_claims(Tx& tx, const std::vector<ConsumerClaims>& consumers, const std::string& unknown_prefix);

// Takes everything from the consumer and forgets it. False where it has nothing.
bool remove_claims(Tx& tx, const std::string& consumer);

// The body of PUT /allocations/{consumer} at this microversion.
ConsumerClaims parse_consumer(const Call& call, const std::string& consumer, const json::value& body, bool may_be_empty, std::string_view where = {});
// {consumer: {...}, ...}: POST /allocations, and "allocations" of the reshaper.
std::vector<ConsumerClaims> parse_consumers(const Call& call, const json::value& body, std::string_view where = {});

}  // namespace pilvi::placement
