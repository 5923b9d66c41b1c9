#include "base/ids.h"

#include <sys/random.h>

#include "base/error.h"

namespace pilvi {

std::string random_bytes(std::size_t size) {
    std::string out(size, '\0');
    std::size_t done = 0;
    while (done < size) {
        const ssize_t got = getrandom(out.data() + done, size - done, 0);
        if (got < 0) throw Error(Errc::internal, "getrandom failed");
        done += static_cast<std::size_t>(got);
    }
    return out;
}

std::string hex(std::string_view bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const unsigned char c : bytes) {
        out += digits[c >> 4];
        out += digits[c & 15];
    }
    return out;
}

namespace {
// For identifiers, which are unique rather than secret: one system call serves 64 of them.
std::string identifier_bytes(std::size_t size) {
    thread_local std::string reserve;
    if (reserve.size() < size) reserve = random_bytes(size * 64);
    std::string out = reserve.substr(reserve.size() - size);
    reserve.resize(reserve.size() - size);
    return out;
}
}  // namespace

std::string new_uuid() {
    std::string raw = identifier_bytes(16);
    raw[6] = static_cast<char>((static_cast<unsigned char>(raw[6]) & 0x0f) | 0x40);
    raw[8] = static_cast<char>((static_cast<unsigned char>(raw[8]) & 0x3f) | 0x80);
    const std::string digits = hex(raw);
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i == 8 || i == 12 || i == 16 || i == 20) text += '-';
        text += digits[i];
    }
    return text;
}

std::string new_hex_id() {
    std::string id = new_uuid();
    std::erase(id, '-');
    return id;
}

std::string new_request_id() { return "req-" + new_uuid(); }

bool is_uuid_like(std::string_view text) noexcept {
    const bool dashed = text.size() == 36;
    if (!dashed && text.size() != 32) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (dashed && (i == 8 || i == 13 || i == 18 || i == 23)) {
            if (c != '-') return false;
            continue;
        }
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) return false;
    }
    return true;
}

}  // namespace pilvi
