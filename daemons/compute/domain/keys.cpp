#include "domain/keys.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <memory>

#include "base/error.h"
#include "base/text.h"

namespace pilvi::compute {
namespace {

template <auto F>
struct Free {
    template <class T>
    void operator()(T* p) const {
        F(p);
    }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;

std::string with_colons(const unsigned char* bytes, unsigned size) {
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (unsigned i = 0; i < size; ++i) {
        if (i) out += ':';
        out += digits[bytes[i] >> 4];
        out += digits[bytes[i] & 15];
    }
    return out;
}

void put(std::string& out, std::string_view bytes) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((size >> shift) & 0xff);
    out += bytes;
}

std::string multi_precision(const EVP_PKEY* key, const char* name) {
    BIGNUM* raw = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) throw Error(Errc::internal, "the RSA key has no such number");
    const Number number(raw);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
    BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
    if (!bytes.empty() && (static_cast<unsigned char>(bytes[0]) & 0x80)) bytes.insert(0, 1, '\0');
    return bytes;
}

}  // namespace

KeyPair generate_rsa(std::string_view comment) {
    const Key key(EVP_RSA_gen(2048));
    const Bio bio(BIO_new(BIO_s_mem()));
    if (!key || !bio || PEM_write_bio_PrivateKey_traditional(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
        throw Error(Errc::internal, "no RSA key could be made");
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    std::string blob;
    put(blob, "ssh-rsa");
    put(blob, multi_precision(key.get(), OSSL_PKEY_PARAM_RSA_E));
    put(blob, multi_precision(key.get(), OSSL_PKEY_PARAM_RSA_N));
    return {std::string(text, static_cast<std::size_t>(size)), "ssh-rsa " + base64_encode(blob) + " " + std::string(comment)};
}

std::optional<std::string> ssh_fingerprint(std::string_view line) {
    constexpr std::array types = {"ssh-rsa",
                                  "ssh-dss",
                                  "ssh-ed25519",
                                  "ecdsa-sha2-nistp256",
                                  "ecdsa-sha2-nistp384",
                                  "ecdsa-sha2-nistp521",
                                  "sk-ssh-ed25519@openssh.com",
                                  "sk-ecdsa-sha2-nistp256@openssh.com"};
    const std::string_view text = trim(line);
    if (text.find('\n') != std::string_view::npos || text.find('\r') != std::string_view::npos) return std::nullopt;
    const auto words = split(text, ' ', false);
    if (words.size() < 2) return std::nullopt;
    bool known = false;
    for (const std::string_view type : types) known |= type == words[0];
    const auto blob = base64_decode(words[1]);
    if (!known || !blob || blob->size() < 4 + words[0].size() + 4) return std::nullopt;
    std::string start;
    put(start, words[0]);
    if (!blob->starts_with(start)) return std::nullopt;
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(blob->data(), blob->size(), out, &size, EVP_md5(), nullptr) != 1) throw Error(Errc::internal, "the digest failed");
    return with_colons(out, size);
}

std::optional<std::string> x509_fingerprint(std::string_view pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const std::unique_ptr<X509, Free<X509_free>> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!certificate) return std::nullopt;
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(certificate.get(), EVP_sha1(), out, &size) != 1) return std::nullopt;
    return with_colons(out, size);
}

}  // namespace pilvi::compute
