#include "api/validate.h"

#include <boost/url/parse.hpp>

#include <mutex>
#include <regex>

#include "base/ids.h"
#include "base/net.h"
#include "base/text.h"
#include "base/time.h"
#include "base/url.h"

namespace pilvi::api {
namespace {

constexpr auto no_least = std::numeric_limits<std::int64_t>::min();
constexpr auto no_most = std::numeric_limits<std::int64_t>::max();

// A JSON text as jsonschema shows it: 'x' for "x".
std::string quoted(const std::string& shown) {
    return shown.starts_with('"') && shown.ends_with('"') && shown.size() > 1 ? "'" + shown.substr(1, shown.size() - 2) + "'" : shown;
}

// "scope/roles/0/id" for "scope.roles[0].id".
std::string slashed(const std::string& where) {
    std::string out;
    for (const char c : where)
        if (c == '.' || c == '[') out += '/';
        else if (c != ']') out += c;
    return out;
}

std::string_view type_name(Type type) {
    switch (type) {
        case Type::integer:
            return "'integer'";
        case Type::number:
            return "'number'";
        case Type::boolean:
            return "'boolean'";
        case Type::object:
            return "'object'";
        case Type::array:
            return "'array'";
        default:
            return "'string'";
    }
}

// What is wrong, in the words that the original service would use.
[[noreturn]] void refuse(const ServiceStyle& style, std::string_view where, const json::value& value, const std::string& why) {
    const bool network = style.dialect == Dialect::network;
    std::string shown = network && value.is_string() ? str(value.get_string()) : to_text(value);
    if (shown.size() > 200) shown = shown.substr(0, 200) + "...";
    const std::string name(where);
    switch (style.dialect) {
        case Dialect::network:
            throw Error(Errc::bad_request, "Invalid input for " + name + ". Reason: '" + shown + "' " + why + ".", "HTTPBadRequest");
        case Dialect::compute:
            throw Error(Errc::bad_request, "Invalid input for field/attribute " + name + ". Value: " + shown + ". " + shown + " " + why);
        case Dialect::placement:
            throw Error(Errc::bad_request, "JSON does not validate: " + schema_failure(quoted(shown) + " " + why, name));
        case Dialect::image:
            throw Error(Errc::bad_request, "Provided object does not match schema: " + name + ": " + shown + " " + why);
        case Dialect::identity:
            throw Error(Errc::bad_request,
                        "Invalid input for field '" + slashed(name) + "': " + (value.is_null() ? "None" : quoted(shown)) + " " + why);
    }
    throw Error(Errc::bad_request, name + " " + why);
}

[[noreturn]] void refuse_member(const ServiceStyle& style, const std::string& text_network, const std::string& text_schema) {
    if (style.dialect == Dialect::network) throw Error(Errc::bad_request, text_network, "HTTPBadRequest");
    throw Error(Errc::bad_request, style.dialect == Dialect::placement ? "JSON does not validate: " + schema_failure(text_schema) : text_schema);
}

std::string inner(std::string_view where, std::string_view name) {
    return where.empty() ? std::string(name) : std::string(where) + "." + std::string(name);
}

bool matches(std::string_view pattern, const std::string& text) {
    static std::mutex mutex;
    static std::map<std::string_view, std::regex> compiled;  // patterns come from constexpr tables
    const std::regex* expression = nullptr;
    {
        const std::lock_guard lock(mutex);
        auto found = compiled.find(pattern);
        if (found == compiled.end())
            found = compiled.emplace(pattern, std::regex(pattern.begin(), pattern.end(), std::regex::ECMAScript | std::regex::optimize)).first;
        expression = &found->second;
    }
    return std::regex_match(text, *expression);
}

json::value check_text(const ServiceStyle& style, const Field& field, const json::value& value, std::string_view where) {
    if (!value.is_string()) refuse(style, where, value, style.dialect == Dialect::network ? "is not a valid string" : "is not of type 'string'");
    const std::string text = str(value.get_string());
    if (!is_utf8(text)) refuse(style, where, nullptr, "is not valid UTF-8");
    const auto length = static_cast<std::int64_t>(utf8_length(text));
    const std::int64_t most = field.most == no_most ? 255 : field.most;
    if (field.least != no_least && length < field.least) refuse(style, where, value, "is too short");
    if (length > most)
        refuse(style, where, json::string(text.substr(0, 60)),
               style.dialect == Dialect::network ? "exceeds maximum length of " + std::to_string(most) : "is too long");
    if (text.find('\0') != std::string::npos) refuse(style, where, value, "contains a NUL character");
    if (!field.pattern.empty() && !matches(field.pattern, text)) {
        const bool anchored = style.dialect == Dialect::placement;
        refuse(style, where, value, "does not match '" + (anchored ? "^" + std::string(field.pattern) + "$" : std::string(field.pattern)) + "'");
    }
    return value;
}

json::value check_integer(const ServiceStyle& style, const Field& field, const json::value& value, std::string_view where) {
    std::optional<std::int64_t> number;
    if (value.is_int64()) number = value.get_int64();
    else if (value.is_uint64()) refuse(style, where, value, "is too large");
    else if (style.coerce && value.is_string()) number = parse_integer(str(value.get_string()));
    if (!number) refuse(style, where, value, style.dialect == Dialect::network ? "is not an integer" : "is not of type 'integer'");
    if (*number < field.least) refuse(style, where, value, "is less than the minimum of " + std::to_string(field.least));
    if (*number > field.most) refuse(style, where, value, "is greater than the maximum of " + std::to_string(field.most));
    return *number;
}

json::value check_boolean(const ServiceStyle& style, const json::value& value, std::string_view where) {
    if (value.is_bool()) return value;
    if (style.coerce) {
        if (value.is_string())
            if (const auto b = parse_boolean(str(value.get_string()))) return *b;
        if (value.is_int64() && (value.get_int64() == 0 || value.get_int64() == 1)) return value.get_int64() == 1;
    }
    refuse(style, where, value, style.dialect == Dialect::network ? "is not boolean" : "is not of type 'boolean'");
}

// Types that are texts of a certain form; returns the canonical text, nullopt where it is none.
std::optional<std::string> canonical(Type type, const std::string& text) {
    switch (type) {
        case Type::uuid:
            return is_uuid_like(text) ? std::optional(lower(text)) : std::nullopt;
        case Type::ip: {
            const auto address = IpAddress::parse(text);
            return address ? std::optional(address->text()) : std::nullopt;
        }
        case Type::cidr: {
            const auto cidr = Cidr::parse(text);
            return cidr ? std::optional(cidr->text()) : std::nullopt;
        }
        case Type::mac:
            return normalize_mac(text);
        case Type::datetime:
            return parse_iso8601(text) ? std::optional(text) : std::nullopt;
        case Type::url: {
            if (text.size() > 2048 || !parsable_url(text)) return std::nullopt;
            const auto parsed = boost::urls::parse_uri(text);
            return parsed && parsed->has_authority() ? std::optional(text) : std::nullopt;
        }
        default:
            return std::nullopt;
    }
}

std::string_view form_name(Type type) {
    switch (type) {
        case Type::uuid:
            return "is not a valid UUID";
        case Type::ip:
            return "is not a valid IP address";
        case Type::cidr:
            return "is not a valid IP subnet";
        case Type::mac:
            return "is not a valid MAC address";
        case Type::datetime:
            return "is not a 'date-time'";
        default:
            return "is not a 'uri'";
    }
}

json::value check_array(const ServiceStyle& style, const Field& field, const json::value& value, std::string_view where, Version version) {
    if (!value.is_array()) refuse(style, where, value, style.dialect == Dialect::network ? "is not a list" : "is not of type 'array'");
    const json::array& in = value.get_array();
    if (field.least != no_least && static_cast<std::int64_t>(in.size()) < field.least) refuse(style, where, value, "is too short");
    if (field.most != no_most && static_cast<std::int64_t>(in.size()) > field.most)
        refuse(style, where, static_cast<std::int64_t>(in.size()), "items are too many");
    Field item{.name = field.name,
               .type = field.item,
               .use = field.use & ~unsigned{nullable},
               .values = field.values,
               .fields = field.fields,
               .pattern = field.pattern,
               .extra = field.extra};
    json::array out;
    out.reserve(in.size());
    for (std::size_t i = 0; i < in.size(); ++i)
        out.push_back(validate_value(style, item, in[i], std::string(where) + "[" + std::to_string(i) + "]", version));
    return out;
}

bool usable(const Field& field, Purpose purpose) {
    switch (purpose) {
        case Purpose::create:
            return (field.use & create) != 0;
        case Purpose::update:
            return (field.use & update) != 0;
        case Purpose::any:
            return true;
    }
    return false;
}

bool in_range(const Field& field, Version version) {
    if (!version) return true;
    return (!field.since || version >= field.since) && (!field.until || version <= field.until);
}

const Field* field_of(std::span<const Field> fields, std::string_view name, Version version) {
    for (const Field& f : fields)
        if ((f.name == name || (!f.alias.empty() && f.alias == name)) && in_range(f, version)) return &f;
    return nullptr;
}

void refuse_unusable(const ServiceStyle& style, std::string_view name, Purpose purpose) {
    const std::string n(name);
    if (purpose == Purpose::update)
        refuse_member(style, "Cannot update read-only attribute " + n, "Additional properties are not allowed ('" + n + "' was unexpected)");
    refuse_member(style, "Attribute '" + n + "' not allowed in POST", "Additional properties are not allowed ('" + n + "' was unexpected)");
}

}  // namespace

std::string schema_failure(std::string message, std::string_view where) {
    static constexpr std::pair<std::string_view, std::string_view> keywords[] = {
        {"is too short", "minLength"},
        {"is too long", "maxLength"},
        {"less than the minimum", "minimum"},
        {"greater than the maximum", "maximum"},
        {"does not match any", "additionalProperties"},
        {"does not match", "pattern"},
        {"is not of type", "type"},
        {"is a required property", "required"},
        {"was unexpected", "additionalProperties"},
        {"is not one of", "enum"},
        {"does not have enough properties", "minProperties"},
        {"has non-unique elements", "uniqueItems"},
        {"is not a '", "format"},
    };
    for (const auto& [words, keyword] : keywords) {
        if (message.find(words) == std::string::npos) continue;
        const std::string_view named = keyword == "minLength" && message.starts_with('[') ? "minItems" : keyword;
        std::string path;
        for (const std::string& step : split(where, '.', false)) path += "['properties']['" + step + "']";
        message += "\n\nFailed validating '" + std::string(named) + "' in schema" + path;
        break;
    }
    return message;
}

json::value validate_value(const ServiceStyle& style, const Field& field, const json::value& value, std::string_view where, Version version) {
    if (value.is_null()) {
        if (field.use & nullable || field.type == Type::any) return value;
        if (style.dialect == Dialect::identity) refuse(style, where, value, "is not of type " + std::string(type_name(field.type)));
        refuse(style, where, value, style.dialect == Dialect::network ? "is not a valid value" : "is None, which is not allowed");
    }
    json::value out;
    switch (field.type) {
        case Type::text:
            out = check_text(style, field, value, where);
            break;
        case Type::integer:
            out = check_integer(style, field, value, where);
            break;
        case Type::boolean:
            out = check_boolean(style, value, where);
            break;
        case Type::number:
            if (!value.is_number()) refuse(style, where, value, "is not of type 'number'");
            if (value.to_number<double>() < static_cast<double>(field.least)) refuse(style, where, value, "is less than the minimum");
            out = value;
            break;
        case Type::object:
            if (!value.is_object())
                refuse(style, where, value, style.dialect == Dialect::network ? "is not a dictionary" : "is not of type 'object'");
            out =
                field.fields.empty()
                    ? value
                    : json::value(validate(style, field.fields, value, Purpose::any, field.extra ? Unknown::keep : Unknown::refuse, version, where));
            break;
        case Type::array:
            out = check_array(style, field, value, where, version);
            break;
        case Type::any:
            out = value;
            break;
        default: {
            const std::string form(field.type == Type::uuid && style.dialect == Dialect::placement ? "is not a 'uuid'" : form_name(field.type));
            if (!value.is_string()) refuse(style, where, value, form);
            const auto text = canonical(field.type, str(value.get_string()));
            if (!text) refuse(style, where, value, form);
            out = *text;
        }
    }
    if (!field.values.empty() && out.is_string()) {
        bool known = false;
        std::string all;
        for (const std::string_view v : field.values) {
            known = known || v == std::string_view(out.get_string());
            all += (all.empty() ? "'" : ", '") + std::string(v) + "'";
        }
        if (!known) refuse(style, where, value, (style.dialect == Dialect::network ? "is not in [" : "is not one of [") + all + "]");
    }
    return out;
}

json::object validate(const ServiceStyle& style, std::span<const Field> fields, const json::value& body, Purpose purpose, Unknown unknown,
                      Version version, std::string_view where) {
    if (!body.is_object()) refuse(style, where.empty() ? "body" : where, body, "is not of type 'object'");
    const json::object& in = body.get_object();
    json::object out;
    for (const auto& member : in) {
        const std::string_view name = member.key();
        const Field* field = field_of(fields, name, version);
        if (!field) {
            if (unknown == Unknown::refuse)
                refuse_member(style, "Unrecognized attribute(s) '" + std::string(name) + "'",
                              "Additional properties are not allowed ('" + std::string(name) + "' was unexpected)");
            if (unknown == Unknown::keep) out[name] = member.value();
            continue;
        }
        if (!usable(*field, purpose)) {
            if (unknown == Unknown::ignore) continue;
            if (unknown == Unknown::keep && !(field->use & accepts)) continue;
            refuse_unusable(style, name, purpose);
        }
        out[field->name] =
            validate_value(style, *field, field->convert ? field->convert(member.value()) : member.value(), inner(where, name), version);
    }
    if (purpose == Purpose::update) return out;
    for (const Field& field : fields) {
        if (!usable(field, purpose) || !in_range(field, version) || out.contains(field.name)) continue;
        if (field.use & required)
            refuse_member(style, "Failed to parse request. Required attribute '" + std::string(field.name) + "' not specified",
                          "'" + std::string(field.name) + "' is a required property");
        if (!field.fallback.empty()) out[field.name] = parse_json(field.fallback);
    }
    return out;
}

}  // namespace pilvi::api
