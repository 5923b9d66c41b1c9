// From POST /servers to the last row gone.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

TEST_CASE_FIXTURE(ComputeFixture, "a server is built, stopped, started, rebooted and deleted") {
    const std::string id = post_server();
    cases.run(
        {.path = "/v2.1/servers/${server}",
         .token = "member",
         .expect =
             R"({"server": {"status": "BUILD", "OS-EXT-STS:task_state": "scheduling", "OS-EXT-STS:vm_state": "building", "OS-EXT-STS:power_state": 0,
                             "addresses": {}, "progress": 0, "hostId": "", "OS-EXT-SRV-ATTR:host": "<absent>", "OS-SRV-USG:launched_at": null}})"});
    worker.run_due();
    CHECK(placement.consumers.size() == 1);
    CHECK(network.rows["ports"].size() == 1);
    const json::object wanted = desired("node1", id);
    CHECK(string_or(wanted, "power") == "running");
    CHECK_FALSE(boolean_or(wanted, "vif_plugged"));
    CHECK(array_or_empty(wanted, "ports").size() == 1);
    const std::string port = network.rows["ports"].begin()->first;
    CHECK(string_or(network.rows["ports"][port], "binding:host_id") == "node1");
    CHECK(string_or(network.rows["ports"][port], "device_owner") == "compute:nova");

    report("node1", state("node1", id, "paused", {{"step", "wait_for_ports"}}));
    cases.vars["port"] = port;
    cases.run({.method = "POST",
               .path = "/v2.1/os-server-external-events",
               .token = "service",
               .body = R"({"events": [{"name": "network-vif-plugged", "server_uuid": "${server}", "tag": "${port}", "status": "completed"}]})",
               .expect = R"({"events": [{"code": 200, "status": "completed"}]})"});
    CHECK(boolean_or(desired("node1", id), "vif_plugged"));
    report("node1", state("node1", id, "running"));
    cases.run(
        {.path = "/v2.1/servers/${server}",
         .token = "member",
         .expect =
             R"({"server": {"status": "ACTIVE", "OS-EXT-STS:task_state": null, "OS-EXT-STS:power_state": 1, "progress": 100, "OS-SRV-USG:launched_at": "<text>",
                             "addresses": {"private": [{"version": 4, "addr": "10.0.0.11", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "<text>"}]},
                             "security_groups": [{"name": "default"}], "OS-EXT-AZ:availability_zone": "nova", "hostId": "<matches:[0-9a-f]{56}>"}})"});
    CHECK(operations() == 0);

    struct Step {
        const char* body;
        const char* status;
        const char* state;
        const char* after;
    };
    for (const Step& s :
         {Step{R"({"os-stop": null})", "ACTIVE", "stopped", "SHUTOFF"}, Step{R"({"os-start": null})", "SHUTOFF", "running", "ACTIVE"}}) {
        clock += compute::second;
        cases.run({.method = "POST", .path = "/v2.1/servers/${server}/action", .token = "member", .body = s.body, .status = 202});
        check_status(id, s.status);
        report("node1", state("node1", id, s.state));
        check_status(id, s.after);
    }
    for (const auto& [type, status] : {std::pair{"SOFT", "REBOOT"}, std::pair{"HARD", "HARD_REBOOT"}}) {
        clock += compute::second;
        cases.run({.method = "POST",
                   .path = "/v2.1/servers/${server}/action",
                   .token = "member",
                   .body = std::string(R"({"reboot": {"type": ")") + type + "\"}}",
                   .status = 202});
        check_status(id, status);
        const json::object task = desired("node1", id).at("tasks").as_array().at(0).as_object();
        report("node1", state("node1", id, "running"));
        check_status(id, status);
        json::object done;
        done[string_or(task, "id")] = json::object{{"done", true}, {"error", nullptr}};
        report("node1", state("node1", id, "running", {{"tasks", done}}));
        check_status(id, "ACTIVE");
        CHECK(desired("node1", id).at("tasks").as_array().empty());
    }
    cases.run(
        {.path = "/v2.1/servers/${server}/os-instance-actions",
         .token = "member",
         .expect =
             R"({"instanceActions": [{"action": "reboot"}, {"action": "reboot"}, {"action": "start"}, {"action": "stop"}, {"action": "create", "request_id": "<text>"}]})",
         .save = {{"request", "instanceActions.4.request_id"}}});
    cases.headers.set("OpenStack-API-Version", "compute 2.84");
    cases.run(
        {.path = "/v2.1/servers/${server}/os-instance-actions/${request}",
         .token = "admin",
         .expect =
             R"({"instanceAction": {"action": "create", "events": {"<contains>": [{"event": "scheduler_select_destinations", "host": "node1", "result": "Success"},
                             {"event": "compute__do_build_and_run_instance", "host": "node1", "result": "Success"}]}}})"});

    cases.run({.method = "DELETE", .path = "/v2.1/servers/${server}", .token = "member", .status = 204, .empty = true});
    worker.run_due();
    cases.run({.path = "/v2.1/servers/${server}", .token = "member", .expect = R"({"server": {"OS-EXT-STS:task_state": "deleting"}})"});
    CHECK(string_or(desired("node1", id), "power") == "deleted");
    CHECK(network.rows["ports"].size() == 1);
    report("node1", state("node1", id, "absent"));
    worker.run_due();
    cases.run(
        {.path = "/v2.1/servers/${server}", .token = "member", .status = 404, .expect = R"({"itemNotFound": {"code": 404, "message": "<text>"}})"});
    CHECK(network.rows["ports"].empty());
    CHECK(placement.consumers.empty());
    CHECK(desired("node1", id).empty());
    CHECK(operations() == 0);
}

TEST_CASE_FIXTURE(ComputeFixture, "a lost event does not keep a server from running") {
    const std::string id = post_server();
    worker.run_due();
    network.wire_all();
    clock += 3 * compute::second;
    worker.run_due();
    CHECK(boolean_or(desired("node1", id), "vif_plugged"));
}

TEST_CASE_FIXTURE(ComputeFixture, "ports that are never wired are a fault, and everything is released") {
    const std::string id = post_server();
    worker.run_due();
    report("node1", state("node1", id, "paused", {{"step", "wait_for_ports"}}));
    clock += 301 * compute::second;
    report("node1", {});
    worker.run_due();
    cases.run(
        {.path = "/v2.1/servers/${server}",
         .token = "member",
         .expect =
             R"({"server": {"status": "ERROR", "fault": {"code": 500, "message": "<matches:.*Virtual Interface creation failed>", "created": "<time>"}}})"});
    CHECK(network.rows["ports"].empty());
    CHECK(placement.consumers.empty());
    CHECK(desired("node1", id).empty());
    CHECK(operations() == 0);
}

TEST_CASE_FIXTURE(ComputeFixture, "no host: the reason per host is in the events") {
    placement.providers[provider_id]["VCPU"] = 0;
    const std::string id = post_server();
    worker.run_due();
    cases.headers.set("OpenStack-API-Version", "compute 2.84");
    cases.run(
        {.path = "/v2.1/servers/${server}",
         .token = "member",
         .expect =
             R"({"server": {"status": "ERROR", "fault": {"message": "No valid host was found. There are not enough hosts available.", "details": "<absent>"}}})"});
    cases.run({.path = "/v2.1/servers/${server}/os-instance-actions",
               .token = "member",
               .expect = R"({"instanceActions": [{"message": "Error"}]})",
               .save = {{"request", "instanceActions.0.request_id"}}});
    cases.run(
        {.path = "/v2.1/servers/${server}/os-instance-actions/${request}",
         .token = "member",
         .expect =
             R"({"instanceAction": {"events": [{"event": "scheduler_select_destinations", "result": "Error", "details": "<matches:.*node1: Placement: it has not enough.*>",
                             "traceback": "<absent>", "host": "<absent>"}]}})"});
    cases.run({.method = "DELETE", .path = "/v2.1/servers/${server}", .token = "member", .status = 204});
    worker.run_due();
    cases.run({.path = "/v2.1/servers/${server}", .token = "member", .status = 404});
}

TEST_CASE_FIXTURE(ComputeFixture, "a node that cannot build it: the next one, then a fault") {
    add_node("node2", "44444444-4444-4444-8444-444444444444");
    const std::string id = post_server();
    worker.run_due();
    const std::string first = row(id).host;
    report(first, state(first, id, "error", {{"reason", "the image is damaged"}}));
    worker.run_due();
    const std::string second = row(id).host;
    CHECK(second != first);
    CHECK(desired(first, id).empty());
    CHECK(network.rows["ports"].size() == 1);
    CHECK(string_or(network.rows["ports"].begin()->second, "binding:host_id") == second);
    report(second, state(second, id, "error", {{"reason", "the image is damaged"}}));
    worker.run_due();
    cases.run({.path = "/v2.1/servers/${server}",
               .token = "member",
               .expect = R"({"server": {"status": "ERROR", "fault": {"message": "<matches:.*the image is damaged>"}}})"});
    CHECK(network.rows["ports"].empty());
    CHECK(placement.consumers.empty());
}

TEST_CASE_FIXTURE(ComputeFixture, "the network refuses the port: a fault at once") {
    network.refuse_ports = true;
    post_server();
    worker.run_due();
    cases.run(
        {.path = "/v2.1/servers/${server}",
         .token = "member",
         .expect = R"({"server": {"status": "ERROR", "fault": {"message": "<matches:.*Failed to allocate the network.*No more IP addresses.*>"}}})"});
    CHECK(placement.consumers.empty());
}

TEST_CASE_FIXTURE(ComputeFixture, "the network is down: the build waits, up to its deadline") {
    const std::string id = post_server();
    network.down = true;
    worker.run_due();
    check_status(id, "BUILD");
    CHECK(operations() == 1);
    network.down = false;
    clock += 2 * compute::second;
    worker.run_due();
    CHECK(row(id).task_state == "spawning");
    // and the other way
    const std::string other = post_server();
    network.down = true;
    clock += 1801 * compute::second;
    report("node1", {});
    worker.run_due();
    check_status(other, "ERROR");
    network.down = false;
    clock += 60 * compute::second;
    report("node1", {});
    worker.run_due();
    CHECK(operations() <= 1);
}

TEST_CASE_FIXTURE(ComputeFixture, "deleted while it is built, at every step") {
    for (int reports = 0; reports < 3; ++reports) {
        const std::string id = post_server();
        if (reports > 0) worker.run_due();
        if (reports > 1) report("node1", state("node1", id, "building", {{"step", "image"}}));
        cases.run({.method = "DELETE", .path = "/v2.1/servers/${server}", .token = "member", .status = 204});
        worker.run_due();
        if (!row(id).host.empty()) report("node1", state("node1", id, "absent"));
        worker.run_due();
        cases.run({.path = "/v2.1/servers/${server}", .token = "member", .status = 404});
        CHECK(network.rows["ports"].empty());
        CHECK(placement.consumers.empty());
        CHECK(operations() == 0);
    }
}

TEST_CASE_FIXTURE(ComputeFixture, "delete works while the node is down") {
    const std::string id = build();
    clock += 120 * compute::second;
    cases.run({.method = "DELETE", .path = "/v2.1/servers/${server}", .token = "member", .status = 204});
    worker.run_due();
    cases.run({.path = "/v2.1/servers/${server}", .token = "member", .status = 404});
    CHECK(network.rows["ports"].empty());
    CHECK(desired("node1", id).empty());
}

TEST_CASE_FIXTURE(ComputeFixture, "the guest powers itself off") {
    const std::string id = build();
    check_status(id, "ACTIVE");
    report("node1", state("node1", id, "stopped"));
    check_status(id, "SHUTOFF");
    CHECK(string_or(desired("node1", id), "power") == "stopped");
}

TEST_CASE_FIXTURE(ComputeFixture, "a node that does not answer: the state goes back, with a reason") {
    const std::string id = build();
    clock += compute::second;
    cases.run({.method = "POST", .path = "/v2.1/servers/${server}/action", .token = "member", .body = R"({"os-stop": null})", .status = 202});
    clock += 301 * compute::second;
    worker.run_due();
    cases.run({.path = "/v2.1/servers/${server}", .token = "member", .expect = R"({"server": {"status": "ACTIVE", "OS-EXT-STS:task_state": null}})"});
    CHECK(string_or(desired("node1", id), "power") == "running");
    cases.run({.path = "/v2.1/servers/${server}/os-instance-actions",
               .token = "member",
               .expect = R"({"instanceActions": [{"action": "stop", "message": "Error"}, {"action": "create"}]})"});
}

TEST_CASE_FIXTURE(ComputeFixture, "a given port is used and given back") {
    network.rows["ports"]["55555555-5555-4555-8555-555555555555"] = {
        {"id", "55555555-5555-4555-8555-555555555555"},
        {"network_id", network_id},
        {"mac_address", "fa:16:3e:99:99:99"},
        {"status", "ACTIVE"},
        {"device_id", ""},
        {"fixed_ips", json::array{json::object{{"ip_address", "10.0.0.200"}, {"subnet_id", "subnet-1"}}}},
        {"security_groups", json::array{"group-1"}}};
    cases.run({.method = "POST",
               .path = "/v2.1/servers",
               .token = "member",
               .body = R"({"server": {"name": "two", "imageRef": "${image}", "flavorRef": "1",
                           "networks": [{"uuid": "${net}"}, {"port": "55555555-5555-4555-8555-555555555555"}]}})",
               .status = 202,
               .save = {{"server", "server.id"}}});
    worker.run_due();
    const json::array ports = desired("node1", cases.vars["server"]).at("ports").as_array();
    REQUIRE(ports.size() == 2);
    CHECK(string_or(ports[1].as_object(), "mac") == "fa:16:3e:99:99:99");
    cases.run({.method = "DELETE", .path = "/v2.1/servers/${server}", .token = "member", .status = 204});
    report("node1", state("node1", cases.vars["server"], "absent"));
    worker.run_due();
    REQUIRE(network.rows["ports"].size() == 1);
    CHECK(string_or(network.rows["ports"].begin()->second, "device_id") == "");
}

// kill -9 at each call to another service, before and after its effect: whoever takes over ends the build, and leaves exactly one port and one claim.
TEST_CASE_FIXTURE(ComputeFixture, "killed at each step of a create") {
    for (const bool after : {false, true})
        for (int calls = 0; calls < 40; ++calls) {
            CAPTURE(after);
            CAPTURE(calls);
            const std::string id = post_server();
            chaos.calls = calls;
            chaos.after = after;
            bool killed = false;
            try {
                worker.run_due();
            } catch (const Killed&) {
                killed = true;
            }
            chaos.calls = -1;
            compute::Worker next(app);
            next.run_due();
            CHECK(row(id).task_state == "spawning");
            CHECK(network.rows["ports"].size() == 1);
            CHECK(placement.consumers.size() == 1);
            cases.run({.method = "DELETE", .path = "/v2.1/servers/${server}", .token = "member", .status = 204});
            report("node1", state("node1", id, "absent"));
            next.run_due();
            CHECK(network.rows["ports"].empty());
            CHECK(placement.consumers.empty());
            CHECK(operations() == 0);
            if (!killed) {
                CHECK(calls > 5);
                break;
            }
        }
}

TEST_CASE_FIXTURE(ComputeFixture, "killed at each step of a delete") {
    for (const bool after : {false, true})
        for (int calls = 0; calls < 40; ++calls) {
            CAPTURE(after);
            CAPTURE(calls);
            const std::string id = build();
            cases.run({.method = "DELETE", .path = "/v2.1/servers/${server}", .token = "member", .status = 204});
            report("node1", state("node1", id, "absent"));
            chaos.calls = calls;
            chaos.after = after;
            bool killed = false;
            try {
                worker.run_due();
            } catch (const Killed&) {
                killed = true;
            }
            chaos.calls = -1;
            compute::Worker next(app);
            next.run_due();
            CHECK(network.rows["ports"].empty());
            CHECK(placement.consumers.empty());
            CHECK(operations() == 0);
            if (!killed) break;
        }
}
