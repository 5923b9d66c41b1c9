// Property protections: who may create, read, update and delete which properties.
#include <doctest/doctest.h>

#include <fstream>

#include "api/image/fixture.h"
#include "image/protection.h"

using namespace pilvi;
using image::PropertyRules;
using testing::Case;
using testing::ImageService;

namespace {
constexpr std::string_view by_roles = R"(
# who may do what
[^x_owner_.*]
create = admin,Member
read : admin, member, reader
update = admin,
    member
delete = admin,member

[^x_billing$]
create = admin
read = admin, auditor
update = admin
delete = admin

[^x_frozen]
create = @
read = @
update = !
delete =

; the rest, but for what begins with x_
[^(?!x_).*]
create = @
read = @
update = @
delete = @
)";

Case patch(const std::string& token, const std::string& change, int status, const std::string& text = {}) {
    return {.method = "PATCH",
            .path = "/v2/images/${id}",
            .token = token,
            .body = "[" + change + "]",
            .status = status,
            .text = text,
            .headers = {{"Content-Type", "application/openstack-images-v2.1-json-patch"}}};
}
std::string add(const std::string& name, const std::string& value) {
    return R"({"op": "add", "path": "/)" + name + R"(", "value": ")" + value + "\"}";
}
std::string replace(const std::string& name, const std::string& value) {
    return R"({"op": "replace", "path": "/)" + name + R"(", "value": ")" + value + "\"}";
}
std::string without(const std::string& name) { return R"({"op": "remove", "path": "/)" + name + "\"}"; }
}  // namespace

TEST_CASE("properties are protected by roles") {
    ImageService s;
    const PropertyRules rules(by_roles, PropertyRules::Format::roles);
    s.app.protection = &rules;
    const Case cases[] = {
        {.method = "POST",
         .path = "/v2/images",
         .token = "member",
         .body = R"({"x_billing": "code"})",
         .status = 403,
         .text = "Attribute &#x27;x_billing&#x27; is reserved."},
        {.method = "POST", .path = "/v2/images", .token = "member", .body = R"({"x_other": "nobody's"})", .status = 403},
        {.method = "POST", .path = "/v2/images", .token = "admin", .body = R"({"x_other": "nobody's"})", .status = 403},
        {.method = "POST",
         .path = "/v2/images",
         .token = "admin",
         .body = R"({"owner": "${member_project}", "x_billing": "code", "x_owner_a": "1", "x_frozen": "f", "colour": "red"})",
         .status = 201,
         .expect = R"({"x_billing": "code", "x_owner_a": "1"})",
         .save = {{"id", "id"}}},
        {.path = "/v2/images/${id}", .token = "member", .expect = R"({"x_billing": "<absent>", "x_owner_a": "1", "x_frozen": "f", "colour": "red"})"},
        {.path = "/v2/images", .token = "member", .expect = R"({"images": [{"x_billing": "<absent>", "x_owner_a": "1"}]})"},
        {.path = "/v2/images/${id}", .token = "admin", .expect = R"({"x_billing": "code"})"},
        // What cannot be read cannot be found out by a filter.
        {.path = "/v2/images?x_billing=code", .token = "member", .expect = R"({"images": []})"},
        {.path = "/v2/images?x_billing=code&visibility=all", .token = "admin", .expect = R"({"images": [{"id": "${id}"}]})"},
        {.path = "/v2/images?x_owner_a=1", .token = "member", .expect = R"({"images": [{"id": "${id}"}]})"},
        patch("member", replace("x_owner_a", "2"), 200),
        patch("member", add("x_owner_b", "2"), 200),
        patch("member", without("x_owner_b"), 200),
        patch("member", replace("x_billing", "mine"), 409, "Property x_billing does not exist."),
        patch("member", without("x_billing"), 409, "Property x_billing does not exist."),
        patch("member", add("x_billing", "mine"), 403, "Attribute &#x27;x_billing&#x27; is reserved."),
        patch("member", replace("x_frozen", "g"), 403),
        patch("member", add("x_frozen", "g"), 403),
        patch("member", without("x_frozen"), 403, "reserved"),
        patch("admin", without("x_frozen"), 403),
        patch("admin", add("x_other", "g"), 403),
        patch("member", replace("colour", "blue"), 200),
        // What the caller cannot see stays.
        {.path = "/v2/images/${id}", .token = "admin", .expect = R"({"x_billing": "code", "x_owner_a": "2", "colour": "blue", "x_frozen": "f"})"},
        patch("admin", replace("x_billing", "other"), 200),
        {.path = "/v1/images/detail", .token = "member", .expect = R"({"images": [{"properties": {"x_billing": "<absent>", "x_owner_a": "2"}}]})"},
        {.path = "/v1/images/detail?property-x_billing=other", .token = "member", .expect = R"({"images": []})"},
        {.method = "PUT", .path = "/v1/images/${id}", .token = "member", .status = 403, .headers = {{"x-image-meta-property-x_billing", "other"}}},
        {.method = "PUT",
         .path = "/v1/images/${id}",
         .token = "member",
         .expect = R"({"image": {"properties": {"x_billing": "<absent>", "x_owner_a": "3", "x_frozen": "f", "colour": "<absent>"}}})",
         .headers = {{"x-image-meta-property-x_frozen", "f"}, {"x-image-meta-property-x_owner_a", "3"}}},
        {.method = "PUT", .path = "/v1/images/${id}", .token = "member", .status = 403, .headers = {{"x-image-meta-property-x_owner_a", "3"}}},
        {.method = "PUT",
         .path = "/v1/images/${id}",
         .token = "member",
         .status = 403,
         .headers = {{"x-image-meta-property-x_frozen", "g"}, {"x-image-meta-property-x_owner_a", "3"}}},
        {.method = "POST", .path = "/v1/images", .token = "member", .status = 403, .headers = {{"x-image-meta-property-x_billing", "1"}}},
        {.path = "/v2/images/${id}", .token = "admin", .expect = R"({"x_billing": "other", "x_owner_a": "3", "x_frozen": "f"})"},
        {.method = "POST",
         .path = "/v2/tasks",
         .token = "admin",
         .body =
             R"({"type": "import", "input": {"import_from": "http://192.0.2.1/", "import_from_format": "raw", "image_properties": {"x_other": "1"}}})",
         .status = 403},
    };
    s.cases.run(cases);
}

TEST_CASE("properties are protected by rules of the policy") {
    ImageService s;
    const PropertyRules rules(
        "[^secret]\ncreate = writers\nread = readers\nupdate = writers\ndelete = @\n[.*]\ncreate=@\nread=@\nupdate=@\ndelete=@\n",
        PropertyRules::Format::policies);
    CHECK(rules.policies() == std::vector<std::string>{"readers", "writers"});
    CHECK_THROWS_WITH(image::check_protection(rules, s.service->policy()),
                      "property_protection.file names the policy rule 'readers', which nobody defines");
    s.service->policy().add("writers", "role:admin");
    s.service->policy().add("readers", "rule:writers or role:auditor");
    image::check_protection(rules, s.service->policy());
    s.app.protection = &rules;
    const Case cases[] = {
        {.method = "POST", .path = "/v2/images", .token = "member", .body = R"({"secret_1": "1"})", .status = 403},
        {.method = "POST",
         .path = "/v2/images",
         .token = "admin",
         .body = R"({"owner": "${member_project}", "secret_1": "1", "open": "o"})",
         .status = 201,
         .save = {{"id", "id"}}},
        {.path = "/v2/images/${id}", .token = "member", .expect = R"({"secret_1": "<absent>", "open": "o"})"},
        patch("member", without("secret_1"), 409),
        patch("admin", replace("secret_1", "2"), 200),
        patch("admin", without("secret_1"), 200),
    };
    s.cases.run(cases);
}

TEST_CASE("property protection files") {
    using Kind = PropertyRules::Permission::Kind;
    const PropertyRules empty("# nothing\n", PropertyRules::Format::roles);
    CHECK(empty.permission("x", image::PropertyRight::read).kind == Kind::everybody);
    const PropertyRules common("[DEFAULT]\ncreate = admin\nread = @\nupdate = admin\n[a]\ndelete = !\n[b]\ndelete = @\n",
                               PropertyRules::Format::roles);
    CHECK(common.permission("xax", image::PropertyRight::read).kind == Kind::everybody);
    CHECK(common.permission("a", image::PropertyRight::remove).kind == Kind::nobody);
    CHECK(common.permission("b", image::PropertyRight::remove).kind == Kind::everybody);
    CHECK(common.permission("b", image::PropertyRight::create).names == std::vector<std::string>{"admin"});
    CHECK(common.permission("c", image::PropertyRight::read).kind == Kind::nobody);
    const PropertyRules brackets("[^[xy]_]\ncreate=@\nread=@\nupdate=@\ndelete=@\n", PropertyRules::Format::roles);
    CHECK(brackets.permission("y_", image::PropertyRight::read).kind == Kind::everybody);
    const std::string rest = "read=@\nupdate=@\ndelete=@\n";
    struct Row {
        std::string text, why;
        PropertyRules::Format format = PropertyRules::Format::roles;
    };
    const Row rows[] = {
        {"create = @\n", "line 1: an option before the first section"},
        {"[a]\nnonsense\n", "line 2: neither a section nor NAME = VALUE"},
        {"[a]\ncreate=@\n" + rest + "[a]\n", "line 6: the section [a] is there twice"},
        {"[a]\ncreate=@\ncreate=!\n" + rest, "line 3: the option 'create' is there twice"},
        {"[a]\n" + rest, "[a] create: is missing"},
        {"[a]\ncreate = @,!\n" + rest, "[a] create: '@' and '!' are mutually exclusive"},
        {"[a]\ncreate = one,two\n" + rest, "[a] create: only one policy rule can be named; rules are combined in the policy file",
         PropertyRules::Format::policies},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK_THROWS_WITH(PropertyRules(row.text, row.format), row.why.c_str());
    }
    CHECK_THROWS(PropertyRules("[(]\ncreate=@\n" + rest, PropertyRules::Format::roles));
    // A pattern whose matching explodes lets nobody in and ends.
    const PropertyRules slow("[^(a+)+(b+)+$]\ncreate=@\n" + rest + "[.*]\ncreate=@\n" + rest, PropertyRules::Format::roles);
    CHECK(slow.permission(std::string(255, 'a') + "c", image::PropertyRight::read).kind != Kind::roles);
}
