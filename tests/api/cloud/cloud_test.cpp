// The whole cloud in a process group: it starts, serves a server's life over the public APIs, and survives the death of each of its daemons.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <random>
#include <thread>

#include "base/error.h"
#include "cli/cloud/cloud.h"

using namespace pilvi;
using namespace std::chrono_literals;

namespace {

class User {
public:
    explicit User(cli::Cloud& cloud) : cloud_(cloud), token_(cloud.admin_token()) {}

    // Tries again while a daemon is away: a request that was not accepted is the client's to repeat.
    http::Response send(std::string_view method, const std::string& service, const std::string& path, const json::value& body = nullptr) {
        const auto deadline = std::chrono::steady_clock::now() + 300s;
        while (true) {
            http::ClientRequest request{.method = std::string(method), .url = cloud_.url(service) + path, .timeout = 60'000ms};
            request.headers.set("X-Auth-Token", token_);
            if (!body.is_null()) {
                request.headers.set("Content-Type", "application/json");
                request.body = to_text(body);
            }
            try {
                http::Response response = client_.send(request);
                if (response.status < 500) return response;
                if (std::chrono::steady_clock::now() > deadline) return response;
            } catch (const Error&) {
                if (std::chrono::steady_clock::now() > deadline) {
                    cloud_.check();  // says which daemon has ended by itself
                    throw;
                }
            }
            std::this_thread::sleep_for(50ms);
        }
    }
    json::object get(const std::string& service, const std::string& path) {
        const http::Response response = send("GET", service, path);
        INFO(path, response.body);
        REQUIRE(response.status == 200);
        return parse_json(response.body).as_object();
    }
    std::string first_id(const std::string& service, const std::string& path, const char* list) {
        const json::object answer = get(service, path);
        return string_or(array_or_empty(answer, list).at(0).as_object(), "id");
    }
    // The server's id, "" where the request was not accepted.
    std::string create_server(const std::string& name, const std::string& network) {
        const http::Response response = send(
            "POST", "compute", "/servers",
            {{"server", {{"name", name}, {"imageRef", image()}, {"flavorRef", "42"}, {"networks", json::array{json::object{{"uuid", network}}}}}}});
        if (response.status != 202) return {};
        return str(find_path(parse_json(response.body), "server.id")->as_string());
    }
    std::string status(const std::string& id) {
        const http::Response response = send("GET", "compute", "/servers/" + id);
        if (response.status == 404) return "gone";
        REQUIRE(response.status == 200);
        return str(find_path(parse_json(response.body), "server.status")->as_string());
    }
    bool reaches(const std::string& id, std::string_view wanted, std::chrono::seconds limit = 300s) {
        const auto deadline = std::chrono::steady_clock::now() + limit;
        std::string last;
        while (std::chrono::steady_clock::now() < deadline) {
            if ((last = status(id)) == wanted) return true;
            std::this_thread::sleep_for(20ms);
        }
        MESSAGE(id, " is ", last, ", not ", std::string(wanted));
        return false;
    }
    std::string image() {
        if (image_.empty()) image_ = first_id("image", "/v2/images?name=guest", "images");
        return image_;
    }
    std::string make_network() {
        const json::value network = parse_json(send("POST", "network", "/v2.0/networks", {{"network", {{"name", "n"}}}}).body);
        const std::string id = str(find_path(network, "network.id")->as_string());
        send("POST", "network", "/v2.0/subnets", {{"subnet", {{"network_id", id}, {"ip_version", 4}, {"cidr", "10.0.0.0/24"}}}});
        return id;
    }
    // Ports of servers, and consumers of the nodes' resources.
    std::size_t leftovers() {
        const json::object ports = get("network", "/v2.0/ports?device_owner=compute:nova");
        std::size_t count = array_or_empty(ports, "ports").size();
        const json::object providers = get("placement", "/resource_providers");
        for (const json::value& provider : array_or_empty(providers, "resource_providers"))
            count +=
                object_or_empty(get("placement", "/resource_providers/" + string_or(provider.as_object(), "uuid") + "/allocations"), "allocations")
                    .size();
        return count;
    }

private:
    cli::Cloud& cloud_;
    const std::string token_;
    http::Client client_;
    std::string image_;
};

// Runs `body` on a thread of its own and meanwhile kill -9 for one daemon after the other, each started again at once; the next one when another request
// of the body's, which counts them, was answered: the slower the machine, the longer a daemon lives. (Daemons end with the thread that started them, so
// this thread must be the one that stays.)
template <class F>
void while_killing(cli::Cloud& cloud, F body) {
    std::mt19937 random(std::random_device{}());
    const char* const victims[] = {"identity",      "image",           "placement",     "compute",        "network",
                                   "compute-agent", "compute-agent-2", "network-agent", "network-agent-2"};
    std::atomic<bool> over{false};
    std::atomic<int> answered{0};
    std::exception_ptr failure;
    std::thread thread([&] {
        try {
            body(answered);
        } catch (...) {
            failure = std::current_exception();
        }
        over = true;
    });
    for (std::size_t i = random() % 9; !over; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution<int>(50, 400)(random)));
        cloud.daemon(victims[i % 9]).kill();
        cloud.start_daemon(victims[i % 9]);
        for (const int before = answered; !over && answered == before;) std::this_thread::sleep_for(1ms);
    }
    thread.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

TEST_CASE("a cloud starts, serves a server's life and ends") {
    const auto begin = std::chrono::steady_clock::now();
    cli::Cloud cloud({});
    cloud.start();
    MESSAGE("started in ", std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), " s");
    User user(cloud);
    const std::string network = user.make_network();
    const std::string server = user.create_server("vm", network);
    REQUIRE(user.reaches(server, "ACTIVE"));
    CHECK(user.send("POST", "compute", "/servers/" + server + "/action", {{"os-stop", nullptr}}).status == 202);
    REQUIRE(user.reaches(server, "SHUTOFF"));
    CHECK(user.send("POST", "compute", "/servers/" + server + "/action", {{"os-start", nullptr}}).status == 202);
    REQUIRE(user.reaches(server, "ACTIVE"));
    const http::Response console = user.send("POST", "compute", "/servers/" + server + "/action", {{"os-getConsoleOutput", json::object{}}});
    CHECK(console.status == 200);
    CHECK(console.body.find("Fake guest") != std::string::npos);
    CHECK(user.send("DELETE", "compute", "/servers/" + server).status == 204);
    REQUIRE(user.reaches(server, "gone"));
    CHECK(user.leftovers() == 0);
}

TEST_CASE("no accepted request is lost when daemons are killed at random moments") {
    const char* kept = std::getenv("PILVI_TEST_DIRECTORY");  // to read the logs afterwards
    cli::Cloud cloud({.directory = kept ? kept : "", .compute_agents = 2});
    cloud.start();
    User user(cloud);
    const std::string network = user.make_network();
    std::vector<std::string> accepted;
    user.image();
    while_killing(cloud, [&](std::atomic<int>& answered) {
        for (int i = 0; i < 20; ++i, ++answered)
            if (const std::string id = user.create_server("vm" + std::to_string(i), network); !id.empty()) accepted.push_back(id);
    });
    CHECK(accepted.size() > 0);
    int active = 0;
    for (const std::string& id : accepted) {
        // A POST whose answer got lost may have made a server too: it is in the list below.
        if (user.reaches(id, "ACTIVE")) ++active;
    }
    CHECK(active == static_cast<int>(accepted.size()));
    const json::object all = user.get("compute", "/servers");
    while_killing(cloud, [&](std::atomic<int>& answered) {
        for (const json::value& item : array_or_empty(all, "servers")) {
            user.send("DELETE", "compute", "/servers/" + string_or(item.as_object(), "id"));
            ++answered;
        }
    });
    for (const json::value& item : array_or_empty(all, "servers")) CHECK(user.reaches(string_or(item.as_object(), "id"), "gone"));
    const auto deadline = std::chrono::steady_clock::now() + 300s;
    while (user.leftovers() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(100ms);
    CHECK(user.leftovers() == 0);
}
