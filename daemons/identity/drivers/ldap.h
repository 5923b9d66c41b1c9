#pragma once
// LDAP through libldap: searching and binding, every step bounded in time. Nothing here writes. Referrals are not followed: libldap waits for the
// server that one names without any limit.
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace pilvi::identity {

struct LdapOptions {
    std::string url = "ldap://localhost";  // several are tried in order, separated by spaces; ldaps:// and ldapi:// too
    std::string user;                      // DN that searches; "" = nobody (anonymous)
    Secret password;
    bool start_tls = false;
    std::string ca_file, ca_directory;                            // PEM; "" = the system's
    std::string require_certificate = "demand";                   // demand, allow, never
    int page_size = 0;                                            // entries of one page of a search; 0: all at once
    std::chrono::milliseconds timeout = std::chrono::seconds(5);  // to connect, and for each answer
    std::size_t connections = 4;                                  // at a time; more are Error(unavailable)
    std::chrono::seconds lifetime{600};                           // of a connection that is kept
    std::chrono::seconds pause{3};                                // after a failure nobody tries again for so long
};

struct LdapEntry {
    std::string dn;
    std::map<std::string, std::vector<std::string>, std::less<>> attributes;  // names in lower case
    std::string first(std::string_view attribute) const;                      // "" where there is none; the name in any case
    const std::vector<std::string>& all(std::string_view attribute) const;
};

enum class LdapScope { base, one, sub };

// RFC 4515: text as a value within a filter, so that nobody's name becomes a part of it.
std::string escape_filter(std::string_view value);
// A DN in one form, so that two spellings of a name are equal: in lower case, without spaces around commas and equals signs.
std::string normal_dn(std::string_view dn);

// A directory server. Thread-safe; keeps connections. Everything throws Error(unavailable) where the server does not answer in time or refuses us.
// After a failure one request at a time tries again, until one succeeds.
class LdapServer {
public:
    // Throws Error(bad_request) on options that no server can be reached by: a URL or a file that cannot be read, StartTLS within ldaps.
    explicit LdapServer(LdapOptions options);
    ~LdapServer();
    // At most `most` entries; a base that does not exist has none.
    std::vector<LdapEntry> search(const std::string& base, LdapScope scope, const std::string& filter, const std::vector<std::string>& attributes,
                                  std::size_t most = 100'000);
    // Whether the password is this entry's. Never for "": servers take such a bind as nobody's and let it pass.
    bool password_holds(const std::string& dn, const Secret& password);

private:
    struct Connection;
    std::unique_ptr<Connection> open() const;
    std::unique_ptr<Connection> kept();
    std::unique_ptr<Connection> bound() const;
    void give_back(std::unique_ptr<Connection> connection);
    template <class F>
    auto attempt(F&& work);
    std::vector<LdapEntry> search_by(const Connection& connection, const std::string& base, int depth, const std::string& filter,
                                     std::vector<char*> attributes, std::size_t most) const;
    void enter();
    void leave();

    LdapOptions options_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Connection>> idle_;
    std::size_t working_ = 0;
    bool failed_ = false;  // the last that tried
    std::chrono::steady_clock::time_point closed_until_{};
};

}  // namespace pilvi::identity
