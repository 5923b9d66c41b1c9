// A database of the first schema, with rows in every table, is upgraded when the service opens it; everything in it is there through the API.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

const std::string host = "aaaaaaaa-0000-4000-8000-000000000001", device = "bbbbbbbb-0000-4000-8000-000000000002",
                  aggregate = "99999999-0000-4000-8000-000000000009", consumer = "cccccccc-0000-4000-8000-000000000003";

// As the first release wrote them: it knew two standard names of each kind.
void fill(Tx& tx) {
    const Micros at = 1'700'000'000'000'000;
    for (const auto& [name, number] : {std::pair("VCPU", 0), {"MEMORY_MB", 1}, {"CUSTOM_GOLD", 10'000}})
        tx.insert("resource_classes", {{"name", name}, {"number", number}, {"created_at", at}, {"updated_at", at}});
    for (const char* name : {"HW_CPU_X86_AVX", "CUSTOM_OLD"}) tx.insert("traits", {{"name", name}, {"created_at", at}});
    for (const auto& [id, name, parent, generation] : {std::tuple(host, "host", Value(), 7), std::tuple(device, "device", Value(host), 3)})
        tx.insert("resource_providers", {{"uuid", id},
                                         {"name", name},
                                         {"generation", generation},
                                         {"parent_uuid", parent},
                                         {"root_uuid", host},
                                         {"created_at", at},
                                         {"updated_at", at}});
    tx.insert("provider_traits", {{"provider_uuid", host}, {"trait", "CUSTOM_OLD"}});
    tx.insert("provider_aggregates", {{"provider_uuid", host}, {"aggregate_uuid", aggregate}});
    for (const auto& [provider, name, total, used] : {std::tuple(host, "VCPU", 8, 2), std::tuple(device, "CUSTOM_GOLD", 4, 1)})
        tx.insert("inventories", {{"provider_uuid", provider},
                                  {"resource_class", name},
                                  {"total", total},
                                  {"reserved", 1},
                                  {"min_unit", 1},
                                  {"max_unit", total},
                                  {"step_size", 1},
                                  {"allocation_ratio", 1.5},
                                  {"used", used},
                                  {"created_at", at},
                                  {"updated_at", at}});
    tx.insert("consumers", {{"uuid", consumer},
                            {"project_id", "p"},
                            {"user_id", "u"},
                            {"consumer_type", "INSTANCE"},
                            {"generation", 5},
                            {"created_at", at},
                            {"updated_at", at}});
    for (const auto& [provider, name, used] : {std::tuple(host, "VCPU", 2), std::tuple(device, "CUSTOM_GOLD", 1)})
        tx.insert("allocations",
                  {{"consumer_uuid", consumer}, {"provider_uuid", provider}, {"resource_class", name}, {"used", used}, {"created_at", at}});
}

}  // namespace

TEST_CASE("an upgrade from the first schema keeps everything") {
    MemoryDir dir;
    const std::string url = database_url(dir);
    REQUIRE(placement::migrations().front().version == 1);
    Store::open(url, placement::migrations().first(1))->write(fill);
    const auto store = Store::open(url, placement::migrations());
    placement::add_standard_names(*store);
    Callers callers;
    metrics::Registry metrics;
    api::Service service{placement::service_spec(), *store, callers, metrics, nullptr};
    Cases cases(service);
    cases.headers.set("OpenStack-API-Version", "placement 1.39");
    for (const auto& [name, value] : {std::pair("host", host), {"device", device}, {"aggregate", aggregate}, {"consumer", consumer}})
        cases.vars[name] = value;
    const auto get = [](std::string path, std::string expect) {
        return Case{.path = std::move(path), .token = "admin", .expect = std::move(expect)};
    };
    const std::string allocations =
        R"({"allocations": {"${host}": {"resources": {"VCPU": 2}}, "${device}": {"resources": {"CUSTOM_GOLD": 1}}}, "consumer_generation": )";
    const Case all[] = {
        get("/resource_providers/${host}", R"({"name": "host", "generation": 7, "parent_provider_uuid": null, "root_provider_uuid": "${host}"})"),
        get("/resource_providers/${device}", R"({"name": "device", "parent_provider_uuid": "${host}", "root_provider_uuid": "${host}"})"),
        get("/resource_providers/${host}/inventories",
            R"({"inventories": {"VCPU": {"total": 8, "reserved": 1, "allocation_ratio": 1.5, "max_unit": 8}}, "resource_provider_generation": 7})"),
        get("/resource_providers/${host}/traits", R"({"traits": ["CUSTOM_OLD"]})"),
        get("/resource_providers/${host}/aggregates", R"({"aggregates": ["${aggregate}"]})"),
        get("/resource_providers/${device}/usages", R"({"usages": {"CUSTOM_GOLD": 1}})"),
        get("/resource_classes/CUSTOM_GOLD", R"({"name": "CUSTOM_GOLD"})"),
        {.path = "/traits/CUSTOM_OLD", .token = "admin", .status = 204},
        {.path = "/traits/HW_CPU_X86_AVX2", .token = "admin", .status = 204},
        get("/allocations/${consumer}", allocations + R"(5, "project_id": "p", "user_id": "u", "consumer_type": "INSTANCE"})"),
        get("/usages?project_id=p", R"({"usages": {"INSTANCE": {"VCPU": 2, "CUSTOM_GOLD": 1}}})"),
        get("/allocation_candidates?resources=VCPU:2,CUSTOM_GOLD:1&required=CUSTOM_OLD&member_of=${aggregate}",
            R"({"allocation_requests": [{"allocations": {"${host}": {"resources": {"VCPU": 2}}, "${device}": {"resources": {"CUSTOM_GOLD": 1}}}}]})"),
        // It goes on from there: what is used counts, and so do generations.
        {.method = "PUT",
         .path = "/allocations/${consumer}",
         .token = "admin",
         .body = R"({"allocations": {"${host}": {"resources": {"VCPU": 3}}}, "project_id": "p", "user_id": "u", "consumer_type": "INSTANCE",
                     "consumer_generation": 4})",
         .status = 409},
        {.method = "PUT",
         .path = "/allocations/${consumer}",
         .token = "admin",
         .body = R"({"allocations": {"${host}": {"resources": {"VCPU": 3}}}, "project_id": "p", "user_id": "u", "consumer_type": "INSTANCE",
                     "consumer_generation": 5})",
         .status = 204},
        get("/resource_providers/${device}/usages", R"({"usages": {"CUSTOM_GOLD": 0}})"),
        get("/resource_providers/${host}/usages", R"({"usages": {"VCPU": 3}})"),
    };
    cases.run(all);
}
