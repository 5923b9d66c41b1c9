#include <doctest/doctest.h>

#include <map>

#include "base/error.h"
#include "handler.h"
#include "source.h"

using namespace pilvi;
using namespace pilvi::metadata;

namespace {

constexpr const char* network_a = "aaaaaaaa-0000-4000-8000-000000000001";
constexpr const char* network_b = "bbbbbbbb-0000-4000-8000-000000000002";
constexpr const char* server_a = "11111111-0000-4000-8000-000000000001";
constexpr const char* server_b = "22222222-0000-4000-8000-000000000002";

// A network and a compute service with one server in each of two networks, at the same address.
struct Cloud {
    std::map<std::string, std::string> answers;
    int asked = 0;
    std::chrono::steady_clock::time_point now{};
    bool away = false;
    std::map<std::string, std::string> left;  // url -> what was posted to it, once

    Cloud() {
        add_port(network_a, "10.0.0.5", server_a, "pa");
        add_port(network_b, "10.0.0.5", server_b, "pb");
        add_server(server_a, "pa", "a");
        add_server(server_b, "pb", "b");
    }
    void add_port(const std::string& network, const std::string& address, const std::string& device, const std::string& project,
                  const std::string& owner = "compute:nova") {
        answers["http://n/v2.0/ports?network_id=" + network + "&fixed_ips=ip_address%3D" + address +
                "&fields=id&fields=device_id&fields=device_owner&fields=project_id"] =
            R"({"ports":[{"id":"x","device_id":")" + device + R"(","device_owner":")" + owner + R"(","project_id":")" + project + R"("}]})";
    }
    void add_server(const std::string& server, const std::string& project, const std::string& name) {
        answers["http://c/agent/v1/servers/" + server + "/metadata"] = R"({"project_id":")" + project + R"(","meta_data":{"uuid":")" + server +
                                                                       R"(","name":")" + name + R"(","hostname":")" + name +
                                                                       R"("},"ec2":{"instance-id":"i-)" + name + R"("}})";
    }
    Source source() {
        return Source(
            {.network_url = "http://n", .compute_url = "http://c"},
            [this](const std::string& url) -> std::optional<json::value> {
                ++asked;
                if (away) throw Error(Errc::unavailable, "nobody answers");
                auto found = answers.find(url);
                if (found == answers.end())
                    return url.find("/ports?") != std::string::npos ? std::optional(parse_json(R"({"ports":[]})")) : std::nullopt;
                return parse_json(found->second);
            },
            [this](const std::string& url, const json::object& body) {
                if (away) throw Error(Errc::unavailable, "nobody answers");
                return left.emplace(url, to_text(body)).second ? 204 : 409;
            },
            [this] { return now; });
    }
};

http::Response ask(Handler& handler, const std::string& network, const std::string& peer, const std::string& path, const std::string& method = "GET",
                   const http::Headers& headers = {}, const std::string& body = "") {
    http::Request request{.method = method, .target = path, .path = path, .headers = headers};
    request.headers.set("X-Pilvi-Listener", network);
    request.peer = peer;
    request.body = body;
    return handler.handle(request);
}

}  // namespace

TEST_CASE("a guest is its network and its address") {
    Cloud cloud;
    Source source = cloud.source();
    SourceLimit limit({});
    Handler handler(source, limit);
    CHECK(ask(handler, network_a, "10.0.0.5", "/latest/meta-data/hostname").body == "a");
    CHECK(ask(handler, network_b, "10.0.0.5", "/latest/meta-data/hostname").body == "b");
    CHECK(ask(handler, network_a, "10.0.0.6", "/latest/meta-data/hostname").status == 404);
    CHECK(ask(handler, std::string(network_a) + "/" + server_b, "10.0.0.5", "/latest/meta-data/hostname").body == "a");  // at a router's interface
    CHECK(ask(handler, network_a, "10.0.0.6", "/").status == 200);
    CHECK(ask(handler, network_a, "10.0.0.5", "/openstack/latest/meta_data.json").headers.get("Content-Type") == "application/json");
    CHECK(ask(handler, network_a, "10.0.0.5", "/latest/meta-data/hostname").headers.get("Content-Type") == "text/plain; charset=UTF-8");
}

TEST_CASE("what a guest sends does not change who it is") {
    Cloud cloud;
    Source source = cloud.source();
    SourceLimit limit({});
    Handler handler(source, limit);
    http::Headers forged;
    forged.add("X-Forwarded-For", "10.0.0.5");
    forged.add("X-Instance-ID", server_b);
    forged.add("X-Tenant-ID", "pb");
    forged.add("X-Instance-ID-Signature", "0");
    forged.add("X-Neutron-Network-ID", network_b);
    CHECK(ask(handler, network_a, "10.0.0.6", "/latest/meta-data/hostname", "GET", forged).status == 404);
    CHECK(ask(handler, network_a, "10.0.0.5", "/latest/meta-data/hostname", "GET", forged).body == "a");
}

TEST_CASE("a port that names somebody else's server gets nothing") {
    Cloud cloud;
    cloud.add_port(network_a, "10.0.0.7", server_b, "pa");
    cloud.add_port(network_a, "10.0.0.8", server_a, "pa", "network:dhcp");
    cloud.add_port(network_a, "10.0.0.9", "../../x", "pa");
    Source source = cloud.source();
    CHECK(source.document(network_a, "10.0.0.7") == nullptr);
    CHECK(source.document(network_a, "10.0.0.8") == nullptr);
    CHECK(source.document(network_a, "10.0.0.9") == nullptr);
    CHECK(source.document("x", "10.0.0.5") == nullptr);
    CHECK(source.document(network_a, "10.0.0.5&x=y") == nullptr);
}

TEST_CASE("documents are kept for seconds") {
    Cloud cloud;
    Source source = cloud.source();
    CHECK(source.document(network_a, "10.0.0.5"));
    CHECK(source.document(network_a, "10.0.0.5"));
    CHECK(cloud.asked == 2);
    cloud.now += std::chrono::seconds(6);
    CHECK(source.document(network_a, "10.0.0.5"));
    CHECK(cloud.asked == 4);
    CHECK_FALSE(source.document(network_a, "10.0.0.99"));
    CHECK_FALSE(source.document(network_a, "10.0.0.99"));
    CHECK(cloud.asked == 5);
    cloud.now += std::chrono::seconds(2);
    cloud.add_port(network_a, "10.0.0.99", server_a, "pa");
    CHECK(source.document(network_a, "10.0.0.99"));
}

TEST_CASE("services that are away: 500, asked again at the next request") {
    Cloud cloud;
    cloud.away = true;
    Source source = cloud.source();
    SourceLimit limit({});
    Handler handler(source, limit);
    CHECK(ask(handler, network_a, "10.0.0.5", "/latest/meta-data/hostname").status == 500);
    cloud.away = false;
    CHECK(ask(handler, network_a, "10.0.0.5", "/latest/meta-data/hostname").body == "a");
}

TEST_CASE("a guest leaves its password, once") {
    Cloud cloud;
    Source source = cloud.source();
    SourceLimit limit({});
    Handler handler(source, limit);
    const std::string place = "/openstack/latest/password", url = std::string("http://c/agent/v1/servers/") + server_a;
    CHECK(ask(handler, network_a, "10.0.0.5", place).body.empty());
    CHECK(ask(handler, network_a, "10.0.0.5", place, "POST").status == 400);                  // nothing
    CHECK(ask(handler, network_a, "10.0.0.5", place, "POST", {}, "\xff\xfe").status == 400);  // no text
    CHECK(ask(handler, network_a, "10.0.0.99", place, "POST", {}, "x").status == 404);        // nobody
    CHECK(ask(handler, network_a, "10.0.0.5", "/openstack/2012-08-10/password", "POST", {}, "x").status == 404);
    CHECK(cloud.left.empty());
    CHECK(ask(handler, network_a, "10.0.0.5", place, "POST", {}, "c2VjcmV0").status == 200);
    CHECK(cloud.left == std::map<std::string, std::string>{{url + "/password", R"({"password":"c2VjcmV0"})"}});
    CHECK(ask(handler, network_a, "10.0.0.5", place, "POST", {}, "other").status == 409);  // the compute service says so
    cloud.answers[url + "/metadata"] = R"({"project_id":"pa","password":"c2VjcmV0","meta_data":{"uuid":")" + std::string(server_a) + R"("}})";
    cloud.now += std::chrono::seconds(6);
    const int asked = cloud.asked;
    CHECK(ask(handler, network_a, "10.0.0.5", place).body == "c2VjcmV0");
    CHECK(ask(handler, network_a, "10.0.0.5", place, "POST", {}, "other").status == 409);
    CHECK(cloud.asked == asked + 2);
    cloud.now += std::chrono::seconds(6);
    cloud.away = true;
    CHECK(ask(handler, network_a, "10.0.0.5", place, "POST", {}, "x").status == 500);
}

TEST_CASE("methods and limits") {
    Cloud cloud;
    Source source = cloud.source();
    std::chrono::steady_clock::time_point now{};
    SourceLimit limit({.rate = 1, .burst = 3, .parallel = 2, .sources = 2}, [&] { return now; });
    Handler handler(source, limit);
    CHECK(ask(handler, network_a, "10.0.0.5", "/", "DELETE").status == 405);
    CHECK(ask(handler, network_a, "10.0.0.5", "/latest/user-data", "POST").status == 404);
    CHECK(ask(handler, network_a, "10.0.0.5", "/latest").status == 200);
    CHECK(ask(handler, network_a, "10.0.0.5", "/latest").status == 429);
    CHECK(ask(handler, network_b, "10.0.0.5", "/latest").status == 200);  // another source
    now += std::chrono::seconds(2);
    CHECK(ask(handler, network_a, "10.0.0.5", "/latest").status == 200);
    now += std::chrono::seconds(60);
    CHECK(limit.enter("x"));
    CHECK(limit.enter("x"));
    CHECK_FALSE(limit.enter("x"));  // parallel
    limit.leave("x");
    CHECK(limit.enter("x"));
}
