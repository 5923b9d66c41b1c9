#include "domain/standard_names.h"
#include "resources/common.h"
#include "resources/routes.h"

namespace pilvi::placement {
namespace {

constexpr api::PolicyRule rules[] = {
    {"admin_api", "role:admin", "Default rule for most placement APIs."},
    {"system_admin_api", "(role:admin and system_scope:all) or rule:admin_api", "Default rule for system admin APIs."},
    {"system_reader_api", "(role:reader and system_scope:all) or rule:admin_api", "Default rule for system level read-only APIs."},
    {"project_reader_api", "(role:reader and project_id:%(project_id)s) or rule:admin_api", "Default rule for project level read-only APIs."},
    {"system_or_project_reader", "rule:system_reader_api or rule:project_reader_api", "Default rule for system and project read-only APIs."},
};

Reply home(Call& call) {
    return answer(call, json::object{{"versions", json::array{json::object{{"id", "v1.0"},
                                                                           {"max_version", "1.39"},
                                                                           {"min_version", "1.0"},
                                                                           {"status", "CURRENT"},
                                                                           {"links", json::array{json::object{{"rel", "self"}, {"href", ""}}}}}}}});
}

constexpr api::Route routes[] = {
    {.method = "GET", .path = "/", .handler = home, .access = api::Access::open},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const api::Route> root_routes() { return routes; }

api::ServiceSpec service_spec() {
    return {.style = {.dialect = api::Dialect::placement,
                      .service_type = "placement",
                      .wrapped = false,
                      .trailing_slash = false,
                      .policy_turn = api::PolicyTurn::before_body,
                      .version_least = {1, 0},
                      .version_most = {1, 39},
                      .version_fallback = {1, 0},
                      .page_limit = 0},
            .resources = {},
            .routes = {root_routes(), provider_routes(), inventory_routes(), aggregate_routes(), trait_routes(), resource_class_routes(),
                       allocation_routes(), candidate_routes(), usage_routes()},
            .rules = {rules}};
}

void add_standard_names(Store& store) {
    store.write([](Tx& tx) {
        const Micros now = now_micros();
        Names traits, classes;
        for (const Row& row : tx.query("SELECT name FROM traits")) traits.insert(row.at(0).text());
        for (const Row& row : tx.query("SELECT name FROM resource_classes")) classes.insert(row.at(0).text());
        for (const std::string_view name : standard_traits())
            if (!traits.contains(name)) tx.insert("traits", {{"name", name}, {"created_at", now}});
        std::int64_t number = 0;
        for (const std::string_view name : standard_resource_classes()) {
            if (!classes.contains(name))
                tx.insert("resource_classes", {{"name", name}, {"number", number}, {"created_at", now}, {"updated_at", now}});
            ++number;
        }
    });
}

}  // namespace pilvi::placement
