#include <doctest/doctest.h>

#include "api/image/served.h"
#include "api/image/web.h"

using namespace pilvi;
using testing::Served;
using testing::Web;

namespace {
constexpr std::string_view patch_type = "application/openstack-images-v2.1-json-patch";

struct Located : Served {
    Web web;
    Located() : Served({}, Web::rules()) { app.show_locations = app.show_direct_url = true; }
    http::Response patch(const std::string& id, std::string_view op, const std::string& path, const std::string& value = {},
                         const std::string& token = "member") {
        const std::string change =
            R"([{"op": ")" + std::string(op) + R"(", "path": ")" + path + "\"" + (value.empty() ? "" : ", \"value\": " + value) + "}]";
        return send("PATCH", "/v2/images/" + id, change, std::string(patch_type), token);
    }
    std::string location(const std::string& path, const std::string& more = {}) const {
        return R"({"url": ")" + web.url(path) + R"(", "metadata": {"foo": "bar"})" + more + "}";
    }
};
}  // namespace

TEST_CASE("locations are invisible and closed by default") {
    Served s;
    const std::string id = s.create();
    CHECK(!s.show(id).as_object().contains("locations"));
    CHECK(!s.show(id).as_object().contains("direct_url"));
    const http::Response r =
        s.send("PATCH", "/v2/images/" + id, R"([{"op": "add", "path": "/locations/-", "value": {"url": "http://a/", "metadata": {}}}])",
               std::string(patch_type));
    CHECK(r.status == 403);
    CHECK(r.body.find("allowed to add locations if locations are invisible.") != std::string::npos);
}

TEST_CASE("locations: add, read through, replace metadata, remove") {
    Located s;
    const std::string id = s.create();
    CHECK(s.show(id).at("locations").as_array().empty());
    CHECK(s.patch(id, "add", "/locations/-", s.location("/there")).status == 200);
    const json::value image = s.show(id);
    CHECK(image.at("status") == "active");
    CHECK(image.at("size") == 12);
    CHECK(image.at("os_hash_value").is_null());
    CHECK(image.at("stores") == "web");
    CHECK(image.at("direct_url") == json::value(s.web.url("/there")));
    CHECK(image.at("locations").at(0).at("metadata").at("foo") == "bar");
    CHECK(s.send("GET", "/v2/images/" + id + "/file").body == "from the web");
    CHECK(s.patch(id, "add", "/locations/-", s.location("/there")).status == 400);
    CHECK(s.patch(id, "add", "/locations/x", s.location("/there#2")).status == 400);
    CHECK(s.patch(id, "add", "/locations/0", s.location("/there#2")).status == 200);
    CHECK(s.show(id).at("locations").at(0).at("url") == json::value(s.web.url("/there#2")));
    CHECK(s.patch(id, "replace", "/locations", "[]").status == 403);
    CHECK(s.patch(id, "replace", "/locations", "[" + s.location("/there") + "]").status == 400);
    CHECK(s.patch(id, "replace", "/locations", "[" + s.location("/there") + "," + s.location("/there#3") + "]").status == 400);
    CHECK(s.patch(id, "replace", "/locations",
                  R"([{"url": ")" + s.web.url("/there") + R"(", "metadata": {"new": "1"}},)" + s.location("/there#2") + "]")
              .status == 200);
    CHECK(s.show(id).at("locations").at(0).at("metadata").at("new") == "1");
    CHECK(s.patch(id, "remove", "/locations/0").status == 403);  // removing is the administrator's
    CHECK(s.patch(id, "remove", "/locations/7", {}, "admin").status == 400);
    CHECK(s.patch(id, "remove", "/locations/0", {}, "admin").status == 200);
    CHECK(s.patch(id, "remove", "/locations/0", {}, "admin").status == 403);
    CHECK(s.show(id).at("locations").as_array().size() == 1);
    CHECK(s.patch(id, "add", "/locations/-", s.location("/there#4"), "reader").status == 403);
    CHECK(s.patch(id, "add", "/locations/-", s.location("/there#4"), "other").status == 404);
}

TEST_CASE("locations: nothing but the web, and not inside") {
    Located s;
    const std::string victim = s.create(), id = s.create();
    s.upload(victim, "secret of another project");
    for (const std::string& url :
         {"file://" + (s.directory / "store") + "/" + victim, std::string("file:///etc/passwd"), std::string("gopher://info.cern.ch"),
          std::string("filesystem:///x"), std::string("rbd://f/images/x/snap"), std::string("swift+config://x")}) {
        CAPTURE(url);
        CHECK(s.patch(id, "add", "/locations/-", R"({"url": ")" + url + R"(", "metadata": {}})").status == 400);
        CHECK(s.patch(id, "replace", "/locations", R"([{"url": ")" + url + R"(", "metadata": {"store": "local"}}])").status == 400);
    }
    CHECK(s.patch(id, "add", "/locations/-", R"({"url": "http://169.254.169.254/latest", "metadata": {}})").status == 400);
    CHECK(s.show(id).at("status") == "queued");
}

TEST_CASE("locations: hashes that come with them") {
    Located s;
    const std::string hash = std::string(128, 'a'), data = R"(, "validation_data": {"os_hash_algo": "sha512", "os_hash_value": ")" + hash + "\"";
    const std::string id = s.create();
    const auto refused = [&](const std::string& validation) {
        return s.patch(id, "add", "/locations/-", s.location("/there", R"(, "validation_data": )" + validation)).status;
    };
    CHECK(refused(R"({"os_hash_algo": "md5", "os_hash_value": "aa"})") == 409);
    CHECK(refused(R"({"os_hash_algo": "sha512", "os_hash_value": "aa"})") == 409);
    CHECK(refused(R"({"os_hash_algo": "sha512", "os_hash_value": "xyz"})") == 409);
    CHECK(refused(R"({"os_hash_algo": "sha512", "os_hash_value": "aa", "more": "x"})") == 400);
    CHECK(s.patch(id, "add", "/locations/-", s.location("/there", data + R"(, "checksum": "11111111111111111111111111111111"})")).status == 200);
    CHECK(s.show(id).at("checksum") == "11111111111111111111111111111111");
    CHECK(s.show(id).at("os_hash_value") == json::value(hash));
    CHECK(!s.show(id).at("locations").at(0).as_object().contains("validation_data"));
    CHECK(s.patch(id, "add", "/locations/-", s.location("/there#2", data + "}")).status == 200);
    CHECK(s.patch(id, "add", "/locations/-",
                  s.location("/there#3", R"(, "validation_data": {"os_hash_algo": "sha512", "os_hash_value": ")" + std::string(128, 'b') + "\"}"))
              .status == 409);
}
