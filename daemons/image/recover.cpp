#include <set>

#include "image.h"
#include "importer.h"
#include "model.h"
#include "resources/tasks.h"
#include "log/log.h"

namespace pilvi::image {
namespace {
// Data that was uploaded before locations were kept is where the default store puts it.
void complete_locations(Store& store, const Stores& stores) {
    const NamedStore& home = stores.preferred();
    store.write([&](Tx& tx) {
        for (const Row& row : tx.query("SELECT id FROM images t WHERE (status = 'active' OR status = 'deactivated') AND NOT EXISTS (SELECT 1 FROM "
                                       "image_locations l WHERE l.image_id = t.id)"))
            insert_location(tx, row.at(0).text(), {.url = home.store->location_of(row.at(0).text()), .store = home.name});
    });
}

// Imports that were cut off: their tasks say so, and their images wait for another one. Returns how many tasks.
std::int64_t end_imports(Tx& tx) {
    const auto tasks = tx.query("SELECT id, image_id FROM tasks WHERE status = 'pending' OR status = 'processing'");
    for (const Row& task : tasks) {
        end_task(tx, task.at(0).text(), "The image service ended in the middle of the task. The image can be imported again.");
        tx.exec("UPDATE image_properties SET value = '' WHERE image_id = ? AND name = ?", {task.at(1), importing_key});
    }
    tx.exec("DELETE FROM image_locations WHERE image_id IN (SELECT id FROM images WHERE status = 'importing')");
    return static_cast<std::int64_t>(tasks.size());
}
}  // namespace

void recover(Store& store, const Stores& stores, ImageStore* staging) {
    complete_locations(store, stores);
    std::int64_t tasks = 0, reset = 0;
    store.write([&](Tx& tx) {
        tasks = end_imports(tx);
        reset = tx.exec(
            "UPDATE images SET status = 'queued', size = NULL, virtual_size = NULL, checksum = NULL, os_hash_algo = NULL, os_hash_value = NULL "
            "WHERE status = 'saving' OR status = 'importing' OR (status = 'uploading' AND size IS NULL)");
    });
    std::map<std::string, std::set<std::string>, std::less<>> known;
    std::set<std::string> waiting;
    store.read([&](Tx& tx) {
        for (const Row& row : tx.query("SELECT store, url FROM image_locations")) known[row.at(0).text()].insert(row.at(1).text());
        for (const Row& row : tx.query("SELECT id FROM images WHERE status = 'uploading'"))
            if (staging) waiting.insert(staging->location_of(row.at(0).text()));
    });
    std::size_t removed = staging ? staging->remove_orphans(waiting) : 0;
    for (const NamedStore& named : stores.all()) removed += named.store->remove_orphans(known[named.name]);
    if (reset > 0 || removed > 0 || tasks > 0)
        log::notice("after an unclean end: " + std::to_string(reset) + " images are queued again, " + std::to_string(tasks) + " tasks have failed, " +
                    std::to_string(removed) + " files are removed");
}

}  // namespace pilvi::image
