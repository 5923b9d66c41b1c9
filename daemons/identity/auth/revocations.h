#pragma once
// Telling every service at once that a token may have been revoked. Their token validators long-poll the revision; what may revoke is answered when
// all of them have heard of it, those of other processes on this database too.
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "auth/peers.h"
#include "auth/tokens.h"
#include "http/http.h"

namespace pilvi::identity {

class Revocations {
public:
    explicit Revocations(Tokens& tokens) : tokens_(tokens) {}
    // From now on parked listeners are woken, also by what other processes write: looked for twice a second alone, often in company. `also` is called
    // twice a second.
    void attach(http::Server& server, Store& store, std::function<void()> also = {});
    ~Revocations();

    // The answer to GET /v3/OS-PILVI/revocations: {"revision": N}. Parks while `known` is the present revision, for `wait` (at most 60 s).
    http::Response answer(const std::string& listener, std::optional<std::int64_t> known, std::chrono::seconds wait);
    // The response, once every listener has asked again since `revision`; those that do not within a second are no longer waited for.
    http::Response when_heard(http::Response response, std::int64_t revision);

private:
    using Clock = std::chrono::steady_clock;
    struct Listener {
        std::int64_t heard = 0;
        std::uint64_t poll = 0;                     // the latest, by number
        std::optional<Clock::time_point> answered;  // when that poll was; it asks again at once
    };
    struct Poll;
    http::Response told(const std::string& listener, std::uint64_t poll);
    void left(const std::string& listener, std::uint64_t poll);
    bool settled(std::int64_t revision, bool last);
    void drop_silent(std::int64_t revision);
    void look_around();
    std::chrono::milliseconds pause();

    Tokens& tokens_;
    std::unique_ptr<Peers> peers_;
    http::Server* server_ = nullptr;
    std::mutex mutex_;
    std::map<std::string, Listener> listeners_;
    std::uint64_t polls_ = 0;
    bool hurry_ = false;  // an answer waits for other processes' listeners
    std::condition_variable_any looked_for_;
    std::jthread looking_;
};

// Holds the answers of what may revoke back until every listener has heard: DELETE, PATCH, and a password that changes.
class Announcing final : public http::Handler {
public:
    Announcing(http::Handler& inner, Tokens& tokens, Revocations& revocations) : inner_(inner), tokens_(tokens), revocations_(revocations) {}
    http::BodyPolicy body_policy(const http::RequestHead& head) override { return inner_.body_policy(head); }
    http::Response handle(http::Request& request) override;
    http::Response refuse(int status, std::string_view reason) override { return inner_.refuse(status, reason); }

private:
    http::Handler& inner_;
    Tokens& tokens_;
    Revocations& revocations_;
};

}  // namespace pilvi::identity
