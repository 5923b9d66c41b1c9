#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

TEST_CASE("versions and envelopes") {
    Placement p;
    const Case cases[] = {
        {.path = "/", .expect = R"({"versions": [{"id": "v1.0", "min_version": "1.0", "max_version": "1.39", "status": "CURRENT"}]})",
         .answer_headers = {{"OpenStack-API-Version", "placement 1.39"}, {"Cache-Control", "no-cache"}}},
        {.path = "/", .status = 406, .expect = R"({"errors": [{"status": 406, "title": "Not Acceptable", "max_version": "1.39", "min_version": "1.0"}]})",
         .headers = {{"OpenStack-API-Version", "placement 1.99"}}},
        {.path = "/resource_providers", .status = 401},
        {.path = "/resource_providers", .token = "admin", .status = 406, .expect = R"({"errors": [{"max_version": "1.39"}]})",
         .headers = {{"OpenStack-API-Version", "placement 1.40"}}},
        {.path = "/resource_providers", .token = "admin", .status = 400, .headers = {{"OpenStack-API-Version", "placement one"}}},
        {.path = "/resource_providers", .token = "admin", .headers = {{"OpenStack-API-Version", "compute 2.1"}},
         .answer_headers = {{"OpenStack-API-Version", "placement 1.0"}}},
        {.path = "/resource_providers", .token = "admin", .headers = {{"OpenStack-API-Version", "placement latest"}},
         .answer_headers = {{"OpenStack-API-Version", "placement 1.39"}}},
        {.path = "/resource_providers/${none}", .token = "admin", .status = 404,
         .expect = R"({"errors": [{"status": 404, "title": "Not Found", "code": "placement.undefined_code", "request_id": "<matches:req-.*>",
                      "detail": "The resource could not be found.\n\n No resource provider with uuid ${none} found  "}]})"},
        {.path = "/resource_providers/${none}", .token = "admin", .status = 404, .expect = R"({"errors": [{"code": "<absent>"}]})",
         .headers = {{"OpenStack-API-Version", "placement 1.22"}}},
        {.path = "/nothing", .token = "admin", .status = 404, .expect = R"({"errors": [{"title": "Not Found"}]})"},
        {.method = "PATCH", .path = "/resource_providers", .token = "admin", .status = 405, .expect = R"({"errors": [{"title": "Method Not Allowed"}]})"},
        {.path = "/resource_providers", .token = "admin", .status = 406, .text = "Only application/json is provided", .headers = {{"Accept", "text/html"}}},
        {.path = "/resource_providers", .token = "member", .status = 403, .expect = R"({"errors": [{"title": "Forbidden"}]})"},
        {.path = "/resource_providers", .token = "system"},
        {.path = "/resource_providers", .token = "service"},
    };
    p.cases.run(cases);
}

TEST_CASE("resource providers") {
    Placement p;
    const Case cases[] = {
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": "one", "uuid": "${a}"})",
         .expect = R"({"uuid": "${a}", "name": "one", "generation": 0, "parent_provider_uuid": null, "root_provider_uuid": "${a}",
                       "links": {"<contains>": [{"rel": "self", "href": "/resource_providers/${a}"}, {"rel": "inventories"}, {"rel": "usages"},
                                 {"rel": "aggregates"}, {"rel": "traits"}, {"rel": "allocations"}]}})",
         .answer_headers = {{"Location", "<matches:http://.*/resource_providers/.*>"}, {"Cache-Control", "no-cache"}, {"Last-Modified", "<any>"}}},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": "one"})", .status = 409,
         .expect = R"({"errors": [{"code": "placement.duplicate_name"}]})", .text = "Conflicting resource provider name: one already exists."},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": "two", "uuid": "${a}"})", .status = 409},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": "old"})", .status = 201,
         .headers = {{"OpenStack-API-Version", "placement 1.19"}}, .empty = true},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": "x", "parent_provider_uuid": "${none}"})", .status = 400,
         .text = "parent provider UUID does not exist."},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": "x", "parent_provider_uuid": "${a}"})", .status = 400,
         .headers = {{"OpenStack-API-Version", "placement 1.13"}}},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": "child", "uuid": "${b}", "parent_provider_uuid": "${a}"})",
         .expect = R"({"parent_provider_uuid": "${a}", "root_provider_uuid": "${a}"})"},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": "undashed", "uuid": "DDDDDDDD000040008000000000000004"})",
         .expect = R"({"uuid": "dddddddd-0000-4000-8000-000000000004"})"},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"uuid": "${c}"})", .status = 400, .text = "JSON does not validate"},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": "x", "uuid": "no"})", .status = 400},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": "x", "more": 1})", .status = 400},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = R"({"name": ")" + std::string(201, 'n') + R"("})", .status = 400},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = "{", .status = 400, .text = "Malformed JSON"},
        {.method = "POST", .path = "/resource_providers", .token = "admin", .body = "{}", .status = 415, .headers = {{"Content-Type", "text/plain"}}},
        {.path = "/resource_providers/${b}", .token = "admin", .expect = R"({"name": "child", "generation": 0})"},
        {.path = "/resource_providers/${b}", .token = "admin", .expect = R"({"root_provider_uuid": "<absent>"})",
         .headers = {{"OpenStack-API-Version", "placement 1.13"}}},
        {.path = "/resource_providers?in_tree=${b}", .token = "admin", .expect = R"({"resource_providers": [{"uuid": "${a}"}, {"uuid": "${b}"}]})"},
        {.path = "/resource_providers?name=child", .token = "admin", .expect = R"({"resource_providers": [{"uuid": "${b}"}]})"},
        {.path = "/resource_providers?uuid=${none}", .token = "admin", .expect = R"({"resource_providers": []})"},
        {.path = "/resource_providers?uuid=x", .token = "admin", .status = 400, .text = "Invalid query string parameters"},
        {.path = "/resource_providers?colour=x", .token = "admin", .status = 400},
        {.path = "/resource_providers?required=HW_CPU_X86_VMX", .token = "admin", .status = 400, .headers = {{"OpenStack-API-Version", "placement 1.17"}}},
        {.method = "DELETE", .path = "/resource_providers/${a}", .token = "admin", .status = 409,
         .expect = R"({"errors": [{"code": "placement.resource_provider.cannot_delete_parent"}]})"},
        {.method = "PUT", .path = "/resource_providers/${b}", .token = "admin", .body = R"({"name": "renamed"})",
         .expect = R"({"name": "renamed", "parent_provider_uuid": "${a}"})"},
        {.method = "PUT", .path = "/resource_providers/${b}", .token = "admin", .body = R"({"name": "one"})", .status = 409,
         .expect = R"({"errors": [{"code": "placement.duplicate_name"}]})"},
        {.method = "PUT", .path = "/resource_providers/${a}", .token = "admin", .body = R"({"name": "one", "parent_provider_uuid": "${b}"})", .status = 400,
         .text = "creating loop in the provider tree is not allowed."},
        {.method = "PUT", .path = "/resource_providers/${b}", .token = "admin", .body = R"({"name": "renamed", "parent_provider_uuid": null})", .status = 400,
         .text = "un-parenting", .headers = {{"OpenStack-API-Version", "placement 1.36"}}},
        {.method = "PUT", .path = "/resource_providers/${b}", .token = "admin", .body = R"({"name": "renamed", "parent_provider_uuid": null})",
         .expect = R"({"parent_provider_uuid": null, "root_provider_uuid": "${b}"})"},
        {.method = "DELETE", .path = "/resource_providers/${b}", .token = "admin", .status = 204, .empty = true},
        {.method = "DELETE", .path = "/resource_providers/${b}", .token = "admin", .status = 404, .text = "found for delete"},
        {.method = "DELETE", .path = "/resource_providers/${a}", .token = "reader", .status = 403},
    };
    p.cases.run(cases);
}

TEST_CASE("inventories") {
    Placement p;
    p.run("POST", "/resource_providers", 200, R"({"name": "one", "uuid": "${a}"})");
    const std::string all = "/resource_providers/${a}/inventories";
    const std::string vcpu = all + "/VCPU";
    const Case cases[] = {
        {.path = all, .token = "admin", .expect = R"({"resource_provider_generation": 0, "inventories": {}})"},
        {.method = "POST", .path = all, .token = "admin", .body = R"({"resource_class": "VCPU", "total": 8})", .status = 201,
         .expect = R"({"total": 8, "reserved": 0, "min_unit": 1, "max_unit": 2147483647, "step_size": 1, "allocation_ratio": 1.0, "resource_provider_generation": 1})"},
        {.method = "POST", .path = all, .token = "admin", .body = R"({"resource_class": "VCPU", "total": 8})", .status = 409,
         .expect = R"({"errors": [{"code": "placement.concurrent_update"}]})"},
        {.method = "POST", .path = all, .token = "admin", .body = R"({"resource_class": "CUSTOM_NONE", "total": 8})", .status = 400, .text = "No such resource class CUSTOM_NONE"},
        {.method = "POST", .path = all, .token = "admin", .body = R"({"resource_class": "DISK_GB", "total": 8, "reserved": 9})", .status = 400,
         .text = "The reserved value is greater than total."},
        {.method = "POST", .path = all, .token = "admin", .body = R"({"resource_class": "DISK_GB", "total": 8, "reserved": 8})", .status = 400,
         .text = "The reserved value is greater than or equal to total.", .headers = {{"OpenStack-API-Version", "placement 1.25"}}},
        {.method = "POST", .path = all, .token = "admin", .body = R"({"resource_class": "lower", "total": 8})", .status = 400},
        {.path = vcpu, .token = "admin", .expect = R"({"total": 8, "resource_provider_generation": 1})"},
        {.path = all + "/DISK_GB", .token = "admin", .status = 404, .text = "No inventory of class DISK_GB"},
        {.method = "PUT", .path = vcpu, .token = "admin", .body = R"({"resource_provider_generation": 0, "total": 16})", .status = 409,
         .expect = R"({"errors": [{"code": "placement.concurrent_update"}]})"},
        {.method = "PUT", .path = vcpu, .token = "admin", .body = R"({"resource_provider_generation": 1, "total": 16, "allocation_ratio": 4.0})",
         .expect = R"({"total": 16, "allocation_ratio": 4.0, "resource_provider_generation": 2})"},
        {.method = "PUT", .path = vcpu, .token = "admin", .body = R"({"total": 16})", .status = 400},
        {.method = "PUT", .path = vcpu, .token = "admin", .body = R"({"resource_provider_generation": 2, "total": 0})", .status = 400},
        {.method = "PUT", .path = vcpu, .token = "admin", .body = R"({"resource_provider_generation": 2, "total": 2147483648})", .status = 400},
        {.method = "PUT", .path = all + "/DISK_GB", .token = "admin", .body = R"({"resource_provider_generation": 2, "total": 1})", .status = 400,
         .text = "No inventory record with resource class"},
        {.method = "PUT", .path = all, .token = "admin",
         .body = R"({"resource_provider_generation": 2, "inventories": {"DISK_GB": {"total": 100}, "MEMORY_MB": {"total": 1024, "reserved": 512}}})",
         .expect = R"({"resource_provider_generation": 3, "inventories": {"DISK_GB": {"total": 100}, "MEMORY_MB": {"reserved": 512}, "VCPU": "<absent>"}})"},
        {.method = "PUT", .path = all, .token = "admin", .body = R"({"resource_provider_generation": 3, "inventories": {"NONE": {"total": 100}}})", .status = 400,
         .text = "Unknown resource class in inventory"},
        {.method = "DELETE", .path = all + "/DISK_GB", .token = "admin", .status = 204},
        {.method = "DELETE", .path = all + "/DISK_GB", .token = "admin", .status = 404},
        {.method = "DELETE", .path = all, .token = "admin", .status = 405, .headers = {{"OpenStack-API-Version", "placement 1.4"}}},
        {.method = "DELETE", .path = all, .token = "admin", .status = 204},
        {.path = all, .token = "admin", .expect = R"({"resource_provider_generation": 5, "inventories": {}})"},
        {.method = "DELETE", .path = "/resource_providers/${none}/inventories", .token = "admin", .status = 404},
        {.path = "/resource_providers/${none}/usages", .token = "admin", .status = 404},
    };
    p.cases.run(cases);
}

TEST_CASE("traits, resource classes, aggregates") {
    Placement p;
    p.run("POST", "/resource_providers", 200, R"({"name": "one", "uuid": "${a}"})");
    const std::string mine = "/resource_providers/${a}/traits", aggregates = "/resource_providers/${a}/aggregates";
    const Case cases[] = {
        {.path = "/traits?name=in:HW_CPU_X86_VMX,CUSTOM_NONE", .token = "admin", .expect = R"({"traits": ["HW_CPU_X86_VMX"]})"},
        {.path = "/traits?name=startswith:CUSTOM_", .token = "admin", .expect = R"({"traits": []})"},
        {.path = "/traits?name=HW", .token = "admin", .status = 400},
        {.path = "/traits?associated=maybe", .token = "admin", .status = 400},
        {.path = "/traits", .token = "admin", .status = 404, .headers = {{"OpenStack-API-Version", "placement 1.5"}}},
        {.path = "/traits/HW_CPU_X86_VMX", .token = "admin", .status = 204, .empty = true},
        {.path = "/traits/CUSTOM_FAST", .token = "admin", .status = 404, .text = "No such trait(s): CUSTOM_FAST."},
        {.method = "PUT", .path = "/traits/CUSTOM_FAST", .token = "admin", .status = 201, .answer_headers = {{"Location", "<matches:.*/traits/CUSTOM_FAST>"}}},
        {.method = "PUT", .path = "/traits/CUSTOM_FAST", .token = "admin", .status = 204},
        {.method = "PUT", .path = "/traits/FAST", .token = "admin", .status = 400, .text = "The trait is invalid."},
        {.method = "PUT", .path = "/traits/CUSTOM_fast", .token = "admin", .status = 400},
        {.method = "PUT", .path = mine, .token = "admin", .body = R"({"resource_provider_generation": 0, "traits": ["CUSTOM_FAST", "HW_CPU_X86_VMX"]})",
         .expect = R"({"resource_provider_generation": 1, "traits": ["CUSTOM_FAST", "HW_CPU_X86_VMX"]})"},
        {.method = "PUT", .path = mine, .token = "admin", .body = R"({"resource_provider_generation": 0, "traits": []})", .status = 409,
         .expect = R"({"errors": [{"code": "placement.concurrent_update"}]})"},
        {.method = "PUT", .path = mine, .token = "admin", .body = R"({"resource_provider_generation": 1, "traits": ["CUSTOM_SLOW"]})", .status = 400,
         .text = "No such trait CUSTOM_SLOW"},
        {.path = mine, .token = "admin", .expect = R"({"resource_provider_generation": 1, "traits": ["CUSTOM_FAST", "HW_CPU_X86_VMX"]})"},
        {.path = "/traits?associated=true", .token = "admin", .expect = R"({"traits": ["CUSTOM_FAST", "HW_CPU_X86_VMX"]})"},
        {.path = "/resource_providers?required=CUSTOM_FAST,!HW_CPU_X86_AVX", .token = "admin", .expect = R"({"resource_providers": [{"uuid": "${a}"}]})"},
        {.path = "/resource_providers?required=in:CUSTOM_FAST,HW_CPU_X86_AVX", .token = "admin", .expect = R"({"resource_providers": [{"uuid": "${a}"}]})"},
        {.path = "/resource_providers?required=!CUSTOM_FAST", .token = "admin", .expect = R"({"resource_providers": []})"},
        {.path = "/resource_providers?required=CUSTOM_SLOW", .token = "admin", .status = 400, .text = "No such trait(s): CUSTOM_SLOW."},
        {.path = "/resource_providers?required=", .token = "admin", .status = 400},
        {.method = "DELETE", .path = "/traits/CUSTOM_FAST", .token = "admin", .status = 409, .text = "in use by a resource provider"},
        {.method = "DELETE", .path = "/traits/HW_CPU_X86_VMX", .token = "admin", .status = 400},
        {.method = "DELETE", .path = mine, .token = "admin", .status = 204},
        {.method = "DELETE", .path = "/traits/CUSTOM_FAST", .token = "admin", .status = 204},

        {.path = "/resource_classes/VCPU", .token = "admin", .expect = R"({"name": "VCPU", "links": [{"rel": "self", "href": "/resource_classes/VCPU"}]})"},
        {.path = "/resource_classes/CUSTOM_X", .token = "admin", .status = 404},
        {.method = "PUT", .path = "/resource_classes/CUSTOM_X", .token = "admin", .status = 201},
        {.method = "PUT", .path = "/resource_classes/CUSTOM_X", .token = "admin", .status = 204},
        {.method = "PUT", .path = "/resource_classes/X", .token = "admin", .status = 400},
        {.method = "PUT", .path = "/resource_classes/CUSTOM_X", .token = "admin", .body = R"({"name": "CUSTOM_Y"})", .expect = R"({"name": "CUSTOM_Y"})",
         .headers = {{"OpenStack-API-Version", "placement 1.6"}}},
        {.method = "POST", .path = "/resource_classes", .token = "admin", .body = R"({"name": "CUSTOM_Y"})", .status = 409},
        {.method = "POST", .path = "/resource_classes", .token = "admin", .body = R"({"name": "VCPU"})", .status = 400},
        {.method = "DELETE", .path = "/resource_classes/CUSTOM_Y", .token = "admin", .status = 204},
        {.method = "DELETE", .path = "/resource_classes/VCPU", .token = "admin", .status = 400},
        {.path = "/resource_classes", .token = "admin", .expect = R"({"resource_classes": {"<contains>": [{"name": "VCPU"}, {"name": "PCPU"}]}})"},
        {.path = "/resource_classes", .token = "admin", .status = 404, .headers = {{"OpenStack-API-Version", "placement 1.1"}}},

        {.path = aggregates, .token = "admin", .expect = R"({"aggregates": [], "resource_provider_generation": 2})"},
        {.method = "PUT", .path = aggregates, .token = "admin", .body = R"({"resource_provider_generation": 2, "aggregates": ["${agg}"]})",
         .expect = R"({"aggregates": ["${agg}"], "resource_provider_generation": 3})"},
        {.method = "PUT", .path = aggregates, .token = "admin", .body = R"({"resource_provider_generation": 2, "aggregates": []})", .status = 409},
        {.method = "PUT", .path = aggregates, .token = "admin", .body = R"({"resource_provider_generation": 3, "aggregates": ["${agg}", "${agg}"]})", .status = 400},
        {.method = "PUT", .path = aggregates, .token = "admin", .body = R"(["${agg}", "${b}"])", .expect = R"({"aggregates": {"<contains>": ["${agg}", "${b}"]}})",
         .headers = {{"OpenStack-API-Version", "placement 1.18"}}},
        {.path = "/resource_providers?member_of=${agg}", .token = "admin", .expect = R"({"resource_providers": [{"uuid": "${a}"}]})"},
        {.path = "/resource_providers?member_of=in:${c},${agg}&member_of=${b}", .token = "admin", .expect = R"({"resource_providers": [{"uuid": "${a}"}]})"},
        {.path = "/resource_providers?member_of=!${agg}", .token = "admin", .expect = R"({"resource_providers": []})"},
        {.path = "/resource_providers?member_of=${agg},${b}", .token = "admin", .status = 400},
        {.path = "/resource_providers?member_of=x", .token = "admin", .status = 400},
    };
    p.cases.run(cases);
}
