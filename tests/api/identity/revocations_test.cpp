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
        app.revocations.attach(server);
        server.start();
    }
    ~Cloud() { server.stop(); }
    SessionOptions nova() const { return {.auth_url = url, .username = "nova", .password = Secret("nova")}; }
    int send(const std::string& method, const std::string& path, const std::string& subject = {}) {
        http::ClientRequest request{.method = method, .url = url + substitute(path, cases.vars)};
        request.headers.add("X-Auth-Token", cases.vars.at("admin_token"));
        if (!subject.empty()) request.headers.add("X-Subject-Token", subject);
        return client.send(request).status;
    }
};

// The clock of the fixture is not this process': a token that ends in the future of both.
constexpr std::chrono::seconds day{86'400};

}  // namespace

TEST_CASE("what is revoked is refused by every service at once") {
    Cloud cloud;
    Session session(cloud.nova()), second_session(cloud.nova());
    TokenValidator one(session, cloud.url, day), two(second_session, cloud.url, day);
    for (int i = 0; i < 20; ++i) {
        const std::string token = cloud.log_in("member", "member", "demo");
        for (int k = 0; k < 3; ++k) {
            REQUIRE(one.authenticate(token));
            REQUIRE(two.authenticate(token));
        }
        CHECK(cloud.send("DELETE", "/auth/tokens", token) == 204);
        CHECK_FALSE(one.authenticate(token));
        CHECK_FALSE(two.authenticate(token));
    }
    const std::string token = cloud.log_in("member", "member", "demo");
    REQUIRE(one.authenticate(token));
    CHECK(cloud.send("DELETE", "/projects/${demo_project}/users/${member_user}/roles/${member_role}") == 204);
    CHECK_FALSE(one.authenticate(token));
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
    CHECK(cloud.send("DELETE", "/auth/tokens", token) == 204);
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(5));
    CHECK_FALSE(here.authenticate(token));
}
