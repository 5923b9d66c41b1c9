#include "domain/metadef_schemas.h"

#include <map>
#include <string>

#include "base/error.h"
#include "domain/json_schema.h"

namespace pilvi::image {
namespace {
// Members of a property; "definitions" beside it holds what it refers to.
constexpr std::string_view property_members = R"({
    "name": {"type": "string", "maxLength": 80},
    "title": {"type": "string"},
    "description": {"type": "string"},
    "operators": {"type": "array", "items": {"type": "string"}},
    "type": {"type": "string", "enum": ["array", "boolean", "integer", "number", "object", "string", null]},
    "required": {"$ref": "#/definitions/stringArray"},
    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "maxLength": {"$ref": "#/definitions/positiveInteger"},
    "minLength": {"$ref": "#/definitions/positiveIntegerDefault0"},
    "pattern": {"type": "string", "format": "regex"},
    "enum": {"type": "array"},
    "readonly": {"type": "boolean"},
    "default": {},
    "items": {"type": "object", "properties": {
        "type": {"type": "string", "enum": ["array", "boolean", "integer", "number", "object", "string", null]},
        "enum": {"type": "array"}}},
    "maxItems": {"$ref": "#/definitions/positiveInteger"},
    "minItems": {"$ref": "#/definitions/positiveIntegerDefault0"},
    "uniqueItems": {"type": "boolean", "default": false},
    "additionalItems": {"type": "boolean"}})";

constexpr std::string_view shared_definitions = R"({
    "positiveInteger": {"type": "integer", "minimum": 0},
    "positiveIntegerDefault0": {"allOf": [{"$ref": "#/definitions/positiveInteger"}, {"default": 0}]},
    "stringArray": {"type": "array", "items": {"type": "string"}, "uniqueItems": true}})";

constexpr std::string_view namespace_members = R"({
    "namespace": {"type": "string", "description": "The unique namespace text.", "maxLength": 80},
    "display_name": {"type": "string", "description": "The user friendly name for the namespace.", "maxLength": 80},
    "description": {"type": "string", "description": "What the namespace is for.", "maxLength": 500},
    "visibility": {"type": "string", "description": "Scope of namespace accessibility.", "enum": ["public", "private"]},
    "protected": {"type": "boolean", "description": "If true, namespace will not be deletable."},
    "owner": {"type": "string", "description": "Owner of the namespace.", "maxLength": 255},
    "created_at": {"type": "string", "readOnly": true, "description": "Date and time of namespace creation", "format": "date-time"},
    "updated_at": {"type": "string", "readOnly": true, "description": "Date and time of the last namespace modification", "format": "date-time"},
    "schema": {"readOnly": true, "type": "string"},
    "self": {"readOnly": true, "type": "string"},
    "resource_type_associations": {"type": "array", "items": {"type": "object", "properties": {
        "name": {"type": "string"}, "prefix": {"type": "string"}, "properties_target": {"type": "string"}}}},
    "properties": {"$ref": "#/definitions/property"},
    "objects": {"type": "array", "items": {"type": "object", "properties": {
        "name": {"type": "string"}, "description": {"type": "string"}, "required": {"$ref": "#/definitions/stringArray"},
        "properties": {"$ref": "#/definitions/property"}}}},
    "tags": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}})";

constexpr std::string_view object_members = R"({
    "name": {"type": "string", "maxLength": 80},
    "description": {"type": "string"},
    "required": {"$ref": "#/definitions/stringArray"},
    "properties": {"$ref": "#/definitions/property"},
    "schema": {"readOnly": true, "type": "string"},
    "self": {"readOnly": true, "type": "string"},
    "created_at": {"type": "string", "readOnly": true, "description": "Date and time of object creation", "format": "date-time"},
    "updated_at": {"type": "string", "readOnly": true, "description": "Date and time of the last object modification", "format": "date-time"}})";

constexpr std::string_view association_members = R"({
    "name": {"type": "string", "description": "Name of the resource type, as Heat names it where Heat has it.", "maxLength": 80},
    "prefix": {"type": "string", "description": "Stands before the names of the namespace's properties when they are applied to the resource type; with its separator (a colon).", "maxLength": 80},
    "properties_target": {"type": "string", "description": "Which of the resource's sets of key-value pairs is meant, where it has several (image or user metadata of a volume).", "maxLength": 80},
    "created_at": {"type": "string", "readOnly": true, "description": "Date and time of resource type association", "format": "date-time"},
    "updated_at": {"type": "string", "readOnly": true, "description": "Date and time of the last resource type association modification", "format": "date-time"}})";

constexpr std::string_view tag_members = R"({
    "name": {"type": "string", "maxLength": 80},
    "created_at": {"type": "string", "readOnly": true, "description": "Date and time of tag creation", "format": "date-time"},
    "updated_at": {"type": "string", "readOnly": true, "description": "Date and time of the last tag modification", "format": "date-time"}})";

constexpr std::string_view tag_list = R"({"name": "tags", "additionalProperties": false, "properties": {"tags": {"type": "array", "items": {
    "type": "object", "properties": {"name": {"type": "string", "maxLength": 80}}, "required": ["name"], "additionalProperties": false}}}})";

json::object parsed(std::string_view text) { return std::move(parse_json(text).as_object()); }

json::object all_definitions(bool required_is_not_empty, bool with_property) {
    json::object out = parsed(shared_definitions);
    if (required_is_not_empty) out["stringArray"].as_object()["minItems"] = 1;
    if (with_property)
        out["property"] = json::object{
            {"type", "object"},
            {"additionalProperties", {{"type", "object"}, {"required", json::array{"title", "type"}}, {"properties", parsed(property_members)}}}};
    return out;
}

json::object item(std::string_view name, std::string_view members, const json::array& required) {
    return {{"name", name}, {"properties", parsed(members)}, {"additionalProperties", false}, {"required", required}};
}

// A list of items, or of items by their names.
json::object collection(std::string_view name, const json::object& item, const json::object& definitions, bool by_name = false) {
    json::object items =
        by_name ? json::object{{"type", "object"}, {"additionalProperties", item}} : json::object{{"type", "array"}, {"items", item}};
    json::object out{
        {"name", name},
        {"properties", {{name, std::move(items)}, {"first", {{"type", "string"}}}, {"next", {{"type", "string"}}}, {"schema", {{"type", "string"}}}}},
        {"links", {{{"rel", "first"}, {"href", "{first}"}}, {{"rel", "next"}, {"href", "{next}"}}, {{"rel", "describedby"}, {"href", "{schema}"}}}}};
    if (!definitions.empty()) out["definitions"] = definitions;
    return out;
}

struct Documents {
    std::map<std::string, json::object, std::less<>> by_name;
    json::object tag_list = parsed(image::tag_list);
    json::object unnamed_property;  // a property whose name is a key beside it

    void add(std::string_view single, std::string_view plural, json::object item, const json::object& definitions) {
        by_name[std::string(plural)] = collection(plural, item, definitions);
        if (!definitions.empty()) item["definitions"] = definitions;
        by_name[std::string(single)] = std::move(item);
    }
    Documents() {
        const json::object shared = all_definitions(false, true), own = all_definitions(true, false);
        add("namespace", "namespaces", item("namespace", namespace_members, {"namespace"}), shared);
        add("object", "objects", item("object", object_members, {"name"}), shared);
        add("resource_type", "resource_types", item("resource_type_association", association_members, {"name"}), {});
        by_name["resource_types"] = collection("resource_type_associations", by_name.at("resource_type"), {});
        add("tag", "tags", item("tag", tag_members, {"name"}), {});
        add("property", "properties", item("property", property_members, {"title", "type", "name"}), own);
        unnamed_property = item("property", property_members, {"title", "type"});
        by_name["properties"] = collection("properties", unnamed_property, own, true);
        unnamed_property["definitions"] = own;
    }
};

const Documents& documents() {
    static const Documents all;
    return all;
}

void check(const json::object& schema, const json::value& body) {
    if (const auto why = schema_mismatch(schema, body))
        throw Error(Errc::bad_request, "Provided object does not match schema '" + string_or(schema, "name") + "': " + *why);
}
}  // namespace

const json::object* metadef_schema(std::string_view name) {
    const auto found = documents().by_name.find(name);
    return found == documents().by_name.end() ? nullptr : &found->second;
}

void check_metadef(std::string_view name, const json::value& body) {
    if (!body.is_object()) throw Error(Errc::bad_request, "Request body must be a JSON object.");
    const bool linked = name == "namespace" || name == "object";
    for (const std::string_view key : {"self", "schema", "created_at", "updated_at"})
        if (body.get_object().contains(key) && (linked || key.ends_with("_at")))
            throw Error(Errc::forbidden, "Attribute '" + std::string(key) + "' is read-only.");
    check(name == "tags" ? documents().tag_list : *metadef_schema(name), body);
}

void check_metadef_properties(const json::object& properties) {
    for (const auto& property : properties) check(documents().unnamed_property, property.value());
}

}  // namespace pilvi::image
