#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>

#include "base/text.h"
#include "identity/identity.h"
#include "log/timed.h"

namespace pilvi {
namespace {
constexpr Micros renew_before = 300'000'000;  // the end of a token
constexpr auto catalog_patience = std::chrono::seconds(5);

std::string without_slash(std::string url) {
    while (url.ends_with('/')) url.pop_back();
    return url;
}
}  // namespace

http::ClientOptions with_certificate(http::ClientOptions client, const SessionOptions& options) {
    if (!options.certificate) return client;
    client.ca_file = options.certificate->client_ca;
    client.identity = http::TlsFiles{.certificate = options.certificate->certificate, .key = options.certificate->key};
    return client;
}

// The URL in `overrides` of a service type, "" where it is not named.
std::string overridden(const std::vector<std::string>& overrides, std::string_view type) {
    for (const std::string& item : overrides)
        if (item.size() > type.size() && item.starts_with(type) && item[type.size()] == '=') return without_slash(item.substr(type.size() + 1));
    return {};
}

struct Session::Impl {
    SessionOptions options;
    http::Client client;
    std::mutex mutex;
    std::string token;
    Micros issued_at = 0, expires_at = 0;
    json::array catalog;
    std::chrono::steady_clock::time_point fetched{};

    Impl(SessionOptions o, http::ClientOptions c) : options(std::move(o)), client(with_certificate(std::move(c), options)) {}
    json::value body() const;
    void fetch();
    std::string current();
    void discard(const std::string& used);
    std::string look_up(std::string_view type) const;
};

json::value Session::Impl::body() const {
    const json::object domain{{"name", options.domain}};
    const json::object scope = options.project.empty() ? json::object{{"system", {{"all", true}}}}
                                                       : json::object{{"project", {{"name", options.project}, {"domain", domain}}}};
    return {{"auth",
             {{"identity",
               {{"methods", json::array{"password"}},
                {"password", {{"user", {{"name", options.username}, {"domain", domain}, {"password", options.password.reveal()}}}}}}},
              {"scope", scope}}}};
}

void Session::Impl::fetch() {
    http::ClientRequest request{.method = "POST", .url = without_slash(options.auth_url) + "/auth/tokens", .body = to_text(body())};
    request.headers.add("Content-Type", "application/json");
    const http::Response response = client.send(request);
    if (response.status != 201) {
        const Error refused = error_of(response, "identity");
        throw Error(Errc::unavailable, "identity refused user " + options.username + ": " + refused.message());
    }
    const json::value answer = parse_json(response.body);
    if (!answer.is_object()) throw Error(Errc::bad_gateway, "identity answered no token");
    const json::object& content = object_or_empty(answer.get_object(), "token");
    expires_at = parse_iso8601(string_or(content, "expires_at")).value_or(0);
    token = response.headers.get("X-Subject-Token");
    if (token.empty() || expires_at == 0) throw Error(Errc::bad_gateway, "identity answered no token");
    catalog = array_or_empty(content, "catalog");
    issued_at = now_micros();
    fetched = std::chrono::steady_clock::now();
}

// Under the mutex.
std::string Session::Impl::current() {
    // A token of a short life is renewed in the last tenth of it.
    const Micros margin = std::min(renew_before, (expires_at - issued_at) / 10);
    if (token.empty() || now_micros() >= expires_at - margin) fetch();
    return token;
}

void Session::Impl::discard(const std::string& used) {
    const std::lock_guard lock(mutex);
    if (token == used) token.clear();  // another thread may have renewed it already
}

std::string Session::Impl::look_up(std::string_view type) const {
    std::string fallback;
    for (const json::value& entry : catalog) {
        const json::object* service = entry.if_object();
        if (!service || string_or(*service, "type") != type) continue;
        for (const json::value& item : array_or_empty(*service, "endpoints")) {
            const json::object* endpoint = item.if_object();
            if (!endpoint) continue;
            const std::string region = string_or(*endpoint, "region_id", string_or(*endpoint, "region"));
            if (!options.region.empty() && region != options.region) continue;
            const std::string interface = string_or(*endpoint, "interface");
            if (interface == options.interface) return without_slash(string_or(*endpoint, "url"));
            if (interface == "public") fallback = without_slash(string_or(*endpoint, "url"));
        }
    }
    return fallback;
}

Session::Session(SessionOptions options, http::ClientOptions client) : impl_(std::make_unique<Impl>(std::move(options), std::move(client))) {}
Session::~Session() = default;

std::string Session::token() {
    const std::lock_guard lock(impl_->mutex);
    return impl_->current();
}

namespace {
// At level debug, what a daemon asks of others is logged where the answer comes; tokens and bodies are not.
http::Response logged_send(http::Client& client, const http::ClientRequest& request) {
    return log::timed([&] { return fmt::format("asked {} {}", request.method, request.url); }, [&] { return client.send(request); },
                      [](const http::Response& response) { return std::to_string(response.status); });
}
}  // namespace

http::Response Session::send(http::ClientRequest request) {
    if (impl_->options.certificate) {
        if (!request.url.starts_with("https://")) throw Error(Errc::internal, request.url + ": a certificate goes with https only");
        request.tls_name = controller_tls_name;
        return logged_send(impl_->client, request);
    }
    for (bool again = false;; again = true) {
        const std::string used = token();
        request.headers.set("X-Auth-Token", used);
        http::Response response = logged_send(impl_->client, request);
        if (response.status != 401 || again || request.source) return response;
        impl_->discard(used);
    }
}

json::value Session::call(std::string_view method, const std::string& url, const json::value& body, const http::Headers& headers) {
    http::ClientRequest request{.method = std::string(method), .url = url, .headers = headers};
    if (!request.headers.has("Accept")) request.headers.add("Accept", "application/json");
    if (!body.is_null()) {
        request.body = to_text(body);
        if (!request.headers.has("Content-Type")) request.headers.add("Content-Type", "application/json");
    }
    const http::Response response = send(std::move(request));
    if (response.status < 200 || response.status >= 300) throw error_of(response, url);
    if (trim(response.body).empty()) return nullptr;
    try {
        return parse_json(response.body);
    } catch (const Error&) {
        throw Error(Errc::bad_gateway, url + " answered something that is not JSON");
    }
}

std::string Session::endpoint(std::string_view service_type) {
    if (std::string url = overridden(impl_->options.endpoint_override, service_type); !url.empty()) return url;
    if (impl_->options.certificate)
        throw Error(Errc::unavailable, "identity.endpoint_override says nothing about " + std::string(service_type) + ": a node has no catalogue");
    const std::lock_guard lock(impl_->mutex);
    impl_->current();
    std::string url = impl_->look_up(service_type);
    if (url.empty() && std::chrono::steady_clock::now() - impl_->fetched > catalog_patience) {
        impl_->fetch();  // it may have been registered since
        url = impl_->look_up(service_type);
    }
    if (url.empty())
        throw Error(Errc::unavailable, "the catalogue has no " + impl_->options.interface + " endpoint of " + std::string(service_type) +
                                           " in region " + impl_->options.region);
    return url;
}

}  // namespace pilvi
