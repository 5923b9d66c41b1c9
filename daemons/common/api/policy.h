#pragma once
// oslo.policy's rule language: "role:admin or (role:member and project_id:%(project_id)s)", "rule:x", "not", "@", "!", "'text':%(a.b)s".
// Source: oslo.policy documentation, "Policy rule expressions". Remote checks ("http:") are refused when loaded.
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

// Why a decision was what it was: a node of the rule's tree, and what of it held.
struct Explanation {
    std::string text;  // "role:admin", "and", the rule's name
    std::string note;  // what was compared; "" where the text says it
    bool held = false;
    std::vector<Explanation> parts = {};
};

class Policy {
public:
    struct Rule {
        std::shared_ptr<const Check> check;
        std::string text;
        std::string_view description = {};
    };
    // A later add of the same name replaces.
    void add(std::string_view name, std::string_view check);
    void add(std::span<const PolicyRule> rules);
    // Overrides from a policy.yaml (or .json): a mapping of names to checks, or to lists of lists (any of: all of). All or nothing:
    // Error(bad_request) with a line "FILE:LINE: what" for every fault: a broken check, a name that is there twice, a reference to a rule that
    // nobody defines, rules in a circle. Returns what is only suspicious, in the same form: names that this service has no operation for.
    std::vector<std::string> load_file(const std::string& path);
    // In files, `old_name` stands for `name` unless that is given, too (oslo.policy's deprecated rules). Before load_file().
    void rename(std::string_view old_name, std::string_view name) { renamed_[std::string(old_name)] = name; }
    // Callers of another scope than these are denied, whatever the check says (overrides from a file, too).
    void limit_scope(std::string_view name, unsigned scopes);
    void enforce_scope(bool on) { enforce_scope_ = on; }  // on unless said otherwise

    // An unknown rule is decided by the rule "default", and denied where there is none. `target` gives %(a.b)s its values.
    bool allows(std::string_view rule, const Context& who, const json::object& target) const;
    // The same for a check expression that is not a named rule (cached by its text).
    bool allows_check(std::string_view check, const Context& who, const json::object& target) const;
    // The same decision with its reasons; slow.
    Explanation explain(std::string_view rule, const Context& who, const json::object& target) const;
    bool knows(std::string_view rule) const { return rules_.contains(rule); }
    const std::map<std::string, Rule, std::less<>>& rules() const { return rules_; }

private:
    friend class Check;
    std::shared_ptr<const Check> find(std::string_view rule) const;
    std::map<std::string, Rule, std::less<>> rules_;
    std::map<std::string, std::string, std::less<>> renamed_;
    bool scope_fits(std::string_view rule, const Context& who) const;
    std::map<std::string, unsigned, std::less<>> scopes_;  // of the rules that are not for every scope
    bool enforce_scope_ = true;
};

}  // namespace pilvi::api
