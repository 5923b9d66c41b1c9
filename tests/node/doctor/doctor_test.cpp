// pilvi doctor on a node of its own: real Open vSwitch, libvirt, namespaces and processes, and the APIs of a cloud in a process group. One of each kind of
// leak is planted and seen; and nothing is seen before and after. Run by with-libvirt, as root.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/fd.h"
#include "base/ids.h"
#include "base/text.h"
#include "cli/cloud/cloud.h"
#include "command/command.h"

using namespace pilvi;
namespace fs = std::filesystem;

namespace {

class Node {
public:
    Node() : cloud_({.directory = std::string(std::getenv("PILVI_NODE_DIR")) + "/cloud", .seed = false}) {
        cloud_.start();
        state_ = cloud_.directory() + "/state";
        fs::create_directories(state_ + "/compute-agent/instances");
        run({"/usr/bin/ovs-vsctl", "set-fail-mode", "br-int", "secure"});
        token_ = cloud_.admin_token();
    }
    std::string run(std::vector<std::string> argv) { return runner_.check(Command{.argv = std::move(argv)}); }
    json::object doctor(int expected_status) {
        const CommandResult result =
            runner_.run(Command{.argv = {std::string(PILVI_BINARY_DIR) + "/daemons/cli/pilvi", "--auth-url", cloud_.url("identity"), "--credentials",
                                         cloud_.directory() + "/credentials", "--state", state_, "doctor", "--json"},
                                .limit = std::chrono::seconds(600)});
        INFO(result.out, result.err);
        CHECK(result.status == expected_status);
        return parse_json(result.out).as_object();
    }
    json::value api(std::string_view method, const std::string& url, const json::value& body, const char* version = nullptr) {
        http::ClientRequest request{.method = std::string(method), .url = url, .body = to_text(body)};
        request.headers.set("X-Auth-Token", token_);
        request.headers.set("Content-Type", "application/json");
        if (version) request.headers.set("OpenStack-API-Version", version);
        const http::Response response = client_.send(request);
        INFO(response.body);
        REQUIRE(response.status / 100 == 2);
        return response.body.empty() ? json::value(nullptr) : parse_json(response.body);
    }
    const std::string& state() const { return state_; }
    cli::Cloud& cloud() { return cloud_; }

private:
    cli::Cloud cloud_;
    SystemCommandRunner runner_;
    http::Client client_;
    std::string state_, token_;
};

bool found(const json::object& report, std::string_view kind, std::string_view object) {
    for (const json::value& item : array_or_empty(report, "findings"))
        if (string_or(item.as_object(), "kind") == kind && string_or(item.as_object(), "object").find(object) != std::string::npos &&
            boolean_or(item.as_object(), "leak"))
            return true;
    return false;
}

}  // namespace

TEST_CASE("doctor sees one of each kind that belongs to nothing, and nothing else") {
    Node node;
    CHECK(integer_or(node.doctor(0), "leaks", -1) == 0);
    const std::string id = new_uuid(), short_id = id.substr(0, 11);

    write_file(node.state() + "/domain.xml", "<domain type='qemu'><uuid>" + id +
                                                 "</uuid><name>instance-0000beef</name>"
                                                 "<metadata><pilvi:instance xmlns:pilvi='https://pilvi.cloud/xmlns/instance/1'/></metadata><memory "
                                                 "unit='MiB'>64</memory><os><type>hvm</type></os></domain>");
    node.run({"/usr/bin/virsh", "-q", "-c", "qemu:///system", "define", node.state() + "/domain.xml"});
    fs::create_directories(node.state() + "/compute-agent/instances/" + id);
    node.run({"/usr/bin/ovs-vsctl", "add-port", "br-int", "tap" + short_id, "--", "set", "Interface", "tap" + short_id, "type=internal",
              "external_ids:iface-id=" + id});
    node.run({"/usr/bin/ovs-ofctl", "add-flow", "br-int", "priority=7,in_port=999,actions=drop"});
    node.run({"/sbin/ip", "tuntap", "add", "dev", "tapffffffff-ff", "mode", "tap"});
    node.run({"/sbin/ip", "netns", "add", "qdhcp-" + id});
    node.run({"/sbin/ip", "netns", "add", "qrouter-" + id});
    const std::string dhcp = node.state() + "/dhcp/" + id;
    fs::create_directories(dhcp);
    node.run({"/usr/sbin/dnsmasq", "--no-daemon", "--test"});
    cli::Process dnsmasq({.argv = {"/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--bind-interfaces",
                                   "--interface=lo", "--user=root", "--pid-file=" + dhcp + "/pid"},
                          .environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}},
                          .log = dhcp + "/log"});
    while (!fs::exists(dhcp + "/pid")) {  // it runs
        REQUIRE_FALSE(dnsmasq.ended());
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const json::value providers = parse_json([&] {
        http::ClientRequest request{.url = node.cloud().url("placement") + "/resource_providers"};
        request.headers.set("X-Auth-Token", node.cloud().admin_token());
        return http::Client().send(request).body;
    }());
    const std::string provider = string_or(array_or_empty(providers.as_object(), "resource_providers").at(0).as_object(), "uuid");
    node.api("PUT", node.cloud().url("placement") + "/allocations/" + id,
             {{"allocations", {{provider, {{"resources", {{"VCPU", 1}}}}}}}, {"project_id", "p"}, {"user_id", "u"}, {"consumer_generation", nullptr}},
             "placement 1.28");
    const json::value network = node.api("POST", node.cloud().url("network") + "/v2.0/networks", {{"network", {{"name", "n"}}}});
    const std::string network_id = str(find_path(network, "network.id")->as_string());
    const json::value port = node.api("POST", node.cloud().url("network") + "/v2.0/ports",
                                      {{"port", {{"network_id", network_id}, {"device_id", id}, {"device_owner", "compute:nova"}}}});
    const std::string port_id = str(find_path(port, "port.id")->as_string());

    const json::object report = node.doctor(1);
    INFO(to_text(report));
    CHECK(found(report, "domain", id));
    CHECK(found(report, "instance directory", "instances/" + id));
    CHECK(found(report, "switch port", "tap" + short_id));
    CHECK(found(report, "tap", "tapffffffff-ff"));
    CHECK(found(report, "flow", "in_port=999"));
    CHECK(found(report, "namespace", "qdhcp-" + id));
    CHECK(found(report, "namespace", "qrouter-" + id));
    CHECK(found(report, "dnsmasq", id));
    CHECK(found(report, "allocation", id));
    CHECK(found(report, "port", port_id));
    CHECK(integer_or(report, "leaks") == 10);
    CHECK(integer_or(report, "problems") == 0);

    dnsmasq.kill();
    node.run({"/usr/bin/virsh", "-q", "-c", "qemu:///system", "undefine", "instance-0000beef"});
    fs::remove(node.state() + "/compute-agent/instances/" + id);
    node.run({"/usr/bin/ovs-vsctl", "del-port", "br-int", "tap" + short_id});
    node.run({"/usr/bin/ovs-ofctl", "del-flows", "br-int", "in_port=999"});
    node.run({"/sbin/ip", "link", "delete", "tapffffffff-ff"});
    node.run({"/sbin/ip", "netns", "delete", "qdhcp-" + id});
    node.run({"/sbin/ip", "netns", "delete", "qrouter-" + id});
    node.api("DELETE", node.cloud().url("placement") + "/allocations/" + id, nullptr);
    node.api("DELETE", node.cloud().url("network") + "/v2.0/ports/" + port_id, nullptr);
    CHECK(integer_or(node.doctor(0), "leaks", -1) == 0);
}
