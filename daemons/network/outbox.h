#pragma once
// Events for the compute service: committed with the change that they tell of, sent by a thread, deleted when accepted. Nothing is lost when the
// daemon is killed in between; an event may then be sent twice, which compute takes.
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/json.h"
#include "base/time.h"
#include "identity/identity.h"
#include "store/store.h"

namespace pilvi::network {

class Outbox {
public:
    // Posts {"events": [...]} to compute and returns the status, and the answer. May throw Error (nobody answers).
    using Send = std::function<std::pair<int, json::value>(const json::object& body)>;
    Outbox(Store& store, Send send, Clock clock = &now_micros);
    ~Outbox();
    void start();
    void stop();
    void wake();
    // One round: sends what is due, at most 100 events. Returns how many are done with. For the thread, and for tests.
    std::size_t flush();
    // When the next event is due, in microseconds since the epoch; 0 where there is none.
    Micros next_due();

    static Send to_compute(Session& session);

private:
    void run();
    Store& store_;
    Send send_;
    Clock clock_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool woken_ = false, stopping_ = false;
    std::thread thread_;
};

}  // namespace pilvi::network
