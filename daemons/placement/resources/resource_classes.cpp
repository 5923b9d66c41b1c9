// /resource_classes (1.2)
#include <fmt/format.h>

#include "domain/standard_names.h"
#include "resources/common.h"
#include "resources/routes.h"

namespace pilvi::placement {
namespace {

constexpr std::int64_t first_custom_number = 10'000;
constexpr api::Field body_fields[] = {{.name = "name", .type = api::Type::text, .use = api::required, .pattern = "CUSTOM_[A-Z0-9_]+"}};

json::object view(std::string_view name) {
    return {{"name", name}, {"links", json::array{json::object{{"rel", "self"}, {"href", fmt::format("/resource_classes/{}", name)}}}}};
}

struct ResourceClass {
    std::int64_t number = 0;
    Micros updated_at = 0;
};

std::optional<ResourceClass> find_class(Tx& tx, std::string_view name) {
    const auto row = tx.one("SELECT number, updated_at FROM resource_classes WHERE name = ?", {name});
    return row ? std::optional(ResourceClass{row->integer("number"), row->integer("updated_at")}) : std::nullopt;
}

ResourceClass load_class(Tx& tx, std::string_view name) {
    if (const auto found = find_class(tx, name)) return *found;
    throw Error(Errc::not_found, fmt::format("No such resource class {}.", name));
}

void insert_class(Tx& tx, std::string_view name) {
    const std::int64_t last = tx.scalar("SELECT MAX(number) FROM resource_classes").integer();
    const Micros now = now_micros();
    tx.insert("resource_classes", {{"name", name}, {"number", std::max(first_custom_number, last + 1)}, {"created_at", now}, {"updated_at", now}});
}

Reply list_classes(Call& call) {
    require_accept(call);
    const auto rows = call.store().read([](Tx& tx) { return tx.query("SELECT name, updated_at FROM resource_classes ORDER BY number"); });
    Micros modified = 0;
    json::array classes;
    for (const Row& row : rows) {
        classes.emplace_back(view(row.at(0).text()));
        modified = std::max(modified, row.at(1).integer());
    }
    return answer(call, json::object{{"resource_classes", std::move(classes)}}, modified);
}

Reply show_class(Call& call) {
    require_accept(call);
    const ResourceClass found = call.store().read([&](Tx& tx) { return load_class(tx, call.arg("name")); });
    return answer(call, view(call.arg("name")), found.updated_at);
}

Reply with_location(const Call& call, int status, std::string_view name) {
    Reply reply = no_content(call, status);
    reply.headers.set("Location", fmt::format("{}/resource_classes/{}", call.base_url(), name));
    return reply;
}

Reply create_class(Call& call) {
    const std::string name = string_or(validated(call, body_fields, call.raw), "name");
    call.store().write([&](Tx& tx) {
        if (find_class(tx, name)) throw Error(Errc::conflict, "Conflicting resource class already exists: " + name);
        insert_class(tx, name);
    });
    return with_location(call, 201, name);
}

// 1.2 - 1.6: renames.
Reply rename_class(Call& call) {
    const std::string wanted = string_or(validated(call, body_fields, call.raw), "name");
    const std::string& name = call.arg("name");
    call.store().write([&](Tx& tx) {
        const ResourceClass found = load_class(tx, name);
        if (found.number < first_custom_number) throw Error(Errc::bad_request, "Cannot update standard resource class " + name);
        if (wanted != name && find_class(tx, wanted)) throw Error(Errc::conflict, "Resource class already exists: " + wanted);
        tx.exec("UPDATE resource_classes SET name = ?, updated_at = ? WHERE name = ?", {wanted, now_micros(), name});
    });
    return answer(call, view(wanted));
}

// From 1.7: creates it, or says that it is there.
Reply ensure_class(Call& call) {
    const std::string& name = call.arg("name");
    validated(call, body_fields, json::object{{"name", name}});
    const bool fresh = call.store().write([&](Tx& tx) {
        if (find_class(tx, name)) return false;
        insert_class(tx, name);
        return true;
    });
    return with_location(call, fresh ? 201 : 204, name);
}

Reply delete_class(Call& call) {
    const std::string& name = call.arg("name");
    call.store().write([&](Tx& tx) {
        const ResourceClass found = load_class(tx, name);
        if (found.number < first_custom_number)
            throw Error(Errc::bad_request, fmt::format("Error in delete resource class: Cannot delete standard resource class {}.", name));
        if (tx.one("SELECT provider_uuid FROM inventories WHERE resource_class = ? LIMIT 1", {name}))
            throw Error(Errc::conflict,
                        fmt::format("Error in delete resource class: Cannot delete resource class {}. Class is in use in inventory.", name));
        tx.exec("DELETE FROM resource_classes WHERE name = ?", {name});
    });
    return no_content(call);
}

constexpr std::string_view update_rule = "placement:resource_classes:update";
constexpr api::Route routes[] = {
    {.method = "GET",
     .path = "/resource_classes",
     .policy = "placement:resource_classes:list",
     .check = reader,
     .handler = list_classes,
     .since = {1, 2}},
    {.method = "POST",
     .path = "/resource_classes",
     .policy = "placement:resource_classes:create",
     .check = admin,
     .handler = create_class,
     .status = 201,
     .any_body = true,
     .since = {1, 2}},
    {.method = "GET",
     .path = "/resource_classes/{name}",
     .policy = "placement:resource_classes:show",
     .check = reader,
     .handler = show_class,
     .since = {1, 2}},
    {.method = "PUT",
     .path = "/resource_classes/{name}",
     .policy = update_rule,
     .check = admin,
     .handler = rename_class,
     .any_body = true,
     .since = {1, 2},
     .until = {1, 6}},
    {.method = "PUT", .path = "/resource_classes/{name}", .policy = update_rule, .check = admin, .handler = ensure_class, .since = {1, 7}},
    {.method = "DELETE",
     .path = "/resource_classes/{name}",
     .policy = "placement:resource_classes:delete",
     .check = admin,
     .handler = delete_class,
     .status = 204,
     .since = {1, 2}},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const api::Route> resource_class_routes() { return routes; }

}  // namespace pilvi::placement
