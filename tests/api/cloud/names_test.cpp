// Many clients at once on the same names of identity, image and placement, over sockets: no 500, no duplicate, no lost update; and with a daemon
// killed in the middle, everything that was acknowledged is there. PILVI_ROUNDS: how often each client goes round (a soak takes hundreds).
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/ids.h"
#include "cli/cloud/cloud.h"

using namespace pilvi;
using namespace std::chrono_literals;

namespace {

constexpr int clients = 64;

int rounds() {
    const char* text = std::getenv("PILVI_ROUNDS");
    return text ? std::max(1, std::atoi(text)) : 3;
}

// What the clients found that may not be.
class Findings {
public:
    void add(const std::string& what) {
        const std::lock_guard lock(mutex_);
        if (found_.size() < 20) found_.push_back(what);
    }
    void check() {
        for (const std::string& what : found_) FAIL_CHECK(what);
    }

private:
    std::mutex mutex_;
    std::vector<std::string> found_;
};

struct Answer {
    int status = 0;  // 0: none came, the daemon was away
    json::value body;
    std::string text(const char* path) const {
        const json::value* found = find_path(body, path);
        return found && found->is_string() ? str(found->as_string()) : std::string();
    }
};

// One client's session. A daemon that is full (503), or whose identity service is away (502), is asked again; any other 5xx is a finding.
class Client {
public:
    Client(cli::Cloud& cloud, std::string token, Findings& findings)
        : urls_{{"identity", cloud.url("identity")}, {"image", cloud.url("image")}, {"placement", cloud.url("placement")}},
          token_(std::move(token)),
          findings_(findings) {}

    Answer send(std::string_view method, const std::string& service, const std::string& path, const json::value& body = nullptr,
                const char* type = "application/json") {
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (true) {
            http::ClientRequest request{.method = std::string(method), .url = urls_.at(service) + path, .timeout = 30'000ms};
            request.headers.set("X-Auth-Token", token_);
            if (service == "placement") request.headers.set("OpenStack-API-Version", "placement 1.39");
            if (!body.is_null()) {
                request.headers.set("Content-Type", type);
                request.body = to_text(body);
            }
            try {
                const http::Response response = client_.send(request);
                if ((response.status == 502 || response.status == 503) && std::chrono::steady_clock::now() < deadline) {
                    std::this_thread::sleep_for(20ms);
                    continue;
                }
                if (response.status >= 500)
                    findings_.add(std::string(method) + " " + path + ": " + std::to_string(response.status) + " " + response.body);
                return {response.status, response.body.empty() ? json::value() : parse_json(response.body)};
            } catch (const Error&) {
                return {};
            }
        }
    }
    // Adds a finding unless the status is one of these (or none came, where that may be).
    Answer expect(std::initializer_list<int> allowed, std::string_view method, const std::string& service, const std::string& path,
                  const json::value& body = nullptr, const char* type = "application/json") {
        Answer answer = send(method, service, path, body, type);
        if (answer.status != 0 && answer.status < 500 && std::find(allowed.begin(), allowed.end(), answer.status) == allowed.end())
            findings_.add(std::string(method) + " " + path + ": " + std::to_string(answer.status) + " " + to_text(answer.body));
        return answer;
    }
    Findings& findings() { return findings_; }

private:
    std::map<std::string, std::string> urls_;
    std::string token_;
    Findings& findings_;
    http::Client client_;
};

// `body` on a thread of its own for each client; `meanwhile` here.
void all_at_once(cli::Cloud& cloud, Findings& findings, const std::function<void(Client&, int)>& body, const std::function<void()>& meanwhile = {}) {
    const std::string token = cloud.admin_token();
    std::vector<std::thread> threads;
    for (int i = 0; i < clients; ++i)
        threads.emplace_back([&, i] {
            try {
                Client client(cloud, token, findings);
                body(client, i);
            } catch (const std::exception& error) {
                findings.add(std::string("client ended: ") + error.what());
            }
        });
    if (meanwhile) meanwhile();
    for (std::thread& thread : threads) thread.join();
}

cli::CloudOptions small() { return {.seed = false}; }

}  // namespace

TEST_CASE("the same names: made, changed and deleted by 64 clients at once") {
    cli::Cloud cloud(small());
    cloud.start();
    Findings findings;
    std::atomic<int> made{0};
    all_at_once(cloud, findings, [&](Client& client, int i) {
        for (int round = 0; round < rounds(); ++round) {
            const std::string name = "n" + std::to_string((i + round) % 4);
            const Answer project = client.expect({201, 409}, "POST", "identity", "/projects", {{"project", {{"name", name}}}});
            if (const std::string id = project.text("project.id"); !id.empty()) {
                ++made;
                client.expect({200, 409}, "PATCH", "identity", "/projects/" + id, {{"project", {{"name", "n" + std::to_string(i % 4)}}}});
                client.expect({204}, "DELETE", "identity", "/projects/" + id);
                client.expect({404}, "GET", "identity", "/projects/" + id);
            }
            const std::string image = "00000000-0000-4000-8000-00000000000" + std::to_string(i % 4);
            const Answer created = client.expect({201, 409}, "POST", "image", "/v2/images", {{"id", image}, {"name", name}});
            if (created.status == 201) ++made;
            client.expect({200, 404, 409}, "PATCH", "image", "/v2/images/" + image,
                          json::array{json::object{{"op", "replace"}, {"path", "/name"}, {"value", name}}},
                          "application/openstack-images-v2.1-json-patch");
            if (created.status == 201) client.expect({204, 404}, "DELETE", "image", "/v2/images/" + image);
            const Answer provider = client.expect({200, 409}, "POST", "placement", "/resource_providers", {{"name", name}});
            if (const std::string id = provider.text("uuid"); !id.empty()) {
                ++made;
                client.expect({200, 409}, "PUT", "placement", "/resource_providers/" + id, {{"name", "n" + std::to_string(i % 4)}});
                client.expect({204}, "DELETE", "placement", "/resource_providers/" + id);
            }
        }
    });
    findings.check();
    CHECK(made > 3);
    Client client(cloud, cloud.admin_token(), findings);
    for (const std::string name : {"n0", "n1", "n2", "n3"}) {
        CHECK(client.send("GET", "identity", "/projects?name=" + name).body.at("projects").as_array().empty());
        CHECK(client.send("GET", "placement", "/resource_providers?name=" + name).body.at("resource_providers").as_array().empty());
    }
}

TEST_CASE("one name asked for by 64 clients is given once") {
    cli::Cloud cloud(small());
    cloud.start();
    Findings findings;
    std::atomic<int> projects{0}, users{0}, providers{0}, images{0};
    all_at_once(cloud, findings, [&](Client& client, int) {
        projects += client.expect({201, 409}, "POST", "identity", "/projects", {{"project", {{"name", "one"}}}}).status == 201;
        users += client.expect({201, 409}, "POST", "identity", "/users", {{"user", {{"name", "one"}}}}).status == 201;
        providers += client.expect({200, 409}, "POST", "placement", "/resource_providers", {{"name", "one"}}).status == 200;
        images += client.expect({201, 409}, "POST", "image", "/v2/images", {{"id", "00000000-0000-4000-8000-000000000001"}}).status == 201;
    });
    findings.check();
    for (const std::atomic<int>* count : {&projects, &users, &providers, &images}) CHECK(*count == 1);
}

TEST_CASE("no change by one of 64 clients is lost") {
    cli::Cloud cloud(small());
    cloud.start();
    Findings findings;
    Client admin(cloud, cloud.admin_token(), findings);
    const std::string project = admin.send("POST", "identity", "/projects", {{"project", {{"name", "tags"}}}}).text("project.id");
    const std::string image = admin.send("POST", "image", "/v2/images", {{"name", "properties"}}).text("id");
    const std::string provider = admin.send("POST", "placement", "/resource_providers", {{"name", "p"}}).text("uuid");
    REQUIRE_FALSE(project.empty());
    REQUIRE_FALSE(image.empty());
    REQUIRE_FALSE(provider.empty());
    const std::string inventory = "/resource_providers/" + provider + "/inventories";
    all_at_once(cloud, findings, [&](Client& client, int i) {
        const std::string name = "c" + std::to_string(i);
        client.expect({201}, "PUT", "identity", "/projects/" + project + "/tags/" + name);
        while (client
                   .expect({200, 409}, "PATCH", "image", "/v2/images/" + image,
                           json::array{json::object{{"op", "add"}, {"path", "/" + name}, {"value", name}}},
                           "application/openstack-images-v2.1-json-patch")
                   .status == 409) {
        }
        while (true) {  // counts up by one, with the generation that it read
            const Answer now = client.expect({200}, "GET", "placement", inventory);
            if (now.status != 200) return;
            const json::value* total = find_path(now.body, "inventories.VCPU.total");
            const std::int64_t next = total ? total->to_number<std::int64_t>() + 1 : 1;
            const json::value body{{"resource_provider_generation", now.body.at("resource_provider_generation")},
                                   {"inventories", {{"VCPU", {{"total", next}}}}}};
            if (client.expect({200, 409}, "PUT", "placement", inventory, body).status == 200) break;
        }
    });
    findings.check();
    CHECK(admin.send("GET", "identity", "/projects/" + project + "/tags").body.at("tags").as_array().size() == clients);
    const Answer properties = admin.send("GET", "image", "/v2/images/" + image);
    for (int i = 0; i < clients; ++i) CHECK(properties.text(("c" + std::to_string(i)).c_str()) == "c" + std::to_string(i));
    CHECK(find_path(admin.send("GET", "placement", inventory).body, "inventories.VCPU.total")->to_number<std::int64_t>() == clients);
}

TEST_CASE("what was acknowledged is there after kill -9 in the middle") {
    cli::Cloud cloud(small());
    cloud.start();
    Findings findings;
    std::mutex mutex;
    std::set<std::string> there, gone, images, providers;
    std::atomic<int> working{clients};
    const auto note = [&](std::set<std::string>& set, const std::string& id) {
        const std::lock_guard lock(mutex);
        set.insert(id);
    };
    all_at_once(
        cloud, findings,
        [&](Client& client, int i) {
            for (int round = 0; round < rounds(); ++round) {
                const std::string name = "k" + std::to_string(i) + "-" + std::to_string(round);
                const std::string id = client.expect({201}, "POST", "identity", "/projects", {{"project", {{"name", name}}}}).text("project.id");
                if (!id.empty() && round % 2 == 0) note(there, id);
                // A delete without an answer may have happened.
                else if (!id.empty() && client.send("DELETE", "identity", "/projects/" + id).status == 204) note(gone, id);
                if (const std::string image = client.expect({201}, "POST", "image", "/v2/images", {{"name", name}}).text("id"); !image.empty())
                    note(images, image);
                if (const std::string provider = client.expect({200}, "POST", "placement", "/resource_providers", {{"name", name}}).text("uuid");
                    !provider.empty())
                    note(providers, provider);
            }
            --working;
        },
        [&] {
            const char* const victims[] = {"identity", "image", "placement"};
            for (int i = 0; working > 0; ++i) {
                std::this_thread::sleep_for(500ms);
                cloud.daemon(victims[i % 3]).kill();
                cloud.start_daemon(victims[i % 3]);
            }
        });
    findings.check();
    CHECK_FALSE(there.empty());
    CHECK_FALSE(images.empty());
    CHECK_FALSE(providers.empty());
    Client client(cloud, cloud.admin_token(), findings);
    const auto eventually = [&](const std::string& service, const std::string& path) {
        for (int i = 0; i < 100; ++i) {
            if (const Answer answer = client.send("GET", service, path); answer.status != 0) return answer.status;
            std::this_thread::sleep_for(50ms);
        }
        return 0;
    };
    for (const std::string& id : there) CHECK(eventually("identity", "/projects/" + id) == 200);
    for (const std::string& id : gone) CHECK(eventually("identity", "/projects/" + id) == 404);
    for (const std::string& id : images) CHECK(eventually("image", "/v2/images/" + id) == 200);
    for (const std::string& id : providers) CHECK(eventually("placement", "/resource_providers/" + id) == 200);
}
