// Documents that say what the service can do: versions, schemas, import methods, stores.
#include <array>

#include "base/error.h"
#include "domain/metadef_schemas.h"
#include "domain/properties.h"
#include "image.h"
#include "importer.h"
#include "quotas.h"
#include "rules.h"

namespace pilvi::image {
namespace {
using api::Access;
using api::Call;
using api::Reply;
using api::Route;

// What each minor version stands for is in the Image API's own history; 2.16 and 2.14 are the cache's.
constexpr std::string_view with_cache[] = {"v2.15", "v2.14"};
constexpr std::string_view always[] = {"v2.13", "v2.12", "v2.11", "v2.10", "v2.9", "v2.8", "v2.7",
                                       "v2.6",  "v2.5",  "v2.4",  "v2.3",  "v2.2", "v2.1", "v2.0"};

Reply versions(Call& call) {
    const bool cache = call.app<App>().cache != nullptr;
    json::array all;
    const auto add = [&](std::string_view id, std::string_view status) {
        const std::string href = call.base_url() + "/" + std::string(id.substr(0, 2)) + "/";
        all.push_back({{"id", id}, {"status", status}, {"links", json::array{{{"rel", "self"}, {"href", href}}}}});
    };
    add(cache ? "v2.16" : "v2.15", "CURRENT");
    if (cache)
        for (const std::string_view id : with_cache) add(id, "SUPPORTED");
    for (const std::string_view id : always) add(id, "SUPPORTED");
    for (const std::string_view id : {"v1.1", "v1.0"}) add(id, "DEPRECATED");
    return json::object{{"versions", std::move(all)}};
}

Reply schema(Call& call) {
    json::value document = schema_document(call.arg("name"));
    if (document.is_null()) throw Error(Errc::not_found, "The resource could not be found.");
    return document;
}

Reply metadef_document(Call& call) {
    const json::object* document = metadef_schema(call.arg("name"));
    if (!document) throw Error(Errc::not_found, "The resource could not be found.");
    return *document;
}

Reply import_methods(Call& call) {
    json::array methods;
    if (const Importer* importer = call.app<App>().importer)
        for (const std::string& method : importer->options().methods) methods.push_back(json::value(method));
    return json::object{{"import-methods", {{"description", "Import methods available."}, {"type", "array"}, {"value", std::move(methods)}}}};
}

json::array store_list(const Call& call, bool detailed) {
    const Stores& stores = call.app<App>().stores;
    json::array out;
    for (const NamedStore& named : stores.all()) {
        json::object one{{"id", named.name}};
        if (&named == &stores.preferred()) one["default"] = "true";
        if (!named.store->writable()) one["read-only"] = "true";
        if (detailed) {
            one["type"] = named.store->type();
            json::object properties;
            for (const auto& [name, value] : named.store->properties()) properties[name] = value;
            one["properties"] = std::move(properties);
        }
        out.push_back(std::move(one));
    }
    return out;
}

Reply stores(Call& call) { return json::object{{"stores", store_list(call, false)}}; }
Reply stores_in_detail(Call& call) { return json::object{{"stores", store_list(call, true)}}; }
Reply usage(Call& call) { return json::object{{"usage", usage_document(call)}}; }

constexpr const char* anybody = "@";

constexpr Route table[] = {
    {.method = "GET", .path = "/", .handler = versions, .status = 300, .access = Access::open},
    {.method = "GET", .path = "/versions", .handler = versions, .status = 200, .access = Access::open},
    {.method = "GET", .path = "/v2/schemas/{name}", .policy = "get_schema", .check = anybody, .handler = schema},
    {.method = "GET", .path = "/v2/schemas/metadefs/{name}", .policy = "get_schema", .check = anybody, .handler = metadef_document},
    {.method = "GET", .path = "/v2/info/import", .policy = "get_import_methods", .check = anybody, .handler = import_methods},
    {.method = "GET", .path = "/v2/info/stores", .policy = "get_stores", .check = anybody, .handler = stores},
    {.method = "GET", .path = "/v2/info/stores/detail", .policy = "stores_info_detail", .check = rules::admin, .handler = stores_in_detail},
    {.method = "GET", .path = "/v2/info/usage", .policy = "get_usage", .check = anybody, .handler = usage},
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

const std::span<const Route> document_routes = table;

}  // namespace pilvi::image
