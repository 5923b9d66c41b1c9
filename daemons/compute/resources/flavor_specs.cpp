// Extra specs of flavors, and who may use flavors that are not public.
#include "base/text.h"
#include "resources/flavors.h"

namespace pilvi::compute {
namespace {

using api::Action;
using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

void check_spec(const std::string& key, const json::value& value) {
    const bool sound = !key.empty() && key.size() <= 255 &&
                       key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:. ") == std::string::npos;
    if (!sound)
        throw bad_request("Invalid input for field/attribute extra_specs. '" + key.substr(0, 260) +
                          "' does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'");
    if (value.is_number()) return;
    if (!value.is_string()) refuse_field(key, value, "is not of type 'string', 'number'");
    if (utf8_length(str(value.get_string())) > 255) refuse_field(key, "...", "is too long");
}

json::value as_text(const json::value& value) { return value.is_string() ? value : json::value(to_text(value)); }

Reply list(Call& call) {
    return call.store().read([&](Tx& tx) { return Reply(json::object{{"extra_specs", load_flavor(call, tx).extra_specs}}); });
}

Reply show(Call& call) {
    return call.store().read([&](Tx& tx) {
        const Flavor flavor = load_flavor(call, tx);
        const json::value* value = find(flavor.extra_specs, call.arg("key"));
        if (!value) throw Error(Errc::not_found, "Flavor " + flavor.id + " has no extra specs with key " + call.arg("key") + ".");
        return Reply(json::object{{call.arg("key"), *value}});
    });
}

void store(Tx& tx, const Flavor& flavor) { tx.update("flavors", flavor.id, {{"extra_specs", to_text(flavor.extra_specs)}}); }

Reply create(Call& call) {
    for (const auto& item : call.body) check_spec(std::string(item.key()), item.value());
    return call.store().write([&](Tx& tx) {
        Flavor flavor = load_flavor(call, tx);
        for (const auto& item : call.body) flavor.extra_specs[item.key()] = as_text(item.value());
        store(tx, flavor);
        json::object given;
        for (const auto& item : call.body) given[item.key()] = as_text(item.value());
        return Reply(json::object{{"extra_specs", given}});
    });
}

Reply update(Call& call) {
    const std::string& key = call.arg("key");
    if (call.body.size() != 1) throw bad_request("Request body contains too many items");
    for (const auto& item : call.body) check_spec(std::string(item.key()), item.value());
    const json::value* value = find(call.body, key);
    if (!value) throw bad_request("Request body and URI mismatch");
    return call.store().write([&](Tx& tx) {
        Flavor flavor = load_flavor(call, tx);
        flavor.extra_specs[key] = as_text(*value);
        store(tx, flavor);
        return Reply(json::object{{key, as_text(*value)}});
    });
}

Reply remove(Call& call) {
    call.store().write([&](Tx& tx) {
        Flavor flavor = load_flavor(call, tx);
        const std::string& key = call.arg("key");
        if (flavor.extra_specs.erase(key) == 0) throw Error(Errc::not_found, "Flavor " + flavor.id + " has no extra specs with key " + key + ".");
        store(tx, flavor);
    });
    return {};
}

json::object access_of(Tx& tx, const Flavor& flavor) {
    json::array items;
    for (const Row& row : tx.query("SELECT project_id FROM flavor_projects WHERE flavor_id = ? ORDER BY project_id", {flavor.id}))
        items.push_back(json::object{{"flavor_id", flavor.id}, {"tenant_id", row.text("project_id")}});
    return {{"flavor_access", std::move(items)}};
}

Reply access(Call& call) {
    return call.store().read([&](Tx& tx) {
        const Flavor flavor = load_flavor(call, tx);
        if (flavor.is_public) throw Error(Errc::not_found, "Access list not available for public flavors.");
        return Reply(access_of(tx, flavor));
    });
}

Reply add_access(Call& call) {
    const std::string project = string_or(call.body, "tenant");
    return call.store().write([&](Tx& tx) {
        const Flavor flavor = load_flavor(call, tx);
        if (flavor.is_public && call.at_least(2, 7)) throw Error(Errc::conflict, "Can not add access to a public flavor.");
        if (tx.exec("INSERT INTO flavor_projects (flavor_id, project_id) VALUES (?, ?) ON CONFLICT DO NOTHING", {flavor.id, project}) == 0)
            throw Error(Errc::conflict, "Flavor access already exists for flavor " + flavor.id + " and project " + project + " combination.");
        return Reply(access_of(tx, flavor));
    });
}

Reply remove_access(Call& call) {
    const std::string project = string_or(call.body, "tenant");
    return call.store().write([&](Tx& tx) {
        const Flavor flavor = load_flavor(call, tx);
        if (tx.exec("DELETE FROM flavor_projects WHERE flavor_id = ? AND project_id = ?", {flavor.id, project}) == 0)
            throw Error(Errc::not_found, "Flavor access not found for " + flavor.id + " / " + project + " combination.");
        return Reply(access_of(tx, flavor));
    });
}

constexpr Field tenant_fields[] = {{.name = "tenant", .type = Type::text, .use = api::required, .least = 1, .pattern = "[a-zA-Z0-9-]*"}};
constexpr Action actions[] = {
    {.key = "addTenantAccess",
     .policy = "os_compute_api:os-flavor-access:add_tenant_access",
     .check = admin_check,
     .handler = &add_access,
     .fields = tenant_fields,
     .status = 200},
    {.key = "removeTenantAccess",
     .policy = "os_compute_api:os-flavor-access:remove_tenant_access",
     .check = admin_check,
     .handler = &remove_access,
     .fields = tenant_fields,
     .status = 200},
};
constexpr Route routes[] = {
    {.method = "GET",
     .path = "/v2.1/flavors/{id}/os-extra_specs",
     .policy = "os_compute_api:os-flavor-extra-specs:index",
     .check = reader_check,
     .handler = &list},
    {.method = "GET",
     .path = "/v2.1/flavors/{id}/os-extra_specs/{key}",
     .policy = "os_compute_api:os-flavor-extra-specs:show",
     .check = reader_check,
     .handler = &show},
    {.method = "POST",
     .path = "/v2.1/flavors/{id}/os-extra_specs",
     .policy = "os_compute_api:os-flavor-extra-specs:create",
     .check = admin_check,
     .handler = &create,
     .wrapper = "extra_specs",
     .extra = true},
    {.method = "PUT",
     .path = "/v2.1/flavors/{id}/os-extra_specs/{key}",
     .policy = "os_compute_api:os-flavor-extra-specs:update",
     .check = admin_check,
     .handler = &update,
     .any_body = true},
    {.method = "DELETE",
     .path = "/v2.1/flavors/{id}/os-extra_specs/{key}",
     .policy = "os_compute_api:os-flavor-extra-specs:delete",
     .check = admin_check,
     .handler = &remove},
    {.method = "GET",
     .path = "/v2.1/flavors/{id}/os-flavor-access",
     .policy = "os_compute_api:os-flavor-access",
     .check = admin_check,
     .handler = &access},
    {.method = "POST", .path = "/v2.1/flavors/{id}/action", .actions = actions},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> flavor_spec_routes() { return routes; }

}  // namespace pilvi::compute
