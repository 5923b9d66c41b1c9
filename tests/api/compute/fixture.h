#pragma once
// A compute service in this process with the services around it in memory, a clock that stands still, and nodes that the test speaks for.
#include <doctest/doctest.h>

#include "pilvi_compute_schema.h"
#include "resources/common.h"
#include "support/cases.h"
#include "support/compute_fakes.h"
#include "support/database.h"
#include "work/nodes.h"
#include "work/worker.h"

namespace pilvi::testing {

inline constexpr const char* image_id = "11111111-1111-4111-8111-111111111111";
inline constexpr const char* network_id = "22222222-2222-4222-8222-222222222222";
inline constexpr const char* provider_id = "33333333-3333-4333-8333-333333333333";

struct ComputeFixture {
    MemoryDir directory;
    std::unique_ptr<Store> store = Store::open(database_url(directory), compute::migrations());
    Callers callers;
    metrics::Registry metrics;
    Chaos chaos;
    FakeImages images{chaos};
    FakePlacement placement{chaos};
    FakeNetwork network{chaos};
    FakeAgents agents;
    sync::Feed feed{*store, &compute::desired_set};
    Micros clock = 1'800'000'000LL * compute::second;
    compute::App app{*store, feed, images, placement, network, agents, {}, [this] { return clock; }};
    compute::Worker worker{app};
    api::Service service{compute::service_spec(), *store, callers, metrics, &app};
    Cases cases{service};

    ComputeFixture() {
        callers.export_to(cases);
        cases.vars["image"] = image_id;
        cases.vars["net"] = network_id;
        images.add(image_id);
        network.add_network(network_id, "private", callers.of("member").project_id);
        add_node("node1", provider_id);
        http::Response made = cases.run({.name = "flavor",
                                         .method = "POST",
                                         .path = "/v2.1/flavors",
                                         .token = "admin",
                                         .body = R"({"flavor": {"name": "m1.tiny", "id": "1", "ram": 512, "vcpus": 1, "disk": 1}})"});
        CHECK(made.status == 200);
        worker.tick();
    }
    void add_node(const std::string& host, const std::string& provider, std::int64_t vcpus = 16) {
        placement.providers[provider] = {{"VCPU", vcpus}, {"MEMORY_MB", 32768}, {"DISK_GB", 100}};
        report(host, {}, provider);
    }
    // A node's report: `servers` as in compute-agent/README.md.
    void report(const std::string& host, json::object servers, const std::string& provider = "") {
        json::object node{{"hypervisor_type", "QEMU"},
                          {"hypervisor_version", 7002022},
                          {"hypervisor_hostname", host},
                          {"vcpus", 16},
                          {"memory_mb", 32768},
                          {"local_gb", 100},
                          {"agent_url", "http://127.0.0.1:1"},
                          {"host_ip", "192.0.2.1"},
                          {"cpu_info", json::object{{"arch", "x86_64"}}},
                          {"uptime", 90000}};
        if (!provider.empty()) node["provider_id"] = provider;
        else node["provider_id"] = store->read([&](Tx& tx) { return tx.scalar("SELECT provider_id FROM nodes WHERE host = ?", {host}).text(); });
        const json::object body{{"servers", servers}, {"node", node}};
        cases.run({.name = "report",
                   .method = "POST",
                   .path = "/agent/v1/nodes/" + host + "/observed",
                   .token = "service",
                   .body = to_text(body),
                   .status = 204});
    }
    json::object desired(const std::string& host, const std::string& id) {
        const json::object all = store->read([&](Tx& tx) { return compute::desired_set(tx, host); });
        for (const json::value& s : all.at("servers").as_array())
            if (string_or(s.as_object(), "id") == id) return s.as_object();
        return {};
    }
    // What the node says of a server, at the generation that it is asked for.
    json::object state(const std::string& host, const std::string& id, const std::string& what, json::object more = {}) {
        json::object s{{"state", what}, {"generation", integer_or(desired(host, id), "generation")}};
        for (const auto& m : more) s[m.key()] = m.value();
        json::object out;
        out[id] = s;
        return out;
    }
    // POST /servers by `member`; returns the id. Nothing else has happened yet.
    std::string post_server(const std::string& more = "") {
        cases.run({.name = "create",
                   .method = "POST",
                   .path = "/v2.1/servers",
                   .token = "member",
                   .body = R"({"server": {"name": "one", "imageRef": "${image}", "flavorRef": "1", "networks": [{"uuid": "${net}"}])" + more + "}}",
                   .status = 202,
                   .save = {{"server", "server.id"}}});
        return cases.vars["server"];
    }
    std::string build(const std::string& more = "") {
        const std::string id = post_server(more);
        worker.run_due();
        network.wire_all();
        clock += 3 * compute::second;
        worker.run_due();
        report("node1", state("node1", id, "running"));
        return id;
    }
    compute::Instance row(const std::string& id) {
        return *store->read([&](Tx& tx) { return compute::find_instance(tx, id); });
    }
    void check_status(const std::string& id, const std::string& status) {
        INFO("server " << id);
        cases.run({.name = "status", .path = "/v2.1/servers/" + id, .token = "admin", .expect = R"({"server": {"status": ")" + status + "\"}}"});
    }
    std::size_t operations() {
        return static_cast<std::size_t>(store->read([](Tx& tx) { return tx.scalar("SELECT COUNT(*) FROM operations").integer(); }));
    }
};

}  // namespace pilvi::testing
