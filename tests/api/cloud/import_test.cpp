// An import that is killed in the middle, by the cloud's own daemons.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "base/error.h"
#include "cli/cloud/cloud.h"

using namespace pilvi;
using namespace std::chrono_literals;

namespace {
// A web server whose document ends only when the test lets it.
struct SlowWeb final : http::Handler {
    std::promise<void> asked, release;
    std::shared_future<void> released = release.get_future().share();
    http::Server server{*this, {}};
    int port = server.listen("127.0.0.1", 0);
    SlowWeb() { server.start(); }
    ~SlowWeb() override { server.stop(0ms); }
    http::BodyPolicy body_policy(const http::RequestHead&) override { return {}; }
    http::Response handle(http::Request&) override {
        http::Response r;
        r.file = std::make_shared<http::FileBody>();
        r.file->length = 4u << 20;
        r.file->read = [this, told = false](std::uint64_t offset, char* into, std::size_t size) mutable {
            if (offset >= 1u << 20) {
                if (!told) asked.set_value();
                told = true;
                released.wait();
                throw Error(Errc::unavailable, "over");
            }
            std::fill_n(into, size, 'x');
            return size;
        };
        return r;
    }
    http::Response refuse(int status, std::string_view) override { return {.status = status}; }
};

// Image data below a directory; the lock files of the daemons are none.
std::size_t files_below(const std::string& directory) {
    std::size_t n = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
        n += entry.is_regular_file() && entry.path().parent_path().filename() != "workers";
    return n;
}
}  // namespace

TEST_CASE("kill -9 in the middle of an import") {
    SlowWeb web;
    cli::Cloud cloud({.seed = false, .settings = {{"image", "fetch.networks=127.0.0.0/8"}, {"image", "fetch.ports="}}});
    cloud.start();
    const std::string token = cloud.admin_token();
    http::Client client;
    const auto send = [&](const std::string& method, const std::string& path, const json::value& body = nullptr) {
        http::ClientRequest request{.method = method, .url = cloud.url("image") + path};
        request.headers.set("X-Auth-Token", token);
        if (!body.is_null()) {
            request.headers.set("Content-Type", "application/json");
            request.body = to_text(body);
        }
        return client.send(request);
    };
    const json::value image = parse_json(send("POST", "/v2/images", {{"disk_format", "raw"}, {"container_format", "bare"}}).body);
    const std::string path = "/v2/images/" + string_or(image.as_object(), "id");
    const std::string url = "http://127.0.0.1:" + std::to_string(web.port) + "/slow";
    REQUIRE(send("POST", path + "/import", {{"method", {{"name", "web-download"}, {"uri", url}}}}).status == 202);
    REQUIRE(web.asked.get_future().wait_for(120s) == std::future_status::ready);
    CHECK(parse_json(send("GET", path).body).at("status") == "importing");
    CHECK(files_below(cloud.directory() + "/image/staging") == 1);
    cloud.daemon("image").kill();
    web.release.set_value();
    cloud.start_daemon("image");

    json::value after;
    for (const auto deadline = std::chrono::steady_clock::now() + 120s; after.is_null();) {
        try {
            after = parse_json(send("GET", path).body);
        } catch (const Error&) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            std::this_thread::sleep_for(20ms);
        }
    }
    CHECK(after.at("status") == "queued");
    CHECK(after.at("os_glance_importing_to_stores") == "");
    const json::value tasks = parse_json(send("GET", path + "/tasks").body);
    CHECK(tasks.at("tasks").at(0).at("status") == "failure");
    CHECK(string_or(tasks.at("tasks").at(0).as_object(), "message").find("ended in the middle") != std::string::npos);
    CHECK(files_below(cloud.directory() + "/image/staging") == 0);
    CHECK(files_below(cloud.directory() + "/image/store") == 0);
}
