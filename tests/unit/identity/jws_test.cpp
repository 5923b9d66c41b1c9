// JWS tokens and their keys.
#include <doctest/doctest.h>

#include <filesystem>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "domain/jws.h"
#include "support/temp_dir.h"

using namespace pilvi;
using namespace pilvi::identity;

namespace {

Payload project_payload() {
    return {.user_id = "0123456789abcdef0123456789abcdef",
            .methods = Method::password | Method::totp,
            .scope = Scope::project,
            .scope_id = "fedcba9876543210fedcba9876543210",
            .expires_at = 1'800'000'000'000'000,
            .audit_ids = {"AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"}};
}

}  // namespace

TEST_CASE("a JWS token says what went in, to who has the public key") {
    const JwsKey key = JwsKey::generate();
    Payload trust = project_payload(), system = project_payload(), domain = project_payload();
    trust.trust_id = "00112233445566778899aabbccddeeff";
    system.scope = Scope::system;
    system.scope_id.clear();
    domain.scope = Scope::domain;
    domain.scope_id = "default";
    Payload federated = project_payload();
    federated.idp_id = "acme";
    federated.protocol_id = "saml2";
    federated.group_ids = {"a", "b"};
    for (const Payload& payload : {project_payload(), trust, system, domain, federated}) {
        const std::string token = jws_seal(key, 1'799'999'000, payload);
        const JwsKey known[] = {JwsKey::generate(), *JwsKey::parse(key.public_pem())};
        const auto back = jws_open(known, token);
        REQUIRE(back);
        CHECK(back->created_at == 1'799'999'000);
        CHECK(back->payload.user_id == payload.user_id);
        CHECK(back->payload.methods == payload.methods);
        CHECK(back->payload.scope == payload.scope);
        CHECK(back->payload.scope_id == payload.scope_id);
        CHECK(back->payload.trust_id == payload.trust_id);
        CHECK(back->payload.idp_id == payload.idp_id);
        CHECK(back->payload.protocol_id == payload.protocol_id);
        CHECK(back->payload.group_ids == payload.group_ids);
        CHECK(back->payload.expires_at == payload.expires_at);
        CHECK(back->payload.audit_ids == payload.audit_ids);
        CHECK_FALSE(jws_open({known, 1}, token));
    }
}

TEST_CASE("what is not signed as we sign is no token") {
    const JwsKey key = JwsKey::generate();
    const std::string token = jws_seal(key, 1'799'999'000, project_payload());
    const JwsKey keys[] = {key};
    for (std::size_t i = 0; i < token.size(); i += 7) {
        std::string changed = token;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        if (base64url_decode(changed.substr(changed.rfind('.') + 1)) == base64url_decode(token.substr(token.rfind('.') + 1)) &&
            changed.substr(0, changed.rfind('.')) == token.substr(0, token.rfind('.')))
            continue;  // bits that stand for nothing
        CHECK_FALSE(jws_open(keys, changed));
    }
    const auto signed_by = [&](const std::string& header, const std::string& claims) {
        const std::string text = base64url_encode(header) + "." + base64url_encode(claims);
        return text + "." + base64url_encode(key.sign(text));
    };
    const std::string claims = R"({"sub": "u", "iat": 1, "exp": 2, "openstack_methods": ["password"], "openstack_audit_ids": ["a"]})";
    CHECK(jws_open(keys, signed_by(R"({"alg": "ES256"})", claims)));
    for (const char* header : {R"({"alg": "none"})", R"({"alg": "HS256"})", "{}", "[]", "x", R"({"alg": "ES256", "crit": ["exp"]})"})
        CHECK_FALSE(jws_open(keys, signed_by(header, claims)));
    for (const char* text : {"", ".", "..", "a.b", "a.b.c", "a.b.c.d"}) CHECK_FALSE(jws_open(keys, text));
    CHECK_FALSE(jws_open(keys, token + std::string(9000, 'A')));
    const char* bad[] = {
        "{}",
        "[]",
        R"({"sub": "u", "iat": 1, "exp": 2, "openstack_methods": ["nothing"], "openstack_audit_ids": ["a"]})",
        R"({"sub": "u", "iat": 1, "exp": 2, "openstack_methods": ["password"], "openstack_audit_ids": []})",
        R"({"sub": "u", "iat": -1, "exp": 2, "openstack_methods": ["password"], "openstack_audit_ids": ["a"]})",
        R"({"sub": "u", "iat": 1, "exp": 9e18, "openstack_methods": ["password"], "openstack_audit_ids": ["a"]})",
        R"({"sub": "u", "iat": 1, "exp": 2, "openstack_methods": ["password"], "openstack_audit_ids": ["a"], "openstack_system": "all", "openstack_project_id": "p"})",
        R"({"sub": "u", "iat": 1, "exp": 2, "openstack_methods": ["password"], "openstack_audit_ids": ["a"], "openstack_idp_id": "i"})",
    };
    for (const char* text : bad) CHECK_FALSE(jws_claims(text));
}

TEST_CASE("keys: only P-256, and rotation keeps the tokens of before") {
    CHECK_FALSE(JwsKey::parse("x"));
    CHECK_FALSE(
        JwsKey::parse("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"));
    const testing::TempDir dir;
    const JwsRepository repository(dir / "jws");
    CHECK_FALSE(repository.present());
    CHECK_FALSE(repository.load().signing);
    CHECK(repository.initialize());
    CHECK_FALSE(repository.initialize());
    JwsKeyRing ring(repository);
    CHECK(ring.keys()->verifying.size() == 2);
    const std::string first = jws_seal(*ring.keys()->signing, 1, project_payload());
    const auto before = ring.keys();
    repository.rotate(4);
    CHECK(ring.reload_if_changed());
    CHECK_FALSE(ring.reload_if_changed());
    const std::string second = jws_seal(*ring.keys()->signing, 1, project_payload());
    CHECK(ring.keys()->signing->public_pem() != before->signing->public_pem());
    CHECK(jws_open(ring.keys()->verifying, first));
    CHECK(jws_open(before->verifying, second));  // who has not read them again knows the staged key
    repository.rotate(4);
    ring.reload();
    CHECK(ring.keys()->verifying.size() == 4);
    CHECK(jws_open(ring.keys()->verifying, first));
    const std::string third = jws_seal(*ring.keys()->signing, 1, project_payload());
    repository.rotate(3);
    ring.reload();
    CHECK_FALSE(jws_open(ring.keys()->verifying, first));
    CHECK_FALSE(jws_open(ring.keys()->verifying, second));
    CHECK(jws_open(ring.keys()->verifying, third));
    write_file(dir / "jws/private/private.pem", "broken");
    CHECK_THROWS(ring.reload());
    CHECK(ring.keys()->signing);  // the old ones stay
}
