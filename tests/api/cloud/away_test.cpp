// What compute answers while a service that it needs is away. Source: Nova's FaultWrapper. (Of identity, tests/unit/identity_client tells.)
#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "cli/cloud/cloud.h"

using namespace pilvi;
using namespace std::chrono_literals;

namespace {

struct Asked {
    cli::Cloud& cloud;
    std::string token = cloud.admin_token();
    http::Client client{};

    http::Response send(std::string_view method, const std::string& service, const std::string& path, const json::value& body = nullptr) {
        http::ClientRequest request{.method = std::string(method), .url = cloud.url(service) + path};
        request.headers.set("X-Auth-Token", token);
        if (!body.is_null()) {
            request.headers.set("Content-Type", "application/json");
            request.body = to_text(body);
        }
        return client.send(request);
    }
    json::value get(const std::string& service, const std::string& path) {
        const http::Response response = send("GET", service, path);
        INFO(path, response.body);
        REQUIRE(response.status == 200);
        return parse_json(response.body);
    }
    // A request for a server.
    json::value server() {
        const std::string image = str(get("image", "/v2/images").at("images").at(0).at("id").as_string());
        const std::string network = str(get("network", "/v2.0/networks").at("networks").at(0).at("id").as_string());
        return {{"server", {{"name", "s"}, {"imageRef", image}, {"flavorRef", "42"}, {"networks", json::array{json::object{{"uuid", network}}}}}}};
    }
    bool becomes(const std::string& server, std::string_view wanted) {
        for (const auto end = std::chrono::steady_clock::now() + 300s; std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(50ms))
            if (*find_path(get("compute", "/servers/" + server), "server.status") == json::value(wanted)) return true;
        return false;
    }
};

// A fault of Nova's that tells nothing of what is behind it.
void check_fault(const http::Response& response) {
    CHECK(response.status == 500);
    CHECK(response.body.find("\"computeFault\"") != std::string::npos);
    CHECK(response.body.find("127.0.0.1") == std::string::npos);
    CHECK(response.body.find("connect") == std::string::npos);
}

}  // namespace

TEST_CASE("compute answers while image or network is away") {
    for (const char* away : {"image", "network"}) {
        CAPTURE(std::string(away));
        // Where nobody listens: the daemons' own sockets are kept for them while they are killed.
        cli::Cloud cloud({.settings = {{"compute", "identity.endpoint_override=" + std::string(away) + "=http://127.0.0.1:9"}}});
        cloud.start();
        Asked user{cloud};
        check_fault(user.send("POST", "compute", "/servers", user.server()));
        CHECK(user.get("compute", "/servers").at("servers").as_array().empty());
    }
}

TEST_CASE("a server waits for placement") {
    cli::Cloud cloud({});
    cloud.start();
    Asked user{cloud};
    const json::value server = user.server();
    cloud.daemon("placement").kill();
    const http::Response accepted = user.send("POST", "compute", "/servers", server);
    CHECK(accepted.status == 202);
    const std::string id = str(parse_json(accepted.body).at("server").at("id").as_string());
    std::this_thread::sleep_for(300ms);
    CHECK(*find_path(user.get("compute", "/servers/" + id), "server.status") == "BUILD");
    cloud.start_daemon("placement");
    CHECK(user.becomes(id, "ACTIVE"));
}
