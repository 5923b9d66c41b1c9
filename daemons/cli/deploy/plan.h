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
    Micros at = 0;  // this machine's clock when the answer came
};

struct Trouble {
    std::string host;
    bool fatal = true;
    std::string reason, remedy;
};
// By host name as the deployment writes it.
std::vector<Trouble> preflight(const Deployment& deployment, const std::map<std::string, Look>& looks);

struct Step {
    enum class Kind { install, file, secret, bridge, roles, bootstrap, wait_for_cluster, join, wait_until_ready, provision };
    Kind kind;
    std::string host;
    std::string text;                     // for people: what changes
    std::string path = {}, content = {};  // file, secret; bridge: its name, the interface; install: content: the line for sources.list
    std::vector<std::string> roles = {};  // install, roles, join; provision: the command's arguments
};
// The packages that machines lack. What comes after them is planned when they are there.
std::vector<Step> installations(const Deployment& deployment, const std::map<std::string, Look>& looks);
// In order; those of different hosts may be done side by side once the controller's are done. What the facts say is so already is left out, where
// there are facts.
std::vector<Step> plan(const Deployment& deployment, const std::map<std::string, Look>& looks);

}  // namespace pilvi::cli
