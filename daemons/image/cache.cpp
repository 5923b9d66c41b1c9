#include "cache.h"

#include <filesystem>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "locations.h"
#include "log/log.h"

namespace pilvi::image {
namespace {
constexpr std::size_t piece = 1u << 20;
}

Cache::Cache(Store& store, const App& app, const std::string& directory, std::uint64_t most)
    : store_(store),
      app_(app),
      copies_((std::filesystem::remove_all(directory + "/incoming"), make_file_store(directory, {.sync = false}))),
      most_(most) {
    std::set<std::string> known;
    store_.read([&](Tx& tx) {
        for (const Row& row : tx.query("SELECT image_id FROM cached_images WHERE cached = 1")) known.insert(copies_->location_of(row.at(0).text()));
    });
    for (const std::string& location : copies_->locations())
        if (!known.contains(location)) copies_->remove(location);
    thread_ = std::thread([this] { work(); });
}

Cache::~Cache() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

std::optional<Opened> Cache::open(const std::string& image_id) {
    const auto cached =
        store_.read([&](Tx& tx) { return tx.one("SELECT 1 FROM cached_images WHERE image_id = ? AND cached = 1", {image_id}).has_value(); });
    if (!cached) return std::nullopt;
    auto data = copies_->open(copies_->location_of(image_id));
    if (data)
        store_.write([&](Tx& tx) {
            tx.exec("UPDATE cached_images SET hits = hits + 1, accessed_at = ? WHERE image_id = ?", {now_micros(), image_id});
        });
    return data;
}

void Cache::queue(const std::string& image_id) {
    store_.write([&](Tx& tx) {
        const Micros now = now_micros();
        tx.exec(
            "INSERT INTO cached_images (image_id, cached, size, hits, queued_at, modified_at, accessed_at) VALUES (?, 0, 0, 0, ?, ?, 0) ON CONFLICT "
            "DO NOTHING",
            {image_id, now, now});
    });
    {
        const std::lock_guard lock(mutex_);
        asked_ = true;
    }
    changed_.notify_all();
}

void Cache::drop_copy(const std::string& image_id) {
    try {
        copies_->remove(copies_->location_of(image_id));
    } catch (const Error& e) {
        log::warning(e.message() + "; the copy goes at the next start", {{"IMAGE_ID", image_id}});
    }
}

bool Cache::remove(const std::string& image_id) {
    const bool there = store_.write([&](Tx& tx) { return tx.exec("DELETE FROM cached_images WHERE image_id = ?", {image_id}) == 1; });
    if (there) drop_copy(image_id);
    return there;
}

std::int64_t Cache::clear(bool cached) {
    std::vector<std::string> ids;
    store_.write([&](Tx& tx) {
        ids.clear();
        for (const Row& row : tx.query("SELECT image_id FROM cached_images WHERE cached = ?", {cached})) ids.push_back(row.at(0).text());
        tx.exec("DELETE FROM cached_images WHERE cached = ?", {cached});
    });
    if (cached)
        for (const std::string& id : ids) drop_copy(id);
    return static_cast<std::int64_t>(ids.size());
}

void Cache::wait_idle() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !asked_ && !busy_; });
}

void Cache::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ending_ || asked_; });
        if (ending_) return;
        asked_ = false;
        busy_ = true;
        lock.unlock();
        while (const auto next =
                   store_.read([](Tx& tx) { return tx.one("SELECT image_id FROM cached_images WHERE cached = 0 ORDER BY queued_at, image_id"); })) {
            const std::string id = next->at(0).text();
            try {
                copy(id);
            } catch (const Error& e) {
                log::warning("image is not cached: " + e.message() + "; it leaves the queue", {{"IMAGE_ID", id}});
                remove(id);
            }
        }
        lock.lock();
        busy_ = false;
        changed_.notify_all();
    }
}

void Cache::make_room(std::uint64_t wanted) {
    if (wanted > most_) throw Error(Errc::too_large, "the image is larger than the whole cache");
    const auto rows =
        store_.read([](Tx& tx) { return tx.query("SELECT image_id, size FROM cached_images WHERE cached = 1 ORDER BY accessed_at, image_id"); });
    std::uint64_t used = 0;
    for (const Row& row : rows) used += static_cast<std::uint64_t>(row.at(1).integer());
    for (const Row& row : rows) {
        if (used + wanted <= most_) return;
        used -= static_cast<std::uint64_t>(row.at(1).integer());
        remove(row.at(0).text());
    }
}

void Cache::copy(const std::string& image_id) {
    const auto image = store_.read([&](Tx& tx) { return find_image(tx, image_id); });
    const auto data = image ? open_data(app_, *image) : std::nullopt;
    if (!data) throw Error(Errc::not_found, "it has no data");
    make_room(data->size);
    const auto upload = copies_->begin(image_id, new_hex_id());
    const OpenedSource source(*data);
    for (std::uint64_t at = 0; at < data->size;) {
        const std::string bytes = source.read(at, piece);
        upload->append(bytes.data(), bytes.size());
        at += bytes.size();
    }
    upload->commit();
    const bool wanted = store_.write([&](Tx& tx) {
        return tx.exec(
                   "UPDATE cached_images SET cached = 1, size = ?, checksum = ?, modified_at = ?, accessed_at = ? WHERE image_id = ? AND cached = 0",
                   {static_cast<std::int64_t>(data->size), image->checksum, now_micros(), now_micros(), image_id}) == 1;
    });
    if (!wanted) drop_copy(image_id);
}

}  // namespace pilvi::image
