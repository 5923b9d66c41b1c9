#pragma once
// Notices what calls for a pass: a change in OVSDB (at once), the switch, a dnsmasq or the metadata server gone or back (within a second).
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "base/fd.h"
#include "drivers/ovsdb.h"

namespace pilvi::network_agent {

class Watcher {
public:
    // `files`: their identity (inode, times) is watched. `children`: pids to watch. `changed` is called on the watcher's thread.
    Watcher(std::string database, std::vector<std::string> files, std::function<std::set<int>()> children, std::function<void()> changed);
    ~Watcher();

private:
    void run();
    std::string database_;
    std::vector<std::string> files_;
    std::function<std::set<int>()> children_;
    std::function<void()> changed_;
    UniqueFd stop_;
    std::thread thread_;
};

}  // namespace pilvi::network_agent
