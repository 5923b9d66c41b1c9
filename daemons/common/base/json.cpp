#include "base/json.h"

#include <boost/json/src.hpp>

#include "base/error.h"

namespace pilvi {

json::value parse_json(std::string_view text) {
    json::parse_options options;
    options.max_depth = 32;
    boost::system::error_code failed;
    json::value value = json::parse(text, failed, {}, options);
    if (failed) throw Error(Errc::bad_request, "The body is not valid JSON: " + failed.message());
    return value;
}

std::string to_text(const json::value& value) { return json::serialize(value); }

const json::value* find(const json::object& object, std::string_view key) { return object.if_contains(key); }

const json::value* find_path(const json::value& value, std::string_view path) {
    const json::value* at = &value;
    while (!path.empty()) {
        const json::object* object = at->if_object();
        if (!object) return nullptr;
        const std::size_t dot = path.find('.');
        at = object->if_contains(path.substr(0, dot));
        if (!at) return nullptr;
        path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
    }
    return at;
}

std::string string_or(const json::object& object, std::string_view key, std::string_view fallback) {
    const json::value* v = object.if_contains(key);
    return v && v->is_string() ? str(v->get_string()) : std::string(fallback);
}

std::int64_t integer_or(const json::object& object, std::string_view key, std::int64_t fallback) {
    const json::value* v = object.if_contains(key);
    if (!v) return fallback;
    boost::system::error_code failed;
    const auto n = v->to_number<std::int64_t>(failed);
    return failed ? fallback : n;
}

bool boolean_or(const json::object& object, std::string_view key, bool fallback) {
    const json::value* v = object.if_contains(key);
    return v && v->is_bool() ? v->get_bool() : fallback;
}

const json::array& array_or_empty(const json::object& object, std::string_view key) {
    static const json::array empty;
    const json::value* v = object.if_contains(key);
    return v && v->is_array() ? v->get_array() : empty;
}

const json::object& object_or_empty(const json::object& object, std::string_view key) {
    static const json::object empty;
    const json::value* v = object.if_contains(key);
    return v && v->is_object() ? v->get_object() : empty;
}

std::optional<std::string> optional_string(const json::object& object, std::string_view key) {
    const json::value* v = object.if_contains(key);
    if (!v || !v->is_string()) return std::nullopt;
    return str(v->get_string());
}

}  // namespace pilvi
