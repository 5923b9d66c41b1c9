#pragma once
// Domains whose users and groups live in a directory server. What is asked for is fetched, and copied into the tables users, user_groups and
// group_members, which assignments and tokens refer to; nothing is ever written to the server.
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "auth/directory.h"
#include "base/json.h"
#include "domain/directory_entries.h"

namespace pilvi::identity {

class Tokens;

class DirectoryDomains {
public:
    // {"ldap": {option: value}} of a domain by its id, as the API keeps it; "identity.driver" must be "ldap" for it to count.
    using Configured = std::function<json::object(Tx&, std::string_view domain_id)>;
    // Files NAME.toml of `directory`, NAME that of a domain, and what the API configures for others. At most `at_once` requests wait for directory
    // servers, whatever their domain. Throws Error(bad_request) naming file and line.
    explicit DirectoryDomains(const std::string& directory = {}, Configured configured = {}, std::size_t at_once = 3);
    ~DirectoryDomains();

    // What the constructor throws on those files; without $CREDENTIALS_DIRECTORY passwords are not looked for.
    static void check(const std::string& directory);

    // Whether the domain's users and groups are in a directory; Error(forbidden) in the original's words where it is, from refuse_write.
    bool holds(Tx& tx, std::string_view domain_id) const;
    void refuse_write(Tx& tx, std::string_view domain_id) const;

    // Each renews what it says and does nothing for other domains. Outside of a transaction. Throws Error(unavailable) where the server does not answer.
    void renew_users(Store& store, Tokens& tokens, std::string_view domain_id) const;
    void renew_groups(Store& store, Tokens& tokens, std::string_view domain_id) const;
    // Those of the domain that the group is in.
    void renew_groups_of(Store& store, Tokens& tokens, std::string_view group_id) const;
    // The user of that name, and the groups it is in.
    void renew_user(Store& store, Tokens& tokens, std::string_view domain_id, std::string_view name) const;
    // The same by the id that the API shows.
    void renew_user(Store& store, Tokens& tokens, std::string_view user_id) const;
    // Whether the password is right, for a user of a directory; nullopt for another user.
    std::optional<bool> password_holds(Store& store, const UserRecord& user, const Secret& password) const;

private:
    struct Domain;
    using Found = std::shared_ptr<const Domain>;
    Found find(Tx& tx, std::string_view domain_id) const;
    void load(const std::string& directory, const std::function<Secret(const std::string& name)>& password_of);
    class Turn;
    std::vector<Found> domains_;  // of files
    Configured configured_;
    std::size_t at_once_;
    mutable std::atomic<std::size_t> asking_{0};
    mutable std::mutex mutex_;
    mutable std::map<std::string, std::pair<std::string, Found>, std::less<>> by_api_;  // domain id -> configuration, directory
};

}  // namespace pilvi::identity
