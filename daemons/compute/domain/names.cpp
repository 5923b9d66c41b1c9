#include "domain/names.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"

namespace pilvi::compute {
namespace {

std::string digest(const EVP_MD* kind, std::string_view text) {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), out, &size, kind, nullptr) != 1) throw Error(Errc::internal, "the digest failed");
    return hex(std::string_view(reinterpret_cast<const char*>(out), size));
}

std::string pick(std::string_view alphabet, std::size_t count) {
    std::string out;
    while (out.size() < count)
        for (const char byte : random_bytes(count * 2)) {
            const auto value = static_cast<unsigned char>(byte);
            if (value < 256 / alphabet.size() * alphabet.size() && out.size() < count) out += alphabet[value % alphabet.size()];
        }
    return out;
}

}  // namespace

std::string host_name(std::string_view display_name, std::string_view fallback) {
    std::string out;
    for (const char c : lower(display_name)) {
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-') out += c;
        else if (c == ' ' || c == '_' || c == '.') out += '-';
    }
    if (out.size() > 63) out.resize(63);
    const std::size_t first = out.find_first_not_of('-');
    if (first == std::string::npos) return std::string(fallback);
    return out.substr(first, out.find_last_not_of('-') - first + 1);
}

std::string host_id(std::string_view project_id, std::string_view host) {
    if (host.empty()) return "";
    return digest(EVP_sha224(), std::string(project_id) + std::string(host));
}

std::string domain_name(std::int64_t number) { return fmt::format("instance-{:08x}", number); }

std::string reservation_id() { return "r-" + pick("0123456789abcdefghijklmnopqrstuvwxyz", 8); }

std::string admin_password() {
    for (;;) {
        std::string out = pick("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", 12);
        bool digit = false, upper = false, small = false;
        for (const char c : out) {
            digit |= c >= '0' && c <= '9';
            upper |= c >= 'A' && c <= 'Z';
            small |= c >= 'a' && c <= 'z';
        }
        if (digit && upper && small) return out;
    }
}

bool is_name(std::string_view text) {
    if (text.empty() || !is_utf8(text) || utf8_length(text) > 255) return false;
    for (const char c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
    return text.front() != ' ' && text.back() != ' ' && !text.starts_with("\xc2\xa0") && !text.ends_with("\xc2\xa0");
}

}  // namespace pilvi::compute
