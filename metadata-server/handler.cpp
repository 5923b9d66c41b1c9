#include "handler.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "log/log.h"
#include "tree.h"

namespace pilvi::metadata {

namespace {

constexpr std::size_t seed_bytes = 512;

http::Response text(int status, std::string body, std::string_view type = "text/plain; charset=UTF-8") {
    http::Response response{.status = status};
    response.headers.set("Content-Type", type);
    response.body = std::move(body);
    return response;
}

http::Response plain(int status) { return text(status, fmt::format("{} {}\n", status, http::reason_phrase(status))); }

}  // namespace

bool SourceLimit::enter(const std::string& source) {
    std::lock_guard lock(mutex_);
    auto now = now_();
    if (!buckets_.contains(source) && buckets_.size() >= options_.sources) {
        std::erase_if(buckets_, [&](const auto& item) { return item.second.running == 0 && now - item.second.at > std::chrono::seconds(10); });
        if (buckets_.size() >= options_.sources) return false;
    }
    Bucket& bucket = buckets_.try_emplace(source, Bucket{.tokens = options_.burst, .at = now}).first->second;
    bucket.tokens = std::min(options_.burst, bucket.tokens + options_.rate * std::chrono::duration<double>(now - bucket.at).count());
    bucket.at = now;
    if (bucket.tokens < 1 || bucket.running >= options_.parallel) return false;
    bucket.tokens -= 1;
    ++bucket.running;
    return true;
}

void SourceLimit::leave(const std::string& source) {
    std::lock_guard lock(mutex_);
    if (auto found = buckets_.find(source); found != buckets_.end()) --found->second.running;
}

http::Response Handler::refuse(int status, std::string_view) { return plain(status); }

http::Response Handler::handle(http::Request& request) {
    std::string network(request.headers.get("X-Pilvi-Listener").substr(0, 36));  // the rest says which router, where one is asked
    std::string source = network + "/" + request.peer;
    if (!limit_.enter(source)) {
        http::Response response = plain(429);
        response.headers.set("Retry-After", "1");
        return response;
    }
    http::Response response;
    try {
        response = answer(request, network);
    } catch (const std::exception& error) {
        log::warning(fmt::format("metadata of {}: {}; the guest asks again", source, error.what()));
        response = plain(500);  // what the original answers, and what cloud-init retries
    }
    limit_.leave(source);
    log::debug("request", {{"SOURCE", source}, {"PATH", request.path}});
    return response;
}

http::Response Handler::take_password(const http::Request& request, const std::string& network, const std::string& known) {
    if (!known.empty()) return plain(409);
    if (request.body.empty() || !is_utf8(request.body)) return plain(400);
    const int status = source_.leave_password(network, request.peer, request.body);
    return status == 200 ? text(200, "") : plain(status);
}

http::Response Handler::answer(const http::Request& request, const std::string& network) {
    if (request.method != "GET" && request.method != "HEAD" && request.method != "POST") return plain(405);
    auto segments = path_segments(request.path);
    if (!segments) return plain(400);
    if (is_root(*segments)) return text(200, root_listing());
    auto document = source_.document(network, request.peer);
    if (!document) return plain(404);
    auto found = lookup(*document, *segments, random_bytes(seed_bytes));
    if (!found) return plain(404);
    if (request.method == "POST") return found->password ? take_password(request, network, found->body) : plain(405);
    return text(200, std::move(found->body), found->content_type);
}

}  // namespace pilvi::metadata
