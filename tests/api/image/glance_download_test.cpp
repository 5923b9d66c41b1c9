// The import method glance-download: from another region of the same identity service.
#include <doctest/doctest.h>

#include <atomic>

#include "api/image/served.h"

using namespace pilvi;
using testing::Served;

namespace {
constexpr const char* remote_id = "3f0c0a62-1111-4000-8000-00000000beef";

// An identity service with a catalogue, and the image service of the region "Far", in one.
struct Far final : http::Handler {
    http::Server server{*this, {}};
    int port = server.listen("127.0.0.1", 0);
    json::object image{{"id", remote_id},
                       {"status", "active"},
                       {"size", 11},
                       {"disk_format", "raw"},
                       {"container_format", "bare"},
                       {"name", "not taken over"},
                       {"visibility", "public"},
                       {"hw_disk_bus", "scsi"},
                       {"trait:HW_CPU_X86_AVX", "required"},
                       {"os_type", "linux"},
                       {"os_glance_failed_import", "x"},
                       {"colour", "blue"}};
    std::string data = "remote data";
    std::string moved_to;  // a redirect of the data instead
    std::atomic<int> asked{0};
    Far() { server.start(); }
    std::string url(const std::string& path = {}) const { return "http://127.0.0.1:" + std::to_string(port) + path; }
    http::BodyPolicy body_policy(const http::RequestHead&) override { return {}; }
    http::Response refuse(int status, std::string_view) override { return {.status = status}; }
    http::Response handle(http::Request& request) override {
        ++asked;
        http::Response r;
        if (request.headers.get("X-Auth-Token") != "member" && request.headers.get("X-Auth-Token") != "admin") r.status = 401;
        else if (request.path == "/v3/auth/catalog") r.body = to_text(catalog());
        else if (request.path == "/image/v2/images/" + std::string(remote_id)) r.body = to_text(image);
        else if (request.path == "/image/v2/images/" + std::string(remote_id) + "/file") {
            r.body = data;
            if (!moved_to.empty()) {
                r.status = 302;
                r.headers.set("Location", moved_to);
            }
        } else {
            r.status = 404;
        }
        return r;
    }
    json::object catalog() const {
        const auto endpoint = [](const std::string& interface, const std::string& region, const std::string& url) {
            return json::object{{"interface", interface}, {"region", region}, {"region_id", region}, {"url", url}};
        };
        return {{"catalog", json::array{json::object{{"type", "compute"}, {"endpoints", json::array{endpoint("public", "Far", url("/compute"))}}},
                                        json::object{{"type", "image"},
                                                     {"endpoints", json::array{endpoint("public", "RegionOne", url("/near")),
                                                                               endpoint("public", "Far", url("/image/")),
                                                                               endpoint("internal", "Far", url("/nowhere")),
                                                                               endpoint("public", "Socket", "unix:/run/x.sock:")}}}}}};
    }
};

image::ImportOptions with_method(const Far& far) { return {.methods = {"glance-direct", "glance-download"}, .identity_url = far.url("/v3")}; }

std::string ask(const std::string& region, const std::string& id = remote_id, const std::string& more = {}) {
    return R"({"method": {"name": "glance-download", "glance_region": ")" + region + R"(", "glance_image_id": ")" + id + "\"" + more + "}}";
}

std::string text_of(const json::value& object, std::string_view name) { return string_or(object.as_object(), name); }
}  // namespace

TEST_CASE("glance-download takes data, formats and chosen properties from another region") {
    Far far;
    Served s(with_method(far));
    const std::string id = s.create(R"({"disk_format": "qcow2", "container_format": "ova", "os_type": "windows", "colour": "red"})");
    const http::Response answer = s.import(id, ask("far"));
    CHECK(answer.status == 202);
    const json::value task = s.task(id);
    CHECK(text_of(task, "message") == "");
    CHECK(text_of(task, "status") == "success");
    CHECK(task.at("input").at("import_req").at("method").at("glance_service_interface") == "public");
    CHECK(to_text(task).find("token") == std::string::npos);
    const json::value image = s.show(id);
    CHECK(image.at("status") == "active");
    CHECK(image.at("size") == 11);
    CHECK(image.at("disk_format") == "raw");
    CHECK(image.at("container_format") == "bare");
    CHECK(image.at("hw_disk_bus") == "scsi");
    CHECK(image.at("trait:HW_CPU_X86_AVX") == "required");
    CHECK(image.at("os_type") == "linux");
    CHECK(image.at("colour") == "red");
    CHECK(image.at("name").is_null());
    CHECK(image.at("visibility") == "shared");
    CHECK(image.at("os_glance_failed_import") == "");
    CHECK(s.send("GET", "/v2/images/" + id + "/file").body == far.data);
    CHECK(s.files("staging") == 0);
    const std::string both = s.create();
    CHECK(s.import(both, R"({"method": {"name": "glance-download", "glance_region": "Far", "glance_image_id": ")" + std::string(remote_id) +
                             R"("}, "all_stores": true})")
              .status == 202);
    CHECK(s.show(both).at("stores") == "local,second");
    CHECK(s.show(both).at("hw_disk_bus") == "scsi");
}

TEST_CASE("glance-download that fails leaves the image as it was, and says why") {
    Far far;
    Served s(with_method(far));
    const std::string id = s.create(R"({"disk_format": "qcow2", "container_format": "ova", "os_type": "windows"})");
    const auto fails = [&](const std::string& body, std::string_view why) {
        CAPTURE(why);
        CHECK(s.import(id, body).status == 202);
        const json::value task = s.task(id);
        CHECK(text_of(task, "status") == "failure");
        CHECK(text_of(task, "message").find(why) != std::string::npos);
        const json::value image = s.show(id);
        CHECK(image.at("status") == "queued");
        CHECK(image.at("disk_format") == "qcow2");
        CHECK(image.at("container_format") == "ova");
        CHECK(image.at("os_type") == "windows");
        CHECK(!image.as_object().contains("hw_disk_bus"));
        CHECK(image.at("os_glance_failed_import") == "local");
        CHECK(s.files() + s.files("staging") == 0);
    };
    fails(ask("Nowhere"), "public glance endpoint not found for region Nowhere");
    fails(ask("Far", remote_id, R"(, "glance_service_interface": "admin")"), "admin glance endpoint not found for region Far");
    fails(ask("Far", remote_id, R"(, "glance_service_interface": "internal")"), "cannot be read: status 404");
    fails(ask("RegionOne"), "cannot be read: status 404");
    fails(ask("Socket"), "endpoint not found");  // a catalogue leads to web servers only
    fails(ask("Far", "3f0c0a62-2222-4000-8000-00000000beef"), "cannot be read: status 404");
    far.image["size"] = 12;
    fails(ask("Far"), "downloaded data size 11 is different from expected 12");
    far.image["size"] = "much";
    fails(ask("Far"), "could not be determined");
    far.image["size"] = 11;
    far.image["status"] = "deactivated";
    fails(ask("Far"), "Source image status should be active instead of deactivated");
    far.image["status"] = "active";
    far.image["disk_format"] = "exe";
    fails(ask("Far"), "does not match schema");
    far.image["disk_format"] = "qcow2";  // which the data is not
    s.app.need_signature = true;
    fails(ask("Far"), "");
    s.app.need_signature = false;
    far.image["disk_format"] = "raw";
    far.image["hw_list"] = json::array{1};
    fails(ask("Far"), "does not match schema");
    far.image.erase("hw_list");
    // A redirect is not followed, wherever it leads.
    const int before = far.asked;
    far.moved_to = far.url("/image/v2/images/" + std::string(remote_id));
    fails(ask("Far"), "answered 302");
    CHECK(far.asked == before + 3);
    far.moved_to.clear();
    s.app.size_cap = 5;
    fails(ask("Far"), "too large");
    s.app.size_cap = 64u << 20;
    far.server.stop();
    fails(ask("Far"), "");
}

TEST_CASE("glance-download requests that are refused") {
    Far far;
    Served s(with_method(far));
    const std::string id = s.create();
    struct Row {
        std::string body;
        int status;
        std::string_view text;
    };
    const Row rows[] = {
        {R"({"method": {"name": "glance-download"}})", 400, "glance_region&#x27; needs to be set for glance-download import method"},
        {R"({"method": {"name": "glance-download", "glance_region": "Far"}})", 400, "glance_image_id&#x27; needs to be set"},
        {ask("Far", "../../v3/users"), 400, "Remote image id does not look like a UUID"},
        {ask("Far", "http://127.0.0.1/"), 400, "Remote image id does not look like a UUID"},
        {R"({"method": {"name": "glance-download", "glance_region": 1, "glance_image_id": "x"}})", 400, "must be a string"},
        {ask("Far", remote_id, R"(, "glance_service_interface": ["public"])"), 400, "must be a string"},
        {R"({"method": {"name": "web-download", "uri": "http://example.org/"}})", 400, "Unknown import method name"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.body);
        const http::Response answer = s.import(id, row.body);
        CHECK(answer.status == row.status);
        CHECK(answer.body.find(row.text) != std::string::npos);
    }
    CHECK(s.import(id, ask("Far"), "reader").status == 403);
    CHECK(s.import(id, ask("Far"), "other").status == 404);
    CHECK(far.asked == 0);
    s.stage(id, "data");
    const http::Response staged = s.import(id, ask("Far"));
    CHECK(staged.status == 409);
    CHECK(staged.body.find("&#x27;queued&#x27; state to use &#x27;glance-download&#x27; method") != std::string::npos);
    Served plain;
    const http::Response off = plain.import(plain.create(), ask("Far"));
    CHECK(off.status == 400);
    CHECK(off.body.find("Unknown import method name") != std::string::npos);
}
