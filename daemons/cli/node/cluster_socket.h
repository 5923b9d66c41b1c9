#pragma once
// pilvi-cluster of this controller, as its operator speaks to it.
#include <chrono>

#include "base/json.h"
#include "commands.h"
#include "node/membership.h"

namespace pilvi::cli {

MemberPlaces places_of(const Access& access);

// The answer's object, empty where it has no body. Error(unavailable) where within `limit` no pilvi-cluster answers here, what it refuses as its own error.
json::object ask_cluster(const Access& access, std::string_view method, const std::string& path, const json::value& body = nullptr,
                         std::chrono::milliseconds limit = std::chrono::seconds(30));

}  // namespace pilvi::cli
