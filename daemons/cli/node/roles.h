#pragma once
// The roles of this node: the systemd targets that are enabled.
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "command/command.h"
#include "node/membership.h"

namespace pilvi::cli {

inline constexpr std::string_view role_names[] = {"controller", "compute", "network", "storage"};
bool is_role(std::string_view name);
// Its daemons, without "pilvi-"; none for a role that does not exist or has none yet.
std::span<const std::string_view> daemons_of(std::string_view role);
// Whether one of these roles needs the daemon of that unit ("pilvi-NAME.service"), which may be enabled for other roles as well.
bool is_wanted(std::string_view unit, const std::vector<std::string>& roles);

class Roles {
public:
    Roles(CommandRunner& runner, MemberPlaces places) : runner_(runner), places_(std::move(places)) {}
    // In the order of role_names. Throws where systemd cannot be asked.
    std::vector<std::string> enabled();
    // Enables and starts; what runs already is started again where its configuration changed.
    // Throws Error(forbidden) where the node's certificate does not name the role, Error(unavailable) where its package is not installed.
    void add(const std::vector<std::string>& roles);
    // Stops and disables. Error(conflict) for compute while servers are on this node.
    void remove(const std::string& role, Micros now);
    // The agents are started again where they run: their configuration changed.
    void restart_agents();

private:
    std::string configuration_now() const;
    void systemctl(std::vector<std::string> arguments);
    CommandRunner& runner_;
    MemberPlaces places_;
};

}  // namespace pilvi::cli
