#include "drivers/ldap.h"

#include <ldap.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

namespace pilvi::identity {

namespace {

// The connection is gone: a new one tells whether the server is, too.
class Lost : public Error {
public:
    using Error::Error;
};
// The server answers, but not what it was asked for (a limit, a filter that it does not know): no reason to leave it alone for a while.
class Refused : public Error {
public:
    using Error::Error;
};

[[noreturn]] void fail(const std::string& what, int code) {
    const std::string text = "The directory server cannot be used: " + what + ": " + ::ldap_err2string(code);
    if (code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR) throw Lost(Errc::unavailable, text);
    throw Error(Errc::unavailable, text);
}

bool away(int code) {
    return code < 0 || code == LDAP_BUSY || code == LDAP_UNAVAILABLE;  // the library's own codes are negative
}

timeval to_timeval(std::chrono::milliseconds time) { return {.tv_sec = time.count() / 1000, .tv_usec = (time.count() % 1000) * 1000}; }

struct MessageDeleter {
    void operator()(LDAPMessage* message) const { ::ldap_msgfree(message); }
};
using Message = std::unique_ptr<LDAPMessage, MessageDeleter>;

}  // namespace

struct LdapServer::Connection {
    LDAP* handle = nullptr;
    std::chrono::steady_clock::time_point made = std::chrono::steady_clock::now();
    Connection() = default;
    Connection(const Connection&) = delete;
    ~Connection() {
        if (handle) ::ldap_unbind_ext_s(handle, nullptr, nullptr);
    }
    void set(int option, const void* value, const char* what) const {
        if (const int code = ::ldap_set_option(handle, option, value); code != LDAP_OPT_SUCCESS) fail(what, code);
    }
    int bind(const std::string& dn, const std::string& password, std::chrono::milliseconds timeout) const {
        berval credentials{.bv_len = password.size(), .bv_val = const_cast<char*>(password.data())};
        int id = 0;
        if (const int code = ::ldap_sasl_bind(handle, dn.c_str(), LDAP_SASL_SIMPLE, &credentials, nullptr, nullptr, &id); code != LDAP_SUCCESS)
            return code;
        timeval limit = to_timeval(timeout);
        LDAPMessage* raw = nullptr;
        const int got = ::ldap_result(handle, id, LDAP_MSG_ALL, &limit, &raw);
        const Message message(raw);
        if (got <= 0) return got == 0 ? LDAP_TIMEOUT : LDAP_SERVER_DOWN;
        int result = LDAP_OTHER;
        if (const int code = ::ldap_parse_result(handle, message.get(), &result, nullptr, nullptr, nullptr, nullptr, 0); code != LDAP_SUCCESS)
            return code;
        return result;
    }
};

std::string LdapEntry::first(std::string_view attribute) const {
    const auto& values = all(attribute);
    return values.empty() ? std::string() : values.front();
}

const std::vector<std::string>& LdapEntry::all(std::string_view attribute) const {
    static const std::vector<std::string> none;
    const auto found = attributes.find(lower(attribute));
    return found == attributes.end() ? none : found->second;
}

std::string escape_filter(std::string_view value) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '*' || c == '(' || c == ')' || c == '\\' || byte < 0x20 || byte >= 0x7f) out += {'\\', digits[byte >> 4], digits[byte & 15]};
        else out += c;
    }
    return out;
}

std::string normal_dn(std::string_view dn) {
    LDAPDN parsed = nullptr;
    if (::ldap_str2dn(std::string(dn).c_str(), &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS) return lower(dn);
    std::string out = lower(dn);
    char* text = nullptr;
    if (::ldap_dn2str(parsed, &text, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS) out = lower(text);
    ::ldap_memfree(text);
    ::ldap_dnfree(parsed);
    return out;
}

LdapServer::LdapServer(LdapOptions options) : options_(std::move(options)) {
    // libldap writes to its sockets as to files: a server that went away would end the process.
    ::signal(SIGPIPE, SIG_IGN);
    LDAP* parsed = nullptr;
    const int code = ::ldap_initialize(&parsed, options_.url.c_str());
    if (parsed) ::ldap_unbind_ext_s(parsed, nullptr, nullptr);
    if (code != LDAP_SUCCESS) throw Error(Errc::bad_request, "ldap.url: " + options_.url + ": " + ::ldap_err2string(code));
    if (options_.start_tls && lower(options_.url).find("ldaps:") != std::string::npos)
        throw Error(Errc::bad_request, "ldap.use_tls is StartTLS, which ldaps:// has no use for");
    for (const std::string& path : {options_.ca_file, options_.ca_directory})
        if (!path.empty() && ::access(path.c_str(), R_OK) != 0) throw Error(Errc::bad_request, "ldap.tls_cacert*: " + path + " cannot be read");
}
LdapServer::~LdapServer() = default;

std::unique_ptr<LdapServer::Connection> LdapServer::open() const {
    auto connection = std::make_unique<Connection>();
    if (const int code = ::ldap_initialize(&connection->handle, options_.url.c_str()); code != LDAP_SUCCESS) fail(options_.url, code);
    const int version = LDAP_VERSION3;
    const timeval limit = to_timeval(options_.timeout);
    connection->set(LDAP_OPT_PROTOCOL_VERSION, &version, "version");
    connection->set(LDAP_OPT_NETWORK_TIMEOUT, &limit, "timeout");
    connection->set(LDAP_OPT_TIMEOUT, &limit, "timeout");
    connection->set(LDAP_OPT_REFERRALS, LDAP_OPT_OFF, "referrals");
    const int require = options_.require_certificate == "never"   ? LDAP_OPT_X_TLS_NEVER
                        : options_.require_certificate == "allow" ? LDAP_OPT_X_TLS_ALLOW
                                                                  : LDAP_OPT_X_TLS_DEMAND;
    connection->set(LDAP_OPT_X_TLS_REQUIRE_CERT, &require, "certificate check");
    if (!options_.ca_file.empty()) connection->set(LDAP_OPT_X_TLS_CACERTFILE, options_.ca_file.c_str(), options_.ca_file.c_str());
    if (!options_.ca_directory.empty()) connection->set(LDAP_OPT_X_TLS_CACERTDIR, options_.ca_directory.c_str(), options_.ca_directory.c_str());
    const int fresh = 0;
    connection->set(LDAP_OPT_X_TLS_NEWCTX, &fresh, "TLS");
    if (options_.start_tls)
        if (const int code = ::ldap_start_tls_s(connection->handle, nullptr, nullptr); code != LDAP_SUCCESS) fail("StartTLS", code);
    return connection;
}

// At most so many threads wait for the server, and none right after it failed.
void LdapServer::enter() {
    const std::lock_guard lock(mutex_);
    if (std::chrono::steady_clock::now() < closed_until_) throw Error(Errc::unavailable, "The directory server did not answer a moment ago.");
    if (working_ >= (failed_ ? 1 : options_.connections)) throw Error(Errc::unavailable, "Too many requests wait for the directory server.");
    ++working_;
}

void LdapServer::leave() {
    const std::lock_guard lock(mutex_);
    --working_;
}

// One that is open already, or nullptr.
std::unique_ptr<LdapServer::Connection> LdapServer::kept() {
    const std::lock_guard lock(mutex_);
    const auto oldest = std::chrono::steady_clock::now() - options_.lifetime;
    std::erase_if(idle_, [&](const auto& connection) { return connection->made < oldest; });
    if (idle_.empty()) return nullptr;
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
}

std::unique_ptr<LdapServer::Connection> LdapServer::bound() const {
    auto connection = open();
    if (const int code = connection->bind(options_.user, options_.password.reveal(), options_.timeout); code != LDAP_SUCCESS)
        fail("binding as the service's user", code);
    return connection;
}

void LdapServer::give_back(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));
}

// Runs `work`; a failure closes the server for a moment.
template <class F>
auto LdapServer::attempt(F&& work) {
    enter();
    struct Leave {
        LdapServer& server;
        ~Leave() { server.leave(); }
    } leave{*this};
    try {
        auto out = work();
        const std::lock_guard lock(mutex_);
        failed_ = false;
        return out;
    } catch (const Refused&) {
        throw;
    } catch (const Error& failed) {
        if (failed.code() == Errc::unavailable) {
            const std::lock_guard lock(mutex_);
            failed_ = true;
            closed_until_ = std::chrono::steady_clock::now() + options_.pause;
            idle_.clear();
        }
        throw;
    }
}

namespace {

LdapEntry entry_of(LDAP* handle, LDAPMessage* message) {
    LdapEntry out;
    if (char* dn = ::ldap_get_dn(handle, message)) {
        out.dn = dn;
        ::ldap_memfree(dn);
    }
    BerElement* position = nullptr;
    for (char* name = ::ldap_first_attribute(handle, message, &position); name; name = ::ldap_next_attribute(handle, message, position)) {
        std::vector<std::string>& values = out.attributes[lower(name)];
        if (berval** raw = ::ldap_get_values_len(handle, message, name)) {
            for (berval** value = raw; *value; ++value) values.emplace_back((*value)->bv_val, (*value)->bv_len);
            ::ldap_value_free_len(raw);
        }
        ::ldap_memfree(name);
    }
    if (position) ::ber_free(position, 0);
    return out;
}

// The cookie of the next page, "" after the last.
std::string next_page(LDAP* handle, LDAPMessage* message) {
    LDAPControl** controls = nullptr;
    int code = LDAP_SUCCESS;
    if (::ldap_parse_result(handle, message, &code, nullptr, nullptr, nullptr, &controls, 0) != LDAP_SUCCESS || !controls) return {};
    std::string out;
    if (LDAPControl* page = ::ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, nullptr)) {
        berval cookie{};
        ber_int_t total = 0;
        if (::ldap_parse_pageresponse_control(handle, page, &total, &cookie) == LDAP_SUCCESS) {
            out.assign(cookie.bv_val ? cookie.bv_val : "", cookie.bv_len);
            ::ber_memfree(cookie.bv_val);
        }
    }
    ::ldap_controls_free(controls);
    return out;
}

}  // namespace

std::vector<LdapEntry> LdapServer::search_by(const Connection& connection, const std::string& base, int depth, const std::string& filter,
                                             std::vector<char*> attributes, std::size_t most) const {
    std::vector<LdapEntry> out;
    std::string cookie;
    do {
        LDAPControl* page = nullptr;
        berval given{.bv_len = cookie.size(), .bv_val = cookie.data()};
        if (options_.page_size > 0 &&
            ::ldap_create_page_control(connection.handle, options_.page_size, cookie.empty() ? nullptr : &given, 0, &page) != LDAP_SUCCESS)
            fail("paging", LDAP_OTHER);
        LDAPControl* controls[] = {page, nullptr};
        timeval limit = to_timeval(options_.timeout);
        LDAPMessage* raw = nullptr;
        const int code =
            ::ldap_search_ext_s(connection.handle, base.c_str(), depth, filter.c_str(), attributes.data(), 0, controls, nullptr, &limit, 0, &raw);
        const Message answer(raw);
        if (page) ::ldap_control_free(page);
        if (code == LDAP_NO_SUCH_OBJECT) break;
        if (code != LDAP_SUCCESS && code != LDAP_PARTIAL_RESULTS && code != LDAP_REFERRAL) {
            if (away(code)) fail("searching " + base, code);
            throw Refused(Errc::unavailable, "The directory server refuses a search of " + base + ": " + ::ldap_err2string(code));
        }
        cookie.clear();
        for (LDAPMessage* m = ::ldap_first_message(connection.handle, answer.get()); m; m = ::ldap_next_message(connection.handle, m)) {
            if (::ldap_msgtype(m) == LDAP_RES_SEARCH_ENTRY && out.size() < most) out.push_back(entry_of(connection.handle, m));
            if (::ldap_msgtype(m) == LDAP_RES_SEARCH_RESULT) cookie = next_page(connection.handle, m);
        }
    } while (!cookie.empty() && out.size() < most);
    return out;
}

std::vector<LdapEntry> LdapServer::search(const std::string& base, LdapScope scope, const std::string& filter,
                                          const std::vector<std::string>& attributes, std::size_t most) {
    const int depth = scope == LdapScope::base ? LDAP_SCOPE_BASE : scope == LdapScope::one ? LDAP_SCOPE_ONELEVEL : LDAP_SCOPE_SUBTREE;
    std::vector<char*> names;
    for (const std::string& name : attributes) names.push_back(const_cast<char*>(name.c_str()));
    names.push_back(nullptr);
    return attempt([&] {
        // A connection that was kept may have been closed since, by a restart of the server or its own limit of idle ones.
        for (auto connection = kept(); connection; connection = kept()) {
            try {
                auto out = search_by(*connection, base, depth, filter, names, most);
                give_back(std::move(connection));
                return out;
            } catch (const Lost&) {
                continue;
            }
        }
        auto connection = bound();
        auto out = search_by(*connection, base, depth, filter, names, most);
        give_back(std::move(connection));
        return out;
    });
}

bool LdapServer::password_holds(const std::string& dn, const Secret& password) {
    if (password.empty() || dn.empty() || password.reveal().find('\0') != std::string::npos) return false;
    return attempt([&] {
        const auto connection = open();
        const int code = connection->bind(dn, password.reveal(), options_.timeout);
        switch (code) {
            case LDAP_SUCCESS:
                return true;
            case LDAP_INVALID_CREDENTIALS:
            case LDAP_INAPPROPRIATE_AUTH:
            case LDAP_NO_SUCH_OBJECT:
            case LDAP_INSUFFICIENT_ACCESS:
            case LDAP_CONSTRAINT_VIOLATION:
            case LDAP_UNWILLING_TO_PERFORM:
            case LDAP_INVALID_DN_SYNTAX:
                return false;
            default:
                fail("checking a password", code);
        }
    });
}

}  // namespace pilvi::identity
