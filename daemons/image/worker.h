#pragma once
// One running daemon among those that share a database: what is in work says whose it is, and the others can tell whether that one still runs.
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "store/store.h"

namespace pilvi::image {

// A row of workers, and a lock on a file that goes with the process however it ends. Daemons on other machines, which may not see the lock, are
// known by a number that they count up. Thread-safe.
class Worker {
public:
    // `directory` takes the lock files. `lease`: another machine's daemon that does not count for so long is gone. Throws Error(unavailable).
    Worker(Store& store, const std::string& directory, std::chrono::milliseconds lease = std::chrono::seconds(20));
    ~Worker();  // the row goes, unless something is left in work
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    const std::string& id() const { return id_; }
    std::chrono::milliseconds lease() const { return lease_; }
    // Counts, where other machines may share the database.
    void beat();
    // Workers that run no more. This machine's are known at once, others' after a lease of calls.
    std::vector<std::string> gone();
    // The gone worker left nothing.
    void forget(const std::string& id);

    // Tokens of the uploads that this process is at; what has one of this worker's tokens and is not here was given up.
    void take(const std::string& token);
    void leave(const std::string& token);
    bool has(const std::string& token) const;

private:
    struct Seen {
        std::int64_t beat;
        std::chrono::steady_clock::time_point since;
    };
    bool runs(const std::string& id, const std::string& machine, const std::string& lock_file, std::int64_t beat);

    Store& store_;
    std::chrono::milliseconds lease_;
    std::string id_, machine_, lock_file_;
    UniqueFd lock_;
    mutable std::mutex mutex_;
    std::set<std::string> tokens_;
    std::map<std::string, Seen> seen_;
};

}  // namespace pilvi::image
