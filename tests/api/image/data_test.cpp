#include <doctest/doctest.h>
#include <sys/socket.h>

#include <filesystem>
#include <future>
#include <thread>

#include "api/image/served.h"
#include "base/error.h"

using namespace pilvi;
using testing::Case;
using testing::ImageService;
using testing::Served;

namespace {
std::string sample(const std::string& name) { return read_file(std::string(PILVI_SOURCE_DIR) + "/tests/fuzz/corpus/inspect/" + name); }
}  // namespace

TEST_CASE("upload and download") {
    Served s;
    const std::string id = s.create(), path = "/v2/images/" + id + "/file";
    CHECK(s.send("GET", path).status == 204);
    const http::Response up = s.upload(id, "hello, image");
    CHECK(up.status == 204);
    CHECK(up.body.empty());
    const json::value image = s.show(id);
    CHECK(image.at("status") == "active");
    CHECK(image.at("size") == 12);
    CHECK(image.at("virtual_size") == 12);
    CHECK(image.at("checksum") == "87a83bec3da797da33b0344e7096cc70");
    CHECK(image.at("os_hash_algo") == "sha512");
    CHECK(image.at("os_hash_value").as_string().size() == 128);
    const http::Response down = s.send("GET", path);
    CHECK(down.status == 200);
    CHECK(down.body == "hello, image");
    CHECK(down.headers.get("Content-Type") == "application/octet-stream");
    CHECK(down.headers.get("Content-MD5") == "87a83bec3da797da33b0344e7096cc70");
    CHECK(s.upload(id, "again").status == 409);
    CHECK(s.send("GET", path).body == "hello, image");
    CHECK(s.send("PATCH", "/v2/images/" + id, R"([{"op": "replace", "path": "/disk_format", "value": "qcow2"}])",
                 "application/openstack-images-v2.1-json-patch")
              .status == 403);
    CHECK(s.send("DELETE", "/v2/images/" + id).status == 204);
    CHECK(s.files() == 0);
}

TEST_CASE("data that cannot be verified is not taken") {
    Served s;
    const char* body = R"({"name": "signed", "disk_format": "raw", "container_format": "bare", "img_signature": "c2ln",
        "img_signature_hash_method": "SHA-256", "img_signature_key_type": "RSA-PSS"})";
    json::object image = parse_json(body).as_object();
    const auto create = [&] {
        const http::Response made = s.send("POST", "/v2/images", to_text(image));
        REQUIRE(made.status == 201);
        const json::value view = parse_json(made.body);
        return str(view.at("id").as_string());
    };
    const std::string part = create();  // three of the four properties say nothing
    CHECK(s.upload(part, "data").status == 204);
    image["img_signature_certificate_uuid"] = "77777777-0000-4000-8000-000000000000";
    const std::string id = create();
    const http::Response refused = s.upload(id, "data");
    CHECK(refused.status == 400);
    CHECK(refused.body.find("Signature verification failed for image " + id) != std::string::npos);
    CHECK(s.show(id).at("status") == "queued");
    CHECK(s.files() == 1);
}

TEST_CASE("ranges") {
    Served s;
    const std::string id = s.create(), path = "/v2/images/" + id + "/file";
    s.upload(id, "0123456789");
    struct Row {
        const char* range;
        int status;
        const char* body;
        const char* content_range;
    };
    for (const Row& row :
         {Row{"bytes=0-4", 206, "01234", "bytes 0-4/10"}, Row{"bytes=5-", 206, "56789", "bytes 5-9/10"}, Row{"bytes=-3", 206, "789", "bytes 7-9/10"},
          Row{"bytes=8-100", 206, "89", "bytes 8-9/10"}, Row{"bytes=10-", 416, nullptr, ""}, Row{"bytes=5-4", 416, nullptr, ""},
          Row{"bytes=x-y", 416, nullptr, ""}, Row{"lines=1-2", 416, nullptr, ""}, Row{"bytes=0-1,3-4", 400, nullptr, ""},
          Row{"bytes=-", 416, nullptr, ""}, Row{"bytes 1-3/10", 206, "123", "bytes 1-3/10"}, Row{"bytes 8-12/20", 206, "89", "bytes 8-9/10"},
          Row{"bytes 2-9/*", 206, "23456789", "bytes 2-9/10"}, Row{"bytes 2-10/*", 416, nullptr, ""}, Row{"bytes 10-11/20", 416, nullptr, ""},
          Row{"bytes 3-2/10", 416, nullptr, ""}, Row{"bytes 1-3", 416, nullptr, ""}, Row{"bytes /-", 416, nullptr, ""},
          Row{"bytes 1-3/x", 416, nullptr, ""}}) {
        CAPTURE(row.range);
        http::Headers headers;
        headers.add(std::string_view(row.range).starts_with("bytes ") ? "Content-Range" : "Range", row.range);
        const http::Response r = s.send("GET", path, {}, {}, "member", headers);
        CHECK(r.status == row.status);
        if (row.body) CHECK(r.body == row.body);
        if (row.body) CHECK(r.headers.get("Content-Range") == row.content_range);
    }
}

TEST_CASE("who may upload and download") {
    Served s;
    const std::string id = s.create(), path = "/v2/images/" + id + "/file";
    CHECK(s.upload(id, "x", "reader").status == 403);
    CHECK(s.upload(id, "x", "other").status == 404);
    CHECK(s.upload(id, "x", "nobody").status == 401);
    CHECK(s.send("PUT", path, "x").status == 415);
    CHECK(s.send("PUT", path, "x", "application/json").status == 415);
    CHECK(s.upload("3f0c0a62-0000-4000-8000-00000000dead", "x").status == 404);
    const std::string bare = s.create("{}");
    const http::Response missing = s.upload(bare, "x");
    CHECK(missing.status == 400);
    CHECK(missing.body.find("Properties disk_format, container_format must be set prior to saving data.") != std::string::npos);
    CHECK(s.upload(id, "x").status == 204);
    CHECK(s.send("GET", path, {}, {}, "reader").status == 403);
    CHECK(s.send("GET", path, {}, {}, "other").status == 404);
    CHECK(s.send("POST", "/v2/images/" + id + "/actions/deactivate").status == 204);
    CHECK(s.show(id).at("status") == "deactivated");
    CHECK(s.send("GET", path).status == 403);
    CHECK(s.send("GET", path, {}, {}, "admin").status == 200);
    CHECK(s.send("POST", "/v2/images/" + id + "/actions/reactivate").status == 204);
    CHECK(s.send("GET", path).status == 200);
    CHECK(s.send("POST", "/v2/images/" + bare + "/actions/deactivate").status == 403);
}

TEST_CASE("data that is another format than declared, or refers to other files, is refused and leaves nothing") {
    Served s;
    struct Row {
        const char* declared;
        const char* data;
        int status;
    };
    for (const Row& row :
         {Row{"qcow2", "plain.qcow2", 204}, Row{"qcow2", "backing.qcow2", 415}, Row{"qcow2", "data.qcow2", 415}, Row{"raw", "plain.qcow2", 415},
          Row{"raw", "backing.qcow2", 415}, Row{"iso", "plain.qcow2", 415}, Row{"vmdk", "sparse.vmdk", 204}, Row{"vmdk", "flat.vmdk", 415},
          Row{"raw", "flat.vmdk", 415}, Row{"qcow2", "d.qcow", 415}}) {
        CAPTURE(row.declared);
        CAPTURE(row.data);
        const std::string id = s.create(R"({"disk_format": ")" + std::string(row.declared) + R"(", "container_format": "bare"})");
        const std::size_t before = s.files();
        const http::Response r = s.upload(id, sample(row.data));
        CHECK(r.status == row.status);
        CHECK(s.show(id).at("status") == (row.status == 204 ? "active" : "queued"));
        CHECK(s.files() - before == (row.status == 204 ? 1 : 0));
    }
}

TEST_CASE("an interrupted or too large upload leaves the image queued and nothing on the disk") {
    Served s;
    const std::string id = s.create();
    CHECK(s.upload(id, std::string((64u << 20) + 1, 'x')).status == 413);
    CHECK(s.show(id).at("status") == "queued");
    CHECK(s.files() == 0);
    std::size_t sent = 0;
    http::ClientRequest request{.method = "PUT", .url = s.url("/v2/images/" + id + "/file")};
    request.headers.add("X-Auth-Token", "member");
    request.headers.add("Content-Type", "application/octet-stream");
    request.source = [&](char* into, std::size_t size) -> std::size_t {
        for (int i = 0; i < 6000 && sent > 0 && s.show(id).at("status") != "saving"; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        if (sent > (1u << 20)) throw Error(Errc::internal, "the client dies");
        std::fill(into, into + size, 'x');
        sent += size;
        return size;
    };
    CHECK_THROWS_AS(s.client.send(request), Error);
    for (int i = 0; i < 6000 && s.show(id).at("status") != "queued"; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(s.show(id).at("status") == "queued");
    CHECK(s.files() == 0);
    CHECK(s.upload(id, "whole").status == 204);
}

TEST_CASE("an image that is deleted during its upload is gone") {
    Served s;
    const std::string id = s.create();
    http::ClientRequest request{.method = "PUT", .url = s.url("/v2/images/" + id + "/file")};
    request.headers.add("X-Auth-Token", "member");
    request.headers.add("Content-Type", "application/octet-stream");
    int calls = 0;
    request.source = [&](char* into, std::size_t) -> std::size_t {
        if (++calls > 3) return 0;
        if (calls == 3) {
            for (int i = 0; i < 6000 && s.show(id).at("status") != "saving"; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
            CHECK(s.send("DELETE", "/v2/images/" + id).status == 204);
        }
        std::fill(into, into + 1000, 'x');
        return 1000;
    };
    CHECK(s.client.send(request).status == 410);
    CHECK(s.files() == 0);
}
