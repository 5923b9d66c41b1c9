#include <doctest/doctest.h>

#include "base/text.h"
#include "fixture.h"

#include "support/bad_input.h"

namespace pilvi::testing {
namespace {

constexpr const char* id = "11111111-0000-4000-8000-000000000000";

struct Subject final : BadInputSubject {
    ImageService image{{}, {.ports = {1}, .hosts = {"nowhere.invalid"}}};  // nothing is fetched from anywhere
    Subject() {
        headers.set("Content-Type", "application/json");
        const auto create = [&](std::string_view path, const std::string& body) {
            image.cases.run({.method = "POST", .path = std::string(path), .token = "admin", .body = body, .status = 201});
        };
        create("/v2/images", std::string(R"({"id": ")") + id + R"(", "name": "a", "disk_format": "raw", "container_format": "bare", "p": "q"})");
        image.cases.run({.method = "PUT", .path = std::string("/v2/images/") + id + "/tags/t", .token = "admin", .status = 204});
        create("/v2/metadefs/namespaces", R"({"namespace": "NS"})");
        create("/v2/metadefs/namespaces/NS/objects", R"({"name": "o", "properties": {"a": {"title": "A", "type": "string"}}})");
        create("/v2/metadefs/namespaces/NS/properties", R"({"name": "p", "title": "P", "type": "string"})");
        create("/v2/metadefs/namespaces/NS/tags/t", "");
        create("/v2/metadefs/namespaces/NS/resource_types", R"({"name": "OS::Nova::Flavor"})");
        parameters = {{"{image_id}", id},
                      {"{namespace}", "NS"},
                      {"{store}", "local"},
                      {"{tag}", "t"},
                      {"{member}", "m"},
                      {"/v2/metadefs/namespaces/{namespace}/objects/{name}", "o"},
                      {"/v2/metadefs/namespaces/{namespace}/properties/{name}", "p"},
                      {"/v2/metadefs/namespaces/{namespace}/tags/{name}", "t"},
                      {"/v2/metadefs/namespaces/{namespace}/resource_types/{name}", "OS::Nova::Flavor"},
                      {"{name}", "image"}};
    }
    api::Service& service() override { return *image.service; }
    std::string token() override { return "admin"; }
    void settle() override { image.importer.wait_idle(); }
};

BadInputPlan plan() {
    constexpr const char* object = R"({"name": "x", "description": "d", "required": ["a"], "properties": {"a": {"title": "A", "type": "integer",
        "minimum": 1, "maximum": 5, "default": 1, "readonly": true, "operators": ["<in>"], "enum": [1]}}})";
    constexpr const char* property =
        R"({"name": "y", "title": "Y", "description": "d", "type": "array", "minLength": 0, "maxLength": 5, "pattern": "a*",
        "items": {"type": "string", "enum": ["a"]}, "minItems": 1, "maxItems": 3, "uniqueItems": true, "additionalItems": false, "default": ["a"]})";
    constexpr const char* space =
        R"({"namespace": "N", "display_name": "d", "description": "e", "visibility": "private", "protected": true, "owner": "x",
        "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "p", "properties_target": "image"}],
        "properties": {"a": {"title": "A", "type": "string"}}, "objects": [{"name": "o", "properties": {}}], "tags": [{"name": "t"}]})";
    return {
        .fresh = [] { return std::make_unique<Subject>(); },
        .bodies =
            {{"POST /v2/images", R"({"name": "x", "visibility": "shared", "tags": ["a"], "min_ram": 1, "min_disk": 1, "protected": false,
                "os_hidden": true, "disk_format": "qcow2", "container_format": "bare", "owner": "o", "k": "v"})"},
             {"PATCH /v2/images/{image_id}", R"([{"op": "replace", "path": "/name", "value": "x"}, {"op": "add", "path": "/tags", "value": ["a"]},
                {"op": "add", "path": "/locations/-", "value": {"url": "http://nowhere.invalid:1/x", "metadata": {"store": "web"}}}])"},
             {"POST /v2/images/{image_id}/import", R"({"method": {"name": "web-download", "uri": "http://nowhere.invalid:1/x"}, "stores": ["local"],
                "all_stores": false, "all_stores_must_succeed": true})"},
             {"POST /v2/images/{image_id}/members", R"({"member": "m"})"},
             {"PUT /v2/images/{image_id}/members/{member_id}", R"({"status": "accepted"})"},
             {"POST /v2/tasks", R"({"type": "import", "input": {"import_from": "http://nowhere.invalid:1/x", "import_from_format": "raw",
                "image_properties": {"name": "n", "disk_format": "raw", "container_format": "bare"}}})"},
             {"POST /v2/metadefs/namespaces", space},
             {"PUT /v2/metadefs/namespaces/{namespace}", R"({"namespace": "NS", "display_name": "d", "visibility": "public", "protected": false})"},
             {"POST /v2/metadefs/namespaces/{namespace}/objects", object},
             {"PUT /v2/metadefs/namespaces/{namespace}/objects/{name}", object},
             {"POST /v2/metadefs/namespaces/{namespace}/properties", property},
             {"PUT /v2/metadefs/namespaces/{namespace}/properties/{name}", property},
             {"POST /v2/metadefs/namespaces/{namespace}/resource_types", R"({"name": "OS::X", "prefix": "p", "properties_target": "image"})"},
             {"POST /v2/metadefs/namespaces/{namespace}/tags", R"({"tags": [{"name": "a"}, {"name": "b"}]})"},
             {"PUT /v2/metadefs/namespaces/{namespace}/tags/{name}", R"({"name": "b"})"},
             {"PUT /v1/images/{image_id}/members", R"({"memberships": [{"member_id": "m", "can_share": false}]})"}},
        .content_types = {{"PATCH /v2/images/{image_id}", "application/openstack-images-v2.1-json-patch"}},
        .unstable = {"deleted_images"},  // an image of v1 that is refused with its data was there for a moment
    };
}

TEST_CASE("bad input for every operation") { check_bad_input(plan()); }

// Attributes that v1 takes from headers.
TEST_CASE("bad attributes in headers") {
    Subject subject;
    const std::vector<std::string> attributes{"name",
                                              "disk_format",
                                              "container_format",
                                              "min_disk",
                                              "min_ram",
                                              "protected",
                                              "is_public",
                                              "owner",
                                              "id",
                                              "status",
                                              "size",
                                              "checksum",
                                              "deleted",
                                              "created_at",
                                              "location",
                                              "copy_from",
                                              "store",
                                              "unknown",
                                              "property-a",
                                              "property-",
                                              "property-id",
                                              "property-p" + std::string(300, 'a')};
    for (const std::string& name : attributes)
        for (const std::string& value :
             {std::string(), std::string("-1"), std::string("99999999999999999999"), std::string("\xff\xfe"), std::string("\xf0\x9f\x98\x80"),
              std::string("maybe"), std::string("file:///etc/passwd"), std::string(70'000, 'a')})
            for (const std::string& method : {std::string("POST"), std::string("PUT")}) {
                http::Request request{.method = method, .target = "/v1/images", .headers = subject.headers};
                if (method == "PUT") request.target += std::string("/") + id;
                request.path = request.target;
                request.headers.set("X-Auth-Token", "admin");
                request.headers.set("X-Image-Meta-" + name, value);
                const http::Response response = subject.service().handle(request);
                INFO(method << " " << name << " = " << value.substr(0, 40) << ": " << response.status << " " << response.body.substr(0, 200));
                CHECK(response.status < 500);
                CHECK(is_utf8(response.body));
                http::Request list{.method = "GET", .target = "/v1/images/detail", .path = "/v1/images/detail", .headers = request.headers};
                const http::Response all = subject.service().handle(list);
                CHECK(all.status == 200);
                CHECK(is_utf8(all.body));
            }
}

}  // namespace
}  // namespace pilvi::testing
