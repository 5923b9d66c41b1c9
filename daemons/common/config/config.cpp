#include "config/config.h"

#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace pilvi {
namespace {
constexpr char separator = '\x1f';  // between the items of a list value

std::string_view kind_name(SettingKind kind) {
    switch (kind) {
        case SettingKind::text:
            return "a string";
        case SettingKind::integer:
            return "an integer";
        case SettingKind::boolean:
            return "a boolean";
        case SettingKind::seconds:
            return "a number of seconds";
        case SettingKind::list:
            return "a list of strings";
    }
    return "";
}

std::optional<double> parse_number(std::string_view text) {
    double value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{} || end != text.data() + text.size() || text.empty() || !std::isfinite(value)) return std::nullopt;
    return value;
}

[[noreturn]] void refuse(const Setting& setting, std::string_view text) {
    throw Error(Errc::bad_request,
                "'" + std::string(setting.key) + "' must be " + std::string(kind_name(setting.kind)) + ", not '" + std::string(text) + "'");
}

template <class Number>
void check_bounds(const Setting& setting, Number value) {
    if (value >= static_cast<Number>(setting.least) && value <= static_cast<Number>(setting.most)) return;
    const bool from = setting.least != std::numeric_limits<std::int64_t>::min(), to = setting.most != std::numeric_limits<std::int64_t>::max();
    throw Error(Errc::bad_request, "'" + std::string(setting.key) + "' must be " + (from ? "at least " + std::to_string(setting.least) : "") +
                                       (from && to ? " and " : "") + (to ? "at most " + std::to_string(setting.most) : ""));
}

std::string canonical_list(std::string_view text) {
    std::string out;
    for (const std::string& part : split(text, ',', false)) {
        if (!out.empty()) out += separator;
        out += trim(part);
    }
    return out;
}

// `text` checked against the setting, in the form that is kept.
std::string checked(const Setting& setting, std::string_view text) {
    switch (setting.kind) {
        case SettingKind::text:
            return std::string(text);
        case SettingKind::list:
            return canonical_list(text);
        case SettingKind::boolean: {
            const auto value = parse_boolean(text);
            if (!value) refuse(setting, text);
            return *value ? "true" : "false";
        }
        case SettingKind::integer: {
            const auto value = parse_integer(text);
            if (!value) refuse(setting, text);
            check_bounds(setting, *value);
            return std::string(text);
        }
        case SettingKind::seconds: {
            const auto value = parse_number(text);
            if (!value || *value < 0) refuse(setting, text);
            check_bounds(setting, *value);
            return std::string(text);
        }
    }
    return {};
}

// A TOML value of the setting's own type, in the form that is kept.
std::string from_toml(const Setting& setting, const toml::node& node) {
    const auto wrong = [&]() -> std::string {
        throw Error(Errc::bad_request, "'" + std::string(setting.key) + "' must be " + std::string(kind_name(setting.kind)));
    };
    switch (setting.kind) {
        case SettingKind::text:
            return node.is_string() ? node.as_string()->get() : wrong();
        case SettingKind::boolean:
            return node.is_boolean() ? (node.as_boolean()->get() ? "true" : "false") : wrong();
        case SettingKind::integer:
            return node.is_integer() ? checked(setting, std::to_string(node.as_integer()->get())) : wrong();
        case SettingKind::seconds:
            if (node.is_integer()) return checked(setting, std::to_string(node.as_integer()->get()));
            return node.is_floating_point() ? checked(setting, std::to_string(node.as_floating_point()->get())) : wrong();
        case SettingKind::list: {
            if (!node.is_array()) return wrong();
            std::string out;
            for (const toml::node& item : *node.as_array()) {
                if (!item.is_string()) return wrong();
                if (!out.empty()) out += separator;
                out += item.as_string()->get();
            }
            return out;
        }
    }
    return {};
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

std::string toml_text(const Setting& setting) {
    switch (setting.kind) {
        case SettingKind::text:
            return quoted(setting.fallback);
        case SettingKind::list: {
            std::vector<std::string> items;
            for (const std::string& item : split(setting.fallback, ',', false)) items.push_back(quoted(trim(item)));
            return "[" + join(items, ", ") + "]";
        }
        default:
            return std::string(setting.fallback);
    }
}
}  // namespace

Config::Config(std::vector<std::span<const Setting>> tables) : tables_(std::move(tables)) {
    // A later table wins where two name the same key: a daemon gives its own default to a shared setting.
    for (const auto& table : tables_)
        for (const Setting& s : table) values_[std::string(s.key)] = checked(s, s.fallback);
}

const Setting* Config::find(std::string_view key) const {
    for (auto table = tables_.rbegin(); table != tables_.rend(); ++table)
        for (const Setting& s : *table)
            if (s.key == key) return &s;
    return nullptr;
}

const Setting& Config::setting(std::string_view key, SettingKind kind) const {
    const Setting* s = find(key);
    if (!s || s->kind != kind) throw Error(Errc::internal, "setting '" + std::string(key) + "' is not declared as " + std::string(kind_name(kind)));
    return *s;
}

void Config::load_file(const std::string& path) {
    const auto place = [&path](const toml::source_position& at) { return path + ":" + std::to_string(at.line) + ": "; };
    std::map<std::string, std::string> found;
    const std::function<void(const toml::table&, const std::string&)> walk = [&](const toml::table& table, const std::string& prefix) {
        for (const auto& [name, node] : table) {
            const std::string key = prefix.empty() ? std::string(name.str()) : prefix + "." + std::string(name.str());
            if (const Setting* s = find(key)) {
                try {
                    found[key] = from_toml(*s, node);
                } catch (const Error& e) {
                    throw Error(Errc::bad_request, place(node.source().begin) + e.message());
                }
            } else if (const toml::table* inner = node.as_table()) {
                walk(*inner, key);
            } else {
                throw Error(Errc::bad_request, place(name.source().begin) + "unknown setting '" + key + "'");
            }
        }
    };
    try {
        walk(toml::parse(read_file(path), path), "");
    } catch (const toml::parse_error& e) {
        throw Error(Errc::bad_request, place(e.source().begin) + std::string(e.description()));
    }
    for (auto& [key, value] : found) values_[key] = std::move(value);
}

void Config::load_standard(std::string_view daemon) {
    namespace fs = std::filesystem;
    const std::string name(daemon);
    for (const std::string& path : {"/usr/share/pilvi/config/" + name + ".toml", "/etc/pilvi/" + name + ".toml"})
        if (fs::exists(path)) load_file(path);
    std::vector<std::string> drop_ins;
    std::error_code absent;
    for (const auto& entry : fs::directory_iterator("/etc/pilvi/" + name + ".d", absent))
        if (entry.path().extension() == ".toml") drop_ins.push_back(entry.path().string());
    std::sort(drop_ins.begin(), drop_ins.end());
    for (const std::string& path : drop_ins) load_file(path);
}

void Config::set(std::string_view key, std::string_view value) {
    const Setting* s = find(key);
    if (!s) throw Error(Errc::bad_request, "unknown setting '" + std::string(key) + "'");
    values_[std::string(key)] = checked(*s, value);
}

std::string Config::text(std::string_view key) const {
    setting(key, SettingKind::text);
    return values_.find(key)->second;
}

std::int64_t Config::integer(std::string_view key) const {
    setting(key, SettingKind::integer);
    return *parse_integer(values_.find(key)->second);
}

bool Config::boolean(std::string_view key) const {
    setting(key, SettingKind::boolean);
    return values_.find(key)->second == "true";
}

std::chrono::milliseconds Config::seconds(std::string_view key) const {
    setting(key, SettingKind::seconds);
    return std::chrono::milliseconds(std::llround(*parse_number(values_.find(key)->second) * 1000));
}

std::vector<std::string> Config::list(std::string_view key) const {
    setting(key, SettingKind::list);
    return split(values_.find(key)->second, separator, false);
}

std::string Config::defaults() const {
    // Grouped by the part before the last dot, in the order in which the groups first appear.
    std::vector<std::string> groups;
    std::map<std::string, std::string> bodies;
    for (const auto& table : tables_)
        for (const Setting& s : table) {
            if (find(s.key) != &s) continue;
            const std::size_t dot = s.key.rfind('.');
            const std::string group = dot == std::string_view::npos ? "" : std::string(s.key.substr(0, dot));
            if (!bodies.contains(group)) groups.push_back(group);
            const std::string_view leaf = dot == std::string_view::npos ? s.key : s.key.substr(dot + 1);
            bodies[group] += "# " + std::string(s.help) + "\n" + std::string(leaf) + " = " + toml_text(s) + "\n";
        }
    std::string out = bodies.contains("") ? bodies[""] : "";
    for (const std::string& group : groups)
        if (!group.empty()) out += (out.empty() ? "[" : "\n[") + group + "]\n" + bodies[group];
    return out;
}

}  // namespace pilvi
