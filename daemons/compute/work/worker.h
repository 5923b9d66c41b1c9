#pragma once
// Does what the table operations says is still to be done, one step at a time. All of its memory is in the database: killed at any instruction, it goes on.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "app.h"
#include "records.h"

namespace pilvi::compute {

class Worker {
public:
    Worker(App& app, int threads = 4) : app_(app), threads_(threads) {}
    ~Worker() { stop(); }
    void start();
    void stop();
    void wake();
    // Runs everything that is due, on the calling thread, until nothing is; returns the number of steps. For tests.
    int run_due();
    // One turn of the slow duties: healing network info, purging old rows, the heartbeat of our own services.
    void tick();
    bool alive() const;

private:
    void run();
    void run_slow();
    std::optional<Operation> take(Micros* next);
    void step(const Operation& operation);
    App& app_;
    int threads_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    std::uint64_t wakes_ = 0;
    std::set<std::string> busy_;  // servers whose operation a thread has
    std::vector<std::thread> running_;
    std::atomic<Micros> moved_{0};
    Micros healed_ = 0;
};

// The steps. Each does its part of the work, which may be done already, and records what comes next; throws Error to be called again later.
// Kind "create": schedule -> network -> spawn (the node) ; reschedule -> schedule ; abort releases everything.
void step_create(App& app, Operation operation, const Instance& instance);
// Kind "delete": node (tears down) -> release.
void step_delete(App& app, Operation operation, const Instance& instance);
// Kind "power": waits for the node's report until the deadline.
void step_power(App& app, Operation operation, const Instance& instance);

// What a failed build leaves: ERROR with a fault, and an operation that releases what was made. Inside the transaction that found out.
void fail_build(App& app, Tx& tx, Operation operation, const Instance& instance, const std::string& message, const std::string& details);
// The node could not build it: another host, or ERROR where there have been enough.
void retry_build(App& app, Tx& tx, Operation operation, const Instance& instance, const std::string& reason);
// Ports that were made for the server are deleted, ports that were given are unbound; the allocation goes. May be repeated.
void release_resources(App& app, const Instance& instance);
// Whether the service nova-compute of that host is up.
bool host_is_up(Tx& tx, const std::string& host, Micros now, const Options& options);

// Names of the events in os-instance-actions.
namespace event {
constexpr std::string_view schedule = "scheduler_select_destinations", build = "compute__do_build_and_run_instance", network = "allocate_network",
                           terminate = "compute_terminate_instance", start = "compute_start_instance", stop = "compute_stop_instance",
                           reboot = "compute_reboot_instance", attach = "compute_attach_interface", detach = "compute_detach_interface";
}

}  // namespace pilvi::compute
