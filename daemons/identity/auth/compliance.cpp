#include "auth/compliance.h"

#include "base/error.h"
#include "base/ids.h"

namespace pilvi::identity {

namespace {

constexpr Micros second = 1'000'000;
constexpr Micros day = 86'400 * second;

Micros start_of_day(Micros at) { return at / day * day; }

std::optional<Micros> time_or(const json::object& row, std::string_view name) {
    const json::value* value = row.if_contains(name);
    return value && value->is_int64() ? std::optional(value->as_int64()) : std::nullopt;
}

bool locked(const Compliance& rules, const Account& account, Micros now) {
    if (rules.lockout_attempts == 0 || account.ignore_lockout || account.failed_count < rules.lockout_attempts) return false;
    return rules.lockout_seconds == 0 || account.failed_at.value_or(0) + rules.lockout_seconds * second > now;
}

// Several wrong passwords at once are all counted, and none is counted twice: one statement each.
void record_failure(Store& store, const Compliance& rules, const Account& account, const std::string& user_id, Micros now) {
    if (rules.lockout_attempts == 0) return;
    // A lock that has run out starts anew.
    const bool again = account.failed_count >= rules.lockout_attempts;
    store.write([&](Tx& tx) {
        tx.exec("UPDATE users SET failed_auth_count = " + std::string(again ? "1" : "failed_auth_count + 1") + ", failed_auth_at = ? WHERE id = ?",
                {now, user_id});
    });
}

void record_success(Store& store, const Compliance& rules, const Account& account, const std::string& user_id, Micros now) {
    const bool first_today = rules.inactive_days > 0 && account.last_active_on != start_of_day(now);
    if (account.failed_count == 0 && !first_today) return;
    store.write([&](Tx& tx) {
        tx.exec("UPDATE users SET failed_auth_count = 0, failed_auth_at = NULL, last_active_on = ? WHERE id = ?", {start_of_day(now), user_id});
    });
}

}  // namespace

std::shared_ptr<const std::regex> compile_password_regex(const std::string& text) {
    if (text.empty()) return nullptr;
    try {
        return std::make_shared<const std::regex>(text, std::regex::ECMAScript | std::regex::optimize);
    } catch (const std::regex_error& broken) {
        throw Error(Errc::bad_request, "security_compliance.password_regex: " + std::string(broken.what()));
    }
}

Compliance compliance_of(const Config& config) {
    Compliance out;
    out.lockout_attempts = config.integer("security_compliance.lockout_failure_attempts");
    out.lockout_seconds = config.seconds("security_compliance.lockout_duration").count() / 1000;
    out.inactive_days = config.integer("security_compliance.disable_user_account_days_inactive");
    out.expires_days = config.integer("security_compliance.password_expires_days");
    out.unique_last = config.integer("security_compliance.unique_last_password_count");
    out.minimum_age_days = config.integer("security_compliance.minimum_password_age");
    out.password_regex = config.text("security_compliance.password_regex");
    out.password_regex_description = config.text("security_compliance.password_regex_description");
    out.change_on_first_use = config.boolean("security_compliance.change_password_upon_first_use");
    out.pattern = compile_password_regex(out.password_regex);
    return out;
}

Account account_of(const json::object& row) {
    const json::object options = object_or_empty(row, "options");
    return {.ignore_lockout = boolean_or(options, "ignore_lockout_failure_attempts"),
            .ignore_expiry = boolean_or(options, "ignore_password_expiry"),
            .ignore_inactivity = boolean_or(options, "ignore_user_inactivity"),
            .ignore_first_use = boolean_or(options, "ignore_change_password_upon_first_use"),
            .lock_password = boolean_or(options, "lock_password"),
            .self_service = boolean_or(row, "password_self_service"),
            .failed_count = integer_or(row, "failed_auth_count"),
            .failed_at = time_or(row, "failed_auth_at"),
            .created_at = time_or(row, "created_at"),
            .last_active_on = time_or(row, "last_active_on"),
            .password_created_at = time_or(row, "password_created_at")};
}

Account load_account(Tx& tx, std::string_view user_id) {
    const auto row = tx.one(
        "SELECT options, password_self_service, failed_auth_count, failed_auth_at, created_at, last_active_on, password_created_at FROM users"
        " WHERE id = ?",
        {user_id});
    if (!row) return {};
    json::object out{{"options", parse_json(row->text("options"))},
                     {"password_self_service", row->boolean("password_self_service")},
                     {"failed_auth_count", row->integer("failed_auth_count")}};
    for (const char* name : {"failed_auth_at", "created_at", "last_active_on", "password_created_at"})
        if (const auto at = (*row)[name].optional_integer()) out[name] = *at;
    return account_of(out);
}

void check_strength(const Compliance& rules, std::string_view password) {
    if (!rules.pattern) return;
    if (!std::regex_search(password.begin(), password.end(), *rules.pattern, std::regex_constants::match_continuous))
        throw Error(Errc::bad_request, "The password does not match the requirements: " + rules.password_regex_description + ".");
}

bool inactive(const Compliance& rules, const Account& account, Micros now) {
    if (rules.inactive_days == 0 || account.ignore_inactivity) return false;
    const auto last = account.last_active_on ? account.last_active_on : account.created_at;
    return last && (start_of_day(now) - start_of_day(*last)) / day >= rules.inactive_days;
}

std::optional<Micros> expiry(const Compliance& rules, const Account& account, bool by_administrator, Micros now) {
    if (by_administrator && rules.change_on_first_use && !account.ignore_first_use) return now;
    if (rules.expires_days == 0 || account.ignore_expiry) return std::nullopt;
    return (now + rules.expires_days * day) / second * second;
}

bool password_login(Store& store, const PasswordHasher& hasher, const Compliance& rules, const std::optional<UserRecord>& user,
                    const Secret& password, Micros now, bool expired_too) {
    const Account account = user ? store.read([&](Tx& tx) { return load_account(tx, user->id); }) : Account();
    if (user && locked(rules, account, now)) throw Error(Errc::unauthenticated, "The account is locked for user: " + user->id + ".");
    const bool right = hasher.verify(user ? user->password_hash : "", password);
    if (!user) return false;
    if (!right) {
        record_failure(store, rules, account, user->id, now);
        return false;
    }
    if (!user->enabled || inactive(rules, account, now)) return false;
    if (!expired_too && !account.ignore_expiry && user->password_expires_at && *user->password_expires_at <= now)
        throw Error(Errc::unauthenticated, "The password is expired and needs to be changed for user: " + user->id + ".");
    record_success(store, rules, account, user->id, now);
    return true;
}

void check_choice(Store& store, const PasswordHasher& hasher, const Compliance& rules, std::string_view user_id, const Secret& fresh, Micros now) {
    check_strength(rules, fresh.reveal());
    std::vector<std::string> earlier;
    const Account account = store.read([&](Tx& tx) {
        for (const Row& row : tx.query("SELECT hash FROM password_history WHERE user_id = ? ORDER BY created_at DESC", {user_id}))
            if (static_cast<std::int64_t>(earlier.size()) < rules.unique_last) earlier.push_back(row.at(0).text());
        return load_account(tx, user_id);
    });
    if (account.lock_password)
        throw Error(
            Errc::bad_request,
            "You cannot change your password at this time due to password policy disallowing password changes. Please contact your administrator"
            " to reset your password.");
    const Micros free_at = account.password_created_at.value_or(0) + rules.minimum_age_days * day;
    if (rules.minimum_age_days > 0 && account.self_service && now < free_at)
        throw Error(
            Errc::bad_request,
            "You cannot change your password at this time due to the minimum password age. Once you change your password, it must be used for " +
                std::to_string(rules.minimum_age_days) + " day(s) before it can be changed. Please try again in " +
                std::to_string((free_at - now) / day) + " day(s) or contact your administrator to reset your password.");
    for (const std::string& hash : earlier)
        if (hasher.verify(hash, fresh))
            throw Error(Errc::bad_request,
                        "The new password cannot be identical to a previous password. The total number which includes the new password must be unique"
                        " is " +
                            std::to_string(rules.unique_last) + ".");
}

void remember_password(Tx& tx, const Compliance& rules, std::string_view user_id, std::string_view hash, Micros now) {
    if (!hash.empty() && rules.unique_last > 0)
        tx.insert("password_history", {{"id", new_hex_id()}, {"user_id", user_id}, {"hash", hash}, {"created_at", now}});
    const auto kept = tx.query("SELECT id FROM password_history WHERE user_id = ? ORDER BY created_at DESC, id", {user_id});
    for (std::size_t i = static_cast<std::size_t>(rules.unique_last); i < kept.size(); ++i)
        tx.exec("DELETE FROM password_history WHERE id = ?", {kept[i].at(0).text()});
}

}  // namespace pilvi::identity
