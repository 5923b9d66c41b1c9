#include <doctest/doctest.h>

#include "api/image/fixture.h"

using namespace pilvi;
using testing::Case;
using testing::Cases;
using testing::ImageService;

namespace {
const std::string spaces = "/v2/metadefs/namespaces";

void make_namespace(ImageService& s, const std::string& name, const std::string& more = "") {
    s.cases.run({.method = "POST", .path = spaces, .token = "admin", .body = R"({"namespace": ")" + name + "\"" + more + "}", .status = 201});
}
}  // namespace

TEST_CASE("metadef schemas") {
    ImageService s;
    for (const std::string name :
         {"namespace", "namespaces", "object", "objects", "property", "properties", "resource_type", "resource_types", "tag", "tags"})
        s.cases.run(
            {.path = "/v2/schemas/metadefs/" + name, .token = "reader", .expect = R"({"name": "<matches:^[a-z_]+$>", "properties": "<object>"})"});
    const Case cases[] = {
        {.path = "/v2/schemas/metadefs/namespace",
         .token = "reader",
         .expect = R"({"required": ["namespace"], "additionalProperties": false, "definitions": {"property": {"type": "object"}}})"},
        {.path = "/v2/schemas/metadefs/properties",
         .token = "reader",
         .expect = R"({"properties": {"properties": {"additionalProperties": {"required": ["title", "type"]}}}})"},
        {.path = "/v2/schemas/metadefs/resource_type", .token = "reader", .expect = R"({"name": "resource_type_association"})"},
        {.path = "/v2/schemas/metadefs/nothing", .token = "reader", .status = 404},
        {.path = "/v2/schemas/metadefs/tag", .status = 401},
        {.method = "POST", .path = "/v2/schemas/metadefs/tag", .token = "admin", .body = "{}", .status = 405},
    };
    s.cases.run(cases);
}

TEST_CASE("metadef namespaces") {
    ImageService s;
    const Case cases[] = {
        {.method = "POST",
         .path = spaces,
         .token = "admin",
         .body = R"({"namespace": "OS::Compute::Test", "display_name": "Test", "description": "For tests", "visibility": "public", "protected": true,
            "resource_type_associations": [{"name": "OS::Nova::Flavor", "prefix": "hw:"}],
            "properties": {"cores": {"title": "Cores", "type": "integer", "minimum": 1}},
            "objects": [{"name": "cpu", "required": ["sockets"], "properties": {"sockets": {"title": "Sockets", "type": "integer"}}}],
            "tags": [{"name": "fast"}, {"name": "slow"}]})",
         .status = 201,
         .expect = R"({"namespace": "OS::Compute::Test", "visibility": "public", "protected": true, "owner": "${admin_project}",
            "created_at": "<time>", "updated_at": "<time>", "self": "/v2/metadefs/namespaces/OS::Compute::Test",
            "schema": "/v2/schemas/metadefs/namespace", "tags": [{"name": "fast"}, {"name": "slow"}]})",
         .answer_headers = {{"Location", "/v2/metadefs/namespaces/OS::Compute::Test"}}},
        {.method = "POST",
         .path = spaces,
         .token = "admin",
         .body = R"({"namespace": "OS::Compute::Test"})",
         .status = 409,
         .text = "The metadata definition namespace=OS::Compute::Test already exists."},
        {.path = spaces + "/OS::Compute::Test",
         .token = "other",
         .expect =
             R"({"display_name": "Test", "resource_type_associations": [{"name": "OS::Nova::Flavor", "prefix": "hw:", "properties_target": "<absent>"}],
            "properties": {"cores": {"title": "Cores", "type": "integer", "minimum": 1, "name": "<absent>"}},
            "objects": [{"name": "cpu", "required": ["sockets"], "schema": "/v2/schemas/metadefs/object",
                         "self": "/v2/metadefs/namespaces/OS::Compute::Test/objects/cpu"}], "tags": [{"name": "fast"}, {"name": "slow"}]})"},
        {.path = spaces + "/OS::Compute::Test?resource_type=OS::Nova::Flavor",
         .token = "reader",
         .expect = R"({"properties": {"hw:cores": {"title": "Cores"}, "cores": "<absent>"},
            "objects": [{"required": ["hw:sockets"], "properties": {"hw:sockets": {"title": "Sockets"}}}]})"},
        {.method = "DELETE",
         .path = spaces + "/OS::Compute::Test",
         .token = "admin",
         .status = 403,
         .text = "Metadata definition namespace OS::Compute::Test is protected and cannot be deleted."},
        {.method = "DELETE", .path = spaces + "/OS::Compute::Test/objects", .token = "admin", .status = 403},
        {.method = "DELETE", .path = spaces + "/OS::Compute::Test/tags", .token = "admin", .status = 403},
        {.method = "DELETE", .path = spaces + "/OS::Compute::Test/properties", .token = "admin", .status = 403},
        {.method = "DELETE", .path = spaces + "/OS::Compute::Test/objects/cpu", .token = "admin", .status = 403, .text = "object cpu is protected"},
        {.method = "DELETE", .path = spaces + "/OS::Compute::Test/tags/fast", .token = "admin", .status = 403, .text = "tag fast is protected"},
        {.method = "DELETE", .path = spaces + "/OS::Compute::Test/properties/cores", .token = "admin", .status = 403, .text = "property cores is"},
        {.method = "DELETE",
         .path = spaces + "/OS::Compute::Test/resource_types/OS::Nova::Flavor",
         .token = "admin",
         .status = 403,
         .text = "resource-type-association OS::Nova::Flavor is protected"},
        {.method = "PUT",
         .path = spaces + "/OS::Compute::Test",
         .token = "admin",
         .body = R"({"namespace": "OS::Compute::New", "description": "x"})",
         .expect =
             R"({"namespace": "OS::Compute::New", "description": "x", "display_name": "<absent>", "visibility": "private", "protected": false})"},
        {.path = spaces + "/OS::Compute::Test", .token = "admin", .status = 404, .text = "not found"},
        {.name = "private now", .path = spaces + "/OS::Compute::New", .token = "other", .status = 404},
        {.path = "/v2/metadefs/resource_types",
         .token = "reader",
         .expect = R"({"resource_types": [{"name": "OS::Nova::Flavor", "created_at": "<time>", "updated_at": "<time>"}]})"},
        {.method = "DELETE", .path = spaces + "/OS::Compute::New", .token = "admin", .status = 204, .empty = true},
        {.path = spaces + "/OS::Compute::New", .token = "admin", .status = 404},
        {.path = spaces, .token = "admin", .expect = R"({"namespaces": [], "first": "/v2/metadefs/namespaces", "next": "<absent>"})"},
    };
    s.cases.run(cases);
}

TEST_CASE("metadef namespaces: bad input changes nothing") {
    ImageService s;
    make_namespace(s, "there");
    struct Row {
        std::string body;
        int status;
        std::string_view text;
    };
    const Row rows[] = {
        {"", 400, ""},
        {"{", 400, ""},
        {"[]", 400, ""},
        {"5", 400, ""},
        {"{}", 400, "&#x27;namespace&#x27; is a required property"},
        {R"({"namespace": 5})", 400, "5 is not of type &#x27;string&#x27;"},
        {R"({"namespace": null})", 400, "None is not of type"},
        {R"({"namespace": ")" + std::string(81, 'x') + R"("})", 400, "is too long"},
        {R"({"namespace": "a", "visibility": "shared"})", 400, "is not one of [&#x27;public&#x27;, &#x27;private&#x27;]"},
        {R"({"namespace": "a", "protected": "yes"})", 400, "is not of type &#x27;boolean&#x27;"},
        {R"({"namespace": "a", "description": ")" + std::string(501, 'x') + R"("})", 400, "is too long"},
        {R"({"namespace": "a", "nonsense": 1})", 400, "Additional properties are not allowed (&#x27;nonsense&#x27; was unexpected)"},
        {R"({"namespace": "a", "self": "x"})", 403, "is read-only"},
        {R"({"namespace": "a", "created_at": "x"})", 403, "is read-only"},
        {R"({"namespace": "a", "tags": {}})", 400, ""},
        {R"({"namespace": "a", "tags": [5]})", 400, ""},
        {R"({"namespace": "a", "tags": [{}]})", 400, "&#x27;name&#x27; is a required property"},
        {R"({"namespace": "a", "tags": [{"name": "t"}, {"name": "t"}]})", 409, ""},
        {R"({"namespace": "a", "objects": [{"name": "o", "required": ["x", "x"]}]})", 400, "has non-unique elements"},
        {R"({"namespace": "a", "objects": [{"name": "o", "properties": {"p": {"title": "t"}}}]})", 400, ""},
        {R"({"namespace": "a", "properties": {"p": {"title": "t"}}})", 400, "&#x27;type&#x27; is a required property"},
        {R"({"namespace": "a", "properties": {"p": {"title": "t", "type": "thing"}}})", 400, "is not one of"},
        {R"({"namespace": "a", "properties": {"p": {"title": "t", "type": "string", "maxLength": -1}}})", 400, "less than the minimum of 0"},
        {R"({"namespace": "a", "properties": {"p": {"title": "t", "type": "string", "maxLength": 1.5}}})", 400, "is not of type"},
        {R"({"namespace": "a", "resource_type_associations": [{"prefix": "x"}]})", 400, ""},
        {R"({"namespace": "there"})", 409, "already exists"},
    };
    for (const Row& row : rows)
        s.cases.run({.method = "POST", .path = spaces, .token = "admin", .body = row.body, .status = row.status, .text = std::string(row.text)});
    s.cases.run({.path = spaces, .token = "admin", .expect = R"({"namespaces": [{"namespace": "there", "tags": "<absent>"}]})"});
    make_namespace(s, "second");
    s.cases.run({.method = "PUT",
                 .path = spaces + "/second",
                 .token = "admin",
                 .body = R"({"namespace": "there"})",
                 .status = 409,
                 .text = "duplicate metadata definition namespace with the same name of there"});
}

TEST_CASE("metadef namespaces: lists") {
    ImageService s;
    for (const std::string name : {"a", "b", "c"}) make_namespace(s, name, R"(, "visibility": "public")");
    make_namespace(s, "hidden", R"(, "resource_type_associations": [{"name": "OS::T"}])");
    const Case cases[] = {
        {.path = spaces, .token = "member", .expect = R"({"namespaces": [{"namespace": "c"}, {"namespace": "b"}, {"namespace": "a"}]})"},
        {.path = spaces + "?sort_key=namespace&sort_dir=asc&limit=2",
         .token = "member",
         .expect = R"({"namespaces": [{"namespace": "a"}, {"namespace": "b"}],
             "next": "/v2/metadefs/namespaces?sort_key=namespace&sort_dir=asc&limit=2&marker=b",
             "first": "/v2/metadefs/namespaces?sort_key=namespace&sort_dir=asc&limit=2"})"},
        {.path = spaces + "?sort_key=namespace&sort_dir=asc&limit=2&marker=b",
         .token = "member",
         .expect = R"({"namespaces": [{"namespace": "c"}], "next": "<absent>"})"},
        {.path = spaces + "?resource_types=OS::T,OS::U",
         .token = "admin",
         .expect = R"({"namespaces": [{"namespace": "hidden", "resource_type_associations": [{"name": "OS::T"}]}]})"},
        {.path = spaces + "?resource_types=OS::T", .token = "member", .expect = R"({"namespaces": []})"},
        {.path = spaces + "?visibility=private", .token = "admin", .expect = R"({"namespaces": [{"namespace": "hidden"}]})"},
        {.path = spaces + "?visibility=nobody", .token = "admin", .status = 400},
        {.path = spaces + "?limit=x", .token = "admin", .status = 400},
        {.path = spaces + "?limit=-1", .token = "admin", .status = 400},
        {.path = spaces + "?limit=0", .token = "admin", .expect = R"({"namespaces": []})"},
        {.path = spaces + "?sort_dir=up", .token = "admin", .status = 400, .text = "Invalid sort direction: up"},
        {.path = spaces + "?sort_key=nothing", .token = "admin", .status = 400},
        {.path = spaces + "?marker=nothing", .token = "admin", .status = 404},
        {.name = "a marker that the caller may not see", .path = spaces + "?marker=hidden", .token = "member", .status = 404},
    };
    s.cases.run(cases);
}

TEST_CASE("metadef objects") {
    ImageService s;
    make_namespace(s, "n", R"(, "visibility": "public")");
    const std::string path = spaces + "/n/objects";
    const Case cases[] = {
        {.method = "POST",
         .path = path,
         .token = "admin",
         .body = R"({"name": "o", "description": "d", "required": ["p"], "properties": {"p": {"title": "P", "type": "string", "enum": ["x"]}}})",
         .status = 201,
         .expect = R"({"name": "o", "description": "d", "required": ["p"], "properties": {"p": {"enum": ["x"]}}, "created_at": "<time>",
             "self": "/v2/metadefs/namespaces/n/objects/o", "schema": "/v2/schemas/metadefs/object"})"},
        {.method = "POST",
         .path = path,
         .token = "admin",
         .body = R"({"name": "o"})",
         .status = 409,
         .text = "A metadata definition object with name=o already exists in namespace=n."},
        {.method = "POST", .path = path, .token = "admin", .body = "{}", .status = 400},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"name": "x", "namespace": "n"})", .status = 400},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"name": "x", "self": "n"})", .status = 403},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"name": "x", "properties": {"p": 5}})", .status = 400},
        {.method = "POST",
         .path = spaces + "/none/objects",
         .token = "admin",
         .body = R"({"name": "o"})",
         .status = 404,
         .text = "Namespace none not found"},
        {.path = path, .token = "reader", .expect = R"({"objects": [{"name": "o", "required": ["p"]}], "schema": "v2/schemas/metadefs/objects"})"},
        {.path = path + "/o", .token = "other", .expect = R"({"name": "o"})"},
        {.path = path + "/q", .token = "reader", .status = 404, .text = "The metadata definition object with name=q was not found in namespace=n."},
        {.method = "PUT",
         .path = path + "/o",
         .token = "admin",
         .body = R"({"name": "o2"})",
         .expect = R"({"name": "o2", "required": "<absent>", "properties": "<absent>"})"},
        {.path = path + "/o2", .token = "reader", .expect = R"({"name": "o2", "required": [], "properties": {}})"},
        {.method = "PUT", .path = path + "/o", .token = "admin", .body = R"({"name": "o2"})", .status = 404},
        {.method = "PUT", .path = path + "/o2", .token = "admin", .body = R"({"description": "no name"})", .status = 400},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"name": "o3"})", .status = 201},
        {.method = "PUT",
         .path = path + "/o3",
         .token = "admin",
         .body = R"({"name": "o2"})",
         .status = 409,
         .text = "duplicate metadata definition object"},
        {.method = "DELETE", .path = path + "/o3", .token = "admin", .status = 204, .empty = true},
        {.method = "DELETE", .path = path + "/o3", .token = "admin", .status = 404},
        {.method = "DELETE", .path = path, .token = "admin", .status = 204, .empty = true},
        {.path = path, .token = "reader", .expect = R"({"objects": []})"},
        {.method = "PATCH", .path = path + "/o", .token = "admin", .body = "{}", .status = 405},
    };
    s.cases.run(cases);
}

TEST_CASE("metadef properties") {
    ImageService s;
    make_namespace(s, "n", R"(, "visibility": "public", "resource_type_associations": [{"name": "OS::T", "prefix": "hw_"}, {"name": "OS::U"}])");
    const std::string path = spaces + "/n/properties";
    const Case cases[] = {
        {.method = "POST",
         .path = path,
         .token = "admin",
         .body = R"({"name": "p", "title": "P", "type": "array", "items": {"type": "string", "enum": ["a"]}, "minItems": 1, "readonly": false})",
         .status = 201,
         .expect = R"({"name": "p", "title": "P", "type": "array", "items": {"type": "string"}, "minItems": 1, "created_at": "<absent>"})"},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"name": "p", "title": "P", "type": "array"})", .status = 409},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"title": "P", "type": "array"})", .status = 400},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"name": "q", "title": "P", "type": 5})", .status = 400},
        {.method = "POST",
         .path = path,
         .token = "admin",
         .body = R"({"name": "q", "title": "P", "type": "string", "default": {"any": 1}})",
         .status = 201},
        {.path = path, .token = "reader", .expect = R"({"properties": {"p": {"title": "P", "name": "p"}, "q": {"default": {"any": 1}}}})"},
        {.path = path + "/p", .token = "reader", .expect = R"({"name": "p", "title": "P"})"},
        {.path = path + "/hw_p?resource_type=OS::T", .token = "reader", .expect = R"({"name": "p"})"},
        {.path = path + "/p?resource_type=OS::T",
         .token = "reader",
         .status = 404,
         .text = "does not start with the expected resource type association prefix"},
        {.path = path + "/p?resource_type=OS::U", .token = "reader", .status = 404},
        {.path = path + "/p?resource_type=OS::V", .token = "reader", .status = 404},
        {.path = path + "/none", .token = "reader", .status = 404, .text = "property with name=none was not found in namespace=n."},
        {.method = "PUT",
         .path = path + "/p",
         .token = "admin",
         .body = R"({"name": "p2", "title": "T", "type": "string"})",
         .expect = R"({"name": "p2", "items": "<absent>"})"},
        {.method = "PUT", .path = path + "/p2", .token = "admin", .body = R"({"name": "q", "title": "T", "type": "string"})", .status = 409},
        {.method = "DELETE", .path = path + "/p2", .token = "admin", .status = 204},
        {.method = "DELETE", .path = path + "/p2", .token = "admin", .status = 404},
        {.method = "DELETE", .path = path, .token = "admin", .status = 204},
        {.path = path, .token = "reader", .expect = R"({"properties": {}})"},
    };
    s.cases.run(cases);
}

TEST_CASE("metadef tags") {
    ImageService s;
    make_namespace(s, "n", R"(, "visibility": "public")");
    const std::string path = spaces + "/n/tags";
    const Case cases[] = {
        {.method = "POST",
         .path = path,
         .token = "admin",
         .body = R"({"tags": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})",
         .status = 201,
         .expect = R"({"tags": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})"},
        {.path = path + "?sort_key=name&sort_dir=asc", .token = "reader", .expect = R"({"tags": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})"},
        {.path = path + "?sort_key=name&sort_dir=asc&marker=a&limit=1", .token = "reader", .expect = R"({"tags": [{"name": "b"}]})"},
        {.path = path, .token = "reader", .expect = R"({"tags": [{"name": "c"}, {"name": "b"}, {"name": "a"}]})"},
        {.path = path + "?marker=c", .token = "reader", .expect = R"({"tags": [{"name": "b"}, {"name": "a"}]})"},
        {.path = path + "?marker=none", .token = "reader", .status = 404},
        {.path = path + "?sort_key=size", .token = "reader", .status = 400},
        {.path = path + "?limit=x", .token = "reader", .status = 400},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"tags": [{"name": "d"}]})", .status = 201},
        {.name = "instead of what was there", .path = path, .token = "reader", .expect = R"({"tags": [{"name": "d"}]})"},
        {.method = "POST",
         .path = path,
         .token = "admin",
         .body = R"({"tags": [{"name": "e"}]})",
         .status = 201,
         .headers = {{"X-OpenStack-Append", "True"}}},
        {.path = path, .token = "reader", .expect = R"({"tags": [{"name": "e"}, {"name": "d"}]})"},
        {.method = "POST",
         .path = path,
         .token = "admin",
         .body = R"({"tags": [{"name": "f"}, {"name": "e"}]})",
         .status = 409,
         .text = "A metadata tag with name=e already exists in namespace=n.",
         .headers = {{"X-OpenStack-Append", "True"}}},
        {.name = "and nothing of it", .path = path + "/f", .token = "reader", .status = 404},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"tags": [{"name": "a", "x": 1}]})", .status = 400},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"tags": ["a"]})", .status = 400},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"names": []})", .status = 400},
        {.method = "POST", .path = path + "/g", .token = "admin", .status = 201, .expect = R"({"name": "g", "created_at": "<time>"})"},
        {.method = "POST", .path = path + "/g", .token = "admin", .status = 409},
        {.method = "POST", .path = path + "/" + std::string(81, 'x'), .token = "admin", .status = 400},
        {.path = path + "/g", .token = "reader", .expect = R"({"name": "g", "updated_at": "<time>"})"},
        {.method = "PUT", .path = path + "/g", .token = "admin", .body = R"({"name": "h"})", .expect = R"({"name": "h"})"},
        {.method = "PUT", .path = path + "/h", .token = "admin", .body = R"({"name": "e"})", .status = 409},
        {.method = "PUT", .path = path + "/h", .token = "admin", .body = "{}", .status = 400},
        {.method = "PUT", .path = path + "/g", .token = "admin", .body = R"({"name": "e"})", .status = 404},
        {.method = "DELETE", .path = path + "/h", .token = "admin", .status = 204},
        {.method = "DELETE", .path = path + "/h", .token = "admin", .status = 404, .text = "The metadata definition tag with name=h was not found"},
        {.method = "DELETE", .path = path, .token = "admin", .status = 204},
        {.path = path, .token = "reader", .expect = R"({"tags": []})"},
    };
    s.cases.run(cases);
}

TEST_CASE("metadef resource types") {
    ImageService s;
    make_namespace(s, "n", R"(, "visibility": "public")");
    const std::string path = spaces + "/n/resource_types";
    const Case cases[] = {
        {.method = "POST",
         .path = path,
         .token = "admin",
         .body = R"({"name": "OS::T", "prefix": "p:", "properties_target": "image"})",
         .status = 201,
         .expect = R"({"name": "OS::T", "prefix": "p:", "properties_target": "image", "created_at": "<time>", "updated_at": "<time>"})"},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"name": "OS::T"})", .status = 409, .text = "to namespace=n already exists."},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"prefix": "OS::T"})", .status = 400},
        {.method = "POST", .path = path, .token = "admin", .body = R"({"name": "T", "created_at": "x"})", .status = 403},
        {.path = path, .token = "reader", .expect = R"({"resource_type_associations": [{"name": "OS::T", "prefix": "p:"}]})"},
        {.method = "DELETE", .path = path + "/OS::T", .token = "admin", .status = 204, .empty = true},
        {.method = "DELETE", .path = path + "/OS::T", .token = "admin", .status = 404, .text = "Failed to find resource type OS::T to delete"},
        {.path = path, .token = "reader", .expect = R"({"resource_type_associations": []})"},
        {.path = "/v2/metadefs/resource_types", .token = "reader", .expect = R"({"resource_types": [{"name": "OS::T"}]})"},
    };
    s.cases.run(cases);
}

TEST_CASE("metadefs: who may do what") {
    ImageService s;
    make_namespace(
        s, "open",
        R"(, "visibility": "public", "objects": [{"name": "o"}], "tags": [{"name": "t"}], "properties": {"p": {"title": "P", "type": "string"}})");
    make_namespace(s, "own", R"(, "owner": "${member_project}")");
    make_namespace(s, "closed");
    std::vector<Cases::Row> rows = {
        {.method = "GET", .path = spaces, .answers = "none:401 admin:200 member:200 reader:200 other:200"},
        {.method = "POST", .path = spaces, .body = R"({"namespace": "x"})", .answers = "none:401 reader:403 member:403 manager:403 admin:201"},
        {.method = "GET", .path = spaces + "/open", .answers = "none:401 admin:200 reader:200 other:200"},
        {.method = "GET", .path = spaces + "/own", .answers = "admin:200 member:200 reader:200 other:404"},
        {.method = "GET", .path = spaces + "/closed", .answers = "admin:200 member:404 reader:404 other:404"},
        {.method = "PUT",
         .path = spaces + "/own",
         .body = R"({"namespace": "own", "owner": "${member_project}"})",
         .answers = "none:401 reader:403 member:403 other:404 admin:200"},
        {.method = "GET", .path = "/v2/metadefs/resource_types", .answers = "none:401 reader:200 admin:200"},
    };
    for (const std::string kind : {"objects", "properties", "tags", "resource_types"}) {
        rows.push_back({.method = "GET", .path = spaces + "/own/" + kind, .answers = "none:401 admin:200 member:200 reader:200 other:404"});
        rows.push_back({.method = "GET", .path = spaces + "/closed/" + kind, .answers = "admin:200 member:404"});
        const std::string body = kind == "properties" ? R"({"name": "n", "title": "t", "type": "string"})"
                                 : kind == "tags"     ? R"({"tags": []})"
                                                      : R"({"name": "n"})";
        rows.push_back(
            {.method = "POST", .path = spaces + "/own/" + kind, .body = body, .answers = "none:401 reader:403 member:403 other:404 admin:201"});
        if (kind != "resource_types")
            rows.push_back({.method = "DELETE", .path = spaces + "/own/" + kind, .answers = "none:401 reader:403 member:403 other:404 admin:204"});
    }
    for (const std::string thing : {"objects/o", "properties/p", "tags/t"}) {
        const std::string body = thing.starts_with("prop") ? R"({"name": "p", "title": "t", "type": "string"})"
                                                           : R"({"name": ")" + thing.substr(thing.find('/') + 1) + "\"}";
        rows.push_back({.method = "GET", .path = spaces + "/open/" + thing, .answers = "none:401 admin:200 member:200 reader:200 other:200"});
        rows.push_back(
            {.method = "PUT", .path = spaces + "/open/" + thing, .body = body, .answers = "none:401 reader:403 member:403 other:403 admin:200"});
        rows.push_back({.method = "DELETE", .path = spaces + "/open/" + thing, .answers = "none:401 reader:403 member:403 other:403 admin:204"});
    }
    rows.push_back({.method = "POST", .path = spaces + "/open/tags/t", .answers = "none:401 reader:403 member:403 admin:201"});
    rows.push_back({.method = "DELETE", .path = spaces + "/own/resource_types/n", .answers = "none:401 reader:403 member:403 other:404 admin:204"});
    rows.push_back({.method = "DELETE", .path = spaces + "/open", .answers = "none:401 reader:403 member:403 admin:204"});
    s.cases.matrix(rows);
}
