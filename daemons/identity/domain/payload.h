#pragma once
// What a token says, in the original's wire form: msgpack of [version, user, methods, scope, expiry, audit ids], one version per kind of scope.
// Source: keystone/token/token_formatters.py.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace pilvi::identity {

enum class Scope : std::uint8_t { none, domain, project, system };

// The bits of the original's default method list, of totp behind it, and of what is no method of its own.
enum Method : std::uint64_t {
    external = 1,
    password = 2,
    token = 4,
    oauth1 = 8,
    mapped = 16,
    application_credential = 32,
    totp = 64,
    ec2credential = 1ull << 32,
};
// Methods by which users themselves log in; a token of any other is delegated.
inline constexpr std::uint64_t primary_methods = external | password | token | mapped | totp;

struct Payload {
    std::string user_id;
    std::uint64_t methods = 0;
    Scope scope = Scope::none;
    std::string scope_id;  // of the domain or project
    Micros expires_at = 0;
    std::vector<std::string> audit_ids;     // 22 characters of URL-safe base64 each: the token's own, then the one of the first of its chain
    std::string application_credential_id;  // project scope only; "" = none
    std::string trust_id;                   // project scope only, user_id is the trustee; "" = none
    std::string access_token_id;            // of OAuth1, project scope only; "" = none
    std::string idp_id, protocol_id;        // by which an identity provider's user came in; "" = none. Not with system scope
    std::vector<std::string> group_ids;     // that the mapping gave, with idp_id
};

// Of a token that was issued by a delegated method.
inline bool has_delegated_method(const Payload& p) { return p.methods == 0 || (p.methods & ~primary_methods) != 0; }
// Groups of one token at most: it has to fit into a header.
inline constexpr std::size_t most_token_groups = 100;

// Whether the token acts on somebody's behalf with less than they may: of a trust, an application credential, an access token, an EC2 credential.
inline bool is_delegated(const Payload& p) { return !p.trust_id.empty() || has_delegated_method(p); }

std::string pack_payload(const Payload& payload);
// nullopt on anything else.
std::optional<Payload> unpack_payload(std::string_view bytes) noexcept;

// "password", "token", ... of the bits, in their order; and the bit of a name, 0 for a name that there is not.
std::vector<std::string> method_names(std::uint64_t methods);
std::uint64_t method_bit(std::string_view name);

// A receipt of a login that needs further methods (keystone/receipt/receipt_formatters.py): [user, methods, expiry].
struct ReceiptPayload {
    std::string user_id;
    std::uint64_t methods = 0;
    Micros expires_at = 0;
};
std::string pack_receipt(const ReceiptPayload& receipt);
std::optional<ReceiptPayload> unpack_receipt(std::string_view bytes) noexcept;
std::string new_audit_id();

}  // namespace pilvi::identity
