// /resource_providers/{uuid}/inventories
#include "resources/inventories.h"

#include <fmt/format.h>

#include "base/text.h"
#include "resources/routes.h"

namespace pilvi::placement {
namespace {

constexpr api::Field total_field{.name = "total", .type = api::Type::integer, .use = api::required, .least = 1, .most = max_integer};
constexpr api::Field reserved_field{.name = "reserved", .type = api::Type::integer, .fallback = "0", .least = 0, .most = max_integer};
constexpr api::Field min_unit_field{.name = "min_unit", .type = api::Type::integer, .fallback = "1", .least = 1, .most = max_integer};
constexpr api::Field max_unit_field{.name = "max_unit", .type = api::Type::integer, .fallback = "2147483647", .least = 1, .most = max_integer};
constexpr api::Field step_size_field{.name = "step_size", .type = api::Type::integer, .fallback = "1", .least = 1, .most = max_integer};
constexpr api::Field ratio_field{.name = "allocation_ratio", .type = api::Type::number, .fallback = "1.0"};
constexpr api::Field generation_field{.name = "resource_provider_generation", .type = api::Type::integer};
constexpr api::Field required_generation_field{.name = "resource_provider_generation", .type = api::Type::integer, .use = api::required};

constexpr api::Field record[] = {total_field, reserved_field, min_unit_field, max_unit_field, step_size_field, ratio_field, generation_field};
constexpr api::Field update_record[] = {total_field,     reserved_field, min_unit_field,           max_unit_field,
                                        step_size_field, ratio_field,    required_generation_field};
constexpr api::Field create_record[] = {
    total_field,      reserved_field,
    min_unit_field,   max_unit_field,
    step_size_field,  ratio_field,
    generation_field, {.name = "resource_class", .type = api::Type::text, .use = api::required, .pattern = "[A-Z0-9_]+"}};
constexpr api::Field set_body[] = {required_generation_field, {.name = "inventories", .type = api::Type::object, .use = api::required}};

Inventory from_json(const json::object& body) {
    const double ratio = body.at("allocation_ratio").to_number<double>();
    if (!(ratio > -3.40282e+38 && ratio <= 3.40282e+38))
        invalid_json(fmt::format("allocation_ratio: {} is greater than the maximum of 3.40282e+38", ratio));
    return {.total = integer_or(body, "total"),
            .reserved = integer_or(body, "reserved"),
            .min_unit = integer_or(body, "min_unit"),
            .max_unit = integer_or(body, "max_unit"),
            .step_size = integer_or(body, "step_size"),
            .allocation_ratio = ratio};
}

json::object view(const Inventory& inventory) {
    return {{"total", inventory.total},       {"reserved", inventory.reserved},   {"min_unit", inventory.min_unit},
            {"max_unit", inventory.max_unit}, {"step_size", inventory.step_size}, {"allocation_ratio", inventory.allocation_ratio}};
}

json::object view_one(const Inventory& inventory, const ProviderRow& provider) {
    json::object body = view(inventory);
    if (provider.generation) body["resource_provider_generation"] = provider.generation;
    return body;
}

Reply answer_all(const Call& call, const ProviderRow& provider, const Inventories& inventories) {
    json::object members;
    for (const auto& [resource_class, inventory] : inventories) members[resource_class] = view(inventory);
    return answer(call, json::object{{"resource_provider_generation", provider.generation}, {"inventories", std::move(members)}},
                  inventories.empty() ? std::nullopt : std::optional(provider.updated_at));
}

void check_capacity(const Call& call, const ProviderRow& provider, std::string_view resource_class, const Inventory& inventory,
                    const std::string& prefix) {
    const bool may_be_total = call.at_least(1, 26);
    const std::int64_t capacity = inventory.capacity();
    if (may_be_total ? capacity >= 0 : capacity > 0) return;
    throw Error(Errc::bad_request, fmt::format("{}Invalid inventory for '{}' on resource provider '{}'. The reserved value is greater than {}total.",
                                               prefix, resource_class, provider.uuid, may_be_total ? "" : "or equal to "));
}

void write_inventory(Tx& tx, const ProviderRow& provider, std::string_view resource_class, const Inventory& i, bool fresh) {
    const Micros now = now_micros();
    if (fresh)
        tx.insert("inventories", {{"provider_uuid", provider.uuid},
                                  {"resource_class", resource_class},
                                  {"total", i.total},
                                  {"reserved", i.reserved},
                                  {"min_unit", i.min_unit},
                                  {"max_unit", i.max_unit},
                                  {"step_size", i.step_size},
                                  {"allocation_ratio", i.allocation_ratio},
                                  {"used", 0},
                                  {"created_at", now},
                                  {"updated_at", now}});
    else
        tx.exec(
            "UPDATE inventories SET total = ?, reserved = ?, min_unit = ?, max_unit = ?, step_size = ?, allocation_ratio = ?, updated_at = ? "
            "WHERE provider_uuid = ? AND resource_class = ?",
            {i.total, i.reserved, i.min_unit, i.max_unit, i.step_size, i.allocation_ratio, now, provider.uuid, resource_class});
}

std::string update_prefix(const ProviderRow& provider) { return fmt::format("Unable to update inventory for resource provider {}: ", provider.uuid); }

Reply list_inventories(Call& call) {
    require_accept(call);
    return call.store().read([&](Tx& tx) {
        const ProviderRow provider = load_provider(tx, call.arg("uuid"), " : ");
        return answer_all(call, provider, load_inventories(tx, provider.uuid));
    });
}

Reply show_inventory(Call& call) {
    require_accept(call);
    return call.store().read([&](Tx& tx) {
        const ProviderRow provider = load_provider(tx, call.arg("uuid"), " : ");
        const auto row =
            tx.one("SELECT * FROM inventories WHERE provider_uuid = ? AND resource_class = ?", {provider.uuid, call.arg("resource_class")});
        if (!row) throw Error(Errc::not_found, fmt::format("No inventory of class {} for {}", call.arg("resource_class"), provider.uuid));
        return answer(call, view_one(inventory_of(*row), provider), row->integer("updated_at"));
    });
}

Reply create_inventory(Call& call) {
    require_provider(call);
    const json::object body = validated(call, create_record, call.raw);
    const std::string resource_class = string_or(body, "resource_class");
    const Inventory inventory = from_json(body);
    const ProviderRow provider = call.store().write([&](Tx& tx) {
        ProviderRow row = load_provider(tx, call.arg("uuid"));
        const std::string prefix = fmt::format("Unable to create inventory for resource provider {}: ", row.uuid);
        check_capacity(call, row, resource_class, inventory, prefix);
        require_classes(tx, {resource_class}, Errc::bad_request, prefix);
        if (tx.one("SELECT used FROM inventories WHERE provider_uuid = ? AND resource_class = ?", {row.uuid, resource_class}))
            throw Error(Errc::conflict, fmt::format("Update conflict: there is an inventory of class {} already", resource_class), concurrent_update);
        write_inventory(tx, row, resource_class, inventory, true);
        bump_generation(tx, row);
        return row;
    });
    Reply reply = answer(call, view_one(inventory, provider), provider.updated_at, 201);
    reply.headers.set("Location", fmt::format("{}/resource_providers/{}/inventories/{}", call.base_url(), provider.uuid, resource_class));
    return reply;
}

Reply update_inventory(Call& call) {
    require_provider(call);
    const json::object body = validated(call, update_record, call.raw);
    const std::string& resource_class = call.arg("resource_class");
    const Inventory inventory = from_json(body);
    const ProviderRow provider = call.store().write([&](Tx& tx) {
        ProviderRow row = load_provider(tx, call.arg("uuid"));
        check_generation(row, integer_or(body, "resource_provider_generation"), "resource provider generation conflict");
        check_capacity(call, row, resource_class, inventory, update_prefix(row));
        require_classes(tx, {resource_class}, Errc::not_found, "");
        if (!tx.one("SELECT used FROM inventories WHERE provider_uuid = ? AND resource_class = ?", {row.uuid, resource_class}))
            throw Error(Errc::bad_request,
                        fmt::format("No inventory record with resource class for resource provider {}: No inventory of class {} found.", row.uuid,
                                    resource_class));
        write_inventory(tx, row, resource_class, inventory, false);
        bump_generation(tx, row);
        return row;
    });
    return answer(call, view_one(inventory, provider), provider.updated_at);
}

Reply set_inventories(Call& call) {
    require_provider(call);
    const InventoriesBody body = parse_inventories(call, call.raw);
    const ProviderRow provider = call.store().write([&](Tx& tx) {
        ProviderRow row = load_provider(tx, call.arg("uuid"));
        check_generation(row, body.generation, "resource provider generation conflict");
        Names classes;
        for (const auto& [resource_class, inventory] : body.inventories) {
            check_capacity(call, row, resource_class, inventory, update_prefix(row));
            classes.insert(resource_class);
        }
        require_classes(tx, classes, Errc::bad_request, fmt::format("Unknown resource class in inventory for resource provider {}: ", row.uuid));
        replace_inventories(tx, row, body.inventories);
        return row;
    });
    return answer_all(call, provider, body.inventories);
}

Reply delete_inventories(Call& call) {
    if (!call.at_least(1, 5)) throw Error(Errc::not_allowed, "The method DELETE is not allowed for this resource.");
    call.store().write([&](Tx& tx) {
        ProviderRow row = load_provider(tx, call.arg("uuid"));
        replace_inventories(tx, row, {});
    });
    return no_content(call);
}

Reply delete_inventory(Call& call) {
    const std::string& resource_class = call.arg("resource_class");
    call.store().write([&](Tx& tx) {
        ProviderRow row = load_provider(tx, call.arg("uuid"));
        require_classes(tx, {resource_class}, Errc::not_found, fmt::format("No inventory of class {} found for delete: ", resource_class));
        const auto used = tx.one("SELECT used FROM inventories WHERE provider_uuid = ? AND resource_class = ?", {row.uuid, resource_class});
        if (!used)
            throw Error(Errc::not_found,
                        fmt::format("No inventory of class {0} found for delete: No inventory of class {0} found for delete", resource_class));
        if (used->integer("used") > 0)
            throw Error(Errc::conflict,
                        fmt::format("Unable to delete inventory of class {0}: Inventory for '{0}' on resource provider '{1}' in use.", resource_class,
                                    row.uuid),
                        concurrent_update);
        tx.exec("DELETE FROM inventories WHERE provider_uuid = ? AND resource_class = ?", {row.uuid, resource_class});
        bump_generation(tx, row);
    });
    return no_content(call);
}

constexpr std::string_view all_path = "/resource_providers/{uuid}/inventories";
constexpr std::string_view one_path = "/resource_providers/{uuid}/inventories/{resource_class}";
constexpr std::string_view list_rule = "placement:resource_providers:inventories:list",
                           create_rule = "placement:resource_providers:inventories:create",
                           show_rule = "placement:resource_providers:inventories:show",
                           update_rule = "placement:resource_providers:inventories:update",
                           delete_rule = "placement:resource_providers:inventories:delete";

constexpr api::Route routes[] = {
    {.method = "GET", .path = all_path, .policy = list_rule, .check = reader, .handler = list_inventories},
    {.method = "POST", .path = all_path, .policy = create_rule, .check = admin, .handler = create_inventory, .status = 201, .any_body = true},
    {.method = "PUT", .path = all_path, .policy = update_rule, .check = admin, .handler = set_inventories, .any_body = true},
    {.method = "DELETE", .path = all_path, .policy = delete_rule, .check = admin, .handler = delete_inventories, .status = 204},
    {.method = "GET", .path = one_path, .policy = show_rule, .check = reader, .handler = show_inventory},
    {.method = "PUT", .path = one_path, .policy = update_rule, .check = admin, .handler = update_inventory, .any_body = true},
    {.method = "DELETE", .path = one_path, .policy = delete_rule, .check = admin, .handler = delete_inventory, .status = 204},
};
static_assert(api::sound(routes));

}  // namespace

Inventory inventory_of(const Row& row) {
    return {.total = row.integer("total"),
            .reserved = row.integer("reserved"),
            .min_unit = row.integer("min_unit"),
            .max_unit = row.integer("max_unit"),
            .step_size = row.integer("step_size"),
            .allocation_ratio = row["allocation_ratio"].number(),
            .used = row.integer("used")};
}

Inventories load_inventories(Tx& tx, std::string_view provider_uuid) {
    Inventories inventories;
    for (const Row& row : tx.query("SELECT * FROM inventories WHERE provider_uuid = ?", {provider_uuid}))
        inventories.emplace(row.text("resource_class"), inventory_of(row));
    return inventories;
}

InventoriesBody parse_inventories(const Call& call, const json::value& body, std::string_view where) {
    const json::object top = validated(call, set_body, body, where);
    InventoriesBody result{.generation = integer_or(top, "resource_provider_generation"), .inventories = {}};
    for (const auto& member : object_or_empty(top, "inventories")) {
        const std::string resource_class(member.key());
        result.inventories.emplace(resource_class, from_json(validated(call, record, member.value(), "inventories." + resource_class)));
    }
    return result;
}

void replace_inventories(Tx& tx, ProviderRow& provider, const Inventories& wanted) {
    const Inventories present = load_inventories(tx, provider.uuid);
    Names used;
    for (const auto& [resource_class, inventory] : present)
        if (!wanted.contains(resource_class) && inventory.used > 0) used.insert(resource_class);
    std::vector<std::string> in_use;  // in the order of the classes' numbers
    if (!used.empty()) {
        Values names;
        append(names, used);
        for (const Row& row : tx.query("SELECT name FROM resource_classes WHERE name IN (" + marks(used.size()) + ") ORDER BY number", names))
            in_use.push_back(row.at(0).text());
    }
    if (!in_use.empty())
        throw Error(Errc::conflict,
                    fmt::format("{}Inventory for '{}' on resource provider '{}' in use.",
                                wanted.empty() ? "" : "update conflict: ", join(in_use, ", "), provider.uuid),
                    inventory_in_use);
    for (const auto& [resource_class, inventory] : present)
        if (!wanted.contains(resource_class))
            tx.exec("DELETE FROM inventories WHERE provider_uuid = ? AND resource_class = ?", {provider.uuid, resource_class});
    for (const auto& [resource_class, inventory] : wanted)
        write_inventory(tx, provider, resource_class, inventory, !present.contains(resource_class));
    bump_generation(tx, provider);
}

std::span<const api::Route> inventory_routes() { return routes; }

}  // namespace pilvi::placement
