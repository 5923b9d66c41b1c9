#pragma once
// Tasks: what an import did, for the caller and for the workers that write it.
#include <string>
#include <vector>

#include "api/call.h"

namespace pilvi::image {

constexpr std::int64_t task_lifetime = 48LL * 3600 * 1'000'000;  // microseconds that an ended task is kept

// A pending task of the caller's project. Returns its id.
std::string insert_task(const api::Call& call, Tx& tx, std::string_view type, const std::string& image_id, const json::object& input);
// Whether nobody has ended the task.
bool is_running(Tx& tx, const std::string& id);
// As failed, with the reason.
void end_task(Tx& tx, const std::string& id, const std::string& why);
// Whether a task for the image has not ended.
bool has_active_task(Tx& tx, const std::string& image_id);

}  // namespace pilvi::image
