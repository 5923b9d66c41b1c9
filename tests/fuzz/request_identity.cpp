// Requests to the identity service: logins by every method, scopes, OAuth1 and EC2 signatures with what they refer to, the resources' bodies and queries.
#include "requests.h"

#include "identity/app.h"
#include "identity/bootstrap.h"
#include "metrics/metrics.h"
#include "pilvi_identity_schema.h"
#include "support/temp_dir.h"

namespace {
using namespace pilvi;

identity::KeyRepository initialized(const std::string& directory) {
    identity::KeyRepository repository(directory);
    repository.initialize();
    return repository;
}

struct Identity final : fuzz::Subject {
    static constexpr identity::PasswordCost cheap{.operations = 1, .memory = 8192, .at_once = 2};
    testing::MemoryDir directory;
    std::unique_ptr<Store> store = Store::open("sqlite:" + (directory / "test.sqlite"), identity::migrations());
    identity::App app{
        *store, initialized(directory / "keys"), initialized(directory / "credential-keys"), cheap, {}, [] {
                          return Micros{1'800'000'000'000'000}; }};
    metrics::Registry metrics;
    api::Service api{identity::service_spec(), *store, app.tokens, metrics, &app};

    Identity() {
        identity::bootstrap(*store, app.hasher,
                            {.admin_password = Secret("secret"), .service_passwords = {}, .endpoints = identity::standard_endpoints("cloud.example")},
                            1'800'000'000'000'000);
        const std::string body = R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": "secret",
            "domain": {"id": "default"}}}}, "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}})";
        http::Request request{.method = "POST", .target = "/v3/auth/tokens", .path = "/v3/auth/tokens", .body = body};
        const http::Response answer = api.handle(request);
        if (answer.status != 201) fuzz::wrong("setup", request, answer);
        names["token"] = std::string(answer.headers.get("X-Subject-Token"));
        const json::value token = parse_json(answer.body);
        names["user"] = str(token.at("token").at("user").at("id").as_string());
        names["project"] = str(token.at("token").at("project").at("id").as_string());
        names["role"] = str(token.at("token").at("roles").as_array().front().at("id").as_string());
        headers.set("X-Auth-Token", names["token"]);
        headers.set("Content-Type", "application/json");
        headers.set("Host", "cloud.example");
    }
    http::Handler& service() override { return api; }
    bool fails(std::string_view path) const override { return path.find("saml2") != path.npos; }  // assertions cannot be signed
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static std::unique_ptr<fuzz::Subject> subject;
    fuzz::ask(subject, [] { return std::make_unique<Identity>(); }, {reinterpret_cast<const char*>(data), size});
    return 0;
}
