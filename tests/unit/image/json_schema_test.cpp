#include "image/domain/json_schema.h"

#include <doctest/doctest.h>

using namespace pilvi;

TEST_CASE("values against a schema, in the words of jsonschema") {
    const json::value parsed = parse_json(R"({
        "type": "object", "required": ["name"], "additionalProperties": false,
        "definitions": {"size": {"allOf": [{"type": "integer", "minimum": 0}]}},
        "properties": {
            "name": {"type": ["null", "string"], "maxLength": 3},
            "kind": {"enum": ["a", "b", null]},
            "size": {"$ref": "#/definitions/size"},
            "list": {"type": "array", "items": {"type": "string"}, "uniqueItems": true, "minItems": 1},
            "map": {"type": "object", "additionalProperties": {"type": "boolean"}},
            "code": {"minLength": 2},
            "any": {}}})");
    const json::object& schema = parsed.as_object();
    struct Row {
        const char* value;
        const char* why;  // nullptr: suits
    };
    for (const Row& row :
         {Row{R"({"name": "abc", "kind": null, "size": 0, "list": ["x"], "map": {"k": true}, "any": {"x": [1]}})", nullptr},
          Row{R"({"name": null})", nullptr}, Row{R"({"name": "äöü"})", nullptr}, Row{R"([])", "[] is not of type 'object'"},
          Row{R"({})", "'name' is a required property"}, Row{R"({"name": 1})", "1 is not of type 'null', 'string'"},
          Row{R"({"name": "abcd"})", "'abcd' is too long"}, Row{R"({"name": "a", "code": "x"})", "'x' is too short"},
          Row{R"({"name": "a", "code": "xy"})", nullptr}, Row{R"({"name": "a", "kind": "c"})", "'c' is not one of ['a', 'b', None]"},
          Row{R"({"name": "a", "size": -1})", "-1 is less than the minimum of 0"},
          Row{R"({"name": "a", "size": true})", "True is not of type 'integer'"}, Row{R"({"name": "a", "list": []})", "[] is too short"},
          Row{R"({"name": "a", "list": ["x", "x"]})", "['x', 'x'] has non-unique elements"},
          Row{R"({"name": "a", "list": ["x", 2]})", "2 is not of type 'string'"},
          Row{R"({"name": "a", "map": {"k": "it's"}})", "\"it's\" is not of type 'boolean'"},
          Row{R"({"name": "a", "more": 1})", "Additional properties are not allowed ('more' was unexpected)"}}) {
        CAPTURE(row.value);
        const auto why = image::schema_mismatch(schema, parse_json(row.value));
        CHECK(why.has_value() == (row.why != nullptr));
        if (why && row.why) CHECK(*why == row.why);
    }
    CHECK(image::python_text(json::value(std::string(500, 'x'))).size() == 203);
}
