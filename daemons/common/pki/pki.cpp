#include "pki/pki.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <algorithm>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "pki/openssl.h"

namespace pilvi::pki {

void need(bool done, const char* what) {
    if (done) return;
    char text[256] = "unknown error";
    if (const unsigned long code = ERR_peek_last_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    throw Error(Errc::internal, std::string(what) + ": " + text);
}

void understood(bool done, const char* what) {
    ERR_clear_error();
    if (!done) throw Error(Errc::bad_request, what);
}

Bio reading(std::string_view text) {
    Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(std::min<std::size_t>(text.size(), 1u << 24))));
    need(bio != nullptr, "BIO");
    return bio;
}

std::string written(BIO* memory) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    return {data, static_cast<std::size_t>(std::max(size, 0L))};
}

int no_passphrase(char*, int, int, void*) { return -1; }

std::vector<std::string> subject_entries(const X509* certificate, int nid) {
    const X509_NAME* name = X509_get_subject_name(certificate);
    std::vector<std::string> out;
    for (int at = X509_NAME_get_index_by_NID(name, nid, -1); at >= 0; at = X509_NAME_get_index_by_NID(name, nid, at)) {
        unsigned char* text = nullptr;
        const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
        if (size >= 0) out.emplace_back(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
        OPENSSL_free(text);
    }
    return out;
}

namespace {

Micros micros(const ASN1_TIME* time) {
    const TimePtr epoch(ASN1_TIME_set(nullptr, 0));
    int days = 0, seconds = 0;
    need(ASN1_TIME_diff(&days, &seconds, epoch.get(), time) == 1, "certificate time");
    return (static_cast<Micros>(days) * 86400 + seconds) * 1'000'000;
}

}  // namespace

// ---- keys

Fingerprint PublicKey::fingerprint() const {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key_.get(), &der);
    need(size > 0, "public key");
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(der, static_cast<std::size_t>(size), digest);
    OPENSSL_free(der);
    return hex({reinterpret_cast<const char*>(digest), sizeof digest});
}

bool PublicKey::verify(std::string_view data, std::string_view signature) const {
    const DigestContext context(EVP_MD_CTX_new());
    const bool right = context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
                       EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                                        reinterpret_cast<const unsigned char*>(data.data()), data.size()) == 1;
    ERR_clear_error();
    return right;
}

Key Key::generate() {
    std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    need(key != nullptr, "new key");
    return Key(std::move(key));
}

Key Key::from_pem(std::string_view pem) {
    std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(reading(pem).get(), nullptr, &no_passphrase, nullptr), EVP_PKEY_free);
    understood(key != nullptr, "not a private key");
    return Key(std::move(key));
}

std::string Key::pem() const {
    const Bio bio(BIO_new(BIO_s_secmem()));
    need(bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1, "writing a key");
    return written(bio.get());
}

std::string Key::sign(std::string_view data) const {
    const DigestContext context(EVP_MD_CTX_new());
    const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
    std::size_t size = 0;
    need(context && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
             EVP_DigestSign(context.get(), nullptr, &size, bytes, data.size()) == 1,
         "signing");
    std::string out(size, '\0');
    need(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes, data.size()) == 1, "signing");
    out.resize(size);
    return out;
}

// ---- certificates

Certificate wrap(X509* owned) { return Certificate(std::shared_ptr<X509>(owned, X509_free)); }

std::vector<Certificate> Certificate::all(std::string_view pem) {
    std::vector<Certificate> out;
    const Bio bio = reading(pem);
    while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, &no_passphrase, nullptr)) out.push_back(wrap(next));
    ERR_clear_error();
    return out;
}

Certificate Certificate::from_pem(std::string_view pem) {
    X509* certificate = PEM_read_bio_X509(reading(pem).get(), nullptr, &no_passphrase, nullptr);
    understood(certificate != nullptr, "not a certificate");
    return wrap(certificate);
}

std::string Certificate::pem() const {
    const Bio bio(BIO_new(BIO_s_mem()));
    need(bio && PEM_write_bio_X509(bio.get(), certificate_.get()) == 1, "writing a certificate");
    return written(bio.get());
}

std::string Certificate::name() const {
    const auto names = subject_entries(certificate_.get(), NID_commonName);
    return names.size() == 1 ? names[0] : std::string();
}

std::string Certificate::id() const {
    const auto ids = subject_entries(certificate_.get(), NID_serialNumber);
    return ids.size() == 1 ? ids[0] : std::string();
}

std::vector<std::string> Certificate::roles() const { return subject_entries(certificate_.get(), NID_organizationName); }

std::string Certificate::serial() const {
    const NumberPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate_.get()), nullptr));
    need(number != nullptr, "serial number");
    char* text = BN_bn2hex(number.get());
    std::string out(text);
    OPENSSL_free(text);
    return out;
}

Micros Certificate::not_before() const { return micros(X509_get0_notBefore(certificate_.get())); }
Micros Certificate::not_after() const { return micros(X509_get0_notAfter(certificate_.get())); }

PublicKey Certificate::key() const {
    std::shared_ptr<EVP_PKEY> key(X509_get_pubkey(certificate_.get()), EVP_PKEY_free);
    understood(key != nullptr, "the certificate's key is of an unknown kind");
    return PublicKey(std::move(key));
}

bool Certificate::signed_by(const Certificate& issuer) const {
    EVP_PKEY* key = X509_get0_pubkey(issuer.get());
    const bool yes = key && X509_NAME_cmp(X509_get_issuer_name(certificate_.get()), X509_get_subject_name(issuer.get())) == 0 &&
                     X509_verify(certificate_.get(), key) == 1;
    ERR_clear_error();
    return yes;
}

// ---- trust

std::string verify_chain(std::string_view chain, std::string_view trust, Micros now, bool check_revocation) {
    const std::vector<Certificate> shown = Certificate::all(chain);
    if (shown.empty()) return "no certificate";
    const std::unique_ptr<X509_STORE, Free<X509_STORE_free>> store(X509_STORE_new());
    const Bio bio = reading(trust);
    STACK_OF(X509_INFO)* items = PEM_X509_INFO_read_bio(bio.get(), nullptr, &no_passphrase, nullptr);
    for (int i = 0; i < sk_X509_INFO_num(items); ++i) {
        const X509_INFO* item = sk_X509_INFO_value(items, i);
        if (item->x509) X509_STORE_add_cert(store.get(), item->x509);
        if (item->crl) X509_STORE_add_crl(store.get(), item->crl);
    }
    sk_X509_INFO_pop_free(items, X509_INFO_free);
    STACK_OF(X509)* others = sk_X509_new_null();
    for (std::size_t i = 1; i < shown.size(); ++i) sk_X509_push(others, shown[i].get());
    const std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
    std::string reason;
    if (X509_STORE_CTX_init(context.get(), store.get(), shown[0].get(), others) == 1) {
        X509_STORE_CTX_set_time(context.get(), 0, static_cast<time_t>(now / 1'000'000));
        if (check_revocation) X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_CRL_CHECK);
        if (X509_verify_cert(context.get()) != 1) reason = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
    } else {
        reason = "cannot be verified";
    }
    sk_X509_free(others);
    ERR_clear_error();
    return reason;
}

std::vector<Certificate> follow(const std::vector<Certificate>& trusted, const std::vector<Certificate>& offered,
                                const std::vector<Certificate>& crosses) {
    std::vector<Certificate> known = trusted;
    const auto knows = [&](const Certificate& authority) {
        return std::ranges::any_of(known, [&](const Certificate& k) { return k.key().fingerprint() == authority.key().fingerprint(); });
    };
    // Each round adds at least one authority, or it was the last.
    for (bool more = true; more;) {
        more = false;
        for (const Certificate& cross : crosses) {
            if (knows(cross) || !std::ranges::any_of(known, [&](const Certificate& k) { return cross.signed_by(k); })) continue;
            known.push_back(cross);
            more = true;
        }
    }
    std::vector<Certificate> out;
    for (const Certificate& authority : offered)
        if (authority.signed_by(authority) && knows(authority)) out.push_back(authority);
    return out;
}

}  // namespace pilvi::pki
