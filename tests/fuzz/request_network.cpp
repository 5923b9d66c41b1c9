// Requests to the network service: addresses, pools, routes, rules of security groups, DHCP options, address pairs, filters of lists, agents' reports.
#include "requests.h"

#include "metrics/metrics.h"
#include "network/network.h"
#include "pilvi_network_schema.h"
#include "support/temp_dir.h"

namespace {
using namespace pilvi;

struct Network final : fuzz::Subject {
    testing::MemoryDir directory;
    std::unique_ptr<Store> store = Store::open("sqlite:" + (directory / "test.sqlite"), network::migrations());
    fuzz::Callers callers;
    metrics::Registry metrics;
    sync::Feed feed{*store, [this](Tx& tx, const std::string& host) { return network::desired_set(tx, app, host); }};
    network::App app{{}, feed, {}, [] { return Micros{1'800'000'000'000'000}; }};
    api::Service api{network::service_spec(), *store, callers, metrics, &app};

    Network() {
        headers.set("X-Auth-Token", "member");
        make("net", "networks", "network", R"({"network": {"name": "a"}})");
        make("subnet", "subnets", "subnet", R"({"subnet": {"network_id": ")" + names["net"] + R"(", "ip_version": 4, "cidr": "10.0.0.0/24"}})");
        make("port", "ports", "port", R"({"port": {"network_id": ")" + names["net"] + "\"}}");
        make("router", "routers", "router", R"({"router": {"name": "r"}})");
        make("group", "security-groups", "security_group", R"({"security_group": {"name": "g"}})");
        headers.set("X-Auth-Token", "admin");
        make("public", "networks", "network",
             R"({"network": {"router:external": true, "provider:network_type": "flat", "provider:physical_network": "public"}})");
        make("outside", "subnets", "subnet",
             R"({"subnet": {"network_id": ")" + names["public"] + R"(", "ip_version": 4, "cidr": "203.0.113.0/24"}})");
        headers.set("Content-Type", "application/json");
    }
    http::Handler& service() override { return api; }

private:
    void make(const std::string& name, const std::string& collection, const std::string& kind, const std::string& body) {
        names[name] = str(fuzz::set_up(*this, "POST", "/v2.0/" + collection, body).at(kind).at("id").as_string());
    }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static std::unique_ptr<fuzz::Subject> subject;
    fuzz::ask(subject, [] { return std::make_unique<Network>(); }, {reinterpret_cast<const char*>(data), size});
    return 0;
}
