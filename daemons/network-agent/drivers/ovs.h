#pragma once
// ovs-vsctl and ovs-ofctl: batched, one process for a whole change.
#include <set>
#include <string>
#include <vector>

#include "command/command.h"

namespace pilvi::network_agent {

struct OvsPaths {
    std::string run_dir = "/run/openvswitch";  // db.sock, <bridge>.mgmt, ovs-vswitchd.pid
    std::string db() const { return run_dir + "/db.sock"; }
    std::string management(const std::string& bridge) const { return run_dir + "/" + bridge + ".mgmt"; }
    std::string pid_file() const { return run_dir + "/ovs-vswitchd.pid"; }
};

class Ovs {
public:
    Ovs(CommandRunner& runner, OvsPaths paths) : runner_(runner), paths_(std::move(paths)) {}
    // One transaction of ovs-vsctl commands ({"--may-exist","add-br","br-int"}, ...); waits until the switch has done it. Nothing for an empty list.
    void transact(const std::vector<std::vector<std::string>>& commands);
    // Makes the bridge's flows equal `file`, in one bundle; unchanged flows keep their counters.
    void replace_flows(const std::string& bridge, const std::string& file);
    // Applies lines "add ..." and "delete_strict ..." in one bundle.
    void change_flows(const std::string& bridge, const std::string& lines);
    // Forgets the connections of these conntrack zones. Throws Error(internal).
    void flush_conntrack(const std::set<int>& zones);
    // Pid and start time of the running switch as one text; "" where there is none. No process is started.
    std::string instance() const;
    int pid() const;  // 0: none
    const OvsPaths& paths() const { return paths_; }

private:
    CommandRunner& runner_;
    OvsPaths paths_;
};

// Whether the kernel has Open vSwitch's datapath (its generic netlink family is there). `datapath_types` in OVSDB lists it either way.
bool kernel_datapath();

}  // namespace pilvi::network_agent
