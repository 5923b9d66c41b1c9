#include "journal.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "worker.h"
#include "log/log.h"

namespace pilvi::image {
namespace {
ImageStore& must_have(const App& app, const std::string& name) {
    ImageStore* store = store_named(app, name);
    if (!store) throw Error(Errc::unavailable, "there is no store '" + name + "'");
    return *store;
}

// What an upload held is as it was before; true where the upload was still there.
bool forget_upload(Tx& tx, const std::string& image_id, const std::string& token, const std::string& holds) {
    if (tx.exec("DELETE FROM uploads WHERE token = ?", {token}) == 0) return false;
    if (!holds.empty()) requeue(tx, image_id, holds);
    return true;
}
}  // namespace

ImageStore* store_named(const App& app, std::string_view name) {
    if (name == staging_area) return app.staging;
    const NamedStore* named = app.stores.find(name);
    return named ? named->store.get() : nullptr;
}

Intake::Intake(Store& database, const App& app, std::string store, std::string image_id, std::string_view holds)
    : database_(database),
      app_(app),
      store_(must_have(app, store)),
      name_(std::move(store)),
      image_id_(std::move(image_id)),
      token_(new_hex_id()),
      holds_(holds) {
    app_.worker->take(token_);
}

Intake::~Intake() {
    if (announced_ && !settled_) abandon();
    app_.worker->leave(token_);
}

void Intake::announce(Tx& tx) {
    if (tx.one("SELECT 1 FROM removals WHERE store = ? AND url = ?", {name_, store_.location_of(image_id_)}))
        throw Error(Errc::conflict, "Earlier data of image " + image_id_ + " is still being removed");
    try {
        tx.savepoint([&] {
            tx.insert("uploads", {{"store", name_}, {"image_id", image_id_}, {"token", token_}, {"worker", app_.worker->id()}, {"holds", holds_}});
        });
    } catch (const UniqueViolation&) {
        throw Error(Errc::conflict, "Data of image " + image_id_ + " is being stored already");
    }
    tx.after_commit([this] { announced_ = true; });
}

Upload& Intake::upload() {
    if (!upload_) upload_ = store_.begin(image_id_, token_);
    return *upload_;
}

Location Intake::commit() {
    committing_ = true;
    return {.url = upload().commit(), .store = name_};
}

bool Intake::settle(Tx& tx) {
    if (tx.exec("DELETE FROM uploads WHERE token = ?", {token_}) == 0) return false;
    tx.after_commit([this] { settled_ = true; });
    return true;
}

void Intake::abandon() noexcept {
    settled_ = true;
    try {
        upload_.reset();
        // Whoever took this upload for lost has cleared its place, and another's data may be there by now.
        const bool own = committing_ && database_.read([&](Tx& tx) { return tx.one("SELECT 1 FROM uploads WHERE token = ?", {token_}).has_value(); });
        store_.abandon(image_id_, token_, !own);
        database_.write([&](Tx& tx) { forget_upload(tx, image_id_, token_, holds_); });
    } catch (const std::exception& e) {
        log::warning("an upload that failed is not yet cleared away: " + std::string(e.what()) + "; that is tried again", {{"IMAGE_ID", image_id_}});
    }
}

bool end_upload(Store& database, const App& app, const Row& upload) {
    ImageStore& store = must_have(app, upload.text("store"));
    const std::string image_id = upload.text("image_id"), token = upload.text("token");
    const std::string place = store.location_of(image_id);
    const bool known = database.read([&](Tx& tx) { return tx.one("SELECT 1 FROM image_locations WHERE url = ?", {place}).has_value(); });
    store.abandon(image_id, token, known);
    return database.write([&](Tx& tx) { return forget_upload(tx, image_id, token, upload.text("holds")); });
}

void note_removals(Tx& tx, const App& app, const std::string& image_id, const std::vector<Location>& locations) {
    for (const Location& location : locations) {
        const ImageStore* store = store_named(app, location.store);
        if (!store || !store->writable() || location.url.empty()) continue;
        tx.exec("INSERT INTO removals (store, url, image_id, worker, since) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                {location.store, location.url, image_id, app.worker->id(), now_micros()});
    }
}

Location staged_location(const App& app, const std::string& image_id) {
    if (!app.staging) return {};
    return {.url = app.staging->location_of(image_id), .store = std::string(staging_area)};
}

void remove_noted(Store& database, const App& app, const std::vector<Location>& locations) {
    for (const Location& location : locations) {
        ImageStore* store = store_named(app, location.store);
        if (!store || !store->writable() || location.url.empty()) continue;
        try {
            // What is an image's again, by a database that was restored, stays.
            const bool wanted = database.read([&](Tx& tx) {
                return tx.one("SELECT 1 FROM image_locations WHERE store = ? AND url = ?", {location.store, location.url}).has_value();
            });
            if (!wanted) store->remove(location.url);
            database.write([&](Tx& tx) { tx.exec("DELETE FROM removals WHERE store = ? AND url = ?", {location.store, location.url}); });
        } catch (const Error& e) {
            log::warning("image data is not yet removed: " + e.message() + "; that is tried again", {{"STORE", location.store}});
        }
    }
}

}  // namespace pilvi::image
