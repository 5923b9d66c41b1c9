#include "drivers/ovs.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "drivers/domain_xml.h"

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

std::vector<Ovs::GuestPort> Ovs::guest_ports(const std::string& bridge) {
    const std::string names = runner_.check({ovs_vsctl, "--timeout=10", "list-ports", bridge});
    const std::vector<std::string> on_bridge = split(names, '\n', false);
    const json::value table =
        parse_json(runner_.check({ovs_vsctl, "--timeout=10", "--format=json", "--columns=name,external_ids", "list", "Interface"}));
    std::vector<GuestPort> out;
    for (const json::value& row : array_or_empty(table.as_object(), "data")) {
        // ["tap...", ["map", [["iface-id", "..."], ["vm-id", "..."]]]]
        const json::array& cells = row.as_array();
        const std::string name = str(cells.at(0).as_string());
        std::map<std::string, std::string> ids;
        for (const json::value& pair : cells.at(1).as_array().at(1).as_array())
            ids[str(pair.as_array().at(0).as_string())] = str(pair.as_array().at(1).as_string());
        if (ids["vm-id"].empty() || name != tap_name(ids["iface-id"])) continue;
        if (std::find(on_bridge.begin(), on_bridge.end(), name) != on_bridge.end()) out.push_back({name, ids["vm-id"]});
    }
    return out;
}

void Ovs::remove_port(const std::string& bridge, const std::string& name) {
    runner_.check({ovs_vsctl, "--timeout=10", "--if-exists", "del-port", bridge, name});
}

}  // namespace pilvi::compute_agent
