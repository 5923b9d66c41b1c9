#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <memory>

#include "base/ids.h"
#include "unit/http/support.h"

using namespace test;

namespace {
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate certify(EVP_PKEY* key, const char* name, EVP_PKEY* signer, X509* issuer, bool ca) {
    Certificate cert(X509_new(), &X509_free);
    static long serial = 1;
    X509_set_version(cert.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
    X509_set_pubkey(cert.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_issuer_name(cert.get(), X509_get_subject_name(issuer ? issuer : cert.get()));
    const auto extend = [&](int nid, const char* value) {
        X509V3_CTX context;
        X509V3_set_ctx(&context, issuer ? issuer : cert.get(), cert.get(), nullptr, nullptr, 0);
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
        REQUIRE(extension);
        X509_add_ext(cert.get(), extension, -1);
        X509_EXTENSION_free(extension);
    };
    extend(NID_basic_constraints, ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (!ca) extend(NID_subject_alt_name, "IP:127.0.0.1");
    REQUIRE(X509_sign(cert.get(), signer, EVP_sha256()) > 0);
    return cert;
}

// A CA, a server and a client certificate in a directory of their own; "other" is a CA that signed neither.
struct Pki {
    std::string directory = (std::filesystem::temp_directory_path() / ("pilvi-tls-" + new_hex_id())).string();
    Pki() {
        std::filesystem::create_directory(directory);
        Key ca_key(EVP_EC_gen("P-256"), &EVP_PKEY_free), other_key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
        const Certificate ca = certify(ca_key.get(), "ca", ca_key.get(), nullptr, true);
        const Certificate other = certify(other_key.get(), "other", other_key.get(), nullptr, true);
        save("ca", ca.get(), ca_key.get());
        save("other", other.get(), other_key.get());
        for (const char* name : {"server", "client"}) {
            Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
            save(name, certify(key.get(), name, ca_key.get(), ca.get(), false).get(), key.get());
        }
        Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
        save("stranger", certify(key.get(), "stranger", other_key.get(), other.get(), false).get(), key.get());
    }
    ~Pki() { std::filesystem::remove_all(directory); }
    void save(const std::string& name, X509* cert, EVP_PKEY* key) const {
        FILE* file = std::fopen((directory + "/" + name + ".pem").c_str(), "w");
        PEM_write_X509(file, cert);
        std::fclose(file);
        file = std::fopen((directory + "/" + name + ".key").c_str(), "w");
        PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(file);
    }
    std::string pem(const std::string& name) const { return directory + "/" + name + ".pem"; }
    http::TlsFiles files(const std::string& name) const { return {.certificate = pem(name), .key = directory + "/" + name + ".key"}; }
};
}  // namespace

TEST_CASE("TLS: server certificate, client CA, transfers") {
    const Pki pki;
    http::ServerOptions options;
    options.tls = pki.files("server");
    SUBCASE("the certificate is verified") {
        Running s(options);
        s.handler.fn = [](http::Request& r) { return http::Response{.body = r.tls ? "tls" : "plain"}; };
        http::Client client({.ca_file = pki.pem("ca")});
        CHECK(client.send({.url = s.url("/", "https")}).body == "tls");
        CHECK(client.send({.url = s.url("/", "https")}).body == "tls");
        http::Client distrustful({.ca_file = pki.pem("other")});
        CHECK(code_of([&] { distrustful.send({.url = s.url("/", "https")}); }) == Errc::unavailable);
        http::Client client2({.ca_file = pki.pem("ca")});
        CHECK(code_of([&] { client2.send({.url = "https://localhost:" + std::to_string(s.port) + "/"}); }) == Errc::unavailable);
        http::Client plain;
        CHECK(code_of([&] { plain.send({.url = s.url("/")}); }) == Errc::unavailable);
    }
    SUBCASE("clients must show a certificate of the CA") {
        options.tls->client_ca = pki.pem("ca");
        Running s(options);
        http::Client good({.ca_file = pki.pem("ca"), .identity = pki.files("client")});
        CHECK(good.send({.url = s.url("/", "https")}).status == 200);
        http::Client none({.ca_file = pki.pem("ca")});
        CHECK_THROWS_AS(none.send({.url = s.url("/", "https")}), Error);
        http::Client stranger({.ca_file = pki.pem("ca"), .identity = pki.files("stranger")});
        CHECK_THROWS_AS(stranger.send({.url = s.url("/", "https")}), Error);
        CHECK(s.handler.handled == 1);
    }
    SUBCASE("streams both ways") {
        constexpr std::size_t total = 8u << 20;
        Running s(options);
        const std::string path = pki.directory + "/body";
        s.handler.policy = [](const http::RequestHead& head) { return http::BodyPolicy{.limit = 1u << 30, .stream = head.method == "PUT"}; };
        s.handler.fn = [&](http::Request& r) {
            if (r.method == "PUT") {
                std::string all;
                std::vector<char> buffer(50'000);
                while (const std::size_t got = r.stream->read(buffer.data(), buffer.size())) all.append(buffer.data(), got);
                write_file(path, all);
                return http::Response{};
            }
            auto body = std::make_shared<http::FileBody>();
            body->fd = UniqueFd(::open(path.c_str(), O_RDONLY));
            body->length = total;
            return http::Response{.file = body};
        };
        std::string content(total, 0);
        for (std::size_t i = 0; i < total; ++i) content[i] = static_cast<char>(i * 7 + i / 1000);
        http::Client client({.ca_file = pki.pem("ca")});
        std::size_t at = 0;
        CHECK(client
                  .send({.method = "PUT",
                         .url = s.url("/", "https"),
                         .source =
                             [&](char* into, std::size_t size) {
                                 const std::size_t n = std::min(size, total - at);
                                 content.copy(into, n, at);
                                 at += n;
                                 return n;
                             }})
                  .status == 200);
        CHECK(client.send({.url = s.url("/", "https")}).body == content);
    }
    SUBCASE("files that cannot be used") {
        Handler handler;
        options.tls->key = pki.directory + "/client.key";
        CHECK(code_of([&] { http::Server server(handler, options); }) == Errc::unavailable);
    }
}
