#pragma once
// What a token says, in the original's wire form: msgpack of [version, user, methods, scope, expiry, audit ids], one version per kind of scope.
// Source: keystone/token/token_formatters.py. Versions that need federation, trusts or OAuth1 are not read.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace pilvi::identity {

enum class Scope : std::uint8_t { none, domain, project, system };

// The bits of the original's default method list.
enum Method : unsigned { password = 2, token = 4, application_credential = 32 };

struct Payload {
    std::string user_id;
    unsigned methods = 0;
    Scope scope = Scope::none;
    std::string scope_id;  // of the domain or project
    Micros expires_at = 0;
    std::vector<std::string> audit_ids;     // 22 characters of URL-safe base64 each: the token's own, then the one of the first of its chain
    std::string application_credential_id;  // project scope only; "" = none
};

std::string pack_payload(const Payload& payload);
// nullopt on anything else.
std::optional<Payload> unpack_payload(std::string_view bytes) noexcept;

// "password", "token", ... of the bits, in their order.
std::vector<std::string> method_names(unsigned methods);
std::string new_audit_id();

}  // namespace pilvi::identity
