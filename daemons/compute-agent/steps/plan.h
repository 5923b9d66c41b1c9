#pragma once
// What to do next for one server: a pure function of what is desired, remembered and observed. Each action is idempotent, and after each the
// plan is made anew, so the agent may end between any two instructions.
#include <chrono>
#include <string>

#include "drivers/hypervisor.h"
#include "steps/desired.h"
#include "steps/record.h"

namespace pilvi::compute_agent {

enum class Action {
    none,          // converged, or waiting for something that will wake the agent
    wait,          // look again soon
    remove,        // everything of the server
    build,         // image, disks, config drive
    start,         // define and start paused
    resume,        // let the guest run
    note_running,  // the guest runs and the record does not say so yet
    note_off,      // the guest ended by itself
    note_stopped,  // it is off as it should be: forget what concerned the run that ended
    ask_shutdown,
    destroy,
    begin_restart,  // of task `task_id`
    finish_restart,
    finish_task,  // with `text` as its error
    attach_port,  // `port_id`, into the guest that runs
    detach_port,
};

struct Decision {
    Action action = Action::none;
    std::string state;  // to report where nothing follows: "building", "running", ...
    std::string step;   // "" where there is none
    std::string task_id = {};
    bool soft = false;      // begin_restart
    std::string text = {};  // finish_task
    std::string port_id = {};
    bool operator==(const Decision&) const = default;
};

struct PlanInput {
    const DesiredServer& desired;
    const Record& record;
    const DomainInfo& domain;  // power absent where there is none
    const std::string& epoch;  // boot_epoch()
    Micros now = 0;
    Micros shutdown_limit = 60'000'000;
    bool leftovers = false;  // files of the server are on the node
};

Decision plan(const PlanInput& in);

}  // namespace pilvi::compute_agent
