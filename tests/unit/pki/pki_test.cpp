#include <doctest/doctest.h>
#include <openssl/pem.h>

#include "base/error.h"
#include "pki/openssl.h"
#include "pki/pki.h"
#include "support/unattended.h"

using namespace pilvi;

namespace {

constexpr Micros day = 86'400'000'000, start = 1'700'000'000'000'000;

struct Made {
    pki::Key key = pki::Key::generate();
    pki::Certificate certificate;
    explicit Made(const std::string& name, Micros from = start) : certificate(pki::make_authority(key, name, {from, from + 100 * day})) {}
    pki::Certificate leaf(const pki::PublicKey& of, Micros from = start, const std::string& name = "node1") const {
        return pki::issue(of, {name, "an-id", {"compute", "network"}, {name + ".node.pilvi.internal"}}, {from, from + 10 * day}, certificate, key);
    }
    std::string trust(const std::vector<std::string>& revoked = {}) const {
        return certificate.pem() + pki::revocation_list(revoked, start, certificate, key);
    }
};

}  // namespace

TEST_CASE("keys: written and read, signatures, requests") {
    const pki::Key key = pki::Key::generate(), other = pki::Key::generate();
    const pki::Key same = pki::Key::from_pem(key.pem());
    CHECK(same.fingerprint() == key.fingerprint());
    CHECK(key.fingerprint().size() == 64);
    CHECK(key.fingerprint() != other.fingerprint());
    const std::string signature = key.sign("text");
    CHECK(same.verify("text", signature));
    CHECK_FALSE(same.verify("texT", signature));
    CHECK_FALSE(other.verify("text", signature));
    CHECK_FALSE(same.verify("text", ""));
    CHECK_FALSE(same.verify("text", signature.substr(1)));
    const std::string request = pki::make_request(key);
    CHECK(pki::key_of_request(request).fingerprint() == key.fingerprint());
    std::string broken = request;
    broken[broken.size() / 2] = broken[broken.size() / 2] == 'A' ? 'B' : 'A';
    CHECK_THROWS_AS(pki::key_of_request(broken), Error);
    for (const char* text : {"", "x", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"}) {
        CHECK_THROWS_AS(pki::key_of_request(text), Error);
        CHECK_THROWS_AS(pki::Key::from_pem(text), Error);
        CHECK_THROWS_AS(pki::Certificate::from_pem(text), Error);
        CHECK(pki::Certificate::all(text).empty());
    }
}

TEST_CASE("nobody is asked for the pass phrase of what is encrypted") {
    const pki::Key key = pki::Key::generate();
    const pki::RequestPtr plain(PEM_read_bio_X509_REQ(pki::reading(pki::make_request(key)).get(), nullptr, nullptr, nullptr));
    const pki::Bio bio(BIO_new(BIO_s_mem()));
    unsigned char word[] = "word";
    REQUIRE(PEM_ASN1_write_bio(reinterpret_cast<i2d_of_void*>(&i2d_X509_REQ), PEM_STRING_X509_REQ, bio.get(), plain.get(), EVP_aes_128_cbc(), word, 4,
                               nullptr, nullptr) == 1);
    const std::string encrypted = pki::written(bio.get());
    REQUIRE(encrypted.find("ENCRYPTED") != std::string::npos);
    CHECK(pilvi::testing::unattended("word\n", [&] {
        try {
            (void)pki::key_of_request(encrypted);
            return false;
        } catch (const Error& error) {
            return error.code() == Errc::bad_request;
        }
    }));
}

TEST_CASE("certificates say whom they are of, and until when") {
    const Made ca("ca");
    const pki::Key key = pki::Key::generate();
    const pki::Certificate leaf = pki::Certificate::from_pem(ca.leaf(key).pem());
    CHECK(leaf.name() == "node1");
    CHECK(leaf.id() == "an-id");
    CHECK(leaf.roles() == std::vector<std::string>{"compute", "network"});
    CHECK(leaf.not_before() == start);
    CHECK(leaf.not_after() == start + 10 * day);
    CHECK(leaf.key().fingerprint() == key.fingerprint());
    CHECK(leaf.serial().size() == 32);
    CHECK(leaf.signed_by(ca.certificate));
    CHECK_FALSE(leaf.signed_by(Made("ca").certificate));
}

TEST_CASE("a chain: its time, its authority, revocation") {
    const Made ca("ca"), stranger("stranger");
    const pki::Key key = pki::Key::generate();
    const pki::Certificate leaf = ca.leaf(key);
    CHECK(pki::verify_chain(leaf.pem(), ca.trust(), start + day, true).empty());
    CHECK(pki::verify_chain(leaf.pem(), ca.trust(), start + 11 * day, true) == "certificate has expired");
    CHECK(pki::verify_chain(leaf.pem(), ca.trust(), start - day, false) == "certificate is not yet valid");
    CHECK_FALSE(pki::verify_chain(leaf.pem(), stranger.trust(), start + day, true).empty());
    CHECK(pki::verify_chain(leaf.pem(), ca.trust({leaf.serial()}), start + day, true) == "certificate revoked");
    CHECK(pki::verify_chain(leaf.pem(), ca.trust({ca.leaf(key).serial()}), start + day, true).empty());
    // Without a list nobody knows.
    CHECK(pki::verify_chain(leaf.pem(), ca.certificate.pem(), start + day, true) == "unable to get certificate CRL");
    CHECK(pki::verify_chain("", ca.trust(), start, true) == "no certificate");
}

TEST_CASE("an authority that follows another is reached from the older one, over several steps") {
    const Made first("first"), second("second", start + day), third("third", start + 2 * day), stranger("stranger");
    const pki::Certificate to_second = pki::cross_sign(second.certificate, first.certificate, first.key);
    const pki::Certificate to_third = pki::cross_sign(third.certificate, second.certificate, second.key);
    const pki::Key key = pki::Key::generate();
    const std::string chain = third.leaf(key, start + 2 * day).pem() + to_third.pem() + to_second.pem();
    // Whoever trusts any of the three accepts the chain.
    for (const Made* ca : {&first, &second, &third}) CHECK(pki::verify_chain(chain, ca->trust(), start + 3 * day, false).empty());
    CHECK_FALSE(pki::verify_chain(chain, stranger.trust(), start + 3 * day, false).empty());

    const std::vector<pki::Certificate> all{third.certificate, second.certificate, first.certificate}, crosses{to_third, to_second};
    const auto names = [](const std::vector<pki::Certificate>& certificates) {
        std::vector<std::string> out;
        for (const pki::Certificate& certificate : certificates) out.push_back(certificate.name());
        return out;
    };
    CHECK(names(pki::follow({first.certificate}, all, crosses)) == std::vector<std::string>{"third", "second", "first"});
    CHECK(names(pki::follow({first.certificate}, all, {to_second})) == std::vector<std::string>{"second", "first"});
    CHECK(names(pki::follow({third.certificate}, all, crosses)) == std::vector<std::string>{"third"});
    CHECK(pki::follow({stranger.certificate}, all, crosses).empty());
    CHECK(pki::follow({}, all, crosses).empty());
    // One that only says the same name, or that nobody trusted has signed for.
    const Made impostor("third", start + 2 * day);
    CHECK(pki::follow({first.certificate}, {impostor.certificate}, crosses).empty());
    CHECK(pki::follow({first.certificate}, {impostor.certificate}, {pki::cross_sign(impostor.certificate, stranger.certificate, stranger.key)})
              .empty());
}
