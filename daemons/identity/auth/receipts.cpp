#include "auth/receipts.h"

namespace pilvi::identity {

namespace {

constexpr Micros second = 1'000'000;

// The methods of one rule that there are; empty for a rule that is not a list of texts.
std::uint64_t bits_of(const json::value& rule) {
    std::uint64_t bits = 0;
    if (!rule.is_array()) return 0;
    for (const json::value& method : rule.get_array()) {
        if (!method.is_string()) return 0;
        bits |= method_bit(str(method.get_string()));
    }
    return bits;
}

json::array names(std::uint64_t bits) {
    json::array out;
    for (const std::string& name : method_names(bits)) out.emplace_back(name);
    return out;
}

}  // namespace

void add_receipt(const App& shared, Store& store, std::string_view text, Payload& payload) {
    if (text.empty()) return;
    const auto opened = fernet_open(*shared.keys.keys(), text);
    const auto receipt = opened ? unpack_receipt(opened->text) : std::nullopt;
    if (!receipt || receipt->user_id != payload.user_id || receipt->expires_at <= shared.tokens.now()) refuse_login();
    const auto user = store.read([&](Tx& tx) { return find_user(tx, payload.user_id); });
    if (!user || opened->created_at < user->valid_from) refuse_login();
    payload.methods |= receipt->methods;
}

std::optional<json::array> missing_methods(Store& store, const Payload& payload) {
    const std::string text = store.read([&](Tx& tx) { return tx.scalar("SELECT options FROM users WHERE id = ?", {payload.user_id}).text(); });
    const json::value options = text.empty() ? json::value(json::object()) : parse_json(text);
    if (!boolean_or(options.as_object(), "multi_factor_auth_enabled", true)) return std::nullopt;
    bool ruled = false;
    json::array required;
    for (const json::value& rule : array_or_empty(options.as_object(), "multi_factor_auth_rules")) {
        if (!rule.is_array() || rule.get_array().empty()) continue;
        ruled = true;
        const std::uint64_t bits = bits_of(rule);
        if ((payload.methods & bits) == bits) return std::nullopt;
        if (payload.methods & bits) required.push_back(names(bits));
    }
    return ruled ? std::optional(std::move(required)) : std::nullopt;
}

Receipt make_receipt(const App& shared, Store& store, const Payload& payload, json::array required) {
    const Micros now = shared.tokens.now() / second * second;
    const ReceiptPayload receipt{payload.user_id, payload.methods, now + shared.receipt_lifetime};
    std::optional<UserRecord> user;
    std::optional<ProjectRecord> domain;
    store.read([&](Tx& tx) {
        user = find_user(tx, payload.user_id);
        if (user) domain = find_domain(tx, user->domain_id);
    });
    if (!user || !domain || !user->enabled || !domain->enabled) refuse_login();
    json::object body{
        {"receipt",
         {{"methods", names(payload.methods)},
          {"user", {{"id", user->id}, {"name", user->name}, {"domain", {{"id", domain->id}, {"name", domain->name}}}}},
          {"expires_at", iso8601_micros(receipt.expires_at)},
          {"issued_at", iso8601_micros(now)}}},
        {"required_auth_methods", std::move(required)},
    };
    // One made in the second of a password change counts as made after it, as for tokens.
    const std::int64_t created_at = std::max<std::int64_t>(now / second, user->valid_from);
    return {fernet_seal(shared.keys.keys()->front(), created_at, pack_receipt(receipt)), std::move(body)};
}

}  // namespace pilvi::identity
