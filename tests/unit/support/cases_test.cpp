#include <doctest/doctest.h>

#include "support/cases.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {
bool same(std::string_view expected, std::string_view actual) { return !mismatch(parse_json(expected), parse_json(actual)); }
}  // namespace

TEST_CASE("expected bodies are subsets") {
    CHECK(same(R"({"a": 1})", R"({"a": 1, "b": 2})"));
    CHECK_FALSE(same(R"({"a": 1})", R"({"a": 2})"));
    CHECK_FALSE(same(R"({"a": 1})", R"({})"));
    CHECK_FALSE(same(R"({"a": {"b": 1}})", R"({"a": 1})"));
    CHECK(same(R"([1, 2])", R"([1, 2])"));
    CHECK_FALSE(same(R"([1, 2])", R"([1, 2, 3])"));
    CHECK_FALSE(same(R"([])", R"({})"));
    CHECK_FALSE(same(R"("1")", R"(1)"));
    CHECK_FALSE(same("null", "false"));
}

TEST_CASE("texts with a meaning") {
    CHECK(same(R"({"a": "<absent>"})", "{}"));
    CHECK_FALSE(same(R"({"a": "<absent>"})", R"({"a": null})"));
    CHECK(same(R"("<any>")", "0"));
    CHECK_FALSE(same(R"("<any>")", "null"));
    CHECK(same(R"("<uuid>")", R"("3f0c0a62-0000-4000-8000-000000000000")"));
    CHECK_FALSE(same(R"("<uuid>")", R"("3f0c0a62000040008000000000000000")"));
    CHECK(same(R"("<hex>")", R"("3f0c0a62000040008000000000000000")"));
    CHECK(same(R"("<time>")", R"("2026-01-31T12:00:00Z")"));
    CHECK(same(R"("<time>")", R"("2026-01-31T12:00:00.000000")"));
    CHECK_FALSE(same(R"("<time>")", R"("yesterday")"));
    CHECK(same(R"("<matches:^a+$>")", R"("aaa")"));
    CHECK_FALSE(same(R"("<matches:^a+$>")", R"("ab")"));
    CHECK(same(R"({"<contains>": [{"a": 1}]})", R"([{"a": 2}, {"a": 1, "b": 1}])"));
    CHECK_FALSE(same(R"({"<contains>": [{"a": 3}]})", R"([{"a": 2}, {"a": 1}])"));
    CHECK(substitute("${a}/${b}", {{"a", "1"}, {"b", "2"}}) == "1/2");
}
