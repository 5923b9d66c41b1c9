// /allocations, /resource_providers/{uuid}/allocations, /reshaper
#include <fmt/format.h>

#include "base/ids.h"
#include "resources/claims.h"
#include "resources/inventories.h"
#include "resources/routes.h"

namespace pilvi::placement {
namespace {

constexpr std::size_t allocation_body_limit = 16u << 20;

Reply list_of_consumer(Call& call) {
    require_accept(call);
    const std::string& consumer = call.arg("consumer_uuid");
    return call.store().read([&](Tx& tx) {
        json::object allocations;
        Micros modified = 0;
        for (const Row& row : tx.query("SELECT a.provider_uuid, a.resource_class, a.used, a.created_at, p.generation FROM allocations a "
                                       "JOIN resource_providers p ON p.uuid = a.provider_uuid WHERE a.consumer_uuid = ?",
                                       {consumer})) {
            json::object& entry =
                allocations.emplace(row.text("provider_uuid"), json::object{{"resources", json::object()}}).first->value().as_object();
            entry["generation"] = row.integer("generation");
            entry["resources"].as_object()[row.text("resource_class")] = row.integer("used");
            modified = std::max(modified, row.integer("created_at"));
        }
        const bool any = !allocations.empty();
        json::object body{{"allocations", std::move(allocations)}};
        const auto owner = tx.one("SELECT * FROM consumers WHERE uuid = ?", {consumer});
        if (any && owner && call.at_least(1, 12)) {
            body["project_id"] = owner->text("project_id");
            body["user_id"] = owner->text("user_id");
            if (call.at_least(1, 28)) body["consumer_generation"] = owner->integer("generation");
            if (call.at_least(1, 38)) body["consumer_type"] = (*owner)["consumer_type"].is_null() ? "unknown" : owner->text("consumer_type");
        }
        return answer(call, std::move(body), any ? modified : now_micros());
    });
}

Reply list_of_provider(Call& call) {
    require_accept(call);
    return call.store().read([&](Tx& tx) {
        const std::string& uuid = call.arg("uuid");
        const auto provider = find_provider(tx, uuid);
        if (!provider) throw Error(Errc::not_found, fmt::format("Resource provider '{0}' not found: No resource provider with uuid {0} found", uuid));
        json::object allocations;
        Micros modified = 0;
        for (const Row& row : tx.query("SELECT a.consumer_uuid, a.resource_class, a.used, a.created_at, c.generation FROM allocations a "
                                       "JOIN consumers c ON c.uuid = a.consumer_uuid WHERE a.provider_uuid = ?",
                                       {uuid})) {
            json::object& entry =
                allocations.emplace(row.text("consumer_uuid"), json::object{{"resources", json::object()}}).first->value().as_object();
            if (call.at_least(1, 28)) entry["consumer_generation"] = row.integer("generation");
            entry["resources"].as_object()[row.text("resource_class")] = row.integer("used");
            modified = std::max(modified, row.integer("created_at"));
        }
        const bool any = !allocations.empty();
        return answer(call, json::object{{"allocations", std::move(allocations)}, {"resource_provider_generation", provider->generation}},
                      any ? modified : now_micros());
    });
}

Reply set_for_consumer(Call& call) {
    const std::string& given = call.arg("consumer_uuid");
    if (!is_uuid_like(given)) throw Error(Errc::bad_request, "Malformed consumer_uuid: " + given);
    const std::string consumer = canonical_uuid(given);
    const std::vector<ConsumerClaims> wanted{parse_consumer(call, consumer, call.raw, call.at_least(1, 28))};
    call.store().write([&](Tx& tx) { write_claims(tx, wanted, fmt::format("Unable to allocate inventory for consumer {}: ", consumer)); });
    return no_content(call);
}

Reply set_for_consumers(Call& call) {
    const std::vector<ConsumerClaims> wanted = parse_consumers(call, call.raw);
    if (wanted.empty()) invalid_json("{} does not have enough properties");
    call.store().write([&](Tx& tx) { write_claims(tx, wanted, "Unable to allocate inventory "); });
    return no_content(call);
}

Reply delete_for_consumer(Call& call) {
    const std::string& consumer = call.arg("consumer_uuid");
    if (!call.store().write([&](Tx& tx) { return remove_claims(tx, consumer); }))
        throw Error(Errc::not_found, fmt::format("No allocations for consumer '{}'", consumer));
    return no_content(call);
}

constexpr api::Field reshape_body[] = {
    {.name = "inventories", .type = api::Type::object, .use = api::required},
    {.name = "allocations", .type = api::Type::object, .use = api::required},
};

// Inventories and allocations move between providers at once: both old and new inventories exist while the claims are rewritten.
void reshape_in(Tx& tx, const std::map<std::string, InventoriesBody>& inventories, const std::vector<ConsumerClaims>& consumers) {
    std::map<std::string, ProviderRow> providers;
    Names classes;
    for (const auto& [uuid, body] : inventories) {
        const auto provider = find_provider(tx, uuid);
        if (!provider)
            throw Error(Errc::bad_request,
                        fmt::format("Resource provider {0} in inventories not found: No resource provider with uuid {0} found", uuid),
                        provider_not_found);
        if (provider->generation != body.generation)
            throw Error(Errc::conflict,
                        fmt::format("resource provider generation conflict for provider {}: actual: {}, given: {}", uuid, provider->generation,
                                    body.generation),
                        concurrent_update);
        providers.emplace(uuid, *provider);
        for (const auto& [resource_class, inventory] : body.inventories) classes.insert(resource_class);
    }
    require_classes(tx, classes, Errc::bad_request, "malformed reshaper data: ");
    for (const auto& [uuid, body] : inventories) {
        if (body.inventories.empty()) continue;
        Inventories both = load_inventories(tx, uuid);
        for (const auto& [resource_class, inventory] : body.inventories) both[resource_class] = inventory;
        replace_inventories(tx, providers.at(uuid), both);
    }
    write_claims(tx, consumers, "malformed reshaper data: ");
    for (const auto& [uuid, body] : inventories) {
        ProviderRow provider = load_provider(tx, uuid);
        replace_inventories(tx, provider, body.inventories);
    }
}

Reply reshape(Call& call) {
    const json::object body = validated(call, reshape_body, call.raw);
    std::map<std::string, InventoriesBody> inventories;
    for (const auto& member : object_or_empty(body, "inventories")) {
        const std::string uuid(member.key());
        if (!is_uuid_like(uuid) || uuid.size() != 36) invalid_json(fmt::format("inventories: '{}' does not match '^[0-9a-fA-F-]{{36}}$'", uuid));
        inventories.emplace(canonical_uuid(uuid), parse_inventories(call, member.value(), "inventories." + uuid));
    }
    if (inventories.empty()) invalid_json("inventories: {} does not have enough properties");
    const std::vector<ConsumerClaims> consumers = parse_consumers(call, body.at("allocations"), "allocations");
    call.store().write([&](Tx& tx) { reshape_in(tx, inventories, consumers); });
    return no_content(call);
}

constexpr std::string_view consumer_path = "/allocations/{consumer_uuid}";
constexpr api::Route routes[] = {
    {.method = "POST",
     .path = "/allocations",
     .policy = "placement:allocations:manage",
     .check = admin,
     .handler = set_for_consumers,
     .status = 204,
     .any_body = true,
     .body_limit = allocation_body_limit,
     .since = {1, 13}},
    {.method = "GET", .path = consumer_path, .policy = "placement:allocations:list", .check = reader, .handler = list_of_consumer},
    {.method = "PUT",
     .path = consumer_path,
     .policy = "placement:allocations:update",
     .check = admin,
     .handler = set_for_consumer,
     .status = 204,
     .any_body = true},
    {.method = "DELETE",
     .path = consumer_path,
     .policy = "placement:allocations:delete",
     .check = admin,
     .handler = delete_for_consumer,
     .status = 204},
    {.method = "GET",
     .path = "/resource_providers/{uuid}/allocations",
     .policy = "placement:resource_providers:allocations:list",
     .check = reader,
     .handler = list_of_provider},
    {.method = "POST",
     .path = "/reshaper",
     .policy = "placement:reshaper:reshape",
     .check = admin,
     .handler = reshape,
     .status = 204,
     .any_body = true,
     .body_limit = allocation_body_limit,
     .since = {1, 30}},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const api::Route> allocation_routes() { return routes; }

}  // namespace pilvi::placement
