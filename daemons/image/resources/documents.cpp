// Documents that say what the service can do: versions, schemas, import methods, stores.
#include <array>

#include "base/error.h"
#include "domain/metadef_schemas.h"
#include "domain/properties.h"
#include "image.h"
#include "model.h"
#include "rules.h"

namespace pilvi::image {
namespace {
using api::Access;
using api::Call;
using api::Reply;
using api::Route;

constexpr std::string_view supported[] = {"v2.9", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"};
constexpr std::string_view current = "v2.15";

Reply versions(Call& call) {
    const std::string href = call.base_url() + "/v2/";
    const auto entry = [&href](std::string_view id, std::string_view status) {
        return json::value{{"id", id}, {"status", status}, {"links", json::array{{{"rel", "self"}, {"href", href}}}}};
    };
    json::array all{entry(current, "CURRENT")};
    for (const std::string_view id : supported) all.push_back(entry(id, "SUPPORTED"));
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

Reply import_methods(Call&) {
    return json::object{{"import-methods", {{"description", "Import methods available."}, {"type", "array"}, {"value", json::array{}}}}};
}

Reply stores(Call&) { throw Error(Errc::not_found, "Multi backend is not supported at this site."); }

Reply tasks(Call&) { return json::object{{"tasks", json::array{}}}; }

constexpr const char* anybody = "@";

constexpr Route table[] = {
    {.method = "GET", .path = "/", .handler = versions, .status = 300, .access = Access::open},
    {.method = "GET", .path = "/versions", .handler = versions, .status = 200, .access = Access::open},
    {.method = "GET", .path = "/v2/schemas/{name}", .policy = "get_schema", .check = anybody, .handler = schema},
    {.method = "GET", .path = "/v2/schemas/metadefs/{name}", .policy = "get_schema", .check = anybody, .handler = metadef_document},
    {.method = "GET", .path = "/v2/info/import", .policy = "get_import_methods", .check = anybody, .handler = import_methods},
    {.method = "GET", .path = "/v2/info/stores", .policy = "get_stores", .check = anybody, .handler = stores},
    {.method = "GET",
     .path = "/v2/images/{image_id}/tasks",
     .policy = "get_image",
     .check = rules::get_image,
     .handler = tasks,
     .target = image_target},
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

const std::span<const Route> document_routes = table;

}  // namespace pilvi::image
