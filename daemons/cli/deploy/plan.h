#pragma once
// What a deployment finds and does, decided without touching a machine.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "deploy/answers.h"
#include "node/facts.h"

namespace pilvi::cli {

// What a look at a machine said: its facts, or why there are none.
struct Look {
    std::optional<NodeFacts> facts;
    std::string failure;
};

struct Trouble {
    std::string host;
    bool fatal = true;
    std::string reason, remedy;
};
// By host name as the deployment writes it. `now` is this machine's clock.
std::vector<Trouble> preflight(const Deployment& deployment, const std::map<std::string, Look>& looks, Micros now);

struct Step {
    enum class Kind { file, secret, bridge, roles, bootstrap, wait_for_cluster, join, wait_until_ready };
    Kind kind;
    std::string host;
    std::string text;                     // for people: what changes
    std::string path = {}, content = {};  // file, secret; bridge: its name, the interface
    std::vector<std::string> roles = {};  // roles, join
};
// In order; those of different hosts may be done side by side once the controller's are done. What the facts say is so already is left out, where
// there are facts.
std::vector<Step> plan(const Deployment& deployment, const std::map<std::string, Look>& looks);

}  // namespace pilvi::cli
