#pragma once
// Desired and observed. Controller side: a write that concerns a node bumps the node's revision in the same transaction; agents long-poll their
// full desired set by revision and report what they observe. Agent side: fetch -> reconcile -> report, for ever.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "http/http.h"
#include "identity/identity.h"
#include "store/store.h"

namespace pilvi::sync {

// The table that a daemon's schema must have (SQL for its first migration):
//   CREATE TABLE node_revisions (host TEXT PRIMARY KEY, revision BIGINT NOT NULL);
// Bumps the host's revision inside `tx` and wakes parked agents of that host after the commit.
class Feed {
public:
    // `build` makes the whole desired set of a host inside a read transaction.
    Feed(Store& store, std::function<json::object(Tx&, const std::string& host)> build) : store_(store), build_(std::move(build)) {}
    void attach(http::Server& server) { server_ = &server; }
    void bump(Tx& tx, const std::string& host);
    // Every known host (a change that concerns all, e.g. a security group).
    void bump_all(Tx& tx);
    // The answer to GET .../desired?revision=R&wait=S: {"revision": N, "desired": {...}}; parks while revision == R for up to S (<= 60) seconds and
    // then answers {"revision": R} with status 200 and no "desired". A host that is not known yet is registered with revision 1.
    http::Response answer(const std::string& host, std::int64_t revision, std::chrono::seconds wait);
    static std::string topic(const std::string& host) { return "desired:" + host; }

private:
    std::optional<http::Response> look(const std::string& host, std::int64_t revision, bool last);
    Store& store_;
    std::function<json::object(Tx&, const std::string&)> build_;
    http::Server* server_ = nullptr;
};

// The result of reconciling one object.
enum class Outcome { done, not_ready, failed };
struct StepResult {
    Outcome outcome = Outcome::done;
    std::string reason = {};  // for the user, where not done
};

// Per-object exponential backoff after a failure: 1 s, 2 s, ... 60 s.
class Backoff {
public:
    bool due(const std::string& object, std::chrono::steady_clock::time_point now) const;
    void failed(const std::string& object, std::chrono::steady_clock::time_point now);
    void succeeded(const std::string& object) { next_.erase(object); }

private:
    struct Entry {
        std::chrono::steady_clock::time_point due;
        int exponent = 0;
    };
    std::map<std::string, Entry> next_;
};

struct AgentOptions {
    std::string host;                 // this node's name
    std::string base_url;             // "http://127.0.0.1:8774/agent/v1"
    std::chrono::seconds resync{60};  // full pass even where nothing changed
    std::chrono::seconds wait{30};    // long poll
};

// The agent loop: one thread polls the desired set, one reconciles. A pass runs when the set changed, when poke() was called, when the
// previous pass asked for another, and every `resync`. What a pass observes is reported when it differs from the last accepted report, and
// with every resync. No pass runs before the first desired set has arrived. stop() ends the long poll and waits for
// the pass or report in flight.
class Agent {
public:
    // One pass. `desired` is the whole set. Returns the observed state to report (an object), and may ask to be called again after `*again`
    // (milliseconds > 0). Exceptions are logged and retried after a backoff; the pass must be idempotent.
    using Pass = std::function<json::object(const json::object& desired, std::chrono::milliseconds* again)>;
    Agent(Session& session, AgentOptions options, Pass pass);
    ~Agent();
    void start();
    void stop();
    void poke();         // an event (libvirt, ovsdb): run a pass soon
    bool alive() const;  // both threads moved within 3 x resync (for the watchdog)
    bool ready() const;  // one pass ended and its report was accepted

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pilvi::sync
