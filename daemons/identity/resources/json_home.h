#pragma once
// The JSON home document.
#include <string_view>

#include "base/json.h"

namespace pilvi::identity {

// {"resources": {relation: {"href": ...}}} of all that this service has; paths begin with `prefix`.
json::object json_home(std::string_view prefix);

}  // namespace pilvi::identity
