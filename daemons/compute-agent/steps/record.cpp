#include "steps/record.h"

namespace pilvi::compute_agent {
namespace {

template <class T>
json::value optional(const std::optional<T>& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

std::optional<std::int64_t> optional_integer(const json::object& o, std::string_view key) {
    const json::value* value = find(o, key);
    return value && value->is_int64() ? std::optional(value->as_int64()) : std::nullopt;
}

}  // namespace

json::object to_json(const Record& r) {
    json::object tasks;
    for (const auto& [id, result] : r.tasks) tasks[id] = result.error;
    json::object unplugging;
    for (const auto& [id, asked] : r.unplugging) unplugging[id] = asked;
    json::value restart = nullptr;
    if (r.restart)
        restart =
            json::object{{"task_id", r.restart->task_id}, {"soft", r.restart->soft}, {"old_run", r.restart->old_run}, {"since", r.restart->since}};
    return {{"built", r.built},
            {"ever_ran", r.ever_ran},
            {"launched_epoch", r.launched_epoch},
            {"started_at", r.started_at},
            {"off_generation", optional(r.off_generation)},
            {"off_crashed", r.off_crashed},
            {"shutdown_since", optional(r.shutdown_since)},
            {"shutdown_asked", r.shutdown_asked},
            {"error_generation", optional(r.error_generation)},
            {"error_reason", r.error_reason},
            {"restart", std::move(restart)},
            {"tasks", std::move(tasks)},
            {"unplugging", std::move(unplugging)},
            {"base", r.base},
            {"base_format", r.base_format}};
}

Record record_from(const json::object& o) {
    Record r;
    r.built = boolean_or(o, "built");
    r.ever_ran = boolean_or(o, "ever_ran");
    r.launched_epoch = string_or(o, "launched_epoch");
    r.started_at = integer_or(o, "started_at");
    r.off_generation = optional_integer(o, "off_generation");
    r.off_crashed = boolean_or(o, "off_crashed");
    r.shutdown_since = optional_integer(o, "shutdown_since");
    r.shutdown_asked = integer_or(o, "shutdown_asked");
    r.error_generation = optional_integer(o, "error_generation");
    r.error_reason = string_or(o, "error_reason");
    if (const json::value* restart = find(o, "restart"); restart && restart->is_object()) {
        const json::object& x = restart->as_object();
        r.restart = Restart{.task_id = string_or(x, "task_id"),
                            .soft = boolean_or(x, "soft"),
                            .old_run = integer_or(x, "old_run", -1),
                            .since = integer_or(x, "since")};
    }
    for (const auto& [id, error] : object_or_empty(o, "tasks"))
        if (error.is_string()) r.tasks[std::string(id)] = {str(error.as_string())};
    for (const auto& [id, asked] : object_or_empty(o, "unplugging"))
        if (asked.is_int64()) r.unplugging[std::string(id)] = asked.as_int64();
    r.base = string_or(o, "base");
    r.base_format = string_or(o, "base_format");
    return r;
}

}  // namespace pilvi::compute_agent
