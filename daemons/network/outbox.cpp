#include "outbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "log/log.h"

namespace pilvi::network {
namespace {

constexpr Micros give_up_after = 10LL * 60 * 1'000'000;  // an event that compute refuses this long is of no use to it any more
constexpr Micros longest_pause = 30LL * 1'000'000;

struct Event {
    std::string id, name, server_id, port_id;
    Micros created_at = 0;
    std::int64_t attempts = 0;
};

json::object body_of(const std::vector<Event>& events) {
    json::array out;
    for (const Event& e : events) {
        json::object item{{"name", e.name}, {"server_uuid", e.server_id}, {"tag", e.port_id}};
        if (e.name == "network-vif-plugged" || e.name == "network-vif-unplugged") item["status"] = "completed";
        out.push_back(std::move(item));
    }
    return {{"events", std::move(out)}};
}

// Whether compute took the event: 200 for all, 207 with a code for each. 422 is a server without a host yet, 404 one that is unknown.
bool accepted(int status, const json::value& answer, std::size_t index) {
    if (status == 200) return true;
    if (status != 207 || !answer.is_object()) return false;
    const json::array& events = array_or_empty(answer.get_object(), "events");
    return index < events.size() && events[index].is_object() && integer_or(events[index].get_object(), "code", 0) == 200;
}

Micros pause_after(std::int64_t attempts) { return std::min<Micros>(longest_pause, 500'000LL << std::min<std::int64_t>(attempts, 10)); }

}  // namespace

Outbox::Outbox(Store& store, Send send, Clock clock) : store_(store), send_(std::move(send)), clock_(std::move(clock)) {}
Outbox::~Outbox() { stop(); }

void Outbox::start() {
    thread_ = std::thread([this] { run(); });
}

void Outbox::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Outbox::wake() {
    {
        const std::lock_guard lock(mutex_);
        woken_ = true;
    }
    changed_.notify_all();
}

std::size_t Outbox::flush() {
    const auto events = store_.read([&](Tx& tx) {
        std::vector<Event> out;
        for (const Row& row :
             tx.query("SELECT id, name, server_id, port_id, created_at, attempts FROM outbox WHERE due_at <= ? ORDER BY created_at, id LIMIT 100",
                      {clock_()}))
            out.push_back(
                {row.text("id"), row.text("name"), row.text("server_id"), row.text("port_id"), row.integer("created_at"), row.integer("attempts")});
        return out;
    });
    if (events.empty()) return 0;
    int status = 0;
    json::value answer;
    try {
        std::tie(status, answer) = send_(body_of(events));
    } catch (const Error& error) {
        log::warning(fmt::format("{} events for compute could not be sent: {}; they are sent again", events.size(), error.message()));
    }
    std::size_t done = 0;
    store_.write([&](Tx& tx) {
        done = 0;
        for (std::size_t i = 0; i < events.size(); ++i) {
            const Event& e = events[i];
            // Only an answer of compute's lets an event be given up: while it does not answer, nothing is.
            const bool hopeless = status != 0 && status < 500 && status != 401 && status != 403 && clock_() - e.created_at > give_up_after;
            const bool ours = e.name == "network-vif-deleted" && status == 404;  // the server is gone: nothing to tell
            if (accepted(status, answer, i) || hopeless || ours) {
                tx.exec("DELETE FROM outbox WHERE id = ?", {e.id});
                ++done;
            } else {
                tx.exec("UPDATE outbox SET attempts = attempts + 1, due_at = ? WHERE id = ?", {clock_() + pause_after(e.attempts), e.id});
            }
        }
    });
    return done;
}

Micros Outbox::next_due() {
    return store_.read([](Tx& tx) { return tx.scalar("SELECT min(due_at) FROM outbox").integer(); });
}

void Outbox::run() {
    while (true) {
        Micros pause = longest_pause;
        try {
            flush();
            if (const Micros due = next_due(); due > 0) pause = std::clamp<Micros>(due - clock_(), 10'000, longest_pause);
        } catch (const std::exception& error) {
            log::error(fmt::format("events for compute: {}; tried again in 5 seconds", error.what()));
            pause = 5'000'000;
        }
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::microseconds(pause), [this] { return woken_ || stopping_; });
        if (stopping_) return;
        woken_ = false;
    }
}

Outbox::Send Outbox::to_compute(Session& session) {
    return [&session](const json::object& body) -> std::pair<int, json::value> {
        http::ClientRequest request{.method = "POST", .url = session.endpoint("compute") + "/os-server-external-events"};
        request.headers.set("Content-Type", "application/json");
        request.body = to_text(body);
        const http::Response response = session.send(std::move(request));
        json::value answer;
        try {
            answer = parse_json(response.body);
        } catch (const Error&) {
            answer = nullptr;
        }
        return {response.status, std::move(answer)};
    };
}

}  // namespace pilvi::network
