#pragma once
// oslo.policy's rule language: "role:admin or (role:member and project_id:%(project_id)s)", "rule:x", "not", "@", "!", "'text':%(a.b)s".
// Source: oslo.policy documentation, "Policy rule expressions". Remote checks ("http:") are refused when loaded.
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "identity/identity.h"

namespace pilvi::api {

// Which tokens an operation is for. A token without a scope counts as one of a project, as in oslo.policy.
enum Scopes : unsigned {
    system_scope = 1u << 0,
    domain_scope = 1u << 1,
    project_scope = 1u << 2,
    system_or_project = system_scope | project_scope,
    any_scope = system_scope | domain_scope | project_scope,
};

struct PolicyRule {
    std::string_view name;
    std::string_view check;
    std::string_view description = {};
};

class Check;  // a parsed expression

// Throws Error(bad_request) saying what is wrong and where. Nesting is bounded (64). Fuzzed.
std::shared_ptr<const Check> parse_check(std::string_view text);

class Policy {
public:
    // Defaults first wins over nothing; a later add of the same name replaces.
    void add(std::string_view name, std::string_view check);
    void add(std::span<const PolicyRule> rules);
    // Callers of another scope than these are denied, whatever the check says (overrides from a file, too).
    void limit_scope(std::string_view name, unsigned scopes);
    void enforce_scope(bool on) { enforce_scope_ = on; }  // on unless said otherwise
    // Overrides from a policy.yaml (a mapping name: check); Error(bad_request) with the file's name on anything else.
    void load_file(const std::string& path);
    // An unknown rule denies. `target` gives %(a.b)s its values.
    bool allows(std::string_view rule, const Context& who, const json::object& target) const;
    // The same for a check expression that is not a named rule (cached by its text).
    bool allows_check(std::string_view check, const Context& who, const json::object& target) const;
    bool knows(std::string_view rule) const { return rules_.find(rule) != rules_.end(); }

private:
    friend class Check;
    std::map<std::string, std::shared_ptr<const Check>, std::less<>> rules_;
    std::map<std::string, unsigned, std::less<>> scopes_;  // of the rules that are not for every scope
    bool enforce_scope_ = true;
};

}  // namespace pilvi::api
