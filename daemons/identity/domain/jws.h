#pragma once
// Tokens as JSON Web Signatures: ES256, compact form, claims as the original's. Source: RFC 7515, RFC 7518; keystone/token/providers/jws/core.py.
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/payload.h"

namespace pilvi::identity {

// An EC key on P-256: the public half, or both.
class JwsKey {
public:
    static JwsKey generate();
    // nullopt where the text is no PEM key on P-256.
    static std::optional<JwsKey> parse(std::string_view pem) noexcept;
    std::string private_pem() const;  // PKCS#8
    std::string public_pem() const;
    // 64 bytes: r and s.
    std::string sign(std::string_view text) const;
    bool verify(std::string_view text, std::string_view signature) const noexcept;

private:
    struct Impl;
    std::shared_ptr<const Impl> impl_;
};

struct JwsMessage {
    std::int64_t created_at = 0;  // seconds since the epoch
    Payload payload;
};

std::string jws_seal(const JwsKey& key, std::int64_t created_at, const Payload& payload);
// Tries every key; nullopt where the text is no such token, or no key made it. The age is the caller's business.
std::optional<JwsMessage> jws_open(std::span<const JwsKey> keys, std::string_view token, std::size_t longest = 8192) noexcept;
// The claims of a token, without its signature (for tests).
std::optional<JwsMessage> jws_claims(std::string_view json_text) noexcept;

// The key repository: DIRECTORY/private/private.pem signs; DIRECTORY/private/next.pem is staged: its public half is known already, so that a rotation
// is understood by every controller that has the public keys of before; DIRECTORY/public/*.pem verify.
class JwsRepository {
public:
    explicit JwsRepository(std::string directory) : directory_(std::move(directory)) {}
    // Makes both keys where there is none yet; true where it did.
    bool initialize() const;
    // The staged key signs from now on, another one is staged, and of the public keys the `most_active` newest stay (at least 3).
    void rotate(int most_active) const;
    bool present() const;
    struct Keys {
        std::optional<JwsKey> signing;
        std::vector<JwsKey> verifying;
    };
    // Empty where there is no repository. Throws Error(internal) naming the file on a key that is broken.
    Keys load() const;
    std::filesystem::file_time_type changed_at() const;  // differs after a rotation

private:
    void stage() const;
    std::string directory_;
};

// The keys as a running daemon uses them. Thread-safe.
class JwsKeyRing {
public:
    explicit JwsKeyRing(JwsRepository repository) : repository_(std::move(repository)) { reload(); }
    void reload();  // what a rotation changed; keeps the old keys where it throws
    bool reload_if_changed();
    std::shared_ptr<const JwsRepository::Keys> keys() const;

private:
    JwsRepository repository_;
    mutable std::mutex mutex_;
    std::shared_ptr<const JwsRepository::Keys> keys_;
    std::filesystem::file_time_type read_at_;
};

}  // namespace pilvi::identity
