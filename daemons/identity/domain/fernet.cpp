#include "domain/fernet.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"

namespace pilvi::identity {

namespace {

constexpr unsigned char version_byte = 0x80;
constexpr std::size_t head_size = 1 + 8 + 16;  // version, time, IV
constexpr std::size_t mac_size = 32;
constexpr std::size_t block = 16;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::optional<std::array<unsigned char, mac_size>> mac(const FernetKey& key, std::string_view text) {
    std::array<unsigned char, mac_size> out{};
    unsigned size = 0;
    if (!HMAC(EVP_sha256(), key.data(), 16, bytes(text), text.size(), out.data(), &size) || size != mac_size) return std::nullopt;
    return out;
}

std::optional<std::string> crypt(const FernetKey& key, std::string_view iv, std::string_view in, bool encrypt) {
    const Cipher cipher(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    if (!cipher || EVP_CipherInit_ex(cipher.get(), EVP_aes_128_cbc(), nullptr, key.data() + 16, bytes(iv), encrypt ? 1 : 0) != 1) return std::nullopt;
    std::string out(in.size() + block, '\0');
    auto* to = reinterpret_cast<unsigned char*>(out.data());
    int first = 0, last = 0;
    if (EVP_CipherUpdate(cipher.get(), to, &first, bytes(in), static_cast<int>(in.size())) != 1) return std::nullopt;
    if (EVP_CipherFinal_ex(cipher.get(), to + first, &last) != 1) return std::nullopt;
    out.resize(static_cast<std::size_t>(first) + static_cast<std::size_t>(last));
    return out;
}

}  // namespace

std::optional<FernetKey> parse_fernet_key(std::string_view text) noexcept {
    try {
        const auto raw = base64url_decode(trim(text));
        if (!raw || raw->size() != 32) return std::nullopt;
        FernetKey key;
        std::memcpy(key.data(), raw->data(), key.size());
        return key;
    } catch (...) {
        return std::nullopt;
    }
}

std::string fernet_key_text(const FernetKey& key) { return base64url_encode({reinterpret_cast<const char*>(key.data()), key.size()}); }

FernetKey new_fernet_key() {
    FernetKey key;
    const std::string random = random_bytes(key.size());
    std::memcpy(key.data(), random.data(), key.size());
    return key;
}

std::string fernet_seal(const FernetKey& key, std::int64_t created_at, std::string_view text, std::string_view iv) {
    std::string token(1, static_cast<char>(version_byte));
    for (int shift = 56; shift >= 0; shift -= 8) token += static_cast<char>((static_cast<std::uint64_t>(created_at) >> shift) & 0xff);
    const std::string vector = iv.empty() ? random_bytes(block) : std::string(iv);
    token += vector;
    const auto sealed = crypt(key, vector, text, true);
    if (!sealed) throw Error(Errc::internal, "cannot encrypt a token");
    token += *sealed;
    const auto check = mac(key, token);
    if (!check) throw Error(Errc::internal, "cannot sign a token");
    token.append(reinterpret_cast<const char*>(check->data()), check->size());
    std::string out = base64url_encode(token);
    while (out.ends_with('=')) out.pop_back();
    return out;
}

std::optional<FernetMessage> fernet_open(std::span<const FernetKey> keys, std::string_view token, std::size_t longest) noexcept {
    try {
        if (token.size() > longest) return std::nullopt;
        const auto raw = base64url_decode(token);
        if (!raw || raw->size() < head_size + block + mac_size || static_cast<unsigned char>(raw->front()) != version_byte) return std::nullopt;
        const std::string_view all = *raw;
        const std::string_view signed_part = all.substr(0, all.size() - mac_size);
        const std::string_view sealed = signed_part.substr(head_size);
        if (sealed.size() % block != 0) return std::nullopt;
        std::uint64_t time = 0;
        for (std::size_t i = 1; i <= 8; ++i) time = time << 8 | static_cast<unsigned char>(all[i]);
        if (time > 253'402'300'799ull) return std::nullopt;  // the year 9999
        for (const FernetKey& key : keys) {
            const auto expected = mac(key, signed_part);
            if (!expected || CRYPTO_memcmp(expected->data(), all.data() + signed_part.size(), mac_size) != 0) continue;
            auto text = crypt(key, all.substr(9, block), sealed, false);
            if (!text) return std::nullopt;
            return FernetMessage{static_cast<std::int64_t>(time), std::move(*text)};
        }
        return std::nullopt;
    } catch (...) {
        return std::nullopt;  // out of memory
    }
}

}  // namespace pilvi::identity
