#include <fmt/format.h>

#include <set>

#include "base/time.h"
#include "store/connection.h"
#include "store/translate.h"

namespace pilvi::store {
namespace {

void apply(Tx& tx, const Migration& migration) {
    connection_of(tx).lock_migrations();
    const auto applied = tx.one("SELECT name, checksum FROM schema_migrations WHERE version = ?", {migration.version});
    const std::string sum = checksum(migration.sql);
    if (applied) {
        if (applied->text("checksum") != sum)
            throw Error(Errc::unsupported,
                        fmt::format("migration {} ({}) is not the one that was applied to this database", migration.version, migration.name));
        return;
    }
    connection_of(tx).script(std::string(migration.sql));
    tx.insert("schema_migrations", {{"version", migration.version}, {"name", migration.name}, {"checksum", sum}, {"applied_at", now_micros()}});
}

}  // namespace

void migrate(Store& store, std::span<const Migration> migrations) {
    store.write([](Tx& tx) {
        connection_of(tx).lock_migrations();
        connection_of(tx).script(
            "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, "
            "checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)");
    });
    std::set<std::int64_t> known;
    for (const Migration& migration : migrations) {
        if (!known.empty() && migration.version <= *known.rbegin())
            throw Error(Errc::internal, fmt::format("migration {} comes behind {}", migration.version, *known.rbegin()));
        known.insert(migration.version);
    }
    const auto applied = store.read([](Tx& tx) { return tx.query("SELECT version, name FROM schema_migrations ORDER BY version"); });
    for (const Row& row : applied)
        if (!known.contains(row.at(0).integer()))
            throw Error(Errc::unsupported,
                        fmt::format("the database has migration {} ({}), which this program does not know: it was written by a newer version",
                                    row.at(0).integer(), row.at(1).text()));
    for (const Migration& migration : migrations) store.write([&](Tx& tx) { apply(tx, migration); });
}

}  // namespace pilvi::store
