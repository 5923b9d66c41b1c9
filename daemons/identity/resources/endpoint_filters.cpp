// OS-EP-FILTER: which endpoints a project sees, one by one or by groups.
#include "auth/endpoint_filter.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr Field fields[] = {
    {.name = "id", .use = show},
    {.name = "name", .use = create | update | required | show | filter | sort, .least = 1, .most = 255, .pattern = not_blank},
    {.name = "description", .use = create | update | show | nullable, .most = 65'536},
    {.name = "filters", .type = Type::object, .use = create | update | required | show, .extra = true},
    {.name = "links", .type = Type::object, .use = show | computed},
};

constexpr Operation operations[] = {
    {Verb::list, "identity:list_endpoint_groups", admin_or_system_reader},
    {Verb::show, "identity:get_endpoint_group", admin_or_system_reader},
    {Verb::create, "identity:create_endpoint_group", admin},
    {Verb::update, "identity:update_endpoint_group", admin},
    {Verb::remove, "identity:delete_endpoint_group", admin},
};

void before_write(Call&, Tx&, json::object& row, const json::object* before) {
    const json::object& filters = row.at("filters").as_object();
    if (!before && filters.empty()) throw Error(Errc::bad_request, "filters field is required and cannot be empty");
    for (const auto& member : filters)
        if (member.key() != "service_id" && member.key() != "region_id" && member.key() != "interface")
            throw Error(Errc::bad_request, "Expecting to find service_id or region_id or interface in endpoint_group.");
}

void after_write(Call& call, Tx& tx, const json::object&, const json::object*) { app(call).tokens.changed(tx); }
void after_remove(Call& call, Tx& tx, const json::object&) { app(call).tokens.changed(tx); }

void view(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) add_link(call, "OS-EP-FILTER/endpoint_groups", row);
}

constexpr Resource declared{
    .name = "endpoint_group",
    .plural = "endpoint_groups",
    .path = "/v3/OS-EP-FILTER/endpoint_groups",
    .table = "endpoint_groups",
    .fields = fields,
    .operations = operations,
    .hooks = {.before_write = &before_write, .after_write = &after_write, .after_remove = &after_remove, .view = &view},
    .missing = "Could not find Endpoint Group: {}.",
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .scopes = system_or_project,
    .hides = item_verbs,
};
static_assert(sound(declared));

std::vector<std::string> column(Tx& tx, const std::string& sql, const std::string& id) {
    std::vector<std::string> out;
    for (const Row& row : tx.query(sql, {id})) out.push_back(row.at(0).text());
    return out;
}

// Associations of a project with an endpoint, or with a group of endpoints: the same operations on another table.
struct Link {
    std::string_view table, column;
    const Resource& resource;
};
const Link by_endpoint{"project_endpoints", "endpoint_id", endpoint_resource};
const Link by_group{"project_endpoint_groups", "endpoint_group_id", endpoint_group_resource};

const Link& link_of(const Call& call) { return call.path.contains("endpoint_id") ? by_endpoint : by_group; }

// Both ends of the path, existing.
Values ends(Call& call, Tx& tx, const Link& link) {
    const std::string& id = call.arg(link.column);
    need_row(tx, link.resource, id);
    need_row(tx, project_resource, call.arg("project_id"));
    return {call.arg("project_id"), id};
}

std::string condition(const Link& link) { return " WHERE project_id = ? AND " + std::string(link.column) + " = ?"; }

[[noreturn]] void no_link(const Call& call, const Link& link) {
    if (&link == &by_group) throw Error(Errc::not_found, "Endpoint Group Project Association not found");
    throw Error(Errc::not_found, "Endpoint " + call.arg("endpoint_id") + " not found in project " + call.arg("project_id"));
}

Reply check_link(Call& call) {
    const Link& link = link_of(call);
    return call.store().read([&](Tx& tx) -> Reply {
        const Values ids = ends(call, tx, link);
        if (!tx.one("SELECT 1 FROM " + std::string(link.table) + condition(link), ids)) no_link(call, link);
        if (&link == &by_endpoint) return {};
        const std::string group = call.arg("endpoint_group_id"), project = call.arg("project_id");
        return json::object{{"project_endpoint_group",
                             {{"endpoint_group_id", group},
                              {"project_id", project},
                              {"links", {{"self", "/OS-EP-FILTER/endpoint_groups/" + group + "/projects/" + project}}}}}};
    });
}

Reply add_link_between(Call& call) {
    const Link& link = link_of(call);
    call.store().write([&](Tx& tx) {
        const Values ids = ends(call, tx, link);
        if (tx.exec("INSERT INTO " + std::string(link.table) + " (project_id, " + std::string(link.column) + ") VALUES (?, ?) ON CONFLICT DO NOTHING",
                    ids) == 0)
            throw Error(Errc::conflict,
                        "Conflict occurred attempting to store " + std::string(link.table.substr(0, link.table.size() - 1)) + " - Duplicate entry.");
        app(call).tokens.changed(tx);
    });
    return {};
}

Reply remove_link(Call& call) {
    const Link& link = link_of(call);
    call.store().write([&](Tx& tx) {
        const Values ids = &link == &by_group ? ends(call, tx, link) : Values{Value(call.arg("project_id")), Value(call.arg("endpoint_id"))};
        if (tx.exec("DELETE FROM " + std::string(link.table) + condition(link), ids) == 0) no_link(call, link);
        app(call).tokens.changed(tx);
    });
    return {};
}

Reply list_project_endpoints(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const std::string id = call.arg("project_id");
        need_row(tx, project_resource, id);
        return list_of(call, tx, endpoint_resource, filtered_endpoints(tx, id));
    });
}

Reply list_project_groups(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const std::string id = call.arg("project_id");
        need_row(tx, project_resource, id);
        return list_of(call, tx, endpoint_group_resource,
                       column(tx, "SELECT endpoint_group_id FROM project_endpoint_groups WHERE project_id = ?", id));
    });
}

Reply list_endpoint_projects(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const std::string id = call.arg("endpoint_id");
        need_row(tx, endpoint_resource, id);
        return list_of(call, tx, project_resource, column(tx, "SELECT project_id FROM project_endpoints WHERE endpoint_id = ?", id));
    });
}

Reply list_group_projects(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        return list_of(call, tx, project_resource,
                       column(tx, "SELECT project_id FROM project_endpoint_groups WHERE endpoint_group_id = ?", call.arg("endpoint_group_id")));
    });
}

Reply list_group_endpoints(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const json::object group = need_row(tx, endpoint_group_resource, call.arg("endpoint_group_id"));
        return list_of(call, tx, endpoint_resource, matching_endpoints(tx, group.at("filters").as_object()));
    });
}

#define PILVI_FILTER "/v3/OS-EP-FILTER"
constexpr std::string_view endpoint_item = PILVI_FILTER "/projects/{project_id}/endpoints/{endpoint_id}";
constexpr std::string_view group_item = PILVI_FILTER "/endpoint_groups/{endpoint_group_id}/projects/{project_id}";

constexpr Route reading(std::string_view path, std::string_view policy, Handler handler, int status = 200) {
    return {.method = "GET",
            .path = path,
            .policy = policy,
            .check = admin_or_system_reader,
            .handler = handler,
            .status = status,
            .scopes = system_or_project};
}
constexpr Route writing(std::string_view method, std::string_view path, std::string_view policy, Handler handler) {
    return {.method = method, .path = path, .policy = policy, .check = admin, .handler = handler, .status = 204, .scopes = system_or_project};
}

constexpr Route routes[] = {
    reading(PILVI_FILTER "/endpoints/{endpoint_id}/projects", "identity:list_projects_for_endpoint", &list_endpoint_projects),
    reading(PILVI_FILTER "/projects/{project_id}/endpoints", "identity:list_endpoints_for_project", &list_project_endpoints),
    reading(PILVI_FILTER "/projects/{project_id}/endpoint_groups", "identity:list_endpoint_groups_for_project", &list_project_groups),
    reading(PILVI_FILTER "/endpoint_groups/{endpoint_group_id}/endpoints", "identity:list_endpoints_associated_with_endpoint_group",
            &list_group_endpoints),
    reading(PILVI_FILTER "/endpoint_groups/{endpoint_group_id}/projects", "identity:list_projects_associated_with_endpoint_group",
            &list_group_projects),
    reading(endpoint_item, "identity:check_endpoint_in_project", &check_link, 204),
    writing("PUT", endpoint_item, "identity:add_endpoint_to_project", &add_link_between),
    writing("DELETE", endpoint_item, "identity:remove_endpoint_from_project", &remove_link),
    reading(group_item, "identity:get_endpoint_group_in_project", &check_link),
    writing("PUT", group_item, "identity:add_endpoint_group_to_project", &add_link_between),
    writing("DELETE", group_item, "identity:remove_endpoint_group_from_project", &remove_link),
};
#undef PILVI_FILTER
static_assert(sound(routes));

}  // namespace

const Resource endpoint_group_resource = declared;
std::span<const Route> endpoint_filter_routes() { return routes; }

}  // namespace pilvi::identity
