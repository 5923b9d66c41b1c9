#include "domain/json_schema.h"

#include <array>
#include <set>

#include "base/text.h"

namespace pilvi::image {
namespace {
using Mismatch = std::optional<std::string>;

// Python's repr(), complete; the public one cuts it.
std::string repr(const json::value& value) {
    switch (value.kind()) {
        case json::kind::null:
            return "None";
        case json::kind::bool_:
            return value.get_bool() ? "True" : "False";
        case json::kind::string: {
            const std::string text = str(value.get_string());
            const char quote = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
            return quote + text + quote;
        }
        case json::kind::array: {
            std::string out;
            for (const json::value& item : value.get_array()) out += (out.empty() ? "" : ", ") + repr(item);
            return "[" + out + "]";
        }
        case json::kind::object: {
            std::string out;
            for (const auto& member : value.get_object())
                out += (out.empty() ? "" : ", ") + repr(json::value(member.key())) + ": " + repr(member.value());
            return "{" + out + "}";
        }
        default:
            return to_text(value);
    }
}

struct TypeName {
    std::string_view name;
    bool (*holds)(const json::value&);
};
bool is_integer(const json::value& v) { return v.is_int64() || v.is_uint64(); }
constexpr std::array types{
    TypeName{"null", [](const json::value& v) { return v.is_null(); }},     TypeName{"string", [](const json::value& v) { return v.is_string(); }},
    TypeName{"boolean", [](const json::value& v) { return v.is_bool(); }},  TypeName{"array", [](const json::value& v) { return v.is_array(); }},
    TypeName{"object", [](const json::value& v) { return v.is_object(); }}, TypeName{"integer", is_integer},
    TypeName{"number", [](const json::value& v) { return v.is_number(); }},
};

bool has_type(const json::value& value, std::string_view name) {
    for (const TypeName& t : types)
        if (t.name == name) return t.holds(value);
    return true;
}

class Validator {
public:
    explicit Validator(const json::object& root) : root_(root) {}

    // The first mismatch.
    Mismatch check(const json::object& schema, const json::value& value) const {
        if (const json::value* reference = schema.if_contains("$ref")) return check(resolve(str(reference->as_string())), value);
        for (const auto part : {&Validator::check_type, &Validator::check_enum, &Validator::check_scalar, &Validator::check_array,
                                &Validator::check_required, &Validator::check_members})
            if (Mismatch m = (this->*part)(schema, value)) return m;
        if (const json::value* all = schema.if_contains("allOf"))
            for (const json::value& one : all->as_array())
                if (Mismatch m = check(one.as_object(), value)) return m;
        return std::nullopt;
    }

private:
    const json::object& resolve(const std::string& reference) const {
        return root_.at("definitions").as_object().at(std::string_view(reference).substr(reference.rfind('/') + 1)).as_object();
    }

    Mismatch check_type(const json::object& schema, const json::value& value) const {
        const json::value* type = schema.if_contains("type");
        if (!type) return std::nullopt;
        std::string names;
        for (const json::value& one : type->is_array() ? type->get_array() : json::array{*type}) {
            if (has_type(value, std::string_view(one.as_string()))) return std::nullopt;
            names += (names.empty() ? "" : ", ") + repr(one);
        }
        return python_text(value) + " is not of type " + names;
    }
    Mismatch check_enum(const json::object& schema, const json::value& value) const {
        const json::value* values = schema.if_contains("enum");
        if (!values) return std::nullopt;
        for (const json::value& one : values->as_array())
            if (one == value) return std::nullopt;
        return python_text(value) + " is not one of " + repr(*values);
    }
    Mismatch check_scalar(const json::object& schema, const json::value& value) const {
        const json::value* longest = schema.if_contains("maxLength");
        if (longest && value.is_string() && utf8_length(value.get_string()) > static_cast<std::uint64_t>(longest->as_int64()))
            return python_text(value) + " is too long";
        const json::value* shortest = schema.if_contains("minLength");
        if (shortest && value.is_string() && utf8_length(value.get_string()) < static_cast<std::uint64_t>(shortest->as_int64()))
            return python_text(value) + " is too short";
        const json::value* least = schema.if_contains("minimum");
        if (least && value.is_number() && value.to_number<double>() < least->to_number<double>())
            return python_text(value) + " is less than the minimum of " + repr(*least);
        return std::nullopt;
    }
    Mismatch check_array(const json::object& schema, const json::value& value) const {
        if (!value.is_array()) return std::nullopt;
        const json::array& items = value.get_array();
        const json::value* least = schema.if_contains("minItems");
        if (least && items.size() < static_cast<std::uint64_t>(least->as_int64())) return python_text(value) + " is too short";
        if (const json::value* unique = schema.if_contains("uniqueItems"); unique && unique->as_bool()) {
            std::set<std::string> seen;
            for (const json::value& item : items)
                if (!seen.insert(to_text(item)).second) return python_text(value) + " has non-unique elements";
        }
        if (const json::value* each = schema.if_contains("items"))
            for (const json::value& item : items)
                if (Mismatch m = check(each->as_object(), item)) return m;
        return std::nullopt;
    }
    Mismatch check_required(const json::object& schema, const json::value& value) const {
        const json::value* names = schema.if_contains("required");
        if (!names || !names->is_array() || !value.is_object()) return std::nullopt;
        for (const json::value& name : names->get_array())
            if (!value.get_object().contains(name.as_string())) return repr(name) + " is a required property";
        return std::nullopt;
    }
    Mismatch check_members(const json::object& schema, const json::value& value) const {
        if (!value.is_object()) return std::nullopt;
        const json::value* known = schema.if_contains("properties");
        const json::value* rest = schema.if_contains("additionalProperties");
        for (const auto& member : value.get_object()) {
            const json::value* own = known ? known->as_object().if_contains(member.key()) : nullptr;
            if (!own && rest && rest->is_bool() && !rest->get_bool())
                return "Additional properties are not allowed (" + python_text(json::value(member.key())) + " was unexpected)";
            const json::value* applies = own ? own : rest;
            if (!applies || !applies->is_object()) continue;
            if (Mismatch m = check(applies->get_object(), member.value())) return m;
        }
        return std::nullopt;
    }

    const json::object& root_;
};
}  // namespace

std::string python_text(const json::value& value) {
    std::string text = repr(value);
    if (text.size() <= 200) return text;
    std::size_t end = 200;
    while ((static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return text.substr(0, end) + "...";
}

std::optional<std::string> schema_mismatch(const json::object& schema, const json::value& value) { return Validator(schema).check(schema, value); }

}  // namespace pilvi::image
