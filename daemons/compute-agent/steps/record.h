#pragma once
// What the agent must remember of a server between two passes and over its own end: instances/<id>/record.json.
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/time.h"

namespace pilvi::compute_agent {

struct TaskResult {
    std::string error;  // "" where it was done
    bool operator==(const TaskResult&) const = default;
};

// A reboot that has begun.
struct Restart {
    std::string task_id;
    bool soft = false;
    std::int64_t old_run = -1;  // DomainInfo::run of the guest that must end
    Micros since = 0;
    bool operator==(const Restart&) const = default;
};

struct Record {
    bool built = false;          // disks and config drive are complete
    bool ever_ran = false;       // the guest was let run at least once
    std::string launched_epoch;  // boot_epoch() of the node when the guest that runs, or should, was let run; "" for none
    Micros started_at = 0;
    std::optional<std::int64_t> off_generation;  // the guest was found off, though it should run, under this generation
    bool off_crashed = false;
    std::optional<Micros> shutdown_since;          // the guest was asked to shut down
    Micros shutdown_asked = 0;                     // the last time that it was asked
    std::optional<std::int64_t> error_generation;  // what was asked under this generation failed
    std::string error_reason;
    std::optional<Restart> restart;
    std::map<std::string, TaskResult> tasks;
    std::map<std::string, Micros> unplugging;  // ports that the guest was asked to let go of, and when
    std::string base;                          // file name in _base that the disk is an overlay of, "" for none
    std::string base_format;
    bool operator==(const Record&) const = default;
};

json::object to_json(const Record& record);
Record record_from(const json::object& document);

}  // namespace pilvi::compute_agent
