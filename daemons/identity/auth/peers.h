#pragma once
// The other processes of this service on the same database (table processes): until when each of them has told its listeners what was revoked.
// Clocks of machines are not compared: a process counts as alive while its beat rises.
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "store/store.h"

namespace pilvi::identity {

class Peers {
public:
    explicit Peers(Store& store);
    // No more a member: nobody waits for this process.
    ~Peers();
    Peers(const Peers&) = delete;

    // Reads who there is, and what they tell.
    void look();
    // Tells those that look() found that all listeners of this process know revision `heard`; drops those that are dead. Alone, it writes nothing.
    // To be called some times a second, after look().
    void tell(std::int64_t heard);
    bool alone() const;
    // Whether the others' listeners know this revision, as last read.
    bool have_heard(std::int64_t revision) const;

private:
    using Clock = std::chrono::steady_clock;
    struct Peer {
        std::int64_t heard = 0, beat = -1;
        Clock::time_point since{};  // of that beat
    };
    Store& store_;
    const std::string id_;
    mutable std::mutex mutex_;
    std::map<std::string, Peer> others_;
    std::int64_t told_ = 0;
    Clock::time_point told_at_{};
};

}  // namespace pilvi::identity
