// /v2/cache, and its forerunners /v2/cached_images and /v2/queued_images.
#include "base/error.h"
#include "base/text.h"
#include "cache.h"
#include "model.h"
#include "rules.h"

namespace pilvi::image {
namespace {
using api::Call;
using api::Reply;
using api::Route;

Cache& cache_of(const Call& call) {
    Cache* cache = call.app<App>().cache;
    if (!cache) throw Error(Errc::not_found, "Caching via API is not supported at this site.");
    return *cache;
}

double seconds(const Row& row, std::string_view column) { return static_cast<double>(row.integer(column)) / 1e6; }

json::array cached_images(Tx& tx) {
    json::array out;
    for (const Row& row : tx.query("SELECT * FROM cached_images WHERE cached = 1 ORDER BY image_id"))
        out.push_back(json::object{{"image_id", row.text("image_id")},
                                   {"hits", row.integer("hits")},
                                   {"last_accessed", seconds(row, "accessed_at")},
                                   {"last_modified", seconds(row, "modified_at")},
                                   {"size", row.integer("size")},
                                   {"checksum", row["checksum"].is_null() ? json::value(nullptr) : json::value(row.text("checksum"))}});
    return out;
}

json::array queued_images(Tx& tx) {
    json::array out;
    for (const Row& row : tx.query("SELECT image_id FROM cached_images WHERE cached = 0 ORDER BY queued_at, image_id"))
        out.push_back(json::value(row.at(0).text()));
    return out;
}

Reply list(Call& call) {
    cache_of(call);
    return call.store().read([](Tx& tx) -> Reply {
        return json::object{{"cached_images", cached_images(tx)}, {"queued_images", queued_images(tx)}};
    });
}
Reply list_cached(Call& call) {
    cache_of(call);
    return call.store().read([](Tx& tx) -> Reply { return json::object{{"cached_images", cached_images(tx)}}; });
}
Reply list_queued(Call& call) {
    cache_of(call);
    return call.store().read([](Tx& tx) -> Reply { return json::object{{"queued_images", queued_images(tx)}}; });
}

Reply queue(Call& call) {
    Cache& cache = cache_of(call);
    const Image image = call.store().read([&](Tx& tx) { return visible_image(call, tx, call.arg("image_id"), "Image {} not found."); });
    if (image.status != "active") throw Error(Errc::bad_request, "Only images with status active can be targeted for queueing");
    cache.queue(image.id);
    return {};
}

Reply remove(Call& call) {
    const std::string& id = call.arg("image_id");
    if (!cache_of(call).remove(id) && !call.store().read([&](Tx& tx) { return find_image(tx, id); }))
        throw Error(Errc::not_found, "Image " + id.substr(0, 255) + " not found.");
    return {};
}

Reply clear(Call& call) {
    Cache& cache = cache_of(call);
    const std::string target = lower(trim(call.request.headers.get("X-Image-Cache-Clear-Target")));
    if (!target.empty() && target != "cache" && target != "queue")
        throw Error(Errc::bad_request, "If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.");
    if (target != "queue") cache.clear(true);
    if (target != "cache") cache.clear(false);
    return {};
}

template <bool cached>
Reply clear_part(Call& call) {
    return json::object{{"num_deleted", cache_of(call).clear(cached)}};
}

constexpr Route route(std::string_view method, std::string_view path, std::string_view policy, api::Handler handler, int status) {
    return {.method = method, .path = path, .policy = policy, .check = rules::admin, .handler = handler, .status = status};
}
constexpr Route table[] = {
    route("GET", "/v2/cache", "cache_list", list, 200),
    route("DELETE", "/v2/cache", "cache_delete", clear, 204),
    route("PUT", "/v2/cache/{image_id}", "cache_image", queue, 202),
    route("DELETE", "/v2/cache/{image_id}", "cache_delete", remove, 204),
    route("GET", "/v2/cached_images", "manage_image_cache", list_cached, 200),
    route("DELETE", "/v2/cached_images", "manage_image_cache", clear_part<true>, 200),
    route("DELETE", "/v2/cached_images/{image_id}", "manage_image_cache", remove, 200),
    route("GET", "/v2/queued_images", "manage_image_cache", list_queued, 200),
    route("DELETE", "/v2/queued_images", "manage_image_cache", clear_part<false>, 200),
    route("PUT", "/v2/queued_images/{image_id}", "manage_image_cache", queue, 200),
    route("DELETE", "/v2/queued_images/{image_id}", "manage_image_cache", remove, 200),
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

const std::span<const Route> cache_routes = table;

}  // namespace pilvi::image
