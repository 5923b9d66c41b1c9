// /resource_providers: the trees of providers.
#include <fmt/format.h>

#include "base/ids.h"
#include "resources/common.h"
#include "resources/parameters.h"
#include "resources/routes.h"

namespace pilvi::placement {
namespace {

constexpr api::Field name_field{.name = "name", .type = api::Type::text, .use = api::required, .most = 200};
constexpr api::Field parent_field{.name = "parent_provider_uuid", .type = api::Type::uuid, .use = api::nullable, .since = {1, 14}};
constexpr api::Field create_body[] = {name_field, {.name = "uuid", .type = api::Type::uuid}, parent_field};
constexpr api::Field update_body[] = {name_field, parent_field};

json::object view(const Call& call, const ProviderRow& provider) {
    const std::string url = "/resource_providers/" + provider.uuid;
    json::array links{json::object{{"rel", "self"}, {"href", url}}};
    const auto link = [&](std::string_view rel) { links.push_back(json::object{{"rel", rel}, {"href", fmt::format("{}/{}", url, rel)}}); };
    link("inventories");
    link("usages");
    if (call.at_least(1, 1)) link("aggregates");
    if (call.at_least(1, 6)) link("traits");
    if (call.at_least(1, 11)) link("allocations");
    json::object body{{"uuid", provider.uuid}, {"name", provider.name}, {"generation", provider.generation}, {"links", std::move(links)}};
    if (call.at_least(1, 14)) {
        body["parent_provider_uuid"] = provider.parent ? json::value(*provider.parent) : json::value(nullptr);
        body["root_provider_uuid"] = provider.root;
    }
    return body;
}

std::optional<std::string> parent_in(const json::object& body) {
    const auto parent = optional_string(body, "parent_provider_uuid");
    return parent ? std::optional(canonical_uuid(*parent)) : std::nullopt;
}

void insert_provider(Tx& tx, ProviderRow& provider) {
    const auto refuse = [&](const char* reason) {
        throw Error(Errc::bad_request, fmt::format("Unable to create resource provider \"{}\", {}: Object action create failed because: {}",
                                                   provider.name, provider.uuid, reason));
    };
    if (provider.name.empty()) refuse("name is required");
    provider.root = provider.uuid;
    if (provider.parent) {
        if (*provider.parent == provider.uuid)
            refuse("parent provider UUID cannot be same as UUID. Please set parent provider UUID to None if there is no parent.");
        const auto parent = find_provider(tx, *provider.parent);
        if (!parent) refuse("parent provider UUID does not exist.");
        provider.root = parent->root;
    }
    const auto exists = [&](std::string_view sql, const std::string& value, std::string_view column) {
        if (tx.one(sql, {value}))
            throw Error(Errc::conflict, fmt::format("Conflicting resource provider {}: {} already exists.", column, value), duplicate_name);
    };
    exists("SELECT uuid FROM resource_providers WHERE uuid = ?", provider.uuid, "uuid");
    exists("SELECT uuid FROM resource_providers WHERE name = ?", provider.name, "name");
    provider.created_at = provider.updated_at = now_micros();
    tx.insert("resource_providers", {{"uuid", provider.uuid},
                                     {"name", provider.name},
                                     {"generation", 0},
                                     {"parent_uuid", provider.parent},
                                     {"root_uuid", provider.root},
                                     {"created_at", provider.created_at},
                                     {"updated_at", provider.updated_at}});
}

Reply create_provider(Call& call) {
    const json::object body = validated(call, create_body, call.raw);
    ProviderRow provider{.uuid = body.contains("uuid") ? canonical_uuid(string_or(body, "uuid")) : new_uuid(),
                         .name = string_or(body, "name"),
                         .parent = parent_in(body),
                         .root = {}};
    call.store().write([&](Tx& tx) { insert_provider(tx, provider); });
    Reply reply = call.at_least(1, 20) ? answer(call, view(call, provider), provider.updated_at) : no_content(call, 201);
    reply.headers.set("Location", call.base_url() + "/resource_providers/" + provider.uuid);
    return reply;
}

Reply show_provider(Call& call) {
    require_accept(call);
    const ProviderRow provider = call.store().read([&](Tx& tx) { return load_provider(tx, call.arg("uuid")); });
    return answer(call, view(call, provider), provider.updated_at);
}

Reply list_providers(Call& call) {
    require_accept(call);
    check_parameters(
        call, {{"name"}, {"uuid", {1, 0}, true}, {"member_of", {1, 3}}, {"resources", {1, 4}}, {"in_tree", {1, 14}, true}, {"required", {1, 18}}});
    const ProviderFilter filter = provider_filter(call);
    const std::vector<Row> rows = call.store().read([&](Tx& tx) {
        if (const auto tree = call.query.get("in_tree"); tree && !find_provider(tx, canonical_uuid(*tree))) return std::vector<Row>();
        require_traits(tx, filter.traits, "Invalid trait(s) in \"required\" parameter: ");
        require_classes(tx, filter.resource_classes, Errc::bad_request, "Invalid resource class in resources parameter: ");
        return tx.query("SELECT * FROM resource_providers p" + filter.condition.where() + " ORDER BY p.created_at, p.uuid", filter.condition.values);
    });
    Micros modified = rows.empty() ? now_micros() : 0;
    json::array providers;
    providers.reserve(rows.size());
    for (const Row& row : rows) {
        const ProviderRow provider = provider_of(row);
        modified = std::max(modified, provider.updated_at);
        providers.push_back(view(call, provider));
    }
    return answer(call, json::object{{"resource_providers", std::move(providers)}}, modified);
}

// uuids of the provider and everything below it.
Names subtree(Tx& tx, const ProviderRow& provider) {
    std::vector<std::pair<std::string, std::string>> links;  // (parent, child)
    for (const Row& row :
         tx.query("SELECT uuid, parent_uuid FROM resource_providers WHERE root_uuid = ? AND parent_uuid IS NOT NULL", {provider.root}))
        links.emplace_back(row.text("parent_uuid"), row.text("uuid"));
    Names below{provider.uuid};
    for (bool grown = true; grown;) {
        grown = false;
        for (const auto& [parent, child] : links) grown = (below.contains(parent) && below.insert(child).second) || grown;
    }
    return below;
}

// Moves the provider under `parent` (none: makes it a root), with everything below it.
void move(Tx& tx, ProviderRow& provider, const std::optional<std::string>& parent, bool may_move) {
    const auto refuse = [&](std::string_view action, const char* reason) {
        throw Error(Errc::bad_request,
                    fmt::format("Unable to save resource provider {}: Object action {} failed because: {}", provider.uuid, action, reason));
    };
    std::string root = provider.uuid;
    if (parent) {
        const auto above = find_provider(tx, *parent);
        if (!above) refuse("create", "parent provider UUID does not exist.");
        if (provider.parent && *provider.parent != *parent && !may_move) refuse("update", "re-parenting a provider is not currently allowed.");
        if (subtree(tx, provider).contains(*parent)) refuse("update", "creating loop in the provider tree is not allowed.");
        root = above->root;
    } else if (!provider.parent) {
        return;
    } else if (!may_move) {
        refuse("update", "un-parenting a provider is not currently allowed.");
    }
    const Names below = subtree(tx, provider);
    Values values{root};
    append(values, below);
    tx.exec("UPDATE resource_providers SET root_uuid = ? WHERE uuid IN (" + marks(below.size()) + ")", values);
    tx.exec("UPDATE resource_providers SET parent_uuid = ? WHERE uuid = ?", {parent, provider.uuid});
    provider.parent = parent;
    provider.root = root;
}

Reply update_provider(Call& call) {
    require_provider(call);
    const json::object body = validated(call, update_body, call.raw);
    const ProviderRow provider = call.store().write([&](Tx& tx) {
        ProviderRow row = load_provider(tx, call.arg("uuid"));
        row.name = string_or(body, "name");
        if (body.contains("parent_provider_uuid")) move(tx, row, parent_in(body), call.at_least(1, 37));
        if (tx.one("SELECT uuid FROM resource_providers WHERE name = ? AND uuid <> ?", {row.name, row.uuid}))
            throw Error(Errc::conflict, fmt::format("Conflicting resource provider {} already exists.", row.name), duplicate_name);
        row.updated_at = now_micros();
        tx.exec("UPDATE resource_providers SET name = ?, updated_at = ? WHERE uuid = ?", {row.name, row.updated_at, row.uuid});
        return row;
    });
    return answer(call, view(call, provider), provider.updated_at);
}

Reply delete_provider(Call& call) {
    const std::string& uuid = call.arg("uuid");
    call.store().write([&](Tx& tx) {
        if (!find_provider(tx, uuid)) throw Error(Errc::not_found, fmt::format("No resource provider with uuid {} found for delete", uuid));
        if (tx.one("SELECT uuid FROM resource_providers WHERE parent_uuid = ? LIMIT 1", {uuid}))
            throw Error(Errc::conflict, fmt::format("Unable to delete parent resource provider {}: It has child resource providers.", uuid),
                        cannot_delete_parent);
        if (tx.one("SELECT consumer_uuid FROM allocations WHERE provider_uuid = ? LIMIT 1", {uuid}))
            throw Error(Errc::conflict, fmt::format("Unable to delete resource provider {}: Resource provider has allocations.", uuid),
                        provider_in_use);
        tx.exec("DELETE FROM resource_providers WHERE uuid = ?", {uuid});
    });
    return no_content(call);
}

constexpr api::Route routes[] = {
    {.method = "GET", .path = "/resource_providers", .policy = "placement:resource_providers:list", .check = reader, .handler = list_providers},
    {.method = "POST",
     .path = "/resource_providers",
     .policy = "placement:resource_providers:create",
     .check = admin,
     .handler = create_provider,
     .any_body = true},
    {.method = "GET", .path = "/resource_providers/{uuid}", .policy = "placement:resource_providers:show", .check = reader, .handler = show_provider},
    {.method = "PUT",
     .path = "/resource_providers/{uuid}",
     .policy = "placement:resource_providers:update",
     .check = admin,
     .handler = update_provider,
     .any_body = true},
    {.method = "DELETE",
     .path = "/resource_providers/{uuid}",
     .policy = "placement:resource_providers:delete",
     .check = admin,
     .handler = delete_provider,
     .status = 204},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const api::Route> provider_routes() { return routes; }

}  // namespace pilvi::placement
