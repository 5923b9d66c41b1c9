#include "drivers/ovs.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace pilvi::compute_agent {
namespace {
constexpr const char* ovs_vsctl = "/usr/bin/ovs-vsctl";
}

std::string Ovs::datapath_type(const std::string& bridge) {
    const CommandResult result = runner_.run({.argv = {ovs_vsctl, "--timeout=10", "get", "Bridge", bridge, "datapath_type"}});
    if (result.status != 0) throw Error(Errc::unavailable, "Open vSwitch has no bridge " + bridge + " yet: " + std::string(trim(result.err)));
    std::string type(trim(result.out));
    std::erase(type, '"');
    return type.empty() ? "system" : type;
}

std::vector<std::string> Ovs::ports_of(const std::string& server_id) {
    const std::string out =
        runner_.check({ovs_vsctl, "--timeout=10", "--format=json", "--columns=name", "find", "Interface", "external_ids:vm-id=" + server_id});
    std::vector<std::string> names;
    const json::value table = parse_json(out);
    for (const json::value& row : array_or_empty(table.as_object(), "data"))
        if (row.is_array() && !row.as_array().empty() && row.as_array()[0].is_string()) names.push_back(str(row.as_array()[0].as_string()));
    return names;
}

void Ovs::remove_port(const std::string& bridge, const std::string& name) {
    runner_.check({ovs_vsctl, "--timeout=10", "--if-exists", "del-port", bridge, name});
}

}  // namespace pilvi::compute_agent
