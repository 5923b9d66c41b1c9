#pragma once
// Keyed and plain digests, as signatures of requests need them. Bytes in, bytes out.
#include <string>
#include <string_view>

namespace pilvi::identity {

enum class Digest { sha1, sha256, sha512 };

std::string hmac(Digest digest, std::string_view key, std::string_view text);
std::string sha256_hex(std::string_view text);

}  // namespace pilvi::identity
