// Endpoints of the catalogue.
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr std::string_view interfaces[] = {"admin", "internal", "public"};

constexpr Field fields[] = {
    {.name = "id", .use = show},
    {.name = "interface", .use = create | update | required | show | filter | sort, .values = interfaces},
    {.name = "service_id", .use = create | update | required | show | filter, .most = 64},
    {.name = "region_id", .use = create | update | show | filter | nullable},
    {.name = "region", .use = create | update | show | computed | nullable},
    {.name = "url", .use = create | update | required | show, .most = 225, .pattern = "[a-zA-Z0-9+.-]+:.+"},
    {.name = "enabled", .type = Type::boolean, .use = create | update | show, .fallback = "true"},
};

constexpr Operation operations[] = {
    {Verb::list, "identity:list_endpoints", admin_or_system_reader},
    {Verb::show, "identity:get_endpoint", admin_or_system_reader},
    {Verb::create, "identity:create_endpoint", admin},
    {Verb::update, "identity:update_endpoint", admin},
    {Verb::remove, "identity:delete_endpoint", admin},
};

void before_write(Call& call, Tx& tx, json::object& row, const json::object*) {
    // The older name of region_id makes the region where there is none.
    const std::string named = string_or(row, "region");
    if (!named.empty() && !call.body.contains("region_id")) {
        row["region_id"] = named;
        tx.exec("INSERT INTO regions (id, description, parent_region_id, extra) VALUES (?, '', NULL, '{}') ON CONFLICT DO NOTHING", {named});
    }
    row.erase("region");
    const std::string service = string_or(row, "service_id"), region = string_or(row, "region_id");
    if (!find_row(tx, service_resource, service)) throw Error(Errc::bad_request, "Could not find service: " + service + ".");
    if (!region.empty() && !find_row(tx, region_resource, region)) throw Error(Errc::bad_request, "Could not find region: " + region + ".");
    const std::string url = string_or(row, "url");
    if (!fill_url(url, "project", "user")) throw Error(Errc::bad_request, "Cannot create an endpoint with an invalid URL: " + url + ".");
}

void after_write(Call& call, Tx& tx, const json::object&, const json::object*) { app(call).tokens.changed(tx); }
void after_remove(Call& call, Tx& tx, const json::object&) { app(call).tokens.changed(tx); }

void view(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) {
        row["region"] = json::value(row.at("region_id"));
        add_link(call, "endpoints", row);
    }
}

constexpr Resource declared{
    .name = "endpoint",
    .plural = "endpoints",
    .path = "/v3/endpoints",
    .table = "endpoints",
    .fields = fields,
    .operations = operations,
    .hooks = {.before_write = &before_write, .after_write = &after_write, .after_remove = &after_remove, .view = &view},
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .scopes = system_or_project,
};
static_assert(sound(declared));

}  // namespace

const Resource endpoint_resource = declared;

}  // namespace pilvi::identity
