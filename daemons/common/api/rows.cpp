#include "api/rows.h"

#include <algorithm>

#include "api/service.h"
#include "base/time.h"

namespace pilvi::api {
namespace {

constexpr std::string_view time_columns[] = {"created_at", "updated_at"};

bool reserved(const Resource& resource, std::string_view name) {
    if (resource.timestamps && (name == "created_at" || name == "updated_at")) return true;
    return resource.revision && name == "revision_number";
}

}  // namespace

std::string column_of(const Field& field) {
    std::string column(field.column.empty() ? field.name : field.column);
    for (char& c : column)
        if (c == ':' || c == '-') c = '_';
    return column;
}

const Field* find_field(const Resource& resource, std::string_view name) {
    for (const Field& f : resource.fields)
        if (f.name == name || (!f.alias.empty() && f.alias == name)) return &f;
    return nullptr;
}

Value to_column(const Field& field, const json::value& value) {
    if (value.is_null()) return nullptr;
    switch (field.type) {
        case Type::integer:
            return value.to_number<std::int64_t>();
        case Type::number:
            return value.to_number<double>();
        case Type::boolean:
            return value.get_bool();
        case Type::object:
        case Type::array:
        case Type::any:
            return to_text(value);
        default:
            return str(value.as_string());
    }
}

json::value from_column(const Field& field, const Value& value) {
    if (value.is_null()) return nullptr;
    switch (field.type) {
        case Type::integer:
            return value.integer();
        case Type::number:
            return value.number();
        case Type::boolean:
            return value.boolean();
        case Type::object:
        case Type::array:
        case Type::any:
            return parse_json(value.text());
        default:
            return json::value(value.text());
    }
}

std::string select_columns(const Resource& resource) {
    std::string out;
    const auto add = [&out](std::string_view column) {
        if (!out.empty()) out += ", ";
        out += "t.";
        out += column;
    };
    for (const Field& f : resource.fields)
        if (stored(f)) add(column_of(f));
    if (!resource.extra_column.empty()) add(resource.extra_column);
    if (resource.timestamps)
        for (const std::string_view c : time_columns) add(c);
    if (resource.revision) add("revision_number");
    return out;
}

json::object row_to_object(const Resource& resource, const Row& row) {
    json::object out;
    std::size_t at = 0;
    for (const Field& f : resource.fields)
        if (stored(f)) out[f.name] = from_column(f, row.at(at++));
    if (!resource.extra_column.empty()) {
        const std::string text = row.at(at++).text();
        if (!text.empty()) {
            const json::value extra = parse_json(text);
            for (const auto& member : extra.as_object()) out[member.key()] = member.value();
        }
    }
    if (resource.timestamps)
        for (const std::string_view c : time_columns) {
            const Value& v = row.at(at++);
            out[c] = v.is_null() ? json::value(nullptr) : json::value(iso8601(v.integer()));
        }
    if (resource.revision) out["revision_number"] = row.at(at++).integer();
    return out;
}

std::vector<std::pair<std::string, Value>> object_to_columns(const Resource& resource, const json::object& row) {
    std::vector<std::pair<std::string, Value>> out;
    for (const Field& f : resource.fields)
        if (stored(f))
            if (const json::value* v = row.if_contains(f.name)) out.emplace_back(column_of(f), to_column(f, *v));
    if (!resource.extra_column.empty()) {
        json::object extra;
        for (const auto& member : row)
            if (!find_field(resource, member.key()) && !reserved(resource, member.key())) extra[member.key()] = member.value();
        out.emplace_back(std::string(resource.extra_column), to_text(extra));
    }
    return out;
}

View::View(Call& call, const Resource& resource) : resource_(resource) {
    for (const Field& f : resource.fields) {
        if (!(f.use & show) || (f.use & secret)) continue;
        if (call.version && ((f.since && call.version < f.since) || (f.until && call.version > f.until))) continue;
        if (!f.read_check.empty() &&
            !call.service.policy().allows_check(f.read_check, call.who, {{"project_id", call.who.project_id}, {"user_id", call.who.user_id}}))
            continue;
        shown_.push_back(&f);
    }
    if (call.service.style().dialect == Dialect::network) selection_ = call.query.all("fields");
}

bool View::wants(std::string_view name) const {
    return selection_.empty() || std::find(selection_.begin(), selection_.end(), name) != selection_.end();
}

json::object View::render(const json::object& row) const {
    json::object out;
    for (const Field* f : shown_) {
        const json::value* value = row.if_contains(f->name);
        if (!value) continue;
        if (wants(f->name)) out[f->name] = *value;
        if (!f->alias.empty() && wants(f->alias)) out[f->alias] = *value;
    }
    if (!resource_.extra_column.empty())
        for (const auto& member : row)
            if (!find_field(resource_, member.key()) && !reserved(resource_, member.key()) && wants(member.key())) out[member.key()] = member.value();
    if (resource_.timestamps)
        for (const std::string_view c : time_columns)
            if (const json::value* value = row.if_contains(c); value && wants(c)) out[c] = *value;
    if (resource_.revision)
        if (const json::value* value = row.if_contains("revision_number"); value && wants("revision_number")) out["revision_number"] = *value;
    return out;
}

json::object render(Call& call, const Resource& resource, const json::object& row) { return View(call, resource).render(row); }

}  // namespace pilvi::api
