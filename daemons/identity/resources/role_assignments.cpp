// GET /v3/role_assignments: what is written down, or (?effective) what is in effect.
#include <algorithm>
#include <map>

#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

struct Filters {
    std::string user, group, role, project, domain;
    bool system = false, effective = false, names = false, subtree = false;
    std::optional<bool> inherited;
};

Filters read_filters(const Call& call) {
    const auto text = [&](std::string_view name) { return call.query.get(name).value_or(""); };
    Filters f{text("user.id"), text("group.id"), text("role.id"), text("scope.project.id"), text("scope.domain.id")};
    f.system = !text("scope.system").empty();
    f.effective = is_set(call, "effective");
    f.names = is_set(call, "include_names");
    f.subtree = is_set(call, "include_subtree");
    if (const auto to = call.query.get("scope.OS-INHERIT:inherited_to")) f.inherited = *to == "projects";
    const auto not_both = [](bool both, const char* what) {
        if (both) throw Error(Errc::bad_request, std::string("Specify ") + what + ", not both");
    };
    not_both(!f.domain.empty() && !f.project.empty(), "a domain or project");
    not_both(!f.domain.empty() && f.system, "system or domain");
    not_both(!f.project.empty() && f.system, "system or project");
    not_both(!f.user.empty() && !f.group.empty(), "a user or group");
    if (f.effective && !f.group.empty()) throw Error(Errc::bad_request, "Combining effective and group filter will always result in an empty list.");
    if (f.effective && f.inherited.value_or(false) && !f.domain.empty())
        throw Error(Errc::bad_request, "Combining effective, domain and inherited filters will always result in an empty list.");
    if (f.subtree && f.project.empty()) throw Error(Errc::bad_request, "scope.project.id must be specified if include_subtree is also specified");
    return f;
}

class Lister {
public:
    Lister(Call& call, Tx& tx) : call_(call), tx_(tx), filters_(read_filters(call)), tree_(load_tree(tx)) {}

    json::object answer() {
        json::array out;
        for (const Effective& e : all())
            if (wanted(e)) out.push_back(format(e));
        return {{"role_assignments", std::move(out)}, {"links", page_links(call_)}};
    }

private:
    std::vector<Effective> all() {
        // Those of one user need no others, unless a role on a group is asked for.
        const std::vector<Assignment> written =
            filters_.effective && !filters_.user.empty() ? load_assignments(tx_, filters_.user) : load_assignments(tx_);
        std::vector<Effective> out;
        if (filters_.effective) {
            out = expand(written, load_members(tx_), tree_, load_implications(tx_));
            // A role of one domain gives what it implies, and nothing by itself.
            std::set<std::string> local;
            for (const Row& row : tx_.query("SELECT id FROM roles WHERE domain_id IS NOT NULL")) local.insert(row.at(0).text());
            std::erase_if(out, [&](const Effective& e) { return local.contains(e.assignment.role_id); });
            return out;
        }
        for (const Assignment& a : written) out.push_back({.assignment = a});
        return out;
    }

    bool in_scope(const Assignment& a) {
        if (filters_.system) return a.target == Target::system;
        if (!filters_.domain.empty()) return a.target == Target::domain && a.target_id == filters_.domain;
        if (filters_.project.empty()) return true;
        if (a.target != Target::project) return false;
        if (a.target_id == filters_.project) return true;
        const std::vector<std::string> above = filters_.subtree ? tree_.ancestors(a.target_id) : std::vector<std::string>();
        return std::find(above.begin(), above.end(), filters_.project) != above.end();
    }

    bool wanted(const Effective& e) {
        const Assignment& a = e.assignment;
        if (!filters_.role.empty() && a.role_id != filters_.role) return false;
        if (!filters_.user.empty() && (a.group || a.actor_id != filters_.user)) return false;
        if (!filters_.group.empty() && (!a.group || a.actor_id != filters_.group)) return false;
        const bool inherited = a.inherited || !e.from_id.empty();
        if (filters_.inherited && *filters_.inherited != inherited) return false;
        if (!in_scope(a)) return false;
        // A token of a domain sees that domain only.
        const std::string& mine = call_.who.domain_id;
        if (mine.empty() || a.target_id == mine) return true;
        const ProjectNode* project = a.target == Target::project ? tree_.find(a.target_id) : nullptr;
        return project && project->domain_id == mine;
    }

    // id and, where asked for, name and domain.
    json::object named(std::string_view table, const std::string& id, bool with_domain) {
        json::object out{{"id", id}};
        if (!filters_.names) return out;
        auto& names = names_[std::string(table)];
        if (names.empty())
            for (const Row& row : tx_.query("SELECT id, name, domain_id FROM " + std::string(table)))
                names[row.at(0).text()] = {row.at(0).text(), row.at(1).text(), row.at(2).text()};
        const RoleRecord& found = names[id];
        out["name"] = found.name;
        if (with_domain) out["domain"] = {{"id", found.domain_id}, {"name", domain_name(found.domain_id)}};
        return out;
    }
    std::string domain_name(const std::string& id) {
        if (id.empty()) return {};
        named("projects", id, false);
        return names_["projects"][id].name;
    }

    json::object scope(const Effective& e) {
        const Assignment& a = e.assignment;
        json::object out;
        if (a.target == Target::system) out["system"] = {{"all", true}};
        else out[name_of(a.target)] = named("projects", a.target_id, a.target == Target::project);
        if (a.inherited || !e.from_id.empty()) out["OS-INHERIT:inherited_to"] = "projects";
        return out;
    }

    json::object links(const Effective& e) {
        const Assignment& a = e.assignment;
        const bool inherited = a.inherited || !e.from_id.empty();
        const Target target = e.from_id.empty() ? a.target : e.from;
        std::string path = inherited ? "OS-INHERIT/" : "";
        path += target == Target::system ? "system" : std::string(name_of(target)) + "s/" + (e.from_id.empty() ? a.target_id : e.from_id);
        const bool by_group = a.group || !e.group_id.empty();
        path += std::string(by_group ? "/groups/" : "/users/") + (e.group_id.empty() ? a.actor_id : e.group_id);
        path += "/roles/" + (e.prior_role_id.empty() ? a.role_id : e.prior_role_id) + (inherited ? "/inherited_to_projects" : "");
        json::object out{{"assignment", link(call_, path)}};
        if (!e.group_id.empty()) out["membership"] = link(call_, "groups/" + e.group_id + "/users/" + a.actor_id);
        if (!e.prior_role_id.empty()) out["prior_role"] = link(call_, "prior_role/" + e.prior_role_id + "/implies/" + a.role_id);
        return out;
    }

    json::object format(const Effective& e) {
        const Assignment& a = e.assignment;
        json::object out{{"links", links(e)}, {"scope", scope(e)}};
        if (a.group) out["group"] = named("user_groups", a.actor_id, true);
        else out["user"] = named("users", a.actor_id, true);
        json::object role = named("roles", a.role_id, false);
        if (filters_.names)
            if (const std::string domain = names_["roles"][a.role_id].domain_id; !domain.empty())
                role["domain"] = {{"id", domain}, {"name", domain_name(domain)}};
        out["role"] = std::move(role);
        return out;
    }

    Call& call_;
    Tx& tx_;
    Filters filters_;
    ProjectTree tree_;
    std::map<std::string, std::map<std::string, RoleRecord>> names_;  // by table
};

// Two rules, as in the original.
Reply list_assignments(Call& call) {
    if (is_set(call, "include_subtree")) {
        json::object target;
        call.store().read([&](Tx& tx) {
            if (const auto project = find_project(tx, call.query.get("scope.project.id").value_or("")))
                target["project"] = {{"id", project->id}, {"domain_id", project->domain_id}};
        });
        call.enforce("identity:list_role_assignments_for_tree", {{"target", std::move(target)}});
    } else {
        call.enforce("identity:list_role_assignments", {{"target", {{"domain_id", call.who.domain_id}}}});
    }
    return call.store().read([&](Tx& tx) -> Reply { return Lister(call, tx).answer(); });
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/v3/role_assignments", .policy = "identity:use_role_assignment_api", .check = anyone, .handler = &list_assignments},
};
static_assert(sound(routes));

}  // namespace

std::span<const Route> assignment_routes() { return routes; }

}  // namespace pilvi::identity
