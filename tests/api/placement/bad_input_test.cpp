#include "fixture.h"

#include "support/bad_input.h"

namespace pilvi::testing {
namespace {

struct Subject final : BadInputSubject {
    Placement placement;
    Subject() {
        placement.host("a");
        placement.host("b");
        placement.run("PUT", "/resource_providers/${a}/traits", 200, R"({"resource_provider_generation": 1, "traits": ["COMPUTE_NODE"]})");
        placement.run("PUT", "/allocations/${c}", 204,
                      R"({"allocations": {"${a}": {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u", "consumer_generation": null,
                      "consumer_type": "INSTANCE"})");
        headers = placement.cases.headers;
        for (const char* name : {"a", "b", "c"}) parameters[name] = placement.cases.vars[name];
        parameters["{uuid}"] = parameters["a"];
        parameters["{consumer_uuid}"] = parameters["c"];
        parameters["{resource_class}"] = "VCPU";
        parameters["{name}"] = "CUSTOM_X";
    }
    api::Service& service() override { return placement.service; }
    std::string token() override { return "admin"; }
};

BadInputPlan plan() {
    constexpr const char* inventory = R"("total": 8, "reserved": 1, "min_unit": 1, "max_unit": 8, "step_size": 1, "allocation_ratio": 1.5)";
    const std::string inventories = std::string(R"("resource_provider_generation": 2, "inventories": {"VCPU": {)") + inventory + "}}";
    constexpr const char* allocation = R"("allocations": {"${a}": {"resources": {"VCPU": 1}}}, "mappings": {"": ["${a}"]}, "project_id": "p",
        "user_id": "u", "consumer_generation": 1, "consumer_type": "INSTANCE")";
    return {
        .fresh = [] { return std::make_unique<Subject>(); },
        .bodies = {
            {"POST /resource_providers", R"({"name": "x", "uuid": "dddddddd-0000-4000-8000-000000000004", "parent_provider_uuid": "${a}"})"},
            {"PUT /resource_providers/{uuid}", R"({"name": "x", "parent_provider_uuid": "${b}"})"},
            {"PUT /resource_providers/{uuid}/inventories", "{" + inventories + "}"},
            {"POST /resource_providers/{uuid}/inventories", std::string("{\"resource_class\": \"PCPU\", ") + inventory + "}"},
            {"PUT /resource_providers/{uuid}/inventories/{resource_class}", std::string("{\"resource_provider_generation\": 2, ") + inventory + "}"},
            {"PUT /resource_providers/{uuid}/aggregates",
             R"({"resource_provider_generation": 2, "aggregates": ["99999999-0000-4000-8000-000000000009"]})"},
            {"PUT /resource_providers/{uuid}/traits", R"({"resource_provider_generation": 2, "traits": ["COMPUTE_NODE"]})"},
            {"POST /resource_classes", R"({"name": "CUSTOM_Y"})"},
            {"PUT /allocations/{consumer_uuid}", std::string("{") + allocation + "}"},
            {"POST /allocations", std::string("{\"${c}\": {") + allocation + "}}"},
            {"POST /reshaper", "{\"inventories\": {\"${a}\": {" + inventories + "}}, \"allocations\": {\"${c}\": {" + allocation + "}}}"}}};
}

TEST_CASE("bad input for every operation") { check_bad_input(plan()); }

}  // namespace
}  // namespace pilvi::testing
