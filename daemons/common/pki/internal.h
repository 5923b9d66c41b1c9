#pragma once
// Private to pki/: owning pointers of OpenSSL.
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

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
using RequestPtr = std::unique_ptr<X509_REQ, Free<X509_REQ_free>>;
using ListPtr = std::unique_ptr<X509_CRL, Free<X509_CRL_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, Free<ASN1_TIME_free>>;

// Throws Error(internal) with OpenSSL's reason where `done` is false.
void need(bool done, const char* what);
// Throws Error(bad_request) where `done` is false; forgets OpenSSL's reason.
void understood(bool done, const char* what);
Bio reading(std::string_view text);
std::string written(BIO* memory);

}  // namespace pilvi::pki
