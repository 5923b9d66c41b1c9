#include "steps/plan.h"

#include <algorithm>

namespace pilvi::compute_agent {
namespace {

constexpr Micros ask_again = 10'000'000;  // guests miss the power button while they boot

bool is_on(const DomainInfo& d) { return d.power == Power::running || d.power == Power::paused; }

// The guest is on and shall end with its own consent, as far as it gives it in time.
Decision shut_down(const PlanInput& in, std::optional<Micros> since, Micros asked, const std::string& state) {
    if (in.domain.power == Power::paused) return {Action::destroy, state, "shutdown"};  // nobody is there to ask
    if (since && in.now - *since >= in.shutdown_limit) return {Action::destroy, state, "shutdown"};
    if (!since || in.now - asked >= ask_again) return {Action::ask_shutdown, state, "shutdown"};
    return {Action::wait, state, "shutdown"};
}

Decision continue_restart(const PlanInput& in, const Restart& restart) {
    const bool old_guest = is_on(in.domain) && in.domain.run == restart.old_run;
    if (old_guest && restart.soft && in.now - restart.since < in.shutdown_limit)
        return shut_down(in, in.record.shutdown_since, in.record.shutdown_asked, "running");
    if (old_guest) return {Action::destroy, "running", "shutdown"};
    if (!is_on(in.domain)) return {in.record.built ? Action::start : Action::build, "running", "domain"};
    if (in.domain.power == Power::paused && !in.domain.blocked) return {Action::resume, "running", "run"};
    return {Action::finish_restart, "running", "run", restart.task_id};
}

const DesiredTask* next_task(const PlanInput& in) {
    for (const DesiredTask& task : in.desired.tasks)
        if (!in.record.tasks.contains(task.id)) return &task;
    return nullptr;
}

Decision begin_task(const PlanInput& in, const DesiredTask& task) {
    const auto fail = [&](std::string why) { return Decision{Action::finish_task, "", "", task.id, false, std::move(why)}; };
    if (task.verb == Verb::unknown) return fail("This node's agent does not know the task " + task.verb_text);
    if (task.deadline && in.now > *task.deadline) return fail("The task was not begun before its deadline");
    if (in.desired.power != DesiredPower::running) return fail("The server is not meant to run");
    return {Action::begin_restart, "running", "shutdown", task.id, task.verb == Verb::reboot_soft && in.domain.power == Power::running};
}

Decision keep_stopped(const PlanInput& in) {
    if (is_on(in.domain)) return shut_down(in, in.record.shutdown_since, in.record.shutdown_asked, "running");
    const bool stale = !in.record.launched_epoch.empty() || in.record.off_generation || in.record.shutdown_since || in.record.restart;
    if (stale) return {Action::note_stopped, "stopped", ""};
    return {Action::none, "stopped", ""};
}

// The guest runs with the ports that it shall have, or what is next to that. A guest that does not let go of a port is asked again.
Decision keep_plugged(const PlanInput& in) {
    const Decision done{Action::none, "running", ""};
    if (!in.domain.ports) return done;
    const std::vector<std::string>& plugged = *in.domain.ports;
    for (const DesiredPort& port : in.desired.ports)
        if (std::find(plugged.begin(), plugged.end(), port.id) == plugged.end())
            return {.action = Action::attach_port, .state = "running", .step = "", .port_id = port.id};
    for (const std::string& id : plugged) {
        if (std::any_of(in.desired.ports.begin(), in.desired.ports.end(), [&](const DesiredPort& port) { return port.id == id; })) continue;
        const auto asked = in.record.unplugging.find(id);
        if (asked == in.record.unplugging.end() || in.now - asked->second >= ask_again)
            return {.action = Action::detach_port, .state = "running", .step = "", .port_id = id};
    }
    return done;
}

Decision keep_running(const PlanInput& in) {
    const Record& r = in.record;
    const bool launched = !r.launched_epoch.empty();
    switch (in.domain.power) {
        case Power::running:
            if (r.launched_epoch != in.epoch || r.off_generation || r.shutdown_since) return {Action::note_running, "running", "run"};
            return keep_plugged(in);
        case Power::paused:
            if (in.domain.blocked) return {Action::none, "paused", ""};
            if (r.ever_ran || in.desired.vif_plugged) return {Action::resume, "building", "run"};
            return {Action::none, "paused", "wait_for_ports"};
        case Power::absent:
        case Power::shutoff:
            break;
    }
    if (launched && r.launched_epoch == in.epoch) {
        if (!r.off_generation) return {Action::note_off, in.domain.crashed ? "crashed" : "stopped", ""};
        if (*r.off_generation >= in.desired.generation) return {Action::none, r.off_crashed ? "crashed" : "stopped", ""};
    }
    return {r.built ? Action::start : Action::build, "building", r.built ? "domain" : "image"};
}

}  // namespace

Decision plan(const PlanInput& in) {
    if (in.desired.power == DesiredPower::deleted) {
        if (in.domain.power == Power::absent && !in.leftovers) return {Action::none, "absent", ""};
        return {Action::remove, "removing", "remove"};
    }
    if (in.record.error_generation && *in.record.error_generation >= in.desired.generation) return {Action::none, "error", ""};
    if (in.desired.power == DesiredPower::running && in.record.restart) return continue_restart(in, *in.record.restart);
    if (const DesiredTask* task = next_task(in)) return begin_task(in, *task);
    return in.desired.power == DesiredPower::stopped ? keep_stopped(in) : keep_running(in);
}

}  // namespace pilvi::compute_agent
