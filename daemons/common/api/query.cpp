#include "api/query.h"

#include <algorithm>

#include "api/rows.h"
#include "base/text.h"

namespace pilvi::api {
namespace {

constexpr std::string_view control_parameters[] = {"limit", "marker",    "page_reverse", "sort_key", "sort_dir",
                                                   "sort",  "sort_keys", "sort_dirs",    "fields"};

bool is_control(std::string_view name) {
    return std::find(std::begin(control_parameters), std::end(control_parameters), name) != std::end(control_parameters);
}

Value filter_value(const Field& field, const std::string& text) {
    if (field.type == Type::boolean) {
        const auto b = parse_boolean(text);
        if (!b) throw Error(Errc::bad_request, "Invalid input for " + std::string(field.name) + ". Reason: '" + text + "' is not boolean.");
        return *b;
    }
    if (field.type == Type::integer) {
        const auto n = parse_integer(text);
        if (!n) throw Error(Errc::bad_request, "Invalid input for " + std::string(field.name) + ". Reason: '" + text + "' is not an integer.");
        return *n;
    }
    return field.type == Type::mac || field.type == Type::uuid ? lower(text) : text;
}

// identity's inexact filters: name__contains=x and their case-ignoring forms.
bool add_inexact(Select& select, const Resource& resource, std::string_view name, const std::string& value) {
    const std::size_t at = name.find("__");
    if (at == std::string_view::npos) return false;
    const Field* field = find_field(resource, name.substr(0, at));
    if (!field || !(field->use & filter)) return false;
    std::string_view how = name.substr(at + 2);
    const std::string column = "t." + column_of(*field);
    if (how == "equals") {
        select.add(column + " = ?", {value});
        return true;
    }
    const bool ignore_case = !how.empty() && how.front() == 'i';
    if (ignore_case) how.remove_prefix(1);
    std::string escaped;
    for (const char c : ignore_case ? lower(value) : value) {
        if (c == '%' || c == '_' || c == '!') escaped += '!';
        escaped += c;
    }
    if (how == "contains") escaped = "%" + escaped + "%";
    else if (how == "startswith") escaped += "%";
    else if (how == "endswith") escaped = "%" + escaped;
    else return false;
    select.add((ignore_case ? "lower(" + column + ")" : column) + " LIKE ? ESCAPE '!'", {escaped});
    return true;
}

void add_filters(Call& call, Select& select, const Resource& resource) {
    std::vector<std::string> names;
    for (const auto& [name, value] : call.query.items())
        if (!is_control(name) && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    for (const std::string& name : names) {
        const std::vector<std::string> values = call.query.all(name);
        if (resource.hooks.filter) {
            Values parameters;
            const std::string condition = resource.hooks.filter(call, name, values, parameters);
            if (!condition.empty()) {
                select.add(condition);
                select.parameters.insert(select.parameters.end(), parameters.begin(), parameters.end());
                continue;
            }
        }
        const Field* field = find_field(resource, name);
        if (!field || !(field->use & filter) || !stored(*field)) {
            if (call.service.style().dialect == Dialect::identity) add_inexact(select, resource, name, values.back());
            continue;
        }
        std::string marks;
        for (const std::string& value : values) {
            marks += marks.empty() ? "?" : ", ?";
            select.parameters.push_back(filter_value(*field, value));
        }
        select.where.push_back("t." + column_of(*field) + " IN (" + marks + ")");
    }
}

[[noreturn]] void bad_sort(const std::string& key) { throw Error(Errc::bad_request, "Invalid sort key or direction: " + key); }

// The sort keys asked for as (name, descending).
std::vector<std::pair<std::string, bool>> asked_order(const Call& call) {
    std::vector<std::pair<std::string, bool>> keys;
    if (const auto sort = call.query.get("sort"); sort && !sort->empty()) {
        for (const std::string& part : split(*sort, ',', false)) {
            const auto pieces = split(part, ':');
            if (pieces.size() > 2 || (pieces.size() == 2 && pieces[1] != "asc" && pieces[1] != "desc")) bad_sort(part);
            keys.emplace_back(std::string(trim(pieces[0])), pieces.size() == 2 && pieces[1] == "desc");
        }
        return keys;
    }
    const std::vector<std::string> names = call.query.all("sort_key");
    const std::vector<std::string> directions = call.query.all("sort_dir");
    if (directions.size() > 1 && directions.size() != names.size())
        throw Error(Errc::bad_request, "The number of sort_key and sort_dir parameters must be the same");
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string direction = directions.empty() ? "asc" : directions.size() == 1 ? directions.front() : directions[i];
        if (direction != "asc" && direction != "desc") bad_sort(direction);
        keys.emplace_back(names[i], direction == "desc");
    }
    return keys;
}

// NULL sorts as the empty value on both databases.
std::string sortable(const Field& field) {
    const std::string column = "t." + column_of(field);
    const bool numeric = field.type == Type::integer || field.type == Type::boolean || field.type == Type::number;
    return "COALESCE(" + column + (numeric ? ", 0)" : ", '')");
}

struct Key {
    std::string expression;
    bool descending;
};

std::vector<Key> order_keys(const Call& call, const Resource& resource) {
    std::vector<Key> keys;
    const Field& id = resource.fields.front();
    bool by_id = false;
    for (const auto& [name, descending] : asked_order(call)) {
        if (resource.timestamps && (name == "created_at" || name == "updated_at")) {
            keys.push_back({"COALESCE(t." + name + ", 0)", descending});
            continue;
        }
        const Field* field = find_field(resource, name);
        if (!field || !(field->use & sort)) {
            if (call.service.style().strict_sort) throw Error(Errc::bad_request, "'" + name + "' is an invalid attribute for sort key");
            continue;
        }
        by_id = by_id || field == &id;
        keys.push_back({sortable(*field), descending});
    }
    if (keys.empty() && !resource.order.empty()) {
        if (const Field* field = find_field(resource, resource.order)) keys.push_back({sortable(*field), false});
        else
            keys.push_back({"COALESCE(t." + std::string(resource.order) + ", 0)",
                            call.service.style().dialect == Dialect::image || call.service.style().dialect == Dialect::compute});
    }
    if (!by_id) keys.push_back({"t." + column_of(id), keys.empty() ? false : keys.back().descending});
    return keys;
}

// Rows after the marker row in the order of `keys`: (a > A) OR (a = A AND b > B) OR ...
void add_marker(Select& select, Tx& tx, const Resource& resource, const std::vector<Key>& keys, const std::string& marker) {
    std::string columns;
    for (const Key& key : keys) columns += (columns.empty() ? "" : ", ") + key.expression;
    const auto row =
        tx.one("SELECT " + columns + " FROM " + std::string(resource.table) + " t WHERE t." + column_of(resource.fields.front()) + " = ?", {marker});
    if (!row) throw Error(Errc::bad_request, "marker [" + marker + "] not found");
    std::string condition;
    Values parameters;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        condition += i == 0 ? "(" : " OR (";
        for (std::size_t k = 0; k < i; ++k) {
            condition += keys[k].expression + " = ? AND ";
            parameters.push_back(row->at(k));
        }
        condition += keys[i].expression + (keys[i].descending != select.reverse ? " < ?)" : " > ?)");
        parameters.push_back(row->at(i));
    }
    select.where.push_back("(" + condition + ")");
    select.parameters.insert(select.parameters.end(), parameters.begin(), parameters.end());
}

}  // namespace

void Select::add(std::string condition, std::initializer_list<Value> values) {
    where.push_back(std::move(condition));
    parameters.insert(parameters.end(), values.begin(), values.end());
}

std::string Select::text(std::string_view columns, std::string_view table) const {
    std::string out = "SELECT " + std::string(columns) + " FROM " + std::string(table) + " t";
    for (std::size_t i = 0; i < where.size(); ++i) out += (i == 0 ? " WHERE " : " AND ") + where[i];
    for (std::size_t i = 0; i < order.size(); ++i)
        out += (i == 0 ? " ORDER BY " : ", ") + order[i].expression + (order[i].descending != reverse ? " DESC" : "");
    if (limit > 0) out += " LIMIT " + std::to_string(limit + 1);
    return out;
}

std::int64_t page_limit(const Call& call) {
    const std::int64_t cap = call.service.style().page_limit;
    const auto text = call.query.get("limit");
    if (!text) return cap;
    const auto limit = parse_integer(*text);
    if (!limit || *limit < 0) throw Error(Errc::bad_request, "limit param must be an integer of 0 or more, not '" + *text + "'");
    if (*limit == 0) return cap;
    return cap > 0 ? std::min(cap, *limit) : *limit;
}

Select build_select(Call& call, Tx& tx, const Resource& resource) {
    Select select;
    Values parameters;
    std::string visible;
    if (resource.hooks.visible) {
        visible = resource.hooks.visible(call, parameters);
    } else if (!resource.scope.empty() && !call.who.is_admin) {
        visible = "t." + column_of(*find_field(resource, resource.scope)) + " = ?";
        parameters.push_back(call.who.project_id);
    }
    if (!visible.empty()) {
        select.add("(" + visible + ")");
        select.parameters = parameters;
    }
    // Path parameters that are fields belong to the parent: /flavors/{flavor_id}/...
    for (const auto& [name, value] : call.path)
        if (const Field* field = name == "id" ? nullptr : find_field(resource, name)) select.add("t." + column_of(*field) + " = ?", {value});
    add_filters(call, select, resource);
    select.limit = page_limit(call);
    const auto reverse = call.query.get("page_reverse");
    select.reverse = reverse && parse_boolean(*reverse).value_or(false);
    const std::vector<Key> keys = order_keys(call, resource);
    if (const auto marker = call.query.get("marker"); marker && !marker->empty()) add_marker(select, tx, resource, keys, *marker);
    for (const Key& key : keys) select.order.push_back({key.expression, key.descending});
    return select;
}

std::string page_link(const Call& call, std::string_view marker, bool reverse) {
    std::string query;
    for (const auto& [name, value] : call.query.items()) {
        if (name == "marker" || name == "page_reverse") continue;
        query += (query.empty() ? "?" : "&") + percent_encode(name) + "=" + percent_encode(value);
    }
    query += (query.empty() ? "?marker=" : "&marker=") + percent_encode(marker);
    if (reverse) query += "&page_reverse=True";
    return call.base_url() + call.request.path + query;
}

std::string next_link(const Call& call, std::string_view last_id) { return page_link(call, last_id, false); }

namespace {

// What a list's answer says beside the rows: {"networks_links": [...]}.
json::object list_links(Call& call, const Resource& resource, const std::string& first, const std::string& last, bool more) {
    json::object out;
    switch (call.service.style().dialect) {
        case Dialect::network: {
            if (!call.query.has("limit") || last.empty()) break;
            json::array links;
            if (more) links.push_back({{"rel", "next"}, {"href", page_link(call, last, false)}});
            if (call.query.has("marker")) links.push_back({{"rel", "previous"}, {"href", page_link(call, first, true)}});
            if (!links.empty()) out[std::string(resource.plural) + "_links"] = std::move(links);
            break;
        }
        case Dialect::compute:
            if (more) out[std::string(resource.plural) + "_links"] = json::array{{{"rel", "next"}, {"href", page_link(call, last, false)}}};
            break;
        case Dialect::image:
            out["first"] = call.request.path + (call.request.query.empty() ? "" : "?" + call.request.query);
            out["schema"] = "/v2/schemas/" + std::string(resource.plural);
            if (more) {
                const std::string link = page_link(call, last, false);
                out["next"] = link.substr(call.base_url().size());
            }
            break;
        case Dialect::identity:
            out["links"] = {{"next", more ? json::value(page_link(call, last, false)) : json::value(nullptr)},
                            {"self", call.base_url() + call.request.target},
                            {"previous", nullptr}};
            if (more && page_limit(call) == call.service.style().page_limit) out["truncated"] = true;  // not the caller's limit, but ours
            break;
        case Dialect::placement:
            break;
    }
    return out;
}

}  // namespace

json::object list_answer(Call& call, const Resource& resource, std::vector<json::object> rendered, bool more) {
    json::array items;
    items.reserve(rendered.size());
    const std::string_view id_field = resource.fields.front().name;
    const std::string first = rendered.empty() ? "" : string_or(rendered.front(), id_field);
    const std::string last = rendered.empty() ? "" : string_or(rendered.back(), id_field);
    for (json::object& item : rendered) items.push_back(std::move(item));
    json::object out{{resource.plural, std::move(items)}};
    for (const auto& member : list_links(call, resource, first, last, more)) out[member.key()] = member.value();
    return out;
}

Reply list_reply(Call& call, Tx& tx, const Resource& resource, const Select& select, const std::vector<Row>& rows) {
    const bool more = select.limit > 0 && static_cast<std::int64_t>(rows.size()) > select.limit;
    const std::size_t count = more ? static_cast<std::size_t>(select.limit) : rows.size();
    const auto row = [&](std::size_t i) -> const Row& { return rows[select.reverse ? count - 1 - i : i]; };
    const View view(call, resource);
    std::string out;
    out.reserve(256 + count * 512);
    ((out += "{\"") += resource.plural) += "\":[";
    if (resource.hooks.view) {
        json::monotonic_resource memory;  // given back as a whole
        std::vector<json::object> objects;
        objects.reserve(count);
        for (std::size_t i = 0; i < count; ++i) objects.push_back(row_to_object(resource, row(i), &memory));
        resource.hooks.view(call, tx, objects);
        for (const json::object& object : objects) {
            if (&object != objects.data()) out += ',';
            view.append(out, object);
        }
    } else {
        for (std::size_t i = 0; i < count; ++i) {
            if (i > 0) out += ',';
            view.append(out, row(i));
        }
    }
    out += ']';
    const auto id_of = [&](std::size_t i) { return count == 0 ? std::string() : row(i).at(0).text(); };
    for (const auto& member : list_links(call, resource, id_of(0), id_of(count - 1), more)) {
        out += ',';
        append_quoted(out, member.key());
        out += ':';
        append_json(out, member.value());
    }
    out += '}';
    return Reply::json_text(std::move(out));
}

}  // namespace pilvi::api
