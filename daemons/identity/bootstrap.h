#pragma once
// What a cloud needs before anybody can log in. Written into the database directly, also while the daemon runs (it notices within a second).
#include <map>
#include <string>
#include <vector>

#include "auth/tokens.h"
#include "base/secret.h"
#include "config/config.h"
#include "domain/password.h"
#include "service/arguments.h"

namespace pilvi::identity {

struct BootstrapPlan {
    Secret admin_password;                            // of user admin
    std::map<std::string, Secret> service_passwords;  // by user: nova, neutron, glance, placement, ...
    std::string region = "RegionOne";
    std::map<std::string, std::string> endpoints;  // service type -> URL of its public, internal and admin endpoint
};

// The endpoints of the standard services on `host`, with the original's ports.
std::map<std::string, std::string> standard_endpoints(const std::string& host);

// Makes or repairs: domain Default (id "default"), projects admin and service, roles admin > manager > member > reader and service, the users with
// these passwords and their roles, the region, services and endpoints. What is right already stays as it is. Returns what was changed, a line each;
// empty where nothing was.
std::vector<std::string> bootstrap(Store& store, const PasswordHasher& hasher, const BootstrapPlan& plan, Micros now);

// pilvi-identity bootstrap, with the arguments of subcommands::bootstrap. Returns 0.
int run_bootstrap(const Config& config, const Arguments& arguments);
}  // namespace pilvi::identity
