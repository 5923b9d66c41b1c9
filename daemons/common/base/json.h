#pragma once
// Boost.JSON under one name, with the few accessors that everyone needs.
#include <boost/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pilvi {

namespace json = boost::json;

// Parses `text`; throws Error(bad_request, "...") on anything that is not one JSON value, on nesting deeper than 32.
json::value parse_json(std::string_view text, json::storage_ptr storage = {});
std::string to_text(const json::value& value);
// The same text, appended: answers with many rows are written without a value that holds them all.
void append_json(std::string& out, const json::value& value);
void append_json(std::string& out, const json::object& object);
void append_quoted(std::string& out, std::string_view text);  // quoted and escaped
void append_number(std::string& out, std::int64_t number);

// Member access that does not throw: nullptr where `object` has no member `key`.
const json::value* find(const json::object& object, std::string_view key);
// Dotted path through objects ("server.flavor.id"); nullptr where a step is missing or not an object.
const json::value* find_path(const json::value& value, std::string_view path);

// The member as a string / integer / boolean / array / object; the fallback where it is missing, null or of another type.
std::string string_or(const json::object& object, std::string_view key, std::string_view fallback = {});
std::int64_t integer_or(const json::object& object, std::string_view key, std::int64_t fallback = 0);
bool boolean_or(const json::object& object, std::string_view key, bool fallback = false);
const json::array& array_or_empty(const json::object& object, std::string_view key);
const json::object& object_or_empty(const json::object& object, std::string_view key);
// nullopt where the member is missing or null.
std::optional<std::string> optional_string(const json::object& object, std::string_view key);

inline std::string str(const json::string& s) { return std::string(s.data(), s.size()); }

}  // namespace pilvi
