#include <doctest/doctest.h>

#include "base/error.h"
#include "image/domain/patch.h"
#include "image/domain/properties.h"
#include "support/code_of.h"

using namespace pilvi;
using image::Change;

namespace {
std::optional<Errc> refusal_of(std::string_view body, bool old_dialect = false) {
    return testing::code_of([&] { image::parse_patch(parse_json(body), old_dialect); });
}
}  // namespace

TEST_CASE("both dialects") {
    const auto changes =
        image::parse_patch(parse_json(R"([{"op": "replace", "path": "/name", "value": "n"}, {"op": "add", "path": "/a~1b~0", "value": "x"},
                                                          {"op": "remove", "path": "/hw_x"}])"),
                           false);
    REQUIRE(changes.size() == 3);
    CHECK(changes[0].op == Change::Op::replace);
    CHECK(changes[0].value == "n");
    CHECK(changes[1].name == "a/b~");
    CHECK(changes[2].op == Change::Op::remove);
    const auto old = image::parse_patch(parse_json(R"([{"replace": "/name", "value": null}])"), true);
    CHECK(old[0].name == "name");
    CHECK(old[0].value.is_null());
    CHECK(old[0].old_dialect);
}

TEST_CASE("what is refused") {
    for (const char* body : {R"({})",
                             R"([1])",
                             R"([{}])",
                             R"([{"op": "test", "path": "/name"}])",
                             R"([{"op": "add", "value": 1}])",
                             R"([{"op": "add", "path": "name", "value": "x"}])",
                             R"([{"op": "add", "path": "/name/", "value": "x"}])",
                             R"([{"op": "add", "path": "/a//b", "value": "x"}])",
                             R"([{"op": "add", "path": "/a/b", "value": "x"}])",
                             R"([{"op": "add", "path": "/a~2", "value": "x"}])",
                             R"([{"op": "add", "path": "/a~", "value": "x"}])",
                             R"([{"op": "add", "path": "/", "value": "x"}])",
                             R"([{"op": "add", "path": "/x"}])",
                             R"([{"op": "add", "path": "/x", "value": 5}])",
                             R"([{"op": "replace", "path": "/min_ram", "value": "x"}])",
                             R"([{"op": "replace", "path": "/min_ram", "value": -1}])",
                             R"([{"op": "replace", "path": "/visibility", "value": "secret"}])",
                             R"([{"op": "replace", "path": "/tags", "value": [1]}])",
                             R"([{"op": "replace", "path": "/protected", "value": "true"}])",
                             R"([{"op": 1, "path": 2}])"}) {
        CAPTURE(body);
        CHECK(refusal_of(body) == Errc::bad_request);
    }
    for (const char* body : {R"([{"op": "replace", "path": "/id", "value": "x"}])", R"([{"op": "replace", "path": "/status", "value": "active"}])",
                             R"([{"op": "remove", "path": "/checksum"}])", R"([{"op": "add", "path": "/os_hash_value", "value": "x"}])",
                             R"([{"op": "add", "path": "/os_glance_x", "value": "x"}])", R"([{"op": "add", "path": "/deleted", "value": "x"}])"}) {
        CAPTURE(body);
        CHECK(refusal_of(body) == Errc::forbidden);
    }
    for (const char* body : {R"([{"op": "add", "path": "/locations/-", "value": {"url": "http://a/"}}])",
                             R"([{"op": "add", "path": "/locations/-", "value": "http://a/"}])",
                             R"([{"op": "add", "path": "/locations", "value": {"url": "http://a/", "metadata": {}}}])",
                             R"([{"op": "replace", "path": "/locations/0", "value": {"url": "http://a/", "metadata": {}}}])",
                             R"([{"op": "replace", "path": "/locations", "value": {"url": "http://a/", "metadata": {}}}])",
                             R"([{"op": "add", "path": "/locations/-", "value": {"url": "http://a/", "metadata": {}, "validation_data": {}}}])"}) {
        CAPTURE(body);
        CHECK(refusal_of(body) == Errc::bad_request);
    }
    const auto located = image::parse_patch(parse_json(R"([{"op": "remove", "path": "/locations/3"}])"), false);
    CHECK(located[0].name == "locations");
    CHECK(located[0].position == "3");
    CHECK(refusal_of(R"([{"add": "/x", "remove": "/y", "value": "z"}])", true) == Errc::bad_request);
    CHECK(refusal_of(R"([{"value": "z"}])", true) == Errc::bad_request);
}

TEST_CASE("schema documents") {
    const json::value document = image::schema_document("image");
    CHECK(document.at("name") == "image");
    CHECK(document.at("properties").at("size").at("readOnly") == true);
    CHECK(document.at("properties").at("disk_format").at("enum").as_array().front().is_null());
    CHECK(image::schema_document("images").at("properties").at("images").at("items").at("name") == "image");
    CHECK(image::schema_document("members").at("name") == "members");
    CHECK(image::schema_document("nothing").is_null());
}
