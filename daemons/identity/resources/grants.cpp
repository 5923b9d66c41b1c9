// Grants: PUT, GET/HEAD, DELETE and lists of the roles of one user or group on one project, domain or the system.
#include <array>

#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

// One row per kind of path; the handlers read everything else from it.
struct Place {
    std::string_view list;  // path of the roles
    std::string_view item;  // path of one role
    Target target;
    bool group;
    bool inherited;
};

constexpr Place places[] = {
    {"/v3/projects/{target_id}/users/{actor_id}/roles", "/v3/projects/{target_id}/users/{actor_id}/roles/{role_id}", Target::project, false, false},
    {"/v3/projects/{target_id}/groups/{actor_id}/roles", "/v3/projects/{target_id}/groups/{actor_id}/roles/{role_id}", Target::project, true, false},
    {"/v3/domains/{target_id}/users/{actor_id}/roles", "/v3/domains/{target_id}/users/{actor_id}/roles/{role_id}", Target::domain, false, false},
    {"/v3/domains/{target_id}/groups/{actor_id}/roles", "/v3/domains/{target_id}/groups/{actor_id}/roles/{role_id}", Target::domain, true, false},
    {"/v3/OS-INHERIT/projects/{target_id}/users/{actor_id}/roles/inherited_to_projects",
     "/v3/OS-INHERIT/projects/{target_id}/users/{actor_id}/roles/{role_id}/inherited_to_projects", Target::project, false, true},
    {"/v3/OS-INHERIT/projects/{target_id}/groups/{actor_id}/roles/inherited_to_projects",
     "/v3/OS-INHERIT/projects/{target_id}/groups/{actor_id}/roles/{role_id}/inherited_to_projects", Target::project, true, true},
    {"/v3/OS-INHERIT/domains/{target_id}/users/{actor_id}/roles/inherited_to_projects",
     "/v3/OS-INHERIT/domains/{target_id}/users/{actor_id}/roles/{role_id}/inherited_to_projects", Target::domain, false, true},
    {"/v3/OS-INHERIT/domains/{target_id}/groups/{actor_id}/roles/inherited_to_projects",
     "/v3/OS-INHERIT/domains/{target_id}/groups/{actor_id}/roles/{role_id}/inherited_to_projects", Target::domain, true, true},
    {"/v3/system/users/{actor_id}/roles", "/v3/system/users/{actor_id}/roles/{role_id}", Target::system, false, false},
    {"/v3/system/groups/{actor_id}/roles", "/v3/system/groups/{actor_id}/roles/{role_id}", Target::system, true, false},
};

const Place& place_of(const Call& call) {
    for (const Place& place : places)
        if (call.route.path == place.list || call.route.path == place.item) return place;
    throw Error(Errc::internal, "a grant route without a place");
}

const Resource& actor_resource(const Place& place) { return place.group ? group_resource : user_resource; }
const Resource& target_resource(const Place& place) { return place.target == Target::domain ? domain_resource : project_resource; }

void target(Call& call, Tx& tx, json::object& target) {
    const Place& place = place_of(call);
    json::object objects;
    const auto add = [&](const Resource& resource, std::string_view name, std::string_view argument) {
        if (!call.path.contains(argument)) return;
        if (const auto row = find_row(tx, resource, call.arg(argument))) objects[name] = *row;
    };
    add(actor_resource(place), place.group ? "group" : "user", "actor_id");
    if (place.target != Target::system) add(target_resource(place), name_of(place.target), "target_id");
    add(role_resource, "role", "role_id");
    target["target"] = std::move(objects);
}

struct Grant {
    const Place& place;
    std::string actor_id, target_id, role_id;
    Values key() const { return {place.group ? "group" : "user", actor_id, name_of(place.target), target_id, place.inherited}; }
};
constexpr std::string_view matches_key = "actor_type = ? AND actor_id = ? AND target_type = ? AND target_id = ? AND inherited = ?";

// The grant of the path, all of it existing; the actor may be gone where it is to be taken away.
Grant grant_of(Call& call, Tx& tx, bool actor_needed = true) {
    const Place& place = place_of(call);
    Grant grant{place, call.arg("actor_id"), "system", ""};
    if (actor_needed) need_row(tx, actor_resource(place), grant.actor_id);
    if (place.target != Target::system) {
        grant.target_id = call.arg("target_id");
        if (place.target == Target::domain ? !find_domain(tx, grant.target_id) : !find_project(tx, grant.target_id))
            throw not_found(Dialect::identity, target_resource(place), grant.target_id);
    }
    if (call.path.contains("role_id")) {
        grant.role_id = call.arg("role_id");
        const auto role = find_role(tx, grant.role_id);
        if (!role) throw not_found(Dialect::identity, role_resource, grant.role_id);
    }
    return grant;
}

// A role of one domain is good in that domain only.
void check_role_domain(Tx& tx, const Grant& grant) {
    const auto role = find_role(tx, grant.role_id);
    if (role->domain_id.empty()) return;
    std::string domain = grant.target_id;
    if (grant.place.target == Target::project)
        if (const auto project = find_project(tx, grant.target_id); project && !project->is_domain) domain = project->domain_id;
    if (grant.place.target == Target::system || role->domain_id != domain)
        throw Error(Errc::forbidden, "The role " + grant.role_id + " is of the domain " + role->domain_id + " and cannot be assigned outside of it.");
}

[[noreturn]] void no_grant(const Grant& grant) {
    throw Error(Errc::not_found, "Could not find role assignment with role: " + grant.role_id + ", user or group: " + grant.actor_id +
                                     ", project, domain, or system: " + grant.target_id + ".");
}

Reply list_grants(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const Grant grant = grant_of(call, tx);
        std::vector<json::object> roles;
        for (const Row& row : tx.query("SELECT " + select_columns(role_resource) + " FROM roles t JOIN assignments a ON a.role_id = t.id WHERE " +
                                           std::string(matches_key) + " ORDER BY t.name",
                                       grant.key()))
            roles.push_back(row_to_object(role_resource, row));
        role_resource.hooks.view(call, tx, roles);
        json::array out;
        for (const json::object& role : roles) out.push_back(render(call, role_resource, role));
        return json::object{{"roles", std::move(out)}, {"links", page_links(call)}};
    });
}

Reply check_grant(Call& call) {
    call.store().read([&](Tx& tx) {
        const Grant grant = grant_of(call, tx);
        Values values = grant.key();
        values.emplace_back(grant.role_id);
        if (!tx.one("SELECT 1 FROM assignments WHERE " + std::string(matches_key) + " AND role_id = ?", values)) no_grant(grant);
    });
    return {};
}

Reply add_grant(Call& call) {
    call.store().write([&](Tx& tx) {
        const Grant grant = grant_of(call, tx);
        check_role_domain(tx, grant);
        Values values = grant.key();
        values.emplace_back(grant.role_id);
        tx.exec(
            "INSERT INTO assignments (actor_type, actor_id, target_type, target_id, inherited, role_id) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            values);
        app(call).tokens.changed(tx);
    });
    return {};
}

Reply remove_grant(Call& call) {
    call.store().write([&](Tx& tx) {
        const Grant grant = grant_of(call, tx, false);
        Values values = grant.key();
        values.emplace_back(grant.role_id);
        if (tx.exec("DELETE FROM assignments WHERE " + std::string(matches_key) + " AND role_id = ?", values) == 0) no_grant(grant);
        // As in the original: what was made with the roles of then does not come back with a later grant.
        if (grant.place.target == Target::project && !grant.place.group)
            tx.exec("DELETE FROM application_credentials WHERE user_id = ? AND project_id = ?", {grant.actor_id, grant.target_id});
        app(call).tokens.changed(tx);
    });
    return {};
}

// A reader (admin) of the domain that both the actor and the target are in.
#define PILVI_IN_DOMAIN(role)                                                                   \
    "(" role                                                                                    \
    " and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or "  \
    "(" role                                                                                    \
    " and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or "          \
    "(" role                                                                                    \
    " and domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or " \
    "(" role " and domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)"
constexpr std::string_view reader_list = "rule:admin_required or (role:reader and system_scope:all) or " PILVI_IN_DOMAIN("role:reader");
constexpr std::string_view reader =
    "rule:admin_required or (role:reader and system_scope:all) or ((" PILVI_IN_DOMAIN("role:reader") ") and "
    "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s))";
constexpr std::string_view writer =
    "rule:admin_required or ((" PILVI_IN_DOMAIN("role:admin") ") and "
    "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s))";
#undef PILVI_IN_DOMAIN

constexpr std::size_t per_place = 4;

constexpr auto make_routes() {
    std::array<Route, std::size(places) * per_place> out{};
    std::size_t at = 0;
    for (const Place& p : places) {
        const bool system = p.target == Target::system;
        out[at++] = {.method = "GET",
                     .path = p.list,
                     .policy = !system   ? "identity:list_grants"
                               : p.group ? "identity:list_system_grants_for_group"
                                         : "identity:list_system_grants_for_user",
                     .check = system ? admin_or_system_reader : reader_list,
                     .handler = &list_grants,
                     .target = &target,
                     .scopes = system ? system_or_project : any_scope};
        out[at++] = {.method = "GET",
                     .path = p.item,
                     .policy = !system   ? "identity:check_grant"
                               : p.group ? "identity:check_system_grant_for_group"
                                         : "identity:check_system_grant_for_user",
                     .check = system ? admin_or_system_reader : reader,
                     .handler = &check_grant,
                     .status = 204,
                     .target = &target,
                     .scopes = system ? system_or_project : any_scope};
        out[at++] = {.method = "PUT",
                     .path = p.item,
                     .policy = !system   ? "identity:create_grant"
                               : p.group ? "identity:create_system_grant_for_group"
                                         : "identity:create_system_grant_for_user",
                     .check = system ? admin : writer,
                     .handler = &add_grant,
                     .status = 204,
                     .target = &target,
                     .scopes = system ? system_or_project : any_scope};
        out[at++] = {.method = "DELETE",
                     .path = p.item,
                     .policy = !system   ? "identity:revoke_grant"
                               : p.group ? "identity:revoke_system_grant_for_group"
                                         : "identity:revoke_system_grant_for_user",
                     .check = system ? admin : writer,
                     .handler = &remove_grant,
                     .status = 204,
                     .target = &target,
                     .scopes = system ? system_or_project : any_scope};
    }
    return out;
}
constexpr auto routes = make_routes();
static_assert(sound(std::span<const Route>(routes)));

}  // namespace

std::span<const Route> grant_routes() { return routes; }

}  // namespace pilvi::identity
