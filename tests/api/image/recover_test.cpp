// What daemons leave that died in the middle, and what those that live do about it.
#include "image/recover.h"

#include <doctest/doctest.h>

#include <thread>

#include "api/image/served.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/time.h"
#include "image/journal.h"
#include "image/model.h"
#include "image/unknown_data.h"

using namespace pilvi;
using testing::Served;

namespace {
const std::string direct = R"({"method": {"name": "glance-direct"}})";

// A daemon that died: its row is there, its lock is free.
std::string dead_worker(Served& s, const std::string& machine = "another start of this machine") {
    const std::string id = new_uuid(), file = s.directory / ("workers/" + id);
    write_file(file, "");
    s.store->write([&](Tx& tx) { tx.insert("workers", {{"id", id}, {"machine", machine}, {"lock_file", file}, {"beat", 0}}); });
    return id;
}
std::string this_start() {
    std::string id = read_file("/proc/sys/kernel/random/boot_id");
    id.pop_back();
    return id;
}

void add_upload(Served& s, const std::string& store, const std::string& image, const std::string& worker, const std::string& holds) {
    s.store->write([&](Tx& tx) {
        tx.insert("uploads", {{"store", store}, {"image_id", image}, {"token", "t" + image}, {"worker", worker}, {"holds", holds}});
        if (!holds.empty()) tx.exec("UPDATE images SET status = ? WHERE id = ?", {holds, image});
    });
}

void add_task(Served& s, const std::string& image, const Value& worker) {
    s.store->write([&](Tx& tx) {
        tx.insert("tasks", {{"id", new_uuid()},
                            {"type", "api_image_import"},
                            {"status", "processing"},
                            {"image_id", image},
                            {"input", "{}"},
                            {"message", ""},
                            {"worker", worker},
                            {"created_at", 1},
                            {"updated_at", 1}});
    });
}

std::string status(Served& s, const std::string& id) { return str(s.show(id).at("status").as_string()); }
std::int64_t rows(Served& s, const std::string& table) {
    return s.store->read([&](Tx& tx) { return tx.scalar("SELECT COUNT(*) FROM " + table).integer(); });
}
bool exists(Served& s, const std::string& path) { return std::filesystem::exists(s.directory / path); }
}  // namespace

TEST_CASE("uploads of a daemon that died end, whole or half") {
    Served s;
    const std::string dead = dead_worker(s, this_start());
    const std::string half = s.create(), whole = s.create(), staged = s.create(), active = s.create();
    s.upload(active, "data");
    add_upload(s, "local", half, dead, "saving");
    add_upload(s, "local", whole, dead, "saving");
    add_upload(s, ":staging", staged, dead, "uploading");
    add_upload(s, "second", active, dead, "");
    write_file(s.directory / ("store/incoming/" + half + ".t" + half), "half");
    write_file(s.directory / ("store/" + whole), "whole, but not acknowledged");
    write_file(s.directory / ("staging/incoming/" + staged + ".t" + staged), "half");
    write_file(s.directory / ("second/" + active), "a copy that no row has");
    image::recover(*s.store, s.app);
    for (const std::string& id : {half, whole, staged}) CHECK(status(s, id) == "queued");
    CHECK(status(s, active) == "active");
    CHECK(s.files() == 1);
    CHECK(s.files("second") == 0);
    CHECK(s.files("staging") == 0);
    CHECK(rows(s, "uploads") == 0);
    CHECK(rows(s, "workers") == 1);
    CHECK_FALSE(exists(s, "workers/" + dead));
    CHECK(s.upload(whole, "again").status == 204);
}

TEST_CASE("imports of a daemon that died fail, and their images can be imported again") {
    Served s;
    const std::string dead = dead_worker(s, this_start());
    const std::string importing = s.create(), staged = s.create(), kept = s.create(), older = s.create();
    for (const std::string& id : {importing, staged, older}) s.stage(id, "data");
    s.upload(kept, "data");
    write_file(s.directory / ("staging/incoming/" + importing + ".converted"), "what a program was making");
    write_file(s.directory / ("second/" + importing), "one of two copies");
    s.store->write([&](Tx& tx) {
        tx.exec("UPDATE images SET status = 'importing' WHERE id = ? OR id = ?", {importing, older});
        image::insert_location(tx, importing, {.url = s.stores.find("second")->store->location_of(importing), .store = "second"});
    });
    add_task(s, importing, dead);
    add_task(s, older, nullptr);  // from before tasks knew whose they are
    image::recover(*s.store, s.app);
    CHECK(status(s, importing) == "queued");
    CHECK(status(s, older) == "queued");
    CHECK(status(s, staged) == "uploading");
    CHECK(status(s, kept) == "active");
    CHECK(s.files("staging") == 1);
    CHECK(s.files("second") == 0);
    CHECK(s.files() == 1);
    CHECK(string_or(s.task(importing).as_object(), "status") == "failure");
    CHECK(string_or(s.task(importing).as_object(), "message").find("ended in the middle") != std::string::npos);
    CHECK(s.import(staged, direct).status == 202);
    CHECK(status(s, staged) == "active");
    CHECK(s.stage(importing, "again").status == 204);
    s.import(importing, direct);
    CHECK(status(s, importing) == "active");
    CHECK(s.files("staging") == 0);
}

TEST_CASE("what another daemon is at stays: its lock is held, or it counts") {
    Served s;
    const std::string saving = s.create(), importing = s.create();
    const image::Worker other(*s.store, s.directory / "workers");
    add_upload(s, "local", saving, other.id(), "saving");
    s.store->write([&](Tx& tx) { tx.exec("UPDATE images SET status = 'importing' WHERE id = ?", {importing}); });
    add_task(s, importing, other.id());
    write_file(s.directory / ("store/incoming/" + saving + ".t" + saving), "half");
    image::recover(*s.store, s.app);
    CHECK(status(s, saving) == "saving");
    CHECK(status(s, importing) == "importing");
    CHECK(string_or(s.task(importing).as_object(), "status") == "processing");
    CHECK(s.files() == 1);
    CHECK(rows(s, "workers") == 2);
    CHECK(s.upload(saving, "x").status == 409);
}

TEST_CASE("a daemon of another machine is gone when it has not counted for a lease") {
    Served s;
    const std::string far = new_uuid(), saving = s.create();
    s.store->write([&](Tx& tx) { tx.insert("workers", {{"id", far}, {"machine", "far"}, {"lock_file", "/nowhere/" + far}, {"beat", 0}}); });
    add_upload(s, "local", saving, far, "saving");
    image::Worker near(*s.store, s.directory / "workers", std::chrono::milliseconds(50));
    image::App app{.stores = s.stores, .size_cap = 1, .worker = &near, .staging = s.staging.get()};
    image::recover(*s.store, app);
    CHECK(status(s, saving) == "saving");
    for (int i = 1; i < 4; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(60));
        s.store->write([&](Tx& tx) { tx.exec("UPDATE workers SET beat = ? WHERE id = ?", {i, far}); });
        image::recover(*s.store, app);
        CHECK(status(s, saving) == "saving");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    image::recover(*s.store, app);
    CHECK(status(s, saving) == "queued");
}

TEST_CASE("a daemon that was taken for dead changes nothing any more") {
    Served s;
    const std::string id = s.create();
    image::Intake intake(*s.store, s.app, "local", id, "saving");
    s.store->write([&](Tx& tx) {
        image::move_status(tx, id, "queued", "saving");
        intake.announce(tx);
    });
    intake.upload().append("late", 4);
    const Row row = s.store->read([](Tx& tx) { return *tx.one("SELECT store, image_id, token, worker, holds FROM uploads"); });
    SUBCASE("before it has stored its data") {
        CHECK(image::end_upload(*s.store, s.app, row));
        CHECK_THROWS_AS(intake.commit(), Error);
        CHECK(s.files() == 0);
    }
    SUBCASE("after it has stored its data") {
        intake.commit();
        CHECK(image::end_upload(*s.store, s.app, row));
        CHECK_FALSE(s.store->write([&](Tx& tx) { return intake.settle(tx); }));
        CHECK(s.files() == 0);
    }
    CHECK(s.upload(id, "another's").status == 204);
    intake.abandon();
    CHECK(status(s, id) == "active");
    CHECK(s.send("GET", "/v2/images/" + id + "/file").body == "another's");
}

TEST_CASE("data that the database does not know stays: a restored database loses nothing newer") {
    Served s;
    const std::string id = s.create(), newer = new_uuid();
    s.upload(id, "data");
    write_file(s.directory / ("store/" + newer), "of an image that came after the backup");
    write_file(s.directory / ("staging/" + newer), "staged after the backup");
    write_file(s.directory / ("store/incoming/" + newer + ".t"), "in work at the crash");
    dead_worker(s, this_start());
    image::recover(*s.store, s.app);
    CHECK(exists(s, "store/" + id));
    CHECK(exists(s, "store/" + newer));
    CHECK(exists(s, "staging/" + newer));
    CHECK(exists(s, "store/incoming/" + newer + ".t"));

    const std::string staged = s.create();
    s.stage(staged, "known");
    std::vector<std::string> told;
    for (const image::Location& location : image::unknown_data(*s.store, s.stores, s.staging.get()))
        told.push_back(location.store + " " + location.url);
    CHECK(told == std::vector<std::string>{":staging " + s.staging->location_of(newer), "local " + s.stores.preferred().store->location_of(newer)});
}

TEST_CASE("removals that did not come through are made up for, but not of data that an image has") {
    Served s;
    const std::string dead = dead_worker(s, this_start()), gone = new_uuid(), kept = s.create();
    s.upload(kept, "data");
    write_file(s.directory / ("store/" + gone), "deleted");
    s.store->write([&](Tx& tx) {
        for (const std::string& id : {gone, kept})
            tx.insert("removals", {{"store", "local"},
                                   {"url", s.stores.preferred().store->location_of(id)},
                                   {"image_id", id},
                                   {"worker", dead},
                                   {"since", now_micros()}});
    });
    image::recover(*s.store, s.app);
    CHECK_FALSE(exists(s, "store/" + gone));
    CHECK(exists(s, "store/" + kept));
    CHECK(rows(s, "removals") == 0);
}

TEST_CASE("images in work from before uploads were noted are queued again, and locations are completed") {
    Served s;
    const std::string saving = s.create(), active = s.create(), cut = s.create(), importing = s.create();
    s.store->write([&](Tx& tx) {
        for (const auto& [id, to] : {std::pair(saving, "saving"), {active, "active"}, {cut, "uploading"}, {importing, "importing"}})
            tx.exec("UPDATE images SET status = ? WHERE id = ?", {to, id});
    });
    write_file(s.directory / ("store/" + active), "data");
    image::recover(*s.store, s.app);
    for (const std::string& id : {saving, cut, importing}) CHECK(status(s, id) == "queued");
    CHECK(s.send("GET", "/v2/images/" + active + "/file").body == "data");
}

TEST_CASE("a daemon that ends properly leaves no row") {
    Served s;
    { const image::Worker other(*s.store, s.directory / "workers"); }
    CHECK(rows(s, "workers") == 1);
}
