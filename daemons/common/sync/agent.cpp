#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/text.h"
#include "log/log.h"
#include "sync/sync.h"

namespace pilvi::sync {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// 0.5 s, 1 s, ... `most`, each shortened by up to half, so that many agents do not come back at one moment.
class JitteredBackoff {
public:
    explicit JitteredBackoff(milliseconds most) : most_(most) {}
    milliseconds next() {
        const auto full = std::min<std::int64_t>(most_.count(), std::int64_t{500} << exponent_);
        exponent_ = std::min(exponent_ + 1, 10);
        return milliseconds(std::uniform_int_distribution<std::int64_t>(full / 2, full)(random_));
    }
    void reset() { exponent_ = 0; }

private:
    milliseconds most_;
    int exponent_ = 0;
    std::minstd_rand random_{std::random_device{}()};
};

// Logs when something starts to fail, when the reason changes, and when it works again.
class FailureLog {
public:
    FailureLog(std::string what, std::string next) : what_(std::move(what)), next_(std::move(next)) {}
    void failed(const std::string& reason) {
        if (reason == reason_) return;
        reason_ = reason;
        log::warning(fmt::format("{}: {}; {}", what_, reason, next_));
    }
    void succeeded() {
        if (reason_.empty()) return;
        reason_.clear();
        log::info(what_ + ": works again");
    }

private:
    std::string what_, next_, reason_;
};

}  // namespace

struct Agent::Impl {
    Impl(Session& session_in, AgentOptions options_in, Pass pass_in)
        : session(session_in),
          options(std::move(options_in)),
          pass(std::move(pass_in)),
          url(options.base_url + "/nodes/" + percent_encode(options.host)) {}

    // The long-poll thread: keeps `desired` the newest.
    void poll_loop() {
        JitteredBackoff backoff(std::chrono::seconds(15));
        FailureLog failures("fetching the desired state", "trying again until it works, the last known state stays in force");
        std::int64_t revision = -1;
        auto full_at = Clock::now();
        while (!stopping) {
            poll_tick = Clock::now();
            try {
                // A whole set now and then, whatever the revision: the database may have been restored from a backup.
                const bool full = Clock::now() >= full_at;
                if (fetch(full ? -1 : revision, full ? std::chrono::seconds(0) : options.wait, &revision)) full_at = Clock::now() + options.resync;
                failures.succeeded();
                backoff.reset();
            } catch (const std::exception& error) {
                if (stopping) return;
                failures.failed(error.what());
                sleep_for(backoff.next());
            }
        }
    }

    // True where the answer held a desired set.
    bool fetch(std::int64_t known, std::chrono::seconds wait, std::int64_t* revision) {
        const http::Response response = session.send({.method = "GET",
                                                      .url = fmt::format("{}/desired?revision={}&wait={}", url, known, wait.count()),
                                                      .timeout = wait + std::chrono::seconds(15),
                                                      .cancel_fd = cancel.get()});
        if (response.status != 200) throw Error(Errc::bad_gateway, fmt::format("{}/desired answered {}", url, response.status));
        const json::value body = parse_json(response.body);
        if (!body.is_object()) throw Error(Errc::bad_gateway, url + "/desired answered something else than an object");
        *revision = integer_or(body.get_object(), "revision", -1);
        const json::value* set = find(body.get_object(), "desired");
        if (!set || !set->is_object()) return false;
        const std::lock_guard lock(mutex);
        if (!known_set || desired != set->get_object()) {
            desired = set->get_object();
            known_set = changed = true;
            wake.notify_all();
        }
        return true;
    }

    // The reconciling thread: a pass where there is a reason for one, then its report.
    void pass_loop() {
        std::unique_lock lock(mutex);
        while (!stopping) {
            pass_tick = Clock::now();
            const auto until = std::min({again_at, resync_at, report_at});
            wake.wait_until(lock, until, [&] { return stopping || (known_set && (changed || poked)) || Clock::now() >= until; });
            if (stopping) return;
            pass_tick = Clock::now();
            const bool resync = pass_tick.load() >= resync_at;
            if (known_set && (changed || poked || resync || pass_tick.load() >= again_at)) run_pass(lock, resync);
            else if (resync) resync_at = Clock::now() + options.resync;
            if (pending && Clock::now() >= report_at && !stopping) send_report(lock);
        }
    }

    void run_pass(std::unique_lock<std::mutex>& lock, bool resync) {
        changed = poked = false;
        again_at = Clock::time_point::max();
        const json::object set = desired;
        lock.unlock();
        json::object seen;
        milliseconds again{0};
        bool ended = false;
        try {
            seen = pass(set, &again);
            ended = true;
            pass_failures.succeeded();
            pass_backoff.reset();
        } catch (const std::exception& error) {
            pass_failures.failed(error.what());
            again = pass_backoff.next();
        }
        lock.lock();
        resync_at = Clock::now() + options.resync;
        if (again.count() > 0) again_at = Clock::now() + again;
        if (!ended) return;
        if (!accepted || seen != *accepted || resync) {
            observed = std::move(seen);
            if (!pending) report_at = Clock::now();  // where a report waits for its next try, the newer state goes then
            pending = true;
        } else {
            pending = false;
            report_at = Clock::time_point::max();
        }
    }

    void send_report(std::unique_lock<std::mutex>& lock) {
        const json::object report = observed;
        lock.unlock();
        std::string failure;
        try {
            http::ClientRequest request{.method = "POST", .url = url + "/observed", .body = to_text(report)};
            request.headers.set("Content-Type", "application/json");
            const http::Response response = session.send(std::move(request));
            if (response.status / 100 != 2) failure = fmt::format("{}/observed answered {}", url, response.status);
        } catch (const std::exception& error) {
            failure = error.what();
        }
        lock.lock();
        if (failure.empty()) {
            report_failures.succeeded();
            report_backoff.reset();
            accepted = report;
            pending = false;
            report_at = Clock::time_point::max();
            reported = true;
        } else if (!stopping) {
            report_failures.failed(failure);
            report_at = Clock::now() + report_backoff.next();
        }
    }

    void sleep_for(milliseconds time) {
        std::unique_lock lock(mutex);
        stopped.wait_for(lock, time, [&] { return stopping.load(); });
    }

    Session& session;
    AgentOptions options;
    Pass pass;
    std::string url;
    UniqueFd cancel{::eventfd(0, EFD_CLOEXEC)};  // ends the long poll

    std::mutex mutex;
    std::condition_variable wake, stopped;
    std::atomic<bool> stopping{false}, reported{false};
    std::atomic<Clock::time_point> poll_tick{Clock::now()}, pass_tick{Clock::now()};

    // Under the mutex.
    json::object desired;
    bool known_set = false, changed = false, poked = false;
    Clock::time_point again_at = Clock::time_point::max(), report_at = Clock::time_point::max(), resync_at = Clock::now() + options.resync;
    json::object observed;
    bool pending = false;
    std::optional<json::object> accepted;

    // Of the reconciling thread alone.
    JitteredBackoff pass_backoff{std::chrono::seconds(60)}, report_backoff{std::chrono::seconds(15)};
    FailureLog pass_failures{"reconciling this node", "the pass is run again"};
    FailureLog report_failures{"reporting the observed state", "trying again until it is accepted"};

    std::thread poller, reconciler;
};

Agent::Agent(Session& session, AgentOptions options, Pass pass) : impl_(std::make_unique<Impl>(session, std::move(options), std::move(pass))) {}

Agent::~Agent() { stop(); }

void Agent::start() {
    impl_->poller = std::thread([this] { impl_->poll_loop(); });
    impl_->reconciler = std::thread([this] { impl_->pass_loop(); });
}

void Agent::stop() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->stopping = true;
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(impl_->cancel.get(), &one, sizeof one);
    impl_->wake.notify_all();
    impl_->stopped.notify_all();
    if (impl_->poller.joinable()) impl_->poller.join();
    if (impl_->reconciler.joinable()) impl_->reconciler.join();
}

void Agent::poke() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->poked = true;
    }
    impl_->wake.notify_all();
}

bool Agent::alive() const {
    const auto oldest = Clock::now() - 3 * impl_->options.resync;
    return impl_->poll_tick.load() > oldest && impl_->pass_tick.load() > oldest;
}

bool Agent::ready() const { return impl_->reported; }

}  // namespace pilvi::sync
