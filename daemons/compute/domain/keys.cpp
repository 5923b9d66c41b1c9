#include "domain/keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>

#include <array>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "pki/openssl.h"

namespace pilvi::compute {
namespace {

using pki::Bio;
using pki::CertificatePtr;
using pki::Free;
using pki::KeyPtr;
using pki::need;
using pki::NumberPtr;

constexpr unsigned bits = 2048;
constexpr long ten_years = 3650L * 24 * 3600;
constexpr const char* user_principal_name = "1.3.6.1.4.1.311.20.2.3";

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
    const NumberPtr number(raw);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
    BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
    if (!bytes.empty() && (static_cast<unsigned char>(bytes[0]) & 0x80)) bytes.insert(0, 1, '\0');
    return bytes;
}

// extendedKeyUsage = clientAuth and subjectAltName = otherName:<user principal name>. The id becomes a value, never a line of a configuration.
void add_client_use(X509* certificate, std::string_view user_id) {
    const std::unique_ptr<EXTENDED_KEY_USAGE, Free<EXTENDED_KEY_USAGE_free>> use(sk_ASN1_OBJECT_new_null());
    need(use && sk_ASN1_OBJECT_push(use.get(), OBJ_nid2obj(NID_client_auth)) > 0, "an extension");
    need(X509_add1_ext_i2d(certificate, NID_ext_key_usage, use.get(), 0, X509V3_ADD_DEFAULT) == 1, "an extension");

    const std::string name = std::string(user_id) + "@localhost";
    const std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>> names(sk_GENERAL_NAME_new_null());
    std::unique_ptr<GENERAL_NAME, Free<GENERAL_NAME_free>> other(GENERAL_NAME_new());
    std::unique_ptr<ASN1_TYPE, Free<ASN1_TYPE_free>> value(ASN1_TYPE_new());
    std::unique_ptr<ASN1_UTF8STRING, Free<ASN1_UTF8STRING_free>> text(ASN1_UTF8STRING_new());
    need(names && other && value && text && ASN1_STRING_set(text.get(), name.data(), static_cast<int>(name.size())) == 1, "an extension");
    ASN1_TYPE_set(value.get(), V_ASN1_UTF8STRING, text.release());
    need(GENERAL_NAME_set0_othername(other.get(), OBJ_txt2obj(user_principal_name, 1), value.get()) == 1, "an extension");
    (void)value.release();  // the name owns it now
    need(sk_GENERAL_NAME_push(names.get(), other.get()) > 0, "an extension");
    (void)other.release();  // the list owns it now
    need(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1, "an extension");
}

}  // namespace

KeyPair generate_rsa(std::string_view comment) {
    const KeyPtr key(EVP_RSA_gen(bits));
    const Bio bio(BIO_new(BIO_s_mem()));
    need(key && bio && PEM_write_bio_PrivateKey_traditional(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1, "an RSA key");
    std::string blob;
    put(blob, "ssh-rsa");
    put(blob, multi_precision(key.get(), OSSL_PKEY_PARAM_RSA_E));
    put(blob, multi_precision(key.get(), OSSL_PKEY_PARAM_RSA_N));
    return {pki::written(bio.get()), "ssh-rsa " + base64_encode(blob) + " " + std::string(comment)};
}

KeyPair generate_x509(std::string_view user_id) {
    const KeyPtr key(EVP_RSA_gen(bits));
    const CertificatePtr certificate(X509_new());
    need(key && certificate, "a key and certificate");
    const NumberPtr serial(BN_new());
    need(serial && BN_rand(serial.get(), 159, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1, "a serial number");
    need(BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get())) != nullptr, "a serial number");
    X509_set_version(certificate.get(), X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), ten_years);
    X509_NAME* subject = X509_get_subject_name(certificate.get());
    if (X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(user_id.data()),
                                   static_cast<int>(user_id.size()), -1, 0) != 1)
        throw Error(Errc::bad_request, "Keypair data is invalid: the user's id does not fit a certificate");
    need(X509_set_issuer_name(certificate.get(), subject) == 1 && X509_set_pubkey(certificate.get(), key.get()) == 1, "a certificate");
    add_client_use(certificate.get(), user_id);
    need(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "a signature");

    const Bio pem(BIO_new(BIO_s_mem())), der(BIO_new(BIO_s_mem()));
    const std::unique_ptr<PKCS12, Free<PKCS12_free>> bundle(PKCS12_create("", nullptr, key.get(), certificate.get(), nullptr, 0, 0, 0, 0, 0));
    need(pem && der && bundle && PEM_write_bio_X509(pem.get(), certificate.get()) == 1 && i2d_PKCS12_bio(der.get(), bundle.get()) == 1,
         "a PKCS#12 bundle");
    return {base64_encode(pki::written(der.get())), pki::written(pem.get())};
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
    const CertificatePtr certificate(PEM_read_bio_X509(pki::reading(pem).get(), nullptr, &pki::no_passphrase, nullptr));
    if (!certificate) return std::nullopt;
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(certificate.get(), EVP_sha1(), out, &size) != 1) return std::nullopt;
    return with_colons(out, size);
}

}  // namespace pilvi::compute
