#include <doctest/doctest.h>

#include <fstream>

#include "api/image/served.h"
#include "api/image/web.h"

using namespace pilvi;
using testing::Case;
using testing::Served;
using testing::Web;

namespace {
const std::string direct = R"({"method": {"name": "glance-direct"}})";

std::string text_of(const json::value& object, std::string_view name) { return string_or(object.as_object(), name); }
}  // namespace

TEST_CASE("stage and import") {
    Served s;
    const std::string id = s.create();
    CHECK(s.import(id, direct).status == 409);
    CHECK(s.stage(id, "staged data", "reader").status == 403);
    CHECK(s.stage(id, "staged data", "other").status == 404);
    CHECK(s.send("PUT", "/v2/images/" + id + "/stage", "x", "text/plain").status == 415);
    CHECK(s.stage(id, "staged data").status == 204);
    CHECK(s.show(id).at("status") == "uploading");
    CHECK(s.show(id).at("size") == 11);
    CHECK(s.files("staging") == 1);
    CHECK(s.stage(id, "again").status == 409);
    CHECK(s.upload(id, "instead").status == 409);
    CHECK(s.import(id, direct, "reader").status == 403);
    CHECK(s.import(id, direct, "other").status == 404);
    const http::Response answer = s.import(id, direct);
    CHECK(answer.status == 202);
    const json::value image = s.show(id);
    CHECK(image.at("status") == "active");
    CHECK(image.at("stores") == "local");
    CHECK(image.at("os_glance_importing_to_stores") == "");
    CHECK(image.at("os_glance_failed_import") == "");
    CHECK(image.at("os_hash_value").as_string().size() == 128);
    CHECK(s.send("GET", "/v2/images/" + id + "/file").body == "staged data");
    CHECK(s.files("staging") == 0);
    const json::value task = s.task(id);
    CHECK(text_of(task, "status") == "success");
    CHECK(text_of(task, "type") == "api_image_import");
    CHECK(text_of(task, "request_id") == answer.headers.get("X-Openstack-Request-Id"));
    CHECK(task.at("input").at("import_req").at("method").at("name") == "glance-direct");
    CHECK(task.at("result").at("image_id") == json::value(id));
    CHECK(s.import(id, direct).status == 409);
    CHECK(s.send("DELETE", "/v2/images/" + id).status == 204);
    CHECK(s.files() == 0);
}

TEST_CASE("import requests that are refused") {
    Served s;
    const std::string id = s.create();
    s.stage(id, "data");
    struct Row {
        std::string body;
        int status;
        std::string_view text;
        std::string header = {};
    };
    const Row rows[] = {
        {"{}", 400, "Import request requires a &#x27;method&#x27; field."},
        {"[]", 400, "method"},
        {R"({"method": {}})", 400, "Import request requires a &#x27;name&#x27; field."},
        {R"({"method": {"name": "carrier-pigeon"}})", 400, "Unknown import method name"},
        {R"({"method": {"name": 5}})", 400, "Unknown import method name"},
        {R"({"method": {"name": "glance-direct"}, "all_stores": "yes"})", 400, "must be boolean value only"},
        {R"({"method": {"name": "glance-direct"}, "all_stores_must_succeed": 1})", 400, "must be boolean value only"},
        {R"({"method": {"name": "glance-direct"}, "all_stores": true, "stores": ["local"]})", 400, "All_stores parameter can"},
        {R"({"method": {"name": "glance-direct"}, "stores": ["local"]})", 400, "both specified", "local"},
        {R"({"method": {"name": "glance-direct"}, "stores": "local"})", 400, "list of store names"},
        {R"({"method": {"name": "glance-direct"}, "stores": []})", 400, "must name a store"},
        {R"({"method": {"name": "glance-direct"}, "stores": ["nowhere"]})", 409, "Unknown scheme"},
        {R"({"method": {"name": "glance-direct"}, "stores": ["web"]})", 409, "Unknown scheme"},
        {R"({"method": {"name": "glance-direct"}, "stores": ["local", "local"]})", 409, ""},
        {R"({"method": {"name": "glance-direct"}})", 409, "Unknown scheme", "nowhere"},
        {R"({"method": {"name": "copy-image"}})", 409, "Only images with status active can be targeted for copying"},
        {R"({"method": {"name": "web-download", "uri": "http://example.org/"}})", 409, "needs to be in &#x27;queued&#x27; state"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.body);
        http::Headers headers;
        if (!row.header.empty()) headers.add("X-Image-Meta-Store", row.header);
        const http::Response answer = s.import(id, row.body, "member", headers);
        CHECK(answer.status == row.status);
        CHECK(answer.body.find(row.text) != std::string::npos);
    }
    CHECK(s.task(id).is_null());
    CHECK(s.show(id).at("status") == "uploading");
    const std::string bare = s.create("{}");
    s.stage(bare, "data");
    const http::Response formats = s.import(bare, direct);
    CHECK(formats.status == 409);
    CHECK(formats.body.find("needs to be set before import") != std::string::npos);
}

TEST_CASE("import into several stores, copies, and one store less") {
    Served s;
    const std::string id = s.create();
    s.stage(id, "data in two places");
    CHECK(s.import(id, R"({"method": {"name": "glance-direct"}, "all_stores": true})").status == 202);
    CHECK(s.show(id).at("stores") == "local,second");
    CHECK(s.files("second") == 1);
    CHECK(s.send("DELETE", "/v2/stores/local/" + id).status == 403);
    CHECK(s.send("DELETE", "/v2/stores/nowhere/" + id, {}, {}, "admin").status == 409);
    CHECK(s.send("DELETE", "/v2/stores/web/" + id, {}, {}, "admin").status == 404);
    CHECK(s.send("DELETE", "/v2/stores/local/" + id, {}, {}, "admin").status == 204);
    CHECK(s.files() == 0);
    CHECK(s.show(id).at("stores") == "second");
    CHECK(s.send("GET", "/v2/images/" + id + "/file").body == "data in two places");
    CHECK(s.send("DELETE", "/v2/stores/second/" + id, {}, {}, "admin").status == 403);
    const std::string copy = R"({"method": {"name": "copy-image"}, "stores": ["second"]})";
    CHECK(s.import(id, copy).status == 403);
    CHECK(s.import(id, copy, "admin").status == 400);
    CHECK(s.import(id, R"({"method": {"name": "copy-image"}, "all_stores": true, "all_stores_must_succeed": false})", "admin").status == 202);
    CHECK(s.show(id).at("stores") == "second,local");
    CHECK(text_of(s.task(id), "status") == "success");
    http::Headers second;
    second.add("X-Image-Meta-Store", "second");
    const std::string other = s.create();
    CHECK(s.send("PUT", "/v2/images/" + other + "/file", "x", "application/octet-stream", "member", second).status == 204);
    CHECK(s.show(other).at("stores") == "second");
    second.set("X-Image-Meta-Store", "nowhere");
    const std::string third = s.create();
    CHECK(s.send("PUT", "/v2/images/" + third + "/file", "x", "application/octet-stream", "member", second).status == 400);
    CHECK(s.show(third).at("status") == "queued");
}

TEST_CASE("an import that fails leaves the image as it was, and says why") {
    Served s;
    const std::string id = s.create(R"({"disk_format": "qcow2", "container_format": "bare"})");
    s.stage(id, read_file(std::string(PILVI_SOURCE_DIR) + "/tests/fuzz/corpus/inspect/backing.qcow2"));
    CHECK(s.import(id, direct).status == 202);
    CHECK(text_of(s.task(id), "status") == "failure");
    CHECK(text_of(s.task(id), "message") != "");
    CHECK(s.show(id).at("status") == "queued");
    CHECK(s.show(id).at("size").is_null());
    CHECK(s.files("staging") == 0);
    CHECK(s.files() == 0);

    const std::string full = s.create();
    s.stage(full, "data");
    std::filesystem::remove_all(s.directory / "second");  // a store that cannot take it
    CHECK(s.import(full, R"({"method": {"name": "glance-direct"}, "stores": ["local", "second"]})").status == 202);
    CHECK(text_of(s.task(full), "status") == "failure");
    CHECK(s.show(full).at("status") == "queued");
    CHECK(s.show(full).at("os_glance_failed_import") == "second");
    CHECK(s.show(full).at("os_glance_importing_to_stores") == "");
    CHECK(s.files() == 0);
    s.stage(full, "data");
    CHECK(s.import(full, R"({"method": {"name": "glance-direct"}, "stores": ["second", "local"], "all_stores_must_succeed": false})").status == 202);
    CHECK(text_of(s.task(full), "status") == "success");
    CHECK(s.show(full).at("status") == "active");
    CHECK(s.show(full).at("stores") == "local");
    CHECK(s.show(full).at("os_glance_failed_import") == "second");
}

TEST_CASE("web-download") {
    Web web;
    Served s({}, Web::rules());
    const auto download = [&](const std::string& id, const std::string& url) {
        return s.import(id, R"({"method": {"name": "web-download", "uri": ")" + url + "\"}}");
    };
    const std::string id = s.create();
    CHECK(download(id, web.url("/there")).status == 202);
    CHECK(s.show(id).at("status") == "active");
    CHECK(s.send("GET", "/v2/images/" + id + "/file").body == web.document);
    CHECK(s.files("staging") == 0);
    const std::string second = s.create();
    CHECK(download(second, web.url("/missing")).status == 202);
    CHECK(text_of(s.task(second), "status") == "failure");
    CHECK(s.show(second).at("status") == "queued");
    CHECK(s.show(second).at("os_glance_failed_import") == "local");
    for (const std::string url : {"ftp://127.0.0.1/there", "file:///etc/passwd", "", "nonsense"}) {
        const http::Response refused = download(second, url);
        CHECK(refused.status == 400);
        CHECK(refused.body.find("URI for web-download does not pass filtering") != std::string::npos);
    }
    Served closed({}, {.ports = {}});
    const std::string inside = closed.create();
    closed.import(inside, R"({"method": {"name": "web-download", "uri": ")" + web.url("/there") + "\"}}");
    CHECK(closed.show(inside).at("status") == "queued");
}

TEST_CASE("plugins: unpack, convert, inject") {
    Served s({.decompress = true, .convert = "qcow2", .inject = {{"made_by", "import"}}});
    const std::string file = s.directory / "small.raw";
    std::ofstream(file) << std::string(65536, 'a');
    s.runner.check({"/usr/bin/gzip", "-k", file});
    const std::string id = s.create(R"({"disk_format": "raw", "container_format": "compressed"})");
    s.stage(id, read_file(file + ".gz"));
    CHECK(s.import(id, direct).status == 202);
    CHECK(text_of(s.task(id), "message") == "");
    const json::value image = s.show(id);
    CHECK(image.at("status") == "active");
    CHECK(image.at("disk_format") == "qcow2");
    CHECK(image.at("container_format") == "bare");
    CHECK(image.at("virtual_size") == 65536);
    CHECK(image.at("made_by") == "import");
    CHECK(s.send("GET", "/v2/images/" + id + "/file").body.starts_with("QFI\xfb"));
    CHECK(s.files("staging") == 0);
    const std::string broken = s.create(R"({"disk_format": "raw", "container_format": "compressed"})");
    s.stage(broken, read_file(file + ".gz").substr(0, 60));
    s.import(broken, direct);
    CHECK(text_of(s.task(broken), "status") == "failure");
    CHECK(s.show(broken).at("container_format") == "compressed");
    CHECK(s.files("staging") == 0);
    const std::string admins = s.create();
    s.stage(admins, "data");
    s.import(admins, direct, "admin");
    CHECK(!s.show(admins).as_object().contains("made_by"));
}

TEST_CASE("plugins: what unpacks to more than an image may have is given up") {
    Served s({.decompress = true});
    s.app.size_cap = 65536;
    const std::string zeros = s.directory / "zeros";
    std::ofstream(zeros) << std::string(1u << 20, '\0');
    s.runner.check({"/usr/bin/gzip", "-k", zeros});
    const std::string bomb = s.create(R"({"disk_format": "raw", "container_format": "compressed"})");
    CHECK(s.stage(bomb, read_file(zeros + ".gz")).status == 204);
    s.import(bomb, direct);
    CHECK(text_of(s.task(bomb), "status") == "failure");
    CHECK(s.show(bomb).at("status") == "queued");
    CHECK(s.files() == 0);
    CHECK(s.files("staging") == 0);
}

TEST_CASE("tasks") {
    Web web;
    Served s({}, Web::rules());
    s.cases.vars["url"] = web.url("/there");
    const std::string body =
        R"({"type": "import", "input": {"import_from": "${url}", "import_from_format": "raw", "image_properties": {"name": "t"}}})";
    const Case cases[] = {
        {.path = "/v2/tasks", .status = 401},
        {.path = "/v2/tasks", .token = "member", .status = 403},
        {.method = "POST", .path = "/v2/tasks", .token = "member", .body = body, .status = 403},
        {.path = "/v2/tasks",
         .token = "admin",
         .expect = R"({"tasks": [], "first": "/v2/tasks", "schema": "/v2/schemas/tasks", "next": "<absent>"})"},
        {.method = "POST",
         .path = "/v2/tasks",
         .token = "admin",
         .body = body,
         .status = 201,
         .expect = R"({"id": "<uuid>", "type": "import", "status": "<matches:pending|processing|success>", "owner": "${admin_project}",
             "input": {"import_from_format": "raw"}, "schema": "/v2/schemas/task", "self": "<matches:^/v2/tasks/>", "created_at": "<time>"})",
         .answer_headers = {{"Location", "<matches:^/v2/tasks/>"}},
         .save = {{"task", "id"}, {"image", "image_id"}}},
        {.method = "POST", .path = "/v2/tasks", .token = "admin", .body = "{}", .status = 400, .text = "is required"},
        {.method = "POST", .path = "/v2/tasks", .token = "admin", .body = R"({"type": "import"})", .status = 400},
        {.method = "POST", .path = "/v2/tasks", .token = "admin", .body = R"({"type": "bake", "input": {}})", .status = 400, .text = "is not one of"},
        {.method = "POST", .path = "/v2/tasks", .token = "admin", .body = R"({"type": "import", "input": 5})", .status = 400},
        {.method = "POST", .path = "/v2/tasks", .token = "admin", .body = R"({"type": "import", "input": {}, "x": 1})", .status = 400},
        {.method = "POST", .path = "/v2/tasks", .token = "admin", .body = R"({"type": "import", "input": {}})", .status = 400, .text = "import_from"},
        {.method = "POST", .path = "/v2/tasks", .token = "admin", .body = R"({"type": "api_image_import", "input": {}})", .status = 400},
        {.method = "POST",
         .path = "/v2/tasks",
         .token = "admin",
         .body = R"({"type": "import", "input": {"import_from": "file:///etc/passwd", "import_from_format": "raw", "image_properties": {}}})",
         .status = 400},
        {.method = "POST",
         .path = "/v2/tasks",
         .token = "admin",
         .body = R"({"type": "import", "input": {"import_from": "${url}", "import_from_format": "exe", "image_properties": {}}})",
         .status = 400},
        {.path = "/v2/tasks/3f0c0a62-0000-4000-8000-00000000dead", .token = "admin", .status = 404, .text = "No task found with ID"},
        {.path = "/v2/tasks/${task}", .token = "member", .status = 403},
        {.method = "DELETE", .path = "/v2/tasks/${task}", .token = "admin", .status = 405},
        {.path = "/v2/tasks?status=nothing", .token = "admin", .status = 400},
        {.path = "/v2/tasks?type=nothing", .token = "admin", .status = 400},
        {.path = "/v2/tasks?sort_key=nothing", .token = "admin", .status = 400},
        {.path = "/v2/tasks?marker=x", .token = "admin", .status = 400, .text = "Invalid marker format"},
        {.path = "/v2/tasks?limit=-1", .token = "admin", .status = 400},
    };
    s.cases.run(cases);
    s.importer.wait_idle();
    const Case after[] = {
        {.path = "/v2/tasks/${task}",
         .token = "admin",
         .expect = R"({"status": "success", "result": {"image_id": "${image}"}, "expires_at": "<time>"})"},
        {.path = "/v2/tasks?limit=1&status=success",
         .token = "admin",
         .expect = R"({"tasks": [{"id": "${task}", "input": "<absent>", "result": "<absent>"}], "next": "<matches:marker=>"})"},
        {.path = "/v2/tasks?marker=${task}", .token = "admin", .expect = R"({"tasks": []})"},
        {.path = "/v2/images/${image}", .token = "admin", .expect = R"({"name": "t", "status": "active", "size": 12})"},
        {.path = "/v2/images/${image}/tasks", .token = "admin", .expect = R"({"tasks": [{"id": "${task}"}]})"},
        {.path = "/v2/images/${image}/tasks", .token = "other", .status = 404},
    };
    s.cases.run(after);
}

TEST_CASE("quotas") {
    Served s;
    testing::FixedLimits limits;
    limits.values = {{"image_size_total", 1}, {"image_stage_total", 1}, {"image_count_total", 3}, {"image_count_uploading", 1}};
    s.app.limits = &limits;
    const std::string a = s.create(), b = s.create();
    const std::string big(2u << 20, 'x');
    const http::Response refused = s.upload(a, big);
    CHECK(refused.status == 413);
    CHECK(refused.body.find("is over limit of 1 due to current usage 0 and delta 2") != std::string::npos);
    CHECK(s.show(a).at("status") == "queued");
    CHECK(s.stage(a, big).status == 413);
    CHECK(s.stage(a, "x").status == 204);
    CHECK(s.stage(b, "x").status == 413);
    CHECK(s.show(b).at("status") == "queued");
    s.create();
    CHECK(s.send("POST", "/v2/images", "{}", "application/json").status == 413);
    s.cases.run({.path = "/v2/info/usage",
                 .token = "member",
                 .expect = R"({"usage": {"image_size_total": {"usage": 0, "limit": 1}, "image_stage_total": {"usage": 0, "limit": 1},
                     "image_count_total": {"usage": 3, "limit": 3}, "image_count_uploading": {"usage": 1, "limit": 1}}})"});
}
