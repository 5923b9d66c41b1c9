// /v2/images: create, show, update by JSON patch, delete. Lists are in list.cpp, data in data.cpp.
#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "base/time.h"
#include "domain/patch.h"
#include "domain/properties.h"
#include "cache.h"
#include "image.h"
#include "importer.h"
#include "journal.h"
#include "locations.h"
#include "model.h"
#include "protection.h"
#include "quotas.h"
#include "resources/data.h"
#include "rules.h"

namespace pilvi::image {
namespace {
using api::Call;
using api::Reply;
using api::Route;

Image image_from(const json::object& body) {
    Image image;
    for (const auto& member : body) {
        const std::string name(member.key());
        const Property* p = find_property(name);
        if (p) validate(name, member.value());
        if (p && p->read_only) throw Error(Errc::forbidden, "Attribute '" + name + "' is read-only.");
        if (name == "locations") throw Error(Errc::forbidden, "Attribute 'locations' is reserved.");
        refuse_reserved(name);
        if (!p) validate(name, member.value());
        if (name == "id") image.id = lower(str(member.value().get_string()));
        else assign(image, name, member.value());
    }
    return image;
}

Reply create(Call& call) {
    if (!call.raw.is_object()) throw Error(Errc::bad_request, "Request body must be a JSON object.");
    const json::object& body = call.raw.get_object();
    Image image = image_from(body);
    if (!body.contains("owner") && !call.who.project_id.empty()) image.owner = call.who.project_id;
    create_image(call, image);
    Reply reply(view(call, image));
    reply.headers.set("Location", call.base_url() + "/v2/images/" + image.id);
    const App& app = call.app<App>();
    if (app.importer && !app.importer->options().methods.empty())
        reply.headers.set("OpenStack-image-import-methods", join(app.importer->options().methods, ","));
    std::vector<std::string> names;
    for (const NamedStore& store : app.stores.all()) names.push_back(store.name);
    reply.headers.set("OpenStack-image-store-ids", join(names, ","));
    return reply;
}

Reply show(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply { return view(call, visible_image(call, tx, call.arg("image_id"))); });
}

bool is_attribute(const std::string& name) { return find_property(name) != nullptr; }

void apply(const Call& call, Image& image, const Change& change, const json::object& target) {
    const std::string& name = change.name;
    const auto shown = [&](const std::string& property) { return image.properties.contains(property) && may(call, property, PropertyRight::read); };
    if (change.op == Change::Op::remove) {
        if (is_attribute(name)) throw Error(Errc::forbidden, "Property " + name + " may not be removed.");
        if (!shown(name)) throw Error(Errc::conflict, "Property " + name + " does not exist.");
        enforce_property(call, name, PropertyRight::remove);
        image.properties.erase(name);
        return;
    }
    if (change.op == Change::Op::replace && !is_attribute(name) && !shown(name)) throw Error(Errc::conflict, "Property " + name + " does not exist.");
    if (change.op == Change::Op::add && change.old_dialect && (is_attribute(name) || shown(name)))
        throw Error(Errc::conflict, "Property " + name + " already present.");
    if (name == "owner" && !call.who.is_admin) throw Error(Errc::forbidden, "Owner can't be updated by non admin.");
    if (name == "visibility") enforce_visibility(call, str(change.value.get_string()), target);
    if ((name == "disk_format" || name == "container_format") && image.status != "queued" && image.status != "importing")
        throw Error(Errc::forbidden, "Attribute " + name + " can be only replaced for a queued image.");
    if (!is_attribute(name)) enforce_set(call, image.properties, name);
    assign(image, name, change.value);
}

// Locations, and what came with them: status, size and hashes.
void save_locations(Tx& tx, const Image& image, const std::map<std::string, std::int64_t>& sizes) {
    replace_locations(tx, image.id, image.locations);
    std::optional<std::int64_t> size = image.size;
    if (const auto known = image.locations.empty() ? sizes.end() : sizes.find(image.locations.front().url); !size && known != sizes.end())
        size = known->second;
    tx.exec("UPDATE images SET status = ?, size = ?, checksum = ?, os_hash_algo = ?, os_hash_value = ? WHERE id = ?",
            {image.status, size, image.checksum, image.os_hash_algo, image.os_hash_value, image.id});
}

bool patch_dialect_is_old(Call& call) {
    std::string_view type = call.request.headers.get("Content-Type");
    type = trim(type.substr(0, type.find(';')));
    if (equals_ignoring_case(type, "application/openstack-images-v2.1-json-patch")) return false;
    if (equals_ignoring_case(type, "application/openstack-images-v2.0-json-patch")) return true;
    throw Error(Errc::unsupported_media, "The request media type " + std::string(type.substr(0, 100)) + " is not supported by this server.");
}

Reply update(Call& call) {
    const std::vector<Change> changes = parse_patch(call.raw, patch_dialect_is_old(call));
    const auto sizes = sizes_of_new_locations(call.app<App>(), changes);
    std::vector<Location> removed;
    Reply reply = call.store().write([&](Tx& tx) -> Reply {
        removed.clear();
        Image image = visible_image(call, tx, call.arg("image_id"));
        const json::object target = policy_target(call, tx, image);
        bool located = false;
        for (const Change& change : changes) {
            if (change.name == "locations") change_locations(call, image, change, removed);
            else apply(call, image, change, target);
            located = located || change.name == "locations";
        }
        check_limits(image);
        if (!changes.empty()) save_image(tx, image);
        if (located) save_locations(tx, image, sizes);
        note_removals(tx, call.app<App>(), image.id, removed);
        return view(call, *find_image(tx, image.id));
    });
    remove_noted(call.store(), call.app<App>(), removed);
    return reply;
}

Reply remove(Call& call) {
    remove_image(call, call.arg("image_id"));
    return {};
}

constexpr Route table[] = {
    {.method = "POST", .path = "/v2/images", .policy = "add_image", .check = rules::member, .handler = create, .status = 201, .any_body = true},
    {.method = "GET", .path = "/v2/images/{image_id}", .policy = "get_image", .check = rules::get_image, .handler = show, .target = image_target},
    {.method = "PATCH",
     .path = "/v2/images/{image_id}",
     .policy = "modify_image",
     .check = rules::member,
     .handler = update,
     .any_body = true,
     .target = image_target},
    {.method = "DELETE",
     .path = "/v2/images/{image_id}",
     .policy = "delete_image",
     .check = rules::member,
     .handler = remove,
     .status = 204,
     .target = image_target_for_delete},
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

namespace {
constexpr std::size_t most_properties = 128, most_tags = 128;
}

void check_limits(const Image& image) {
    if (image.properties.size() > most_properties)
        throw Error(Errc::too_large, "The limit has been exceeded on the number of allowed image properties. Attempted: " +
                                         std::to_string(image.properties.size()) + ", Maximum: " + std::to_string(most_properties));
    if (image.tags.size() > most_tags)
        throw Error(Errc::too_large, "The limit has been exceeded on the number of allowed image tags. Attempted: " +
                                         std::to_string(image.tags.size()) + ", Maximum: " + std::to_string(most_tags));
}

void enforce_visibility(const Call& call, const std::string& visibility, const json::object& target) {
    if (visibility == "public") call.enforce("publicize_image", target);
    if (visibility == "community") call.enforce("communitize_image", target);
}

void create_image(Call& call, Image& image) {
    check_limits(image);
    const json::object target{{"project_id", image.owner.value_or("")}, {"owner", image.owner.value_or("")}, {"visibility", image.visibility}};
    if (!call.allowed("add_image", target))
        throw Error(Errc::forbidden, "You are not permitted to create images owned by '" + image.owner.value_or("None") + "'.");
    enforce_visibility(call, image.visibility, target);
    for (const auto& [name, value] : image.properties) enforce_property(call, name, PropertyRight::create);
    if (image.id.empty()) image.id = new_uuid();
    image.created_at = image.updated_at = now_micros();
    enforce_quota(call, Quota::count_total, 1);
    call.store().write([&](Tx& tx) {
        // The id of a deleted image is never given to another one: whoever cached its data would take it for the new image's.
        if (tx.one("SELECT 1 FROM deleted_images WHERE id = ?", {image.id}) || tx.one("SELECT 1 FROM images WHERE id = ?", {image.id}))
            throw Error(Errc::conflict, "Image ID " + image.id + " already exists!");
        insert_image(tx, image);
    });
}

void remove_image(Call& call, const std::string& id) {
    const App& app = call.app<App>();
    std::vector<Location> locations;
    call.store().write([&](Tx& tx) {
        Image image = visible_image(call, tx, id, "Failed to find image {} to delete");
        if (image.is_protected) throw Error(Errc::forbidden, "Image " + image.id + " is protected and cannot be deleted.");
        for (const char* owned : {"image_properties", "image_tags", "image_members", "image_locations"})
            tx.exec("DELETE FROM " + std::string(owned) + " WHERE image_id = ?", {image.id});
        tx.exec("DELETE FROM images WHERE id = ?", {image.id});
        tx.insert("deleted_images", {{"id", image.id}, {"deleted_at", now_micros()}});
        locations = std::move(image.locations);
        if (image.status == "uploading" || image.status == "importing") locations.push_back(staged_location(app, image.id));
        note_removals(tx, app, image.id, locations);
    });
    remove_noted(call.store(), app, locations);
    if (app.cache) app.cache->remove(id);
}

const std::span<const Route> image_routes = table;

}  // namespace pilvi::image
