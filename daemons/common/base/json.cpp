#include "base/json.h"

#include <boost/json/src.hpp>

#include <charconv>
#include <cstring>

#include "base/error.h"

namespace pilvi {

json::value parse_json(std::string_view text, json::storage_ptr storage) {
    json::parse_options options;
    options.max_depth = 32;
    boost::system::error_code failed;
    json::value value = json::parse(text, failed, std::move(storage), options);
    if (failed) throw Error(Errc::bad_request, "The body is not valid JSON: " + failed.message());
    return value;
}

std::string to_text(const json::value& value) { return json::serialize(value); }

namespace {
// Whether one of eight bytes may need an escape: no such byte is missed, a byte beside one may be taken for one.
bool may_need_escape(const char* bytes) {
    constexpr std::uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    const auto zeros = [](std::uint64_t w) { return (w - ones) & ~w & highs; };
    return ((zeros(word ^ ones * '"') | zeros(word ^ ones * '\\') | ((word - ones * 0x20) & ~word)) & highs) != 0;
}
}  // namespace

void append_quoted(std::string& out, std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    out += '"';
    std::size_t from = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        while (i + 8 <= text.size() && !may_need_escape(text.data() + i)) i += 8;
        if (i == text.size()) break;
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        out += text.substr(from, i - from);
        from = i + 1;
        out += '\\';
        constexpr std::string_view named = "\"\"\\\\\bb\ff\nn\rr\tt";  // character, letter
        const std::size_t at = named.find(static_cast<char>(c));
        if (at != std::string_view::npos && at % 2 == 0) out += named[at + 1];
        else (((out += "u00") += digits[c >> 4]) += digits[c & 15]);
    }
    out += text.substr(from);
    out += '"';
}

void append_number(std::string& out, std::int64_t number) {
    char text[24];
    out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

void append_json(std::string& out, const json::object& object) {
    char separator = '{';
    for (const auto& member : object) {
        out += separator;
        separator = ',';
        append_quoted(out, member.key());
        out += ':';
        append_json(out, member.value());
    }
    out += object.empty() ? "{}" : "}";
}

void append_json(std::string& out, const json::value& value) {
    switch (value.kind()) {
        case json::kind::object:
            return append_json(out, value.get_object());
        case json::kind::array: {
            char separator = '[';
            for (const json::value& item : value.get_array()) {
                out += separator;
                separator = ',';
                append_json(out, item);
            }
            out += value.get_array().empty() ? "[]" : "]";
            return;
        }
        case json::kind::string:
            return append_quoted(out, value.get_string());
        case json::kind::int64:
            return append_number(out, value.get_int64());
        case json::kind::null:
            out += "null";
            return;
        case json::kind::bool_:
            out += value.get_bool() ? "true" : "false";
            return;
        default:
            out += to_text(value);
    }
}

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
