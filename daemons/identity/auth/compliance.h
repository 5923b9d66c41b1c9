#pragma once
// Rules for passwords and accounts, as payment card standards ask for (the original's [security_compliance]). 0 or "": that rule is off.
#include <cstdint>
#include <memory>
#include <regex>
#include <string>
#include <string_view>

#include "auth/directory.h"
#include "base/time.h"
#include "config/config.h"
#include "domain/password.h"

namespace pilvi::identity {

struct Compliance {
    std::int64_t lockout_attempts = 0;    // wrong passwords until the account is locked
    std::int64_t lockout_seconds = 1800;  // for how long; 0: until it is enabled again
    std::int64_t inactive_days = 0;       // without a login until the account counts as disabled
    std::int64_t expires_days = 0;        // age at which a password ends
    std::int64_t unique_last = 0;         // passwords, the present one included, that are not chosen again
    std::int64_t minimum_age_days = 0;    // of a password that the user chose, before the user may choose another
    std::string password_regex;           // ECMAScript; a password has to match from its beginning
    std::string password_regex_description;
    bool change_on_first_use = false;           // what an administrator set has ended already
    std::shared_ptr<const std::regex> pattern;  // password_regex, compiled
};
// Throws Error(bad_request) where the regular expression is broken.
Compliance compliance_of(const Config& config);
std::shared_ptr<const std::regex> compile_password_regex(const std::string& text);

// What of users.options and the account's columns the rules need.
struct Account {
    bool ignore_lockout = false, ignore_expiry = false, ignore_inactivity = false, ignore_first_use = false, lock_password = false;
    bool self_service = false;
    std::int64_t failed_count = 0;
    std::optional<Micros> failed_at, created_at, last_active_on, password_created_at;
};
// Of the user by id, which exists.
Account load_account(Tx& tx, std::string_view user_id);
Account account_of(const json::object& user_row);

// Throws Error(bad_request) where the password is not what the regular expression asks for.
void check_strength(const Compliance& rules, std::string_view password);
bool inactive(const Compliance& rules, const Account& account, Micros now);
// When a password set now ends; nullopt: never.
std::optional<Micros> expiry(const Compliance& rules, const Account& account, bool by_administrator, Micros now);

// Whether the password is the user's and the account may be used; counts failures and successes. Takes as long where there is no such user.
// Throws Error(unauthenticated) that says so where the account is locked, or (unless `expired_too`) where the password was right and has ended.
bool password_login(Store& store, const PasswordHasher& hasher, const Compliance& rules, const std::optional<UserRecord>& user,
                    const Secret& password, Micros now, bool expired_too = false);

// Throws Error(bad_request) where the user may not choose `fresh` now: locked password, minimum age, history.
void check_choice(Store& store, const PasswordHasher& hasher, const Compliance& rules, std::string_view user_id, const Secret& fresh, Micros now);
// Keeps the hash in the history, and of the history what the rules need.
void remember_password(Tx& tx, const Compliance& rules, std::string_view user_id, std::string_view hash, Micros now);

}  // namespace pilvi::identity
