// The form of a mapping: the original's JSON schema, interpreted from a table, with jsonschema's messages.
#include <algorithm>
#include <set>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "domain/mapping.h"
#include "domain/python_text.h"

namespace pilvi::identity {

namespace {

enum class Kind : std::uint8_t { text, boolean, array, object };

struct Shape;
struct Member {
    std::string_view name;
    const Shape* shape;
    bool required = false;
};
struct Shape {
    Kind kind = Kind::text;
    std::span<const Member> members = {};
    bool open = false;  // other members are allowed
    const Shape* items = nullptr;
    bool not_empty = false;
    std::span<const Shape* const> one_of = {};
    std::span<const std::string_view> values = {};
};

constexpr std::string_view user_types[] = {"ephemeral", "local"};
constexpr Shape text{.kind = Kind::text}, boolean{.kind = Kind::boolean}, any_array{.kind = Kind::array};
constexpr Shape user_type{.kind = Kind::text, .values = user_types};

constexpr Member domain_members[] = {{"id", &text}, {"name", &text}};
constexpr Shape domain{.kind = Kind::object, .members = domain_members};
constexpr Member user_members[] = {{"id", &text}, {"name", &text}, {"email", &text}, {"domain", &domain}, {"type", &user_type}};
constexpr Shape user{.kind = Kind::object, .members = user_members};
constexpr Member role_members[] = {{"name", &text, true}};
constexpr Shape role{.kind = Kind::object, .members = role_members, .open = true};
constexpr Shape roles{.kind = Kind::array, .items = &role};
constexpr Member project_members[] = {{"name", &text, true}, {"roles", &roles, true}};
constexpr Shape project{.kind = Kind::object, .members = project_members};
constexpr Shape projects{.kind = Kind::array, .items = &project};
constexpr Member group_by_id_members[] = {{"id", &text, true}};
constexpr Member group_by_name_members[] = {{"name", &text, true}, {"domain", &domain, true}};
constexpr Shape group_by_id{.kind = Kind::object, .members = group_by_id_members};
constexpr Shape group_by_name{.kind = Kind::object, .members = group_by_name_members};
constexpr const Shape* group_forms[] = {&group_by_id, &group_by_name};
constexpr Shape group{.kind = Kind::object, .open = true, .one_of = group_forms};
constexpr Member local_members[] = {{"user", &user},   {"projects", &projects}, {"group", &group},
                                    {"groups", &text}, {"group_ids", &text},    {"domain", &domain}};
constexpr Shape local_entry{.kind = Kind::object, .members = local_members};
constexpr Shape local{.kind = Kind::array, .items = &local_entry};

constexpr Member plain_members[] = {{"type", &text, true}};
constexpr Member any_members[] = {{"type", &text, true}, {"any_one_of", &any_array, true}, {"regex", &boolean}};
constexpr Member not_members[] = {{"type", &text, true}, {"not_any_of", &any_array, true}, {"regex", &boolean}};
constexpr Member black_members[] = {{"type", &text, true}, {"blacklist", &any_array, true}, {"regex", &boolean}};
constexpr Member white_members[] = {{"type", &text, true}, {"whitelist", &any_array, true}, {"regex", &boolean}};
constexpr Shape plain{.kind = Kind::object, .members = plain_members};
constexpr Shape any_one_of{.kind = Kind::object, .members = any_members};
constexpr Shape not_any_of{.kind = Kind::object, .members = not_members};
constexpr Shape blacklist{.kind = Kind::object, .members = black_members};
constexpr Shape whitelist{.kind = Kind::object, .members = white_members};
constexpr const Shape* remote_forms[] = {&plain, &any_one_of, &not_any_of, &blacklist, &whitelist};
constexpr Shape remote_entry{.kind = Kind::object, .open = true, .one_of = remote_forms};
constexpr Shape remote{.kind = Kind::array, .items = &remote_entry, .not_empty = true};
constexpr Member rule_members[] = {{"local", &local, true}, {"remote", &remote, true}};
constexpr Shape rule{.kind = Kind::object, .members = rule_members};
constexpr Shape rules{.kind = Kind::array, .items = &rule, .not_empty = true};
constexpr Member mapping_members[] = {{"rules", &rules, true}};
constexpr Shape mapping_shape{.kind = Kind::object, .members = mapping_members, .open = true};

constexpr std::size_t most_faults = 20;
using Faults = std::set<std::string>;  // sorted, as the original shows them

bool is_kind(const json::value& value, Kind kind) {
    switch (kind) {
        case Kind::text:
            return value.is_string();
        case Kind::boolean:
            return value.is_bool();
        case Kind::array:
            return value.is_array();
        case Kind::object:
            return value.is_object();
    }
    return false;
}

std::string_view name_of(Kind kind) {
    return kind == Kind::text ? "string" : kind == Kind::boolean ? "boolean" : kind == Kind::array ? "array" : "object";
}

void check(const Shape& shape, const json::value& value, Faults& faults);

void check_members(const Shape& shape, const json::object& object, Faults& faults) {
    std::vector<std::string> unexpected;
    for (const auto& member : object) {
        const auto known =
            std::find_if(shape.members.begin(), shape.members.end(), [&](const Member& m) { return m.name == std::string_view(member.key()); });
        if (known != shape.members.end()) check(*known->shape, member.value(), faults);
        else if (!shape.open) unexpected.push_back(python_repr(json::value(member.key())));
    }
    if (!unexpected.empty())
        faults.insert("Additional properties are not allowed (" + join(unexpected, ", ") + (unexpected.size() == 1 ? " was" : " were") +
                      " unexpected)");
    for (const Member& m : shape.members)
        if (m.required && !object.contains(m.name)) faults.insert("'" + std::string(m.name) + "' is a required property");
}

void check_forms(const Shape& shape, const json::value& value, Faults& faults) {
    std::size_t fitting = 0;
    for (const Shape* form : shape.one_of) {
        Faults own;
        check(*form, value, own);
        if (own.empty()) ++fitting;
    }
    if (fitting != 1) faults.insert(python_repr(value).substr(0, 500) + " is not valid under any of the given schemas");
}

void check(const Shape& shape, const json::value& value, Faults& faults) {
    if (faults.size() >= most_faults) return;
    if (!is_kind(value, shape.kind)) {
        faults.insert(python_repr(value).substr(0, 500) + " is not of type '" + std::string(name_of(shape.kind)) + "'");
        return;
    }
    if (!shape.values.empty() && std::find(shape.values.begin(), shape.values.end(), std::string_view(value.get_string())) == shape.values.end())
        faults.insert(python_repr(value).substr(0, 500) + " is not one of ['ephemeral', 'local']");
    if (shape.kind == Kind::array) {
        if (shape.not_empty && value.get_array().empty()) faults.insert("[] is too short");
        if (shape.items)
            for (const json::value& item : value.get_array()) check(*shape.items, item, faults);
    }
    if (!shape.one_of.empty()) check_forms(shape, value, faults);
    else if (shape.kind == Kind::object) check_members(shape, value.get_object(), faults);
}

}  // namespace

void check_mapping(const json::object& mapping) {
    Faults faults;
    check(mapping_shape, mapping, faults);
    std::string lines;
    for (const std::string& fault : faults) lines += fault + "\n";
    if (!lines.empty()) throw Error(Errc::bad_request, lines);
}

}  // namespace pilvi::identity
