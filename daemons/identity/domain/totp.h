#pragma once
// Time-based one-time passcodes: 6 digits, 30 seconds, HMAC-SHA1. Source: RFC 6238, RFC 4226.
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace pilvi::identity {

// Base32 (RFC 4648) with or without padding; nullopt for anything else.
std::optional<std::string> base32_decode(std::string_view text) noexcept;
// "012345" at `now`.
std::string totp_code(std::string_view secret, Micros now);
// Whether the passcode is that of now or of one of the `earlier` periods before. `secret`: base32.
bool totp_matches(std::string_view secret, std::string_view passcode, Micros now, int earlier = 1);

}  // namespace pilvi::identity
