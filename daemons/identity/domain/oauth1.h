#pragma once
// Signed requests of OAuth 1.0a. Source: RFC 5849, sections 3.4 and 3.5.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace pilvi::identity {

// The parameters of an Authorization header, decoded, in their order.
struct OAuthHeader {
    std::vector<std::pair<std::string, std::string>> items;
    std::string_view get(std::string_view name) const;  // "" where there is none
};
// "OAuth realm=..., oauth_consumer_key=\"...\", ..."; nullopt where it is not that, or a parameter stands there twice.
std::optional<OAuthHeader> parse_oauth_header(std::string_view value) noexcept;

struct SignedRequest {
    std::string_view method;  // "POST"
    std::string_view scheme;  // "http"
    std::string_view host;    // as in the Host header
    std::string_view path;
    std::string_view query;  // its parameters are signed, too
};
// The text that is signed.
std::string oauth_base_string(const SignedRequest& request, const OAuthHeader& header);
// By HMAC-SHA1, HMAC-SHA256, HMAC-SHA512 or PLAINTEXT.
bool oauth_signature_holds(const SignedRequest& request, const OAuthHeader& header, std::string_view consumer_secret, std::string_view token_secret);
// What is missing or out of bounds before any secret is looked at, in the original's words; "" = nothing. A timestamp is good for 10 minutes.
std::string oauth_defect(const OAuthHeader& header, Micros now);

}  // namespace pilvi::identity
