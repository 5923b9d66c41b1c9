#pragma once
// The life of a server as pure functions: the API's status vocabulary, and what an agent's report changes.
// Source of the vocabulary: Compute API guide, "Server concepts"; vm_state and task_state as the original shows them in OS-EXT-STS.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pilvi::compute {

namespace vm {
constexpr std::string_view building = "building", active = "active", stopped = "stopped", error = "error", deleted = "deleted", paused = "paused";
}
namespace task {
constexpr std::string_view scheduling = "scheduling", networking = "networking", spawning = "spawning", deleting = "deleting",
                           powering_on = "powering-on", powering_off = "powering-off", rebooting = "rebooting", rebooting_hard = "rebooting_hard";
}
// Desired power, as the agent reads it.
namespace power {
constexpr std::string_view running = "running", stopped = "stopped", deleted = "deleted";
}
// OS-EXT-STS:power_state.
enum PowerState : std::int64_t { no_state = 0, running = 1, paused_state = 3, shut_down = 4, crashed = 6 };

// The API's status of (vm_state, task_state): "ACTIVE", "BUILD", "REBOOT", ...
std::string_view status_of(std::string_view vm_state, std::string_view task_state, bool deleted);

// vm_states and task_states (with "default" for any other) that a ?status= may mean; both empty for a word that is no status.
struct StateFilter {
    std::vector<std::string_view> vm_states;
    std::vector<std::string_view> task_states;
};
StateFilter states_of(const std::vector<std::string>& statuses);

struct Verdict {
    bool allowed = true;
    std::string attribute;  // "vm_state" or "task_state" that forbids it
    std::string state;
};
enum class Verb { start, stop, reboot_soft, reboot_hard, attach_interface, detach_interface, remove };
// Whether the state lets the verb begin.
Verdict may(Verb verb, std::string_view vm_state, std::string_view task_state);

// What compute knows of a server, as far as a report can change it.
struct Known {
    std::string vm_state, task_state, power;
    std::int64_t generation = 0;
    std::int64_t power_state = 0;
    bool has_task = false;  // a one-shot verb is under way
};
// What the agent says. `task_error` belongs to the verb under way, where `task_done`.
struct Report {
    std::string state;
    std::int64_t generation = 0;
    std::string reason;
    bool task_done = false;
    std::optional<std::string> task_error;
};
// What follows. Unset members stay as they are.
struct Change {
    std::optional<std::string> vm_state;
    std::optional<std::string> task_state;  // "" clears
    std::optional<std::string> power;       // a new desired power: the node must be told
    std::optional<std::int64_t> power_state;
    bool launched = false;              // runs for the first time
    bool gone = false;                  // nothing is left on the node: the delete may go on
    bool finished = false;              // the operation under way ended well
    std::optional<std::string> failed;  // the operation under way ended badly, or a fault came up
    bool task_seen = false;             // the one-shot verb may leave the desired set
    bool operator==(const Change&) const = default;
};
Change observe(const Known& known, const Report& report);

}  // namespace pilvi::compute
