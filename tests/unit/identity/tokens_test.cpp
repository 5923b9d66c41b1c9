#include <doctest/doctest.h>

#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "domain/fernet.h"
#include "domain/key_repository.h"
#include "domain/password.h"
#include "domain/payload.h"
#include "support/temp_dir.h"

using namespace pilvi;
using namespace pilvi::identity;

namespace {

std::string unhex(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) out += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
    return out;
}

const std::string user = "0123456789abcdef0123456789abcdef";
const std::string project = "fedcba9876543210fedcba9876543210";
const std::string audit = "AAECAwQFBgcICQoLDA0ODw";
const std::string user_bytes = "92c3c4100123456789abcdef0123456789abcdef";
const std::string audit_bytes = "c410000102030405060708090a0b0c0d0e0f";

// The hexadecimal texts are what python3-msgpack makes of the original's tuples.
struct Vector {
    Payload payload;
    std::string hex;
};
const Vector vectors[] = {
    {{user, Method::password, Scope::project, project, 1'700'000'000'250'000, {audit}, ""},
     "9602" + user_bytes +
         "0292c3c410fedcba9876543210fedcba9876543210cb41d954fc40100000"
         "91" +
         audit_bytes},
    {{user, Method::password | Method::token, Scope::domain, "default", 1'700'000'000'000'000, {audit, audit}, ""},
     "9601" + user_bytes +
         "06a764656661756c74cb41d954fc40000000"
         "92" +
         audit_bytes + audit_bytes},
    {{user, Method::password, Scope::system, "", 1'700'000'000'000'000, {audit}, ""},
     "9608" + user_bytes +
         "02a3616c6ccb41d954fc40000000"
         "91" +
         audit_bytes},
    {{"admin", Method::password, Scope::none, "", 1'700'000'000'000'000, {audit}, ""},
     "950092c2a561646d696e02cb41d954fc40000000"
     "91" +
         audit_bytes},
    {{user, Method::application_credential, Scope::project, project, 1'700'000'000'000'000, {audit}, user},
     "9709" + user_bytes +
         "2092c3c410fedcba9876543210fedcba9876543210cb41d954fc40000000"
         "91" +
         audit_bytes + user_bytes},
};

}  // namespace

TEST_CASE("fernet: the specification's vector") {
    const auto key = parse_fernet_key("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=");
    REQUIRE(key);
    std::string iv;
    for (int i = 0; i < 16; ++i) iv += static_cast<char>(i);
    const std::string token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA";
    CHECK(fernet_seal(*key, 499162800, "hello", iv) == token);
    const auto opened = fernet_open(std::span(&*key, 1), token + "==");
    REQUIRE(opened);
    CHECK(opened->text == "hello");
    CHECK(opened->created_at == 499162800);
}

TEST_CASE("fernet: any change of a token is noticed, any key of the ring opens it") {
    const FernetKey old_key = new_fernet_key(), key = new_fernet_key();
    const std::string token = fernet_seal(old_key, 1'700'000'000, "something to say");
    const FernetKey ring[] = {key, old_key};
    REQUIRE(fernet_open(ring, token));
    CHECK_FALSE(fernet_open(std::span(ring, 1), token));
    for (std::size_t i = 0; i < token.size(); ++i) {
        std::string changed = token;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        const auto opened = fernet_open(ring, changed);
        // The unused bits of the last character may change nothing.
        if (opened) CHECK(i == token.size() - 1);
    }
    for (std::size_t size = 0; size < token.size(); ++size) CHECK_FALSE(fernet_open(ring, std::string_view(token).substr(0, size)));
    CHECK_FALSE(fernet_open(ring, std::string(5000, 'A')));
    CHECK_FALSE(fernet_open(ring, "gAAAAA\0\xff"));
}

TEST_CASE("fernet keys as text") {
    CHECK_FALSE(parse_fernet_key(""));
    CHECK_FALSE(parse_fernet_key("c2hvcnQ="));
    CHECK_FALSE(parse_fernet_key("not base64 at all, but quite long, really"));
    const FernetKey key = new_fernet_key();
    CHECK(parse_fernet_key(fernet_key_text(key) + "\n") == key);
}

TEST_CASE("payloads are the original's bytes") {
    for (const Vector& v : vectors) {
        CHECK(pack_payload(v.payload) == unhex(v.hex));
        const auto back = unpack_payload(unhex(v.hex));
        REQUIRE(back);
        CHECK(back->user_id == v.payload.user_id);
        CHECK(back->methods == v.payload.methods);
        CHECK(back->scope == v.payload.scope);
        CHECK(back->scope_id == v.payload.scope_id);
        CHECK(back->expires_at == v.payload.expires_at);
        CHECK(back->audit_ids == v.payload.audit_ids);
        CHECK(back->application_credential_id == v.payload.application_credential_id);
        for (std::size_t size = 0; size < v.hex.size() / 2; ++size) CHECK_FALSE(unpack_payload(unhex(v.hex).substr(0, size)));
        CHECK_FALSE(unpack_payload(unhex(v.hex) + "x"));
    }
    CHECK_FALSE(unpack_payload(unhex("9603" + user_bytes)));
    CHECK(new_audit_id().size() == 22);
    CHECK(method_names(6) == std::vector<std::string>{"password", "token"});
}

TEST_CASE("payloads of identity providers' users") {
    const std::string original = unhex(
        "990592c3c4100123456789abcdef0123456789abcdef1092c3c4100123456789abcdef0123456789abcdef9292c3c410fedc"
        "ba9876543210fedcba987654321092c2a5737461666692c2a461636d65a573616d6c32cb41dad2748000000091c410000000"
        "00000000000000000000000000");
    const auto known = unpack_payload(original);
    REQUIRE(known);
    CHECK(known->scope == Scope::project);
    CHECK(known->scope_id == "0123456789abcdef0123456789abcdef");
    CHECK(known->group_ids == std::vector<std::string>{"fedcba9876543210fedcba9876543210", "staff"});
    CHECK(known->idp_id == "acme");
    CHECK(known->protocol_id == "saml2");
    CHECK(pack_payload(*known) == original);
    for (std::size_t size = 0; size < original.size(); ++size) CHECK_FALSE(unpack_payload(original.substr(0, size)));
    for (const Scope scope : {Scope::none, Scope::domain, Scope::project})
        for (const std::size_t groups : {std::size_t{0}, std::size_t{15}, std::size_t{16}, most_token_groups}) {
            Payload payload = *known;
            payload.scope = scope;
            if (scope == Scope::none) payload.scope_id.clear();
            payload.group_ids.assign(groups, "fedcba9876543210fedcba9876543210");
            const auto back = unpack_payload(pack_payload(payload));
            REQUIRE(back);
            CHECK(back->scope == scope);
            CHECK(back->scope_id == payload.scope_id);
            CHECK(back->group_ids == payload.group_ids);
            CHECK(back->protocol_id == "saml2");
        }
    Payload many = *known;
    many.group_ids.assign(most_token_groups + 1, "g");
    CHECK_FALSE(unpack_payload(pack_payload(many)));
    Payload system = *known;
    system.scope = Scope::system;
    system.scope_id.clear();
    CHECK(unpack_payload(pack_payload(system))->idp_id.empty());  // the original has no such payload
}

TEST_CASE("key repository: initialise once, rotate, keep the newest") {
    const testing::TempDir dir;
    const std::string path = dir / "fernet-keys";
    const KeyRepository repository(path);
    CHECK_THROWS_AS(repository.load(), Error);
    CHECK(repository.initialize());
    CHECK_FALSE(repository.initialize());
    CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms::owner_all);
    auto before = repository.load();
    REQUIRE(before.size() == 2);

    KeyRing ring(repository);
    const std::string token = fernet_seal(ring.keys()->front(), 1, "x");
    repository.rotate(3);
    auto after = repository.load();
    CHECK(after.size() == 3);
    CHECK(after[0] == before[1]);  // the staged key is the primary now
    ring.reload();
    CHECK(fernet_open(*ring.keys(), token));
    repository.rotate(3);
    ring.reload();
    CHECK(ring.keys()->size() == 3);
    CHECK_FALSE(fernet_open(*ring.keys(), token));  // two rotations on, its key is gone
    for (const char* name : {"0", "2", "3"}) CHECK(std::filesystem::exists(path + "/" + name));

    std::filesystem::remove(path + "/0");  // a rotation that was cut short
    repository.rotate(3);
    CHECK(repository.load().size() == 3);

    write_file(path + "/7", "nonsense", 0600);
    CHECK_THROWS_AS(ring.reload(), Error);
    CHECK(ring.keys()->size() == 3);
}

TEST_CASE("passwords") {
    const PasswordHasher hasher({.operations = 1, .memory = 8192, .at_once = 1});
    const std::string hash = hasher.hash(Secret("correct horse"));
    CHECK(hash.starts_with("$argon2id$"));
    CHECK(hasher.verify(hash, Secret("correct horse")));
    CHECK_FALSE(hasher.verify(hash, Secret("wrong horse")));
    CHECK_FALSE(hasher.verify("", Secret("correct horse")));
    CHECK_FALSE(hasher.verify("$2b$12$abcdef", Secret("correct horse")));
    CHECK_FALSE(hasher.verify(hash, Secret(std::string(longest_password + 1, 'x'))));
    CHECK_FALSE(hasher.outdated(hash));
    CHECK(PasswordHasher({.operations = 2, .memory = 8192, .at_once = 1}).outdated(hash));
}
