#pragma once
// Federation mappings: what an identity provider asserts of a user, turned into a local user, groups and projects. Rules only.
// Source: keystone/federation/utils.py and the Keystone administrator's guide, "Mapping Combinations".
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pilvi::identity {

// Attribute -> value; several values of one attribute are separated by ';'.
using Assertion = std::map<std::string, std::string, std::less<>>;

// Throws Error(bad_request) with every fault of a mapping ({"rules": [...]}), one a line, in the original's words.
void check_mapping(const json::object& mapping);

struct DomainReference {
    std::string id, name;  // one of them is ""
};
struct MappedGroup {
    std::string name;
    DomainReference domain;
};
struct MappedProject {
    std::string name;
    std::vector<std::string> roles;  // names
};
struct Mapped {
    bool local = false;  // the user is one that exists here; otherwise a shadow of the identity provider's user is kept
    std::string user_id, user_name, email;
    bool has_domain = false;  // user.domain was there
    DomainReference user_domain;
    std::vector<std::string> group_ids;
    std::vector<MappedGroup> groups;
    std::vector<MappedProject> projects;
    // As keystone-manage mapping_engine prints it.
    json::object to_json() const;
};

// Applies the rules (of a mapping that check_mapping() let pass; anything else is an Error too). Error(bad_request): no rule fits, or what
// comes out is no user. Error(internal): a rule that cannot work, e.g. {3} where only two values are mapped, or a broken regular expression.
Mapped apply_mapping(const json::array& rules, const Assertion& assertion);

}  // namespace pilvi::identity
