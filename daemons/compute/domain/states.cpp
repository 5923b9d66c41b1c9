#include "domain/states.h"

#include <algorithm>

#include "base/text.h"

namespace pilvi::compute {
namespace {

struct Status {
    std::string_view vm_state, task_state, status;  // task_state "": any other
};
constexpr Status statuses[] = {
    {"active", "rebooting", "REBOOT"},
    {"active", "reboot_pending", "REBOOT"},
    {"active", "reboot_started", "REBOOT"},
    {"active", "rebooting_hard", "HARD_REBOOT"},
    {"active", "reboot_pending_hard", "HARD_REBOOT"},
    {"active", "reboot_started_hard", "HARD_REBOOT"},
    {"active", "updating_password", "PASSWORD"},
    {"active", "rebuilding", "REBUILD"},
    {"active", "rebuild_block_device_mapping", "REBUILD"},
    {"active", "rebuild_spawning", "REBUILD"},
    {"active", "migrating", "MIGRATING"},
    {"active", "resize_prep", "RESIZE"},
    {"active", "resize_migrating", "RESIZE"},
    {"active", "resize_migrated", "RESIZE"},
    {"active", "resize_finish", "RESIZE"},
    {"active", "", "ACTIVE"},
    {"building", "", "BUILD"},
    {"stopped", "resize_prep", "RESIZE"},
    {"stopped", "resize_migrating", "RESIZE"},
    {"stopped", "resize_migrated", "RESIZE"},
    {"stopped", "resize_finish", "RESIZE"},
    {"stopped", "rebuilding", "REBUILD"},
    {"stopped", "rebuild_block_device_mapping", "REBUILD"},
    {"stopped", "rebuild_spawning", "REBUILD"},
    {"stopped", "", "SHUTOFF"},
    {"resized", "resize_reverting", "REVERT_RESIZE"},
    {"resized", "", "VERIFY_RESIZE"},
    {"paused", "migrating", "MIGRATING"},
    {"paused", "", "PAUSED"},
    {"suspended", "", "SUSPENDED"},
    {"rescued", "", "RESCUE"},
    {"error", "rebuilding", "REBUILD"},
    {"error", "rebuild_block_device_mapping", "REBUILD"},
    {"error", "rebuild_spawning", "REBUILD"},
    {"error", "", "ERROR"},
    {"deleted", "", "DELETED"},
    {"soft-delete", "", "SOFT_DELETED"},
    {"shelved", "", "SHELVED"},
    {"shelved_offloaded", "", "SHELVED_OFFLOADED"},
};

struct Rule {
    Verb verb;
    std::vector<std::string_view> vm_states;    // allowed; empty: any
    std::vector<std::string_view> task_states;  // allowed; empty: any; "" is none
};
const Rule& rule_of(Verb verb) {
    static const Rule rules[] = {
        {Verb::start, {"stopped"}, {}},
        {Verb::stop, {"active", "rescued", "error"}, {}},
        {Verb::reboot_soft, {"active"}, {"", "reboot_pending"}},
        {Verb::reboot_hard,
         {"active", "stopped", "paused", "suspended", "error"},
         {"", "rebooting", "rebooting_hard", "reboot_pending", "reboot_started", "reboot_pending_hard", "reboot_started_hard"}},
        {Verb::attach_interface, {"active", "paused", "stopped"}, {""}},
        {Verb::detach_interface, {"active", "paused", "stopped"}, {""}},
        {Verb::remove, {}, {}},
    };
    return *std::find_if(std::begin(rules), std::end(rules), [&](const Rule& r) { return r.verb == verb; });
}

std::int64_t power_state_of(std::string_view state) {
    if (state == "running") return running;
    if (state == "paused") return paused_state;
    if (state == "stopped") return shut_down;
    if (state == "crashed") return crashed;
    return no_state;
}

void add(std::vector<std::string_view>& list, std::string_view item) {
    if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

Change observe_build(const Report& report) {
    Change change;
    if (report.state == "running") {
        change.vm_state = std::string(vm::active);
        change.task_state = "";
        change.launched = change.finished = true;
    } else if (report.state == "stopped" || report.state == "crashed") {  // it ran, and ended before we heard of it
        change.vm_state = std::string(vm::stopped);
        change.task_state = "";
        change.power = std::string(power::stopped);
        change.launched = change.finished = true;
    } else if (report.state == "error") {
        change.failed = report.reason.empty() ? "the node reported an error without a reason" : report.reason;
    }
    return change;
}

Change fault(const Report& report) {
    Change change;
    change.vm_state = std::string(vm::error);
    change.task_state = "";
    change.failed = report.reason.empty() ? "the node reported an error without a reason" : report.reason;
    return change;
}

Change observe_reboot(const Report& report) {
    Change change;
    if (!report.task_done) return change;
    change.task_seen = true;
    change.task_state = "";
    if (report.state == "running") change.vm_state = std::string(vm::active);
    else if (report.state == "stopped" || report.state == "crashed") change.vm_state = std::string(vm::stopped);
    else if (report.state == "error") change.vm_state = std::string(vm::error);
    if (report.task_error) change.failed = *report.task_error;
    else change.finished = true;
    return change;
}

Change observe_steady(const Known& known, const Report& report) {
    const bool ended = report.state == "stopped" || report.state == "crashed";
    if (known.task_state == task::powering_off && ended) {
        Change change;
        change.vm_state = std::string(vm::stopped);
        change.task_state = "";
        change.finished = true;
        return change;
    }
    if (known.task_state == task::powering_on && report.state == "running") {
        Change change;
        change.vm_state = std::string(vm::active);
        change.task_state = "";
        change.finished = true;
        return change;
    }
    if (report.state == "error" && (known.vm_state != vm::error || !known.task_state.empty())) return fault(report);
    Change change;
    if (known.task_state.empty() && known.vm_state == vm::active && ended) {  // the guest powered itself off
        change.vm_state = std::string(vm::stopped);
        change.power = std::string(power::stopped);
    }
    return change;
}

}  // namespace

std::string_view status_of(std::string_view vm_state, std::string_view task_state, bool deleted) {
    if (deleted) return "DELETED";
    std::string_view fallback = "UNKNOWN";
    for (const Status& s : statuses) {
        if (s.vm_state != vm_state) continue;
        if (!s.task_state.empty() && s.task_state == task_state) return s.status;
        if (s.task_state.empty()) fallback = s.status;
    }
    return fallback;
}

StateFilter states_of(const std::vector<std::string>& wanted) {
    StateFilter filter;
    for (const Status& s : statuses)
        for (const std::string& w : wanted)
            if (equals_ignoring_case(w, s.status)) {
                add(filter.vm_states, s.vm_state);
                add(filter.task_states, s.task_state.empty() ? std::string_view("default") : s.task_state);
            }
    return filter;
}

Verdict may(Verb verb, std::string_view vm_state, std::string_view task_state) {
    const Rule& rule = rule_of(verb);
    const auto has = [](const std::vector<std::string_view>& list, std::string_view item) {
        return list.empty() || std::find(list.begin(), list.end(), item) != list.end();
    };
    if (!has(rule.vm_states, vm_state)) return {false, "vm_state", std::string(vm_state)};
    if (!has(rule.task_states, task_state)) return {false, "task_state", std::string(task_state)};
    return {};
}

Change observe(const Known& known, const Report& report) {
    if (known.power == power::deleted) {
        Change change;
        change.gone = report.state == "absent";
        return change;
    }
    if (report.generation < known.generation) return {};  // the node has not seen our last word yet
    Change change;
    if (known.vm_state == vm::building) change = observe_build(report);
    else if (known.has_task) change = observe_reboot(report);
    else change = observe_steady(known, report);
    if (report.state != "building" && report.state != "absent") {
        const std::int64_t now = power_state_of(report.state);
        if (now != known.power_state) change.power_state = now;
    }
    return change;
}

}  // namespace pilvi::compute
