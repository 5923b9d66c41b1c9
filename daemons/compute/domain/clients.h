#pragma once
// The services that compute talks to, as interfaces: over HTTP in clients/, in memory in the tests. Bodies are those of the public APIs.
// Every call may throw Error(unavailable), Error(timeout), Error(bad_gateway) where the service cannot be asked: try again later.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"

namespace pilvi::compute {

class ImageClient {
public:
    virtual ~ImageClient() = default;
    // The image as its service shows it to the bearer of `token` ("" = our own service user); nullopt where it does not.
    virtual std::optional<json::object> image(const std::string& token, const std::string& id) = 0;
};

struct Provider {
    std::string id;
    std::map<std::string, double> capacity, used;
};

class PlacementClient {
public:
    virtual ~PlacementClient() = default;
    // Providers that have all of `resources` and the traits.
    virtual std::vector<Provider> candidates(const std::map<std::string, std::int64_t>& resources, const std::set<std::string>& required,
                                             const std::set<std::string>& forbidden) = 0;
    // The provider that holds the consumer's allocation; nullopt: there is none.
    virtual std::optional<std::string> holder(const std::string& consumer) = 0;
    enum class Claim { done, conflict /* somebody was faster: try again */, full /* no room */ };
    virtual Claim claim(const std::string& consumer, const std::string& provider, const std::map<std::string, std::int64_t>& resources,
                        const std::string& project_id, const std::string& user_id) = 0;
    virtual void release(const std::string& consumer) = 0;  // also where there is nothing
    // Of a node that is no more; also where it is gone. Error(conflict) while it has allocations.
    virtual void remove_provider(const std::string& provider) = 0;
};

class NetworkClient {
public:
    virtual ~NetworkClient() = default;
    // GET /v2.0/<collection>?<query>: the rows. `token` "" = our own service user.
    virtual json::array list(const std::string& token, const std::string& collection, const std::string& query) = 0;
    // One object ("networks", id); nullopt where it is not visible.
    virtual std::optional<json::object> show(const std::string& token, const std::string& collection, const std::string& id) = 0;
    // As our service user. Errors of the service (conflict, over_quota as forbidden or conflict, bad_request) are thrown with its message.
    virtual json::object create_port(const json::object& port) = 0;
    virtual json::object update_port(const std::string& id, const json::object& port) = 0;
    virtual void delete_port(const std::string& id) = 0;  // also where it is gone
    // The ids of ports, groups: project's auto-allocated topology. nullopt where the service has none.
    virtual std::optional<std::string> auto_allocated_network(const std::string& token, const std::string& project_id) = 0;
};

class AgentClient {
public:
    virtual ~AgentClient() = default;
    // The console's last `lines` lines (-1: all). nullopt: the node does not know the server.
    virtual std::optional<std::string> console(const std::string& host, const std::string& agent_url, const std::string& server_id,
                                               std::int64_t lines) = 0;
};

}  // namespace pilvi::compute
