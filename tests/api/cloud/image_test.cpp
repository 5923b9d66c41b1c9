// The image daemon among the cloud's other processes: two of them on one database, and limits that identity keeps.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/cloud/cloud.h"

using namespace pilvi;
using namespace std::chrono_literals;

namespace {
// Another process of the running image daemon's program with its settings, on a port of its own.
struct SecondDaemon {
    std::string log;
    cli::Process process;
    int port = 0;

    explicit SecondDaemon(cli::Cloud& cloud) : log(cloud.directory() + "/image-second.log"), process(launch(cloud, log)) {
        for (const auto deadline = std::chrono::steady_clock::now() + 120s; port == 0; std::this_thread::sleep_for(20ms)) {
            REQUIRE_FALSE(process.ended());
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            for (const std::string& line : split(read_file(log), '\n', false))
                if (line.starts_with("LISTENING ")) port = static_cast<int>(parse_integer(line.substr(10)).value_or(0));
        }
    }
    static cli::Launch launch(cli::Cloud& cloud, const std::string& log) {
        const std::string proc = "/proc/" + std::to_string(cloud.daemon("image").pid());
        cli::Launch out{.argv = split(read_file(proc + "/cmdline"), '\0', false), .environment = {}, .log = log};
        for (const std::string& one : split(read_file(proc + "/environ"), '\0', false))
            if (!one.starts_with("LISTEN_")) out.environment[one.substr(0, one.find('='))] = one.substr(one.find('=') + 1);
        out.argv.insert(out.argv.end(), {"--set", "listen.address=127.0.0.1", "--set", "listen.port=0"});
        return out;
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port); }
};

class User {
public:
    explicit User(std::string token) : token_(std::move(token)) {}
    http::Response send(const std::string& method, const std::string& url, const json::value& body = nullptr) {
        http::ClientRequest request = this->request(method, url);
        if (!body.is_null()) {
            request.headers.set("Content-Type", "application/json");
            request.body = to_text(body);
        }
        return client_.send(request);
    }
    std::string create(const std::string& base) {
        const http::Response made = send("POST", base + "/v2/images", {{"disk_format", "raw"}, {"container_format", "bare"}});
        INFO(made.body);
        REQUIRE(made.status == 201);
        return string_or(parse_json(made.body).as_object(), "id");
    }
    http::Response upload(const std::string& base, const std::string& id, std::string bytes) {
        http::ClientRequest request = upload_request(base, id);
        request.body = std::move(bytes);
        return client_.send(request);
    }
    http::ClientRequest upload_request(const std::string& base, const std::string& id) const {
        http::ClientRequest out = request("PUT", base + "/v2/images/" + id + "/file");
        out.headers.set("Content-Type", "application/octet-stream");
        return out;
    }
    // "" where the daemon is away.
    std::string status(const std::string& base, const std::string& id) {
        try {
            return string_or(parse_json(send("GET", base + "/v2/images/" + id).body).as_object(), "status");
        } catch (const Error&) {
            return {};
        }
    }
    bool reaches(const std::string& base, const std::string& id, std::string_view wanted) {
        for (const auto deadline = std::chrono::steady_clock::now() + 300s; std::chrono::steady_clock::now() < deadline;
             std::this_thread::sleep_for(20ms))
            if (status(base, id) == wanted) return true;
        return false;
    }

private:
    http::ClientRequest request(const std::string& method, const std::string& url) const {
        http::ClientRequest out{.method = method, .url = url};
        out.headers.set("X-Auth-Token", token_);
        return out;
    }
    std::string token_;
    http::Client client_;
};

// An upload of two pieces, the second of which waits until the test lets it go.
struct HalfUpload {
    std::promise<void> release;
    std::future<int> status;  // 0: the connection broke

    HalfUpload(const User& user, const std::string& base, const std::string& id) {
        http::ClientRequest request = user.upload_request(base, id);
        request.source = [released = release.get_future().share(), calls = 0](char* into, std::size_t) mutable -> std::size_t {
            if (++calls > 2) return 0;
            if (calls == 2) released.wait();
            std::fill(into, into + 1000, 'x');
            return 1000;
        };
        status = std::async(std::launch::async, [request = std::move(request)]() mutable {
            http::Client client;
            try {
                return client.send(request).status;
            } catch (const Error&) {
                return 0;
            }
        });
    }
};

std::size_t files_in(const std::string& directory) {
    std::size_t n = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) n += entry.is_regular_file();
    return n;
}
}  // namespace

TEST_CASE("two image daemons on one database: one is killed in an upload, the other ends that and goes on with its own") {
    cli::Cloud cloud({.seed = false});
    cloud.start();
    SecondDaemon second(cloud);
    User user(cloud.admin_token());
    const std::string first = cloud.url("image"), store = cloud.directory() + "/image/store";
    const std::string cut = user.create(first), whole = user.create(second.url());
    HalfUpload one(user, first, cut), other(user, second.url(), whole);
    REQUIRE(user.reaches(second.url(), cut, "saving"));
    REQUIRE(user.reaches(second.url(), whole, "saving"));

    cloud.daemon("image").kill();
    one.release.set_value();
    CHECK(one.status.get() == 0);
    CHECK(user.reaches(second.url(), cut, "queued"));
    CHECK(user.status(second.url(), whole) == "saving");

    cloud.start_daemon("image");
    REQUIRE(user.reaches(first, whole, "saving"));
    other.release.set_value();
    CHECK(other.status.get() == 204);
    CHECK(user.status(first, whole) == "active");
    CHECK(files_in(store) == 1);
    CHECK(user.upload(first, cut, "again").status == 204);
    CHECK(files_in(store) == 2);

    // The second dies too, and the first one sees it.
    const std::string last = user.create(first);
    HalfUpload half(user, second.url(), last);
    REQUIRE(user.reaches(first, last, "saving"));
    second.process.kill();
    half.release.set_value();
    CHECK(user.reaches(first, last, "queued"));
    CHECK(files_in(store) == 2);
}

TEST_CASE("limits that are registered with identity hold in image") {
    cli::Cloud cloud({.seed = false, .settings = {{"image", "quota.enabled=true"}}});
    cloud.start();
    User user(cloud.admin_token());
    const std::string identity = cloud.url("identity"), image = cloud.url("image");
    const auto read = [&](const std::string& url) { return parse_json(user.send("GET", url).body); };
    const std::string service = string_or(read(identity + "/services?type=image").at("services").at(0).as_object(), "id");
    const std::string project = string_or(read(identity + "/projects?name=admin").at("projects").at(0).as_object(), "id");

    // What is not registered is 0.
    CHECK(user.send("POST", image + "/v2/images", json::object{}).status == 413);
    json::array registered;
    for (const auto& [name, limit] :
         {std::pair("image_count_total", 2), {"image_size_total", 2}, {"image_stage_total", 2}, {"image_count_uploading", 10}})
        registered.push_back(json::object{{"service_id", service}, {"resource_name", name}, {"default_limit", limit}});
    REQUIRE(user.send("POST", identity + "/registered_limits", json::object{{"registered_limits", registered}}).status == 201);

    const json::object body{{"disk_format", "raw"}, {"container_format", "bare"}};
    const auto created = [&](int wanted) {  // within the seconds that limits are remembered
        http::Response made = user.send("POST", image + "/v2/images", body);
        for (const auto deadline = std::chrono::steady_clock::now() + 120s; made.status != wanted && std::chrono::steady_clock::now() < deadline;) {
            std::this_thread::sleep_for(100ms);
            made = user.send("POST", image + "/v2/images", body);
        }
        INFO(made.body);
        REQUIRE(made.status == wanted);
        return made.body;
    };
    const std::string a = string_or(parse_json(created(201)).as_object(), "id"), b = string_or(parse_json(created(201)).as_object(), "id");
    CHECK(created(413).find("Resource image_count_total is over limit of 2 due to current usage 2 and delta 1") != std::string::npos);
    CHECK(user.upload(image, a, std::string(3u << 20, 'x')).status == 413);
    CHECK(user.status(image, a) == "queued");
    CHECK(user.upload(image, a, std::string(2u << 20, 'x')).status == 204);
    CHECK(user.upload(image, b, std::string(1u << 20, 'x')).status == 413);
    const json::value usage = read(image + "/v2/info/usage");
    CHECK(usage.at("usage").at("image_size_total") == json::value{{"usage", 2}, {"limit", 2}});
    CHECK(usage.at("usage").at("image_count_total") == json::value{{"usage", 2}, {"limit", 2}});

    json::array own;
    own.push_back(json::object{{"service_id", service}, {"resource_name", "image_count_total"}, {"resource_limit", 3}, {"project_id", project}});
    REQUIRE(user.send("POST", identity + "/limits", json::object{{"limits", own}}).status == 201);
    created(201);
    CHECK(created(413).find("over limit of 3") != std::string::npos);
}
