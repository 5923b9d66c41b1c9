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
    // The ports of guests on the bridge: those that say a server and a port and carry that port's name, as libvirt makes them.
    struct GuestPort {
        std::string name, server_id;
    };
    std::vector<GuestPort> guest_ports(const std::string& bridge);
    void remove_port(const std::string& bridge, const std::string& name);

private:
    CommandRunner& runner_;
};

}  // namespace pilvi::compute_agent
