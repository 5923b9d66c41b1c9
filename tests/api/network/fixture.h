#pragma once
#include <doctest/doctest.h>

#include "api/service.h"
#include "metrics/metrics.h"
#include "network.h"
#include "pilvi_network_schema.h"
#include "store/store.h"
#include "support/cases.h"
#include "support/database.h"

namespace pilvi::testing {

// The network service in this process, on a database of its own.
struct Network {
    MemoryDir directory;
    std::unique_ptr<Store> store = Store::open(database_url(directory), network::migrations());
    Callers callers;
    metrics::Registry metrics;
    Micros now = now_micros();
    sync::Feed feed{*store, [this](Tx& tx, const std::string& host) { return network::desired_set(tx, app, host); }};
    network::App app;
    api::Service service{network::service_spec(), *store, callers, metrics, &app};
    Cases cases{service};

    Network() : app{{}, feed, {}, [this] { return now; }} {
        callers.export_to(cases);
        cases.vars["none"] = "00000000-0000-4000-8000-00000000dead";
    }
    http::Response run(std::string_view method, std::string path, std::string_view token, int status, std::string body = {},
                       std::string_view expect = {}, Pairs save = {}) {
        return cases.run({.method = method,
                          .path = path,
                          .token = std::string(token),
                          .body = std::move(body),
                          .status = status,
                          .expect = std::string(expect),
                          .save = std::move(save)});
    }
    // A network with one subnet as the variables NAME and NAME_subnet.
    void net(const std::string& name, const std::string& cidr, std::string_view token = "member", const std::string& more = "") {
        run("POST", "/v2.0/networks", token, 201, R"({"network": {"name": ")" + name + "\"" + more + "}}", "", {{name, "network.id"}});
        run("POST", "/v2.0/subnets", token, 201, R"({"subnet": {"network_id": "${)" + name + R"(}", "ip_version": 4, "cidr": ")" + cidr + R"("}})",
            "", {{name + "_subnet", "subnet.id"}});
    }
    // The external network "public" of the administrator, and a router "r" of member on the subnet of `inner` with its gateway there.
    void outside(const std::string& inner) {
        net("public", "203.0.113.0/24", "admin",
            R"(, "router:external": true, "provider:network_type": "flat", "provider:physical_network": "public")");
        run("POST", "/v2.0/routers", "member", 201, R"({"router": {"name": "r", "external_gateway_info": {"network_id": "${public}"}}})", "",
            {{"r", "router.id"}});
        run("PUT", "/v2.0/routers/${r}/add_router_interface", "member", 200, R"({"subnet_id": "${)" + inner + R"(_subnet}"})");
    }
    void report(const std::string& host, const std::string& body) { run("POST", "/agent/v1/nodes/" + host + "/observed", "service", 200, body); }
    json::value desired(const std::string& host) {
        const http::Response response = run("GET", "/agent/v1/nodes/" + host + "/desired?revision=0", "service", 200);
        return parse_json(response.body).at("desired");
    }
    std::int64_t revision(const std::string& host) {
        return parse_json(run("GET", "/agent/v1/nodes/" + host + "/desired?revision=0", "service", 200).body).at("revision").as_int64();
    }
    std::int64_t count(const std::string& sql, const Values& parameters = {}) {
        return store->read([&](Tx& tx) { return tx.scalar(sql, parameters).integer(); });
    }
};

}  // namespace pilvi::testing
