// OS-FEDERATION: identity providers and their protocols.
#include "base/ids.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr std::string_view collection = "OS-FEDERATION/identity_providers";

constexpr Field fields[] = {
    {.name = "id", .use = show | filter},
    {.name = "domain_id", .use = create | show | nullable, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "enabled", .type = Type::boolean, .use = create | update | show, .fallback = "false"},
    {.name = "description", .use = create | update | show | nullable, .most = 65'536},
    {.name = "remote_ids", .type = Type::array, .use = create | update | show | nullable | computed, .most = 1000, .item = Type::text},
    {.name = "authorization_ttl", .type = Type::integer, .use = create | update | show | nullable, .least = 0, .most = 5'256'000},
    links_field,
};

constexpr Operation operations[] = {
    {Verb::list, "identity:list_identity_providers", admin_or_system_reader},
    {Verb::show, "identity:get_identity_provider", admin_or_system_reader},
    {Verb::create, "identity:create_identity_provider", admin, 0, "PUT"},
    {Verb::update, "identity:update_identity_provider", admin},
    {Verb::remove, "identity:delete_identity_provider", admin},
};

// Its users live in a domain of their own, unless the request names one.
void set_users_domain(Call& call, Tx& tx, json::object& row) {
    if (const std::string domain = string_or(row, "domain_id"); !domain.empty()) {
        need_row(tx, domain_resource, domain);
        return;
    }
    const std::string id = new_hex_id(), text = "Auto generated federated domain for Identity Provider: " + string_or(row, "id");
    insert_row(call, tx, domain_resource, {{"id", id}, {"name", id}, {"description", text}, {"enabled", true}});
    row["domain_id"] = id;
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    if (before) return;
    const std::string id = string_or(row, "id");
    check_public_id(id);
    refuse_duplicate(tx, identity_provider_resource, {}, "id = ?", {id}, "ID " + id);
    set_users_domain(call, tx, row);
}

void after_write(Call& call, Tx& tx, const json::object& row, const json::object*) {
    app(call).tokens.changed(tx);
    const json::value* given = pilvi::find(row, "remote_ids");
    if (!given) return;
    const std::string id = string_or(row, "id");
    tx.exec("DELETE FROM identity_provider_remote_ids WHERE idp_id = ?", {id});
    for (const json::value& remote : array_or_empty(row, "remote_ids")) {
        const std::string text = str(remote.as_string());
        if (tx.exec("INSERT INTO identity_provider_remote_ids (remote_id, idp_id) VALUES (?, ?) ON CONFLICT DO NOTHING", {text, id}) == 0) {
            if (tx.scalar("SELECT idp_id FROM identity_provider_remote_ids WHERE remote_id = ?", {text}).text() == id)
                throw Error(Errc::bad_request, "Invalid input for field 'remote_ids': it has non-unique elements");
            throw Error(Errc::conflict, "Conflict occurred attempting to store identity_provider - Duplicate remote ID: ['" + text + "'].");
        }
    }
}

void after_remove(Call& call, Tx& tx, const json::object&) { app(call).tokens.changed(tx); }

void view(Call& call, Tx& tx, std::span<json::object> rows) {
    std::map<std::string, json::array, std::less<>> remotes;
    Values ids;
    for (const json::object& row : rows) ids.emplace_back(string_or(row, "id"));
    const bool all = ids.size() > 500;  // databases bound the number of parameters
    for (const Row& row : tx.query("SELECT idp_id, remote_id FROM identity_provider_remote_ids" +
                                       (all ? std::string() : " WHERE idp_id IN (" + marks(ids.size()) + ")") + " ORDER BY remote_id",
                                   all ? Values() : ids))
        remotes[row.at(0).text()].emplace_back(row.at(1).text());
    for (json::object& row : rows) {
        row["remote_ids"] = std::move(remotes[string_or(row, "id")]);
        add_link(call, collection, row);
        row["links"].as_object()["protocols"] = link(call, std::string(collection) + "/" + string_or(row, "id") + "/protocols");
    }
}

std::string filters(const Call&, std::string_view name, const std::vector<std::string>& values, Values&) { return enabled_filter(name, values); }

constexpr Resource declared{
    .name = "identity_provider",
    .plural = "identity_providers",
    .path = "/v3/OS-FEDERATION/identity_providers",
    .table = "identity_providers",
    .fields = fields,
    .operations = operations,
    .hooks = {.before_write = &before_write, .after_write = &after_write, .after_remove = &after_remove, .view = &view, .filter = &filters},
    .missing = "Could not find Identity Provider: {}.",
    .scope = "",
    .strict = true,
    .checks_update = true,
    .scopes = system_or_project,
    .hides = item_verbs,
};
static_assert(sound(declared));

// Protocols.

constexpr Field protocol_fields[] = {
    {.name = "id", .use = show},
    {.name = "idp_id"},
    {.name = "mapping_id", .use = create | update | required | show, .least = 1, .most = 64, .pattern = "[a-zA-Z0-9_-]+"},
    {.name = "remote_id_attribute", .use = create | update, .most = 64},
    links_field,
};

constexpr Operation protocol_operations[] = {
    {Verb::list, "identity:list_protocols", admin_or_system_reader},
    {Verb::show, "identity:get_protocol", admin_or_system_reader},
    {Verb::create, "identity:create_protocol", admin, 0, "PUT"},
    {Verb::update, "identity:update_protocol", admin},
    {Verb::remove, "identity:delete_protocol", admin},
};

void before_protocol_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    const std::string mapping = string_or(row, "mapping_id"), id = string_or(row, "id");
    const std::string& idp = call.arg("idp_id");
    if (!find_row(tx, mapping_resource, mapping)) throw Error(Errc::bad_request, "Invalid mapping id: " + mapping);
    if (before) return;
    need_row(tx, identity_provider_resource, idp);
    check_public_id(id);
    refuse_duplicate(tx, protocol_resource, {}, "idp_id = ? AND id = ?", {idp, id}, "ID " + id);
}

void after_protocol_write(Call& call, Tx& tx, const json::object&, const json::object*) { app(call).tokens.changed(tx); }

void view_protocols(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) {
        const std::string provider = std::string(collection) + "/" + string_or(row, "idp_id");
        add_link(call, provider + "/protocols", row);
        row["links"].as_object()["identity_provider"] = link(call, provider);
    }
}

std::string of_provider(const Call& call, Values& parameters) {
    if (call.path.contains("id")) return {};
    parameters.emplace_back(call.arg("idp_id"));
    return "t.idp_id = ?";
}

constexpr Resource declared_protocol{
    .name = "protocol",
    .plural = "protocols",
    .path = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols",
    .table = "federation_protocols",
    .fields = protocol_fields,
    .operations = protocol_operations,
    .hooks = {.before_write = &before_protocol_write,
              .after_write = &after_protocol_write,
              .after_remove = &after_remove,
              .view = &view_protocols,
              .visible = &of_provider},
    .missing = "Could not find federated protocol {} for this Identity Provider.",
    .scope = "",
    .strict = true,
    .checks_update = true,
    .scopes = system_or_project,
    .hides = item_verbs,
};
static_assert(sound(declared_protocol));

}  // namespace

const Resource identity_provider_resource = declared, protocol_resource = declared_protocol;

}  // namespace pilvi::identity
