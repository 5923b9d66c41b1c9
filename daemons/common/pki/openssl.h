#pragma once
// OpenSSL's objects with owners, its memory streams and errors: for those who speak to OpenSSL themselves.
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pilvi::pki {

template <auto F>
struct Free {
    template <class T>
    void operator()(T* object) const {
        F(object);
    }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Free<BN_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Free<X509_REQ_free>>;
using ListPtr = std::unique_ptr<X509_CRL, Free<X509_CRL_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, Free<ASN1_TIME_free>>;

// Throws Error(internal) with OpenSSL's reason where `done` is false.
void need(bool done, const char* what);
// Throws Error(bad_request) where `done` is false; forgets OpenSSL's reason.
void understood(bool done, const char* what);
// A stream over `text`, which has to outlive it; of at most 16 MiB of it.
Bio reading(std::string_view text);
std::string written(BIO* memory);
// For PEM_read_*: a PEM that is encrypted is not read. Without this OpenSSL asks for the pass phrase at the terminal or the standard input.
int no_passphrase(char* into, int size, int writing, void* context);
// The subject's entries of this kind in their order, as UTF-8.
std::vector<std::string> subject_entries(const X509* certificate, int nid);

}  // namespace pilvi::pki
