#include "domain/property_protection.h"

#include <algorithm>
#include <boost/regex.hpp>
#include <map>
#include <set>
#include <stdexcept>

#include "base/error.h"
#include "base/text.h"

namespace pilvi::image {
namespace {
constexpr std::string_view rights[] = {"create", "read", "update", "delete"};  // by PropertyRight
constexpr std::string_view defaults = "DEFAULT";                               // the section whose options all others have

using Options = std::map<std::string, std::string>;
using Kind = PropertyRules::Permission::Kind;

[[noreturn]] void refuse(const std::string& place, const std::string& why) { throw Error(Errc::bad_request, place + ": " + why); }

// INI as Python's configparser reads it: full-line comments, "=" or ":", an indented line continues a value, no name twice.
std::vector<std::pair<std::string, Options>> read_sections(std::string_view text) {
    std::vector<std::pair<std::string, Options>> sections;
    std::string* value = nullptr;
    int number = 0;
    for (const std::string& raw : split(text, '\n')) {
        const std::string place = "line " + std::to_string(++number);
        const std::string_view line = trim(raw);
        if (line.empty() || line.front() == '#' || line.front() == ';') continue;
        const bool indented = raw.front() == ' ' || raw.front() == '\t';
        if (value && indented) {
            (*value += '\n') += line;
            continue;
        }
        if (const std::size_t end = line.rfind(']'); line.front() == '[' && end != std::string_view::npos && end > 1) {
            std::string name(line.substr(1, end - 1));
            const auto same = [&name](const auto& section) { return section.first == name; };
            if (std::any_of(sections.begin(), sections.end(), same)) refuse(place, "the section [" + name + "] is there twice");
            sections.emplace_back(std::move(name), Options{});
            value = nullptr;
            continue;
        }
        const std::size_t delimiter = line.find_first_of("=:");
        if (sections.empty()) refuse(place, "an option before the first section");
        if (delimiter == 0 || delimiter == std::string_view::npos) refuse(place, "neither a section nor NAME = VALUE");
        const auto [at, fresh] = sections.back().second.emplace(lower(trim(line.substr(0, delimiter))), trim(line.substr(delimiter + 1)));
        if (!fresh) refuse(place, "the option '" + at->first + "' is there twice");
        value = &at->second;
    }
    return sections;
}

PropertyRules::Permission read_permission(const std::string& place, const std::string& text, PropertyRules::Format format) {
    if (text.empty()) return {};
    std::vector<std::string> names;
    for (const std::string& name : split(text, ',')) names.emplace_back(trim(name));
    if (format == PropertyRules::Format::policies && names.size() > 1)
        refuse(place, "only one policy rule can be named; rules are combined in the policy file");
    const auto has = [&names](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
    if (has("!") && has("@")) refuse(place, "'@' and '!' are mutually exclusive");
    if (has("!")) return {};
    if (has("@")) return {.kind = Kind::everybody};
    return {.kind = format == PropertyRules::Format::policies ? Kind::policy : Kind::roles, .names = std::move(names)};
}

std::shared_ptr<const boost::regex> compiled(const std::string& expression) {
    try {
        return std::make_shared<const boost::regex>(expression, boost::regex::perl);
    } catch (const std::runtime_error& failed) {
        refuse("[" + expression + "]", std::string("it is no regular expression: ") + failed.what());
    }
}
}  // namespace

bool PropertyRules::Permission::names_role(const std::vector<std::string>& roles) const {
    return std::any_of(roles.begin(), roles.end(), [this](const std::string& role) {
        return std::any_of(names.begin(), names.end(), [&role](const std::string& name) { return equals_ignoring_case(name, role); });
    });
}

PropertyRules::PropertyRules(std::string_view text, Format format) {
    auto read = read_sections(text);
    Options common;
    for (const auto& [name, options] : read)
        if (name == defaults) common = options;
    for (auto& [name, options] : read) {
        if (name == defaults) continue;
        Section section{.expression = compiled(name), .permissions = {}};
        options.insert(common.begin(), common.end());
        for (std::size_t i = 0; i < std::size(rights); ++i) {
            const std::string place = "[" + name + "] " + std::string(rights[i]);
            const auto option = options.find(std::string(rights[i]));
            if (option == options.end()) refuse(place, "is missing");
            section.permissions[i] = read_permission(place, option->second, format);
        }
        sections_.push_back(std::move(section));
    }
}

const PropertyRules::Permission& PropertyRules::permission(std::string_view property, PropertyRight right) const {
    static const Permission everybody{.kind = Kind::everybody}, nobody{};
    if (sections_.empty()) return everybody;
    try {
        for (const Section& section : sections_)
            if (boost::regex_search(property.begin(), property.end(), *section.expression))
                return section.permissions[static_cast<std::size_t>(right)];
    } catch (const std::runtime_error&) {
        return nobody;  // the matcher gave up: whom the property is for is not known
    }
    return nobody;
}

std::vector<std::string> PropertyRules::policies() const {
    std::set<std::string> out;
    for (const Section& section : sections_)
        for (const Permission& permission : section.permissions)
            if (permission.kind == Kind::policy) out.insert(permission.names.front());
    return {out.begin(), out.end()};
}

}  // namespace pilvi::image
