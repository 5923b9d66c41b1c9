#include "recover.h"

#include <algorithm>

#include "base/error.h"
#include "base/time.h"
#include "importer.h"
#include "journal.h"
#include "model.h"
#include "resources/tasks.h"
#include "worker.h"
#include "log/log.h"

namespace pilvi::image {
namespace {
constexpr Micros removal_pause = 60'000'000;  // between two tries

// Data that was uploaded before locations were kept is where the default store puts it.
void complete_locations(Store& store, const Stores& stores) {
    constexpr std::string_view without =
        "SELECT id FROM images t WHERE (status = 'active' OR status = 'deactivated') AND NOT EXISTS (SELECT 1 FROM image_locations l WHERE "
        "l.image_id = "
        "t.id)";
    if (!store.read([&](Tx& tx) { return tx.one(without).has_value(); })) return;
    const NamedStore& home = stores.preferred();
    store.write([&](Tx& tx) {
        for (const Row& row : tx.query(without))
            insert_location(tx, row.at(0).text(), {.url = home.store->location_of(row.at(0).text()), .store = home.name});
    });
}

bool among(const std::vector<std::string>& gone, const std::string& worker) { return std::find(gone.begin(), gone.end(), worker) != gone.end(); }

// Uploads of the dead, and those that this daemon has given up without being able to clear them away. False where something stays.
bool end_uploads(Store& store, const App& app, const std::vector<std::string>& gone, std::int64_t& ended) {
    bool all = true;
    for (const Row& row : store.read([](Tx& tx) { return tx.query("SELECT store, image_id, token, worker, holds FROM uploads"); })) {
        const bool own = row.text("worker") == app.worker->id();
        if (own ? app.worker->has(row.text("token")) : !among(gone, row.text("worker"))) continue;
        try {
            ended += end_upload(store, app, row);
        } catch (const Error& e) {
            all = all && own;
            log::warning("an upload that was cut off is not yet cleared away: " + e.message() + "; that is tried again",
                         {{"IMAGE_ID", row.text("image_id")}});
        }
    }
    return all;
}

// The image waits for another import; what it has of this one goes, and is appended to `removed`.
void end_import(Tx& tx, const App& app, const Row& task, std::vector<Location>& removed) {
    const std::string image_id = task.text("image_id");
    end_task(tx, task.text("id"), "The image service ended in the middle of the task. The image can be imported again.");
    tx.exec("UPDATE image_properties SET value = '' WHERE image_id = ? AND name = ?", {image_id, importing_key});
    const auto image = find_image(tx, image_id);
    if (image && image->status == "uploading") return;
    std::vector<Location> left{staged_location(app, image_id)};
    if (image && image->status == "importing") {
        left.insert(left.end(), image->locations.begin(), image->locations.end());
        replace_locations(tx, image_id, {});
        requeue(tx, image_id, "importing");
    }
    note_removals(tx, app, image_id, left);
    removed.insert(removed.end(), left.begin(), left.end());
}

// Imports of the dead. A task without a worker is from before tasks had one.
std::int64_t end_imports(Store& store, const App& app, const std::vector<std::string>& gone) {
    constexpr std::string_view unfinished = "SELECT id, image_id, worker FROM tasks WHERE status = 'pending' OR status = 'processing'";
    const auto lost = [&](Tx& tx) {
        std::vector<Row> rows = tx.query(unfinished);
        std::erase_if(rows, [&](const Row& row) { return !row["worker"].is_null() && !among(gone, row.text("worker")); });
        return rows;
    };
    const std::vector<Row> seen = store.read(lost);
    if (seen.empty()) return 0;
    if (app.staging)
        for (const Row& row : seen) app.staging->abandon(row.text("image_id"), "", true);  // what programs were making of the staged data
    std::vector<Location> removed;
    const std::int64_t ended = store.write([&](Tx& tx) {
        removed.clear();
        const std::vector<Row> rows = lost(tx);
        for (const Row& row : rows) end_import(tx, app, row, removed);
        return static_cast<std::int64_t>(rows.size());
    });
    remove_noted(store, app, removed);
    return ended;
}

// Images that nothing is at, from before uploads were noted.
std::int64_t requeue_forgotten(Store& store) {
    constexpr std::string_view forgotten =
        "SELECT id, status FROM images t WHERE ((status = 'saving' OR (status = 'uploading' AND size IS NULL)) AND NOT EXISTS (SELECT 1 FROM uploads "
        "u "
        "WHERE u.image_id = t.id)) OR (status = 'importing' AND NOT EXISTS (SELECT 1 FROM tasks k WHERE k.image_id = t.id AND (k.status = 'pending' "
        "OR "
        "k.status = 'processing')))";
    if (!store.read([&](Tx& tx) { return tx.one(forgotten).has_value(); })) return 0;
    return store.write([&](Tx& tx) {
        const auto rows = tx.query(forgotten);
        for (const Row& row : rows) {
            replace_locations(tx, row.text("id"), {});
            requeue(tx, row.text("id"), row.text("status"));
        }
        return static_cast<std::int64_t>(rows.size());
    });
}

// Removals of the dead, and those that did not come through; each is one daemon's at a time.
std::size_t end_removals(Store& store, const App& app, const std::vector<std::string>& gone) {
    std::vector<Row> rows = store.read([](Tx& tx) { return tx.query("SELECT store, url, worker, since FROM removals"); });
    const Micros now = now_micros();
    std::erase_if(rows, [&](const Row& row) { return row.integer("since") > now - removal_pause && !among(gone, row.text("worker")); });
    if (rows.empty()) return 0;
    std::vector<Location> due;
    store.write([&](Tx& tx) {
        due.clear();
        for (const Row& row : rows)
            if (tx.exec("UPDATE removals SET worker = ?, since = ? WHERE store = ? AND url = ? AND worker = ? AND since = ?",
                        {app.worker->id(), now, row["store"], row["url"], row["worker"], row["since"]}) == 1)
                due.push_back({.url = row.text("url"), .store = row.text("store")});
    });
    remove_noted(store, app, due);
    return due.size();
}
}  // namespace

void recover(Store& store, const App& app) {
    const std::vector<std::string> gone = app.worker->gone();
    complete_locations(store, app.stores);
    std::int64_t uploads = 0;
    const bool all = end_uploads(store, app, gone, uploads);
    const std::int64_t tasks = end_imports(store, app, gone), images = requeue_forgotten(store);
    const std::size_t removals = end_removals(store, app, gone);
    if (all)
        for (const std::string& worker : gone) app.worker->forget(worker);
    if (uploads > 0 || tasks > 0 || images > 0 || removals > 0)
        log::notice("of daemons that ended in the middle: " + std::to_string(uploads) + " uploads and " + std::to_string(tasks) +
                    " imports are given up, " + std::to_string(images) + " more images are queued again, " + std::to_string(removals) +
                    " removals are tried again");
}

Keeper::Keeper(Store& store, const App& app) : store_(store), app_(app), thread_([this] { run(); }) {}

Keeper::~Keeper() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Keeper::run() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, app_.worker->lease() / 4, [this] { return ending_; })) {
        lock.unlock();
        try {
            app_.worker->beat();
            recover(store_, app_);
        } catch (const std::exception& e) {
            log::warning("what daemons that died have left is not cleared away now: " + std::string(e.what()) + "; that is tried again");
        }
        lock.lock();
    }
}

}  // namespace pilvi::image
