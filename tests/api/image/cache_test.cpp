#include <doctest/doctest.h>

#include "api/image/served.h"
#include "image/cache.h"

using namespace pilvi;
using testing::Cases;
using testing::Served;

namespace {
struct Cached : Served {
    image::Cache cache;
    explicit Cached(std::uint64_t most = 1000) : cache(*store, app, directory / "cache", most) { app.cache = &cache; }
    std::string active(const std::string& data) {
        const std::string id = create();
        upload(id, data);
        return id;
    }
    int queue(const std::string& id) {
        const int status = send("PUT", "/v2/cache/" + id, {}, {}, "admin").status;
        cache.wait_idle();
        return status;
    }
    json::value state() { return parse_json(send("GET", "/v2/cache", {}, {}, "admin").body); }
};
}  // namespace

TEST_CASE("no cache where none is configured") {
    Served s;
    CHECK(s.send("GET", "/v2/cache", {}, {}, "admin").status == 404);
    CHECK(s.send("GET", "/v2/cache").status == 403);
    CHECK(s.send("GET", "/", {}, {}).body.find("v2.16") == std::string::npos);
}

TEST_CASE("cache: queue, read, delete, clear") {
    Cached s;
    CHECK(s.send("GET", "/", {}, {}).body.find("v2.16") != std::string::npos);
    const std::string id = s.active("cached data"), other = s.active("x");
    CHECK(s.queue(id) == 202);
    CHECK(s.files("cache") == 1);
    CHECK(s.state().at("cached_images").at(0).at("image_id") == json::value(id));
    CHECK(s.state().at("cached_images").at(0).at("hits") == 0);
    CHECK(s.state().at("queued_images").as_array().empty());
    std::filesystem::remove(s.directory / ("store/" + id));  // only the copy is left
    CHECK(s.send("GET", "/v2/images/" + id + "/file").body == "cached data");
    CHECK(s.state().at("cached_images").at(0).at("hits") == 1);
    CHECK(s.queue(s.create()) == 400);
    CHECK(s.queue("3f0c0a62-0000-4000-8000-00000000dead") == 404);
    CHECK(s.send("DELETE", "/v2/cache/" + id, {}, {}, "admin").status == 204);
    CHECK(s.send("DELETE", "/v2/cache/3f0c0a62-0000-4000-8000-00000000dead", {}, {}, "admin").status == 404);
    CHECK(s.files("cache") == 0);
    CHECK(s.queue(other) == 202);
    CHECK(s.send("DELETE", "/v2/images/" + other).status == 204);
    CHECK(s.files("cache") == 0);
    const std::string third = s.active("y");
    s.queue(third);
    http::Headers target;
    target.add("x-image-cache-clear-target", "queue");
    CHECK(s.send("DELETE", "/v2/cache", {}, {}, "admin", target).status == 204);
    CHECK(s.files("cache") == 1);
    target.set("x-image-cache-clear-target", "nonsense");
    CHECK(s.send("DELETE", "/v2/cache", {}, {}, "admin", target).status == 400);
    CHECK(parse_json(s.send("GET", "/v2/cached_images", {}, {}, "admin").body).at("cached_images").as_array().size() == 1);
    CHECK(s.send("DELETE", "/v2/cache", {}, {}, "admin").status == 204);
    CHECK(s.files("cache") == 0);
    CHECK(s.send("PUT", "/v2/queued_images/" + third, {}, {}, "admin").status == 200);
    s.cache.wait_idle();
    CHECK(parse_json(s.send("DELETE", "/v2/cached_images", {}, {}, "admin").body).at("num_deleted") == 1);
    CHECK(parse_json(s.send("GET", "/v2/queued_images", {}, {}, "admin").body).at("queued_images").as_array().empty());
}

TEST_CASE("cache: a copy is for those who may have the image") {
    Cached s;
    const std::string id = s.active("cached data"), path = "/v2/images/" + id + "/file";
    CHECK(s.queue(id) == 202);
    CHECK(s.send("GET", path).status == 200);
    CHECK(s.send("GET", path, {}, {}, "other").status == 404);
    CHECK(s.send("GET", path, {}, {}, "reader").status == 403);
    s.service->policy().add("download_image", "role:admin");
    CHECK(s.send("GET", path).status == 403);
    CHECK(s.send("GET", path, {}, {}, "admin").body == "cached data");
    s.service->policy().add("download_image", "role:member");
    CHECK(s.send("POST", "/v2/images/" + id + "/actions/deactivate", {}, {}, "admin").status == 204);
    CHECK(s.send("GET", path).status == 403);
}

TEST_CASE("cache: the copy that was not read for longest makes room") {
    Cached s(10);
    const std::string a = s.active("aaaaa"), b = s.active("bbbbb"), c = s.active("ccccc"), large = s.active("more than the cache holds");
    s.queue(a);
    s.queue(b);
    CHECK(s.send("GET", "/v2/images/" + a + "/file").status == 200);
    s.queue(c);
    CHECK(s.cache.open(a));
    CHECK(!s.cache.open(b));
    CHECK(s.cache.open(c));
    s.queue(large);
    CHECK(!s.cache.open(large));
    CHECK(s.state().at("queued_images").as_array().empty());
    CHECK(s.send("GET", "/v2/images/" + large + "/file").status == 200);
}

TEST_CASE("cache: the administrator's alone") {
    Cached s;
    const std::string id = s.active("x");
    s.cases.vars["id"] = id;
    const Cases::Row rows[] = {
        {.method = "GET", .path = "/v2/cache", .answers = "none:401 reader:403 member:403 manager:403 admin:200"},
        {.method = "PUT", .path = "/v2/cache/${id}", .answers = "none:401 reader:403 member:403 admin:202"},
        {.method = "DELETE", .path = "/v2/cache/${id}", .answers = "none:401 reader:403 member:403 admin:204"},
        {.method = "DELETE", .path = "/v2/cache", .answers = "none:401 reader:403 member:403 admin:204"},
        {.method = "GET", .path = "/v2/cached_images", .answers = "none:401 member:403 admin:200"},
        {.method = "GET", .path = "/v2/queued_images", .answers = "none:401 member:403 admin:200"},
    };
    s.cases.matrix(rows);
}
