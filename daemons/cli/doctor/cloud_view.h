#pragma once
// What the APIs say there is.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "identity/identity.h"

namespace pilvi::cli {

struct ServerRow {
    std::string id, host, status, task_state, instance_name;
};
struct PortRow {
    std::string id, network_id, device_id, device_owner, host;
};
struct AgentRow {
    std::string kind, host;  // "nova-compute", "Open vSwitch agent"
    bool up = false, enabled = true;
};
struct AllocationRow {
    std::string consumer, provider;
};

struct CloudView {
    bool compute = false, network = false, placement = false, image = false, identity = false;  // that API answered
    std::map<std::string, ServerRow> servers;
    std::map<std::string, PortRow> ports;
    std::set<std::string> networks, routers;
    std::vector<AgentRow> agents;
    std::map<std::string, std::string> providers;  // id -> name
    std::vector<AllocationRow> allocations;
    std::vector<std::string> troubles;  // an API that did not answer, and why
};

// The session of the administrator (or of the service user nova, where there is no administrator's password on this node), in the region that
// `configuration`/node.env names.
SessionOptions admin_session(const std::string& auth_url, const std::string& credentials, const std::string& configuration);
CloudView look_at_cloud(Session& session);
std::vector<AgentRow> look_at_agents(Session& session);

}  // namespace pilvi::cli
