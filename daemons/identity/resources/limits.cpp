// Unified limits: what a resource's default limit is, and what a project or domain has instead.
#include <algorithm>

#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr std::int64_t greatest = 0x7FFFFFFF;  // the original's, a signed 32-bit integer

// Objects are created in lists only.
void prepare(Call& call) {
    const std::string_view plural = call.route.path.starts_with("/v3/limits") ? limit_resource.plural : registered_limit_resource.plural;
    if (call.request.method == "POST" && !call.body.contains(plural))
        throw Error(Errc::bad_request, "'" + std::string(plural) + "' is not of type 'array'");
}

[[noreturn]] void missing_attribute(std::string_view attribute, std::string_view target) {
    throw Error(Errc::bad_request, "Expecting to find " + std::string(attribute) + " in " + std::string(target) +
                                       ". The server could not comply with the"
                                       " request since it is either malformed or otherwise incorrect. The client is assumed to be in error.");
}

void need_place(Tx& tx, const json::object& row, std::string_view target) {
    if (!find_row(tx, service_resource, string_or(row, "service_id"))) missing_attribute("service_id", target);
    if (const std::string region = string_or(row, "region_id"); !region.empty() && !find_row(tx, region_resource, region))
        missing_attribute("region_id", target);
}

// Registered limits.

constexpr Field registered_fields[] = {
    {.name = "id", .use = show},
    {.name = "service_id", .use = create | update | required | show | filter, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "region_id", .use = create | update | show | filter | nullable},
    {.name = "resource_name", .use = create | update | required | show | filter | sort, .least = 1, .most = 255},
    {.name = "default_limit", .type = Type::integer, .use = create | update | required | show, .least = -1, .most = greatest},
    {.name = "description", .use = create | update | show | nullable, .most = 65'536},
    {.name = "links", .type = Type::object, .use = show | computed},
};

constexpr Operation registered_operations[] = {
    {Verb::list, "identity:list_registered_limits", anyone},
    {Verb::show, "identity:get_registered_limit", anyone},
    {Verb::create, "identity:create_registered_limits", admin, 0, {}, system_or_project},
    {Verb::update, "identity:update_registered_limit", admin, 0, {}, system_or_project},
    {Verb::remove, "identity:delete_registered_limit", admin, 0, {}, system_or_project},
};

constexpr std::string_view same_resource = "service_id = ? AND COALESCE(region_id, '') = ? AND resource_name = ?";
Values resource_key(const json::object& row) { return {string_or(row, "service_id"), string_or(row, "region_id"), string_or(row, "resource_name")}; }

bool same_key(const json::object& a, const json::object& b) {
    return string_or(a, "service_id") == string_or(b, "service_id") && string_or(a, "region_id") == string_or(b, "region_id") &&
           string_or(a, "resource_name") == string_or(b, "resource_name");
}

void refuse_referenced(Tx& tx, const std::string& id) {
    if (tx.one("SELECT 1 FROM limits WHERE registered_limit_id = ?", {id}))
        throw Error(Errc::forbidden, "Unable to update or delete registered limit " + id + " because there are project limits associated with it.");
}

void before_registered(Call&, Tx& tx, json::object& row, const json::object* before) {
    need_place(tx, row, "registered_limit");
    if (before) refuse_referenced(tx, string_or(row, "id"));
    Values values = resource_key(row);
    values.emplace_back(string_or(row, "id"));
    if (tx.one("SELECT 1 FROM registered_limits WHERE " + std::string(same_resource) + " AND id <> ?", values))
        throw Error(Errc::conflict, "Conflict occurred attempting to store registered_limit - Duplicate entry.");
}

void before_registered_removal(Call&, Tx& tx, const json::object& row) { refuse_referenced(tx, string_or(row, "id")); }

void view_registered(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) add_link(call, "registered_limits", row);
}

constexpr Resource registered{
    .name = "registered_limit",
    .plural = "registered_limits",
    .path = "/v3/registered_limits",
    .table = "registered_limits",
    .fields = registered_fields,
    .operations = registered_operations,
    .hooks = {.prepare = &prepare, .before_write = &before_registered, .before_remove = &before_registered_removal, .view = &view_registered},
    .missing = "Could not find registered limit for {}.",
    .scope = "",
    .bulk = true,
    .hex_id = true,
    .strict = true,
    .hides = item_verbs,
};
static_assert(sound(registered));

// Limits.

constexpr Field fields[] = {
    {.name = "id", .use = show},
    {.name = "project_id", .use = create | show | filter, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "domain_id", .use = create | show | filter, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "service_id", .use = create | required | show | filter, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "region_id", .use = create | show | filter},
    {.name = "resource_name", .use = create | required | show | filter | sort, .least = 1, .most = 255},
    {.name = "resource_limit", .type = Type::integer, .use = create | update | required | show, .least = -1, .most = greatest},
    {.name = "description", .use = create | update | show | nullable, .most = 65'536},
    {.name = "links", .type = Type::object, .use = show | computed},
    {.name = "registered_limit_id"},
};

constexpr std::string_view reader =
    "rule:admin_required or (role:reader and system_scope:all) or domain_id:%(target.limit.domain.id)s or "
    "domain_id:%(target.limit.project.domain_id)s or (project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)";

constexpr Operation operations[] = {
    {Verb::list, "identity:list_limits", anyone},
    {Verb::show, "identity:get_limit", reader},
    {Verb::create, "identity:create_limits", admin, 0, {}, system_or_project},
    {Verb::update, "identity:update_limit", admin, 0, {}, system_or_project},
    {Verb::remove, "identity:delete_limit", admin, 0, {}, system_or_project},
};

[[noreturn]] void breaks_model(const json::object& row) {
    const std::string project = string_or(row, "project_id"), region = string_or(row, "region_id");
    throw Error(Errc::forbidden, "Invalid resource limit: The resource limit (" +
                                     (project.empty() ? "domain_id: " + string_or(row, "domain_id") : "project_id: " + project) +
                                     ", resource_name: " + string_or(row, "resource_name") + ", resource_limit: " +
                                     std::to_string(integer_or(row, "resource_limit")) + ", service_id: " + string_or(row, "service_id") +
                                     ", region_id: " + (region.empty() ? "None" : region) + ") doesn't satisfy current hierarchy model..");
}

// The domain's limit in the same request, which stands for the one stored.
const json::object* sent_with(const Call& call, const std::string& domain_id, const json::object& row) {
    const json::value* items = pilvi::find(call.body, limit_resource.plural);
    if (!items || !items->is_array()) return nullptr;
    for (const json::value& item : items->get_array())
        if (const json::object& other = item.get_object();
            (string_or(other, "domain_id") == domain_id || string_or(other, "project_id") == domain_id) && same_key(other, row))
            return &other;
    return nullptr;
}

// strict_two_level: no project has more than its domain, no domain less than one of its projects.
void check_model(const Call& call, Tx& tx, const json::object& row) {
    const std::int64_t wanted = integer_or(row, "resource_limit");
    const std::string registered_id = string_or(row, "registered_limit_id");
    if (const std::string project_id = string_or(row, "project_id"); !project_id.empty()) {
        const std::string domain_id = find_project(tx, project_id)->parent_id;
        std::int64_t most = tx.scalar("SELECT default_limit FROM registered_limits WHERE id = ?", {registered_id}).integer();
        if (const json::object* sent = sent_with(call, domain_id, row)) most = integer_or(*sent, "resource_limit");
        else if (const auto stored =
                     tx.one("SELECT resource_limit FROM limits WHERE domain_id = ? AND registered_limit_id = ?", {domain_id, registered_id}))
            most = stored->at(0).integer();
        if (wanted > most) breaks_model(row);
    } else if (tx.one("SELECT 1 FROM limits l JOIN projects p ON p.id = l.project_id WHERE p.domain_id = ? AND l.registered_limit_id = ?"
                      " AND l.resource_limit > ?",
                      {string_or(row, "domain_id"), registered_id, wanted})) {
        breaks_model(row);
    }
}

void place_limit(Tx& tx, json::object& row) {
    const bool of_project = !string_or(row, "project_id").empty();
    if (of_project == !string_or(row, "domain_id").empty())
        throw Error(Errc::bad_request, "Invalid input for field 'limits': exactly one of project_id and domain_id is needed");
    need_place(tx, row, "limit");
    if (of_project) {
        const auto project = find_project(tx, string_or(row, "project_id"));
        if (!project) missing_attribute("project_id", "limit");
        if (project->is_domain) {  // as in the original: the limit is the domain's
            row["domain_id"] = project->id;
            row["project_id"] = nullptr;
        }
    }
    if (const std::string domain = string_or(row, "domain_id"); !domain.empty() && !find_domain(tx, domain)) missing_attribute("domain_id", "limit");
    const auto found = tx.one("SELECT id FROM registered_limits WHERE " + std::string(same_resource), resource_key(row));
    if (!found) throw Error(Errc::forbidden, "Unable to create a limit that has no corresponding registered limit.");
    row["registered_limit_id"] = found->at(0).text();
    if (tx.one("SELECT 1 FROM limits WHERE registered_limit_id = ? AND COALESCE(project_id, '') = ? AND COALESCE(domain_id, '') = ?",
               {found->at(0).text(), string_or(row, "project_id"), string_or(row, "domain_id")}))
        throw Error(Errc::conflict, "Conflict occurred attempting to store limit - Duplicate entry.");
}

void before_limit(Call& call, Tx& tx, json::object& row, const json::object* before) {
    if (!before) place_limit(tx, row);
    if (app(call).options.strict_limits) check_model(call, tx, row);
}

void view_limit(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) add_link(call, "limits", row);
}

// Lists show what the token's scope covers, whatever its roles.
std::string visible(const Call& call, Values& parameters) {
    if (call.path.contains("id") || call.request.method == "POST" || call.who.system) return {};
    if (!call.who.domain_id.empty()) {
        parameters.emplace_back(call.who.domain_id);
        parameters.emplace_back(call.who.domain_id);
        return "t.domain_id = ? OR t.project_id IN (SELECT id FROM projects WHERE domain_id = ?)";
    }
    parameters.emplace_back(call.who.project_id);
    return "t.project_id = ?";
}

void target(Call&, Tx& tx, const json::object& row, json::object& target) {
    json::object limit = row;
    if (const auto project = find_project(tx, string_or(row, "project_id"))) limit["project"] = {{"domain_id", project->domain_id}};
    else limit["domain"] = {{"id", string_or(row, "domain_id")}};
    target["target"] = {{"limit", std::move(limit)}};
}

constexpr Resource declared{
    .name = "limit",
    .plural = "limits",
    .path = "/v3/limits",
    .table = "limits",
    .fields = fields,
    .operations = operations,
    .hooks = {.prepare = &prepare, .before_write = &before_limit, .view = &view_limit, .visible = &visible, .target = &target},
    .missing = "Could not find limit for {}.",
    .scope = "",
    .bulk = true,
    .hex_id = true,
    .strict = true,
    .hides = bit(Verb::show),
};
static_assert(sound(declared));

Reply show_model(Call& call) {
    const bool strict = app(call).options.strict_limits;
    return json::object{{"model",
                         {{"name", strict ? "strict_two_level" : "flat"},
                          {"description", strict ? "This model requires project hierarchy never exceeds a depth of two"
                                                 : "Limit enforcement and validation does not take project hierarchy into consideration."}}}};
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/v3/limits/model", .policy = "identity:get_limit_model", .check = anyone, .handler = &show_model},
};
static_assert(sound(routes));

}  // namespace

const Resource registered_limit_resource = registered;
const Resource limit_resource = declared;
std::span<const Route> limit_routes() { return routes; }

}  // namespace pilvi::identity
