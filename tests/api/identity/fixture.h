#pragma once
// An identity service in this process: bootstrapped, with one project, a user for each persona, and a clock that a test moves.
#include <doctest/doctest.h>

#include "app.h"
#include "bootstrap.h"
#include "pilvi_identity_schema.h"
#include "support/cases.h"
#include "support/database.h"

namespace pilvi::testing {

inline identity::KeyRepository& initialized(identity::KeyRepository& repository) {
    repository.initialize();
    return repository;
}

struct IdentityFixture {
    static constexpr identity::PasswordCost cheap{.operations = 1, .memory = 8192, .at_once = 2};

    MemoryDir dir;
    Micros now = 1'800'000'000'000'000;
    std::string url = database_url(dir);
    std::unique_ptr<Store> store = Store::open(url, identity::migrations());
    identity::KeyRepository repository{dir / "keys"}, sealing{dir / "credential-keys"};
    identity::App app{*store, initialized(repository), initialized(sealing), cheap, {}, [this] { return now; }};
    metrics::Registry metrics;
    api::Service service{identity::service_spec(), *store, app.tokens, metrics, &app};
    Cases cases{service};

    // Users: admin (password "secret", project admin), nova (project service); member, reader, other (their name is their password) with that role in
    // projects demo, demo and other. <name>_token is a project token of each, <name>_user the id.
    IdentityFixture() {
        const identity::BootstrapPlan plan{.admin_password = Secret("secret"),
                                           .service_passwords = {{"nova", Secret("nova")}},
                                           .endpoints = identity::standard_endpoints("cloud.example")};
        identity::bootstrap(*store, app.hasher, plan, now);
        cases.vars["admin_token"] = log_in("admin", "secret", "admin");
        cases.vars["service_token"] = log_in("nova", "nova", "service");
        for (const char* role : {"admin", "manager", "member", "reader", "service"})
            cases.run(
                {.path = "/v3/roles?name=" + std::string(role), .token = "${admin_token}", .save = {{std::string(role) + "_role", "roles.0.id"}}});
        for (const char* project : {"demo", "other"})
            cases.run({.method = "POST",
                       .path = "/v3/projects",
                       .token = "${admin_token}",
                       .body = R"({"project": {"name": ")" + std::string(project) + "\"}}",
                       .status = 201,
                       .save = {{std::string(project) + "_project", "project.id"}}});
        add_user("member", "demo", "member");
        add_user("reader", "demo", "reader");
        add_user("other", "other", "member");
        cases.run({.path = "/v3/users?name=admin", .token = "${admin_token}", .save = {{"admin_user", "users.0.id"}}});
        cases.run({.path = "/v3/projects?name=admin", .token = "${admin_token}", .save = {{"admin_project", "projects.0.id"}}});
        cases.vars["system_token"] =
            token(R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": "secret",
            "domain": {"id": "default"}}}}, "scope": {"system": {"all": true}}}})");
    }

    static std::string login_body(const std::string& user, const std::string& password, const std::string& project) {
        std::string scope;
        if (!project.empty()) scope = R"(, "scope": {"project": {"name": ")" + project + R"(", "domain": {"name": "Default"}}})";
        return R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": ")" + user + R"(", "password": ")" + password +
               R"(", "domain": {"name": "Default"}}}})" + scope + "}}";
    }
    std::string token(const std::string& body) {
        const auto response = cases.run({.name = "log in", .method = "POST", .path = "/v3/auth/tokens", .body = body, .status = 201});
        return std::string(response.headers.get("X-Subject-Token"));
    }
    std::string log_in(const std::string& user, const std::string& password, const std::string& project) {
        return token(login_body(user, password, project));
    }
    void add_user(const std::string& name, const std::string& project, const std::string& role) {
        cases.run({.method = "POST",
                   .path = "/v3/users",
                   .token = "${admin_token}",
                   .body = R"({"user": {"name": ")" + name + R"(", "password": ")" + name + "\"}}",
                   .status = 201,
                   .save = {{name + "_user", "user.id"}}});
        const std::string path = "/v3/projects/${" + project + "_project}/users/${" + name + "_user}/roles/${" + role + "_role}";
        cases.run({.method = "PUT", .path = path, .token = "${admin_token}", .status = 204});
        cases.vars[name + "_token"] = log_in(name, name, project);
    }
};

}  // namespace pilvi::testing
