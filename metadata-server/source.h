#pragma once
// Who a caller is and what its server's document says: (network, address) -> port -> server. Cached for seconds.
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/json.h"

namespace pilvi::metadata {

// GET of an absolute URL as the service user: the JSON answer; nullopt on 404; throws Error otherwise.
using Fetch = std::function<std::optional<json::value>(const std::string& url)>;
// POST of a JSON object as the service user: the answer's status; throws Error where nobody answers.
using Post = std::function<int(const std::string& url, const json::object& body)>;
using Now = std::function<std::chrono::steady_clock::time_point()>;

struct SourceOptions {
    std::string network_url;                   // http://127.0.0.1:9696
    std::string compute_url;                   // http://127.0.0.1:8774
    std::chrono::milliseconds ttl{5000};       // of a document
    std::chrono::milliseconds negative{1000};  // of "nobody"
    std::size_t capacity = 4096;
};

class Source {
public:
    Source(SourceOptions options, Fetch fetch, Post post, Now now = std::chrono::steady_clock::now);
    // The document of the server whose port has `address` in `network_id`; nullptr where there is none (or more than one). Thread-safe.
    // Throws Error(unavailable/bad_gateway/timeout) where a service cannot be asked.
    std::shared_ptr<const json::object> document(const std::string& network_id, const std::string& address);

    // Keeps what the guest encrypted as its server's password: 200; 409 where it left one before, 404 where there is no such guest any more, 400
    // where the text is too long or no text. Throws as document().
    int leave_password(const std::string& network_id, const std::string& address, const std::string& password);

private:
    std::shared_ptr<const json::object> fetch_document(const std::string& network_id, const std::string& address);
    SourceOptions options_;
    Fetch fetch_;
    Post post_;
    Now now_;
    struct Entry {
        std::shared_ptr<const json::object> document;
        std::chrono::steady_clock::time_point until;
    };
    std::mutex mutex_;
    std::map<std::pair<std::string, std::string>, Entry> cache_;
};

}  // namespace pilvi::metadata
