// /v2/images/{id}/file: upload and download; deactivate and reactivate, which rule over downloads.
#include <sys/stat.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "cache.h"
#include "image.h"
#include "ingest.h"
#include "journal.h"
#include "locations.h"
#include "quotas.h"
#include "resources/data.h"
#include "rules.h"
#include "log/log.h"

namespace pilvi::image {
namespace {
using api::Call;
using api::Reply;
using api::Route;

constexpr std::uint64_t body_limit = std::uint64_t{1} << 44;  // App::size_cap is the real one

[[noreturn]] void bad_transition(const std::string& from, const std::string& to) {
    throw Error(Errc::conflict, "Image status transition from " + from + " to " + to + " is not allowed");
}

// queued -> saving: from here on the image is this request's.
Image begin_saving(Call& call, const std::string& id, Intake& intake) {
    return call.store().write([&](Tx& tx) {
        const Image image = visible_image(call, tx, id);
        std::vector<std::string> missing;
        if (!image.disk_format) missing.emplace_back("disk_format");
        if (!image.container_format) missing.emplace_back("container_format");
        if (image.status != "queued") bad_transition(image.status, "saving");
        if (!missing.empty())
            throw Error(Errc::bad_request,
                        (missing.size() == 1 ? "Property " : "Properties ") + join(missing, ", ") + " must be set prior to saving data.");
        refuse_signed(image);
        if (!move_status(tx, id, "queued", "saving")) bad_transition(image.status, "saving");
        intake.announce(tx);
        return image;
    });
}

void finish_saving(Call& call, const std::string& id, const Ingested& data, const Finding& finding, Intake& intake) {
    const Location location = intake.commit();
    const bool active = call.store().write([&](Tx& tx) {
        std::optional<std::int64_t> virtual_size;
        if (finding.virtual_size && *finding.virtual_size <= std::uint64_t{1} << 62) virtual_size = static_cast<std::int64_t>(*finding.virtual_size);
        const bool done =
            tx.exec(
                "UPDATE images SET status = 'active', size = ?, virtual_size = ?, checksum = ?, os_hash_algo = 'sha512', os_hash_value = ?, "
                "updated_at = ? "
                "WHERE id = ? AND status = 'saving'",
                {static_cast<std::int64_t>(data.size), virtual_size, data.md5, data.sha512, now_micros(), id}) == 1;
        if (done) insert_location(tx, id, location);
        return done && intake.settle(tx);
    });
    if (active) return;
    throw Error(
        Errc::gone,
        "Image " + id + " could not be found after upload. The image may have been deleted during the upload, cleaning up the chunks uploaded.");
}

const NamedStore& asked_store(const Call& call) {
    const Stores& stores = call.app<App>().stores;
    const std::string name(trim(call.request.headers.get("X-Image-Meta-Store")));
    if (name.empty()) return stores.preferred();
    const NamedStore* found = stores.find(name);
    if (!found) throw Error(Errc::bad_request, "Store '" + name.substr(0, 100) + "' is not among the enabled stores");
    return *found;
}

// The size that the caller announces, in MiB; 0 where it does not.
std::int64_t announced_size(const Call& call) { return parse_integer(call.request.headers.get("Content-Length")).value_or(0) >> 20; }

void expect_bytes(const Call& call) {
    std::string_view type = call.request.headers.get("Content-Type");
    type = trim(type.substr(0, type.find(';')));
    if (!equals_ignoring_case(type, "application/octet-stream"))
        throw Error(Errc::unsupported_media, "Invalid content type " + std::string(type.empty() ? "None" : type.substr(0, 100)));
}

void receive(Call& call, const Image& image, Intake& intake) {
    const App& app = call.app<App>();
    const Ingested data = ingest(*call.request.stream, intake.upload(), app.size_cap);
    const Finding finding = app.inspect(intake.upload());
    if (const std::string why = refusal(finding, *image.disk_format, *image.container_format, app.need_signature); !why.empty())
        throw Error(Errc::unsupported_media, why);
    finish_saving(call, image.id, data, finding, intake);
}

Reply upload(Call& call) {
    expect_bytes(call);
    upload_body(call, call.arg("image_id"));
    return {};
}

// Data into the staging area, for POST .../import with the method glance-direct.
Reply stage(Call& call) {
    expect_bytes(call);
    const App& app = call.app<App>();
    if (!app.staging) throw Error(Errc::not_found, "Imports are not supported at this site.");
    enforce_quota(call, Quota::stage_total, announced_size(call));
    const std::string& id = call.arg("image_id");
    Intake intake(call.store(), app, std::string(staging_area), id, "uploading");
    call.store().write([&](Tx& tx) {
        const Image image = visible_image(call, tx, id);
        if (image.status != "queued" || !move_status(tx, id, "queued", "uploading")) bad_transition(image.status, "uploading");
        intake.announce(tx);
    });
    enforce_quota(call, Quota::count_uploading, 0);
    const Ingested data = ingest(*call.request.stream, intake.upload(), app.size_cap);
    intake.commit();
    const bool there = call.store().write([&](Tx& tx) {
        return tx.exec("UPDATE images SET size = ?, updated_at = ? WHERE id = ? AND status = 'uploading'",
                       {static_cast<std::int64_t>(data.size), now_micros(), id}) == 1 &&
               intake.settle(tx);
    });
    if (!there) throw Error(Errc::gone, "Image " + id + " could not be found after staging. It may have been deleted meanwhile.");
    return {};
}

struct Range {
    std::uint64_t first = 0, count = 0;
};

[[noreturn]] void bad_range(const Image& image, std::string_view text) {
    throw Error(Errc::range_not_satisfiable,
                "Invalid Range '" + std::string(text.substr(0, 100)) + "' for image of " + std::to_string(image.size.value_or(0)) + " bytes");
}

// "bytes FIRST-LAST/SIZE", which the Image API has always taken in requests too.
std::optional<Range> content_range(const Call& call, const Image& image, std::uint64_t size) {
    const std::string_view text = trim(call.request.headers.get("Content-Range"));
    if (text.empty()) return std::nullopt;
    const std::size_t dash = text.find('-'), slash = text.find('/');
    if (!text.starts_with("bytes ") || dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) bad_range(image, text);
    const auto first = parse_integer(text.substr(6, dash - 6)), last = parse_integer(text.substr(dash + 1, slash - dash - 1));
    if (!first || !last || *first < 0 || *last < *first || static_cast<std::uint64_t>(*first) >= size) bad_range(image, text);
    const std::string_view whole = text.substr(slash + 1);
    if (whole == "*" ? static_cast<std::uint64_t>(*last) >= size : !parse_integer(whole)) bad_range(image, text);
    const auto begin = static_cast<std::uint64_t>(*first);
    return Range{begin, std::min(static_cast<std::uint64_t>(*last) + 1, size) - begin};
}

// One range of RFC 9110 §14; nullopt: the whole. Several ranges are refused, as the original does.
std::optional<Range> asked_range(const Call& call, const Image& image, std::uint64_t size) {
    const std::string_view text = trim(call.request.headers.get("Range"));
    if (text.empty()) return content_range(call, image, size);
    if (text.find(',') != std::string_view::npos)
        throw Error(Errc::bad_request, "Requests with multiple ranges are not supported. You may make multiple single-range requests instead.");
    const std::size_t dash = text.find('-');
    if (!text.starts_with("bytes=") || dash == std::string_view::npos) bad_range(image, text);
    const std::string_view from = trim(text.substr(6, dash - 6)), to = trim(text.substr(dash + 1));
    const auto first = parse_integer(from), last = parse_integer(to);
    if ((!from.empty() && (!first || *first < 0)) || (!to.empty() && (!last || *last < 0)) || (from.empty() && to.empty())) bad_range(image, text);
    if (from.empty()) {
        const std::uint64_t count = std::min<std::uint64_t>(static_cast<std::uint64_t>(*last), size);
        if (count == 0) bad_range(image, text);
        return Range{size - count, count};
    }
    const auto begin = static_cast<std::uint64_t>(*first);
    const std::uint64_t end = to.empty() ? size : std::min<std::uint64_t>(static_cast<std::uint64_t>(*last) + 1, size);
    if (begin >= size || end <= begin) bad_range(image, text);
    return Range{begin, end - begin};
}

Reply download(Call& call) {
    const std::string& id = call.arg("image_id");
    const Image image = call.store().read([&](Tx& tx) { return visible_image(call, tx, id); });
    if (image.status == "deactivated" && !call.who.is_admin)
        throw Error(Errc::forbidden, "The requested image has been deactivated. Image data download is forbidden.");
    return data_reply(call, image);
}

template <const char* from, const char* to, const char* verb>
Reply move(Call& call) {
    const std::string& id = call.arg("image_id");
    call.store().write([&](Tx& tx) {
        const Image image = visible_image(call, tx, id);
        if (image.status != from && image.status != to)
            throw Error(Errc::forbidden, "Not allowed to " + std::string(verb) + " image in status '" + image.status + "'");
        move_status(tx, id, from, to);
    });
    return {};
}
constexpr char active[] = "active", deactivated[] = "deactivated", deactivate[] = "deactivate", reactivate[] = "reactivate";

constexpr Route data_table[] = {
    {.method = "PUT",
     .path = "/v2/images/{image_id}/file",
     .policy = "upload_image",
     .check = rules::member,
     .handler = upload,
     .status = 204,
     .stream = true,
     .body_limit = body_limit,
     .target = image_target},
    {.method = "PUT",
     .path = "/v2/images/{image_id}/stage",
     .policy = "modify_image",
     .check = rules::member,
     .handler = stage,
     .status = 204,
     .stream = true,
     .body_limit = body_limit,
     .target = image_target},
    {.method = "GET",
     .path = "/v2/images/{image_id}/file",
     .policy = "download_image",
     .check = rules::download_image,
     .handler = download,
     .target = image_target},
};
static_assert(api::sound(std::span<const Route>(data_table)));

constexpr Route action_table[] = {
    {.method = "POST",
     .path = "/v2/images/{image_id}/actions/deactivate",
     .policy = "deactivate",
     .check = rules::member,
     .handler = move<active, deactivated, deactivate>,
     .status = 204,
     .target = image_target},
    {.method = "POST",
     .path = "/v2/images/{image_id}/actions/reactivate",
     .policy = "reactivate",
     .check = rules::member,
     .handler = move<deactivated, active, reactivate>,
     .status = 204,
     .target = image_target},
};
static_assert(api::sound(std::span<const Route>(action_table)));
}  // namespace

void upload_body(Call& call, const std::string& id) {
    Intake intake(call.store(), call.app<App>(), asked_store(call).name, id, "saving");
    enforce_quota(call, Quota::size_total, announced_size(call));
    const Image image = begin_saving(call, id, intake);
    enforce_quota(call, Quota::count_uploading, 0);
    receive(call, image, intake);
}

Reply data_reply(Call& call, const Image& image) {
    std::optional<Opened> data;
    if (image.status == "active" || image.status == "deactivated") {
        if (Cache* cache = call.app<App>().cache) data = cache->open(image.id);
        if (!data) data = open_data(call.app<App>(), image);
    }
    if (!data) return Reply::with_status(204);
    const std::uint64_t size = data->size;
    const std::optional<Range> range = asked_range(call, image, size);
    Reply reply;
    reply.file = std::make_shared<http::FileBody>();
    reply.file->fd = std::move(data->fd);
    reply.file->read = std::move(data->read);
    reply.file->length = range ? range->count : size;
    if (range) {
        reply.status = 206;
        reply.file->offset = range->first;
        reply.headers.set("Content-Range", "bytes " + std::to_string(range->first) + "-" + std::to_string(range->first + range->count - 1) + "/" +
                                               std::to_string(size));
    }
    reply.headers.set("Content-Type", "application/octet-stream");
    if (image.checksum) reply.headers.set("Content-MD5", *image.checksum);
    return reply;
}

const std::span<const Route> data_routes = data_table;
const std::span<const Route> action_routes = action_table;

}  // namespace pilvi::image
