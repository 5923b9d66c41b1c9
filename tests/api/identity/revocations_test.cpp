// Two services in this process, with sockets between them: what identity revokes, the other one refuses at once, although it had cached the token.
#include "auth/revocations.h"
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

struct Cloud : IdentityFixture {
    identity::Announcing announcing{service, app.tokens, app.revocations};
    http::Server server{announcing, {}};
    int port = server.listen("127.0.0.1", 0);
    std::string url = "http://127.0.0.1:" + std::to_string(port) + "/v3";
    http::Client client;

    Cloud() {
        app.revocations.attach(server, *store);
        server.start();
    }
    ~Cloud() { server.stop(); }
    SessionOptions nova() const { return {.auth_url = url, .username = "nova", .password = Secret("nova")}; }
    const std::string& url_of_database() const { return IdentityFixture::url; }
    int send(const std::string& method, const std::string& path, const std::string& subject = {}) { return send_to(url, method, path, subject); }
    int send_to(const std::string& base, const std::string& method, const std::string& path, const std::string& subject = {}) {
        http::ClientRequest request{.method = method, .url = base + substitute(path, cases.vars)};
        request.headers.add("X-Auth-Token", cases.vars.at("admin_token"));
        if (!subject.empty()) request.headers.add("X-Subject-Token", subject);
        return client.send(request).status;
    }
    // Sends what revokes; whether everybody has heard. Identity waits for a second: where the answer took longer (this machine may have stood still), it
    // promises nothing.
    bool revoke_at(const std::string& base, const std::string& method, const std::string& path, const std::string& subject = {}) {
        const auto before = std::chrono::steady_clock::now();
        CHECK(send_to(base, method, path, subject) == 204);
        return std::chrono::steady_clock::now() - before < std::chrono::seconds(1);
    }
};

// Another process of the service, as far as it goes: everything but the database and the keys is its own.
struct Another {
    Cloud& first;
    std::unique_ptr<Store> store = Store::open(first.url_of_database(), identity::migrations());
    identity::App app{*store, first.repository, first.sealing, Cloud::cheap, {}, [this] { return first.now; }};
    metrics::Registry metrics;
    api::Service service{identity::service_spec(), *store, app.tokens, metrics, &app};
    identity::Announcing announcing{service, app.tokens, app.revocations};
    http::Server server{announcing, {}};
    std::string url = "http://127.0.0.1:" + std::to_string(server.listen("127.0.0.1", 0)) + "/v3";

    explicit Another(Cloud& cloud) : first(cloud) {
        app.revocations.attach(server, *store);
        server.start();
    }
    ~Another() { server.stop(); }
};

// The clock of the fixture is not this process': a token that ends in the future of both.
constexpr std::chrono::seconds day{86'400};

}  // namespace

TEST_CASE("what is revoked is refused by every service at once") {
    Cloud cloud;
    Session session(cloud.nova()), second_session(cloud.nova());
    TokenValidator one(session, cloud.url, day), two(second_session, cloud.url, day);
    for (int i = 0; i < 20;) {
        const std::string token = cloud.log_in("member", "member", "demo");
        for (int k = 0; k < 3; ++k) {
            REQUIRE(one.authenticate(token));
            REQUIRE(two.authenticate(token));
        }
        if (!cloud.revoke_at(cloud.url, "DELETE", "/auth/tokens", token)) continue;
        CHECK_FALSE(one.authenticate(token));
        CHECK_FALSE(two.authenticate(token));
        ++i;
    }
    const std::string role = "/projects/${demo_project}/users/${member_user}/roles/${member_role}";
    const auto role_goes = [&] {
        const std::string token = cloud.log_in("member", "member", "demo");
        REQUIRE(one.authenticate(token));
        if (!cloud.revoke_at(cloud.url, "DELETE", role)) return false;
        CHECK_FALSE(one.authenticate(token));
        return true;
    };
    while (!role_goes()) CHECK(cloud.send("PUT", role) == 204);
}

TEST_CASE("a service that went away holds nothing up for long, and one that comes back has heard") {
    Cloud cloud;
    Session session(cloud.nova());
    const std::string token = cloud.log_in("member", "member", "demo");
    {
        Session gone(cloud.nova());
        TokenValidator away(gone, cloud.url, day);
        REQUIRE(away.authenticate(token));
    }
    TokenValidator here(session, cloud.url, day);
    REQUIRE(here.authenticate(token));
    const auto before = std::chrono::steady_clock::now();
    const bool heard = cloud.revoke_at(cloud.url, "DELETE", "/auth/tokens", token);
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(25));  // of the 30 that a poll lasts
    if (heard) CHECK_FALSE(here.authenticate(token));
}

TEST_CASE("what one identity process revokes, the other one and its services refuse at once") {
    Cloud cloud;
    Another another(cloud);
    Session here(cloud.nova()), there({.auth_url = another.url, .username = "nova", .password = Secret("nova")});
    TokenValidator one(here, cloud.url, day), two(there, another.url, day);
    // SQLite's processes learn of each other within half a second; the answer to a revocation says that they have.
    for (const std::string& url : {cloud.url, another.url})
        CHECK(cloud.send_to(url, "DELETE", "/auth/tokens", cloud.log_in("member", "member", "demo")) == 204);
    for (int i = 0; i < 10;) {
        const std::string token = cloud.log_in("member", "member", "demo");
        const std::string& at = i % 2 ? cloud.url : another.url;
        const std::string& other = i % 2 ? another.url : cloud.url;
        for (int k = 0; k < 3; ++k) {
            REQUIRE(one.authenticate(token));
            REQUIRE(two.authenticate(token));
            REQUIRE(cloud.send_to(other, "GET", "/auth/tokens", token) == 200);
        }
        if (!cloud.revoke_at(at, "DELETE", "/auth/tokens", token)) continue;
        CHECK(cloud.send_to(other, "GET", "/auth/tokens", token) == 404);
        CHECK_FALSE(one.authenticate(token));
        CHECK_FALSE(two.authenticate(token));
        ++i;
    }
    // A role: gone for the token of before, there for the next one.
    const std::string token = cloud.log_in("member", "member", "demo"), role = "/projects/${demo_project}/users/${member_user}/roles/${member_role}";
    REQUIRE(cloud.send_to(another.url, "GET", "/auth/tokens", token) == 200);
    while (!cloud.revoke_at(cloud.url, "DELETE", role)) CHECK(cloud.send("PUT", role) == 204);
    CHECK(cloud.send_to(another.url, "GET", "/auth/tokens", token) == 404);
    CHECK(cloud.send("PUT", role) == 204);
    CHECK(cloud.send_to(another.url, "GET", "/auth/tokens", token) == 200);
}

TEST_CASE("an identity process that died is waited for a moment only, and then no more") {
    Cloud cloud;
    cloud.store->write([](Tx& tx) { tx.insert("processes", {{"id", "died"}, {"heard", 0}, {"beat", 1}}); });
    CHECK(cloud.send("DELETE", "/auth/tokens", cloud.log_in("member", "member", "demo")) == 204);
    const auto there = [&](const std::string& which) {
        return cloud.store->read([&](Tx& tx) { return tx.scalar("SELECT count(*) FROM processes WHERE id " + which).integer(); });
    };
    const auto becomes = [&](const std::string& which, int wanted) {
        int i = 0;
        for (; i < 2400 && there(which) != wanted; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
        return i < 2400;
    };
    CHECK(becomes("= 'died'", 0));
    {
        const Another another(cloud);
        CHECK(becomes("<> ''", 2));  // one that stood still for long is taken for dead for a moment
    }
    CHECK(becomes("<> ''", 1));
}
