// A database of the first schema, and the files beside it, are upgraded when the service opens them; every image and its data are there by the API.
#include <doctest/doctest.h>

#include "base/fd.h"
#include "fixture.h"
#include "image/recover.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

const std::string shared = "aaaaaaaa-0000-4000-8000-000000000001", queued = "bbbbbbbb-0000-4000-8000-000000000002",
                  cut_off = "cccccccc-0000-4000-8000-000000000003", deleted = "dddddddd-0000-4000-8000-000000000004";
const std::string data = "the bytes of an image";

// As the first release wrote them.
void fill(Tx& tx, const std::string& owner, const std::string& member) {
    const Micros at = 1'700'000'000'000'000;
    const auto image = [&](const std::string& id, const char* name, const char* status, const char* visibility, Value size) {
        tx.insert("images", {{"id", id},
                             {"name", name},
                             {"status", status},
                             {"visibility", visibility},
                             {"protected", 1},
                             {"os_hidden", 0},
                             {"owner", owner},
                             {"disk_format", "raw"},
                             {"container_format", "bare"},
                             {"min_ram", 64},
                             {"min_disk", 2},
                             {"size", size},
                             {"virtual_size", size},
                             {"checksum", size.is_null() ? Value() : Value("00000000000000000000000000000001")},
                             {"os_hash_algo", size.is_null() ? Value() : Value("sha512")},
                             {"os_hash_value", size.is_null() ? Value() : Value(std::string(128, 'a'))},
                             {"created_at", at},
                             {"updated_at", at}});
    };
    image(shared, "old", "active", "shared", std::int64_t(data.size()));
    image(queued, "waiting", "queued", "private", {});
    image(cut_off, "half", "saving", "private", {});
    tx.insert("image_properties", {{"image_id", shared}, {"name", "hw_disk_bus"}, {"value", "scsi"}});
    tx.insert("image_tags", {{"image_id", shared}, {"value", "tag"}});
    tx.insert("image_members", {{"image_id", shared}, {"member", member}, {"status", "accepted"}, {"created_at", at}, {"updated_at", at}});
    tx.insert("deleted_images", {{"id", deleted}, {"deleted_at", at}});
}

}  // namespace

TEST_CASE("an upgrade from the first schema keeps images, their data and who may see them") {
    TempDir dir;
    const std::string url = database_url(dir);
    Callers callers;
    REQUIRE(image::migrations().front().version == 1);
    Store::open(url, image::migrations().first(1))->write([&](Tx& tx) { fill(tx, callers.of("member").project_id, callers.of("other").project_id); });
    std::filesystem::create_directories(dir / "store");
    write_file(dir / ("store/" + shared), data);

    const auto store = Store::open(url, image::migrations());
    image::Stores stores(std::vector<std::string>{"local=file:" + (dir / "store")}, "", {.sync = false});
    const auto staging = image::make_file_store(dir / "staging", {.sync = false});
    image::Worker worker{*store, dir / "workers"};
    image::App app{.stores = stores, .size_cap = 64u << 20, .worker = &worker, .staging = staging.get()};
    image::recover(*store, app);
    metrics::Registry metrics;
    const auto service = image::make_service(*store, callers, metrics, app);
    Cases cases(*service);
    callers.export_to(cases);
    for (const auto& [name, value] : {std::pair("shared", shared), {"queued", queued}, {"half", cut_off}, {"deleted", deleted}})
        cases.vars[name] = value;
    const Case all[] = {
        {.path = "/v2/images/${shared}",
         .token = "member",
         .expect =
             R"({"name": "old", "status": "active", "visibility": "shared", "protected": true, "owner": "${member_project}", "hw_disk_bus": "scsi",
                       "tags": ["tag"], "size": 21, "min_ram": 64, "min_disk": 2, "os_hash_algo": "sha512",
                       "checksum": "00000000000000000000000000000001", "created_at": "2023-11-14T22:13:20Z"})"},
        {.path = "/v2/images?hw_disk_bus=scsi", .token = "other", .expect = R"({"images": [{"id": "${shared}"}]})"},
        {.path = "/v2/images/${shared}/members",
         .token = "member",
         .expect = R"({"members": [{"member_id": "${other_project}", "status": "accepted"}]})"},
        {.path = "/v2/images/${queued}", .token = "other", .status = 404},
        {.path = "/v2/images/${half}", .token = "member", .expect = R"({"status": "queued", "size": null})"},
        {.method = "POST", .path = "/v2/images", .token = "member", .body = R"({"id": "${deleted}"})", .status = 409},
        {.method = "DELETE", .path = "/v2/images/${shared}", .token = "member", .status = 403},
    };
    cases.run(all);
    http::Server server(*service, {});
    const std::string base = "http://127.0.0.1:" + std::to_string(server.listen("127.0.0.1", 0));
    server.start();
    http::Client client;
    http::ClientRequest download{.url = base + "/v2/images/" + shared + "/file"};
    download.headers.add("X-Auth-Token", "other");
    const http::Response answer = client.send(download);
    CHECK(answer.status == 200);
    CHECK(answer.body == data);
    server.stop();
}
