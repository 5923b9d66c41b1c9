// Services of the catalogue.
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr Field fields[] = {
    {.name = "id", .use = show},
    {.name = "type", .use = create | update | required | show | filter | sort, .least = 1, .most = 255},
    {.name = "name", .use = create | update | show | filter | sort, .least = 1, .most = 255, .pattern = not_blank},
    {.name = "description", .use = create | update | show | nullable, .most = 65'536},
    {.name = "enabled", .type = Type::boolean, .use = create | update | show, .fallback = "true"},
};

constexpr Operation operations[] = {
    {Verb::list, "identity:list_services", admin_or_system_reader},
    {Verb::show, "identity:get_service", admin_or_system_reader},
    {Verb::create, "identity:create_service", admin},
    {Verb::update, "identity:update_service", admin},
    {Verb::remove, "identity:delete_service", admin},
};

void after_write(Call& call, Tx& tx, const json::object&, const json::object*) { app(call).tokens.changed(tx); }
void after_remove(Call& call, Tx& tx, const json::object&) { app(call).tokens.changed(tx); }

void view(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) {
        hide_null(row, {"name", "description"});
        add_link(call, "services", row);
    }
}

constexpr Resource declared{
    .name = "service",
    .plural = "services",
    .path = "/v3/services",
    .table = "services",
    .fields = fields,
    .operations = operations,
    .hooks = {.after_write = &after_write, .after_remove = &after_remove, .view = &view},
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .scopes = system_or_project,
    .hides = item_verbs,
};
static_assert(sound(declared));

}  // namespace

const Resource service_resource = declared;

}  // namespace pilvi::identity
