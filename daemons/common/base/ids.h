#pragma once
// Identifiers. Randomness comes from libc's getrandom(2).
#include <string>
#include <string_view>

namespace pilvi {

// RFC 4122 version 4, lower case with hyphens: "3f0c0a62-...".
std::string new_uuid();
// 32 lower-case hexadecimal digits, as identity's ids are.
std::string new_hex_id();
// "req-" + uuid.
std::string new_request_id();
// `size` random bytes.
std::string random_bytes(std::size_t size);

// 36 characters with hyphens, or 32 hexadecimal digits, either case (what oslo's is_uuid_like takes).
bool is_uuid_like(std::string_view text) noexcept;
std::string hex(std::string_view bytes);

}  // namespace pilvi
