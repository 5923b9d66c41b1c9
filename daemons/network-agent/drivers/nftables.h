#pragma once
// nft in a namespace.
#include <string>

#include "command/command.h"

namespace pilvi::network_agent {

// Applies a ruleset text in the namespace as one transaction.
inline void apply_ruleset(CommandRunner& runner, const std::string& name, const std::string& ruleset) {
    runner.check(Command{.argv = {"/usr/bin/ip", "netns", "exec", name, "/usr/sbin/nft", "-f", "-"}, .input = ruleset});
}

}  // namespace pilvi::network_agent
