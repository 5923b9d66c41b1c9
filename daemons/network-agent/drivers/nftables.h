#pragma once
// nft in a namespace.
#include <string>
#include <utility>
#include <vector>

#include "command/command.h"

namespace pilvi::network_agent {

// Applies a ruleset text in the namespace, "" for the caller's own, as one transaction.
inline void apply_ruleset(CommandRunner& runner, const std::string& name, const std::string& ruleset) {
    std::vector<std::string> argv{"/usr/sbin/nft", "-f", "-"};
    if (!name.empty()) argv.insert(argv.begin(), {"/usr/bin/ip", "netns", "exec", name});
    runner.check(Command{.argv = std::move(argv), .input = ruleset});
}

}  // namespace pilvi::network_agent
