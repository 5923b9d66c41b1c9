// POST /v2/images/{image_id}/import, and DELETE /v2/stores/{store}/{image}.
#include <algorithm>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "base/time.h"
#include "importer.h"
#include "journal.h"
#include "locations.h"
#include "quotas.h"
#include "resources/tasks.h"
#include "rules.h"

namespace pilvi::image {
namespace {
using api::Call;
using api::Reply;
using api::Route;

[[noreturn]] void refuse(Errc code, const std::string& why) { throw Error(code, why); }

bool boolean_member(const json::object& body, std::string_view name, bool fallback) {
    const json::value* value = body.if_contains(name);
    if (value && !value->is_bool()) refuse(Errc::bad_request, "'" + std::string(name) + "' must be boolean value only");
    return value ? value->get_bool() : fallback;
}

ImportJob read_request(const Call& call, const Importer& importer) {
    const json::object* body = call.raw.if_object();
    const json::value* method = body ? body->if_contains("method") : nullptr;
    if (!method) refuse(Errc::bad_request, "Import request requires a 'method' field.");
    const json::value* name = method->is_object() ? method->get_object().if_contains("name") : nullptr;
    if (!name) refuse(Errc::bad_request, "Import request requires a 'name' field.");
    ImportJob job{.method = name->is_string() ? str(name->get_string()) : to_text(*name)};
    const auto& methods = importer.options().methods;
    if (std::find(methods.begin(), methods.end(), job.method) == methods.end())
        refuse(Errc::bad_request, "Unknown import method name '" + job.method.substr(0, 100) + "'.");
    job.all_must_succeed = boolean_member(*body, "all_stores_must_succeed", true);
    boolean_member(*body, "all_stores", false);
    job.uri = string_or(method->get_object(), "uri");
    job.roles = call.who.roles;
    return job;
}

// The stores that the request names, all that take data, or the default one.
std::vector<std::string> asked_stores(const Call& call) {
    const json::object& body = call.raw.get_object();
    const Stores& stores = call.app<App>().stores;
    const std::string header(trim(call.request.headers.get("X-Image-Meta-Store")));
    const json::value* named = body.if_contains("stores");
    std::vector<std::string> out;
    if (boolean_member(body, "all_stores", false)) {
        if (named || !header.empty())
            refuse(Errc::bad_request, "All_stores parameter can't be used with x-image-meta-store header or stores parameter");
        for (const NamedStore& one : stores.all())
            if (one.store->writable()) out.push_back(one.name);
        return out;
    }
    if (named && !header.empty()) refuse(Errc::bad_request, "Stores parameter and x-image-meta-store header can't be both specified");
    if (named && !named->is_array()) refuse(Errc::bad_request, "'stores' must be a list of store names");
    if (named)
        for (const json::value& name : named->get_array()) out.push_back(name.is_string() ? str(name.get_string()) : to_text(name));
    else out.push_back(header.empty() ? stores.preferred().name : header);
    if (out.empty()) refuse(Errc::bad_request, "'stores' must name a store");
    for (const std::string& name : out) {
        const NamedStore* store = stores.find(name);
        if (!store || !store->store->writable() || std::count(out.begin(), out.end(), name) > 1)
            refuse(Errc::conflict, "Unknown scheme '" + name.substr(0, 100) + "' found in URI");
    }
    return out;
}

void check_state(const Image& image, const ImportJob& job) {
    const bool copy = job.method == "copy-image";
    if (image.status == "active" && !copy) refuse(Errc::conflict, "Image with status active cannot be target for import");
    if (image.status != "active" && copy) refuse(Errc::conflict, "Only images with status active can be targeted for copying");
    if (image.status != "queued" && (job.method == "web-download" || job.method == "glance-download"))
        refuse(Errc::conflict, "Image needs to be in 'queued' state to use '" + job.method + "' method");
    if ((image.status != "uploading" || !image.size) && job.method == "glance-direct")
        refuse(Errc::conflict, "Image needs to be staged before 'glance-direct' method can be used");
    if (!image.container_format) refuse(Errc::conflict, "'container_format' needs to be set before import");
    if (!image.disk_format) refuse(Errc::conflict, "'disk_format' needs to be set before import");
}

// glance-download: which image of which region; what the request leaves out is written into it, since the task shows it.
void read_remote(Call& call, ImportJob& job) {
    json::object& method = call.raw.as_object()["method"].as_object();
    for (const char* name : {"glance_region", "glance_image_id"})
        if (!method.contains(name)) refuse(Errc::bad_request, "'" + std::string(name) + "' needs to be set for glance-download import method");
    if (!method.contains("glance_service_interface")) method["glance_service_interface"] = "public";
    for (const char* name : {"glance_region", "glance_image_id", "glance_service_interface"})
        if (!method[name].is_string()) refuse(Errc::bad_request, "'" + std::string(name) + "' must be a string");
    job.remote.region = string_or(method, "glance_region");
    job.remote.id = string_or(method, "glance_image_id");
    job.remote.interface = string_or(method, "glance_service_interface");
    job.remote.token = Secret(call.who.token);
    if (!is_uuid_like(job.remote.id)) refuse(Errc::bad_request, "Remote image id does not look like a UUID: " + job.remote.id.substr(0, 100));
}

// copy-image: stores that have the data already are left out of all stores, and refused where they are named.
void leave_out_present(const Image& image, ImportJob& job, bool all) {
    for (const Location& location : image.locations) {
        const auto found = std::find(job.stores.begin(), job.stores.end(), location.store);
        if (found == job.stores.end()) continue;
        if (!all) refuse(Errc::bad_request, "Image is already present at store '" + location.store + "'");
        job.stores.erase(found);
    }
}

void enforce_quotas(const Call& call, const ImportJob& job, const Image& image) {
    const std::int64_t size = image.size.value_or(0) >> 20;
    enforce_quota(call, Quota::size_total, job.method == "glance-direct" ? size : 0);
    if (job.method == "glance-direct") return;
    enforce_quota(call, Quota::stage_total, size);
    enforce_quota(call, Quota::count_uploading, 0);
}

Reply import(Call& call) {
    Importer* importer = call.app<App>().importer;
    if (!importer) refuse(Errc::not_found, "Imports are not supported at this site.");
    ImportJob job = read_request(call, *importer);
    job.image_id = lower(call.arg("image_id"));
    const auto [seen, target] = call.store().read([&](Tx& tx) {
        Image image = visible_image(call, tx, job.image_id);
        json::object about = policy_target(call, tx, image);
        return std::pair(std::move(image), std::move(about));
    });
    check_state(seen, job);
    if (job.method == "glance-download") read_remote(call, job);
    call.enforce(job.method == "copy-image" ? "copy_image" : "modify_image", target);
    job.stores = asked_stores(call);
    if (job.method == "web-download") {
        try {
            importer->fetcher().check(job.uri);
        } catch (const Error& e) {
            refuse(Errc::bad_request, "URI for web-download does not pass filtering: " + job.uri.substr(0, 500) + " (" + e.message() + ")");
        }
    }
    enforce_quotas(call, job, seen);
    begin_import(call, std::move(job), call.raw, boolean_or(call.raw.get_object(), "all_stores"));
    return {};
}

Reply delete_from_store(Call& call) {
    const std::string& store = call.arg("store");
    const App& app = call.app<App>();
    if (!app.stores.find(store)) refuse(Errc::conflict, "The selected store " + store.substr(0, 100) + " is not available on this node.");
    const std::string& id = call.arg("image_id");
    Location removed;
    call.store().write([&](Tx& tx) {
        Image image = visible_image(call, tx, id, "Failed to find image {}");
        const json::object target = policy_target(call, tx, image);
        call.enforce("get_image_location", target);
        if (image.status != "active") refuse(Errc::conflict, "It's not allowed to remove image data from store if image status is not 'active'");
        const auto found = std::find_if(image.locations.begin(), image.locations.end(), [&](const Location& l) { return l.store == store; });
        if (image.locations.size() == 1)
            refuse(Errc::forbidden, "Cannot delete image data from the only store containing it. Consider deleting the image instead.");
        if (found == image.locations.end()) refuse(Errc::not_found, "Image " + image.id + " is not stored in store " + store + ".");
        removed = *found;
        image.locations.erase(found);
        replace_locations(tx, image.id, image.locations);
        tx.exec("UPDATE images SET updated_at = ? WHERE id = ?", {now_micros(), image.id});
        note_removals(tx, app, image.id, {removed});
    });
    remove_noted(call.store(), app, {removed});
    return {};
}

void store_image_target(Call& call, Tx& tx, json::object& target) {
    target = policy_target(call, tx, visible_image(call, tx, call.arg("image_id"), "Failed to find image {}"));
}

constexpr Route table[] = {
    {.method = "POST",
     .path = "/v2/images/{image_id}/import",
     .policy = "get_image",
     .check = rules::get_image,
     .handler = import,
     .status = 202,
     .any_body = true,
     .target = image_target},
    {.method = "DELETE",
     .path = "/v2/stores/{store}/{image_id}",
     .policy = "delete_image_location",
     .check = rules::admin,
     .handler = delete_from_store,
     .status = 204,
     .target = store_image_target},
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

void begin_import(Call& call, ImportJob job, const json::value& request, bool all) {
    const std::vector<std::string> asked = job.stores;
    call.store().write([&](Tx& tx) {
        job.stores = asked;
        const Image image = visible_image(call, tx, job.image_id);
        check_state(image, job);
        if (has_active_task(tx, image.id)) refuse(Errc::conflict, "Image has active task");
        if (job.method == "copy-image") leave_out_present(image, job, all);
        else refuse_signed(image);
        if (job.stores.empty()) return;
        json::array stores;
        for (const std::string& name : job.stores) stores.push_back(json::value(name));
        job.task_id = insert_task(call, tx, "api_image_import", image.id,
                                  json::object{{"image_id", image.id}, {"import_req", request}, {"backend", std::move(stores)}});
        change_store_list(tx, image.id, importing_key, job.stores, true);
        change_store_list(tx, image.id, failed_key, job.stores, false);
        if (job.method != "copy-image") move_status(tx, image.id, image.status, "importing");
    });
    if (!job.stores.empty()) call.app<App>().importer->submit(std::move(job));
}

const std::span<const Route> import_routes = table;

}  // namespace pilvi::image
