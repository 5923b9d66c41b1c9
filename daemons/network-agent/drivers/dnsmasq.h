#pragma once
// dnsmasq of one network: started in its namespace, found again by its pid file and command line, ended by pid.
#include <set>
#include <string>
#include <vector>

#include "command/command.h"

namespace pilvi::network_agent {

class Dnsmasq {
public:
    // `directory`: one subdirectory per network ("/var/lib/pilvi/network-agent/dhcp").
    Dnsmasq(CommandRunner& runner, std::string directory) : runner_(runner), directory_(std::move(directory)) {}
    std::string directory(const std::string& network_id) const { return directory_ + "/" + network_id; }
    // The pid of the network's running dnsmasq, 0 where there is none. No process is started.
    int pid(const std::string& network_id) const;
    void start(const std::string& network_id, const std::string& network_namespace);
    void reload(const std::string& network_id) const;  // SIGHUP: reads hosts and options again
    // Ends it (SIGTERM, SIGKILL after 2 s); nothing where it does not run.
    void stop(const std::string& network_id) const;
    // Removes the network's directory.
    void forget(const std::string& network_id) const;
    // Networks that have a directory.
    std::vector<std::string> networks() const;

private:
    CommandRunner& runner_;
    std::string directory_;
};

}  // namespace pilvi::network_agent
