#include <doctest/doctest.h>

#include "api/image/served.h"
#include "api/image/web.h"

using namespace pilvi;
using testing::Case;
using testing::Served;
using testing::Web;

namespace {
http::Headers meta(const std::vector<std::pair<std::string, std::string>>& headers) {
    http::Headers out;
    for (const auto& [name, value] : headers) out.add(std::string("x-image-meta-") + name, value);
    return out;
}
std::string member_of(const http::Response& r, std::string_view name) {
    const json::value body = parse_json(r.body);
    return string_or(body.at("image").as_object(), name);
}
}  // namespace

TEST_CASE("v1: create with data, look, download, change, delete") {
    Served s;
    const http::Headers headers = meta({{"name", "old"},
                                        {"disk_format", "raw"},
                                        {"container-format", "bare"},
                                        {"min_ram", "64"},
                                        {"property-Colour", "blue"},
                                        {"is_public", "False"}});
    const http::Response made = s.send("POST", "/v1/images", "v1 data", "application/octet-stream", "member", headers);
    REQUIRE(made.status == 201);
    const std::string id = member_of(made, "id"), path = "/v1/images/" + id;
    CHECK(made.headers.get("Location").ends_with(path));
    CHECK(member_of(made, "status") == "active");
    const json::value image = parse_json(made.body).at("image");
    CHECK(image.at("size") == 7);
    CHECK(image.at("is_public") == false);
    CHECK(image.at("min_ram") == 64);
    CHECK(image.at("deleted_at").is_null());
    CHECK(image.at("properties").at("colour") == "blue");
    const http::Response head = s.send("HEAD", path);
    CHECK(head.status == 200);
    CHECK(head.headers.get("x-image-meta-name") == "old");
    CHECK(head.headers.get("x-image-meta-size") == "7");
    CHECK(head.headers.get("x-image-meta-is_public") == "False");
    CHECK(head.headers.get("x-image-meta-property-colour") == "blue");
    const http::Response get = s.send("GET", path);
    CHECK(get.body == "v1 data");
    CHECK(get.headers.get("x-image-meta-status") == "active");
    CHECK(s.send("GET", path, {}, {}, "reader").status == 403);
    CHECK(s.send("GET", path, {}, {}, "other").status == 404);
    CHECK(s.send("PUT", path, {}, {}, "reader", meta({{"name", "x"}})).status == 403);
    const http::Response changed = s.send("PUT", path, {}, {}, "member", meta({{"name", "new"}, {"property-size_class", "small"}}));
    CHECK(changed.status == 200);
    CHECK(member_of(changed, "name") == "new");
    CHECK(!parse_json(changed.body).at("image").at("properties").as_object().contains("colour"));
    http::Headers keep = meta({{"property-colour", "red"}});
    keep.add("X-Glance-Registry-Purge-Props", "False");
    CHECK(parse_json(s.send("PUT", path, {}, {}, "member", keep).body).at("image").at("properties").as_object().size() == 2);
    CHECK(s.send("PUT", path, {}, {}, "member", meta({{"is_public", "True"}})).status == 403);
    CHECK(s.send("PUT", path, {}, {}, "admin", meta({{"is_public", "True"}})).status == 200);
    CHECK(s.send("HEAD", path, {}, {}, "other").status == 200);
    CHECK(s.send("PUT", path, {}, {}, "admin", meta({{"protected", "True"}})).status == 200);
    CHECK(s.send("DELETE", path, {}, {}, "admin").status == 403);
    CHECK(s.send("PUT", path, {}, {}, "admin", meta({{"protected", "False"}, {"is_public", "False"}})).status == 200);
    CHECK(s.send("DELETE", path).status == 200);
    CHECK(s.send("HEAD", path).status == 404);
    CHECK(s.files() == 0);
}

TEST_CASE("v1: an image first and its data later") {
    Served s;
    const http::Response made = s.send("POST", "/v1/images", {}, {}, "member", meta({{"name", "later"}}));
    REQUIRE(made.status == 201);
    CHECK(member_of(made, "status") == "queued");
    const std::string path = "/v1/images/" + member_of(made, "id");
    CHECK(s.send("GET", path).status == 404);
    const http::Response filled =
        s.send("PUT", path, "data", "application/octet-stream", "member", meta({{"disk_format", "raw"}, {"container_format", "bare"}}));
    CHECK(filled.status == 200);
    CHECK(member_of(filled, "status") == "active");
    CHECK(s.send("PUT", path, "again", "application/octet-stream").status == 409);
    CHECK(s.send("PUT", path, {}, {}, "member", meta({{"disk_format", "qcow2"}})).status == 403);
}

TEST_CASE("v1: what is true of an image cannot be said by a header") {
    Served s;
    const std::string id = s.create(), path = "/v1/images/" + id;
    s.upload(id, "the data that was judged");
    for (const auto& forged :
         {std::pair{"status", "queued"}, std::pair{"checksum", "0"}, std::pair{"size", "1"}, std::pair{"created_at", "2000-01-01T00:00:00"}}) {
        CAPTURE(forged.first);
        CHECK(s.send("PUT", path, {}, {}, "member", meta({forged})).status == 200);
        CHECK(s.send("PUT", path, "other data", "application/octet-stream", "member", meta({forged})).status == 409);
    }
    const json::value image = s.show(id);
    CHECK(image.at("status") == "active");
    CHECK(image.at("size") == 24);
    CHECK(s.send("GET", path).body == "the data that was judged");
}

TEST_CASE("v1: data that is elsewhere") {
    Web web;
    Served s({}, Web::rules());
    const auto make = [&](std::vector<std::pair<std::string, std::string>> headers, const std::string& body = {}) {
        headers.insert(headers.end(), {{"disk_format", "raw"}, {"container_format", "bare"}});
        return s.send("POST", "/v1/images", body, body.empty() ? "" : "application/octet-stream", "member", meta(headers));
    };
    const http::Response there = make({{"location", web.url("/there")}});
    REQUIRE(there.status == 201);
    CHECK(member_of(there, "status") == "active");
    CHECK(parse_json(there.body).at("image").at("size") == 12);
    CHECK(s.send("GET", "/v1/images/" + member_of(there, "id")).body == web.document);
    CHECK(s.files() == 0);

    const http::Response copied = make({{"copy_from", web.url("/there")}});
    REQUIRE(copied.status == 201);
    s.importer.wait_idle();
    const std::string copy = "/v1/images/" + member_of(copied, "id");
    CHECK(s.send("HEAD", copy).headers.get("x-image-meta-status") == "active");
    CHECK(s.send("GET", copy).body == web.document);
    CHECK(s.files() == 1);
    CHECK(s.send("PUT", copy, {}, {}, "member", meta({{"copy_from", web.url("/there")}})).status == 400);

    const http::Response later = make({});
    const std::string path = "/v1/images/" + member_of(later, "id");
    CHECK(s.send("PUT", path, {}, {}, "member", meta({{"location", "http://169.254.169.254/"}})).status == 400);
    CHECK(s.send("HEAD", path).headers.get("x-image-meta-status") == "queued");
    CHECK(s.send("PUT", path, {}, {}, "member", meta({{"location", web.url("/there")}})).status == 200);
    CHECK(s.send("HEAD", path).headers.get("x-image-meta-size") == "12");

    const std::size_t before = parse_json(s.send("GET", "/v1/images").body).at("images").as_array().size();
    struct Row {
        std::vector<std::pair<std::string, std::string>> headers;
        std::string body = {};
    };
    for (const Row& row : {Row{{{"location", web.url("/there")}, {"copy_from", web.url("/there")}}}, Row{{{"location", web.url("/there")}}, "data"},
                           Row{{{"location", "file:///etc/passwd"}}}, Row{{{"copy_from", "file:///etc/passwd"}}},
                           Row{{{"location", "http://10.0.0.1/"}}}, Row{{{"copy_from", "swift+http://a/"}}}}) {
        CAPTURE(row.headers.front().second);
        CHECK(make(row.headers, row.body).status == 400);
    }
    CHECK(parse_json(s.send("GET", "/v1/images").body).at("images").as_array().size() == before);
}

TEST_CASE("v1: bad requests leave nothing") {
    Served s;
    struct Row {
        std::pair<const char*, const char*> header;
        int status;
    };
    for (const Row& row : {Row{{"min_ram", "many"}, 400}, Row{{"min_disk", "-1"}, 400}, Row{{"is_public", "maybe"}, 400},
                           Row{{"is_public", "True"}, 403}, Row{{"disk_format", "exe"}, 400}, Row{{"id", "not-a-uuid"}, 400},
                           Row{{"owner", "somebody"}, 403}, Row{{"location", "http://a/"}, 400}, Row{{"copy_from", "http://a/"}, 400},
                           Row{{"property-deleted", "x"}, 403}, Row{{"property-os_glance_x", "x"}, 403}, Row{{"property-status", "active"}, 400}}) {
        CAPTURE(row.header.first);
        CHECK(s.send("POST", "/v1/images", {}, {}, "member", meta({row.header})).status == row.status);
    }
    CHECK(s.send("POST", "/v1/images", "data", "text/plain", "member", meta({{"disk_format", "raw"}, {"container_format", "bare"}})).status == 400);
    CHECK(s.send("POST", "/v1/images", "data", "application/octet-stream").status == 400);
    CHECK(s.send("POST", "/v1/images", {}, {}, "reader").status == 403);
    CHECK(s.send("POST", "/v1/images", {}, {}, "nobody").status == 401);
    CHECK(parse_json(s.send("GET", "/v1/images?is_public=none", {}, {}, "admin").body).at("images").as_array().empty());
    CHECK(s.files() == 0);
}

TEST_CASE("v1: lists") {
    Served s;
    for (const char* name : {"a", "b", "c"})
        s.send("POST", "/v1/images", name, "application/octet-stream", "member",
               meta({{"name", name}, {"disk_format", "raw"}, {"container_format", "bare"}, {"property-letter", name}}));
    const Case cases[] = {
        {.path = "/v1/images?sort_key=name&sort_dir=asc",
         .token = "reader",
         .expect =
             R"({"images": [{"name": "a", "size": 1, "disk_format": "raw", "container_format": "bare", "checksum": "<matches:^[0-9a-f]{32}$>", "id": "<uuid>",
             "status": "<absent>"}, {"name": "b"}, {"name": "c"}]})",
         .save = {{"a", "images.0.id"}}},
        {.path = "/v1/images/detail?sort_key=name&sort_dir=asc&limit=1",
         .token = "reader",
         .expect = R"({"images": [{"name": "a", "status": "active", "is_public": false, "properties": {"letter": "a"}, "deleted": false}]})"},
        {.path = "/v1/images?sort_key=name&sort_dir=asc&marker=${a}", .token = "reader", .expect = R"({"images": [{"name": "b"}, {"name": "c"}]})"},
        {.path = "/v1/images?name=b", .token = "reader", .expect = R"({"images": [{"name": "b"}]})"},
        {.path = "/v1/images?property-letter=c", .token = "reader", .expect = R"({"images": [{"name": "c"}]})"},
        {.path = "/v1/images?size_min=2", .token = "reader", .expect = R"({"images": []})"},
        {.path = "/v1/images?size_max=1&name=a&status=active&protected=false&min_ram=0",
         .token = "reader",
         .expect = R"({"images": [{"name": "a"}]})"},
        {.path = "/v1/images?changes-since=2100-01-01T00:00:00", .token = "reader", .expect = R"({"images": []})"},
        {.path = "/v1/images", .token = "other", .expect = R"({"images": []})"},
        {.path = "/v1/images?is_public=none", .token = "admin", .expect = R"({"images": [{"name": "c"}, {"name": "b"}, {"name": "a"}]})"},
        {.path = "/v1/images", .token = "admin", .expect = R"({"images": []})"},
        {.path = "/v1/images?size_min=x", .token = "reader", .status = 400},
        {.path = "/v1/images?sort_key=x", .token = "reader", .status = 400},
        {.path = "/v1/images?sort_dir=x", .token = "reader", .status = 400},
        {.path = "/v1/images?limit=x", .token = "reader", .status = 400},
        {.path = "/v1/images?changes-since=x", .token = "reader", .status = 400},
        {.path = "/v1/images?marker=x", .token = "reader", .status = 404},
        {.path = "/v1/images", .status = 401},
        {.path = "/v1/images/detail", .status = 401},
    };
    s.cases.run(cases);
}

TEST_CASE("v1: members") {
    Served s;
    const std::string id = s.create();
    s.cases.vars["id"] = id;
    Context stranger = s.callers.of("other");
    stranger.project_id = "a third project";
    s.callers.add("stranger", stranger);
    const Case cases[] = {
        {.method = "PUT", .path = "/v1/images/${id}/members/${other_project}", .token = "member", .status = 204},
        {.path = "/v1/images/${id}/members", .token = "member", .expect = R"({"members": [{"member_id": "${other_project}", "can_share": false}]})"},
        {.path = "/v1/shared-images/${other_project}",
         .token = "other",
         .expect = R"({"shared_images": [{"image_id": "${id}", "can_share": false}]})"},
        {.path = "/v1/shared-images/${other_project}", .token = "member", .expect = R"({"shared_images": [{"image_id": "${id}"}]})"},
        {.path = "/v1/shared-images/${other_project}", .token = "stranger", .expect = R"({"shared_images": []})"},
        {.method = "PUT", .path = "/v1/images/${id}/members/x", .token = "other", .status = 403},
        {.method = "PUT", .path = "/v1/images/${id}/members/x", .token = "reader", .status = 403},
        {.method = "PUT",
         .path = "/v1/images/${id}/members",
         .token = "member",
         .body = R"({"memberships": [{"member_id": "p1"}, {"member_id": "p2"}]})",
         .status = 204},
        {.path = "/v1/images/${id}/members", .token = "member", .expect = R"({"members": [{"member_id": "p1"}, {"member_id": "p2"}]})"},
        {.method = "PUT", .path = "/v1/images/${id}/members", .token = "member", .body = R"({"memberships": {}})", .status = 400},
        {.method = "PUT", .path = "/v1/images/${id}/members", .token = "member", .body = R"({"memberships": [{}]})", .status = 400},
        {.method = "DELETE", .path = "/v1/images/${id}/members/p1", .token = "member", .status = 204},
        {.method = "DELETE", .path = "/v1/images/${id}/members/p1", .token = "member", .status = 404},
        {.path = "/v1/images/${id}/members", .token = "other", .status = 404},
    };
    s.cases.run(cases);
}
