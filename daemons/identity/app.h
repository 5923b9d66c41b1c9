#pragma once
// What the handlers of this daemon share.
#include <string>

#include "api/service.h"
#include "auth/compliance.h"
#include "auth/revocations.h"
#include "auth/federation.h"
#include "auth/ldap.h"
#include "auth/tokens.h"
#include "config/config.h"
#include "domain/key_repository.h"
#include "domain/password.h"

namespace pilvi::identity {

extern const std::span<const Setting> settings;  // of the daemon, for its settings table

// "sqlite:/var/lib/pilvi/identity/identity.sqlite" and the like, as configured.
std::unique_ptr<Store> open_store(const Config& config);
PasswordCost password_cost(const Config& config);
TokenSettings token_settings(const Config& config);
std::string credential_directory(const Config& config);

struct Options {
    bool strict_limits = false;  // the model strict_two_level, otherwise flat
    Compliance compliance;
};
Options options_of(const Config& config);
// Whether tokens are issued as JWS. Error(bad_request) where neither that nor Fernet is configured.
bool issues_jws(const Config& config);
// For --check: throws what starting would throw of the settings and the files that they name, Error(bad_request) mostly. Without
// $CREDENTIALS_DIRECTORY (a person's shell) credentials are not looked for.
void check_settings(const Config& config);

struct App {
    Store& store;
    PasswordHasher hasher;
    KeyRing keys, credential_keys;
    JwsKeyRing jws_keys;
    Tokens tokens;
    Revocations revocations{tokens};
    Options options;
    Micros receipt_lifetime = 300'000'000;
    FederationSettings federation = {};
    std::unique_ptr<DirectoryDomains> directories = std::make_unique<DirectoryDomains>();
    App(Store& store_, const KeyRepository& token_keys, const KeyRepository& sealing_keys, PasswordCost cost = {}, TokenSettings token_settings_ = {},
        Clock clock = now_micros, const JwsRepository& jws = JwsRepository(""), bool issue_jws = false)
        : store(store_),
          hasher(cost),
          keys(token_keys),
          credential_keys(sealing_keys),
          jws_keys(jws),
          tokens(store_, keys, token_settings_, std::move(clock)) {
        tokens.use_jws(jws_keys, issue_jws);
    }
    // Text for the database that only the credential keys open. unseal: Error(internal) where the key is gone.
    std::string seal(std::string_view text) const;
    std::string unseal(std::string_view sealed) const;
    // After a rotation: tokens of a key that is gone are no good any more. Throws where a repository is broken; the old keys stay then.
    void reload_keys();
    // The same where a repository was changed. True where one was.
    bool reload_changed_keys();
};

// The API: style, resources, routes, rules.
api::ServiceSpec service_spec();

}  // namespace pilvi::identity
