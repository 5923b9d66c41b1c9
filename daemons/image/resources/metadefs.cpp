// /v2/metadefs/namespaces and the resource types that namespaces are associated with.
#include "resources/metadefs.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "base/time.h"
#include "domain/metadef_schemas.h"
#include "image.h"
#include "resources/paging.h"
#include "rules.h"

namespace pilvi::image {
namespace {
using api::Call;
using api::Reply;
using api::Route;
using Members = std::map<std::string, json::array>;  // by namespace id

constexpr std::string_view columns =
    "t.id, t.namespace, t.display_name, t.description, t.visibility, t.protected, t.owner, t.created_at, t.updated_at";

Namespace read_row(const Row& row) {
    return {.id = row.text("id"),
            .name = row.text("namespace"),
            .visibility = row.text("visibility"),
            .display_name = row["display_name"].optional_text(),
            .description = row["description"].optional_text(),
            .owner = row["owner"].optional_text(),
            .is_protected = row.boolean("protected"),
            .created_at = row.integer("created_at"),
            .updated_at = row.integer("updated_at")};
}

std::string visible_condition(const Context& who, Values& parameters) {
    if (who.is_admin) return {};
    parameters.emplace_back(who.project_id);
    return "t.owner IS NULL OR t.visibility = 'public' OR t.owner = ?";
}

std::optional<Namespace> find_visible(const Call& call, Tx& tx, std::string_view name) {
    Values parameters{Value(name)};
    const std::string visible = visible_condition(call.who, parameters);
    const auto row = tx.one(
        "SELECT " + std::string(columns) + " FROM metadef_namespaces t WHERE t.namespace = ?" + (visible.empty() ? "" : " AND (" + visible + ")"),
        parameters);
    return row ? std::optional(read_row(*row)) : std::nullopt;
}

json::object view(const Namespace& n) {
    json::object out{{"namespace", n.name}, {"visibility", n.visibility}, {"protected", n.is_protected}};
    const std::pair<std::string_view, const std::optional<std::string>*> optional[] = {
        {"display_name", &n.display_name}, {"description", &n.description}, {"owner", &n.owner}};
    for (const auto& [name, value] : optional)
        if (*value) out[name] = **value;
    out["created_at"] = iso8601(n.created_at);
    out["updated_at"] = iso8601(n.updated_at);
    out["self"] = "/v2/metadefs/namespaces/" + n.name;
    out["schema"] = "/v2/schemas/metadefs/namespace";
    return out;
}

json::object association_view(const Row& row) {
    json::object out{{"name", row.text("name")}};
    for (const std::string_view column : {"prefix", "properties_target"})
        if (!row[column].is_null()) out[column] = row.text(column);
    out["created_at"] = iso8601(row.integer("created_at"));
    out["updated_at"] = iso8601(row.integer("updated_at"));
    return out;
}

Members associations_of(Tx& tx, const std::vector<std::string>& namespaces) {
    Members out;
    if (namespaces.empty()) return out;
    std::string marks;
    Values ids;
    for (const std::string& id : namespaces) {
        marks += marks.empty() ? "?" : ", ?";
        ids.emplace_back(id);
    }
    const auto rows = tx.query("SELECT * FROM metadef_associations WHERE namespace_id IN (" + marks + ") ORDER BY created_at, name", ids);
    for (const Row& row : rows) out[row.text("namespace_id")].push_back(association_view(row));
    return out;
}

void associate(Tx& tx, const Namespace& space, const json::object& body, std::int64_t at) {
    const std::string name = string_or(body, "name");
    tx.exec("INSERT INTO metadef_resource_types (name, created_at, updated_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", {name, at, at});
    try {
        tx.savepoint([&] {
            tx.insert("metadef_associations", {{"namespace_id", space.id},
                                               {"name", name},
                                               {"prefix", optional_string(body, "prefix")},
                                               {"properties_target", optional_string(body, "properties_target")},
                                               {"created_at", at},
                                               {"updated_at", at}});
        });
    } catch (const UniqueViolation&) {
        throw Error(Errc::conflict, "The metadata definition resource-type association of resource-type=" + name + " to namespace=" + space.name +
                                        " already exists.");
    }
}

// Attributes from a valid body; what it leaves out gets the default.
void assign(const Call& call, Namespace& n, const json::object& body) {
    n.name = string_or(body, "namespace");
    n.display_name = optional_string(body, "display_name");
    n.description = optional_string(body, "description");
    n.visibility = string_or(body, "visibility", "private");
    n.is_protected = boolean_or(body, "protected");
    n.owner = optional_string(body, "owner");
    if ((!n.owner || n.owner->empty()) && !call.who.project_id.empty()) n.owner = call.who.project_id;
}

std::vector<std::pair<std::string, Value>> row_of(const Namespace& n) {
    return {{"namespace", n.name},        {"display_name", n.display_name}, {"description", n.description},
            {"visibility", n.visibility}, {"protected", n.is_protected},    {"owner", n.owner},
            {"updated_at", n.updated_at}};
}

// A thing inside a namespace's body against the schema that it has on its own.
void check_contents(const json::object& body) {
    for (const auto& [member, schema] :
         {std::pair<std::string_view, std::string_view>{"resource_type_associations", "resource_type"}, {"objects", "object"}, {"tags", "tag"}})
        for (const json::value& item : array_or_empty(body, member)) {
            check_metadef(schema, item);
            check_metadef_properties(object_or_empty(item.get_object(), "properties"));
        }
    check_metadef_properties(object_or_empty(body, "properties"));
}

void insert_contents(Tx& tx, const Namespace& space, const json::object& body) {
    std::int64_t at = space.created_at;
    for (const json::value& item : array_or_empty(body, "resource_type_associations")) associate(tx, space, item.get_object(), at++);
    for (const auto& property : object_or_empty(body, "properties"))
        insert_content(tx, metadef_properties, space, std::string(property.key()), property.value().get_object(), at++);
    for (const Content* kind : {&metadef_objects, &metadef_tags})
        for (const json::value& item : array_or_empty(body, kind->plural))
            insert_content(tx, *kind, space, string_or(item.get_object(), "name"), item.get_object(), at++);
}

// A name as it stands in a path: colons, which these names have, may.
std::string in_path(const std::string& name) {
    std::vector<std::string> parts = split(name, ':');
    for (std::string& part : parts) part = percent_encode(part);
    return join(parts, ":");
}

Reply create(Call& call) {
    check_metadef("namespace", call.raw);
    const json::object& body = call.raw.get_object();
    constexpr std::pair<std::string_view, std::string_view> also_needed[] = {{"resource_type_associations", "add_metadef_resource_type_association"},
                                                                             {"objects", "add_metadef_object"},
                                                                             {"properties", "add_metadef_property"},
                                                                             {"tags", "add_metadef_tag"}};
    for (const auto& [member, policy] : also_needed)
        if (body.contains(member)) call.enforce(policy);
    check_contents(body);
    Namespace space;
    assign(call, space, body);
    space.id = new_uuid();
    space.created_at = space.updated_at = now_micros();
    call.store().write([&](Tx& tx) {
        if (tx.one("SELECT 1 FROM metadef_namespaces WHERE namespace = ?", {space.name}))
            throw Error(Errc::conflict, "The metadata definition namespace=" + space.name + " already exists.");
        auto row = row_of(space);
        row.emplace_back("id", space.id);
        row.emplace_back("created_at", space.created_at);
        tx.insert("metadef_namespaces", row);
        insert_contents(tx, space, body);
    });
    json::object out = view(space);
    for (const auto& [member, policy] : also_needed)
        if (const json::value* given = body.if_contains(member)) out[member] = *given;
    Reply reply(std::move(out));
    reply.headers.set("Location", "/v2/metadefs/namespaces/" + in_path(space.name));
    return reply;
}

// Puts the prefix of the asked resource type before the names of properties, as they are used on such a resource.
void add_prefix(json::object& out, const std::string& resource_type) {
    std::string prefix;
    for (const json::value& one : array_or_empty(out, "resource_type_associations"))
        if (string_or(one.get_object(), "name") == resource_type) prefix = string_or(one.get_object(), "prefix");
    if (prefix.empty()) return;
    const auto prefixed = [&](const json::object& properties) {
        json::object renamed;
        for (const auto& p : properties) renamed[prefix + std::string(p.key())] = p.value();
        return renamed;
    };
    if (json::value* own = out.if_contains("properties")) *own = prefixed(own->as_object());
    json::value* all = out.if_contains("objects");
    if (!all) return;
    for (json::value& object : all->as_array()) {
        json::object& o = object.as_object();
        o["properties"] = prefixed(o["properties"].as_object());
        for (json::value& name : o["required"].as_array()) name = prefix + str(name.as_string());
    }
}

Reply show(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const Namespace space = visible_namespace(call, tx);
        json::object out = view(space);
        if (Members found = associations_of(tx, {space.id}); !found.empty()) out["resource_type_associations"] = std::move(found.begin()->second);
        if (json::value found = contents_of(tx, metadef_objects, space); !found.get_array().empty()) out["objects"] = std::move(found);
        if (json::value found = contents_of(tx, metadef_properties, space); !found.get_object().empty()) out["properties"] = std::move(found);
        json::array names;
        const json::value all_tags = contents_of(tx, metadef_tags, space);
        for (const json::value& tag : all_tags.get_array()) names.push_back(json::object{{"name", tag.get_object().at("name")}});
        if (!names.empty()) out["tags"] = std::move(names);
        if (const auto type = call.query.get("resource_type"); type && !type->empty()) add_prefix(out, *type);
        return out;
    });
}

Reply update(Call& call) {
    check_metadef("namespace", call.raw);
    return call.store().write([&](Tx& tx) -> Reply {
        Namespace space = visible_namespace(call, tx);
        assign(call, space, call.raw.get_object());
        space.updated_at = now_micros();
        try {
            tx.savepoint([&] { tx.update("metadef_namespaces", space.id, row_of(space)); });
        } catch (const UniqueViolation&) {
            throw Error(Errc::conflict,
                        "Invalid update. It would result in a duplicate metadata definition namespace with the same name of " + space.name);
        }
        return view(space);
    });
}

Reply remove(Call& call) {
    call.store().write([&](Tx& tx) {
        const Namespace space = visible_namespace(call, tx);
        refuse_protected(space);
        for (const char* table : {"metadef_associations", "metadef_objects", "metadef_properties", "metadef_tags"})
            tx.exec("DELETE FROM " + std::string(table) + " WHERE namespace_id = ?", {space.id});
        tx.exec("DELETE FROM metadef_namespaces WHERE id = ?", {space.id});
    });
    return {};
}

void filter(api::Select& select, const Call& call) {
    const std::string visible = visible_condition(call.who, select.parameters);
    if (!visible.empty()) select.where.push_back("(" + visible + ")");
    const std::string visibility = call.query.get("visibility").value_or("");
    if (!visibility.empty() && visibility != "public" && visibility != "private")
        throw Error(Errc::bad_request, "Invalid visibility value: " + visibility.substr(0, 100));
    if (!visibility.empty()) select.add("t.visibility = ?", {visibility});
    const auto types = call.query.get("resource_types");
    if (!types) return;
    std::string marks;
    for (const std::string& type : split(*types, ',')) {
        marks += marks.empty() ? "?" : ", ?";
        select.parameters.emplace_back(type);
    }
    select.where.push_back("EXISTS (SELECT 1 FROM metadef_associations a WHERE a.namespace_id = t.id AND a.name IN (" + marks + "))");
}

void order(api::Select& select, const Call& call) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 9> keys{{{"created_at", "t.created_at"},
                                                                                 {"updated_at", "t.updated_at"},
                                                                                 {"id", "t.id"},
                                                                                 {"namespace", "t.namespace"},
                                                                                 {"display_name", "COALESCE(t.display_name, '')"},
                                                                                 {"description", "COALESCE(t.description, '')"},
                                                                                 {"owner", "COALESCE(t.owner, '')"},
                                                                                 {"visibility", "t.visibility"},
                                                                                 {"protected", "t.protected"}}};
    const std::string key = call.query.get("sort_key").value_or("created_at");
    const auto known = std::find_if(keys.begin(), keys.end(), [&](const auto& k) { return k.first == key; });
    if (known == keys.end()) throw Error(Errc::bad_request, "Sort key supplied is invalid: " + key.substr(0, 100));
    const bool down = descending(call.query.get("sort_dir").value_or("desc"));
    for (const std::string_view column : {known->second, std::string_view("t.created_at"), std::string_view("t.id")})
        if (std::none_of(select.order.begin(), select.order.end(), [&](const api::Sort& s) { return s.expression == column; }))
            select.order.push_back({std::string(column), down});
}

void start_behind_marker(api::Select& select, Tx& tx, const Call& call) {
    const auto marker = call.query.get("marker");
    if (!marker) return;
    const auto space = find_visible(call, tx, *marker);
    if (!space) throw Error(Errc::not_found, "Metadata definition namespace=" + marker->substr(0, 255) + " was not found.");
    std::string expressions;
    for (const api::Sort& s : select.order) expressions += (expressions.empty() ? "" : ", ") + s.expression;
    start_behind(select, *tx.one("SELECT " + expressions + " FROM metadef_namespaces t WHERE t.id = ?", {space->id}));
}

Reply list(Call& call) {
    const auto limit = static_cast<std::size_t>(asked_limit(call));
    api::Select select;
    filter(select, call);
    order(select, call);
    std::vector<Namespace> found;
    Members associations;
    call.store().read([&](Tx& tx) {
        api::Select page = select;
        start_behind_marker(page, tx, call);
        page.limit = static_cast<std::int64_t>(std::max<std::size_t>(limit, 1));
        found.clear();
        for (const Row& row : tx.query(page.text(columns, "metadef_namespaces"), page.parameters)) found.push_back(read_row(row));
        found.resize(std::min(found.size(), limit));
        std::vector<std::string> ids;
        for (const Namespace& n : found) ids.push_back(n.id);
        associations = associations_of(tx, ids);
    });
    json::array items;
    for (const Namespace& n : found) {
        items.push_back(view(n));
        if (const auto own = associations.find(n.id); own != associations.end()) items.back().as_object()["resource_type_associations"] = own->second;
    }
    const std::string path = "/v2/metadefs/namespaces";
    json::object out{{"namespaces", std::move(items)}, {"first", first_link(call.query, path)}, {"schema", "/v2/schemas/metadefs/namespaces"}};
    if (!found.empty() && found.size() == limit) out["next"] = next_link(call.query, path, found.back().name);
    return out;
}

Reply list_types(Call& call) {
    return call.store().read([](Tx& tx) -> Reply {
        json::array types;
        for (const Row& row : tx.query("SELECT * FROM metadef_resource_types ORDER BY created_at, name"))
            types.push_back(json::object{
                {"name", row.text("name")}, {"created_at", iso8601(row.integer("created_at"))}, {"updated_at", iso8601(row.integer("updated_at"))}});
        return json::object{{"resource_types", std::move(types)}};
    });
}

Reply list_associations(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const Namespace space = visible_namespace(call, tx);
        return json::object{{"resource_type_associations", std::move(associations_of(tx, {space.id})[space.id])}};
    });
}

Reply create_association(Call& call) {
    check_metadef("resource_type", call.raw);
    return call.store().write([&](Tx& tx) -> Reply {
        const Namespace space = visible_namespace(call, tx);
        associate(tx, space, call.raw.get_object(), now_micros());
        return association_view(
            *tx.one("SELECT * FROM metadef_associations WHERE namespace_id = ? AND name = ?", {space.id, string_or(call.raw.get_object(), "name")}));
    });
}

Reply remove_association(Call& call) {
    call.store().write([&](Tx& tx) {
        const Namespace space = visible_namespace(call, tx);
        const std::string& name = call.arg("name");
        if (!tx.one("SELECT 1 FROM metadef_associations WHERE namespace_id = ? AND name = ?", {space.id, name}))
            throw Error(Errc::not_found, "Failed to find resource type " + name.substr(0, 255) + " to delete");
        if (space.is_protected)
            throw Error(Errc::forbidden, "Metadata definition resource-type-association " + name + " is protected and cannot be deleted.");
        tx.exec("DELETE FROM metadef_associations WHERE namespace_id = ? AND name = ?", {space.id, name});
    });
    return {};
}

constexpr char namespaces_path[] = "/v2/metadefs/namespaces", namespace_path[] = "/v2/metadefs/namespaces/{namespace}",
               types_path[] = "/v2/metadefs/namespaces/{namespace}/resource_types";
constexpr Route table[] = {
    {.method = "GET", .path = namespaces_path, .policy = "get_metadef_namespaces", .check = rules::reader, .handler = list},
    {.method = "POST",
     .path = namespaces_path,
     .policy = "add_metadef_namespace",
     .check = rules::metadef_admin,
     .handler = create,
     .status = 201,
     .any_body = true},
    {.method = "GET",
     .path = namespace_path,
     .policy = "get_metadef_namespace",
     .check = rules::get_namespace,
     .handler = show,
     .target = namespace_target},
    {.method = "PUT",
     .path = namespace_path,
     .policy = "modify_metadef_namespace",
     .check = rules::metadef_admin,
     .handler = update,
     .any_body = true,
     .target = namespace_target},
    {.method = "DELETE",
     .path = namespace_path,
     .policy = "delete_metadef_namespace",
     .check = rules::metadef_admin,
     .handler = remove,
     .status = 204,
     .target = namespace_target},
    {.method = "GET",
     .path = "/v2/metadefs/resource_types",
     .policy = "list_metadef_resource_types",
     .check = rules::get_namespace,
     .handler = list_types},
    {.method = "GET",
     .path = types_path,
     .policy = "get_metadef_resource_type",
     .check = rules::get_namespace,
     .handler = list_associations,
     .target = namespace_target},
    {.method = "POST",
     .path = types_path,
     .policy = "add_metadef_resource_type_association",
     .check = rules::metadef_admin,
     .handler = create_association,
     .status = 201,
     .any_body = true,
     .target = namespace_target},
    {.method = "DELETE",
     .path = "/v2/metadefs/namespaces/{namespace}/resource_types/{name}",
     .policy = "remove_metadef_resource_type_association",
     .check = rules::metadef_admin,
     .handler = remove_association,
     .status = 204,
     .target = namespace_target},
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

Namespace visible_namespace(const Call& call, Tx& tx) {
    const std::string& name = call.arg("namespace");
    auto found = find_visible(call, tx, name);
    if (!found) throw Error(Errc::not_found, "Namespace " + name.substr(0, 255) + " not found");
    return std::move(*found);
}

void namespace_target(Call& call, Tx& tx, json::object& target) {
    const Namespace space = visible_namespace(call, tx);
    target["project_id"] = space.owner ? json::value(*space.owner) : json::value(nullptr);
    target["visibility"] = space.visibility;
    if (!call.allowed("get_metadef_namespace", target)) throw Error(Errc::not_found, "Namespace " + space.name + " not found");
}

void refuse_protected(const Namespace& space) {
    if (space.is_protected) throw Error(Errc::forbidden, "Metadata definition namespace " + space.name + " is protected and cannot be deleted.");
}

const std::span<const Route> metadef_routes = table;

}  // namespace pilvi::image
