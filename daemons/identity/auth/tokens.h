#pragma once
// Tokens: issued, validated, revoked. Validating is a look in a cache whose entries live until anything in the database changes.
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth/directory.h"
#include "base/time.h"
#include "domain/jws.h"
#include "domain/key_repository.h"
#include "domain/payload.h"
#include "identity/identity.h"

namespace pilvi::identity {

struct TokenSettings {
    Micros lifetime = 3'600'000'000;          // of a token
    Micros expired_window = 172'800'000'000;  // how long after its end a service may still validate one (?allow_expired=1)
    Micros foreign_changes_every = 500'000;   // how often another process' writes are looked for where none is known
    std::size_t cached = 4096;                // tokens
    bool all_without_filter = true;           // a project without endpoint filters sees the whole catalogue, otherwise nothing
};

// A valid token.
struct Token {
    Payload payload;
    Micros issued_at = 0;  // whole seconds
    Context who;
    std::string head;                            // {"token": {...} without catalogue
    std::shared_ptr<const std::string> catalog;  // JSON array; nullptr where the scope has none
    Micros good_until = 0;                       // a group membership ends then: what the token says has to be looked up again; 0 = never
    // The body of GET /v3/auth/tokens.
    std::string body(bool with_catalog) const;
};

class Tokens final : public Authenticator {
public:
    Tokens(Store& store, const KeyRing& keys, TokenSettings settings = {}, Clock clock = now_micros);
    // Tokens of these keys are good, too; with `issue` new ones are of them.
    void use_jws(const JwsKeyRing& keys, bool issue) {
        jws_ = &keys;
        issue_jws_ = issue;
    }
    // nullptr: not a token of ours, ended (more than `window` ago), revoked, or its user, project or roles are gone.
    std::shared_ptr<const Token> find(std::string_view text, Micros window = 0);
    // For this daemon's own API.
    std::optional<Context> authenticate(std::string_view token, bool allow_expired = false) override;

    struct Issued {
        std::string text;
        std::shared_ptr<const Token> token;
    };
    // `payload` needs its user, methods, scope and, for a token made from another one, expires_at and audit_ids.back(); the rest is filled in.
    // nullopt where the user may not have it: disabled, or no role there.
    std::optional<Issued> issue(Payload payload);
    void revoke(const Token& token);
    // Within a write: raises the revision, and drops what is cached once it is committed.
    void changed(Tx& tx);
    // Within a write: adds an event to what GET /v3/OS-REVOKE/events lists; `what`: {"user_id": ...}, {"OS-TRUST:trust_id": ...} and the like. What makes
    // tokens invalid is the state itself (users, projects, roles, trusts, ...), this is the record of it.
    void record_revocation(Tx& tx, json::object what);
    // The revision of the database as last seen: differs from an earlier one where a token may have been revoked since.
    std::int64_t revision() const { return revision_.load(); }
    // Called, outside of any transaction, whenever the revision has become another one.
    void watch(std::function<void()> fn) { watcher_ = std::move(fn); }
    // Looks for writes of other processes, now and then (TokenSettings::foreign_changes_every) or always.
    void look_for_foreign_changes();
    // Whether every token is looked up in the light of what other processes have committed: one small query each. So it is on PostgreSQL from the
    // start; on SQLite, which has one process as a rule, while another one is known.
    void in_company(bool yes) { always_look_ = yes || store_.is_postgresql(); }
    // Reads the revision now.
    void look();
    // Drops what is cached: the keys are other ones.
    void forget() { epoch_.fetch_add(1); }
    const TokenSettings& settings() const { return settings_; }
    Micros now() const { return clock_(); }

private:
    struct Cached {
        std::shared_ptr<const Token> token;
        std::uint64_t epoch;
    };
    void saw(std::int64_t revision);
    std::string seal(std::int64_t created_at, const Payload& payload) const;
    std::optional<JwsMessage> open(std::string_view text) const;
    std::shared_ptr<const Token> make(Tx& tx, const Payload& payload, Micros issued_at);
    std::shared_ptr<const std::string> catalog(Tx& tx, const Context& who);
    void keep(const std::string& text, std::shared_ptr<const Token> token, std::uint64_t epoch);

    Store& store_;
    const KeyRing& keys_;
    const JwsKeyRing* jws_ = nullptr;
    bool issue_jws_ = false;
    TokenSettings settings_;
    Clock clock_;
    std::atomic<std::uint64_t> epoch_{1};    // of this process: a change drops every cached entry
    std::atomic<std::int64_t> revision_{0};  // of the database, as last seen
    std::atomic<Micros> next_look_{0};
    std::atomic<bool> always_look_;
    std::function<void()> watcher_;
    std::mutex mutex_;  // of what follows
    std::unordered_map<std::string, Cached> cache_;
    std::shared_ptr<const std::string> catalog_;  // where it is the same for everyone
    std::uint64_t catalog_epoch_ = 0;
};

}  // namespace pilvi::identity
