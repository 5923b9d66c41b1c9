#include <doctest/doctest.h>

#include "api/image/fixture.h"

using namespace pilvi;
using testing::Cases;
using testing::ImageService;

TEST_CASE("who may do what") {
    ImageService s;
    const auto make = [&s](std::string token, std::string body, const char* variable) {
        s.cases.run({.method = "POST", .path = "/v2/images", .token = token, .body = std::move(body), .status = 201, .save = {{variable, "id"}}});
    };
    make("member", R"({"visibility": "private"})", "own");
    make("member", R"({"visibility": "shared"})", "shared");
    make("admin", R"({"visibility": "public"})", "public");
    make("member", R"({"visibility": "community"})", "community");
    s.cases.run({.method = "POST", .path = "/v2/images/${shared}/members", .token = "member", .body = R"({"member": "${other_project}"})"});
    const Cases::Row rows[] = {
        {.method = "GET", .path = "/v2/images", .answers = "none:401 admin:200 member:200 reader:200 other:200 service:200 system:403"},
        {.method = "POST", .path = "/v2/images", .body = "{}", .answers = "system:403 none:401 admin:201 member:201 reader:403 other:201"},
        {.method = "POST", .path = "/v2/images", .body = R"({"visibility": "public"})", .answers = "admin:201 member:403 manager:403 service:201"},
        {.method = "GET",
         .path = "/v2/images/${own}",
         .answers = "system:404 none:401 admin:200 member:200 reader:200 manager:200 other:404 service:200"},
        {.method = "GET", .path = "/v2/images/${shared}", .answers = "admin:200 member:200 other:200 service:200"},
        {.method = "GET", .path = "/v2/images/${public}", .answers = "admin:200 member:200 reader:200 other:200"},
        {.method = "GET", .path = "/v2/images/${community}", .answers = "admin:200 member:200 reader:200 other:200"},
        {.method = "GET", .path = "/v2/images/${own}/file", .answers = "none:401 admin:204 member:204 reader:403 other:404 service:204"},
        {.method = "GET", .path = "/v2/images/${shared}/file", .answers = "other:204 reader:403"},
        {.method = "GET", .path = "/v2/images/${public}/file", .answers = "other:204 member:204 reader:403"},
        {.method = "PUT", .path = "/v2/images/${own}/tags/t", .answers = "none:401 reader:403 other:404 member:204 admin:204"},
        {.method = "PUT", .path = "/v2/images/${public}/tags/t", .answers = "reader:403 member:403 other:403 admin:204"},
        {.method = "PUT", .path = "/v2/images/${shared}/tags/t", .answers = "other:403 member:204"},
        {.method = "POST", .path = "/v2/images/${shared}/actions/deactivate", .answers = "none:401 reader:403 other:403"},
        {.method = "GET", .path = "/v2/images/${shared}/members", .answers = "none:401 member:200 other:200 reader:200 admin:200"},
        {.method = "GET", .path = "/v2/images/${shared}/members/${other_project}", .answers = "member:200 other:200 reader:200 admin:200"},
        {.method = "PUT",
         .path = "/v2/images/${shared}/members/${other_project}",
         .body = R"({"status": "rejected"})",
         .answers = "member:403 reader:403 other:200 admin:200"},
        {.method = "DELETE", .path = "/v2/images/${shared}/members/${other_project}", .answers = "none:401 reader:403 other:403 member:204"},
        {.method = "DELETE", .path = "/v2/images/${public}", .answers = "none:401 reader:403 member:403 other:403 admin:204"},
        {.method = "DELETE", .path = "/v2/images/${own}", .answers = "none:401 other:404 reader:403 member:204 member:404"},
    };
    s.cases.matrix(rows);
}

TEST_CASE("an operator's policy file rules") {
    ImageService s;
    s.service->policy().add("add_image", "role:admin");
    s.cases.run({.method = "POST", .path = "/v2/images", .token = "member", .body = "{}", .status = 403});
    s.cases.run({.method = "POST", .path = "/v2/images", .token = "admin", .body = "{}", .status = 201});
}
