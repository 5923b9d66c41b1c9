#include "domain/assignments.h"

#include <algorithm>
#include <deque>

namespace pilvi::identity {

namespace {
constexpr std::size_t deepest = 64;  // ends a cycle that a broken database may hold
}

void ProjectTree::add(const std::string& id, ProjectNode node) {
    if (!node.parent_id.empty()) children_[node.parent_id].push_back(id);
    nodes_.insert_or_assign(id, std::move(node));
}

const ProjectNode* ProjectTree::find(std::string_view id) const {
    const auto found = nodes_.find(id);
    return found == nodes_.end() ? nullptr : &found->second;
}

std::vector<std::string> ProjectTree::ancestors(std::string_view id) const {
    std::vector<std::string> out;
    for (const ProjectNode* at = find(id); at && !at->parent_id.empty() && out.size() < deepest; at = find(out.back())) out.push_back(at->parent_id);
    return out;
}

std::vector<std::string> ProjectTree::below(std::string_view id) const {
    std::vector<std::string> out;
    std::set<std::string, std::less<>> seen{std::string(id)};
    std::deque<std::string> work{std::string(id)};
    while (!work.empty()) {
        const auto children = children_.find(work.front());
        work.pop_front();
        if (children == children_.end()) continue;
        for (const std::string& child : children->second)
            if (seen.insert(child).second) {
                out.push_back(child);
                work.push_back(child);
            }
    }
    return out;
}

std::set<std::string> with_implied(const std::set<std::string>& roles, const Implications& implications) {
    std::set<std::string> all = roles;
    std::deque<std::string> work(roles.begin(), roles.end());
    while (!work.empty()) {
        const auto implied = implications.find(work.front());
        work.pop_front();
        if (implied == implications.end()) continue;
        for (const std::string& role : implied->second)
            if (all.insert(role).second) work.push_back(role);
    }
    return all;
}

bool applies(const Assignment& a, Target target, std::string_view target_id, std::span<const std::string> ancestors) {
    if (!a.inherited) return a.target == target && (target == Target::system || a.target_id == target_id);
    return target == Target::project && a.target != Target::system && std::find(ancestors.begin(), ancestors.end(), a.target_id) != ancestors.end();
}

namespace {

// By inheritance: one per project below.
std::vector<Effective> spread(const Assignment& a, const ProjectTree& tree) {
    if (!a.inherited) return {{.assignment = a}};
    std::vector<Effective> out;
    for (const std::string& project : tree.below(a.target_id)) {
        Effective e{.assignment = a, .from = a.target, .from_id = a.target_id};
        e.assignment.target = Target::project;
        e.assignment.target_id = project;
        e.assignment.inherited = false;
        out.push_back(std::move(e));
    }
    return out;
}

}  // namespace

std::vector<Effective> expand(std::span<const Assignment> assignments, const Members& members, const ProjectTree& tree,
                              const Implications& implications) {
    std::set<Effective> out;
    for (const Assignment& assignment : assignments) {
        std::vector<Effective> placed = spread(assignment, tree);
        std::vector<Effective> of_users;
        for (const Effective& e : placed) {
            if (!e.assignment.group) {
                of_users.push_back(e);
                continue;
            }
            const auto users = members.find(e.assignment.actor_id);
            if (users == members.end()) continue;
            for (const std::string& user : users->second) {
                Effective of_user = e;
                of_user.group_id = e.assignment.actor_id;
                of_user.assignment.group = false;
                of_user.assignment.actor_id = user;
                of_users.push_back(std::move(of_user));
            }
        }
        // Implied ones name the role that implies them directly.
        for (const Effective& e : of_users) {
            out.insert(e);
            std::set<std::string> seen{e.assignment.role_id};
            std::deque<std::string> work{e.assignment.role_id};
            while (!work.empty()) {
                const std::string prior = work.front();
                work.pop_front();
                const auto implied = implications.find(prior);
                if (implied == implications.end()) continue;
                for (const std::string& role : implied->second) {
                    if (!seen.insert(role).second) continue;
                    Effective i = e;
                    i.assignment.role_id = role;
                    i.prior_role_id = prior;
                    out.insert(std::move(i));
                    work.push_back(role);
                }
            }
        }
    }
    return {out.begin(), out.end()};
}

}  // namespace pilvi::identity
