#pragma once
// Fernet: AES-128-CBC with HMAC-SHA256, URL-safe base64. Source: the Fernet specification (github.com/fernet/spec).
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pilvi::identity {

// 16 bytes for the HMAC, then 16 for AES.
using FernetKey = std::array<std::uint8_t, 32>;

struct FernetMessage {
    std::int64_t created_at = 0;  // seconds since the epoch
    std::string text;
};

// 44 characters of URL-safe base64, as in a key file; nullopt for anything else.
std::optional<FernetKey> parse_fernet_key(std::string_view text) noexcept;
std::string fernet_key_text(const FernetKey& key);
FernetKey new_fernet_key();

// The token without base64 padding, as the original issues it. `iv` is 16 random bytes where it is not given (tests).
std::string fernet_seal(const FernetKey& key, std::int64_t created_at, std::string_view text, std::string_view iv = {});
// Tries every key; nullopt where the text is no Fernet token, no key made it, or it is longer than `longest`. The age is the caller's business.
std::optional<FernetMessage> fernet_open(std::span<const FernetKey> keys, std::string_view token, std::size_t longest = 4096) noexcept;

}  // namespace pilvi::identity
