#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <thread>

#include "backends.h"

using namespace pilvi;
using namespace pilvi::test;

namespace pilvi::test {
PostgresqlServer& postgresql_server() {
    static PostgresqlServer server;
    return server;
}
}  // namespace pilvi::test

namespace {

std::int64_t count(Store& store, const std::string& table) {
    return store.read([&](Tx& tx) { return tx.scalar("SELECT COUNT(*) FROM " + table).integer(); });
}

}  // namespace

BOTH_BACKENDS("values come back as they were stored") {
    Backend backend;
    const auto store = Store::open(backend.url, things);
    CHECK(store->is_postgresql() == Backend::postgresql);
    constexpr std::int64_t big = std::int64_t{1} << 40;
    const std::string text = "ääkköset \xF0\x9F\x8C\xA8 ' \" ? :name $1 \\ %";
    store->write([&](Tx& tx) {
        tx.insert("things", {{"id", "a"}, {"name", text}, {"size", big}, {"ratio", 1.5}, {"order", true}});
        tx.insert("things", {{"id", "b"}, {"name", nullptr}, {"size", std::numeric_limits<std::int64_t>::min()}, {"ratio", 16.0}});
        tx.exec("INSERT INTO things (id, name, size) VALUES ('?', '', ?)", {std::numeric_limits<std::int64_t>::max()});
    });
    store->read([&](Tx& tx) {
        const auto a = tx.one("SELECT * FROM things WHERE id = ?", {"a"});
        REQUIRE(a);
        CHECK(a->text("name") == text);
        CHECK(a->integer("size") == big);
        CHECK((*a)["ratio"].number() == 1.5);
        CHECK(a->boolean("order"));
        CHECK(a->columns() == Columns{"id", "name", "size", "ratio", "order"});
        CHECK(a->has("size"));
        CHECK_FALSE(a->has("none"));
        CHECK_THROWS_AS((*a)["none"], Error);
        const auto b = tx.one("SELECT name, size, ratio, \"order\" FROM things WHERE id = ?", {"b"});
        REQUIRE(b);
        CHECK((*b)["name"].is_null());
        CHECK((*b)["name"].optional_text() == std::nullopt);
        CHECK(b->integer("size") == std::numeric_limits<std::int64_t>::min());
        CHECK((*b)["ratio"].number() == 16.0);
        CHECK((*b)["order"].is_null());
        const auto c = tx.one("SELECT name, size FROM things WHERE id = '?'");
        REQUIRE(c);
        CHECK_FALSE((*c)["name"].is_null());
        CHECK(c->text("name").empty());
        CHECK(c->integer("size") == std::numeric_limits<std::int64_t>::max());
        CHECK_FALSE(tx.one("SELECT id FROM things WHERE id = ?", {"none"}));
        CHECK(tx.scalar("SELECT id FROM things WHERE id = ?", {"none"}).is_null());
        CHECK(tx.scalar("SELECT SUM(\"order\") FROM things").integer() == 1);
        CHECK(tx.scalar("SELECT COUNT(*) FROM things WHERE name LIKE 'ÄÄ%' OR name LIKE 'Aa%'").integer() == 0);
        CHECK(tx.query("SELECT id FROM things ORDER BY id LIMIT ?", {2}).size() == 2);
    });
}

BOTH_BACKENDS("text that one database cannot hold is refused by both") {
    Backend backend;
    const auto store = Store::open(backend.url, things);
    for (const std::string& text : {std::string("a\0b", 3), std::string("\xff\xfe")}) {
        try {
            store->write([&](Tx& tx) { tx.insert("things", {{"id", text}}); });
            FAIL("accepted");
        } catch (const Error& error) {
            CHECK(error.code() == Errc::bad_request);
        }
    }
    CHECK(count(*store, "things") == 0);
}

BOTH_BACKENDS("insert, update and exec tell what they did") {
    Backend backend;
    const auto store = Store::open(backend.url, things);
    store->write([](Tx& tx) {
        tx.insert("things", std::vector<std::pair<std::string, Value>>{{"id", "a"}, {"size", 1}});
        CHECK(tx.update("things", "a", {{"size", 2}, {"order", 7}}) == 1);
        CHECK(tx.update("things", "none", {{"size", 2}}) == 0);
        CHECK(tx.update("things", "a", {}) == 1);
        CHECK(tx.exec("UPDATE things SET size = size + ? WHERE id = ?", {3, "a"}) == 1);
        CHECK(tx.exec("INSERT INTO things (id) VALUES (?) ON CONFLICT DO NOTHING", {"a"}) == 0);
        CHECK(tx.query("INSERT INTO things (id, size) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET size = excluded.size RETURNING size", {"a", 9})
                  .at(0)
                  .integer("size") == 9);
        CHECK(tx.exec("DELETE FROM things") == 1);
        CHECK_THROWS_AS(tx.insert("things; DROP TABLE things", {{"id", "x"}}), Error);
    });
    CHECK(count(*store, "things") == 0);
}

BOTH_BACKENDS("constraint violations are told apart") {
    Backend backend;
    const auto store = Store::open(backend.url, things);
    store->write([](Tx& tx) {
        tx.insert("things", {{"id", "a"}, {"name", "x"}});
        tx.insert("parts", {{"id", "p"}, {"thing_id", "a"}, {"slot", 1}});
    });
    const auto write = [&](auto fn) { store->write([&](Tx& tx) { fn(tx); }); };
    CHECK_THROWS_AS(write([](Tx& tx) { tx.insert("things", {{"id", "a"}}); }), UniqueViolation);
    CHECK_THROWS_AS(write([](Tx& tx) { tx.insert("parts", {{"id", "q"}, {"thing_id", "none"}, {"slot", 1}}); }), ForeignKeyViolation);
    CHECK_THROWS_AS(write([](Tx& tx) { tx.exec("DELETE FROM things WHERE id = ?", {"a"}); }), ForeignKeyViolation);
    try {
        write([](Tx& tx) { tx.insert("parts", {{"id", "q"}, {"thing_id", "a"}, {"slot", 1}}); });
        FAIL("accepted");
    } catch (const UniqueViolation& violation) {
        CHECK(violation.code() == Errc::conflict);
        CHECK(violation.constraint() == (Backend::postgresql ? "parts_thing_id_slot_key" : "parts.thing_id, parts.slot"));
    }
    try {
        write([](Tx& tx) { tx.insert("parts", {{"id", "q"}, {"thing_id", "a"}, {"slot", nullptr}}); });
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.code() == Errc::internal);
    }
    CHECK(count(*store, "parts") == 1);
}

BOTH_BACKENDS("a throw rolls back; after_commit runs after a commit only") {
    Backend backend;
    const auto store = Store::open(backend.url, things);
    int calls = 0;
    CHECK_THROWS_AS(store->write([&](Tx& tx) {
        tx.insert("things", {{"id", "a"}});
        tx.after_commit([&] { ++calls; });
        throw Error(Errc::conflict, "no");
    }),
                    Error);
    CHECK(calls == 0);
    CHECK(count(*store, "things") == 0);
    store->write([&](Tx& tx) {
        tx.insert("things", {{"id", "a"}});
        tx.after_commit([&] {
            ++calls;
            CHECK(count(*store, "things") == 1);
            store->write([](Tx& inner) { inner.insert("things", {{"id", "b"}}); });  // outside of the transaction
        });
        CHECK(calls == 0);
    });
    CHECK(calls == 1);
    CHECK(count(*store, "things") == 2);
    CHECK_THROWS_AS(store->read([](Tx& tx) { tx.insert("things", {{"id", "c"}}); }), Error);
    CHECK_THROWS_AS(store->write([&](Tx&) { store->write([](Tx&) {}); }), Error);
    CHECK(store->write([](Tx& tx) { return tx.scalar("SELECT COUNT(*) FROM things").integer(); }) == 2);
}

BOTH_BACKENDS("a savepoint takes back its own part") {
    Backend backend;
    const auto store = Store::open(backend.url, things);
    int calls = 0;
    store->write([&](Tx& tx) {
        tx.insert("things", {{"id", "a"}});
        CHECK_THROWS_AS(tx.savepoint([&] {
            tx.insert("things", {{"id", "b"}});
            tx.after_commit([&] { ++calls; });
            tx.savepoint([&] { tx.insert("things", {{"id", "c"}}); });
            tx.insert("things", {{"id", "a"}});
        }),
                        UniqueViolation);
        tx.savepoint([&] { tx.insert("things", {{"id", "d"}}); });
    });
    CHECK(calls == 0);
    CHECK(store->read([](Tx& tx) { return tx.query("SELECT id FROM things ORDER BY id").at(1).text("id"); }) == "d");
    CHECK(count(*store, "things") == 2);
    // Without one, a failed statement spoils the transaction, even where its exception was caught.
    CHECK_THROWS_AS(store->write([&](Tx& tx) {
        tx.insert("things", {{"id", "e"}});
        try {
            tx.insert("things", {{"id", "a"}});
        } catch (const UniqueViolation&) {
        }
    }),
                    Error);
    CHECK(count(*store, "things") == 2);
}

BOTH_BACKENDS("a read sees one state of the database") {
    Backend backend;
    const auto store = Store::open(backend.url, things);
    store->read([&](Tx& tx) {
        CHECK(tx.scalar("SELECT COUNT(*) FROM things").integer() == 0);
        std::thread([&] { store->write([](Tx& other) { other.insert("things", {{"id", "a"}}); }); }).join();
        CHECK(tx.scalar("SELECT COUNT(*) FROM things").integer() == 0);
    });
    CHECK(count(*store, "things") == 1);
}

BOTH_BACKENDS("eight threads lose no update") {
    Backend backend;
    const auto store = Store::open(backend.url, things, {.readers = 8, .busy_timeout_ms = 60'000});
    constexpr int threads = 8, rounds = 25;
    std::atomic<int> committed{0}, hooks{0};
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; ++t)
        workers.emplace_back([&] {
            for (int i = 0; i < rounds; ++i) {
                store->write([&](Tx& tx) {
                    // Read, then write: what a lost update needs.
                    const Value before = tx.scalar("SELECT value FROM counters WHERE name = ?", {"n"});
                    tx.exec("INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                            {"n", before.integer() + 1});
                    tx.after_commit([&] { ++hooks; });
                });
                ++committed;
            }
        });
    for (std::thread& worker : workers) worker.join();
    CHECK(committed == threads * rounds);
    CHECK(hooks == threads * rounds);
    CHECK(store->read([](Tx& tx) { return tx.scalar("SELECT value FROM counters").integer(); }) == threads * rounds);
}

BOTH_BACKENDS("waiting for a session ends") {
    Backend backend;
    const auto store = Store::open(backend.url, things, {.readers = 1, .busy_timeout_ms = 100});
    const auto expect_busy = [&](auto call) {
        try {
            call();
            FAIL("not busy");
        } catch (const Error& error) {
            CHECK(error.code() == Errc::unavailable);
        }
    };
    store->write([&](Tx&) { std::thread([&] { expect_busy([&] { store->write([](Tx& tx) { tx.insert("things", {{"id", "a"}}); }); }); }).join(); });
    store->read([&](Tx&) { std::thread([&] { expect_busy([&] { store->read([](Tx&) {}); }); }).join(); });
    store->write([](Tx& tx) { tx.insert("things", {{"id", "a"}}); });
    CHECK(count(*store, "things") == 1);
}

BOTH_BACKENDS("many different statements") {
    Backend backend;
    const auto store = Store::open(backend.url, things);
    store->read([](Tx& tx) {
        for (int i = 0; i < 600; ++i) CHECK(tx.scalar("SELECT " + std::to_string(i) + " + COUNT(*) FROM things").integer() == i);
    });
    CHECK_THROWS_AS(store->read([](Tx& tx) { tx.query("SELECT * FROM things WHERE id = ?"); }), Error);
    CHECK_THROWS_AS(store->read([](Tx& tx) { tx.query("SELEKT"); }), Error);
}

TEST_CASE("another process holds the SQLite writer") {
    Sqlite backend;
    const auto one = Store::open(backend.url, things);
    const auto other = Store::open(backend.url, things, {.readers = 1, .busy_timeout_ms = 50});
    one->write([&](Tx& tx) {
        tx.insert("things", {{"id", "a"}});
        CHECK_THROWS_AS(other->write([](Tx& blocked) { blocked.insert("things", {{"id", "b"}}); }), Error);
        CHECK(count(*other, "things") == 0);
    });
    CHECK(count(*other, "things") == 1);
}

TEST_CASE("the SQLite file is private") {
    Sqlite backend;
    const auto store = Store::open(backend.url, things);
    struct stat status {};
    REQUIRE(::stat((backend.directory.path() + "/state/test.sqlite").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    REQUIRE(::stat((backend.directory.path() + "/state").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    store->read([](Tx& tx) {
        CHECK(tx.scalar("PRAGMA journal_mode").text() == "wal");
        CHECK(tx.scalar("PRAGMA synchronous").integer() == 2);
        CHECK(tx.scalar("PRAGMA foreign_keys").integer() == 1);
    });
}

TEST_CASE("PostgreSQL sessions that the server closed are made anew") {
    Postgresql backend;
    const auto store = Store::open(backend.url, things);
    store->write([](Tx& tx) { tx.insert("things", {{"id", "a"}}); });
    postgresql_server().disconnect_clients();
    {  // a session ends a moment after it was told to
        const auto watching = Store::open(backend.url, things, {.readers = 1});
        const char* const others = "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'pilvi' AND pid <> pg_backend_pid()";
        while (watching->read([&](Tx& tx) { return tx.scalar(others).integer(); }) > 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    CHECK(count(*store, "things") == 1);
    store->write([](Tx& tx) { tx.insert("things", {{"id", "b"}}); });
    CHECK(count(*store, "things") == 2);
}

TEST_CASE("every form of a url names the same PostgreSQL database") {
    const std::string plain = postgresql_server().plain_url();
    for (const std::string& url :
         {plain, postgresql_server().plain_url("a=b%20c"), plain + "?connect_timeout=60", plain + "?sslmode=disable&options=-cgeqo%3Doff",
          postgresql_server().url("public"), postgresql_server().url("public") + " options='-c geqo=off -c search_path=public'"}) {
        CAPTURE(url);
        const auto store = Store::open(url, things);
        CHECK(store->read([](Tx& tx) { return tx.scalar("SELECT CURRENT_DATABASE()").text(); }) == "postgres");
    }
}

TEST_CASE("a url that names no database") {
    CHECK_THROWS_AS(Store::open("mysql://x", things), Error);
    CHECK_THROWS_AS(Store::open("sqlite:", things), Error);
    CHECK_THROWS_AS(Store::open("sqlite:/proc/nowhere/x.sqlite", things), Error);
    CHECK_THROWS_AS(Store::open("postgresql:host=/nonexistent dbname=x", things), Error);
}
