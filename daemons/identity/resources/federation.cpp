// OS-FEDERATION: mappings and service providers.
#include "domain/mapping.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr Field mapping_fields[] = {
    {.name = "id", .use = show},
    {.name = "rules", .type = Type::any, .use = create | update | show},
    links_field,
};

constexpr Operation mapping_operations[] = {
    {Verb::list, "identity:list_mappings", admin_or_system_reader},
    {Verb::show, "identity:get_mapping", admin_or_system_reader},
    {Verb::create, "identity:create_mapping", admin, 0, "PUT"},
    {Verb::update, "identity:update_mapping", admin},
    {Verb::remove, "identity:delete_mapping", admin},
};

void before_mapping_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    check_mapping(object_or_empty(call.raw.as_object(), "mapping"));
    const std::string id = string_or(row, "id");
    if (before) return;
    check_public_id(id);
    refuse_duplicate(tx, mapping_resource, {}, "id = ?", {id}, "ID " + id);
}

void view_mappings(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) add_link(call, "OS-FEDERATION/mappings", row);
}

constexpr Resource declared_mapping{
    .name = "mapping",
    .plural = "mappings",
    .path = "/v3/OS-FEDERATION/mappings",
    .table = "federation_mappings",
    .fields = mapping_fields,
    .operations = mapping_operations,
    .hooks = {.before_write = &before_mapping_write, .view = &view_mappings},
    .scope = "",
    .scopes = system_or_project,
    .hides = item_verbs,
};
static_assert(sound(declared_mapping));

// Service providers.

constexpr std::string_view url_pattern = "[a-zA-Z0-9+.-]+:[^\\n\\r]+[\\s\\S]*";
constexpr Field provider_fields[] = {
    {.name = "id", .use = show | filter},
    {.name = "auth_url", .use = create | update | required | show, .most = 225, .pattern = url_pattern},
    {.name = "sp_url", .use = create | update | required | show, .most = 225, .pattern = url_pattern},
    {.name = "description", .use = create | update | show | nullable, .most = 65'536},
    {.name = "enabled", .type = Type::boolean, .use = create | update | show, .fallback = "false"},
    {.name = "relay_state_prefix", .use = create | update | show | nullable, .fallback = R"("ss:mem:")", .most = 256},
    links_field,
};

constexpr Operation provider_operations[] = {
    {Verb::list, "identity:list_service_providers", admin_or_system_reader},
    {Verb::show, "identity:get_service_provider", admin_or_system_reader},
    {Verb::create, "identity:create_service_provider", admin, 0, "PUT"},
    {Verb::update, "identity:update_service_provider", admin},
    {Verb::remove, "identity:delete_service_provider", admin},
};

void before_provider_write(Call&, Tx& tx, json::object& row, const json::object* before) {
    const std::string id = string_or(row, "id");
    if (before) return;
    check_public_id(id);
    refuse_duplicate(tx, service_provider_resource, {}, "id = ?", {id}, "ID " + id);
}

// Tokens name the enabled ones.
void after_provider_write(Call& call, Tx& tx, const json::object&, const json::object*) { app(call).tokens.changed(tx); }
void after_provider_remove(Call& call, Tx& tx, const json::object&) { app(call).tokens.changed(tx); }

void view_providers(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) add_link(call, "OS-FEDERATION/service_providers", row);
}

std::string filters(const Call&, std::string_view name, const std::vector<std::string>& values, Values&) { return enabled_filter(name, values); }

constexpr Resource declared_provider{
    .name = "service_provider",
    .plural = "service_providers",
    .path = "/v3/OS-FEDERATION/service_providers",
    .table = "service_providers",
    .fields = provider_fields,
    .operations = provider_operations,
    .hooks = {.before_write = &before_provider_write,
              .after_write = &after_provider_write,
              .after_remove = &after_provider_remove,
              .view = &view_providers,
              .filter = &filters},
    .missing = "Could not find Service Provider: {}.",
    .scope = "",
    .strict = true,
    .checks_update = true,
    .scopes = system_or_project,
    .hides = item_verbs,
};
static_assert(sound(declared_provider));

}  // namespace

const Resource mapping_resource = declared_mapping, service_provider_resource = declared_provider;

void check_public_id(std::string_view id) {
    if (id.size() > 64) throw Error(Errc::bad_request, "The id in the path is longer than 64 characters.");
}

}  // namespace pilvi::identity
