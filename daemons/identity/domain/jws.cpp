#include "domain/jws.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "domain/key_repository.h"
#include "pki/openssl.h"

namespace pilvi::identity {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t half = 32;  // bytes of r and of s
constexpr Micros second = 1'000'000;

using Signature = std::unique_ptr<ECDSA_SIG, pki::Free<ECDSA_SIG_free>>;

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string unpadded(std::string text) {
    while (text.ends_with('=')) text.pop_back();
    return text;
}

[[noreturn]] void fail(const char* what) { throw Error(Errc::internal, std::string("cannot ") + what + " a key for tokens"); }

}  // namespace

struct JwsKey::Impl {
    pki::KeyPtr key;
};

JwsKey JwsKey::generate() {
    JwsKey out;
    auto impl = std::make_shared<Impl>();
    impl->key.reset(EVP_EC_gen("P-256"));
    if (!impl->key) fail("make");
    out.impl_ = std::move(impl);
    return out;
}

std::optional<JwsKey> JwsKey::parse(std::string_view pem) noexcept {
    try {
        auto impl = std::make_shared<Impl>();
        impl->key.reset(PEM_read_bio_PrivateKey(pki::reading(pem).get(), nullptr, &pki::no_passphrase, nullptr));
        if (!impl->key) impl->key.reset(PEM_read_bio_PUBKEY(pki::reading(pem).get(), nullptr, &pki::no_passphrase, nullptr));
        char group[32] = {};
        if (!impl->key || EVP_PKEY_get_group_name(impl->key.get(), group, sizeof group, nullptr) != 1) return std::nullopt;
        if (std::string_view(group) != "prime256v1") return std::nullopt;
        JwsKey out;
        out.impl_ = std::move(impl);
        return out;
    } catch (...) {
        return std::nullopt;  // out of memory
    }
}

std::string JwsKey::private_pem() const {
    const pki::Bio bio(BIO_new(BIO_s_mem()));
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) fail("write");
    return pki::written(bio.get());
}

std::string JwsKey::public_pem() const {
    const pki::Bio bio(BIO_new(BIO_s_mem()));
    if (!bio || PEM_write_bio_PUBKEY(bio.get(), impl_->key.get()) != 1) fail("write");
    return pki::written(bio.get());
}

std::string JwsKey::sign(std::string_view text) const {
    const pki::DigestContext digest(EVP_MD_CTX_new());
    std::size_t size = 0;
    if (!digest || EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, impl_->key.get()) != 1 ||
        EVP_DigestSign(digest.get(), nullptr, &size, bytes(text), text.size()) != 1)
        fail("sign with");
    std::vector<unsigned char> der(size);
    if (EVP_DigestSign(digest.get(), der.data(), &size, bytes(text), text.size()) != 1) fail("sign with");
    const unsigned char* at = der.data();
    const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
    std::string out(2 * half, '\0');
    auto* to = reinterpret_cast<unsigned char*>(out.data());
    if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), to, half) < 0 ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), to + half, half) < 0)
        fail("sign with");
    return out;
}

bool JwsKey::verify(std::string_view text, std::string_view given) const noexcept {
    if (given.size() != 2 * half) return false;
    const Signature signature(ECDSA_SIG_new());
    BIGNUM *r = BN_bin2bn(bytes(given), half, nullptr), *s = BN_bin2bn(bytes(given) + half, half, nullptr);
    if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return false;
    }
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(signature.get(), &der);
    const pki::DigestContext digest(EVP_MD_CTX_new());
    const bool right = size > 0 && digest && EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, impl_->key.get()) == 1 &&
                       EVP_DigestVerify(digest.get(), der, static_cast<std::size_t>(size), bytes(text), text.size()) == 1;
    OPENSSL_free(der);
    return right;
}

namespace {

json::object claims_of(std::int64_t created_at, const Payload& p) {
    json::array methods, audit_ids;
    for (const std::string& name : method_names(p.methods)) methods.emplace_back(name);
    for (const std::string& id : p.audit_ids) audit_ids.emplace_back(id);
    json::object out{{"sub", p.user_id},
                     {"iat", created_at},
                     {"exp", p.expires_at / second},
                     {"openstack_methods", std::move(methods)},
                     {"openstack_audit_ids", std::move(audit_ids)}};
    if (p.scope == Scope::system) out["openstack_system"] = "all";
    if (p.scope == Scope::domain) out["openstack_domain_id"] = p.scope_id;
    if (p.scope == Scope::project) out["openstack_project_id"] = p.scope_id;
    if (!p.trust_id.empty()) out["openstack_trust_id"] = p.trust_id;
    if (!p.idp_id.empty() && p.scope != Scope::system) {
        json::array groups;
        for (const std::string& id : p.group_ids) groups.push_back(json::object{{"id", id}});
        out["openstack_group_ids"] = std::move(groups);
        out["openstack_idp_id"] = p.idp_id;
        out["openstack_protocol_id"] = p.protocol_id;
    }
    if (!p.access_token_id.empty()) out["openstack_access_token_id"] = p.access_token_id;
    if (!p.application_credential_id.empty()) out["openstack_app_cred_id"] = p.application_credential_id;
    return out;
}

// What would be read as less than it says is refused: half of federation, several scopes.
bool read_scope(const json::object& claims, Payload& p) {
    const std::string system = string_or(claims, "openstack_system"), domain = string_or(claims, "openstack_domain_id"),
                      project = string_or(claims, "openstack_project_id");
    if ((system.empty() ? 0 : 1) + (domain.empty() ? 0 : 1) + (project.empty() ? 0 : 1) > 1 || (!system.empty() && system != "all")) return false;
    p.scope = !system.empty() ? Scope::system : !domain.empty() ? Scope::domain : !project.empty() ? Scope::project : Scope::none;
    p.scope_id = domain + project;
    p.trust_id = string_or(claims, "openstack_trust_id");
    p.access_token_id = string_or(claims, "openstack_access_token_id");
    p.application_credential_id = string_or(claims, "openstack_app_cred_id");
    p.idp_id = string_or(claims, "openstack_idp_id");
    p.protocol_id = string_or(claims, "openstack_protocol_id");
    for (const json::value& group : array_or_empty(claims, "openstack_group_ids")) {
        if (!group.is_object() || string_or(group.get_object(), "id").empty()) return false;
        p.group_ids.push_back(string_or(group.get_object(), "id"));
    }
    // All of federation or nothing, and never of the system.
    const bool federated = !p.idp_id.empty();
    return p.group_ids.size() <= most_token_groups && federated != p.protocol_id.empty() && (federated || p.group_ids.empty()) &&
           !(federated && p.scope == Scope::system);
}

}  // namespace

std::optional<JwsMessage> jws_claims(std::string_view text) noexcept {
    try {
        const json::value value = parse_json(text);
        if (!value.is_object()) return std::nullopt;
        const json::object& claims = value.get_object();
        JwsMessage out;
        Payload& p = out.payload;
        p.user_id = string_or(claims, "sub");
        const json::value *created = find(claims, "iat"), *end = find(claims, "exp");
        if (p.user_id.empty() || !created || !end || !created->is_int64() || !end->is_int64()) return std::nullopt;
        constexpr std::int64_t latest = 253'402'300'799;  // the year 9999
        out.created_at = created->get_int64();
        if (out.created_at < 0 || out.created_at > latest || end->get_int64() < 0 || end->get_int64() > latest) return std::nullopt;
        p.expires_at = end->get_int64() * second;
        for (const json::value& method : array_or_empty(claims, "openstack_methods")) {
            const std::uint64_t bit = method.is_string() ? method_bit(str(method.get_string())) : 0;
            if (bit == 0) return std::nullopt;
            p.methods |= bit;
        }
        for (const json::value& id : array_or_empty(claims, "openstack_audit_ids")) {
            if (!id.is_string()) return std::nullopt;
            p.audit_ids.push_back(str(id.get_string()));
        }
        if (p.audit_ids.empty() || p.audit_ids.size() > 2 || !read_scope(claims, p)) return std::nullopt;
        return out;
    } catch (...) {
        return std::nullopt;  // no JSON, or out of memory
    }
}

std::string jws_seal(const JwsKey& key, std::int64_t created_at, const Payload& payload) {
    static const std::string header = unpadded(base64url_encode(R"({"typ":"JWT","alg":"ES256"})"));
    const std::string text = header + "." + unpadded(base64url_encode(to_text(claims_of(created_at, payload))));
    return text + "." + unpadded(base64url_encode(key.sign(text)));
}

std::optional<JwsMessage> jws_open(std::span<const JwsKey> keys, std::string_view token, std::size_t longest) noexcept {
    try {
        const std::size_t first = token.find('.'), last = token.rfind('.');
        if (token.size() > longest || first == token.npos || first == last || token.substr(first + 1, last - first - 1).find('.') != token.npos)
            return std::nullopt;
        const auto header = base64url_decode(token.substr(0, first)), claims = base64url_decode(token.substr(first + 1, last - first - 1)),
                   signature = base64url_decode(token.substr(last + 1));
        if (!header || !claims || !signature) return std::nullopt;
        const json::value head = parse_json(*header);
        // The algorithm is ours to choose, not the token's; nothing critical is understood.
        if (!head.is_object() || string_or(head.get_object(), "alg") != "ES256" || head.get_object().contains("crit")) return std::nullopt;
        for (const JwsKey& key : keys)
            if (key.verify(token.substr(0, last), *signature)) return jws_claims(*claims);
        return std::nullopt;
    } catch (...) {
        return std::nullopt;  // no JSON, or out of memory
    }
}

namespace {

void make_directory(const std::string& directory, unsigned mode) {
    std::error_code failed;
    fs::create_directories(directory, failed);
    if (failed) throw Error(Errc::internal, "cannot make " + directory + ": " + failed.message());
    ::chmod(directory.c_str(), mode);
    own_like_directory(directory);
}

std::vector<std::string> public_files(const std::string& directory) {  // by name: the time of their making
    std::vector<std::string> out;
    std::error_code failed;
    for (fs::directory_iterator at(directory + "/public", failed), end; !failed && at != end; at.increment(failed))
        if (at->path().extension() == ".pem") out.push_back(at->path().string());
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

bool JwsRepository::present() const { return !directory_.empty() && fs::exists(directory_ + "/private/private.pem"); }

// Its public half first: what signs is always known.
void JwsRepository::stage() const {
    const JwsKey key = JwsKey::generate();
    char name[64];
    std::snprintf(name, sizeof name, "/public/%020lld-%s.pem", static_cast<long long>(now_micros()), hex(random_bytes(4)).c_str());
    write_file(directory_ + name, key.public_pem(), 0644);
    write_file(directory_ + "/private/next.pem", key.private_pem(), 0600);
    for (const std::string& file : {directory_ + name, directory_ + "/private/next.pem"}) own_like_directory(file);
}

bool JwsRepository::initialize() const {
    if (present()) return false;
    make_directory(directory_, 0755);
    make_directory(directory_ + "/private", 0700);
    make_directory(directory_ + "/public", 0755);
    stage();
    rotate(3);
    return true;
}

void JwsRepository::rotate(int most_active) const {
    std::error_code failed;
    if (!fs::exists(directory_ + "/private/next.pem")) stage();  // a rotation that was cut short, or keys made elsewhere
    fs::rename(directory_ + "/private/next.pem", directory_ + "/private/private.pem", failed);
    if (failed) throw Error(Errc::internal, "cannot promote the staged key in " + directory_ + ": " + failed.message());
    stage();
    std::vector<std::string> old = public_files(directory_);
    while (old.size() > static_cast<std::size_t>(std::max(most_active, 3))) {
        fs::remove(old.front(), failed);
        if (failed) throw Error(Errc::internal, "cannot remove the key " + old.front() + ": " + failed.message());
        old.erase(old.begin());
    }
}

JwsRepository::Keys JwsRepository::load() const {
    const auto read = [](const std::string& file) {
        auto key = JwsKey::parse(read_file(file, 65'536));
        if (!key) throw Error(Errc::internal, file + " is not a PEM key on the curve P-256");
        return std::move(*key);
    };
    Keys keys;
    if (!present()) return keys;
    keys.signing = read(directory_ + "/private/private.pem");
    std::vector<std::string> files = public_files(directory_);
    for (auto file = files.rbegin(); file != files.rend(); ++file) keys.verifying.push_back(read(*file));
    return keys;
}

fs::file_time_type JwsRepository::changed_at() const {
    std::error_code failed;
    const auto at = fs::last_write_time(directory_ + "/private", failed);
    return failed ? fs::file_time_type{} : at;
}

void JwsKeyRing::reload() {
    const auto at = repository_.changed_at();
    auto fresh = std::make_shared<const JwsRepository::Keys>(repository_.load());
    const std::lock_guard lock(mutex_);
    keys_ = std::move(fresh);
    read_at_ = at;
}

bool JwsKeyRing::reload_if_changed() {
    {
        const std::lock_guard lock(mutex_);
        if (repository_.changed_at() == read_at_) return false;
    }
    reload();
    return true;
}

std::shared_ptr<const JwsRepository::Keys> JwsKeyRing::keys() const {
    const std::lock_guard lock(mutex_);
    return keys_;
}

}  // namespace pilvi::identity
