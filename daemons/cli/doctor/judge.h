#pragma once
// What does not fit: a pure function of what is on the node and what the APIs say.
#include <string>
#include <vector>

#include "doctor/cloud_view.h"
#include "doctor/node_view.h"

namespace pilvi::cli {

struct Finding {
    std::string kind;     // "domain", "instance directory", "switch port", "flow", "namespace", "dnsmasq", "allocation", "port", "unit", ...
    bool leak = false;    // belongs to nothing any more; otherwise: does not work
    std::string object;   // name, id or path
    std::string message;  // what is wrong
    std::string remedy;   // what to do
    auto operator<=>(const Finding&) const = default;
};

// What an API that did not answer would have known is not judged.
std::vector<Finding> judge(const NodeView& node, const CloudView& cloud, const std::string& host);

}  // namespace pilvi::cli
