#pragma once
// Private to http/: a bounded pool of threads, started as they are needed.
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace pilvi::http {

class Pool {
public:
    Pool(std::string name, std::size_t threads, std::size_t queue) : name_(std::move(name)), most_(threads), queue_(queue) {}
    ~Pool() { stop(); }
    // False where every thread is busy and `queue` tasks wait already, or the pool is stopping. `force` passes the limit of the queue.
    bool submit(std::function<void()> task, bool force = false);
    // Ends after the tasks in work; those that wait are dropped.
    void stop();
    std::uint64_t finished() const;
    // A task may keep its thread for what is likely to come next: true where no other task waits for a thread, and one is left for those that come.
    // Ended by release().
    bool keep();
    // Between two pieces of work of such a task, which count as tasks: whether it may go on.
    bool may_go_on();
    void release();

private:
    void work();
    bool has_room() const;  // every task that waits has a thread that is idle, or may be started
    const std::string name_;
    const std::size_t most_, queue_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> tasks_;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0, kept_ = 0;
    std::uint64_t finished_ = 0;
    bool stopping_ = false;
};

}  // namespace pilvi::http
