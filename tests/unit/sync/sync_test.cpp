#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "base/text.h"
#include "base/time.h"
#include "log/log.h"
#include "sync/sync.h"
#include "support/temp_dir.h"

using namespace pilvi;
using namespace std::chrono_literals;
using sync::Agent;
using sync::Feed;

namespace {

constexpr Migration schema[] = {{1, "initial",
                                 "CREATE TABLE node_revisions (host TEXT PRIMARY KEY, revision BIGINT NOT NULL);\n"
                                 "CREATE TABLE things (id TEXT PRIMARY KEY, host TEXT NOT NULL);\n"}};

// An API daemon with a feed, and the identity service beside it, in one server.
struct Controller final : http::Handler {
    testing::TempDir directory;
    std::unique_ptr<Store> store = Store::open("sqlite:" + directory / "c.sqlite", schema);
    Feed feed{*store, [](Tx& tx, const std::string& host) {
                  json::array ids;
                  for (const Row& row : tx.query("SELECT id FROM things WHERE host = ? ORDER BY id", {host})) ids.emplace_back(row.at(0).text());
                  return json::object{{"things", std::move(ids)}};
              }};
    std::mutex mutex;
    std::vector<std::string> reports;
    std::atomic<int> polls{0}, refuse_reports{0}, fail_polls{0};
    std::unique_ptr<http::Server> server;
    int port = 0;

    Controller() { start(); }
    ~Controller() { server->stop(100ms); }
    void start() {
        server = std::make_unique<http::Server>(*this, http::ServerOptions{});
        port = server->listen("127.0.0.1", port);
        feed.attach(*server);
        server->start();
    }
    void add(const std::string& id, const std::string& host = "node1") {
        store->write([&](Tx& tx) {
            tx.insert("things", {{"id", id}, {"host", host}});
            feed.bump(tx, host);
        });
    }
    std::size_t report_count() {
        const std::lock_guard lock(mutex);
        return reports.size();
    }
    std::string last_report() {
        const std::lock_guard lock(mutex);
        return reports.empty() ? "" : reports.back();
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port); }
    SessionOptions session_options() const { return {.auth_url = url() + "/v3", .username = "nova", .password = Secret("x")}; }

    http::BodyPolicy body_policy(const http::RequestHead&) override { return {}; }
    http::Response refuse(int status, std::string_view) override { return {.status = status}; }
    http::Response handle(http::Request& r) override {
        if (r.path == "/v3/auth/tokens") {
            http::Response response{.status = 201};
            response.headers.add("X-Subject-Token", "t");
            response.body = R"({"token": {"expires_at": ")" + iso8601_micros(now_micros() + 3600'000'000) + R"(", "catalog": []}})";
            return response;
        }
        if (r.path.ends_with("/observed")) {
            if (refuse_reports > 0) {
                --refuse_reports;
                return {.status = 503};
            }
            const std::lock_guard lock(mutex);
            reports.push_back(r.body);
            return {.status = 204};
        }
        ++polls;
        if (fail_polls > 0) {
            --fail_polls;
            return {.status = 500};
        }
        std::int64_t revision = -1, wait = 0;
        for (const std::string& part : split(r.query, '&')) {
            if (part.starts_with("revision=")) revision = *parse_integer(part.substr(9));
            if (part.starts_with("wait=")) wait = *parse_integer(part.substr(5));
        }
        return feed.answer("node1", revision, std::chrono::seconds(wait));
    }
};

template <class F>
bool eventually(F condition, std::chrono::milliseconds limit = 100s) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

json::object body_of(const http::Response& response) { return parse_json(response.body).as_object(); }

// Observes exactly what is desired.
json::object mirror(const json::object& desired, std::chrono::milliseconds*) { return desired; }

}  // namespace

TEST_CASE("a feed answers at once, parks, and wakes") {
    Controller c;
    http::Response first = c.feed.answer("node1", -1, 0s);
    CHECK(body_of(first) == json::object{{"revision", 1}, {"desired", {{"things", json::array{}}}}});
    CHECK(body_of(c.feed.answer("node1", 1, 0s)) == json::object{{"revision", 1}});
    c.add("a");
    CHECK(body_of(c.feed.answer("node1", 1, 30s)) == json::object{{"revision", 2}, {"desired", {{"things", {"a"}}}}});
    // A revision from before the database was restored differs too.
    CHECK(body_of(c.feed.answer("node1", 99, 30s)).contains("desired"));

    const http::Response parked = c.feed.answer("node1", 2, 30s);
    REQUIRE(parked.park);
    CHECK(parked.park->topic == "desired:node1");
    CHECK_FALSE(parked.park->poll(false));
    CHECK(body_of(*parked.park->poll(true)) == json::object{{"revision", 2}});
    c.store->write([&](Tx& tx) { c.feed.bump_all(tx); });
    CHECK(body_of(*parked.park->poll(false)).at("revision") == 3);

    std::thread writer([&] {
        std::this_thread::sleep_for(50ms);  // it works too where the request comes later
        c.add("b");
    });
    http::Client client;
    const auto begin = std::chrono::steady_clock::now();
    const http::Response woken = client.send({.url = c.url() + "/nodes/node1/desired?revision=3&wait=60", .timeout = 100s});
    writer.join();
    CHECK(std::chrono::steady_clock::now() - begin < 50s);
    CHECK(body_of(woken).at("revision") == 4);
}

TEST_CASE("a rolled back write bumps nothing") {
    Controller c;
    c.feed.answer("node1", -1, 0s);
    CHECK_THROWS_AS(c.store->write([&](Tx& tx) {
        c.feed.bump(tx, "node1");
        throw Error(Errc::conflict, "no");
    }),
                    Error);
    CHECK(body_of(c.feed.answer("node1", 1, 0s)) == json::object{{"revision", 1}});
}

TEST_CASE("an agent converges, reports what changed, and stops at once") {
    Controller c;
    Session session(c.session_options());
    std::atomic<int> passes{0};
    Agent agent(session, {.host = "node1", .base_url = c.url()}, [&](const json::object& desired, std::chrono::milliseconds*) {
        ++passes;
        return desired;
    });
    CHECK_FALSE(agent.ready());
    agent.start();
    REQUIRE(eventually([&] { return agent.ready(); }));
    CHECK(c.last_report() == R"({"things":[]})");
    c.add("a");
    REQUIRE(eventually([&] { return c.last_report() == R"({"things":["a"]})"; }));
    CHECK(agent.alive());
    // A pass that observes the same is not reported again; pokes that come while it runs are one more pass.
    const int before = passes;
    const std::size_t reports = c.report_count();
    agent.poke();
    REQUIRE(eventually([&] { return passes > before; }));
    CHECK(c.report_count() == reports);
    const auto begin = std::chrono::steady_clock::now();
    agent.stop();
    CHECK(std::chrono::steady_clock::now() - begin < 20s);  // the poll alone would last 30 s
}

TEST_CASE("pokes coalesce while a pass runs") {
    Controller c;
    Session session(c.session_options());
    std::atomic<int> passes{0};
    std::atomic<bool> hold{true};
    Agent agent(session, {.host = "node1", .base_url = c.url()}, [&](const json::object& desired, std::chrono::milliseconds*) {
        ++passes;
        while (hold) std::this_thread::sleep_for(1ms);
        return desired;
    });
    agent.start();
    REQUIRE(eventually([&] { return passes == 1; }));
    for (int i = 0; i < 100; ++i) agent.poke();
    hold = false;
    REQUIRE(eventually([&] { return passes == 2; }));
    std::this_thread::sleep_for(50ms);
    CHECK(passes == 2);
}

TEST_CASE("a pass that throws is run again, and one may ask for another") {
    Controller c;
    c.add("a");
    Session session(c.session_options());
    std::atomic<int> passes{0};
    Agent agent(session, {.host = "node1", .base_url = c.url()}, [&](const json::object&, std::chrono::milliseconds* again) {
        const int pass = ++passes;
        if (pass == 1) throw Error(Errc::internal, "libvirt is away");
        if (pass < 4) *again = 5ms;
        return json::object{{"pass", pass}};
    });
    agent.start();
    REQUIRE(eventually([&] { return c.last_report() == R"({"pass":4})"; }));
    CHECK(passes == 4);
}

TEST_CASE("a report is repeated until it is accepted") {
    Controller c;
    c.refuse_reports = 2;
    Session session(c.session_options());
    Agent agent(session, {.host = "node1", .base_url = c.url()}, mirror);
    agent.start();
    REQUIRE(eventually([&] { return agent.ready(); }));
    CHECK(c.refuse_reports == 0);
    CHECK(c.report_count() == 1);
}

TEST_CASE("an agent outlives its API daemon") {
    Controller c;
    c.fail_polls = 1;
    Session session(c.session_options());
    std::atomic<int> passes{0};
    Agent agent(session, {.host = "node1", .base_url = c.url(), .resync = 1s}, [&](const json::object& desired, std::chrono::milliseconds*) {
        ++passes;
        return desired;
    });
    agent.start();
    REQUIRE(eventually([&] { return agent.ready(); }));
    c.server->stop(10ms);
    // The last known set stays in force: resyncs go on.
    const int before = passes;
    REQUIRE(eventually([&] { return passes > before; }));
    c.store->write([&](Tx& tx) { tx.insert("things", {{"id", "while-away"}, {"host", "node1"}}); });  // no revision: only a whole set shows it
    c.start();
    REQUIRE(eventually([&] { return c.last_report() == R"({"things":["while-away"]})"; }));
}

TEST_CASE("backoff per object") {
    sync::Backoff backoff;
    const auto now = std::chrono::steady_clock::now();
    CHECK(backoff.due("a", now));
    backoff.failed("a", now);
    CHECK_FALSE(backoff.due("a", now + 900ms));
    CHECK(backoff.due("a", now + 1s));
    backoff.failed("a", now);
    CHECK_FALSE(backoff.due("a", now + 1900ms));
    CHECK(backoff.due("b", now));
    for (int i = 0; i < 10; ++i) backoff.failed("a", now);
    CHECK(backoff.due("a", now + 60s));
    backoff.succeeded("a");
    CHECK(backoff.due("a", now));
}
