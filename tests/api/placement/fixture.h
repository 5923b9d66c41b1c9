#pragma once
#include <doctest/doctest.h>

#include "api/service.h"
#include "metrics/metrics.h"
#include "pilvi_placement_schema.h"
#include "resources/routes.h"
#include "store/store.h"
#include "support/cases.h"
#include "support/database.h"

namespace pilvi::testing {

struct Placement {
    MemoryDir directory;
    std::unique_ptr<Store> store = Store::open(database_url(directory), placement::migrations());
    Callers callers;
    metrics::Registry metrics;
    api::Service service{placement::service_spec(), *store, callers, metrics, nullptr};
    Cases cases{service};

    explicit Placement(std::string_view version = "1.39") {
        placement::add_standard_names(*store);
        callers.export_to(cases);
        at(version);
        cases.vars["a"] = "aaaaaaaa-0000-4000-8000-000000000001";
        cases.vars["b"] = "bbbbbbbb-0000-4000-8000-000000000002";
        cases.vars["c"] = "cccccccc-0000-4000-8000-000000000003";
        cases.vars["none"] = "00000000-0000-4000-8000-00000000dead";
        cases.vars["agg"] = "99999999-0000-4000-8000-000000000009";
    }
    void at(std::string_view version) { cases.headers.set("OpenStack-API-Version", "placement " + std::string(version)); }
    http::Response run(std::string_view method, std::string path, int status, std::string body = {}, std::string expect = {}) {
        return cases.run({.method = method, .path = path, .token = "admin", .body = std::move(body), .status = status, .expect = std::move(expect)});
    }
    // A provider with VCPU, MEMORY_MB and DISK_GB.
    void host(const std::string& variable, int vcpu = 8) {
        run("POST", "/resource_providers", 200, R"({"name": "host-)" + variable + R"(", "uuid": "${)" + variable + R"(}"})");
        run("PUT", "/resource_providers/${" + variable + "}/inventories", 200,
            R"({"resource_provider_generation": 0, "inventories": {"VCPU": {"total": )" + std::to_string(vcpu) +
                R"(}, "MEMORY_MB": {"total": 1024, "reserved": 128, "step_size": 64}, "DISK_GB": {"total": 100, "allocation_ratio": 1.5}}})");
    }
};

}  // namespace pilvi::testing
