#include "api/rows.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <tuple>

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

json::value from_column(const Field& field, const Value& value, const json::storage_ptr& storage) {
    if (value.is_null()) return json::value(nullptr, storage);
    switch (field.type) {
        case Type::integer:
            return json::value(value.integer(), storage);
        case Type::number:
            return json::value(value.number(), storage);
        case Type::boolean:
            return json::value(value.boolean(), storage);
        case Type::object:
        case Type::array:
        case Type::any:
            return parse_json(value.text(), storage);
        default:
            if (const auto* text = std::get_if<std::string>(&value.variant())) return json::value(*text, storage);
            return json::value(value.text(), storage);
    }
}

namespace {
std::string columns_of(const Resource& resource) {
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
}  // namespace

// Made once for each of the constant tables.
std::string select_columns(const Resource& resource) {
    static std::shared_mutex mutex;
    static std::map<std::tuple<const Field*, const char*, bool, bool>, std::string> made;  // by what the text depends on: a Resource may be a copy
    const std::tuple key(resource.fields.data(), resource.extra_column.data(), resource.timestamps, resource.revision);
    {
        const std::shared_lock lock(mutex);
        if (const auto found = made.find(key); found != made.end()) return found->second;
    }
    const std::unique_lock lock(mutex);
    return made.emplace(key, columns_of(resource)).first->second;
}

json::object row_to_object(const Resource& resource, const Row& row, const json::storage_ptr& storage) {
    json::object out(storage);
    out.reserve(resource.fields.size() + 4);
    std::size_t at = 0;
    for (const Field& f : resource.fields)
        if (stored(f)) out.insert_or_assign(f.name, from_column(f, row.at(at++), storage));
    if (!resource.extra_column.empty()) {
        const std::string text = row.at(at++).text();
        if (!text.empty() && text != "{}") {
            json::value extra = parse_json(text, storage);
            for (auto& member : extra.as_object()) out.insert_or_assign(member.key(), std::move(member.value()));
        }
    }
    if (resource.timestamps)
        for (const std::string_view c : time_columns) {
            const Value& v = row.at(at++);
            out.insert_or_assign(c, v.is_null() ? json::value(nullptr, storage) : json::value(iso8601(v.integer()), storage));
        }
    if (resource.revision) out.insert_or_assign("revision_number", row.at(at++).integer());
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
    if (call.service.style().dialect == Dialect::network) selection_ = call.query.all("fields");
    members_.reserve(resource.fields.size() + 4);
    std::size_t column = 0;
    std::string_view asked;  // the read check that was decided last: fields that follow one another mostly have the same
    bool held = false;
    const auto may_read = [&](std::string_view check) {
        if (check == asked) return held;
        asked = check;
        return held = call.service.policy().allows_check(check, call.who, {{"project_id", call.who.project_id}, {"user_id", call.who.user_id}});
    };
    for (const Field& f : resource.fields) {
        const std::size_t at = stored(f) ? column++ : no_column;
        if (!(f.use & show) || (f.use & secret)) continue;
        if (call.version && ((f.since && call.version < f.since) || (f.until && call.version > f.until))) continue;
        if (!f.read_check.empty() && !may_read(f.read_check)) continue;
        add({f.name, f.name, &f, at});
        if (!f.alias.empty()) add({f.alias, f.name, &f, at});
    }
    extra_before_ = members_.size();
    if (!resource.extra_column.empty()) extra_column_ = column++;
    if (resource.timestamps)
        for (const std::string_view c : time_columns) add({c, c, nullptr, column++});
    if (resource.revision) add({"revision_number", "revision_number", nullptr, column});
}

void View::add(const Member& member) {
    if (!wants(member.name)) return;
    // One name in several version ranges, or of a column of the engine's own; a plain field's is its own (see sound()).
    if (!member.field || member.name != member.field->name || member.field->since || member.field->until)
        for (Member& m : members_)
            if (m.name == member.name) {
                if (member.column != no_column) m = member;
                return;
            }
    members_.push_back(member);
}

bool View::wants(std::string_view name) const {
    return selection_.empty() || std::find(selection_.begin(), selection_.end(), name) != selection_.end();
}

bool View::wants_extra(std::string_view name) const { return !find_field(resource_, name) && !reserved(resource_, name) && wants(name); }

json::object View::render(const json::object& row) const {
    json::object out;
    out.reserve(row.size() + 1);
    for (std::size_t i = 0; i <= members_.size(); ++i) {
        if (i == extra_before_ && extra_column_ != no_column)
            for (const auto& member : row)
                if (wants_extra(member.key())) out[member.key()] = member.value();
        if (i == members_.size()) break;
        if (const json::value* value = row.if_contains(members_[i].source)) out[members_[i].name] = *value;
    }
    return out;
}

namespace {

// Names of fields need no escapes (see sound()).
void append_name(std::string& out, std::size_t begin, std::string_view name) {
    out += out.size() == begin ? "\"" : ",\"";
    out += name;
    out += "\":";
}

void append_column(std::string& out, const Field& field, const Value& value) {
    if (value.is_null()) {
        out += "null";
        return;
    }
    const auto* text = std::get_if<std::string>(&value.variant());
    switch (field.type) {
        case Type::integer:
            return append_number(out, value.integer());
        case Type::number:
            return append_json(out, json::value(value.number()));
        case Type::boolean:
            out += value.boolean() ? "true" : "false";
            return;
        case Type::object:
        case Type::array:
        case Type::any:
            out += text ? *text : value.text();
            return;
        default:
            return text ? append_quoted(out, *text) : append_quoted(out, value.text());
    }
}

}  // namespace

namespace {
// if_contains(), looking first where the member mostly is: soon behind `next`, the one after that which was found last.
const json::value* member_of(const json::object& row, json::object::const_iterator& next, std::string_view name) {
    constexpr int nearby = 12;
    auto at = next;
    for (int i = 0; i < nearby && at != row.end() && std::string_view(at->key()) != name; ++i) ++at;
    if (at == row.end() || std::string_view(at->key()) != name) at = row.find(name);
    if (at == row.end()) return nullptr;
    next = std::next(at);
    return &at->value();
}
}  // namespace

void View::append(std::string& out, const json::object& row) const {
    out += '{';
    const std::size_t begin = out.size();
    auto next = row.begin();
    for (std::size_t i = 0; i <= members_.size(); ++i) {
        if (i == extra_before_ && extra_column_ != no_column)
            for (const auto& member : row)
                if (wants_extra(member.key())) {
                    if (out.size() > begin) out += ',';
                    append_quoted(out, member.key());
                    out += ':';
                    append_json(out, member.value());
                }
        if (i == members_.size()) break;
        if (const json::value* value = member_of(row, next, members_[i].source)) {
            append_name(out, begin, members_[i].name);
            append_json(out, *value);
        }
    }
    out += '}';
}

void View::append_extra(std::string& out, std::size_t begin, const Row& row) const {
    const std::string text = row.at(extra_column_).text();
    if (text.empty() || text == "{}") return;
    const json::value extra = parse_json(text);
    for (const auto& member : extra.as_object())
        if (wants_extra(member.key())) {
            if (out.size() > begin) out += ',';
            append_quoted(out, member.key());
            out += ':';
            append_json(out, member.value());
        }
}

void View::append(std::string& out, const Row& row) const {
    out += '{';
    const std::size_t begin = out.size();
    for (std::size_t i = 0; i <= members_.size(); ++i) {
        if (i == extra_before_ && extra_column_ != no_column) append_extra(out, begin, row);
        if (i == members_.size()) break;
        const Member& m = members_[i];
        if (m.column == no_column) continue;
        const Value& value = row.at(m.column);
        append_name(out, begin, m.name);
        if (m.field) append_column(out, *m.field, value);
        else if (m.name == "revision_number") append_number(out, value.integer());
        else if (value.is_null()) out += "null";
        else append_quoted(out, iso8601(value.integer()));
    }
    out += '}';
}

json::object render(Call& call, const Resource& resource, const json::object& row) { return View(call, resource).render(row); }

}  // namespace pilvi::api
