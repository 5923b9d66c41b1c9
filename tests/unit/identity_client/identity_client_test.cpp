#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/error.h"
#include "identity/identity.h"

using namespace pilvi;

namespace {
// An identity service that knows two users' tokens, and whatever else a test plugs in.
struct Cloud final : http::Handler {
    std::atomic<int> logins{0}, checks{0}, check_status{200};
    std::atomic<Micros> life{3600'000'000};
    std::string valid = "service-1";
    std::function<http::Response(http::Request&)> other = [](http::Request&) { return http::Response{.status = 404}; };
    http::Server server;
    int port;

    Cloud() : server(*this, {}), port(server.listen("127.0.0.1", 0)) { server.start(); }
    std::string url(std::string_view path) const { return "http://127.0.0.1:" + std::to_string(port) + std::string(path); }
    SessionOptions options() const { return {.auth_url = url("/v3/"), .username = "glance", .password = Secret("s3cret")}; }

    http::BodyPolicy body_policy(const http::RequestHead&) override { return {}; }
    http::Response refuse(int status, std::string_view) override { return {.status = status}; }
    http::Response handle(http::Request& r) override {
        if (r.path == "/v3/auth/tokens" && r.method == "POST") return login(r);
        if (r.headers.get("X-Auth-Token") != valid)
            return {.status = 401, .body = R"({"error": {"code": 401, "message": "no", "title": "Unauthorized"}})"};
        if (r.path == "/v3/auth/tokens") return check(r);
        return other(r);
    }
    http::Response login(http::Request& r) {
        const json::value body = parse_json(r.body);
        if (*find_path(body, "auth.identity.password.user.password") != "s3cret")
            return {.status = 401, .body = R"({"error": {"message": "The request you have made requires authentication."}})"};
        valid = "service-" + std::to_string(++logins);
        http::Response response{.status = 201};
        response.headers.add("X-Subject-Token", valid);
        const json::array endpoints{{{"interface", "public"}, {"region_id", "RegionOne"}, {"url", "http://public:9696/"}},
                                    {{"interface", "internal"}, {"region_id", "RegionTwo"}, {"url", "http://two:9696"}},
                                    {{"interface", "internal"}, {"region_id", "RegionOne"}, {"url", "http://one:9696/"}}};
        const json::array catalog{
            {{"type", "network"}, {"endpoints", endpoints}},
            {{"type", "image"}, {"endpoints", json::array{{{"interface", "public"}, {"region", "RegionOne"}, {"url", "http://img"}}}}}};
        response.body = to_text(json::object{{"token", {{"expires_at", iso8601_micros(now_micros() + life)}, {"catalog", catalog}}}});
        return response;
    }
    http::Response check(http::Request& r) {
        ++checks;
        if (check_status != 200 || r.headers.get("X-Subject-Token") == "broken") return {.status = check_status == 200 ? 500 : check_status.load()};
        if (r.headers.get("X-Subject-Token") != "alice") return {.status = 404};
        const json::object domain{{"id", "default"}, {"name", "Default"}};
        return {.body = to_text(json::object{{"token",
                                              {{"user", {{"id", "u1"}, {"name", "alice"}, {"domain", domain}}},
                                               {"project", {{"id", "p1"}, {"name", "demo"}, {"domain", domain}}},
                                               {"roles", json::array{{{"id", "r1"}, {"name", "member"}}, {{"id", "r2"}, {"name", "reader"}}}},
                                               {"expires_at", iso8601_micros(now_micros() + life)}}}})};
    }
};

Error caught(const std::function<void()>& fn) {
    try {
        fn();
    } catch (const Error& e) {
        return e;
    }
    return Error(Errc::internal, "no error");
}
}  // namespace

TEST_CASE("a session keeps its token, and gets another when it is refused or ends") {
    Cloud cloud;
    cloud.other = [](http::Request& r) { return http::Response{.body = "{\"path\": \"" + r.path + "\"}"}; };
    Session session(cloud.options());
    CHECK(session.call("GET", cloud.url("/a")) == json::value{{"path", "/a"}});
    CHECK(session.call("POST", cloud.url("/b"), {{"x", 1}}) == json::value{{"path", "/b"}});
    CHECK(cloud.logins == 1);
    cloud.valid = "revoked meanwhile";
    CHECK(session.call("GET", cloud.url("/c")) == json::value{{"path", "/c"}});
    CHECK(cloud.logins == 2);
    cloud.life = -1;
    cloud.valid = "revoked again";
    session.call("GET", cloud.url("/d"));
    CHECK(cloud.logins == 3);
    session.call("GET", cloud.url("/d"));
    CHECK(cloud.logins == 4);
}

TEST_CASE("the catalogue: interface and region, public as the fallback") {
    Cloud cloud;
    Session session(cloud.options());
    CHECK(session.endpoint("network") == "http://one:9696");
    CHECK(session.endpoint("image") == "http://img");
    CHECK(caught([&] { session.endpoint("volume"); }).code() == Errc::unavailable);
}

TEST_CASE("login errors are unavailable and name the user, not the password") {
    Cloud cloud;
    SessionOptions options = cloud.options();
    options.password = Secret("wrong");
    Session session(options);
    const Error e = caught([&] { session.token(); });
    CHECK(e.code() == Errc::unavailable);
    CHECK(e.message() == "identity refused user glance: The request you have made requires authentication.");
    options.auth_url = "http://127.0.0.1:1/v3";
    Session nobody(options);
    CHECK(caught([&] { nobody.token(); }).code() == Errc::unavailable);
}

TEST_CASE("error envelopes of every style") {
    struct Row {
        int status;
        const char* body;
        Errc code;
        const char* message;
        const char* type;
    };
    const Row rows[] = {
        {404, R"({"error": {"code": 404, "message": "Could not find user", "title": "Not Found"}})", Errc::not_found, "Could not find user", ""},
        {404, R"({"itemNotFound": {"code": 404, "message": "Instance x could not be found."}})", Errc::not_found, "Instance x could not be found.",
         ""},
        {409, R"({"NeutronError": {"type": "IpAddressInUse", "message": "in use", "detail": ""}})", Errc::conflict, "in use", "IpAddressInUse"},
        {400, R"({"errors": [{"status": 400, "title": "Bad Request", "detail": "JSON does not validate"}]})", Errc::bad_request,
         "JSON does not validate", ""},
        {403,
         "<html>\n <head>\n  <title>403 Forbidden</title>\n </head>\n <body>\n  <h1>403 Forbidden</h1>\n  Image &lt;x&gt; is protected<br /><br "
         "/>\n\n\n\n </body>\n</html>",
         Errc::forbidden, "Image <x> is protected", ""},
        {413, "too much", Errc::too_large, "too much", ""},
        {503, "", Errc::unavailable, "http://u answered 503 Service Unavailable", ""},
        {500, "{broken", Errc::bad_gateway, "{broken", ""},
        {429, R"({"message": "slow down"})", Errc::unavailable, "slow down", ""},
    };
    for (const Row& row : rows) {
        const Error e = error_of({.status = row.status, .body = row.body}, "http://u");
        CAPTURE(row.body);
        CHECK(e.code() == row.code);
        CHECK(e.message() == row.message);
        CHECK(e.type() == row.type);
    }
}

TEST_CASE("tokens are checked, and the answer is cached for a while") {
    Cloud cloud;
    Session session(cloud.options());
    TokenValidator validator(session, cloud.url("/v3"));
    const auto context = validator.authenticate("alice");
    REQUIRE(context);
    CHECK(context->user_name == "alice");
    CHECK(context->user_domain_id == "default");
    CHECK(context->project_id == "p1");
    CHECK(context->project_domain_name == "Default");
    CHECK(context->has_role("reader"));
    CHECK_FALSE(context->is_admin);
    CHECK(context->token == "alice");
    // Nothing is kept before identity knows that the validator listens for revocations.
    for (int asked = -1; asked != cloud.checks; validator.authenticate("alice")) asked = cloud.checks;
    const int first = cloud.checks;
    for (int i = 0; i < 5; ++i) CHECK(validator.authenticate("alice")->token == "alice");
    CHECK(cloud.checks == first);
    CHECK_FALSE(validator.authenticate("mallory"));
    CHECK_FALSE(validator.authenticate(""));
    CHECK_FALSE(validator.authenticate("a\r\nX-Auth-Token: b"));
    CHECK_FALSE(validator.authenticate(std::string(10'000, 'a')));
    CHECK(cloud.checks == first + 1);
    CHECK(caught([&] { validator.authenticate("broken"); }).code() == Errc::unavailable);
    TokenValidator uncached(session, cloud.url("/v3"), std::chrono::seconds(0));
    uncached.authenticate("alice");
    uncached.authenticate("alice");
    CHECK(cloud.checks == first + 4);
    cloud.life = -1;
    TokenValidator fresh(session, cloud.url("/v3"));
    CHECK_FALSE(fresh.authenticate("alice"));
}

TEST_CASE("without a word from identity what is cached is the second choice") {
    Cloud cloud;
    std::atomic<bool> away{false};
    std::atomic<int> polls{0};
    cloud.other = [&](http::Request&) {
        ++polls;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return away ? http::Response{.status = 500} : http::Response{.body = R"({"revision": 7})"};
    };
    Session session(cloud.options());
    TokenValidator validator(session, cloud.url("/v3"), std::chrono::seconds(600));
    const auto asks = [&] {
        const int before = cloud.checks;
        REQUIRE(validator.authenticate("alice"));
        return cloud.checks != before;
    };
    while (asks()) continue;  // until identity knows that the validator listens
    away = true;
    while (!asks()) continue;  // it may have missed a revocation: identity is asked again
    CHECK(asks());
    cloud.check_status = 500;
    CHECK(validator.authenticate("alice"));  // identity starts again
    cloud.check_status = 404;
    CHECK_FALSE(validator.authenticate("alice"));
    cloud.check_status = 500;
    CHECK(caught([&] { validator.authenticate("alice"); }).code() == Errc::unavailable);
    cloud.check_status = 200;
    away = false;
    while (asks()) continue;
    CHECK(polls > 1);
}

TEST_CASE("whatever is wrong with identity is 503 in the original's words") {
    Cloud cloud;
    std::function<http::Response()> answer;
    struct Odd final : http::Handler {
        std::function<http::Response()>& answer;
        explicit Odd(std::function<http::Response()>& a) : answer(a) {}
        http::BodyPolicy body_policy(const http::RequestHead&) override { return {}; }
        http::Response refuse(int status, std::string_view) override { return {.status = status}; }
        http::Response handle(http::Request&) override { return answer(); }
    } odd(answer);
    http::Server server(odd, {});
    const std::string url = "http://127.0.0.1:" + std::to_string(server.listen("127.0.0.1", 0)) + "/v3";
    server.start();
    Session session(cloud.options(), {.timeout = std::chrono::milliseconds(300)});
    const auto refused = [&](const std::string& at) {
        TokenValidator validator(session, at, std::chrono::seconds(0));
        const Error error = caught([&] { validator.authenticate("alice"); });
        CHECK(error.code() == Errc::unavailable);
        CHECK(error.message() == "The Keystone service is temporarily unavailable.");
    };
    for (const http::Response& response : {http::Response{.status = 502}, http::Response{.status = 403}, http::Response{.status = 300},
                                           http::Response{.body = "no JSON"}, http::Response{.body = "[]"}, http::Response{.body = "{}"}}) {
        answer = [&] { return response; };
        refused(url);
    }
    answer = [] {
        std::this_thread::sleep_for(std::chrono::milliseconds(600));
        return http::Response();
    };
    refused(url);
    refused("http://127.0.0.1:1/v3");
}

TEST_CASE("settings") {
    constexpr auto settings = with_identity_settings("glance", {{"listen.port", SettingKind::integer, "9292", "TCP port.", 0, 65535}});
    const Config config({std::span<const Setting>(settings)});
    CHECK(config.text("identity.username") == "glance");
    CHECK(config.integer("listen.port") == 9292);
}
