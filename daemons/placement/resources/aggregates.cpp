// /resource_providers/{uuid}/aggregates (1.1)
#include "resources/common.h"
#include "resources/routes.h"

namespace pilvi::placement {
namespace {

constexpr api::Field list_field{.name = "aggregates", .type = api::Type::array, .use = api::required, .item = api::Type::uuid};
constexpr api::Field list_body[] = {list_field};
constexpr api::Field body_1_19[] = {list_field, {.name = "resource_provider_generation", .type = api::Type::integer, .use = api::required}};

Reply answer_aggregates(const Call& call, const ProviderRow& provider, json::array aggregates) {
    json::object body{{"aggregates", std::move(aggregates)}};
    if (call.at_least(1, 19)) body["resource_provider_generation"] = provider.generation;
    return answer(call, std::move(body));
}

Reply show_aggregates(Call& call) {
    require_accept(call);
    return call.store().read([&](Tx& tx) {
        const ProviderRow provider = load_provider(tx, call.arg("uuid"));
        json::array aggregates;
        for (const Row& row :
             tx.query("SELECT aggregate_uuid FROM provider_aggregates WHERE provider_uuid = ? ORDER BY aggregate_uuid", {provider.uuid}))
            aggregates.emplace_back(row.at(0).text());
        return answer_aggregates(call, provider, std::move(aggregates));
    });
}

Reply set_aggregates(Call& call) {
    require_provider(call);
    const bool with_generation = call.at_least(1, 19);
    if (!with_generation && !call.raw.is_array()) invalid_json("the body is not of type 'array'");
    const json::object body =
        with_generation ? validated(call, body_1_19, call.raw) : validated(call, list_body, json::object{{"aggregates", call.raw}});
    Names aggregates;
    json::array given;  // answered in this order
    for (const json::value& uuid : array_or_empty(body, "aggregates")) {
        given.emplace_back(canonical_uuid(uuid.as_string()));
        if (!aggregates.insert(str(given.back().get_string())).second) invalid_json("the list has non-unique elements", "aggregates");
    }
    return call.store().write([&](Tx& tx) {
        ProviderRow provider = load_provider(tx, call.arg("uuid"));
        if (with_generation)
            check_generation(provider, integer_or(body, "resource_provider_generation"),
                             "Resource provider's generation already changed. Please update the generation and try again.");
        tx.exec("DELETE FROM provider_aggregates WHERE provider_uuid = ?", {provider.uuid});
        for (const std::string& aggregate : aggregates)
            tx.insert("provider_aggregates", {{"provider_uuid", provider.uuid}, {"aggregate_uuid", aggregate}});
        if (with_generation) bump_generation(tx, provider);
        return answer_aggregates(call, provider, std::move(given));
    });
}

constexpr std::string_view path = "/resource_providers/{uuid}/aggregates";
constexpr api::Route routes[] = {
    {.method = "GET",
     .path = path,
     .policy = "placement:resource_providers:aggregates:list",
     .check = reader,
     .handler = show_aggregates,
     .since = {1, 1}},
    {.method = "PUT",
     .path = path,
     .policy = "placement:resource_providers:aggregates:update",
     .check = admin,
     .handler = set_aggregates,
     .any_body = true,
     .since = {1, 1}},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const api::Route> aggregate_routes() { return routes; }

}  // namespace pilvi::placement
