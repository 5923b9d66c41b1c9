#pragma once
// What the compute agent asks of Open vSwitch: the kind of datapath, and the ports that libvirt made for a server and could not take away.
#include <string>
#include <vector>

#include "command/command.h"

namespace pilvi::compute_agent {

class Ovs {
public:
    explicit Ovs(CommandRunner& runner) : runner_(runner) {}
    // "netdev" (userspace) or "system"; throws Error(unavailable) where there is no such bridge yet.
    std::string datapath_type(const std::string& bridge);
    // Names of the interfaces with external_ids:vm-id=<server id>, which libvirt sets.
    std::vector<std::string> ports_of(const std::string& server_id);
    void remove_port(const std::string& bridge, const std::string& name);

private:
    CommandRunner& runner_;
};

}  // namespace pilvi::compute_agent
