#include <poll.h>
#include <sys/eventfd.h>

#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/fd.h"
#include "base/ids.h"
#include "identity/identity.h"
#include "log/log.h"
#include "pki/openssl.h"

namespace pilvi {
namespace {
// Whatever is wrong with identity, callers are told keystonemiddleware's words; what it is is for the log.
[[noreturn]] void identity_away(const std::string& why) {
    log::warning("a token cannot be checked: " + why + "; the request is refused");
    throw Error(Errc::unavailable, "The Keystone service is temporarily unavailable.");
}

constexpr std::size_t longest_token = 8192;
constexpr std::chrono::seconds poll_time{30};
constexpr std::chrono::milliseconds unknown_pause{60'000}, error_pause{1'000};

// SHA-256. The algorithm is looked up once and a thread keeps its context: making them costs more than hashing a token.
std::string digest(std::string_view token) {
    static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    thread_local const pki::DigestContext context(EVP_MD_CTX_new());
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!sha256 || !context || EVP_DigestInit_ex(context.get(), sha256, nullptr) != 1 ||
        EVP_DigestUpdate(context.get(), token.data(), token.size()) != 1 || EVP_DigestFinal_ex(context.get(), out, &size) != 1)
        throw Error(Errc::internal, "SHA-256 failed");
    return {reinterpret_cast<const char*>(out), size};
}

bool well_formed(std::string_view token) {
    if (token.empty() || token.size() > longest_token) return false;
    for (const char c : token)
        if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f) return false;
    return true;
}
}  // namespace

struct TokenValidator::Impl {
    struct Entry {
        std::string key;
        Context context;
        std::chrono::steady_clock::time_point until;
    };
    Session& session;
    std::string url;  // of identity, without trailing slash
    std::chrono::seconds ttl;
    std::size_t capacity;
    std::mutex mutex;
    std::list<Entry> entries;  // the newest first: they also end in that order
    std::unordered_map<std::string, std::list<Entry>::iterator> index;
    std::uint64_t flushes = 0;
    // Identity knows this listener, or has no such request. Otherwise nothing is kept, and what is kept is for when identity cannot be asked.
    bool heard = false;
    const std::string listener = new_uuid();  // this object's name at identity
    UniqueFd stop{::eventfd(0, EFD_CLOEXEC)};
    std::thread thread;

    Impl(Session& s, std::string u, std::chrono::seconds t, std::size_t c) : session(s), url(std::move(u)), ttl(t), capacity(c) {}
    struct Known {
        Context context;
        bool sure;  // identity would have said by now that it is revoked
    };
    std::optional<Known> cached(const std::string& key);
    void keep(const std::string& key, const Context& context, std::uint64_t flush);
    void flush();
    void unheard() {
        const std::lock_guard lock(mutex);
        heard = false;
    }
    void forget(const std::string& key) {
        const std::lock_guard lock(mutex);
        if (const auto at = index.find(key); at != index.end()) drop(at->second);
    }
    std::uint64_t current_flush() {
        const std::lock_guard lock(mutex);
        return flushes;
    }
    void drop(std::list<Entry>::iterator at) {
        index.erase(at->key);
        entries.erase(at);
    }
    void listen();
    std::optional<std::int64_t> hear(std::optional<std::int64_t> revision);
    bool stopped_within(std::chrono::milliseconds time) const {
        pollfd asked{stop.get(), POLLIN, 0};
        return ::poll(&asked, 1, static_cast<int>(time.count())) > 0;
    }
};

std::optional<TokenValidator::Impl::Known> TokenValidator::Impl::cached(const std::string& key) {
    const std::lock_guard lock(mutex);
    const auto at = index.find(key);
    if (at == index.end()) return std::nullopt;
    if (at->second->until <= std::chrono::steady_clock::now() || at->second->context.expires_at <= now_micros()) {
        drop(at->second);
        return std::nullopt;
    }
    return Known{at->second->context, heard};
}

// An answer that was asked for before the last flush may be older than what it was about: it is not kept.
void TokenValidator::Impl::keep(const std::string& key, const Context& context, std::uint64_t flush) {
    const std::lock_guard lock(mutex);
    if (!heard) return;
    const auto now = std::chrono::steady_clock::now();
    if (const auto at = index.find(key); at != index.end()) drop(at->second);
    while (!entries.empty() && (entries.size() >= capacity || entries.back().until <= now)) drop(std::prev(entries.end()));
    if (capacity == 0 || ttl.count() == 0 || flush != flushes) return;
    entries.push_front({key, context, now + ttl});
    index.emplace(key, entries.begin());
}

void TokenValidator::Impl::flush() {
    const std::lock_guard lock(mutex);
    heard = true;
    ++flushes;
    index.clear();
    entries.clear();
}

// The revision after waiting for one that differs; nullopt where identity has no such request.
std::optional<std::int64_t> TokenValidator::Impl::hear(std::optional<std::int64_t> revision) {
    http::ClientRequest request{.url = url + "/OS-PILVI/revocations?listener=" + listener, .timeout = poll_time + std::chrono::seconds(10)};
    if (revision) request.url += "&revision=" + std::to_string(*revision) + "&wait=" + std::to_string(poll_time.count());
    request.cancel_fd = stop.get();
    const http::Response response = session.send(std::move(request));
    if (response.status == 404 || response.status == 403) return std::nullopt;
    if (response.status != 200) throw error_of(response, "identity");
    const json::value body = parse_json(response.body);
    const json::value* now = body.is_object() ? find(body.get_object(), "revision") : nullptr;
    if (!now || !now->is_int64()) throw Error(Errc::bad_gateway, "identity answered no revision");
    return now->get_int64();
}

// Until it is stopped. What was not heard (identity was away) counts as a change.
void TokenValidator::Impl::listen() {
    std::optional<std::int64_t> revision;
    while (!stopped_within(std::chrono::milliseconds(0))) {
        try {
            const auto now = hear(revision);
            if (now != revision || !now) flush();
            revision = now;
            if (!now && stopped_within(unknown_pause)) return;
        } catch (const std::exception&) {
            revision.reset();  // requests themselves say that identity is away
            unheard();
            if (stopped_within(error_pause)) return;
        }
    }
}

TokenValidator::TokenValidator(Session& session, std::string auth_url, std::chrono::seconds ttl, std::size_t capacity)
    : impl_(new Impl(session, std::move(auth_url), ttl, capacity)) {
    while (impl_->url.ends_with('/')) impl_->url.pop_back();
    if (ttl.count() > 0 && capacity > 0) impl_->thread = std::thread([impl = impl_.get()] { impl->listen(); });
}

TokenValidator::~TokenValidator() {
    if (!impl_->thread.joinable()) return;
    ::eventfd_write(impl_->stop.get(), 1);
    impl_->thread.join();
}

std::optional<Context> TokenValidator::authenticate(std::string_view token, bool allow_expired) {
    if (!well_formed(token)) return std::nullopt;
    const std::string key = digest(token);
    std::optional<Impl::Known> known = impl_->cached(key);
    if (known) known->context.token = token;
    if (known && known->sure) return known->context;
    const std::uint64_t flush = impl_->current_flush();
    http::ClientRequest request{.url = impl_->url + "/auth/tokens?nocatalog" + (allow_expired ? "&allow_expired=1" : "")};
    request.headers.add("X-Subject-Token", token);
    request.headers.add("OpenStack-Identity-Access-Rules", "1.0");  // api::Service enforces them
    Context context;
    try {
        const http::Response response = impl_->session.send(std::move(request));
        if (response.status == 404) {
            impl_->forget(key);
            return std::nullopt;
        }
        if (response.status != 200) throw error_of(response, "identity");
        const json::value body = parse_json(response.body);
        if (!body.is_object()) throw Error(Errc::bad_gateway, "identity answered nonsense");
        context = context_from_token(body.get_object());
    } catch (const Error& error) {
        if (known) return known->context;  // identity starts again
        identity_away(error.message());
    }
    if (context.expires_at > now_micros()) impl_->keep(key, context, flush);  // without the token itself
    else if (!allow_expired) return std::nullopt;
    context.token = token;
    return context;
}

}  // namespace pilvi
