#include <atomic>
#include <set>
#include <thread>

#include "fixture.h"

namespace pilvi::testing {
namespace {

// Requests from many threads at once; returns how often each status came.
std::map<int, int> storm(Network& n, int threads, int each, const std::string& method, const std::string& path, const std::string& body,
                         std::vector<json::value>& answers) {
    std::map<int, int> statuses;
    std::mutex mutex;
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t)
        pool.emplace_back([&] {
            for (int i = 0; i < each; ++i) {
                http::Request request{.method = method, .target = path, .path = path, .body = body};
                request.headers.set("X-Auth-Token", "member");
                request.headers.set("Content-Type", "application/json");
                const http::Response response = n.service.handle(request);
                const std::lock_guard lock(mutex);
                ++statuses[response.status];
                answers.push_back(response.body.empty() ? json::value(nullptr) : parse_json(response.body));
            }
        });
    for (std::thread& thread : pool) thread.join();
    return statuses;
}

TEST_CASE("concurrent ports in a /27 never share an address") {
    Network n;
    n.net("a", "10.0.0.0/27");  // 32 - network - broadcast - gateway - DHCP = 28
    std::vector<json::value> answers;
    const auto statuses = storm(n, 16, 3, "POST", "/v2.0/ports", R"({"port": {"network_id": ")" + n.cases.vars["a"] + R"("}})", answers);
    CHECK(statuses.at(201) == 28);
    CHECK(statuses.at(409) == 48 - 28);
    std::set<std::string> addresses, macs;
    for (const json::value& answer : answers) {
        if (const json::value* error = find_path(answer, "NeutronError.type")) {
            CHECK(*error == json::value("IpAddressGenerationFailure"));
            continue;
        }
        const json::object& port = answer.at("port").as_object();
        addresses.insert(string_or(port.at("fixed_ips").as_array().at(0).as_object(), "ip_address"));
        macs.insert(string_or(port, "mac_address"));
    }
    CHECK(addresses.size() == 28);
    CHECK(macs.size() == 28);
    CHECK(n.count("SELECT count(DISTINCT ip_address) FROM ip_allocations") == 29);
    CHECK(n.count("SELECT count(*) FROM ports") == 29);
}

TEST_CASE("a quota holds under concurrent requests") {
    Network n;
    n.run("PUT", "/v2.0/quotas/${member_project}", "admin", 200, R"({"quota": {"network": 7}})");
    std::vector<json::value> answers;
    const auto statuses = storm(n, 8, 3, "POST", "/v2.0/networks", R"({"network": {}})", answers);
    CHECK(statuses.at(201) == 7);
    CHECK(statuses.at(409) == 17);
    CHECK(n.count("SELECT count(DISTINCT segmentation_id) FROM segments") == 7);
}

TEST_CASE("the default security group is made once") {
    Network n;
    std::vector<json::value> answers;
    const auto statuses = storm(n, 8, 2, "GET", "/v2.0/security-groups", "", answers);
    CHECK(statuses.at(200) == 16);
    CHECK(n.count("SELECT count(*) FROM security_groups") == 1);
    CHECK(n.count("SELECT count(*) FROM security_group_rules") == 4);
}

}  // namespace
}  // namespace pilvi::testing
