#include "resources/claims.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "resources/inventories.h"

namespace pilvi::placement {
namespace {

constexpr std::string_view incomplete_consumer = "00000000-0000-0000-0000-000000000000";  // before 1.8 nobody said whose it is

using Key = std::pair<std::string, std::string>;  // (provider, resource class)

struct Consumer {
    std::int64_t generation = 0;
    bool exists = false;
    std::set<std::string> providers;  // that it had claims on
};

std::string shown(const std::optional<std::int64_t>& generation) { return generation ? fmt::to_string(*generation) : "None"; }

Consumer check_consumer(Tx& tx, const ConsumerClaims& wanted) {
    const auto row = tx.one("SELECT generation FROM consumers WHERE uuid = ?", {wanted.consumer});
    Consumer consumer{.generation = row ? row->integer("generation") : 0, .exists = row.has_value(), .providers = {}};
    if (!wanted.check_generation) return consumer;
    if (row && wanted.generation != consumer.generation)
        throw Error(Errc::conflict,
                    fmt::format("consumer generation conflict - expected {} but got {}", consumer.generation, shown(wanted.generation)),
                    concurrent_update);
    if (!row && wanted.generation)
        throw Error(Errc::conflict, fmt::format("consumer generation conflict - expected null but got {}", *wanted.generation), concurrent_update);
    return consumer;
}

// Gives back what the consumer has. Returns the providers.
std::set<std::string> release(Tx& tx, const std::string& consumer) {
    std::set<std::string> providers;
    for (const Row& row : tx.query("SELECT provider_uuid, resource_class, used FROM allocations WHERE consumer_uuid = ?", {consumer})) {
        providers.insert(row.at(0).text());
        tx.exec("UPDATE inventories SET used = used - ? WHERE provider_uuid = ? AND resource_class = ?",
                {row.at(2).integer(), row.at(0).text(), row.at(1).text()});
    }
    if (!providers.empty()) tx.exec("DELETE FROM allocations WHERE consumer_uuid = ?", {consumer});
    return providers;
}

std::map<std::string, ProviderRow> load_providers(Tx& tx, const std::vector<ConsumerClaims>& consumers) {
    Names uuids;
    for (const ConsumerClaims& consumer : consumers)
        for (const Claim& claim : consumer.claims) uuids.insert(claim.provider);
    std::map<std::string, ProviderRow> providers;
    if (uuids.empty()) return providers;
    Values values;
    append(values, uuids);
    for (const Row& row : tx.query("SELECT * FROM resource_providers WHERE uuid IN (" + marks(uuids.size()) + ")", values))
        providers.emplace(row.text("uuid"), provider_of(row));
    for (const std::string& uuid : uuids)
        if (!providers.contains(uuid))
            throw Error(Errc::bad_request, fmt::format("Allocation for resource provider '{}' that does not exist.", uuid));
    return providers;
}

std::map<Key, Inventory> load_room(Tx& tx, const std::map<std::string, ProviderRow>& providers) {
    std::map<Key, Inventory> room;
    if (providers.empty()) return room;
    Values values;
    for (const auto& [uuid, provider] : providers) values.emplace_back(uuid);
    for (const Row& row : tx.query("SELECT * FROM inventories WHERE provider_uuid IN (" + marks(values.size()) + ")", values))
        room.emplace(Key(row.text("provider_uuid"), row.text("resource_class")), inventory_of(row));
    return room;
}

// Providers that have none of the classes are told together, with all classes.
void refuse_without_inventory(const std::map<std::string, ProviderRow>& providers, const Names& classes, const std::map<Key, Inventory>& room) {
    std::vector<std::string> without;
    for (const auto& [uuid, provider] : providers)
        if (std::none_of(classes.begin(), classes.end(), [&, &uuid = uuid](const std::string& name) { return room.contains({uuid, name}); }))
            without.push_back(uuid);
    if (!without.empty())
        throw Error(Errc::conflict, fmt::format("Unable to allocate inventory: Inventory for '{}' on resource provider '{}' invalid.",
                                                join({classes.begin(), classes.end()}, ", "), join(without, ", ")));
}

void claim_one(std::map<Key, Inventory>& room, const Claim& claim) {
    const auto refuse = [&](std::string_view format) {
        throw Error(Errc::conflict, "Unable to allocate inventory: " + fmt::format(fmt::runtime(format), claim.resource_class, claim.provider));
    };
    const auto found = room.find({claim.provider, claim.resource_class});
    if (found == room.end()) refuse("Inventory for '{}' on resource provider '{}' invalid.");
    Inventory& inventory = found->second;
    if (!inventory.unit_fits(claim.amount))
        refuse("Unable to create allocation for '{}' on resource provider '{}'. The requested amount would violate inventory constraints.");
    if (!inventory.has_room(claim.amount))
        refuse("Unable to create allocation for '{}' on resource provider '{}'. The requested amount would exceed the capacity.");
    inventory.used += claim.amount;
}

void write_consumer(Tx& tx, const ConsumerClaims& wanted, const Consumer& before) {
    const Micros now = now_micros();
    if (!before.exists) {
        tx.insert("consumers", {{"uuid", wanted.consumer},
                                {"project_id", wanted.project_id},
                                {"user_id", wanted.user_id},
                                {"consumer_type", wanted.type},
                                {"generation", 1},
                                {"created_at", now},
                                {"updated_at", now}});
    } else {
        tx.exec("UPDATE consumers SET project_id = ?, user_id = ?, generation = generation + 1, updated_at = ? WHERE uuid = ?",
                {wanted.project_id, wanted.user_id, now, wanted.consumer});
        if (wanted.type) tx.exec("UPDATE consumers SET consumer_type = ? WHERE uuid = ?", {*wanted.type, wanted.consumer});
    }
    for (const Claim& claim : wanted.claims) {
        tx.insert("allocations", {{"consumer_uuid", wanted.consumer},
                                  {"provider_uuid", claim.provider},
                                  {"resource_class", claim.resource_class},
                                  {"used", claim.amount},
                                  {"created_at", now}});
        tx.exec("UPDATE inventories SET used = used + ? WHERE provider_uuid = ? AND resource_class = ?",
                {claim.amount, claim.provider, claim.resource_class});
    }
}

constexpr api::Field identifier(std::string_view name) {
    return {.name = name, .type = api::Type::text, .use = api::required, .least = 1, .most = 255};
}
constexpr api::Field resources_field{.name = "resources", .type = api::Type::object, .use = api::required};

constexpr api::Field list_item_provider[] = {{.name = "uuid", .type = api::Type::uuid, .use = api::required}};
constexpr api::Field list_item[] = {{.name = "resource_provider", .type = api::Type::object, .use = api::required, .fields = list_item_provider},
                                    resources_field};
constexpr api::Field body_1_0[] = {
    {.name = "allocations",
     .type = api::Type::array,
     .use = api::required,
     .least = 1,
     .item = api::Type::object,
     .fields = list_item,
     .until = {1, 11}},
    {.name = "project_id", .type = api::Type::text, .use = api::required, .least = 1, .most = 255, .since = {1, 8}},
    {.name = "user_id", .type = api::Type::text, .use = api::required, .least = 1, .most = 255, .since = {1, 8}},
};
constexpr api::Field body_1_12[] = {
    {.name = "allocations", .type = api::Type::object, .use = api::required},
    identifier("project_id"),
    identifier("user_id"),
    {.name = "consumer_generation", .type = api::Type::integer, .use = api::required | api::nullable, .since = {1, 28}},
    {.name = "mappings", .type = api::Type::object, .since = {1, 34}},
    {.name = "consumer_type", .type = api::Type::text, .use = api::required, .least = 1, .most = 255, .pattern = "[A-Z0-9_]+", .since = {1, 38}},
};
constexpr api::Field dict_item[] = {{.name = "generation", .type = api::Type::integer}, resources_field};

void add_claims(const std::string& provider, const json::object& resources, std::string_view where, std::vector<Claim>& claims) {
    const std::string path = std::string(where) + ".resources";
    if (resources.empty()) invalid_json("{} does not have enough properties", path);
    for (const auto& member : resources) {
        const std::string resource_class(member.key());
        if (!is_name(resource_class)) invalid_json(fmt::format("'{}' does not match any of the regexes: '^[A-Z0-9_]+$'", resource_class), path);
        const std::string shown = to_text(member.value()).substr(0, 100);
        if (!member.value().is_int64()) invalid_json(shown + " is not of type 'integer'", path + "." + resource_class);
        if (member.value().get_int64() < 1) invalid_json(shown + " is less than the minimum of 1", path + "." + resource_class);
        claims.push_back({provider, resource_class, member.value().get_int64()});
    }
}

bool is_uuid_key(std::string_view key) {
    if (key.size() != 36) return false;
    return key.find_first_not_of("0123456789abcdefABCDEF-") == std::string_view::npos;
}

// "" or what may follow "resources" in a query string.
bool is_group_suffix(std::string_view text) {
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    return text.size() <= 64 && text.find_first_not_of(allowed) == std::string_view::npos;
}

void check_mappings(const json::object& body, std::string_view where) {
    const json::value* mappings = find(body, "mappings");
    if (!mappings) return;
    if (mappings->get_object().empty()) invalid_json("{} does not have enough properties", std::string(where) + ".mappings");
    for (const auto& member : mappings->get_object()) {
        const json::value& list = member.value();
        const std::string path = fmt::format("{}.mappings.{}", where, std::string(member.key()));
        if (!is_group_suffix(member.key())) continue;  // a member that no schema speaks of
        if (!list.is_array()) invalid_json((list.is_string() ? "'" + str(list.get_string()) + "'" : to_text(list)) + " is not of type 'array'", path);
        if (list.get_array().empty()) invalid_json("[] is too short", path);
        for (const json::value& uuid : list.get_array())
            if (!uuid.is_string() || canonical_uuid(uuid.get_string()).size() != 36)
                invalid_json(fmt::format("'{}' is not a 'uuid'", uuid.is_string() ? str(uuid.get_string()).substr(0, 100) : to_text(uuid)), path);
    }
}

}  // namespace

void write_claims(Tx& tx, const std::vector<ConsumerClaims>& consumers, const std::string& unknown_prefix) {
    std::vector<Consumer> before;
    before.reserve(consumers.size());
    for (const ConsumerClaims& consumer : consumers) before.push_back(check_consumer(tx, consumer));
    std::map<std::string, ProviderRow> providers = load_providers(tx, consumers);
    Names classes;
    for (const ConsumerClaims& consumer : consumers)
        for (const Claim& claim : consumer.claims) classes.insert(claim.resource_class);
    require_classes(tx, classes, Errc::bad_request, unknown_prefix);

    for (std::size_t i = 0; i < consumers.size(); ++i) before[i].providers = release(tx, consumers[i].consumer);
    std::map<Key, Inventory> room = load_room(tx, providers);
    refuse_without_inventory(providers, classes, room);
    for (const ConsumerClaims& consumer : consumers)
        for (const Claim& claim : consumer.claims) claim_one(room, claim);

    for (std::size_t i = 0; i < consumers.size(); ++i) {
        if (!consumers[i].claims.empty()) {
            write_consumer(tx, consumers[i], before[i]);
            continue;
        }
        tx.exec("DELETE FROM consumers WHERE uuid = ?", {consumers[i].consumer});
        for (const std::string& uuid : before[i].providers)
            if (!providers.contains(uuid)) providers.emplace(uuid, load_provider(tx, uuid));
    }
    for (auto& [uuid, provider] : providers) bump_generation(tx, provider);
}

bool remove_claims(Tx& tx, const std::string& consumer) {
    if (release(tx, consumer).empty()) return false;
    tx.exec("DELETE FROM consumers WHERE uuid = ?", {consumer});
    return true;
}

ConsumerClaims parse_consumer(const Call& call, const std::string& consumer, const json::value& raw, bool may_be_empty, std::string_view where) {
    ConsumerClaims result{.consumer = consumer, .project_id = {}, .user_id = {}, .type = {}, .generation = {}, .claims = {}};
    if (!call.at_least(1, 12)) {
        const json::object body = validated(call, body_1_0, raw, where);
        result.project_id = string_or(body, "project_id", incomplete_consumer);
        result.user_id = string_or(body, "user_id", incomplete_consumer);
        std::map<std::string, std::vector<Claim>> by_provider;  // the last entry of a provider counts
        std::vector<std::string> order;
        for (const json::value& item : array_or_empty(body, "allocations")) {
            const std::string provider = canonical_uuid(string_or(object_or_empty(item.get_object(), "resource_provider"), "uuid"));
            if (by_provider.insert_or_assign(provider, std::vector<Claim>()).second) order.push_back(provider);
            add_claims(provider, object_or_empty(item.get_object(), "resources"), "allocations", by_provider[provider]);
        }
        for (const std::string& provider : order)
            result.claims.insert(result.claims.end(), by_provider[provider].begin(), by_provider[provider].end());
        return result;
    }
    const json::object body = validated(call, body_1_12, raw, where);
    const json::object& allocations = object_or_empty(body, "allocations");
    if (allocations.empty() && !may_be_empty) invalid_json("{} does not have enough properties", "allocations");
    for (const auto& member : allocations) {
        const std::string provider(member.key());
        if (!is_uuid_key(provider))
            invalid_json(fmt::format("'{}' does not match any of the regexes: '^[0-9a-fA-F-]{{36}}$'", provider), "allocations");
        const std::string path = "allocations." + provider;
        const json::object item = validated(call, dict_item, member.value(), path);
        add_claims(lower(provider), object_or_empty(item, "resources"), path, result.claims);
    }
    check_mappings(body, where);
    result.project_id = string_or(body, "project_id");
    result.user_id = string_or(body, "user_id");
    result.type = optional_string(body, "consumer_type");
    result.check_generation = call.at_least(1, 28);
    if (const json::value* generation = find(body, "consumer_generation"); generation && generation->is_int64())
        result.generation = generation->get_int64();
    return result;
}

std::vector<ConsumerClaims> parse_consumers(const Call& call, const json::value& body, std::string_view where) {
    if (!body.is_object()) invalid_json(fmt::format("{} is not of type 'object'", where.empty() ? "the body" : where));
    std::vector<ConsumerClaims> consumers;
    for (const auto& member : body.get_object()) {
        const std::string consumer(member.key());
        if (!is_uuid_key(consumer)) invalid_json(fmt::format("'{}' does not match '^[0-9a-fA-F-]{{36}}$'", consumer));
        consumers.push_back(parse_consumer(call, lower(consumer), member.value(), true, consumer));
    }
    return consumers;
}

}  // namespace pilvi::placement
