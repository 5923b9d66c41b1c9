// /v2/metadefs/namespaces/{namespace}/objects, /properties, /tags.
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "domain/metadef_schemas.h"
#include "image.h"
#include "resources/metadefs.h"
#include "resources/paging.h"
#include "rules.h"

namespace pilvi::image {
namespace {
using api::Call;
using api::Reply;
using api::Route;

std::string table_of(const Content& kind) { return "metadef_" + std::string(kind.plural); }

std::string duplicate_message(const Content& kind, const std::string& name, const Namespace& space) {
    const bool tag = kind.single == "tag";
    return std::string("A metadata ") + (tag ? "" : "definition ") + std::string(kind.single) + " with name=" + name +
           " already exists in namespace=" + space.name + "." + (tag ? " (Please note that metadata tag names are case insensitive)." : "");
}

[[noreturn]] void missing(const Content& kind, const std::string& name, const Namespace& space) {
    throw Error(Errc::not_found, "The metadata definition " + std::string(kind.single) + " with name=" + name.substr(0, 255) +
                                     " was not found in namespace=" + space.name + ".");
}

// What is kept of a valid body: all but the name, which is a column.
json::object document_of(const json::object& body) {
    json::object out = body;
    out.erase("name");
    return out;
}

json::object view(const Content& kind, const Namespace& space, const Row& row) {
    const std::string name = row.text("name");
    const json::value document = parse_json(row.text("document"));
    json::object out = document.get_object();
    if (!kind.keyed) out["name"] = name;
    if (kind.timed) {
        out["created_at"] = iso8601(row.integer("created_at"));
        out["updated_at"] = iso8601(row.integer("updated_at"));
    }
    if (!kind.linked) return out;
    for (const auto& [member, empty] : {std::pair<std::string_view, json::value>{"required", json::array()}, {"properties", json::object()}})
        if (!out.contains(member)) out[member] = empty;
    out["self"] = "/v2/metadefs/namespaces/" + space.name + "/" + std::string(kind.plural) + "/" + name;
    out["schema"] = "/v2/schemas/metadefs/" + std::string(kind.single);
    return out;
}

json::object single_view(const Content& kind, const Namespace& space, const Row& row) {
    json::object out = view(kind, space, row);
    out["name"] = row.text("name");
    return out;
}

// The answer to a write: what the body left out is not shown as empty.
json::object written_view(const Content& kind, const Namespace& space, const Row& row, const json::object& body) {
    json::object out = single_view(kind, space, row);
    if (kind.linked)
        for (const std::string_view member : {"required", "properties"})
            if (!body.contains(member)) out.erase(member);
    return out;
}

Row row_of(Tx& tx, const Content& kind, const Namespace& space, const std::string& name) {
    auto row = tx.one("SELECT * FROM " + table_of(kind) + " WHERE namespace_id = ? AND name = ?", {space.id, name});
    if (!row) missing(kind, name, space);
    return std::move(*row);
}

json::object checked_body(const Call& call, const Content& kind) {
    check_metadef(kind.single, call.raw);
    const json::object& body = call.raw.get_object();
    if (const json::value* members = body.if_contains("properties"); members && kind.linked) check_metadef_properties(members->get_object());
    return body;
}

template <const Content& kind>
Reply create(Call& call) {
    const json::object body = checked_body(call, kind);
    return call.store().write([&](Tx& tx) -> Reply {
        const Namespace space = visible_namespace(call, tx);
        const std::string name = string_or(body, "name");
        insert_content(tx, kind, space, name, body, now_micros());
        return written_view(kind, space, row_of(tx, kind, space, name), body);
    });
}

template <const Content& kind>
Reply update(Call& call) {
    const json::object body = checked_body(call, kind);
    return call.store().write([&](Tx& tx) -> Reply {
        const Namespace space = visible_namespace(call, tx);
        const std::string old = row_of(tx, kind, space, call.arg("name")).text("name"), name = string_or(body, "name");
        try {
            tx.savepoint([&] {
                tx.exec("UPDATE " + table_of(kind) + " SET name = ?, document = ?, updated_at = ? WHERE namespace_id = ? AND name = ?",
                        {name, to_text(document_of(body)), now_micros(), space.id, old});
            });
        } catch (const UniqueViolation&) {
            throw Error(Errc::conflict, "Invalid update. It would result in a duplicate metadata definition " + std::string(kind.single) +
                                            " with same name=" + name + " in namespace=" + space.name + ".");
        }
        return written_view(kind, space, row_of(tx, kind, space, name), body);
    });
}

template <const Content& kind>
Reply show(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const Namespace space = visible_namespace(call, tx);
        return single_view(kind, space, row_of(tx, kind, space, call.arg("name")));
    });
}

// ?resource_type= asks by the name that the property has for that resource type.
Reply show_property(Call& call) {
    const std::string type = call.query.get("resource_type").value_or("");
    if (type.empty()) return show<metadef_properties>(call);
    return call.store().read([&](Tx& tx) -> Reply {
        const Namespace space = visible_namespace(call, tx);
        const std::string& name = call.arg("name");
        const auto found = tx.one("SELECT prefix FROM metadef_associations WHERE namespace_id = ? AND name = ?", {space.id, type});
        if (!found)
            throw Error(Errc::not_found, "The metadata definition resource-type association of resource-type=" + type.substr(0, 255) +
                                             " to namespace=" + space.name + ", was not found.");
        const std::string prefix = found->at(0).text();
        if (prefix.empty() || !name.starts_with(prefix))
            throw Error(Errc::not_found, "Property " + name.substr(0, 255) +
                                             " does not start with the expected resource type association prefix of '" +
                                             (found->at(0).is_null() ? "None" : prefix) + "'.");
        return single_view(metadef_properties, space, row_of(tx, metadef_properties, space, name.substr(prefix.size())));
    });
}

template <const Content& kind>
Reply list(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        json::object out{{kind.plural, contents_of(tx, kind, visible_namespace(call, tx))}};
        if (kind.keyed)
            for (auto& member : out[kind.plural].as_object()) member.value().as_object()["name"] = member.key();
        if (kind.linked) out["schema"] = "v2/schemas/metadefs/" + std::string(kind.plural);
        return out;
    });
}

Reply list_tags(Call& call) {
    const std::string key = call.query.get("sort_key").value_or("created_at");
    if (key != "created_at" && key != "updated_at" && key != "name" && key != "id")
        throw Error(Errc::bad_request, "Sort key supplied is invalid: " + key.substr(0, 100));
    const bool down = descending(call.query.get("sort_dir").value_or("desc"));
    return call.store().read([&](Tx& tx) -> Reply {
        const Namespace space = visible_namespace(call, tx);
        api::Select select;
        select.add("t.namespace_id = ?", {space.id});
        if (key.ends_with("_at")) select.order.push_back({"t." + key, down});
        select.order.push_back({"t.name", down});
        if (const auto marker = call.query.get("marker"); marker && !marker->empty()) {
            row_of(tx, metadef_tags, space, *marker);
            const std::string columns = key.ends_with("_at") ? "t." + key + ", t.name" : "t.name";
            start_behind(select, *tx.one("SELECT " + columns + " FROM metadef_tags t WHERE t.namespace_id = ? AND t.name = ?", {space.id, *marker}));
        }
        std::string text = select.text("t.name", "metadef_tags");
        if (call.query.has("limit")) {
            text += " LIMIT ?";
            select.parameters.emplace_back(asked_limit(call));
        }
        json::array found;
        for (const Row& row : tx.query(text, select.parameters)) found.push_back(json::object{{"name", row.at(0).text()}});
        return json::object{{"tags", std::move(found)}};
    });
}

Reply create_tag(Call& call) {
    const std::string& name = call.arg("name");
    check_metadef("tag", json::object{{"name", name}});
    return call.store().write([&](Tx& tx) -> Reply {
        const Namespace space = visible_namespace(call, tx);
        insert_content(tx, metadef_tags, space, name, {}, now_micros());
        return single_view(metadef_tags, space, row_of(tx, metadef_tags, space, name));
    });
}

// The tags of the body instead of those that are there, or beside them with X-OpenStack-Append.
Reply create_tags(Call& call) {
    check_metadef("tags", call.raw);
    const bool append = parse_boolean(call.request.headers.get("X-OpenStack-Append")).value_or(false);
    const json::array& asked = array_or_empty(call.raw.get_object(), "tags");
    call.store().write([&](Tx& tx) {
        const Namespace space = visible_namespace(call, tx);
        if (asked.empty()) return;
        if (!append) tx.exec("DELETE FROM metadef_tags WHERE namespace_id = ?", {space.id});
        std::int64_t at = now_micros();
        for (const json::value& tag : asked) insert_content(tx, metadef_tags, space, string_or(tag.get_object(), "name"), {}, at++);
    });
    return json::object{{"tags", asked}};
}

template <const Content& kind>
Reply remove(Call& call) {
    call.store().write([&](Tx& tx) {
        const Namespace space = visible_namespace(call, tx);
        const std::string& name = call.arg("name");
        row_of(tx, kind, space, name);
        if (space.is_protected)
            throw Error(Errc::forbidden, "Metadata definition " + std::string(kind.single) + " " + name + " is protected and cannot be deleted.");
        tx.exec("DELETE FROM " + table_of(kind) + " WHERE namespace_id = ? AND name = ?", {space.id, name});
    });
    return {};
}

template <const Content& kind>
Reply remove_all(Call& call) {
    call.store().write([&](Tx& tx) {
        const Namespace space = visible_namespace(call, tx);
        refuse_protected(space);
        tx.exec("DELETE FROM " + table_of(kind) + " WHERE namespace_id = ?", {space.id});
    });
    return {};
}

constexpr char objects_path[] = "/v2/metadefs/namespaces/{namespace}/objects", object_path[] = "/v2/metadefs/namespaces/{namespace}/objects/{name}",
               properties_path[] = "/v2/metadefs/namespaces/{namespace}/properties",
               property_path[] = "/v2/metadefs/namespaces/{namespace}/properties/{name}", tags_path[] = "/v2/metadefs/namespaces/{namespace}/tags",
               tag_path[] = "/v2/metadefs/namespaces/{namespace}/tags/{name}";

constexpr Route reading(std::string_view path, std::string_view policy, api::Handler handler) {
    return {.method = "GET", .path = path, .policy = policy, .check = rules::get_namespace, .handler = handler, .target = namespace_target};
}
constexpr Route writing(std::string_view method, std::string_view path, std::string_view policy, api::Handler handler, int status, bool body = true) {
    return {.method = method,
            .path = path,
            .policy = policy,
            .check = rules::metadef_admin,
            .handler = handler,
            .status = status,
            .any_body = body,
            .target = namespace_target};
}

constexpr Route table[] = {
    reading(objects_path, "get_metadef_objects", list<metadef_objects>),
    reading(object_path, "get_metadef_object", show<metadef_objects>),
    writing("POST", objects_path, "add_metadef_object", create<metadef_objects>, 201),
    writing("PUT", object_path, "modify_metadef_object", update<metadef_objects>, 200),
    writing("DELETE", object_path, "delete_metadef_object", remove<metadef_objects>, 204, false),
    writing("DELETE", objects_path, "delete_metadef_namespace", remove_all<metadef_objects>, 204, false),
    reading(properties_path, "get_metadef_properties", list<metadef_properties>),
    reading(property_path, "get_metadef_property", show_property),
    writing("POST", properties_path, "add_metadef_property", create<metadef_properties>, 201),
    writing("PUT", property_path, "modify_metadef_property", update<metadef_properties>, 200),
    writing("DELETE", property_path, "remove_metadef_property", remove<metadef_properties>, 204, false),
    writing("DELETE", properties_path, "delete_metadef_namespace", remove_all<metadef_properties>, 204, false),
    reading(tags_path, "get_metadef_tags", list_tags),
    reading(tag_path, "get_metadef_tag", show<metadef_tags>),
    writing("POST", tags_path, "add_metadef_tags", create_tags, 201),
    writing("POST", tag_path, "add_metadef_tag", create_tag, 201, false),
    writing("PUT", tag_path, "modify_metadef_tag", update<metadef_tags>, 200),
    writing("DELETE", tag_path, "delete_metadef_tag", remove<metadef_tags>, 204, false),
    writing("DELETE", tags_path, "delete_metadef_tags", remove_all<metadef_tags>, 204, false),
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

void insert_content(Tx& tx, const Content& kind, const Namespace& space, const std::string& name, const json::object& body, std::int64_t at) {
    try {
        tx.savepoint([&] {
            tx.insert(table_of(kind),
                      {{"namespace_id", space.id}, {"name", name}, {"document", to_text(document_of(body))}, {"created_at", at}, {"updated_at", at}});
        });
    } catch (const UniqueViolation&) {
        throw Error(Errc::conflict, duplicate_message(kind, name, space));
    }
}

json::value contents_of(Tx& tx, const Content& kind, const Namespace& space) {
    json::array all;
    json::object by_name;
    const auto rows = tx.query("SELECT * FROM " + table_of(kind) + " WHERE namespace_id = ? ORDER BY created_at, name", {space.id});
    for (const Row& row : rows) {
        if (kind.keyed) by_name[row.text("name")] = view(kind, space, row);
        else all.push_back(view(kind, space, row));
    }
    if (kind.keyed) return by_name;
    return all;
}

const std::span<const Route> metadef_content_routes = table;

}  // namespace pilvi::image
