// Domains: projects that act as one (table projects, is_domain = 1).
#include "resources/projects.h"

namespace pilvi::identity {

namespace {

using namespace api;

constexpr Field fields[] = {
    {.name = "id", .use = show},
    {.name = "name", .use = create | update | required | show | filter | sort, .least = 1, .most = 64, .pattern = not_blank},
    {.name = "description", .use = create | update | show | nullable, .fallback = R"("")", .most = 65'536},
    {.name = "enabled", .type = Type::boolean, .use = create | update | show | filter, .fallback = "true"},
    {.name = "tags", .type = Type::array, .use = create | update | show | computed, .most = 80, .item = Type::text},
    {.name = "options", .type = Type::object, .use = create | update | show, .fallback = "{}", .fields = immutable_option},
    {.name = "is_domain", .type = Type::boolean},
    {.name = "valid_from", .type = Type::integer},
};

constexpr Operation operations[] = {
    {Verb::list, "identity:list_domains", admin_or_system_reader},
    {Verb::show, "identity:get_domain",
     "rule:admin_required or (role:reader and system_scope:all) or token.domain.id:%(target.domain.id)s or "
     "token.project.domain.id:%(target.domain.id)s"},
    {Verb::create, "identity:create_domain", admin},
    {Verb::update, "identity:update_domain", admin},
    {Verb::remove, "identity:delete_domain", admin},
};

void take_explicit_id(json::object& row) {
    const json::value* given = pilvi::find(row, "explicit_domain_id");
    if (!given) return;
    if (!given->is_string() || given->as_string().size() != 32 || !is_uuid_like(str(given->as_string())))
        throw Error(Errc::bad_request, "Domain ID does not conform to required UUID format.");
    row["id"] = json::value(*given);
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    row["is_domain"] = true;
    merge_options(row, before);
    if (before) {
        refuse_immutable(call, domain_resource, row, *before);
    } else {
        row["valid_from"] = 0;
        take_explicit_id(row);
        refuse_duplicate(tx, domain_resource, {}, "id = ?", {string_or(row, "id")}, "ID " + string_or(row, "id"));
    }
    row["name"] = trim(string_or(row, "name"));
    refuse_duplicate(tx, domain_resource, row, "is_domain = 1 AND name = ?", {string_or(row, "name")}, "name " + string_or(row, "name"));
    end_tokens_when_disabled(call, row, before);
}

void after_write(Call& call, Tx& tx, const json::object& row, const json::object*) {
    write_tags(tx, row);
    app(call).tokens.changed(tx);
}

void before_remove(Call&, Tx& tx, const json::object& row) {
    refuse_immutable_removal(domain_resource, row);
    remove_domain_contents(tx, row);
}

void after_remove(Call& call, Tx& tx, const json::object&) { app(call).tokens.changed(tx); }

void view(Call& call, Tx& tx, std::span<json::object> rows) {
    read_tags(tx, rows);
    for (json::object& row : rows) add_link(call, "domains", row);
}

std::string visible(const Call& call, Values& parameters) {
    if (call.who.domain_id.empty() || call.path.contains("id")) return "t.is_domain = 1";
    parameters.emplace_back(call.who.domain_id);
    return "t.is_domain = 1 AND t.id = ?";
}

std::string filters(const Call&, std::string_view name, const std::vector<std::string>& values, Values&) { return enabled_filter(name, values); }

void target(Call&, Tx&, const json::object& row, json::object& target) { target["target"] = {{"domain", row}}; }

constexpr Resource declared{
    .name = "domain",
    .plural = "domains",
    .path = "/v3/domains",
    .table = "projects",
    .fields = fields,
    .operations = operations,
    .hooks = {.before_write = &before_write,
              .after_write = &after_write,
              .before_remove = &before_remove,
              .after_remove = &after_remove,
              .view = &view,
              .visible = &visible,
              .filter = &filters,
              .target = &target},
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .scopes = system_or_project,
    .hides = bit(Verb::show),
};
static_assert(sound(declared));

}  // namespace

const Resource domain_resource = declared;

}  // namespace pilvi::identity
