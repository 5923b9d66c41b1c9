// /v1/images: the API of old scripts and courses. Attributes travel in x-image-meta-* headers, data in the body. Source: Image API v1 reference.
#include <algorithm>
#include <map>

#include "api/query.h"
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "domain/properties.h"
#include "image.h"
#include "importer.h"
#include "locations.h"
#include "protection.h"
#include "resources/data.h"
#include "resources/paging.h"
#include "rules.h"

namespace pilvi::image {
namespace {
using api::Call;
using api::Reply;
using api::Route;

constexpr std::uint64_t body_limit = std::uint64_t{1} << 44;  // App::size_cap is the real one
constexpr std::string_view meta = "x-image-meta-", property = "x-image-meta-property-";

std::string time_text(Micros at) { return iso8601_naive(at); }

json::value text_or_null(const std::optional<std::string>& text) { return text ? json::value(*text) : json::value(nullptr); }

// The attributes of an image in the order of the reference; nothing in them needs a query of its own.
json::object attributes(const Image& i) {
    json::object out{{"id", i.id}, {"name", text_or_null(i.name)}, {"disk_format", text_or_null(i.disk_format)}};
    out["container_format"] = text_or_null(i.container_format);
    out["size"] = i.size.value_or(0);
    out["virtual_size"] = i.virtual_size ? json::value(*i.virtual_size) : json::value(nullptr);
    out["checksum"] = text_or_null(i.checksum);
    out["status"] = i.status == "uploading" || i.status == "importing" ? "saving" : i.status;
    out["is_public"] = i.visibility == "public";
    out["min_disk"] = i.min_disk;
    out["min_ram"] = i.min_ram;
    out["protected"] = i.is_protected;
    out["owner"] = text_or_null(i.owner);
    out["created_at"] = time_text(i.created_at);
    out["updated_at"] = time_text(i.updated_at);
    out["deleted_at"] = nullptr;
    out["deleted"] = false;
    return out;
}

json::object detail(const Call& call, const Image& i) {
    json::object out = attributes(i);
    json::object properties;
    for (const auto& [name, value] : i.properties)
        if (may(call, name, PropertyRight::read)) properties[name] = value;
    out["properties"] = std::move(properties);
    return out;
}

json::object brief(const Call&, const Image& i) {
    json::object whole = attributes(i), out;
    for (const std::string_view name : {"id", "name", "disk_format", "container_format", "size", "checksum"}) out[name] = whole[name];
    return out;
}

// A header's value cannot hold everything that a text can.
std::string header_text(const json::value& value) {
    if (value.is_bool()) return value.get_bool() ? "True" : "False";
    std::string text = value.is_string() ? str(value.get_string()) : to_text(value);
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    return text;
}

bool is_token(std::string_view name) {
    return !name.empty() &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

void add_headers(const Call& call, Reply& reply, const Image& i) {
    const json::object all = attributes(i);
    for (const auto& member : all)
        if (!member.value().is_null()) reply.headers.set(std::string(meta) + std::string(member.key()), header_text(member.value()));
    for (const auto& [name, value] : i.properties)
        if (is_token(name) && may(call, name, PropertyRight::read)) reply.headers.set(std::string(property) + name, header_text(json::value(value)));
    if (i.checksum) reply.headers.set("ETag", *i.checksum);
}

bool flag(std::string_view text, std::string_view name) {
    const auto value = parse_boolean(text);
    if (!value) throw Error(Errc::bad_request, "Unrecognized value '" + std::string(text.substr(0, 100)) + "' for " + std::string(name));
    return *value;
}

json::value value_of(const Property& known, const std::string& name, const std::string& text) {
    if (known.type == "boolean") return json::value(flag(text, name));
    if (known.type != "integer") return json::value(text);
    const auto number = parse_integer(text);
    if (!number) throw Error(Errc::bad_request, "Cannot convert image " + name + " '" + text.substr(0, 100) + "' to an integer.");
    return json::value(*number);
}

// What the headers say beside the image's attributes.
struct Asked {
    std::set<std::string> properties;  // names of those that the request sets
    std::string location, copy_from;   // URLs: where the data is and stays, or where it is fetched from
    bool elsewhere() const { return !location.empty() || !copy_from.empty(); }
};

// What the headers say about an image, applied to it.
Asked apply_headers(const Call& call, Image& image, bool creating) {
    Asked asked;
    for (const auto& [header, text] : call.request.headers.items()) {
        const std::string key = lower(header);
        if (key.starts_with(property)) {
            std::string name = key.substr(property.size());
            std::replace(name.begin(), name.end(), '-', '_');
            refuse_reserved(name);
            if (find_property(name)) throw Error(Errc::bad_request, "'" + name + "' is an attribute, not a property");
            validate(name, json::value(text));
            const auto old = image.properties.find(name);
            const bool same = old != image.properties.end() && old->second == text && may(call, name, PropertyRight::read);
            if (!creating && !same) enforce_set(call, image.properties, name);
            image.properties[name] = text;
            asked.properties.insert(name);
        } else if (key.starts_with(meta)) {
            std::string name = key.substr(meta.size());
            std::replace(name.begin(), name.end(), '-', '_');
            if (name == "is_public") {
                const std::string wanted = flag(text, name) ? "public" : "shared";
                if (wanted == "public" || image.visibility == "public") {
                    enforce_visibility(call, wanted, json::object{{"project_id", image.owner.value_or("")}, {"visibility", image.visibility}});
                    image.visibility = wanted;
                }
                continue;
            }
            if (name == "location" || name == "copy_from") {
                (name == "location" ? asked.location : asked.copy_from) = text;
                continue;
            }
            if (name == "store" || name == "size" || name == "checksum") continue;  // of the data, which tells itself
            if (name == "id" && creating) {
                validate(name, json::value(text));
                image.id = lower(text);
                continue;
            }
            const Property* known = find_property(name);
            if (!known || known->read_only || !known->stored || name == "tags" || name == "id") {
                if (creating || (known && known->read_only)) continue;
                throw Error(Errc::bad_request, "Bad header: " + key.substr(0, 100));
            }
            if (name == "owner" && !call.who.is_admin) throw Error(Errc::forbidden, "You are not permitted to set the owner of an image.");
            const json::value value = value_of(*known, name, text);
            validate(name, value);
            assign(image, name, value);
        } else if (key == "x-glance-api-copy-from") {
            asked.copy_from = text;
        }
    }
    return asked;
}

bool has_body(const Call& call) {
    if (call.request.headers.has("Transfer-Encoding")) return true;
    return parse_integer(call.request.headers.get("Content-Length")).value_or(0) > 0;
}

void expect_bytes(const Call& call) {
    if (!equals_ignoring_case(trim(call.request.headers.get("Content-Type")), "application/octet-stream"))
        throw Error(Errc::bad_request, "Content-Type must be application/octet-stream");
}

// Before anything is written: one source of data at most, which may be read.
void check_source(const Call& call, const Asked& asked, bool body, const Image& image) {
    if (body + !asked.location.empty() + !asked.copy_from.empty() > 1)
        throw Error(Errc::bad_request, "Image data comes from one of the body, a location and copy_from");
    if (!asked.elsewhere()) return;
    if (!image.disk_format || !image.container_format)
        throw Error(Errc::bad_request, "disk_format and container_format must be set before an image has data");
    if (!asked.location.empty()) call.enforce("set_image_location", json::object{{"project_id", image.owner.value_or("")}});
    const Importer* importer = call.app<App>().importer;
    if (!importer) throw Error(Errc::bad_request, "External sources are not supported at this site.");
    try {
        importer->fetcher().check(asked.elsewhere() && asked.location.empty() ? asked.copy_from : asked.location);
    } catch (const Error& e) {
        throw Error(Errc::bad_request, "External sources are not supported: " + e.message());
    }
}

// Data that is elsewhere, for the queued image `id`.
void take_source(Call& call, const Asked& asked, const std::string& id) {
    if (!asked.location.empty()) set_web_location(call, id, asked.location);
    if (asked.copy_from.empty()) return;
    begin_import(call, {.image_id = id,
                        .method = "web-download",
                        .uri = asked.copy_from,
                        .stores = {call.app<App>().stores.preferred().name},
                        .roles = call.who.roles});
}

Reply whole(Call& call, const std::string& id) {
    Reply reply = call.store().read([&](Tx& tx) -> Reply { return json::object{{"image", detail(call, visible_image(call, tx, id))}}; });
    reply.headers.set("Location", call.base_url() + "/v1/images/" + id);
    return reply;
}

Reply create(Call& call) {
    Image image;
    if (!call.who.project_id.empty()) image.owner = call.who.project_id;
    const Asked asked = apply_headers(call, image, true);
    const bool body = has_body(call);
    if (body) expect_bytes(call);
    check_source(call, asked, body, image);
    create_image(call, image);
    try {
        if (body) upload_body(call, image.id);
        take_source(call, asked, image.id);
    } catch (...) {
        remove_image(call, image.id);
        throw;
    }
    return whole(call, image.id);
}

// Properties that the request does not name go, unless X-Glance-Registry-Purge-Props says otherwise.
Reply update(Call& call) {
    const std::string& id = call.arg("image_id");
    const std::string_view purge = call.request.headers.get("X-Glance-Registry-Purge-Props");
    const bool purging = purge.empty() || flag(purge, "X-Glance-Registry-Purge-Props");
    const bool body = has_body(call);
    if (body) expect_bytes(call);
    Asked asked;
    call.store().write([&](Tx& tx) {
        Image image = visible_image(call, tx, id);
        const Image before = image;
        asked = apply_headers(call, image, false);
        check_source(call, asked, body, image);
        if (asked.elsewhere() && image.status != "queued")
            throw Error(Errc::bad_request, "Attempted to update Location field for an image not in queued status.");
        if (purging)
            std::erase_if(image.properties, [&](const auto& p) {
                if (asked.properties.contains(p.first) || p.first.starts_with("os_glance") || !may(call, p.first, PropertyRight::read)) return false;
                enforce_property(call, p.first, PropertyRight::remove);
                return true;
            });
        if (image.status != "queued" && (image.disk_format != before.disk_format || image.container_format != before.container_format))
            throw Error(Errc::forbidden, "Attribute disk_format or container_format can be only replaced for a queued image.");
        check_limits(image);
        save_image(tx, image);
    });
    if (body) upload_body(call, id);
    take_source(call, asked, lower(id));
    return whole(call, id);
}

Reply show(Call& call) {
    const Image image = call.store().read([&](Tx& tx) { return visible_image(call, tx, call.arg("image_id")); });
    Reply reply;
    if (call.request.method != "HEAD") {
        call.enforce("download_image", call.store().read([&](Tx& tx) { return policy_target(call, tx, image); }));
        if (image.status == "deactivated" && !call.who.is_admin)
            throw Error(Errc::forbidden, "The requested image has been deactivated. Image data download is forbidden.");
        reply = data_reply(call, image);
        if (!reply.file) throw Error(Errc::not_found, "No image data found for ID " + image.id);
    }
    add_headers(call, reply, image);
    return reply;
}

Reply remove(Call& call) {
    remove_image(call, call.arg("image_id"));
    return {};
}

// Rows that v1 lists: public, own and shared ones; an administrator chooses by is_public.
void add_visibility(api::Select& select, const Call& call) {
    const std::string asked = lower(call.query.get("is_public").value_or("true"));
    if (call.who.is_admin && asked == "none") return;
    if (call.who.is_admin && !flag(asked, "is_public")) return select.add("t.visibility <> 'public'");
    const std::string& project = call.who.project_id;
    select.add(
        "(t.visibility = 'public' OR t.owner = ? OR (t.visibility = 'shared' AND EXISTS (SELECT 1 FROM image_members m WHERE m.image_id = t.id AND "
        "m.member = ?)))",
        {project, project});
}

void add_filters(api::Select& select, const Call& call) {
    constexpr std::string_view texts[] = {"name", "container_format", "disk_format", "status", "owner"};
    constexpr std::string_view numbers[] = {"min_ram", "min_disk"};
    for (const auto& [key, value] : call.query.items()) {
        const std::string name = lower(key);
        const auto is = [&](const auto& names) { return std::find(std::begin(names), std::end(names), name) != std::end(names); };
        if (is(texts)) select.add("t." + name + " = ?", {value});
        else if (name == "protected") select.add("t.protected = ?", {flag(value, name)});
        else if (is(numbers) || name == "size_min" || name == "size_max") {
            const auto number = parse_integer(value);
            if (!number || *number < 0) throw Error(Errc::bad_request, "Invalid filter value '" + value.substr(0, 100) + "' for " + name);
            select.add(name == "size_min" ? "t.size >= ?" : name == "size_max" ? "t.size <= ?" : "t." + name + " = ?", {*number});
        } else if (name == "changes-since") {
            const auto at = parse_iso8601(value);
            if (!at) throw Error(Errc::bad_request, "Unrecognized changes-since value");
            select.add("t.updated_at >= ?", {*at});
        } else if (name.starts_with("property-")) {
            if (!may(call, key.substr(9), PropertyRight::read)) select.add("1 = 0");
            else
                select.add("EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = t.id AND p.name = ? AND p.value = ?)",
                           {key.substr(9), value});
        }
    }
}

void add_order(api::Select& select, Tx& tx, const Call& call) {
    constexpr std::string_view keys[] = {"id", "created_at", "updated_at", "status", "min_ram", "min_disk"};
    constexpr std::string_view nullable[] = {"name", "container_format", "disk_format", "size"};
    const std::string key = call.query.get("sort_key").value_or("created_at");
    const auto is = [&](const auto& names) { return std::find(std::begin(names), std::end(names), key) != std::end(names); };
    if (!is(keys) && !is(nullable)) throw Error(Errc::bad_request, "Unsupported sort_key: " + key.substr(0, 100));
    const bool down = descending(call.query.get("sort_dir").value_or("desc"));
    select.order.push_back({is(keys) ? "t." + key : "COALESCE(t." + key + (key == "size" ? ", 0)" : ", '')"), down});
    if (key != "id") select.order.push_back({"t.id", down});
    if (const auto marker = call.query.get("marker")) {
        visible_image(call, tx, *marker);
        start_behind(select, *tx.one("SELECT " + select.order.front().expression + ", t.id FROM images t WHERE t.id = ?", {*marker}));
    }
}

template <json::object (*shape)(const Call&, const Image&)>
Reply list(Call& call) {
    const auto limit = static_cast<std::size_t>(asked_limit(call));
    return call.store().read([&](Tx& tx) -> Reply {
        api::Select select;
        add_visibility(select, call);
        add_filters(select, call);
        add_order(select, tx, call);
        select.limit = static_cast<std::int64_t>(std::max<std::size_t>(limit, 1));
        std::vector<Image> found = images_of(tx, tx.query(select.text(image_columns, "images"), select.parameters));
        found.resize(std::min(found.size(), limit));
        json::array images;
        for (const Image& image : found) images.push_back(shape(call, image));
        return json::object{{"images", std::move(images)}};
    });
}

bool is_owner(const Call& call, const Image& image) { return call.who.is_admin || (image.owner && *image.owner == call.who.project_id); }

Reply members(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const Image image = visible_image(call, tx, call.arg("image_id"));
        json::array all;
        for (const Row& row : tx.query("SELECT member FROM image_members WHERE image_id = ? ORDER BY created_at, member", {image.id}))
            if (is_owner(call, image) || row.at(0).text() == call.who.project_id)
                all.push_back(json::object{{"member_id", row.at(0).text()}, {"can_share", false}});
        return json::object{{"members", std::move(all)}};
    });
}

Image own_shareable(const Call& call, Tx& tx) {
    Image image = visible_image(call, tx, call.arg("image_id"));
    if (!is_owner(call, image)) throw Error(Errc::forbidden, "Not allowed to share image " + image.id + ".");
    if (image.visibility == "private") tx.exec("UPDATE images SET visibility = 'shared' WHERE id = ?", {image.id});
    return image;
}

void add_one(Tx& tx, const Image& image, const std::string& member) {
    if (member.empty() || utf8_length(member) > 255) throw Error(Errc::bad_request, "Member is empty or longer than 255 characters");
    const Micros now = now_micros();
    tx.exec("INSERT INTO image_members (image_id, member, status, created_at, updated_at) VALUES (?, ?, 'pending', ?, ?) ON CONFLICT DO NOTHING",
            {image.id, member, now, now});
    if (tx.scalar("SELECT COUNT(*) FROM image_members WHERE image_id = ?", {image.id}).integer() > 128)
        throw Error(Errc::too_large, "The limit has been exceeded on the number of allowed image members for this image.");
}

Reply add_member(Call& call) {
    call.store().write([&](Tx& tx) { add_one(tx, own_shareable(call, tx), call.arg("member")); });
    return {};
}

Reply replace_members(Call& call) {
    const json::object* body = call.raw.if_object();
    const json::value* memberships = body ? body->if_contains("memberships") : nullptr;
    if (!memberships || !memberships->is_array()) throw Error(Errc::bad_request, "Invalid request body: expected memberships");
    std::vector<std::string> wanted;
    for (const json::value& one : memberships->get_array()) {
        if (!one.is_object() || string_or(one.get_object(), "member_id").empty()) throw Error(Errc::bad_request, "A membership needs a member_id");
        wanted.push_back(string_or(one.get_object(), "member_id"));
    }
    call.store().write([&](Tx& tx) {
        const Image image = own_shareable(call, tx);
        tx.exec("DELETE FROM image_members WHERE image_id = ?", {image.id});
        for (const std::string& member : wanted) add_one(tx, image, member);
    });
    return {};
}

Reply remove_member(Call& call) {
    call.store().write([&](Tx& tx) {
        const Image image = own_shareable(call, tx);
        if (tx.exec("DELETE FROM image_members WHERE image_id = ? AND member = ?", {image.id, call.arg("member")}) == 0)
            throw Error(Errc::not_found, "Membership could not be found.");
    });
    return {};
}

Reply shared_images(Call& call) {
    const std::string& member = call.arg("member");
    return call.store().read([&](Tx& tx) -> Reply {
        json::array all;
        // Of others' sharing with others nothing is told.
        std::string condition = "m.member = ?";
        Values parameters{Value(member)};
        if (!call.who.is_admin && member != call.who.project_id) {
            condition += " AND t.owner = ?";
            parameters.emplace_back(call.who.project_id);
        }
        for (const Row& row : tx.query(
                 "SELECT m.image_id FROM image_members m JOIN images t ON t.id = m.image_id WHERE " + condition + " ORDER BY m.image_id", parameters))
            all.push_back(json::object{{"image_id", row.at(0).text()}, {"can_share", false}});
        return json::object{{"shared_images", std::move(all)}};
    });
}

constexpr char images_path[] = "/v1/images", image_path[] = "/v1/images/{image_id}", members_path[] = "/v1/images/{image_id}/members",
               member_path[] = "/v1/images/{image_id}/members/{member}";
constexpr Route on_member(std::string_view method, std::string_view policy, api::Handler handler) {
    return {
        .method = method, .path = member_path, .policy = policy, .check = rules::member, .handler = handler, .status = 204, .target = image_target};
}

constexpr Route table[] = {
    {.method = "GET", .path = images_path, .policy = "get_images", .check = rules::reader, .handler = list<brief>},
    {.method = "GET", .path = "/v1/images/detail", .policy = "get_images", .check = rules::reader, .handler = list<detail>},
    {.method = "POST",
     .path = images_path,
     .policy = "add_image",
     .check = rules::member,
     .handler = create,
     .status = 201,
     .stream = true,
     .body_limit = body_limit},
    {.method = "GET", .path = image_path, .policy = "get_image", .check = rules::get_image, .handler = show, .target = image_target},
    {.method = "PUT",
     .path = image_path,
     .policy = "modify_image",
     .check = rules::member,
     .handler = update,
     .stream = true,
     .body_limit = body_limit,
     .target = image_target},
    {.method = "DELETE", .path = image_path, .policy = "delete_image", .check = rules::member, .handler = remove, .target = image_target_for_delete},
    {.method = "GET",
     .path = members_path,
     .policy = "get_members",
     .check = rules::reader_or_image_member,
     .handler = members,
     .target = image_target},
    {.method = "PUT",
     .path = members_path,
     .policy = "modify_member_list",
     .check = rules::member,
     .handler = replace_members,
     .status = 204,
     .any_body = true,
     .target = image_target},
    on_member("PUT", "add_member", add_member),
    on_member("DELETE", "delete_member", remove_member),
    {.method = "GET", .path = "/v1/shared-images/{member}", .policy = "get_images", .check = rules::reader, .handler = shared_images},
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

const std::span<const Route> v1_routes = table;

}  // namespace pilvi::image
