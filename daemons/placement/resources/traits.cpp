// /traits and /resource_providers/{uuid}/traits (1.6)
#include <fmt/format.h>

#include "base/text.h"
#include "domain/standard_names.h"
#include "resources/common.h"
#include "resources/routes.h"

namespace pilvi::placement {
namespace {

constexpr api::Field set_body[] = {
    {.name = "traits", .type = api::Type::array, .use = api::required, .item = api::Type::text},
    {.name = "resource_provider_generation", .type = api::Type::integer, .use = api::required},
};

std::string escaped_prefix(const std::string& text) {
    std::string pattern;
    for (const char c : text) {
        if (c == '%' || c == '_' || c == '\\') pattern += '\\';
        pattern += c;
    }
    return pattern + "%";
}

Reply list_traits(Call& call) {
    require_accept(call);
    check_parameters(call, {{"name"}, {"associated"}});
    std::string sql = "SELECT t.name, t.created_at FROM traits t WHERE 1 = 1";
    Values values;
    if (const auto name = call.query.get("name")) {
        const std::size_t colon = name->find(':');
        if (colon == std::string::npos)
            bad_query(
                fmt::format("Badly formatted name parameter. Expected name query string parameter in form: "
                            "?name=[in|startswith]:[name1,name2|prefix]. Got: \"{}\"",
                            *name));
        const std::string operation = name->substr(0, colon), operand = name->substr(colon + 1);
        if (operation == "in") {
            const auto names = split(operand, ',');
            sql += " AND t.name IN (" + marks(names.size()) + ")";
            values.insert(values.end(), names.begin(), names.end());
        } else if (operation == "startswith") {
            sql += " AND t.name LIKE ? ESCAPE '\\'";
            values.emplace_back(escaped_prefix(operand));
        }
    }
    if (const auto associated = call.query.get("associated")) {
        const std::string flag = lower(*associated);
        if (flag != "true" && flag != "false") bad_query("The query parameter \"associated\" only accepts \"true\" or \"false\"");
        sql += fmt::format(" AND {}EXISTS (SELECT 1 FROM provider_traits p WHERE p.trait = t.name)", flag == "true" ? "" : "NOT ");
    }
    const auto rows = call.store().read([&](Tx& tx) { return tx.query(sql + " ORDER BY t.name", values); });
    Micros modified = rows.empty() ? now_micros() : 0;
    json::array traits;
    for (const Row& row : rows) {
        traits.emplace_back(row.at(0).text());
        modified = std::max(modified, row.at(1).integer());
    }
    return answer(call, json::object{{"traits", std::move(traits)}}, modified);
}

std::optional<Micros> created_at(Tx& tx, const std::string& name) {
    return tx.scalar("SELECT created_at FROM traits WHERE name = ?", {name}).optional_integer();
}

Reply show_trait(Call& call) {
    const auto created = call.store().read([&](Tx& tx) { return created_at(tx, call.arg("name")); });
    if (!created) throw Error(Errc::not_found, fmt::format("No such trait(s): {}.", call.arg("name")));
    return no_content(call, 204, created);
}

Reply put_trait(Call& call) {
    const std::string& name = call.arg("name");
    if (!is_name(name) || !name.starts_with(custom_prefix) || name.size() == custom_prefix.size())
        throw Error(Errc::bad_request,
                    "The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix \"CUSTOM_\" and use "
                    "following characters: \"A\"-\"Z\", \"0\"-\"9\" and \"_\"");
    Micros created = now_micros();
    const bool fresh = call.store().write([&](Tx& tx) {
        if (const auto before = created_at(tx, name)) {
            created = *before;
            return false;
        }
        tx.insert("traits", {{"name", name}, {"created_at", created}});
        return true;
    });
    Reply reply = no_content(call, fresh ? 201 : 204, created);
    reply.headers.set("Location", call.base_url() + "/traits/" + name);
    return reply;
}

Reply delete_trait(Call& call) {
    const std::string& name = call.arg("name");
    call.store().write([&](Tx& tx) {
        if (!created_at(tx, name)) throw Error(Errc::not_found, fmt::format("No such trait(s): {}.", name));
        if (!name.starts_with(custom_prefix)) throw Error(Errc::bad_request, fmt::format("Cannot delete standard trait {}.", name));
        if (tx.one("SELECT trait FROM provider_traits WHERE trait = ? LIMIT 1", {name}))
            throw Error(Errc::conflict, fmt::format("The trait {} is in use by a resource provider.", name));
        tx.exec("DELETE FROM traits WHERE name = ?", {name});
    });
    return no_content(call);
}

Names traits_of_provider(Tx& tx, const std::string& uuid) {
    Names traits;
    for (const Row& row : tx.query("SELECT trait FROM provider_traits WHERE provider_uuid = ?", {uuid})) traits.insert(row.at(0).text());
    return traits;
}

// Bumps the generation only where something changes.
void replace_traits(Tx& tx, ProviderRow& provider, const Names& wanted) {
    const Names present = traits_of_provider(tx, provider.uuid);
    if (present == wanted) return;
    for (const std::string& trait : present)
        if (!wanted.contains(trait)) tx.exec("DELETE FROM provider_traits WHERE provider_uuid = ? AND trait = ?", {provider.uuid, trait});
    for (const std::string& trait : wanted)
        if (!present.contains(trait)) tx.insert("provider_traits", {{"provider_uuid", provider.uuid}, {"trait", trait}});
    bump_generation(tx, provider);
}

Reply answer_traits(const Call& call, const ProviderRow& provider, const Names& traits) {
    return answer(call, json::object{{"traits", json::array(traits.begin(), traits.end())}, {"resource_provider_generation", provider.generation}},
                  provider.updated_at);
}

Reply show_provider_traits(Call& call) {
    require_accept(call);
    return call.store().read([&](Tx& tx) {
        const ProviderRow provider = load_provider(tx, call.arg("uuid"), ": ");
        return answer_traits(call, provider, traits_of_provider(tx, provider.uuid));
    });
}

Reply set_provider_traits(Call& call) {
    const json::object body = validated(call, set_body, call.raw);
    Names traits;
    for (const json::value& trait : array_or_empty(body, "traits")) {
        if (trait.as_string().empty()) invalid_json("traits: '' is too short");
        traits.insert(str(trait.as_string()));
    }
    return call.store().write([&](Tx& tx) {
        ProviderRow provider = load_provider(tx, call.arg("uuid"));
        check_generation(provider, integer_or(body, "resource_provider_generation"),
                         "Resource provider's generation already changed. Please update the generation and try again.");
        std::vector<std::string> unknown;
        for (const std::string& trait : traits)
            if (!created_at(tx, trait)) unknown.push_back(trait);
        if (!unknown.empty()) throw Error(Errc::bad_request, "No such trait " + join(unknown, ", "));
        replace_traits(tx, provider, traits);
        return answer_traits(call, provider, traits);
    });
}

Reply delete_provider_traits(Call& call) {
    call.store().write([&](Tx& tx) {
        ProviderRow provider = load_provider(tx, call.arg("uuid"));
        replace_traits(tx, provider, {});
    });
    return no_content(call);
}

constexpr std::string_view provider_path = "/resource_providers/{uuid}/traits";
constexpr api::Route routes[] = {
    {.method = "GET", .path = "/traits", .policy = "placement:traits:list", .check = reader, .handler = list_traits, .since = {1, 6}},
    {.method = "GET",
     .path = "/traits/{name}",
     .policy = "placement:traits:show",
     .check = reader,
     .handler = show_trait,
     .status = 204,
     .since = {1, 6}},
    {.method = "PUT", .path = "/traits/{name}", .policy = "placement:traits:update", .check = admin, .handler = put_trait, .since = {1, 6}},
    {.method = "DELETE",
     .path = "/traits/{name}",
     .policy = "placement:traits:delete",
     .check = admin,
     .handler = delete_trait,
     .status = 204,
     .since = {1, 6}},
    {.method = "GET",
     .path = provider_path,
     .policy = "placement:resource_providers:traits:list",
     .check = reader,
     .handler = show_provider_traits,
     .since = {1, 6}},
    {.method = "PUT",
     .path = provider_path,
     .policy = "placement:resource_providers:traits:update",
     .check = admin,
     .handler = set_provider_traits,
     .any_body = true,
     .since = {1, 6}},
    {.method = "DELETE",
     .path = provider_path,
     .policy = "placement:resource_providers:traits:delete",
     .check = admin,
     .handler = delete_provider_traits,
     .status = 204,
     .since = {1, 6}},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const api::Route> trait_routes() { return routes; }

}  // namespace pilvi::placement
