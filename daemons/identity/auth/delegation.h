#pragma once
// What was delegated: trusts, and access tokens of OAuth1. Look-ups in SQL for logging in, tokens and the APIs of both.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "store/store.h"

namespace pilvi::identity {

inline constexpr int max_redelegation_count = 3;  // the original's default

struct TrustRecord {
    std::string id, trustor_user_id, trustee_user_id, project_id, redelegated_trust_id;
    bool impersonation = false;
    std::optional<std::int64_t> expires_at, remaining_uses;
    int redelegation_count = 0;
    std::vector<std::string> roles;  // ids
    bool ended(Micros now) const { return expires_at && *expires_at < now; }
    bool used_up() const { return remaining_uses && *remaining_uses <= 0; }
};

struct AccessTokenRecord {
    std::string id, secret, user_id, project_id, consumer_id;  // secret: sealed
    std::optional<std::int64_t> expires_at;
    std::vector<std::string> roles;  // ids
};

inline constexpr std::string_view trust_columns =
    "SELECT id, trustor_user_id, trustee_user_id, project_id, redelegated_trust_id, impersonation, expires_at, remaining_uses, redelegation_count, "
    "roles FROM trusts";
TrustRecord trust_of(const Row& row);  // of trust_columns

// Whether it is still good is the caller's question.
std::optional<TrustRecord> find_trust(Tx& tx, std::string_view id);
// The trust, the one it was redelegated from, and so on; empty where one of them is gone.
std::vector<TrustRecord> pedigree_of(Tx& tx, const TrustRecord& trust);
// Takes one use; false where there is none left (another login took it meanwhile).
bool consume_use(Tx& tx, const TrustRecord& trust);
std::optional<AccessTokenRecord> find_access_token(Tx& tx, std::string_view id);

// Ids with those that they imply.
std::set<std::string> expand_roles(Tx& tx, const std::vector<std::string>& ids);

// A JSON array of texts, as the roles are stored.
std::vector<std::string> texts_in(std::string_view json_array);
std::string texts_to_json(const std::vector<std::string>& texts);

// Removes the trusts that meet the condition, and what was redelegated from them. Returns their ids.
std::vector<std::string> remove_trusts(Tx& tx, std::string_view condition, const Values& values);
// Removes what concerns users or projects that go away; `ids`: a parameter "?" or a query of ids, with its values.
void forget_users(Tx& tx, std::string_view ids, const Values& values);
void forget_projects(Tx& tx, std::string_view ids, const Values& values);

}  // namespace pilvi::identity
