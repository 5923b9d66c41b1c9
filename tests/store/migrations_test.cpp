#include "backends.h"
#include "support/code_of.h"

using namespace pilvi;
using namespace pilvi::test;

namespace {

constexpr Migration second{2, "widen",
                           "ALTER TABLE things ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey';\nCREATE INDEX things_by_size ON things (size);\n"};
constexpr Migration both[] = {things[0], second};

std::string schema_of(Store& store) {
    return store.read([&](Tx& tx) {
        std::string out;
        const std::string sql =
            store.is_postgresql()
                ? "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || COALESCE(column_default, '') "
                  "FROM information_schema.columns WHERE table_schema = current_schema() UNION ALL "
                  "SELECT replace(indexdef, current_schema() || '.', '') FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1"
                : "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY 1";
        for (const Row& row : tx.query(sql)) out += row.at(0).text() + "\n";
        return out;
    });
}

std::optional<Errc> refusal_of(const std::string& url, std::span<const Migration> migrations) {
    return testing::code_of([&] { Store::open(url, migrations); });
}

}  // namespace

BOTH_BACKENDS("a migrated schema equals a fresh one") {
    Backend old, fresh;
    Store::open(old.url, things)->write([](Tx& tx) { tx.insert("things", {{"id", "a"}}); });
    const auto migrated = Store::open(old.url, both);
    CHECK(migrated->read([](Tx& tx) { return tx.scalar("SELECT colour FROM things").text(); }) == "grey");
    CHECK(schema_of(*migrated) == schema_of(*Store::open(fresh.url, both)));
    const auto applied = migrated->read([](Tx& tx) { return tx.query("SELECT * FROM schema_migrations ORDER BY version"); });
    REQUIRE(applied.size() == 2);
    CHECK(applied[1].text("name") == "widen");
    CHECK(applied[1].text("checksum").size() == 16);
    CHECK(applied[1].integer("applied_at") > 0);
}

BOTH_BACKENDS("a newer, an edited and a misnumbered schema are refused") {
    Backend backend;
    Store::open(backend.url, both);
    CHECK(refusal_of(backend.url, things) == Errc::unsupported);
    const Migration edited[] = {things[0], {2, "widen", "SELECT 1"}};
    CHECK(refusal_of(backend.url, edited) == Errc::unsupported);
    const Migration misnumbered[] = {things[0], {1, "widen", "SELECT 1"}};
    CHECK(refusal_of(backend.url, misnumbered) == Errc::internal);
    const Migration another[] = {things[0], {3, "widen", "SELECT 1"}};
    CHECK(refusal_of(backend.url, another) == Errc::unsupported);
    CHECK(Store::open(backend.url, both));
}

BOTH_BACKENDS("numbers leave gaps, and a lower one that came later is applied later") {
    Backend backend;
    const Migration ahead[] = {things[0], {20, "ahead", "CREATE TABLE ahead (id TEXT);\n"}};
    Store::open(backend.url, ahead);
    const Migration filled[] = {things[0], second, ahead[1]};
    const auto store = Store::open(backend.url, filled);
    CHECK(store->read([](Tx& tx) { return tx.query("SELECT version FROM schema_migrations ORDER BY version").size(); }) == 3);
    CHECK_NOTHROW(store->read([](Tx& tx) { tx.query("SELECT colour FROM things"); }));
    CHECK(refusal_of(backend.url, ahead) == Errc::unsupported);
}

BOTH_BACKENDS("a migration that fails leaves nothing behind") {
    Backend backend;
    Store::open(backend.url, things);
    const Migration broken[] = {things[0], {2, "broken", "CREATE TABLE extra (id TEXT);\nCREATE TABEL other (id TEXT);\n"}};
    CHECK(refusal_of(backend.url, broken) == Errc::internal);
    const auto store = Store::open(backend.url, both);
    CHECK_THROWS_AS(store->read([](Tx& tx) { tx.query("SELECT * FROM extra"); }), Error);
}
