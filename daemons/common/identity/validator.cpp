#include <openssl/sha.h>

#include <list>
#include <mutex>
#include <unordered_map>

#include "base/text.h"
#include "identity/identity.h"

namespace pilvi {
namespace {
constexpr std::size_t longest_token = 8192;

std::string digest(std::string_view token) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), reinterpret_cast<unsigned char*>(out.data()));
    return out;
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
    std::string url;
    std::chrono::seconds ttl;
    std::size_t capacity;
    std::mutex mutex;
    std::list<Entry> entries;  // the newest first: they also end in that order
    std::unordered_map<std::string, std::list<Entry>::iterator> index;

    std::optional<Context> cached(const std::string& key);
    void keep(const std::string& key, const Context& context);
    void drop(std::list<Entry>::iterator at) {
        index.erase(at->key);
        entries.erase(at);
    }
};

std::optional<Context> TokenValidator::Impl::cached(const std::string& key) {
    const std::lock_guard lock(mutex);
    const auto at = index.find(key);
    if (at == index.end()) return std::nullopt;
    if (at->second->until <= std::chrono::steady_clock::now() || at->second->context.expires_at <= now_micros()) {
        drop(at->second);
        return std::nullopt;
    }
    return at->second->context;
}

void TokenValidator::Impl::keep(const std::string& key, const Context& context) {
    const std::lock_guard lock(mutex);
    const auto now = std::chrono::steady_clock::now();
    if (const auto at = index.find(key); at != index.end()) drop(at->second);
    while (!entries.empty() && (entries.size() >= capacity || entries.back().until <= now)) drop(std::prev(entries.end()));
    if (capacity == 0 || ttl.count() == 0) return;
    entries.push_front({key, context, now + ttl});
    index.emplace(key, entries.begin());
}

TokenValidator::TokenValidator(Session& session, std::string auth_url, std::chrono::seconds ttl, std::size_t capacity)
    : impl_(new Impl{session, std::move(auth_url), ttl, capacity, {}, {}, {}}) {
    while (impl_->url.ends_with('/')) impl_->url.pop_back();
    impl_->url += "/auth/tokens?nocatalog";
}

TokenValidator::~TokenValidator() = default;

std::optional<Context> TokenValidator::authenticate(std::string_view token) {
    if (!well_formed(token)) return std::nullopt;
    const std::string key = digest(token);
    if (std::optional<Context> context = impl_->cached(key)) {
        context->token = token;
        return context;
    }
    http::ClientRequest request{.url = impl_->url};
    request.headers.add("X-Subject-Token", token);
    const http::Response response = impl_->session.send(std::move(request));
    if (response.status == 404) return std::nullopt;
    if (response.status != 200) throw Error(Errc::unavailable, "the token cannot be checked: " + error_of(response, "identity").message());
    const json::value body = parse_json(response.body);
    if (!body.is_object()) throw Error(Errc::bad_gateway, "identity answered nonsense to a token check");
    Context context = context_from_token(body.get_object());
    if (context.expires_at <= now_micros()) return std::nullopt;
    impl_->keep(key, context);  // without the token itself
    context.token = token;
    return context;
}

}  // namespace pilvi
