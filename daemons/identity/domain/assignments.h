#pragma once
// Role assignments: who has which role where, written down and in effect (by groups, by inheritance, by implication). Rules only.
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pilvi::identity {

enum class Target : std::uint8_t { project, domain, system };

struct Assignment {
    bool group = false;  // the actor is a group
    std::string actor_id;
    Target target = Target::project;
    std::string target_id;  // "system" for Target::system
    std::string role_id;
    bool inherited = false;  // holds for the projects below the target, not on it
    auto operator<=>(const Assignment&) const = default;
};

// An assignment in effect, and where it comes from ("" = does not apply).
struct Effective {
    Assignment assignment;      // of a user (or of a group whose members are not known), on one project, domain or the system; not inherited
    std::string group_id;       // through this group
    std::string prior_role_id;  // implied by this role
    Target from = Target::project;
    std::string from_id;  // inherited from this project or domain
    auto operator<=>(const Effective&) const = default;
};

// prior role -> roles that it implies directly.
using Implications = std::map<std::string, std::set<std::string>, std::less<>>;
// group -> users.
using Members = std::map<std::string, std::vector<std::string>, std::less<>>;

struct ProjectNode {
    std::string parent_id;  // "" for a domain; a top-level project's is its domain
    std::string domain_id;
    bool is_domain = false;
};

class ProjectTree {
public:
    void add(const std::string& id, ProjectNode node);
    // From the parent upwards; the domain is the last.
    std::vector<std::string> ancestors(std::string_view id) const;
    // Everything below, parents before children; of a domain: its projects.
    std::vector<std::string> below(std::string_view id) const;
    const ProjectNode* find(std::string_view id) const;

private:
    std::map<std::string, ProjectNode, std::less<>> nodes_;
    std::map<std::string, std::vector<std::string>, std::less<>> children_;
};

// The roles and everything they imply, in no particular order, each once.
std::set<std::string> with_implied(const std::set<std::string>& roles, const Implications& implications);

// Whether `assignment` (of an actor that counts) gives its role on the target; `ancestors` is ProjectTree::ancestors of a project target.
bool applies(const Assignment& assignment, Target target, std::string_view target_id, std::span<const std::string> ancestors);

// Every assignment in effect.
std::vector<Effective> expand(std::span<const Assignment> assignments, const Members& members, const ProjectTree& tree,
                              const Implications& implications);

}  // namespace pilvi::identity
