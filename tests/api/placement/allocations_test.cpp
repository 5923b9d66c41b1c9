#include <atomic>
#include <thread>

#include "base/ids.h"
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

std::string claim(std::string_view resources, std::string_view generation = "null", std::string_view provider = "${a}") {
    return R"({"allocations": {")" + std::string(provider) + R"(": {"resources": )" + std::string(resources) +
           R"(}}, "project_id": "p1", "user_id": "u1", "consumer_type": "INSTANCE", "consumer_generation": )" + std::string(generation) + "}";
}

}  // namespace

TEST_CASE("allocations of a consumer") {
    Placement p;
    p.host("a");
    p.host("b");
    p.cases.vars["vm"] = "11111111-0000-4000-8000-000000000001";
    const std::string path = "/allocations/${vm}";
    const Case cases[] = {
        {.path = path, .token = "admin", .expect = R"({"allocations": {}, "project_id": "<absent>"})"},
        {.method = "PUT", .path = path, .token = "admin", .body = claim(R"({"VCPU": 2, "MEMORY_MB": 64})"), .status = 204, .empty = true},
        {.path = path,
         .token = "admin",
         .expect = R"({"allocations": {"${a}": {"resources": {"VCPU": 2, "MEMORY_MB": 64}, "generation": 2}}, "project_id": "p1", "user_id": "u1",
                       "consumer_generation": 1, "consumer_type": "INSTANCE"})"},
        {.path = path,
         .token = "admin",
         .expect = R"({"consumer_type": "<absent>", "consumer_generation": 1})",
         .headers = {{"OpenStack-API-Version", "placement 1.37"}}},
        {.path = "/resource_providers/${a}/allocations",
         .token = "admin",
         .expect = R"({"allocations": {"${vm}": {"resources": {"VCPU": 2}, "consumer_generation": 1}}, "resource_provider_generation": 2})"},
        {.path = "/resource_providers/${a}/usages",
         .token = "admin",
         .expect = R"({"usages": {"VCPU": 2, "MEMORY_MB": 64, "DISK_GB": 0}, "resource_provider_generation": 2})"},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = claim(R"({"VCPU": 2})"),
         .status = 409,
         .expect = R"({"errors": [{"code": "placement.concurrent_update"}]})",
         .text = "consumer generation conflict - expected 1 but got None"},
        {.method = "PUT",
         .path = "/allocations/${none}",
         .token = "admin",
         .body = claim(R"({"VCPU": 2})", "1"),
         .status = 409,
         .text = "consumer generation conflict - expected null but got 1"},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = claim(R"({"VCPU": 9})", "1"),
         .status = 409,
         .text = "The requested amount would exceed the capacity."},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = claim(R"({"MEMORY_MB": 65})", "1"),
         .status = 409,
         .text = "would violate inventory constraints."},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = claim(R"({"PCPU": 1})", "1"),
         .status = 409,
         .text = "Inventory for 'PCPU' on resource provider"},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = claim(R"({"CUSTOM_NONE": 1})", "1"),
         .status = 400,
         .text = "No such resource class CUSTOM_NONE."},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = claim(R"({"VCPU": 1})", "1", "${none}"),
         .status = 400,
         .text = "that does not exist."},
        {.method = "PUT", .path = path, .token = "admin", .body = claim(R"({"VCPU": 0})", "1"), .status = 400},
        {.method = "PUT", .path = path, .token = "admin", .body = claim(R"({})", "1"), .status = 400},
        {.method = "PUT", .path = path, .token = "admin", .body = claim(R"({"vcpu": 1})", "1"), .status = 400},
        {.method = "PUT", .path = path, .token = "admin", .body = R"({"allocations": {}, "project_id": "p1"})", .status = 400},
        {.method = "PUT",
         .path = "/allocations/nobody",
         .token = "admin",
         .body = claim(R"({"VCPU": 2})"),
         .status = 400,
         .text = "Malformed consumer_uuid"},
        // Moves to the other host in one step; a failed move changes nothing.
        {.method = "PUT", .path = path, .token = "admin", .body = claim(R"({"VCPU": 99})", "1", "${b}"), .status = 409},
        {.path = "/resource_providers/${a}/usages", .token = "admin", .expect = R"({"usages": {"VCPU": 2}})"},
        {.method = "PUT", .path = path, .token = "admin", .body = claim(R"({"VCPU": 8})", "1", "${b}"), .status = 204},
        {.path = "/resource_providers/${a}/usages", .token = "admin", .expect = R"({"usages": {"VCPU": 0, "MEMORY_MB": 0}})"},
        {.path = "/resource_providers/${b}/usages", .token = "admin", .expect = R"({"usages": {"VCPU": 8}})"},
        {.method = "DELETE",
         .path = "/resource_providers/${b}",
         .token = "admin",
         .status = 409,
         .expect = R"({"errors": [{"code": "placement.resource_provider.inuse"}]})"},
        {.method = "DELETE", .path = "/resource_providers/${b}/inventories/VCPU", .token = "admin", .status = 409},
        {.method = "DELETE",
         .path = "/resource_providers/${b}/inventories",
         .token = "admin",
         .status = 409,
         .expect = R"({"errors": [{"code": "placement.inventory.inuse"}]})"},
        {.path = "/usages?project_id=p1", .token = "admin", .expect = R"({"usages": {"INSTANCE": {"VCPU": 8, "consumer_count": 1}}})"},
        {.path = "/usages?project_id=p1&consumer_type=all", .token = "admin", .expect = R"({"usages": {"all": {"VCPU": 8, "consumer_count": 1}}})"},
        {.path = "/usages?project_id=p1&consumer_type=unknown", .token = "admin", .expect = R"({"usages": {}})"},
        {.path = "/usages?project_id=p1&user_id=u2", .token = "admin", .expect = R"({"usages": {}})"},
        {.path = "/usages?project_id=p1",
         .token = "admin",
         .expect = R"({"usages": {"VCPU": 8}})",
         .headers = {{"OpenStack-API-Version", "placement 1.37"}}},
        {.path = "/usages?project_id=p1", .token = "member", .status = 403},
        {.path = "/usages?project_id=${member_project}", .token = "member"},
        {.path = "/usages", .token = "admin", .status = 400},
        {.method = "DELETE", .path = path, .token = "admin", .status = 204},
        {.method = "DELETE", .path = path, .token = "admin", .status = 404, .text = "No allocations for consumer"},
        {.path = "/resource_providers/${b}/usages", .token = "admin", .expect = R"({"usages": {"VCPU": 0}})"},
        {.method = "DELETE", .path = "/resource_providers/${b}", .token = "admin", .status = 204},
    };
    p.cases.run(cases);
}

TEST_CASE("older forms of an allocation") {
    Placement p;
    p.host("a");
    p.cases.vars["vm"] = "11111111-0000-4000-8000-000000000001";
    const std::string path = "/allocations/${vm}";
    const Case cases[] = {
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = R"({"allocations": [{"resource_provider": {"uuid": "${a}"}, "resources": {"VCPU": 1}}]})",
         .status = 204,
         .headers = {{"OpenStack-API-Version", "placement 1.0"}}},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = R"({"allocations": [{"resource_provider": {"uuid": "${a}"}, "resources": {"VCPU": 1}}]})",
         .status = 400,
         .headers = {{"OpenStack-API-Version", "placement 1.8"}}},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = R"({"allocations": [{"resource_provider": {"uuid": "${a}"}, "resources": {"VCPU": 2}}], "project_id": "p", "user_id": "u"})",
         .status = 204,
         .headers = {{"OpenStack-API-Version", "placement 1.8"}}},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = R"({"allocations": {"${a}": {"resources": {"VCPU": 3}}}, "project_id": "p", "user_id": "u"})",
         .status = 204,
         .headers = {{"OpenStack-API-Version", "placement 1.12"}}},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = R"({"allocations": {}, "project_id": "p", "user_id": "u"})",
         .status = 400,
         .headers = {{"OpenStack-API-Version", "placement 1.12"}}},
        {.path = path,
         .token = "admin",
         .expect = R"({"allocations": {"${a}": {"resources": {"VCPU": 3}}}, "project_id": "<absent>"})",
         .headers = {{"OpenStack-API-Version", "placement 1.11"}}},
        {.method = "PUT",
         .path = path,
         .token = "admin",
         .body = R"({"allocations": {}, "project_id": "p", "user_id": "u", "consumer_generation": 3})",
         .status = 204,
         .headers = {{"OpenStack-API-Version", "placement 1.28"}}},
        {.path = path, .token = "admin", .expect = R"({"allocations": {}})"},
        {.path = "/resource_providers/${a}/usages", .token = "admin", .expect = R"({"usages": {"VCPU": 0}})"},
        {.method = "POST",
         .path = "/allocations",
         .token = "admin",
         .body = "{}",
         .status = 404,
         .headers = {{"OpenStack-API-Version", "placement 1.12"}}},
    };
    p.cases.run(cases);
}

TEST_CASE("several consumers at once") {
    Placement p;
    p.host("a");
    p.host("b");
    p.cases.vars["vm"] = "11111111-0000-4000-8000-000000000001";
    p.cases.vars["copy"] = "22222222-0000-4000-8000-000000000002";
    const auto both = [](int first, int second) {
        return R"({"${vm}": )" + claim(R"({"VCPU": )" + std::to_string(first) + "}") + R"(, "${copy}": )" +
               claim(R"({"VCPU": )" + std::to_string(second) + "}") + "}";
    };
    const Case cases[] = {
        {.method = "POST", .path = "/allocations", .token = "admin", .body = "{}", .status = 400},
        {.method = "POST", .path = "/allocations", .token = "admin", .body = both(4, 5), .status = 409, .text = "exceed the capacity"},
        {.path = "/resource_providers/${a}/usages", .token = "admin", .expect = R"({"usages": {"VCPU": 0}, "resource_provider_generation": 1})"},
        {.method = "POST", .path = "/allocations", .token = "admin", .body = both(4, 4), .status = 204},
        {.path = "/resource_providers/${a}/usages", .token = "admin", .expect = R"({"usages": {"VCPU": 8}, "resource_provider_generation": 2})"},
        // A migration ends: one consumer's claims go, the other's move.
        {.method = "POST",
         .path = "/allocations",
         .token = "admin",
         .body =
             R"({"${copy}": {"allocations": {}, "project_id": "p1", "user_id": "u1", "consumer_type": "MIGRATION", "consumer_generation": 1}, "${vm}": )" +
             claim(R"({"VCPU": 4})", "1", "${b}") + "}",
         .status = 204},
        {.path = "/allocations/${copy}", .token = "admin", .expect = R"({"allocations": {}})"},
        {.path = "/resource_providers/${a}/usages", .token = "admin", .expect = R"({"usages": {"VCPU": 0}})"},
        {.path = "/resource_providers/${b}/usages", .token = "admin", .expect = R"({"usages": {"VCPU": 4}})"},
    };
    p.cases.run(cases);
}

TEST_CASE("reshaping moves inventory and claims in one step") {
    Placement p;
    p.host("a");
    p.cases.vars["vm"] = "11111111-0000-4000-8000-000000000001";
    p.run("PUT", "/allocations/${vm}", 204, claim(R"({"VCPU": 2, "DISK_GB": 10})"));
    p.run("POST", "/resource_providers", 200, R"({"name": "child", "uuid": "${b}", "parent_provider_uuid": "${a}"})");
    const auto body = [](const std::string& generation) {
        return R"({"inventories": {"${a}": {"resource_provider_generation": )" + generation +
               R"(, "inventories": {"VCPU": {"total": 8}, "MEMORY_MB": {"total": 1024}}}, "${b}": {"resource_provider_generation": 0, "inventories": {"DISK_GB": {"total": 100}}}},
               "allocations": {"${vm}": {"allocations": {"${a}": {"resources": {"VCPU": 2}}, "${b}": {"resources": {"DISK_GB": 10}}},
               "project_id": "p1", "user_id": "u1", "consumer_generation": 1, "consumer_type": "INSTANCE"}}})";
    };
    const Case cases[] = {
        {.method = "POST",
         .path = "/reshaper",
         .token = "admin",
         .body = body("1"),
         .status = 409,
         .expect = R"({"errors": [{"code": "placement.concurrent_update"}]})"},
        {.method = "POST",
         .path = "/reshaper",
         .token = "admin",
         .body = R"({"inventories": {"${none}": {"resource_provider_generation": 0, "inventories": {}}}, "allocations": {}})",
         .status = 400,
         .expect = R"({"errors": [{"code": "placement.resource_provider.not_found"}]})"},
        {.method = "POST",
         .path = "/reshaper",
         .token = "admin",
         .body = R"({"inventories": {"${a}": {"resource_provider_generation": 2, "inventories": {}}}, "allocations": {}})",
         .status = 409,
         .expect = R"({"errors": [{"code": "placement.inventory.inuse"}]})"},
        {.method = "POST", .path = "/reshaper", .token = "admin", .body = body("2"), .status = 204},
        {.path = "/resource_providers/${a}/usages", .token = "admin", .expect = R"({"usages": {"VCPU": 2, "DISK_GB": "<absent>"}})"},
        {.path = "/resource_providers/${b}/usages", .token = "admin", .expect = R"({"usages": {"DISK_GB": 10}})"},
        {.method = "POST",
         .path = "/reshaper",
         .token = "admin",
         .body = body("2"),
         .status = 404,
         .headers = {{"OpenStack-API-Version", "placement 1.29"}}},
    };
    p.cases.run(cases);
}

TEST_CASE("allocation candidates") {
    Placement p;
    p.host("a");
    p.host("b", 2);
    p.run("PUT", "/resource_providers/${b}/traits", 200, R"({"resource_provider_generation": 1, "traits": ["HW_CPU_X86_VMX"]})");
    const std::string path = "/allocation_candidates?resources=VCPU:2,MEMORY_MB:64";
    const Case cases[] = {
        {.path = path,
         .token = "admin",
         .expect =
             R"({"allocation_requests": {"<contains>": [{"allocations": {"${a}": {"resources": {"VCPU": 2, "MEMORY_MB": 64}}}, "mappings": {"": ["${a}"]}},
                                                              {"allocations": {"${b}": {"resources": {"VCPU": 2, "MEMORY_MB": 64}}}}]},
                       "provider_summaries": {"${a}": {"resources": {"VCPU": {"capacity": 8, "used": 0}, "MEMORY_MB": {"capacity": 896}, "DISK_GB": {"capacity": 150}},
                                                       "traits": [], "parent_provider_uuid": null, "root_provider_uuid": "${a}"},
                                              "${b}": {"traits": ["HW_CPU_X86_VMX"]}}})"},
        {.path = path,
         .token = "admin",
         .expect = R"({"allocation_requests": {"<contains>": [{"allocations": [{"resource_provider": {"uuid": "${a}"}, "resources": {"VCPU": 2}}]}]},
                       "provider_summaries": {"${a}": {"resources": {"VCPU": {}, "DISK_GB": "<absent>"}, "traits": "<absent>", "root_provider_uuid": "<absent>"}}})",
         .headers = {{"OpenStack-API-Version", "placement 1.10"}}},
        {.path = path, .token = "admin", .status = 404, .headers = {{"OpenStack-API-Version", "placement 1.9"}}},
        {.path = path + "&limit=1", .token = "admin", .expect = R"({"allocation_requests": [{}]})"},
        {.path = path + "&limit=0", .token = "admin", .status = 400},
        {.path = path + "&required=HW_CPU_X86_VMX",
         .token = "admin",
         .expect = R"({"allocation_requests": [{"allocations": {"${b}": {}}}], "provider_summaries": {"${a}": "<absent>"}})"},
        {.path = path + "&required=!HW_CPU_X86_VMX", .token = "admin", .expect = R"({"allocation_requests": [{"allocations": {"${a}": {}}}]})"},
        {.path = path + "&required=HW_CPU_X86_VMX,!HW_CPU_X86_VMX",
         .token = "admin",
         .status = 400,
         .text = "Conflicting required and forbidden traits"},
        {.path = path + "&required=CUSTOM_NONE", .token = "admin", .status = 400, .text = "No such trait(s): CUSTOM_NONE."},
        {.path = path + "&root_required=HW_CPU_X86_VMX", .token = "admin", .expect = R"({"allocation_requests": [{"allocations": {"${b}": {}}}]})"},
        {.path = path + "&in_tree=${a}", .token = "admin", .expect = R"({"allocation_requests": [{"allocations": {"${a}": {}}}]})"},
        {.path = path + "&member_of=${agg}", .token = "admin", .expect = R"({"allocation_requests": [], "provider_summaries": {}})"},
        {.path = "/allocation_candidates?resources=VCPU:3",
         .token = "admin",
         .expect = R"({"allocation_requests": [{"allocations": {"${a}": {}}}]})"},
        {.path = "/allocation_candidates?resources1=VCPU:1&resources2=VCPU:1&group_policy=none&in_tree1=${b}",
         .token = "admin",
         .expect = R"({"allocation_requests": [{"allocations": {"${b}": {"resources": {"VCPU": 2}}}, "mappings": {"1": ["${b}"], "2": ["${b}"]}}]})"},
        {.path = "/allocation_candidates?resources1=VCPU:1&resources2=VCPU:1", .token = "admin", .status = 400, .text = "group_policy"},
        {.path = "/allocation_candidates?resources1=VCPU:1&resources2=VCPU:1&group_policy=some", .token = "admin", .status = 400},
        {.path = "/allocation_candidates?resources=VCPU", .token = "admin", .status = 400, .text = "Badly formed resources parameter"},
        {.path = "/allocation_candidates?resources=VCPU:x", .token = "admin", .status = 400, .text = "expected positive integer amount"},
        {.path = "/allocation_candidates?resources=VCPU:0", .token = "admin", .status = 400, .text = "requires amount >= 1"},
        {.path = "/allocation_candidates?resources=CUSTOM_NONE:1", .token = "admin", .status = 400, .text = "No such resource class CUSTOM_NONE."},
        {.path = "/allocation_candidates", .token = "admin", .status = 400},
        {.path = "/allocation_candidates?required=HW_CPU_X86_VMX", .token = "admin", .status = 400},
        {.path = "/allocation_candidates?resources=VCPU:1&same_subtree=_X",
         .token = "admin",
         .status = 400,
         .expect = R"({"errors": [{"code": "placement.query.bad_value"}]})"},
        {.path = "/allocation_candidates?resources=VCPU:1&colour=red", .token = "admin", .status = 400},
        {.path = "/resource_providers?resources=VCPU:3", .token = "admin", .expect = R"({"resource_providers": [{"uuid": "${a}"}]})"},
        {.path = "/resource_providers?resources=MEMORY_MB:65", .token = "admin", .expect = R"({"resource_providers": []})"},
        {.path = path, .token = "member", .status = 403},
    };
    p.cases.run(cases);
}

TEST_CASE("sixty-four claims against a capacity of ten: never over, never under") {
    Placement p;
    p.host("a", 10);
    std::atomic<int> claimed{0}, refused{0}, other{0};
    std::vector<std::thread> workers;
    for (int t = 0; t < 8; ++t)
        workers.emplace_back([&] {
            for (int i = 0; i < 8; ++i) {
                http::Request request{.method = "PUT",
                                      .target = {},
                                      .path = "/allocations/" + new_uuid(),
                                      .query = {},
                                      .headers = {},
                                      .body = substitute(claim(R"({"VCPU": 1})"), p.cases.vars),
                                      .peer = {}};
                request.headers.set("X-Auth-Token", "admin");
                request.headers.set("Content-Type", "application/json");
                request.headers.set("OpenStack-API-Version", "placement 1.39");
                const int status = p.service.handle(request).status;
                ++(status == 204 ? claimed : status == 409 ? refused : other);
            }
        });
    for (std::thread& worker : workers) worker.join();
    CHECK(claimed == 10);
    CHECK(refused == 54);
    CHECK(other == 0);
    p.run("GET", "/resource_providers/${a}/usages", 200, "", R"({"usages": {"VCPU": 10}})");
}
