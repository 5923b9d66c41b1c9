// What an authority makes.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "base/error.h"
#include "pki/openssl.h"
#include "pki/pki.h"

namespace pilvi::pki {

Certificate wrap(X509* owned);

namespace {

constexpr Micros second = 1'000'000;

void set_time(ASN1_TIME* field, Micros time) { need(ASN1_TIME_set(field, static_cast<time_t>(time / second)) != nullptr, "certificate time"); }

void add_name(X509_NAME* name, const char* field, const std::string& value) {
    need(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()), static_cast<int>(value.size()),
                                    -1, 0) == 1,
         field);
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    need(extension != nullptr, "certificate extension");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

// Version 3, a random serial number of 128 bits, this key, these times.
Certificate blank(EVP_PKEY* key, Validity validity) {
    Certificate out = wrap(X509_new());
    unsigned char bytes[16];
    need(RAND_bytes(bytes, sizeof bytes) == 1, "random bytes");
    bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, and always as long
    const NumberPtr number(BN_bin2bn(bytes, sizeof bytes, nullptr));
    need(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(out.get())), "serial number");
    X509_set_version(out.get(), X509_VERSION_3);
    set_time(X509_getm_notBefore(out.get()), validity.from);
    set_time(X509_getm_notAfter(out.get()), validity.until);
    need(X509_set_pubkey(out.get(), key) == 1, "public key");
    return out;
}

Certificate sign_authority(EVP_PKEY* key, const X509_NAME* name, Validity validity, X509* issuer, EVP_PKEY* issuer_key) {
    Certificate out = blank(key, validity);
    X509_set_subject_name(out.get(), name);
    X509* by = issuer ? issuer : out.get();
    X509_set_issuer_name(out.get(), X509_get_subject_name(by));
    extend(out.get(), by, NID_basic_constraints, "critical,CA:TRUE");
    extend(out.get(), by, NID_key_usage, "critical,keyCertSign,cRLSign");
    extend(out.get(), by, NID_subject_key_identifier, "hash");
    extend(out.get(), by, NID_authority_key_identifier, "keyid:always");
    need(X509_sign(out.get(), issuer_key, EVP_sha256()) > 0, "signing a certificate");
    return out;
}

}  // namespace

std::string make_request(const Key& key) {
    const RequestPtr request(X509_REQ_new());
    const Bio bio(BIO_new(BIO_s_mem()));
    need(request && bio && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 && X509_REQ_set_pubkey(request.get(), key.get()) == 1 &&
             X509_REQ_sign(request.get(), key.get(), EVP_sha256()) > 0 && PEM_write_bio_X509_REQ(bio.get(), request.get()) == 1,
         "certificate request");
    return written(bio.get());
}

PublicKey key_of_request(std::string_view pem) {
    const RequestPtr request(PEM_read_bio_X509_REQ(reading(pem).get(), nullptr, &no_passphrase, nullptr));
    understood(request != nullptr, "not a certificate request");
    std::shared_ptr<EVP_PKEY> key(X509_REQ_get_pubkey(request.get()), EVP_PKEY_free);
    understood(key && X509_REQ_verify(request.get(), key.get()) == 1, "the certificate request is not signed by its own key");
    understood(EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_EC && EVP_PKEY_get_bits(key.get()) >= 256,
               "the key of the request is not an EC key of 256 bits");
    return PublicKey(std::move(key));
}

Certificate make_authority(const Key& key, const std::string& name, Validity validity) {
    const std::unique_ptr<X509_NAME, Free<X509_NAME_free>> subject(X509_NAME_new());
    add_name(subject.get(), "CN", name);
    return sign_authority(key.get(), subject.get(), validity, nullptr, key.get());
}

Certificate cross_sign(const Certificate& subject, const Certificate& issuer, const Key& issuer_key) {
    return sign_authority(X509_get0_pubkey(subject.get()), X509_get_subject_name(subject.get()), {subject.not_before(), subject.not_after()},
                          issuer.get(), issuer_key.get());
}

Certificate issue(const PublicKey& key, const Subject& subject, Validity validity, const Certificate& issuer, const Key& issuer_key) {
    Certificate out = blank(key.get(), validity);
    X509_NAME* name = X509_get_subject_name(out.get());
    add_name(name, "CN", subject.name);
    add_name(name, "serialNumber", subject.id);
    for (const std::string& role : subject.roles) add_name(name, "O", role);
    X509_set_issuer_name(out.get(), X509_get_subject_name(issuer.get()));
    std::string names;
    for (const std::string& dns : subject.dns_names) names += (names.empty() ? "DNS:" : ",DNS:") + dns;
    extend(out.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
    extend(out.get(), issuer.get(), NID_key_usage, "critical,digitalSignature");
    extend(out.get(), issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth");
    extend(out.get(), issuer.get(), NID_subject_alt_name, names);
    extend(out.get(), issuer.get(), NID_authority_key_identifier, "keyid:always");
    need(X509_sign(out.get(), issuer_key.get(), EVP_sha256()) > 0, "signing a certificate");
    return out;
}

std::string revocation_list(const std::vector<std::string>& serials, Micros from, const Certificate& issuer, const Key& issuer_key) {
    const ListPtr list(X509_CRL_new());
    const TimePtr since(ASN1_TIME_new()), until(ASN1_TIME_new());
    need(list && since && until, "revocation list");
    set_time(since.get(), from);
    // As long as anything of this authority is good: a list never ends before what it is about.
    set_time(until.get(), issuer.not_after());
    X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(issuer.get()));
    X509_CRL_set1_lastUpdate(list.get(), since.get());
    X509_CRL_set1_nextUpdate(list.get(), until.get());
    for (const std::string& serial : serials) {
        BIGNUM* number = nullptr;
        need(BN_hex2bn(&number, serial.c_str()) > 0, "serial number");
        const NumberPtr owner(number);
        const std::unique_ptr<ASN1_INTEGER, Free<ASN1_INTEGER_free>> integer(BN_to_ASN1_INTEGER(number, nullptr));
        X509_REVOKED* entry = X509_REVOKED_new();
        need(entry && X509_REVOKED_set_serialNumber(entry, integer.get()) == 1 && X509_REVOKED_set_revocationDate(entry, since.get()) == 1 &&
                 X509_CRL_add0_revoked(list.get(), entry) == 1,
             "revocation list");
    }
    X509_CRL_sort(list.get());
    const Bio bio(BIO_new(BIO_s_mem()));
    need(bio && X509_CRL_sign(list.get(), issuer_key.get(), EVP_sha256()) > 0 && PEM_write_bio_X509_CRL(bio.get(), list.get()) == 1,
         "revocation list");
    return written(bio.get());
}

}  // namespace pilvi::pki
