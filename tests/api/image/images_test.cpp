#include <doctest/doctest.h>

#include "api/image/fixture.h"
#include "base/time.h"

using namespace pilvi;
using testing::Case;
using testing::ImageService;
using testing::Pairs;

namespace {
const Pairs patch_type{{"Content-Type", "application/openstack-images-v2.1-json-patch"}};
const Pairs old_patch_type{{"Content-Type", "application/openstack-images-v2.0-json-patch"}};
}  // namespace

TEST_CASE("documents") {
    ImageService s;
    const Case cases[] = {
        {.path = "/",
         .status = 300,
         .expect =
             R"({"versions": {"<contains>": [{"id": "v2.15", "status": "CURRENT", "links": [{"rel": "self", "href": "http://api.example/v2/"}]}]}})"},
        {.path = "/versions", .status = 200, .expect = R"({"versions": "<array>"})"},
        {.path = "/healthcheck", .text = "OK"},
        {.path = "/v2/schemas/image",
         .token = "reader",
         .expect = R"({"name": "image", "properties": {"id": {"type": "string"}}, "additionalProperties": {"type": "string"}})"},
        {.path = "/v2/schemas/images", .token = "reader", .expect = R"({"name": "images"})"},
        {.path = "/v2/schemas/member", .token = "reader", .expect = R"({"name": "member"})"},
        {.path = "/v2/schemas/members", .token = "reader", .expect = R"({"name": "members"})"},
        {.path = "/v2/schemas/nothing", .token = "reader", .status = 404, .text = "<title>404 Not Found</title>"},
        {.path = "/v2/info/import", .token = "reader", .expect = R"({"import-methods": {"value": ["glance-direct", "web-download", "copy-image"]}})"},
        {.path = "/v2/info/stores",
         .token = "reader",
         .expect =
             R"({"stores": [{"id": "local", "default": "true"}, {"id": "second", "default": "<absent>"}, {"id": "web", "read-only": "true"}]})"},
        {.path = "/v2/info/stores/detail", .token = "reader", .status = 403},
        {.path = "/v2/info/stores/detail",
         .token = "admin",
         .expect = R"({"stores": {"<contains>": [{"id": "local", "type": "file", "properties": {"data_dir": "<matches:/store$>"}}]}})"},
        {.path = "/v2/info/usage", .token = "reader", .expect = R"({"usage": {}})"},
        {.path = "/v2/schemas/task", .token = "reader", .expect = R"({"name": "task", "properties": {"input": {"type": ["null", "object"]}}})"},
        {.path = "/v2/schemas/tasks", .token = "reader", .expect = R"({"name": "tasks"})"},
        {.path = "/v2/images", .status = 401},
        {.path = "/v2/images", .token = "nobody", .status = 401},
        {.path = "/v2/nothing", .token = "reader", .status = 404},
        {.method = "PUT", .path = "/v2/images", .token = "member", .status = 405},
        {.name = "an empty id", .path = "/v2/images/", .token = "member", .status = 404},
        {.name = "an empty id", .method = "DELETE", .path = "/v2/images/", .token = "member", .status = 404},
    };
    s.cases.run(cases);
}

TEST_CASE("create") {
    ImageService s;
    const Case cases[] = {
        {.method = "POST",
         .path = "/v2/images",
         .token = "member",
         .body = R"({"name": "tiny", "disk_format": "qcow2", "container_format": "bare", "hw_disk_bus": "virtio",
            "tags": ["a", "b", "a"], "min_ram": 64})",
         .status = 201,
         .expect =
             R"({"id": "<uuid>", "name": "tiny", "status": "queued", "visibility": "shared", "protected": false, "os_hidden": false, "owner": "${member_project}",
            "size": null, "virtual_size": null, "checksum": null, "os_hash_algo": null, "os_hash_value": null, "disk_format": "qcow2", "container_format": "bare",
            "min_ram": 64, "min_disk": 0, "hw_disk_bus": "virtio", "tags": ["a", "b"], "created_at": "<time>", "updated_at": "<time>", "schema": "/v2/schemas/image",
            "self": "<matches:^/v2/images/[0-9a-f-]{36}$>", "file": "<matches:/file$>", "locations": "<absent>", "direct_url": "<absent>"})",
         .answer_headers = {{"Location", "<matches:^http://api.example/v2/images/>"}},
         .save = {{"id", "id"}}},
        {.path = "/v2/images/${id}", .token = "reader", .expect = R"({"id": "${id}", "name": "tiny"})"},
        {.path = "/v2/images/${id}", .token = "admin", .expect = R"({"id": "${id}"})"},
        {.name = "not shared with them", .path = "/v2/images/${id}", .token = "other", .status = 404, .text = "No image found with ID ${id}"},
        {.method = "POST",
         .path = "/v2/images",
         .token = "member",
         .body = R"({"id": "3F0C0A62-0000-4000-8000-000000000001", "name": null})",
         .status = 201,
         .expect = R"({"id": "3f0c0a62-0000-4000-8000-000000000001", "name": null, "disk_format": null})"},
        {.method = "POST",
         .path = "/v2/images",
         .token = "member",
         .body = R"({"id": "3f0c0a62-0000-4000-8000-000000000001"})",
         .status = 409,
         .text = "already exists!"},
        {.method = "POST", .path = "/v2/images", .token = "reader", .body = R"({"name": "x"})", .status = 403},
        {.method = "POST", .path = "/v2/images", .token = "member", .body = R"({"visibility": "public"})", .status = 403, .text = "publicize_image"},
        {.method = "POST",
         .path = "/v2/images",
         .token = "admin",
         .body = R"({"visibility": "public", "owner": "someone"})",
         .status = 201,
         .expect = R"({"visibility": "public", "owner": "someone"})"},
        {.method = "POST", .path = "/v2/images", .token = "member", .body = R"({"visibility": "community"})", .status = 201},
        {.method = "POST",
         .path = "/v2/images",
         .token = "member",
         .body = R"({"owner": "${other_project}"})",
         .status = 403,
         .text = "You are not permitted to create images owned by"},
        {.method = "POST", .path = "/v2/images", .token = "member", .body = R"({"owner": "${member_project}"})", .status = 201},
    };
    s.cases.run(cases);
}

TEST_CASE("create: bad input changes nothing") {
    ImageService s;
    struct Row {
        std::string body;
        int status;
    };
    const Row rows[] = {
        {"{", 400},
        {"[]", 400},
        {R"("x")", 400},
        {R"({"name": 5})", 400},
        {R"({"name": ")" + std::string(256, 'x') + R"("})", 400},
        {R"({"id": "not-a-uuid"})", 400},
        {R"({"id": "3f0c0a6200004000800000000000000a"})", 400},
        {R"({"visibility": "secret"})", 400},
        {R"({"visibility": null})", 400},
        {R"({"min_ram": "1"})", 400},
        {R"({"min_ram": -1})", 400},
        {R"({"min_disk": 1.5})", 400},
        {R"({"min_disk": 99999999999})", 400},
        {R"({"protected": "yes"})", 400},
        {R"({"disk_format": "exe"})", 400},
        {R"({"container_format": "zip"})", 400},
        {R"({"tags": "a"})", 400},
        {R"({"tags": [1]})", 400},
        {R"({"tags": [")" + std::string(256, 'x') + R"("]})", 400},
        {R"({"hw_x": 1})", 400},
        {R"({"hw_x": null})", 400},
        {R"({"hw_x": {"a": "b"}})", 400},
        {R"({")" + std::string(256, 'p') + R"(": "x"})", 400},
        {"{\"a\\u0000b\": \"x\"}", 400},
        {"{\"hw_x\": \"a\\u0000b\"}", 400},
        {R"({"status": "active"})", 403},
        {R"({"checksum": "x"})", 403},
        {R"({"size": 1})", 403},
        {R"({"self": "x"})", 403},
        {R"({"file": "x"})", 403},
        {R"({"schema": "x"})", 403},
        {R"({"direct_url": "file:///etc/passwd"})", 403},
        {R"({"locations": []})", 403},
        {R"({"os_hash_value": "x"})", 403},
        {R"({"deleted": "1"})", 403},
        {R"({"os_glance_stage_host": "http://169.254.169.254"})", 403},
        {R"({"created_at": "2020-01-01T00:00:00Z"})", 403},
    };
    for (const Row& row : rows)
        s.cases.run({.method = "POST", .path = "/v2/images", .token = "member", .body = row.body, .status = row.status, .text = "<html>"});
    std::string many = "{";
    for (int i = 0; i < 129; ++i) many += (i ? ", \"p" : "\"p") + std::to_string(i) + "\": \"x\"";
    s.cases.run({.method = "POST", .path = "/v2/images", .token = "member", .body = many + "}", .status = 413});
    s.cases.run(
        {.method = "POST", .path = "/v2/images", .token = "member", .body = "{\"x\": \"" + std::string(2u << 20, 'x') + "\"}", .status = 413});
    s.cases.run({.path = "/v2/images?visibility=all", .token = "admin", .expect = R"({"images": []})"});
}

TEST_CASE("update by JSON patch") {
    ImageService s;
    const auto patch = [](std::string token, std::string body, int status, std::string expect = {}, const Pairs& type = patch_type) {
        return Case{.method = "PATCH",
                    .path = "/v2/images/${id}",
                    .token = std::move(token),
                    .body = std::move(body),
                    .status = status,
                    .expect = std::move(expect),
                    .headers = type};
    };
    s.cases.run({.method = "POST",
                 .path = "/v2/images",
                 .token = "member",
                 .body = R"({"name": "a", "os_distro": "debian"})",
                 .status = 201,
                 .save = {{"id", "id"}}});
    const Case cases[] = {
        patch(
            "member",
            R"([{"op": "replace", "path": "/name", "value": "b"}, {"op": "add", "path": "/hw_x", "value": "1"}, {"op": "remove", "path": "/os_distro"}])",
            200, R"({"name": "b", "hw_x": "1", "os_distro": "<absent>"})"),
        patch("member", R"([{"op": "replace", "path": "/tags", "value": ["x", "y"]}, {"op": "replace", "path": "/protected", "value": true}])", 200,
              R"({"tags": ["x", "y"], "protected": true})"),
        patch("member", R"([{"replace": "/name", "value": "c"}])", 200, R"({"name": "c"})", old_patch_type),
        patch("member", R"([{"add": "/name", "value": "c"}])", 409, {}, old_patch_type),
        patch("member", "[]", 200, R"({"name": "c"})"),
        patch("member", R"([{"op": "replace", "path": "/disk_format", "value": "raw"}])", 200, R"({"disk_format": "raw"})"),
        patch("member", R"([{"op": "replace", "path": "/nothing", "value": "x"}])", 409),
        patch("member", R"([{"op": "remove", "path": "/nothing"}])", 409),
        patch("member", R"([{"op": "remove", "path": "/name"}])", 403),
        patch("member", R"([{"op": "replace", "path": "/status", "value": "active"}])", 403),
        patch("member", R"([{"op": "replace", "path": "/owner", "value": "me"}])", 403),
        patch("member", R"([{"op": "add", "path": "/owner", "value": "me"}])", 403),
        patch("member", R"([{"op": "replace", "path": "/visibility", "value": "public"}])", 403),
        patch("member", R"([{"op": "add", "path": "/hw_y", "value": "1"}, {"op": "replace", "path": "/min_ram", "value": "x"}])", 400),
        patch("member", R"({"name": "x"})", 400),
        patch("reader", R"([{"op": "replace", "path": "/name", "value": "b"}])", 403),
        patch("other", R"([{"op": "replace", "path": "/name", "value": "b"}])", 404),
        patch("admin", R"([{"op": "replace", "path": "/visibility", "value": "public"}])", 200, R"({"visibility": "public"})"),
        patch("other", R"([{"op": "replace", "path": "/name", "value": "b"}])", 403),
        patch("admin", R"([{"op": "replace", "path": "/owner", "value": "${other_project}"}])", 200,
              R"({"owner": "${other_project}", "hw_y": "<absent>"})"),
        {.method = "PATCH", .path = "/v2/images/${id}", .token = "admin", .body = "[]", .status = 415},
        {.method = "PATCH", .path = "/v2/images/${id}", .token = "admin", .body = "[]", .status = 415, .headers = {{"Content-Type", "text/plain"}}},
        {.method = "PATCH",
         .path = "/v2/images/3f0c0a62-0000-4000-8000-00000000dead",
         .token = "member",
         .body = "[]",
         .status = 404,
         .headers = patch_type},
    };
    s.cases.run(cases);
}

TEST_CASE("delete; a deleted id is not given again") {
    ImageService s;
    const Case cases[] = {
        {.method = "POST",
         .path = "/v2/images",
         .token = "member",
         .body = R"({"protected": true, "x": "y", "tags": ["t"]})",
         .status = 201,
         .save = {{"id", "id"}}},
        {.method = "DELETE", .path = "/v2/images/${id}", .token = "other", .status = 404, .text = "Failed to find image ${id} to delete"},
        {.method = "DELETE", .path = "/v2/images/${id}", .token = "reader", .status = 403},
        {.method = "DELETE", .path = "/v2/images/${id}", .token = "member", .status = 403, .text = "is protected and cannot be deleted"},
        {.method = "PATCH",
         .path = "/v2/images/${id}",
         .token = "member",
         .body = R"([{"op": "replace", "path": "/protected", "value": false}])",
         .headers = patch_type},
        {.method = "DELETE", .path = "/v2/images/${id}", .token = "member", .status = 204, .empty = true},
        {.method = "DELETE", .path = "/v2/images/${id}", .token = "member", .status = 404},
        {.path = "/v2/images/${id}", .token = "member", .status = 404},
        {.method = "POST", .path = "/v2/images", .token = "member", .body = R"({"id": "${id}"})", .status = 409},
    };
    s.cases.run(cases);
}

TEST_CASE("tags") {
    ImageService s;
    const Case cases[] = {
        {.method = "POST", .path = "/v2/images", .token = "member", .body = "{}", .status = 201, .save = {{"id", "id"}}},
        {.method = "PUT", .path = "/v2/images/${id}/tags/one%20two", .token = "member", .status = 204, .empty = true},
        {.method = "PUT", .path = "/v2/images/${id}/tags/one%20two", .token = "member", .status = 204},
        {.path = "/v2/images/${id}", .token = "member", .expect = R"({"tags": ["one two"]})"},
        {.path = "/v2/images?tag=one%20two", .token = "member", .expect = R"({"images": [{"id": "${id}"}]})"},
        {.path = "/v2/images?tag=one%20two&tag=three", .token = "member", .expect = R"({"images": []})"},
        {.method = "DELETE", .path = "/v2/images/${id}/tags/nothing", .token = "member", .status = 404},
        {.method = "DELETE", .path = "/v2/images/${id}/tags/one%20two", .token = "reader", .status = 403},
        {.method = "DELETE", .path = "/v2/images/${id}/tags/one%20two", .token = "member", .status = 204},
        {.path = "/v2/images/${id}", .token = "member", .expect = R"({"tags": []})"},
    };
    s.cases.run(cases);
}

TEST_CASE("members share an image") {
    ImageService s;
    const std::string add = R"({"member": "${other_project}"})";
    const Case cases[] = {
        {.method = "POST", .path = "/v2/images", .token = "member", .body = "{}", .status = 201, .save = {{"id", "id"}}},
        {.method = "POST", .path = "/v2/images/${id}/members", .token = "other", .body = add, .status = 404},
        {.method = "POST", .path = "/v2/images/${id}/members", .token = "reader", .body = add, .status = 403},
        {.method = "POST", .path = "/v2/images/${id}/members", .token = "member", .body = "{}", .status = 400},
        {.method = "POST", .path = "/v2/images/${id}/members", .token = "member", .body = R"({"member": ""})", .status = 400},
        {.method = "POST", .path = "/v2/images/${id}/members", .token = "member", .body = "[]", .status = 400},
        {.method = "POST",
         .path = "/v2/images/${id}/members",
         .token = "member",
         .body = add,
         .status = 200,
         .expect =
             R"({"member_id": "${other_project}", "image_id": "${id}", "status": "pending", "schema": "/v2/schemas/member", "created_at": "<time>"})"},
        {.method = "POST", .path = "/v2/images/${id}/members", .token = "member", .body = add, .status = 409},
        {.name = "by id at once", .path = "/v2/images/${id}", .token = "other", .status = 200},
        {.name = "in lists once accepted", .path = "/v2/images", .token = "other", .expect = R"({"images": []})"},
        {.path = "/v2/images?member_status=pending&visibility=shared", .token = "other", .expect = R"({"images": [{"id": "${id}"}]})"},
        {.path = "/v2/images/${id}/members/${other_project}", .token = "other", .expect = R"({"status": "pending"})"},
        {.method = "PUT", .path = "/v2/images/${id}/members/${other_project}", .token = "member", .body = R"({"status": "accepted"})", .status = 403},
        {.method = "PUT", .path = "/v2/images/${id}/members/${other_project}", .token = "other", .body = R"({"status": "maybe"})", .status = 400},
        {.method = "PUT",
         .path = "/v2/images/${id}/members/${other_project}",
         .token = "other",
         .body = R"({"status": "accepted"})",
         .status = 200,
         .expect = R"({"status": "accepted"})"},
        {.path = "/v2/images", .token = "other", .expect = R"({"images": [{"id": "${id}"}]})"},
        {.path = "/v2/images/${id}/members",
         .token = "other",
         .expect = R"({"members": [{"member_id": "${other_project}"}], "schema": "/v2/schemas/members"})"},
        {.method = "DELETE", .path = "/v2/images/${id}", .token = "other", .status = 403},
        {.method = "DELETE", .path = "/v2/images/${id}/members/${other_project}", .token = "other", .status = 403},
        {.path = "/v2/images/${id}/members/nobody", .token = "member", .status = 404},
        {.method = "DELETE", .path = "/v2/images/${id}/members/${other_project}", .token = "member", .status = 204},
        {.path = "/v2/images/${id}", .token = "other", .status = 404},
        {.method = "PATCH",
         .path = "/v2/images/${id}",
         .token = "member",
         .body = R"([{"op": "replace", "path": "/visibility", "value": "private"}])",
         .headers = patch_type},
        {.method = "POST",
         .path = "/v2/images/${id}/members",
         .token = "member",
         .body = add,
         .status = 403,
         .text = "Only shared images have members."},
        {.path = "/v2/images/${id}/members", .token = "member", .status = 403},
    };
    s.cases.run(cases);
}

TEST_CASE("list: visibility, filters, sorting, paging") {
    ImageService s;
    const auto make = [&s](std::string token, std::string body, const char* variable) {
        s.cases.run({.method = "POST", .path = "/v2/images", .token = token, .body = std::move(body), .status = 201, .save = {{variable, "id"}}});
    };
    make("member", R"({"name": "alpha", "disk_format": "raw", "container_format": "bare", "os_distro": "debian", "min_ram": 1})", "a");
    make("member", R"({"name": "be,ta", "disk_format": "qcow2", "visibility": "private", "protected": true, "min_ram": 5})", "b");
    make("other", R"({"name": "gamma", "visibility": "community"})", "c");
    make("other", R"({"name": "delta", "visibility": "private"})", "d");
    make("admin", R"({"name": "epsilon", "visibility": "public"})", "e");
    make("member", R"({"name": "hidden", "os_hidden": true})", "h");
    const auto sees = [&s](std::string token, std::string path, std::vector<std::string> names) {
        json::array expected;
        for (const std::string& name : names) expected.push_back(json::object{{"name", name}});
        const std::string expect = to_text(json::object{{"images", expected}});
        s.cases.run({.path = path, .token = token, .expect = expect});
    };
    sees("member", "/v2/images", {"epsilon", "be,ta", "alpha"});
    sees("member", "/v2/images?os_hidden=true", {"hidden"});
    sees("member", "/v2/images?visibility=community", {"gamma"});
    sees("member", "/v2/images?visibility=all", {"epsilon", "gamma", "be,ta", "alpha"});
    sees("member", "/v2/images?visibility=private", {"be,ta"});
    sees("other", "/v2/images", {"epsilon", "delta", "gamma"});
    sees("admin", "/v2/images?visibility=private", {"delta", "be,ta"});
    sees("member", "/v2/images?owner=${member_project}", {"be,ta", "alpha"});
    sees("member", "/v2/images?name=alpha", {"alpha"});
    sees("member", "/v2/images?name=in:alpha,%22be,ta%22,x", {"be,ta", "alpha"});
    sees("member", "/v2/images?name=Alpha", {});
    sees("member", "/v2/images?id=${a}", {"alpha"});
    sees("member", "/v2/images?disk_format=in:raw,qcow2", {"be,ta", "alpha"});
    sees("member", "/v2/images?status=active", {});
    sees("member", "/v2/images?status=queued&protected=true", {"be,ta"});
    sees("member", "/v2/images?os_distro=debian", {"alpha"});
    sees("member", "/v2/images?os_distro=debian&os_version=12", {});
    sees("member", "/v2/images?min_ram_min=2", {"be,ta"});
    sees("member", "/v2/images?min_ram_max=2&name=in:alpha,%22be,ta%22", {"alpha"});
    sees("member", "/v2/images?size=10", {});
    sees("member", "/v2/images?size=abc", {});
    sees("member", "/v2/images?created_at=gt:2020-01-01T00:00:00Z&name=alpha", {"alpha"});
    sees("member", "/v2/images?created_at=lt:2020-01-01T00:00:00Z", {});
    sees("member", "/v2/images?sort_key=name&sort_dir=asc", {"alpha", "be,ta", "epsilon"});
    sees("member", "/v2/images?sort_key=name", {"epsilon", "be,ta", "alpha"});
    sees("member", "/v2/images?sort=disk_format:desc,name:asc", {"alpha", "be,ta", "epsilon"});
    sees("member", "/v2/images?limit=0", {});
    s.cases.run(
        {.path = "/v2/images?limit=2&sort=name:asc",
         .token = "member",
         .expect =
             R"({"images": [{"name": "alpha"}, {"name": "be,ta"}], "first": "/v2/images?limit=2&sort=name%3Aasc", "schema": "/v2/schemas/images",
                     "next": "/v2/images?limit=2&sort=name%3Aasc&marker=${b}"})",
         .save = {{"next", "next"}}});
    s.cases.run({.path = "${next}", .token = "member", .expect = R"({"images": [{"name": "epsilon"}], "next": "<absent>"})"});
    for (const char* path : {"/v2/images?limit=x", "/v2/images?limit=-1", "/v2/images?marker=nothing", "/v2/images?marker=${d}",
                             "/v2/images?sort_key=owner", "/v2/images?sort_dir=up", "/v2/images?sort=name:up", "/v2/images?sort=name&sort_key=name",
                             "/v2/images?visibility=secret", "/v2/images?member_status=maybe", "/v2/images?os_hidden=2", "/v2/images?protected=2",
                             "/v2/images?name=like:x", "/v2/images?name=in:%22x", "/v2/images?size_min=x", "/v2/images?created_at=gt:yesterday",
                             "/v2/images?created_at=zz:2020-01-01T00:00:00Z", "/v2/images?changes-since=2020-01-01T00:00:00Z", "/v2/images?name=%ff"})
        s.cases.run({.path = path, .token = "member", .status = 400, .text = "<h1>400 Bad Request</h1>"});
}
