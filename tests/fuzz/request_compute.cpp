// Requests to the compute service: servers with all that they may ask for, actions, flavors, key pairs, the filters of lists, agents' reports.
#include "requests.h"

#include "compute/resources/common.h"
#include "compute/work/nodes.h"
#include "metrics/metrics.h"
#include "pilvi_compute_schema.h"
#include "support/compute_fakes.h"
#include "support/temp_dir.h"

namespace {
using namespace pilvi;

struct Compute final : fuzz::Subject {
    static constexpr const char* image_id = "11111111-1111-4111-8111-111111111111";
    static constexpr const char* network_id = "22222222-2222-4222-8222-222222222222";
    static constexpr const char* provider_id = "33333333-3333-4333-8333-333333333333";
    testing::MemoryDir directory;
    std::unique_ptr<Store> store = Store::open("sqlite:" + (directory / "test.sqlite"), compute::migrations());
    fuzz::Callers callers;
    metrics::Registry metrics;
    testing::Chaos chaos;
    testing::FakeImages images{chaos};
    testing::FakePlacement placement{chaos};
    testing::FakeNetwork network{chaos};
    testing::FakeAgents agents;
    sync::Feed feed{*store, &compute::desired_set};
    compute::App app{*store, feed, images, placement, network, agents, {}, [] { return Micros{1'800'000'000'000'000}; }};
    api::Service api{compute::service_spec(), *store, callers, metrics, &app};

    Compute() {
        images.add(image_id);
        network.add_network(network_id, "private", std::string(32, 'c'));
        placement.providers[provider_id] = {{"VCPU", 16}, {"MEMORY_MB", 32768}, {"DISK_GB", 100}};
        headers.set("X-Auth-Token", "service");
        fuzz::set_up(
            *this, "POST", "/agent/v1/nodes/node1/observed",
            R"({"servers": {}, "node": {"hypervisor_type": "QEMU", "hypervisor_version": 7002022, "hypervisor_hostname": "node1", "vcpus": 16,
            "memory_mb": 32768, "local_gb": 100, "agent_url": "http://127.0.0.1:1", "host_ip": "192.0.2.1", "cpu_info": {"arch": "x86_64"},
            "uptime": 90000, "provider_id": "33333333-3333-4333-8333-333333333333"}})");
        headers.set("X-Auth-Token", "admin");
        fuzz::set_up(*this, "POST", "/v2.1/flavors", R"({"flavor": {"name": "m1.tiny", "id": "1", "ram": 512, "vcpus": 1, "disk": 1}})");
        names["image"] = image_id;
        names["net"] = network_id;
        const json::value made = fuzz::set_up(*this, "POST", "/v2.1/servers",
                                              R"({"server": {"name": "one", "imageRef": ")" + names["image"] +
                                                  R"(", "flavorRef": "1", "networks": [{"uuid": ")" + names["net"] + R"("}]}})");
        names["server"] = str(made.at("server").at("id").as_string());
        headers.set("Content-Type", "application/json");
        headers.set("X-OpenStack-Nova-API-Version", "2.95");
    }
    http::Handler& service() override { return api; }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static std::unique_ptr<fuzz::Subject> subject;
    fuzz::ask(subject, [] { return std::make_unique<Compute>(); }, {reinterpret_cast<const char*>(data), size});
    return 0;
}
