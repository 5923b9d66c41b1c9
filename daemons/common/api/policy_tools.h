#pragma once
// Around a service's policy: its overrides as configured, a sample file of its defaults, and why a decision is what it is.
#include <string>
#include <string_view>
#include <vector>

#include "api/service.h"
#include "config/config.h"
#include "service/service.h"

namespace pilvi::api {

// policy.file, else /etc/pilvi/<daemon>/policy.yaml where there is one, else "".
std::string policy_file(const Config& config, std::string_view daemon);
// Overrides and scope as configured; logs what is suspicious. Throws Error(bad_request), see Policy::load_file().
void configure_policy(Service& service, const Config& config, std::string_view daemon);

// For DaemonSpec::check and the daemon's subcommands: policy-list and policy-check.
struct PolicyTools {
    std::string_view daemon;
    ServiceSpec (*spec)();
    // --check: throws what configure_policy() would; prints what is suspicious.
    void check(const Config& config) const;
    std::vector<Subcommand> commands() const;
};

// One declared operation: "GET", "/v3/users/{id}", "identity:get_user".
struct DeclaredOperation {
    std::string method, path, policy;
};
std::vector<DeclaredOperation> declared_operations(const ServiceSpec& spec);
// The defaults of every rule, in a service's order of names, as a policy.yaml whose every line is a comment.
std::string sample_policy(const ServiceSpec& spec);

// What the arguments of policy-check (subcommands::policy_check) say. Throws Error(bad_request).
struct PolicyQuestion {
    std::string operation;  // a rule's name, or METHOD and path
    Context who;
    json::object target;
};
PolicyQuestion read_question(const Arguments& arguments);
// The answer as a tree of text, its first line "allowed" or "denied".
std::string explain_decision(const ServiceSpec& spec, const Policy& policy, const PolicyQuestion& question);

}  // namespace pilvi::api
