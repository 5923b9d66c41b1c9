#pragma once
// X.509 for the cluster's own certificates: keys (EC P-256), requests, certificates, revocation lists. Text forms are PEM. What is not understood is
// Error(bad_request); nothing here opens a file or knows a policy.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

struct evp_pkey_st;
struct x509_st;

namespace pilvi::pki {

// SHA-256 of a public key (its SubjectPublicKeyInfo), in hex.
using Fingerprint = std::string;

class PublicKey {
public:
    explicit PublicKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
    Fingerprint fingerprint() const;
    bool verify(std::string_view data, std::string_view signature) const;  // of Key::sign
    evp_pkey_st* get() const { return key_.get(); }

protected:
    std::shared_ptr<evp_pkey_st> key_;
};

class Key : public PublicKey {
public:
    static Key generate();
    static Key from_pem(std::string_view pem);
    std::string pem() const;
    std::string sign(std::string_view data) const;  // ECDSA with SHA-256, DER

private:
    using PublicKey::PublicKey;
};

class Certificate {
public:
    static Certificate from_pem(std::string_view pem);          // the first in the text
    static std::vector<Certificate> all(std::string_view pem);  // in their order; what is no certificate is passed over
    std::string pem() const;
    std::string name() const;                // common name, "" where there is not exactly one
    std::string id() const;                  // serialNumber of the subject
    std::vector<std::string> roles() const;  // organizations
    std::string serial() const;              // hex, upper case
    Micros not_before() const;
    Micros not_after() const;
    PublicKey key() const;
    // The signature alone: neither times nor uses are looked at.
    bool signed_by(const Certificate& issuer) const;
    x509_st* get() const { return certificate_.get(); }

private:
    explicit Certificate(std::shared_ptr<x509_st> certificate) : certificate_(std::move(certificate)) {}
    friend Certificate wrap(x509_st* owned);
    std::shared_ptr<x509_st> certificate_;
};

// A certificate signing request for `key`. Its subject says nothing: the authority decides who the key belongs to.
std::string make_request(const Key& key);
// The key of a request whose own signature is right.
PublicKey key_of_request(std::string_view pem);

struct Validity {
    Micros from = 0, until = 0;
};

// Whom an authority vouches for: subject CN, serialNumber and O, and DNS names.
struct Subject {
    std::string name, id;
    std::vector<std::string> roles;
    std::vector<std::string> dns_names;
};

Certificate make_authority(const Key& key, const std::string& name, Validity validity);
// The authority `subject` once more, issued by an older one: who trusts that one finds the way to it.
Certificate cross_sign(const Certificate& subject, const Certificate& issuer, const Key& issuer_key);
// For TLS, as server and as client.
Certificate issue(const PublicKey& key, const Subject& subject, Validity validity, const Certificate& issuer, const Key& issuer_key);
// PEM. `serials` as Certificate::serial() writes them.
std::string revocation_list(const std::vector<std::string>& serials, Micros from, const Certificate& issuer, const Key& issuer_key);

// Whether a TLS peer that trusts `trust` (authorities and their revocation lists, PEM) accepts the chain, leaf first, at this moment; "" or the reason.
std::string verify_chain(std::string_view chain, std::string_view trust, Micros now, bool check_revocation);

// Those of `offered` authorities that a node may trust which trusts `trusted`: the same keys, and keys that one of these has signed for, in `crosses`, over any
// number of steps. Times do not count: a node that slept for years finds its way.
std::vector<Certificate> follow(const std::vector<Certificate>& trusted, const std::vector<Certificate>& offered,
                                const std::vector<Certificate>& crosses);

}  // namespace pilvi::pki
