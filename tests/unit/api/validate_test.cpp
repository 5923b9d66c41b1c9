#include <doctest/doctest.h>

#include "api/validate.h"

using namespace pilvi;
using namespace pilvi::api;

namespace {
constexpr std::string_view colours[] = {"red", "green"};
constexpr Field inner[] = {{.name = "ip", .type = Type::ip, .use = required}};
constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show},
    {.name = "name", .type = Type::text, .use = create | update | required},
    {.name = "size", .type = Type::integer, .use = create, .fallback = "7", .least = 0, .most = 10},
    {.name = "up", .type = Type::boolean, .use = create | update, .fallback = "true"},
    {.name = "colour", .type = Type::text, .use = create | nullable, .values = colours},
    {.name = "addresses", .type = Type::array, .use = create, .most = 2, .item = Type::object, .fields = inner},
    {.name = "label", .type = Type::text, .use = create, .pattern = "[a-z]+", .since = {2, 5}},
};
constexpr ServiceStyle strict{.dialect = Dialect::compute, .service_type = "compute"};
constexpr ServiceStyle lenient{.dialect = Dialect::network, .service_type = "network", .coerce = true};

json::object check(const ServiceStyle& style, std::string_view body, Purpose purpose = Purpose::create, Unknown unknown = Unknown::refuse,
                   Version version = {}) {
    return validate(style, fields, parse_json(body), purpose, unknown, version);
}
}  // namespace

TEST_CASE("defaults and coercion") {
    const json::object made = check(lenient, R"({"name": "n", "size": "5", "up": "False"})");
    CHECK(made.at("size").as_int64() == 5);
    CHECK(made.at("up").as_bool() == false);
    CHECK(check(strict, R"({"name": "n"})").at("size").as_int64() == 7);
    CHECK_FALSE(check(strict, R"({})", Purpose::update).contains("size"));
    CHECK(check(strict, R"({"name": "n", "colour": null})").at("colour").is_null());
}

TEST_CASE("what a table refuses") {
    for (const char* bad : {R"({})",
                            R"({"name": 5})",
                            R"({"name": null})",
                            R"({"name": "n", "x": 1})",
                            R"({"name": "n", "size": 11})",
                            R"({"name": "n", "size": -1})",
                            R"({"name": "n", "size": "5"})",
                            R"({"name": "n", "size": true})",
                            R"({"name": "n", "size": 1.5})",
                            R"({"name": "n", "size": 18446744073709551615})",
                            R"({"name": "n", "up": "yes"})",
                            R"({"name": "n", "colour": "blue"})",
                            R"({"name": "n", "addresses": [{"ip": "x"}]})",
                            R"({"name": "n", "addresses": [{}]})",
                            R"({"name": "n", "addresses": {}})",
                            R"({"name": "n", "addresses": [{"ip": "::1", "x": 1}]})",
                            R"({"name": "n", "id": "3f0c0a62-0000-4000-8000-000000000000"})",
                            R"({"name": "n", "addresses": [{"ip": "::1"}, {"ip": "::1"}, {"ip": "::1"}]})",
                            R"({"name": "a\u0000b"})",
                            R"([])",
                            R"("x")"})
        CHECK_THROWS_AS(check(strict, bad), Error);
    CHECK_THROWS_AS(check(strict, "{\"name\": \"" + std::string(256, 'x') + "\"}"), Error);
    CHECK_NOTHROW(check(strict, "{\"name\": \"" + std::string(255, 'x') + "\"}"));
    CHECK_THROWS_AS(check(strict, R"({"size": 1})", Purpose::update), Error);
}

TEST_CASE("microversions bound fields") {
    CHECK_THROWS_AS(check(strict, R"({"name": "n", "label": "a"})", Purpose::create, Unknown::refuse, {2, 4}), Error);
    CHECK_NOTHROW(check(strict, R"({"name": "n", "label": "a"})", Purpose::create, Unknown::refuse, {2, 5}));
    CHECK_THROWS_AS(check(strict, R"({"name": "n", "label": "A"})", Purpose::create, Unknown::refuse, {2, 5}), Error);
}

TEST_CASE("unknown members") {
    CHECK(check(strict, R"({"name": "n", "x": [1]})", Purpose::create, Unknown::keep).contains("x"));
    CHECK_FALSE(check(strict, R"({"name": "n", "x": [1]})", Purpose::create, Unknown::ignore).contains("x"));
}
