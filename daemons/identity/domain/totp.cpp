#include "domain/totp.h"

#include <cstdint>

#include "base/text.h"
#include "domain/digest.h"

namespace pilvi::identity {

namespace {
constexpr Micros period = 30'000'000;
}

std::optional<std::string> base32_decode(std::string_view text) noexcept {
    try {
        while (text.ends_with('=')) text.remove_suffix(1);
        std::string out;
        std::uint32_t bits = 0;
        int held = 0;
        for (const char c : text) {
            if (c >= 'A' && c <= 'Z') bits = bits << 5 | static_cast<std::uint32_t>(c - 'A');
            else if (c >= '2' && c <= '7') bits = bits << 5 | static_cast<std::uint32_t>(c - '2' + 26);
            else return std::nullopt;
            held += 5;
            if (held < 8) continue;
            held -= 8;
            out += static_cast<char>(bits >> held & 0xff);
            bits &= (1u << held) - 1;
        }
        if (held >= 5 || bits != 0) return std::nullopt;  // not a whole number of bytes
        return out;
    } catch (...) {
        return std::nullopt;  // out of memory
    }
}

std::string totp_code(std::string_view secret, Micros now) {
    const auto count = static_cast<std::uint64_t>(now / period);
    std::string message;
    for (int shift = 56; shift >= 0; shift -= 8) message += static_cast<char>(count >> shift & 0xff);
    const std::string mac = hmac(Digest::sha1, secret, message);
    const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(mac[i])); };
    const std::size_t at = byte(mac.size() - 1) & 0x0f;
    const std::uint32_t code = ((byte(at) & 0x7f) << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3)) % 1'000'000;
    std::string digits = std::to_string(code);
    return std::string(6 - digits.size(), '0') + digits;
}

bool totp_matches(std::string_view secret, std::string_view passcode, Micros now, int earlier) {
    const auto key = base32_decode(secret);
    if (!key || key->empty()) return false;
    bool found = false;
    for (int i = 0; i <= earlier; ++i) found = equals_constant_time(totp_code(*key, now - i * period), passcode) || found;
    return found;
}

}  // namespace pilvi::identity
