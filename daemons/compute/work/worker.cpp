#include "work/worker.h"

#include <algorithm>

#include "base/ids.h"
#include "log/log.h"
#include "work/network_info.h"

namespace pilvi::compute {
namespace {

constexpr Micros heal_interval = 60 * second;

void heartbeat(App& app) {
    const Micros now = app.now();
    app.store.write([&](Tx& tx) {
        for (const std::string_view name : {"nova-scheduler", "nova-conductor"}) {
            if (tx.exec("UPDATE services SET seen_at = ? WHERE host = ? AND service_binary = ?", {now, app.options.host, name}) == 1) continue;
            tx.insert("services", {{"id", new_uuid()},
                                   {"number", next_number(tx, "services")},
                                   {"host", app.options.host},
                                   {"service_binary", name},
                                   {"disabled", 0},
                                   {"forced_down", 0},
                                   {"seen_at", now},
                                   {"created_at", now}});
        }
    });
}

void purge(App& app) {
    const Micros before = app.now() - app.options.keep_deleted;
    const auto rows =
        app.store.read([&](Tx& tx) { return tx.query("SELECT id FROM instances WHERE deleted = 1 AND terminated_at < ? LIMIT 200", {before}); });
    if (rows.empty()) return;
    app.store.write([&](Tx& tx) {
        for (const Row& row : rows) {
            const std::string id = row.text("id");
            tx.exec("DELETE FROM action_events WHERE action_id IN (SELECT id FROM actions WHERE instance_id = ?)", {id});
            tx.exec("DELETE FROM actions WHERE instance_id = ?", {id});
            tx.exec("DELETE FROM instances WHERE id = ?", {id});
        }
    });
}

}  // namespace

void Worker::start() {
    moved_ = now_micros();
    heartbeat(app_);
    for (int i = 0; i < threads_; ++i) running_.emplace_back([this] { run(); });
    running_.emplace_back([this] { run_slow(); });
}

void Worker::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& t : running_) t.join();
    running_.clear();
}

void Worker::wake() {
    {
        const std::lock_guard lock(mutex_);
        ++wakes_;
    }
    changed_.notify_all();
}

bool Worker::alive() const { return running_.empty() || now_micros() - moved_ < 120 * second; }

std::optional<Operation> Worker::take(Micros* next) {
    const Micros now = app_.now();
    const std::lock_guard lock(mutex_);
    const auto rows = app_.store.read([&](Tx& tx) {
        return tx.query("SELECT " + std::string(Operation::columns) + " FROM operations ORDER BY next_at, id LIMIT " +
                        std::to_string(busy_.size() + 20));
    });
    for (const Row& row : rows) {
        Operation operation = Operation::from(row);
        if (busy_.contains(operation.instance_id)) continue;
        if (operation.next_at > now) {
            *next = std::min(*next, operation.next_at);
            return std::nullopt;
        }
        busy_.insert(operation.instance_id);
        return operation;
    }
    return std::nullopt;
}

void Worker::step(const Operation& operation) {
    struct Busy {
        Worker& worker;
        const std::string& id;
        ~Busy() {
            const std::lock_guard lock(worker.mutex_);
            worker.busy_.erase(id);
        }
    } const busy{*this, operation.instance_id};
    std::string problem;
    try {
        const auto instance = app_.store.read([&](Tx& tx) { return find_instance(tx, operation.instance_id); });
        if (!instance || instance->deleted) {
            app_.store.write([&](Tx& tx) { end_operation(tx, operation); });
            return;
        }
        if (operation.kind == "create") step_create(app_, operation, *instance);
        else if (operation.kind == "delete") step_delete(app_, operation, *instance);
        else step_power(app_, operation, *instance);
        return;
    } catch (const std::exception& error) {
        problem = error.what();
    }
    Operation later = operation;
    ++later.attempts;
    const Micros pause = std::min<Micros>(second << std::min<std::int64_t>(later.attempts - 1, 5), 30 * second);
    later.next_at = app_.now() + pause;
    log::warning("an operation of a server did not get on: " + operation.kind + ", " + operation.step + ": " + problem + "; it is tried again in " +
                     std::to_string(pause / second) + " s",
                 {{"INSTANCE_UUID", operation.instance_id}, {"REQUEST_ID", operation.request_id}});
    try {
        app_.store.write([&](Tx& tx) {
            const auto instance = find_instance(tx, later.instance_id);
            if (instance && later.kind == "create" && later.step != "abort" && app_.now() >= later.deadline)
                fail_build(app_, tx, later, *instance, "Build of instance " + later.instance_id + " aborted: " + problem, "");
            else keep_operation(tx, later);
        });
    } catch (const std::exception& error) {
        log::error(std::string("the database refused a write: ") + error.what() + "; the operation is tried again",
                   {{"INSTANCE_UUID", operation.instance_id}});
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
}

int Worker::run_due() {
    int steps = 0;
    Micros next = std::numeric_limits<Micros>::max();
    while (const auto operation = take(&next)) {
        step(*operation);
        if (++steps > 10'000) throw Error(Errc::internal, "the operations do not come to an end");
    }
    return steps;
}

void Worker::run() {
    std::uint64_t seen = 0;
    for (;;) {
        Micros next = app_.now() + 5 * second;
        {
            const std::lock_guard lock(mutex_);
            if (stopping_) return;
            seen = wakes_;
        }
        moved_ = now_micros();
        try {
            if (const auto operation = take(&next)) {
                changed_.notify_one();  // there may be more
                step(*operation);
                continue;
            }
        } catch (const std::exception& error) {
            log::error(std::string("the operations cannot be read: ") + error.what() + "; they are read again in 5 s");
        }
        std::unique_lock lock(mutex_);
        const auto pause = std::chrono::microseconds(std::max<Micros>(next - app_.now(), 1000));
        changed_.wait_for(lock, pause, [&] { return stopping_ || wakes_ != seen; });
    }
}

void Worker::tick() {
    heartbeat(app_);
    const Micros now = app_.now();
    if (now - healed_ < heal_interval) return;
    healed_ = now;
    purge(app_);
    refresh_all_network_info(app_);
}

void Worker::run_slow() {
    healed_ = app_.now();
    for (;;) {
        try {
            tick();
        } catch (const std::exception& error) {
            log::warning(std::string("the addresses of servers could not be refreshed: ") + error.what() + "; the next try is in 60 s");
        }
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, std::chrono::seconds(10), [&] { return stopping_; })) return;
    }
}

void step_power(App& app, Operation operation, const Instance&) {
    const Micros now = app.now();
    app.store.write([&](Tx& tx) {
        const auto instance = find_instance(tx, operation.instance_id);
        if (!instance) return;
        if (now < operation.deadline) {
            operation.next_at = operation.deadline;
            keep_operation(tx, operation);
            return;
        }
        // The node never answered: back to what was, with the reason where the user can read it.
        const std::string before = string_or(operation.data, "power", instance->power);
        change_instance(tx, instance->id, {{"task_state", nullptr}, {"power", before}, {"generation", instance->generation + 1}}, now);
        tx.exec("DELETE FROM tasks WHERE instance_id = ?", {instance->id});
        finish_event(tx, instance->id, operation.request_id, "", false, "the node " + instance->host + " did not do it within the time allowed", now);
        end_operation(tx, operation);
        app.feed.bump(tx, instance->host);
    });
}

}  // namespace pilvi::compute
