// Many clients at once on the same names of identity, image and placement, over sockets: no 500, no duplicate, no lost update; and with a daemon
// killed in the middle, everything that was acknowledged is there, and nothing half. PILVI_ROUNDS: how often each client goes round (a soak takes
// hundreds). PILVI_TEST_BACKEND=postgresql: the same with the three databases there.
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
#include "support/postgresql.h"

using namespace pilvi;
using namespace std::chrono_literals;

namespace {

constexpr int clients = 64;

int rounds() {
    const char* text = std::getenv("PILVI_ROUNDS");
    return text ? std::max(1, std::atoi(text)) : 2;
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

// One client's session. A daemon that is full, or whose identity service is away (503), is asked again; any other 5xx is a finding.
class Client {
public:
    Client(cli::Cloud& cloud, std::string token, Findings& findings)
        : urls_{{"identity", cloud.url("identity")}, {"image", cloud.url("image")}, {"placement", cloud.url("placement")}},
          token_(std::move(token)),
          findings_(findings) {}

    Answer send(std::string_view method, const std::string& service, const std::string& path, const json::value& body = nullptr,
                const char* type = "application/json") {
        const auto deadline = std::chrono::steady_clock::now() + 300s;
        while (true) {
            http::ClientRequest request{.method = std::string(method), .url = urls_.at(service) + path, .timeout = 300'000ms};
            request.headers.set("X-Auth-Token", token_);
            if (service == "placement") request.headers.set("OpenStack-API-Version", "placement 1.39");
            if (!body.is_null()) {
                request.headers.set("Content-Type", type);
                request.body = to_text(body);
            }
            try {
                const http::Response response = client_.send(request);
                if (response.status == 503 && std::chrono::steady_clock::now() < deadline) {
                    std::this_thread::sleep_for(20ms);
                    continue;
                }
                if (response.status >= 500)
                    findings_.add(std::string(method) + " " + path + ": " + std::to_string(response.status) + " " + response.body);
                const bool json = response.headers.get("Content-Type").starts_with("application/json") && !response.body.empty();
                return {response.status, json ? parse_json(response.body) : json::value()};  // some of the image service's errors are HTML
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

cli::CloudOptions small() {
    cli::CloudOptions out{.seed = false};
    const char* const backend = std::getenv("PILVI_TEST_BACKEND");
    if (!backend || std::string_view(backend) != "postgresql") return out;
    static test::PostgresqlServer server;
    for (const char* daemon : {"identity", "image", "placement"}) out.settings.emplace_back(daemon, "database.url=" + server.fresh());
    return out;
}

// What has a name of its own: how it is made, and where it is then.
struct Kind {
    const char *service, *method, *path, *body;  // $ in path and body is the name
    const char* id;                              // of the answer, for PATH/ID; nullptr: made by PUT, at `path` itself
    int made;
};
constexpr Kind kinds[] = {
    {"identity", "POST", "/projects", R"({"project": {"name": "$"}})", "project.id", 201},
    {"identity", "POST", "/users", R"({"user": {"name": "$", "password": "x"}})", "user.id", 201},
    {"identity", "POST", "/groups", R"({"group": {"name": "$"}})", "group.id", 201},
    {"identity", "POST", "/roles", R"({"role": {"name": "$"}})", "role.id", 201},
    {"identity", "POST", "/domains", R"({"domain": {"name": "$", "enabled": false}})", "domain.id", 201},
    {"identity", "POST", "/regions", R"({"region": {"id": "$"}})", "region.id", 201},
    {"image", "POST", "/v2/metadefs/namespaces", R"({"namespace": "$"})", "namespace", 201},
    {"placement", "POST", "/resource_providers", R"({"name": "$"})", "uuid", 200},
    {"placement", "PUT", "/traits/CUSTOM_$", "", nullptr, 201},
    {"placement", "PUT", "/resource_classes/CUSTOM_$", "", nullptr, 201},
};

std::string with_name(std::string text, const std::string& name) {
    for (std::size_t at = text.find('$'); at != text.npos; at = text.find('$', at + name.size())) text.replace(at, 1, name);
    return text;
}

// Of one thing that was asked for.
struct Made {
    int status = 0;
    std::string at;  // "" where it was not made, or nobody knows
};

Made make(Client& client, const Kind& kind, const std::string& name) {
    const std::string path = with_name(kind.path, name), body = with_name(kind.body, name);
    const Answer answer = client.expect({kind.made, kind.id ? 409 : 204}, kind.method, kind.service, path, body.empty() ? nullptr : parse_json(body));
    if (answer.status != kind.made) return {answer.status, ""};
    return {answer.status, kind.id ? path + "/" + answer.text(kind.id) : path};
}

constexpr int between_kills = 60;  // things that the clients have tried to make
constexpr const char* patch = "application/openstack-images-v2.1-json-patch";

json::value allocation(const std::vector<std::string>& providers, const json::value& generation = nullptr) {
    json::object of;
    for (const std::string& provider : providers) of[provider] = {{"resources", {{"VCPU", 1}}}};
    return {{"allocations", of}, {"project_id", "p"}, {"user_id", "u"}, {"consumer_generation", generation}, {"consumer_type", "INSTANCE"}};
}

std::string provider_with(Client& admin, const std::string& name, int total) {
    const std::string id = admin.send("POST", "placement", "/resource_providers", {{"name", name}}).text("uuid");
    REQUIRE(admin
                .send("PUT", "placement", "/resource_providers/" + id + "/inventories",
                      {{"resource_provider_generation", 0}, {"inventories", {{"VCPU", {{"total", total}}}}}})
                .status == 200);
    return id;
}

std::int64_t used(Client& admin, const std::string& provider) {
    return find_path(admin.send("GET", "placement", "/resource_providers/" + provider + "/usages").body, "usages.VCPU")->to_number<std::int64_t>();
}

std::size_t size_of(const Answer& answer, const char* list) {
    const json::value* found = find_path(answer.body, list);
    return found && found->is_array() ? found->get_array().size() : 0;
}

}  // namespace

TEST_CASE("the same names: made, changed and deleted by 64 clients at once") {
    cli::Cloud cloud(small());
    cloud.start();
    Findings findings;
    std::atomic<int> made{0};
    Client admin(cloud, cloud.admin_token(), findings);
    const std::string user = admin.send("POST", "identity", "/users", {{"user", {{"name", "subject"}}}}).text("user.id");
    const std::string project = admin.send("POST", "identity", "/projects", {{"project", {{"name", "object"}}}}).text("project.id");
    const std::string role = admin.send("POST", "identity", "/roles", {{"role", {{"name", "predicate"}}}}).text("role.id");
    const std::string grant = "/projects/" + project + "/users/" + user + "/roles/" + role;
    all_at_once(cloud, findings, [&](Client& client, int i) {
        for (int round = 0; round < rounds(); ++round) {
            const std::string name = "N" + std::to_string((i + round) % 4), other = "N" + std::to_string(i % 4);
            for (const Kind& kind : kinds) {
                const Made thing = make(client, kind, name);
                if (thing.at.empty()) continue;
                ++made;
                if (std::string_view(kind.path) == "/projects")
                    client.expect({200, 409}, "PATCH", "identity", thing.at, {{"project", {{"name", other}}}});
                if (std::string_view(kind.path) == "/resource_providers") client.expect({200, 409}, "PUT", "placement", thing.at, {{"name", other}});
                // What is found by its name may be another client's by now.
                client.expect({204, 404}, "DELETE", kind.service, thing.at);
            }
            client.expect({204}, "PUT", "identity", grant);
            client.expect({204, 404}, "DELETE", "identity", grant);
            const std::string image = "/v2/images/00000000-0000-4000-8000-00000000000" + std::to_string(i % 4);
            const Answer created = client.expect({201, 409}, "POST", "image", "/v2/images", {{"id", image.substr(11)}, {"name", name}});
            made += created.status == 201;
            client.expect({200, 404, 409}, "PATCH", "image", image, json::array{json::object{{"op", "replace"}, {"path", "/name"}, {"value", name}}},
                          patch);
            client.expect({204, 404}, "PUT", "image", image + "/tags/" + name);
            client.expect({200, 403, 404, 409}, "POST", "image", image + "/members", {{"member", other}});
            client.expect({204, 403, 404}, "DELETE", "image", image + "/members/" + other);
            client.expect({204, 404}, "DELETE", "image", image + "/tags/" + name);
            if (created.status == 201) client.expect({204, 404}, "DELETE", "image", image);
        }
    });
    findings.check();
    CHECK(made > 3);
    for (const std::string name : {"N0", "N1", "N2", "N3"}) {
        for (const char* list : {"projects", "users", "groups", "roles", "domains"})
            CHECK(size_of(admin.send("GET", "identity", "/" + std::string(list) + "?name=" + name), list) == 0);
        CHECK(size_of(admin.send("GET", "placement", "/resource_providers?name=" + name), "resource_providers") == 0);
    }
}

TEST_CASE("one name asked for by 64 clients is given once") {
    cli::Cloud cloud(small());
    cloud.start();
    Findings findings;
    std::map<const Kind*, std::atomic<int>> count;
    for (const Kind& kind : kinds) count[&kind] = 0;
    std::atomic<int> images{0}, allocated{0};
    Client admin(cloud, cloud.admin_token(), findings);
    const std::string provider = provider_with(admin, "scarce", 10);
    all_at_once(cloud, findings, [&](Client& client, int) {
        for (const Kind& kind : kinds) count.at(&kind) += make(client, kind, "ONE").status == kind.made;
        images += client.expect({201, 409}, "POST", "image", "/v2/images", {{"id", "00000000-0000-4000-8000-000000000001"}}).status == 201;
        // Ten places for 64. A conflict of generations is to be tried again, one of capacity is not: 409 says which.
        const std::string consumer = new_uuid();
        while (true) {
            const Answer answer = client.expect({204, 409}, "PUT", "placement", "/allocations/" + consumer, allocation({provider}));
            allocated += answer.status == 204;
            if (answer.status != 409 || to_text(answer.body).find("placement.concurrent_update") == std::string::npos) break;
        }
    });
    findings.check();
    for (const auto& [kind, times] : count) {
        CAPTURE(kind->path);
        CHECK(times == 1);
    }
    CHECK(images == 1);
    CHECK(allocated == 10);
    CHECK(used(admin, provider) == 10);
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
    const std::string shared = provider_with(admin, "shared", clients);
    const std::string group = admin.send("POST", "identity", "/groups", {{"group", {{"name", "everybody"}}}}).text("group.id");
    const std::string space = "/v2/metadefs/namespaces/SPACE";
    REQUIRE(admin
                .send("PATCH", "image", "/v2/images/" + image,
                      json::array{json::object{{"op", "replace"}, {"path", "/visibility"}, {"value", "shared"}}}, patch)
                .status == 200);
    REQUIRE(admin.send("POST", "image", "/v2/metadefs/namespaces", {{"namespace", "SPACE"}}).status == 201);
    all_at_once(cloud, findings, [&](Client& client, int i) {
        const std::string name = "c" + std::to_string(i);
        client.expect({201}, "PUT", "identity", "/projects/" + project + "/tags/" + name);
        client.expect({204}, "PUT", "image", "/v2/images/" + image + "/tags/" + name);
        client.expect({200}, "POST", "image", "/v2/images/" + image + "/members", {{"member", name}});
        client.expect({201}, "POST", "image", space + "/objects", {{"name", name}});
        const std::string user = client.expect({201}, "POST", "identity", "/users", {{"user", {{"name", name}}}}).text("user.id");
        client.expect({204}, "PUT", "identity", "/groups/" + group + "/users/" + user);
        const std::string consumer = new_uuid();
        while (client.expect({204, 409}, "PUT", "placement", "/allocations/" + consumer, allocation({shared})).status == 409) {
        }
        while (client
                   .expect({200, 409}, "PATCH", "image", "/v2/images/" + image,
                           json::array{json::object{{"op", "add"}, {"path", "/" + name}, {"value", name}}}, patch)
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
    CHECK(size_of(admin.send("GET", "image", "/v2/images/" + image), "tags") == clients);
    CHECK(size_of(admin.send("GET", "image", "/v2/images/" + image + "/members"), "members") == clients);
    CHECK(size_of(admin.send("GET", "image", space + "/objects"), "objects") == clients);
    CHECK(size_of(admin.send("GET", "identity", "/groups/" + group + "/users"), "users") == clients);
    CHECK(used(admin, shared) == clients);
    const Answer properties = admin.send("GET", "image", "/v2/images/" + image);
    for (int i = 0; i < clients; ++i) CHECK(properties.text(("c" + std::to_string(i)).c_str()) == "c" + std::to_string(i));
    CHECK(find_path(admin.send("GET", "placement", inventory).body, "inventories.VCPU.total")->to_number<std::int64_t>() == clients);
}

TEST_CASE("what was acknowledged is there after kill -9 in the middle, and nothing half") {
    cli::Cloud cloud(small());
    cloud.start();
    Findings findings;
    Client admin(cloud, cloud.admin_token(), findings);
    const std::vector<std::string> pair{provider_with(admin, "left", 100'000), provider_with(admin, "right", 100'000)};
    std::mutex mutex;
    std::set<std::pair<std::string, std::string>> there, gone;  // service and path
    std::map<std::string, bool> consumers;                      // whether it was acknowledged
    struct Change {
        std::int64_t acknowledged = 0, sent = 0;
    };
    std::map<std::string, Change> changes;  // of a project's description, by path: a number that rises
    std::atomic<int> working{clients}, done{0};
    const auto note = [&](auto& set, auto&&... what) {
        const std::lock_guard lock(mutex);
        set.emplace(what...);
    };
    all_at_once(
        cloud, findings,
        [&](Client& client, int i) {
            struct Leave {
                std::atomic<int>& count;
                ~Leave() { --count; }
            } leave{working};
            std::string changing;
            Change change;
            for (int round = 0; round < std::max(2, rounds()); ++round) {
                const std::string name = "K" + std::to_string(i) + "_" + std::to_string(round);
                for (const Kind& kind : kinds) {
                    const Made thing = make(client, kind, name);
                    ++done;
                    if (thing.at.empty()) continue;
                    if (changing.empty() && round % 2 == 0 && std::string_view(kind.path) == "/projects") changing = thing.at;
                    // A delete without an answer may have happened.
                    if (round % 2 == 0) note(there, kind.service, thing.at);
                    else if (client.send("DELETE", kind.service, thing.at).status == 204) note(gone, kind.service, thing.at);
                }
                if (const std::string id = client.expect({201}, "POST", "image", "/v2/images", {{"name", name}}).text("id"); !id.empty()) {
                    note(there, "image", "/v2/images/" + id);
                    if (client.expect({204}, "PUT", "image", "/v2/images/" + id + "/tags/" + name).status == 204)
                        note(there, "image", "/v2/images/" + id + "?tag=" + name);
                }
                const std::string consumer = new_uuid();
                while (true) {
                    const int status = client.expect({204, 409}, "PUT", "placement", "/allocations/" + consumer, allocation(pair)).status;
                    if (status == 409) continue;
                    note(consumers, consumer, status == 204);
                    break;
                }
                if (changing.empty()) continue;
                const json::value body{{"project", {{"description", std::to_string(++change.sent)}}}};
                if (client.expect({200}, "PATCH", "identity", changing, body).status == 200) change.acknowledged = change.sent;
            }
            if (!changing.empty()) note(changes, changing, change);
        },
        [&] {
            const char* const victims[] = {"identity", "image", "placement"};
            // By what was done, not by time: the slower the machine, the longer a daemon lives.
            for (int i = 0, next = between_kills; working > 0; std::this_thread::sleep_for(1ms)) {
                if (done < next) continue;
                next = done + between_kills;
                cloud.daemon(victims[i % 3]).kill();
                cloud.start_daemon(victims[i++ % 3]);
            }
        });
    findings.check();
    for (const char* service : {"identity", "image", "placement"})
        CHECK(std::any_of(there.begin(), there.end(), [&](const auto& one) { return one.first == service; }));
    const auto eventually = [&](const std::string& service, const std::string& path) {
        Answer answer;
        for (int i = 0; i < 2000 && answer.status == 0; ++i) {
            answer = admin.send("GET", service, path);
            if (answer.status == 0) std::this_thread::sleep_for(50ms);
        }
        return answer;
    };
    for (const auto& [service, path] : there) {
        CAPTURE(path);
        const std::size_t tag = path.find("?tag=");
        const Answer answer = eventually(service, path.substr(0, tag));
        CHECK(answer.status / 100 == 2);  // a trait answers 204
        if (tag != path.npos) CHECK(to_text(answer.body).find(path.substr(tag + 5)) != std::string::npos);
    }
    for (const auto& [service, path] : gone) {
        CAPTURE(path);
        CHECK(eventually(service, path).status == 404);
    }
    for (const auto& [path, change] : changes) {
        const std::int64_t now = std::atoll(eventually("identity", path).text("project.description").c_str());
        CHECK(now >= change.acknowledged);
        CHECK(now <= change.sent);
    }
    std::int64_t allocated = 0;
    for (const auto& [consumer, acknowledged] : consumers) {
        const std::size_t providers = eventually("placement", "/allocations/" + consumer).body.at("allocations").as_object().size();
        CHECK((providers == 2 || (providers == 0 && !acknowledged)));
        allocated += providers == 2;
    }
    for (const std::string& provider : pair) CHECK(used(admin, provider) == allocated);
}
