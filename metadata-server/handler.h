#pragma once
// The guest-facing HTTP side. A guest is known by the listener its connection came in on and by its source address, by nothing that it sends.
#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "http/http.h"
#include "source.h"

namespace pilvi::metadata {

// Bounds what one source may ask: `burst` requests at once, `rate` a second after that, `parallel` at a time. Thread-safe.
class SourceLimit {
public:
    struct Options {
        double rate = 20;
        double burst = 100;
        int parallel = 4;
        std::size_t sources = 4096;
    };
    SourceLimit(Options options, Now now = std::chrono::steady_clock::now) : options_(options), now_(std::move(now)) {}
    bool enter(const std::string& source);
    void leave(const std::string& source);

private:
    struct Bucket {
        double tokens;
        std::chrono::steady_clock::time_point at;
        int running = 0;
    };
    Options options_;
    Now now_;
    std::mutex mutex_;
    std::map<std::string, Bucket> buckets_;
};

class Handler final : public http::Handler {
public:
    Handler(Source& source, SourceLimit& limit) : source_(source), limit_(limit) {}
    http::BodyPolicy body_policy(const http::RequestHead&) override { return {.limit = 4096}; }
    http::Response handle(http::Request& request) override;
    http::Response refuse(int status, std::string_view reason) override;

private:
    http::Response answer(const http::Request& request, const std::string& network);
    // `known`: the password that the server is known to have left before.
    http::Response take_password(const http::Request& request, const std::string& network, const std::string& known);
    Source& source_;
    SourceLimit& limit_;
};

}  // namespace pilvi::metadata
