// Regions: their ids are chosen by who makes them.
#include "base/ids.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr Field fields[] = {
    {.name = "id", .use = create | show | filter},
    {.name = "description", .use = create | update | show | nullable, .fallback = R"("")", .most = 65'536},
    {.name = "parent_region_id", .use = create | update | show | filter | nullable},
};

constexpr Operation operations[] = {
    {Verb::list, "identity:list_regions", anyone},
    {Verb::show, "identity:get_region", anyone},
    {Verb::create, "identity:create_region", admin, 0, {}, system_or_project},
    {Verb::update, "identity:update_region", admin, 0, {}, system_or_project},
    {Verb::remove, "identity:delete_region", admin, 0, {}, system_or_project},
};

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    if (!call.raw.as_object().contains("region")) throw Error(Errc::bad_request, "None is not of type 'object'");
    if (string_or(row, "id").empty()) row["id"] = new_hex_id();
    const std::string id = string_or(row, "id");
    if (!before) refuse_duplicate(tx, region_resource, {}, "id = ?", {id}, "ID " + id);
    if (row.at("description").is_null()) row["description"] = "";
    for (std::string above = string_or(row, "parent_region_id"); !above.empty();) {
        if (above == id)
            throw Error(Errc::bad_request,
                        "The specified parent region " + string_or(row, "parent_region_id") + " would create a circular region hierarchy.");
        const auto parent = find_row(tx, region_resource, above);
        if (!parent) throw not_found(Dialect::identity, region_resource, above);
        above = string_or(*parent, "parent_region_id");
    }
}

void after_write(Call& call, Tx& tx, const json::object&, const json::object*) { app(call).tokens.changed(tx); }

// Child regions go along, unless any of them is in use.
void remove_below(Tx& tx, const std::string& id, const std::string& asked, int depth) {
    if (depth > 64 || tx.one("SELECT 1 FROM endpoints WHERE region_id = ?", {id}))
        throw Error(Errc::forbidden, "Unable to delete region " + asked + " because it or its child regions have associated endpoints.");
    for (const Row& row : tx.query("SELECT id FROM regions WHERE parent_region_id = ?", {id})) {
        remove_below(tx, row.at(0).text(), asked, depth + 1);
        tx.exec("DELETE FROM regions WHERE id = ?", {row.at(0).text()});
    }
}

void before_remove(Call&, Tx& tx, const json::object& row) { remove_below(tx, string_or(row, "id"), string_or(row, "id"), 0); }
void after_remove(Call& call, Tx& tx, const json::object&) { app(call).tokens.changed(tx); }

void view(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) add_link(call, "regions", row);
}

constexpr Resource declared{
    .name = "region",
    .plural = "regions",
    .path = "/v3/regions",
    .table = "regions",
    .fields = fields,
    .operations = operations,
    .hooks =
        {.before_write = &before_write, .after_write = &after_write, .before_remove = &before_remove, .after_remove = &after_remove, .view = &view},
    .scope = "",
    .hex_id = true,
    .client_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .hides = item_verbs,
};
static_assert(sound(declared));

// PUT /v3/regions/{region_id}: a create whose id is in the path.
Reply put_region(Call& call) {
    const json::value* given = pilvi::find(call.body, "id");
    if (given && string_or(call.body, "id") != call.arg("region_id"))
        throw Error(Errc::bad_request,
                    "Conflicting region IDs specified: \"" + call.arg("region_id") + "\" != \"" + string_or(call.body, "id") + "\"");
    call.body["id"] = call.arg("region_id");
    return call.store().write([&](Tx& tx) -> Reply {
        json::object row = insert_row(call, tx, region_resource, call.body);
        view(call, tx, std::span(&row, 1));
        return json::object{{"region", render(call, region_resource, row)}};
    });
}

constexpr Route routes[] = {
    {.method = "PUT",
     .path = "/v3/regions/{region_id}",
     .policy = "identity:create_region",
     .check = admin,
     .handler = &put_region,
     .status = 201,
     .wrapper = "region",
     .body = fields,
     .scopes = system_or_project},
};
static_assert(sound(routes));

}  // namespace

const Resource region_resource = declared;
std::span<const Route> region_routes() { return routes; }

}  // namespace pilvi::identity
