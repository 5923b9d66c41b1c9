#include "unknown_data.h"

#include <algorithm>

#include "journal.h"

namespace pilvi::image {

std::vector<Location> unknown_data(Store& database, const Stores& stores, const ImageStore* staging) {
    // The stores before the rows: a row comes before its data.
    std::vector<Location> found;
    for (const NamedStore& named : stores.all())
        for (std::string& url : named.store->locations()) found.push_back({.url = std::move(url), .store = named.name});
    if (staging)
        for (std::string& url : staging->locations()) found.push_back({.url = std::move(url), .store = std::string(staging_area)});
    std::set<std::pair<std::string, std::string>> known;
    database.read([&](Tx& tx) {
        for (const char* table : {"image_locations", "removals"})
            for (const Row& row : tx.query("SELECT store, url FROM " + std::string(table))) known.emplace(row.at(0).text(), row.at(1).text());
        for (const Row& row : tx.query("SELECT store, image_id FROM uploads")) {
            const NamedStore* named = stores.find(row.at(0).text());
            const ImageStore* store = named ? named->store.get() : staging;
            if (store) known.emplace(row.at(0).text(), store->location_of(row.at(1).text()));
        }
        for (const Row& row : tx.query("SELECT id FROM images WHERE status = 'uploading' OR status = 'importing'"))
            if (staging) known.emplace(staging_area, staging->location_of(row.at(0).text()));
    });
    std::erase_if(found, [&](const Location& location) { return known.contains({location.store, location.url}); });
    std::sort(found.begin(), found.end(), [](const Location& a, const Location& b) { return std::tie(a.store, a.url) < std::tie(b.store, b.url); });
    return found;
}

}  // namespace pilvi::image
