// What the API refuses and in which words, per microversion; who may do what.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

std::string with(const std::string& members) {
    return R"({"server": {"name": "one", "imageRef": "${image}", "flavorRef": "1", "networks": [{"uuid": "${net}"}])" +
           (members.empty() ? "" : ", " + members) + "}}";
}

}  // namespace

TEST_CASE_FIXTURE(ComputeFixture, "bad bodies of a create change nothing") {
    struct Bad {
        std::string body;
        const char* version = "2.1";
        int status = 400;
    };
    const std::string long_name(256, 'x');
    const Bad bad[] = {
        {"{"},
        {"[]"},
        {"\"text\""},
        {"{}"},
        {R"({"server": null})"},
        {R"({"server": []})"},
        {R"({"server": {}})"},
        {R"({"server": {"name": "a"}})"},
        {R"({"server": {"name": "a", "flavorRef": "1"}, "other": 1})"},
        {R"({"server": {"name": 5, "imageRef": "${image}", "flavorRef": "1"}})"},
        {R"({"server": {"name": "", "imageRef": "${image}", "flavorRef": "1"}})"},
        {R"({"server": {"name": " a", "imageRef": "${image}", "flavorRef": "1"}})"},
        {R"({"server": {"name": "a\u0000b", "imageRef": "${image}", "flavorRef": "1"}})"},
        {R"({"server": {"name": ")" + long_name + R"(", "imageRef": "${image}", "flavorRef": "1"}})"},
        {R"({"server": {"name": "a", "imageRef": "nope", "flavorRef": "1"}})"},
        {R"({"server": {"name": "a", "imageRef": "00000000-0000-4000-8000-000000000000", "flavorRef": "1"}})"},
        {R"({"server": {"name": "a", "flavorRef": "1"}})"},
        {R"({"server": {"name": "a", "imageRef": "", "flavorRef": "1"}})"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "nope"}})"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": {}}})"},
        {with(R"("unknown": 1)")},
        {with(R"("min_count": 0)")},
        {with(R"("min_count": 3, "max_count": 2)")},
        {with(R"("min_count": "x")")},
        {with(R"("metadata": {"a": 1})")},
        {with(R"("metadata": {"a/b": "x"})")},
        {with(R"("metadata": {"": "x"})")},
        {with(R"("metadata": {"a": ")" + long_name + "\"}")},
        {with(R"("metadata": [])")},
        {with(R"("user_data": "not base64 !")")},
        {with(R"("key_name": "nobody's")")},
        {with(R"("security_groups": [{"name": "nope"}])")},
        {with(R"("security_groups": [{"id": "default"}])")},
        {with(R"("security_groups": "default")")},
        {with(R"("accessIPv4": "::1")")},
        {with(R"("accessIPv4": "300.1.1.1")")},
        {with(R"("OS-DCF:diskConfig": "SOMETIMES")")},
        {with(R"("config_drive": "perhaps")")},
        {with(R"("availability_zone": "elsewhere")")},
        {with(R"("personality": [{"path": "/x", "contents": "eA=="}])")},
        {with(R"("personality": [])"), "2.57"},
        {with(R"("block_device_mapping_v2": [{"source_type": "volume", "destination_type": "volume", "uuid": "${image}", "boot_index": 0}])")},
        {with(R"("block_device_mapping_v2": [{"source_type": "nowhere"}])")},
        {with(R"("description": "d")")},
        {with(R"("tags": ["a"])"), "2.51"},
        {with(R"("tags": ["a,b"])"), "2.52"},
        {with(R"("tags": "a")"), "2.52"},
        {with(R"("hostname": "ok-name")"), "2.89"},
        {with(R"("hostname": "-bad-")"), "2.90"},
        {with(R"("host": "node1")"), "2.73"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1"}})", "2.37"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1", "networks": "some"}})", "2.37"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1", "networks": "auto"}})", "2.36"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1", "networks": [{"uuid": "x"}]}})"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1", "networks": [{}]}})"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1", "networks": [5]}})"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1", "networks": [{"uuid": "00000000-0000-4000-8000-000000000000"}]}})"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1", "networks": [{"port": "00000000-0000-4000-8000-000000000000"}]}})"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1", "networks": [{"uuid": "${net}", "fixed_ip": "10.0.0.999"}]}})"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1", "max_count": 2, "networks": [{"uuid": "${net}", "fixed_ip": "10.0.0.9"}]}})"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1"}, "os:scheduler_hints": 5})"},
        {R"({"server": {"name": "a", "imageRef": "${image}", "flavorRef": "1"}, "os:scheduler_hints": {"group": "00000000-0000-4000-8000-000000000000"}})"},
    };
    for (const Bad& b : bad) {
        cases.headers.set("OpenStack-API-Version", std::string("compute ") + b.version);
        INFO(b.body);
        cases.run({.method = "POST",
                   .path = "/v2.1/servers",
                   .token = "member",
                   .body = b.body,
                   .status = b.status,
                   .expect = R"({"badRequest": {"code": 400, "message": "<text>"}})"});
    }
    CHECK(store->read([](Tx& tx) { return tx.scalar("SELECT COUNT(*) FROM instances").integer(); }) == 0);
    CHECK(operations() == 0);
}

TEST_CASE_FIXTURE(ComputeFixture, "refusals that are not 400") {
    cases.vars["body"] = "";
    const Case table[] = {
        {.name = "no token", .method = "POST", .path = "/v2.1/servers", .body = with(""), .status = 401},
        {.name = "unknown token", .method = "POST", .path = "/v2.1/servers", .token = "nobody", .body = with(""), .status = 401},
        {.name = "reader",
         .method = "POST",
         .path = "/v2.1/servers",
         .token = "reader",
         .body = with(""),
         .status = 403,
         .expect = R"({"forbidden": {"code": 403}})"},
        {.name = "zone:host",
         .method = "POST",
         .path = "/v2.1/servers",
         .token = "member",
         .body = with(R"("availability_zone": "nova:node1")"),
         .status = 403,
         .expect = R"({"forbidden": {"message": "<matches:.*forced_host.*>"}})"},
        {.name = "version",
         .method = "GET",
         .path = "/v2.1/servers",
         .token = "member",
         .status = 406,
         .headers = {{"OpenStack-API-Version", "compute 2.96"}}},
        {.name = "version text",
         .method = "GET",
         .path = "/v2.1/servers",
         .token = "member",
         .status = 400,
         .headers = {{"OpenStack-API-Version", "compute two"}}},
        {.name = "method", .method = "PATCH", .path = "/v2.1/servers", .token = "member", .status = 405},
        {.name = "path", .method = "GET", .path = "/v2.1/serverz", .token = "member", .status = 404},
        {.name = "id",
         .method = "GET",
         .path = "/v2.1/servers/xyz",
         .token = "member",
         .status = 404,
         .expect = R"({"itemNotFound": {"message": "Instance xyz could not be found."}})"},
        {.name = "type",
         .method = "POST",
         .path = "/v2.1/servers",
         .token = "member",
         .body = "name=x",
         .status = 415,
         .headers = {{"Content-Type", "text/plain"}}},
    };
    cases.run(table);
}

TEST_CASE_FIXTURE(ComputeFixture, "quota: in the transaction, and fewer than asked where that will do") {
    cases.run({.method = "PUT",
               .path = "/v2.1/os-quota-sets/${member_project}",
               .token = "admin",
               .body = R"({"quota_set": {"instances": 3}})",
               .expect = R"({"quota_set": {"instances": 3, "cores": 20}})"});
    cases.run({.method = "POST", .path = "/v2.1/servers", .token = "member", .body = with(R"("min_count": 2, "max_count": 9)"), .status = 202});
    cases.run({.path = "/v2.1/servers", .token = "member", .expect = R"({"servers": [{"name": "one-3"}, {"name": "one-2"}, {"name": "one-1"}]})"});
    cases.run({.method = "POST",
               .path = "/v2.1/servers",
               .token = "member",
               .body = with(""),
               .status = 403,
               .expect = R"({"forbidden": {"message": "Quota exceeded for instances: Requested 1, but already used 3 of 3 instances"}})"});
    cases.run({.path = "/v2.1/limits",
               .token = "member",
               .expect = R"({"limits": {"rate": [], "absolute": {"maxTotalInstances": 3, "totalInstancesUsed": 3, "totalRAMUsed": 1536}}})"});
    cases.run({.path = "/v2.1/os-quota-sets/${member_project}/detail",
               .token = "member",
               .expect = R"({"quota_set": {"instances": {"limit": 3, "in_use": 3, "reserved": 0}}})"});
    cases.run({.method = "PUT",
               .path = "/v2.1/os-quota-sets/${member_project}",
               .token = "admin",
               .body = R"({"quota_set": {"instances": 1}})",
               .status = 400});
    cases.run({.method = "PUT",
               .path = "/v2.1/os-quota-sets/${member_project}",
               .token = "admin",
               .body = R"({"quota_set": {"instances": 1, "force": true}})"});
    cases.run({.method = "PUT",
               .path = "/v2.1/os-quota-sets/${member_project}",
               .token = "admin",
               .body = R"({"quota_set": {"bananas": 1}})",
               .status = 400});
    cases.run({.method = "PUT",
               .path = "/v2.1/os-quota-sets/${member_project}",
               .token = "member",
               .body = R"({"quota_set": {"instances": 9}})",
               .status = 403});
    cases.run({.path = "/v2.1/os-quota-sets/${other_project}", .token = "member", .status = 403});
    cases.run({.method = "DELETE", .path = "/v2.1/os-quota-sets/${member_project}", .token = "admin", .status = 202});
    cases.run({.method = "PUT", .path = "/v2.1/os-quota-class-sets/default", .token = "admin", .body = R"({"quota_class_set": {"instances": 4}})"});
    cases.run({.path = "/v2.1/os-quota-sets/${member_project}",
               .token = "member",
               .expect = R"({"quota_set": {"instances": 4, "id": "${member_project}"}})"});
}

TEST_CASE_FIXTURE(ComputeFixture, "what a server shows, per microversion") {
    build(R"(, "metadata": {"a": "b"}, "config_drive": true)");
    const auto at = [&](const char* version, const char* token, const char* expect) {
        cases.headers.set("OpenStack-API-Version", std::string("compute ") + version);
        cases.run({.path = "/v2.1/servers/${server}",
                   .token = token,
                   .expect = expect,
                   .answer_headers = {{"OpenStack-API-Version", std::string("compute ") + version}, {"X-OpenStack-Nova-API-Version", version}}});
        cases.run({.path = "/v2.1/servers/detail?all_tenants=" + std::string(token == std::string_view("admin") ? "1" : "0"),
                   .token = token,
                   .expect = R"({"servers": [{"id": "<uuid>", "metadata": {"a": "b"}, "config_drive": "True"}]})"});
    };
    at("2.1", "member",
       R"({"server": {"flavor": {"id": "1", "links": [{"rel": "bookmark"}]}, "OS-EXT-SRV-ATTR:host": "<absent>", "locked": "<absent>", "tags": "<absent>", "description": "<absent>"}})");
    at("2.1", "admin",
       R"({"server": {"OS-EXT-SRV-ATTR:host": "node1", "OS-EXT-SRV-ATTR:hypervisor_hostname": "node1", "OS-EXT-SRV-ATTR:instance_name": "instance-00000001",
                          "OS-EXT-SRV-ATTR:hostname": "<absent>"}})");
    at("2.3", "admin",
       R"({"server": {"OS-EXT-SRV-ATTR:hostname": "one", "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda", "OS-EXT-SRV-ATTR:reservation_id": "<matches:r-.{8}>",
                          "OS-EXT-SRV-ATTR:launch_index": 0, "OS-EXT-SRV-ATTR:kernel_id": "", "OS-EXT-SRV-ATTR:user_data": null}})");
    at("2.9", "member", R"({"server": {"locked": false}})");
    at("2.16", "admin", R"({"server": {"host_status": "UP"}})");
    at("2.16", "member", R"({"server": {"host_status": "<absent>"}})");
    at("2.19", "member", R"({"server": {"description": "<any>"}})");
    at("2.26", "member", R"({"server": {"tags": []}})");
    at("2.46", "member", R"({"server": {"flavor": {"id": "1"}}})");
    at("2.47", "member",
       R"({"server": {"flavor": {"id": "<absent>", "original_name": "m1.tiny", "vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {}}}})");
    at("2.63", "member", R"({"server": {"trusted_image_certificates": null}})");
    at("2.71", "member", R"({"server": {"server_groups": []}})");
    at("2.73", "member", R"({"server": {"locked_reason": null}})");
    at("2.90", "member", R"({"server": {"OS-EXT-SRV-ATTR:hostname": "one"}})");
}

TEST_CASE_FIXTURE(ComputeFixture, "update, lock, metadata, tags, addresses, console, interfaces") {
    const std::string id = build();
    const Case table[] = {
        {.method = "PUT",
         .path = "/v2.1/servers/${server}",
         .token = "member",
         .body = R"({"server": {"name": "new", "accessIPv4": "192.0.2.7"}})",
         .expect = R"({"server": {"name": "new", "accessIPv4": "192.0.2.7", "OS-EXT-STS:vm_state": "<absent>"}})"},
        {.method = "PUT", .path = "/v2.1/servers/${server}", .token = "member", .body = R"({"server": {"name": ""}})", .status = 400},
        {.method = "PUT", .path = "/v2.1/servers/${server}", .token = "member", .body = R"({"server": {"flavorRef": "2"}})", .status = 400},
        {.method = "PUT", .path = "/v2.1/servers/${server}", .token = "other", .body = R"({"server": {"name": "x"}})", .status = 404},
        {.method = "PUT", .path = "/v2.1/servers/${server}", .token = "reader", .body = R"({"server": {"name": "x"}})", .status = 403},
        {.path = "/v2.1/servers/${server}/metadata", .token = "member", .expect = R"({"metadata": {}})"},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/metadata",
         .token = "member",
         .body = R"({"metadata": {"a": "1", "b": "2"}})",
         .expect = R"({"metadata": {"a": "1", "b": "2"}})"},
        {.method = "PUT",
         .path = "/v2.1/servers/${server}/metadata/a",
         .token = "member",
         .body = R"({"meta": {"a": "3"}})",
         .expect = R"({"meta": {"a": "3"}})"},
        {.method = "PUT", .path = "/v2.1/servers/${server}/metadata/a", .token = "member", .body = R"({"meta": {"b": "3"}})", .status = 400},
        {.method = "PUT",
         .path = "/v2.1/servers/${server}/metadata/a",
         .token = "member",
         .body = R"({"meta": {"a": "3", "b": "4"}})",
         .status = 400},
        {.path = "/v2.1/servers/${server}/metadata/a", .token = "member", .expect = R"({"meta": {"a": "3"}})"},
        {.path = "/v2.1/servers/${server}/metadata/zz", .token = "member", .status = 404},
        {.method = "DELETE", .path = "/v2.1/servers/${server}/metadata/a", .token = "member", .status = 204},
        {.method = "DELETE", .path = "/v2.1/servers/${server}/metadata/a", .token = "member", .status = 404},
        {.method = "PUT",
         .path = "/v2.1/servers/${server}/metadata",
         .token = "member",
         .body = R"({"metadata": {"c": "1"}})",
         .expect = R"({"metadata": {"c": "1", "b": "<absent>"}})"},
        {.path = "/v2.1/servers/${server}/ips", .token = "member", .expect = R"({"addresses": {"private": [{"addr": "10.0.0.11"}]}})"},
        {.path = "/v2.1/servers/${server}/ips/private", .token = "member", .expect = R"({"private": [{"addr": "10.0.0.11", "version": 4}]})"},
        {.path = "/v2.1/servers/${server}/ips/none", .token = "member", .status = 404},
        {.name = "tags before 2.26", .path = "/v2.1/servers/${server}/tags", .token = "member", .status = 404},
        {.method = "PUT",
         .path = "/v2.1/servers/${server}/tags/red",
         .token = "member",
         .status = 201,
         .headers = {{"OpenStack-API-Version", "compute 2.26"}}},
        {.method = "PUT",
         .path = "/v2.1/servers/${server}/tags/red",
         .token = "member",
         .status = 204,
         .headers = {{"OpenStack-API-Version", "compute 2.26"}}},
        {.path = "/v2.1/servers/${server}/tags",
         .token = "member",
         .expect = R"({"tags": ["red"]})",
         .headers = {{"OpenStack-API-Version", "compute 2.26"}}},
        {.method = "DELETE",
         .path = "/v2.1/servers/${server}/tags/blue",
         .token = "member",
         .status = 404,
         .headers = {{"OpenStack-API-Version", "compute 2.26"}}},
        {.method = "DELETE",
         .path = "/v2.1/servers/${server}/tags",
         .token = "member",
         .status = 204,
         .headers = {{"OpenStack-API-Version", "compute 2.26"}}},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/action",
         .token = "member",
         .body = R"({"os-getConsoleOutput": {"length": 1}})",
         .expect = R"({"output": "last"})"},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/action",
         .token = "member",
         .body = R"({"os-getConsoleOutput": {}})",
         .expect = R"({"output": "all\nlast"})"},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/action",
         .token = "member",
         .body = R"({"os-getConsoleOutput": {"length": -2}})",
         .status = 400},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/action",
         .token = "member",
         .body = R"({"os-getConsoleOutput": {"length": {}}})",
         .status = 400},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/action",
         .token = "member",
         .body = R"({"os-start": null})",
         .status = 409,
         .expect = R"({"conflictingRequest": {"message": "<matches:Cannot 'start' instance .* while it is in vm_state active>"}})"},
        {.method = "POST", .path = "/v2.1/servers/${server}/action", .token = "member", .body = R"({"reboot": {"type": "MEDIUM"}})", .status = 400},
        {.method = "POST", .path = "/v2.1/servers/${server}/action", .token = "member", .body = R"({"reboot": {}})", .status = 400},
        {.method = "POST", .path = "/v2.1/servers/${server}/action", .token = "member", .body = R"({"reboot": null})", .status = 400},
        {.method = "POST", .path = "/v2.1/servers/${server}/action", .token = "member", .body = R"({"dance": {}})", .status = 400},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/action",
         .token = "member",
         .body = R"({"os-stop": null, "os-start": null})",
         .status = 400},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/action",
         .token = "member",
         .body = R"({"os-resetState": {"state": "error"}})",
         .status = 403},
        {.method = "POST", .path = "/v2.1/servers/${server}/action", .token = "admin", .body = R"({"lock": null})", .status = 202},
        {.method = "DELETE",
         .path = "/v2.1/servers/${server}",
         .token = "member",
         .status = 409,
         .expect = R"({"conflictingRequest": {"message": "<matches:.*is locked>"}})"},
        {.method = "POST", .path = "/v2.1/servers/${server}/action", .token = "member", .body = R"({"unlock": null})", .status = 403},
        {.method = "POST", .path = "/v2.1/servers/${server}/action", .token = "admin", .body = R"({"unlock": null})", .status = 202},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/action",
         .token = "admin",
         .body = R"({"os-resetState": {"state": "error"}})",
         .status = 202},
        {.path = "/v2.1/servers/${server}", .token = "member", .expect = R"({"server": {"status": "ERROR"}})"},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/action",
         .token = "admin",
         .body = R"({"os-resetState": {"state": "active"}})",
         .status = 202},
        {.path = "/v2.1/servers/${server}/os-interface",
         .token = "member",
         .expect =
             R"({"interfaceAttachments": [{"net_id": "${net}", "port_state": "ACTIVE", "fixed_ips": [{"ip_address": "10.0.0.11"}], "tag": "<absent>"}]})"},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/os-interface",
         .token = "member",
         .body = R"({"interfaceAttachment": {"net_id": "${net}"}})",
         .expect = R"({"interfaceAttachment": {"port_id": "<uuid>", "net_id": "${net}"}})",
         .save = {{"second", "interfaceAttachment.port_id"}}},
        {.path = "/v2.1/servers/${server}/ips",
         .token = "member",
         .expect = R"({"addresses": {"private": [{"addr": "10.0.0.11"}, {"addr": "10.0.0.12"}]}})"},
        {.method = "DELETE", .path = "/v2.1/servers/${server}/os-interface/${second}", .token = "member", .status = 202},
        {.method = "DELETE", .path = "/v2.1/servers/${server}/os-interface/${second}", .token = "member", .status = 404},
        {.path = "/v2.1/servers/${server}/ips", .token = "member", .expect = R"({"addresses": {"private": [{"addr": "10.0.0.11"}]}})"},
        {.path = "/v2.1/servers/${server}/os-security-groups",
         .token = "member",
         .expect = R"({"security_groups": [{"name": "default", "rules": []}]})"},
        {.method = "POST",
         .path = "/v2.1/servers/${server}/action",
         .token = "member",
         .body = R"({"addSecurityGroup": {"name": "nope"}})",
         .status = 404},
    };
    cases.run(table);
    CHECK(array_or_empty(desired("node1", id), "ports").size() == 1);
    network.rows["security-groups"]["group-2"] = {{"id", "group-2"}, {"name", "web"}, {"tenant_id", callers.of("member").project_id}};
    cases.run({.method = "POST",
               .path = "/v2.1/servers/${server}/action",
               .token = "member",
               .body = R"({"addSecurityGroup": {"name": "web"}})",
               .status = 202});
    cases.run({.path = "/v2.1/servers/${server}",
               .token = "member",
               .expect = R"({"server": {"security_groups": [{"name": "default"}, {"name": "web"}]}})"});
    cases.run({.method = "POST",
               .path = "/v2.1/servers/${server}/action",
               .token = "member",
               .body = R"({"removeSecurityGroup": {"name": "web"}})",
               .status = 202});
    cases.run({.path = "/v2.1/servers/${server}", .token = "member", .expect = R"({"server": {"security_groups": [{"name": "default"}]}})"});
}

TEST_CASE_FIXTURE(ComputeFixture, "lists: filters, sorting, paging, other projects") {
    for (const char* name : {"alpha", "beta", "gamma"}) {
        cases.vars["name"] = name;
        cases.run({.method = "POST",
                   .path = "/v2.1/servers",
                   .token = "member",
                   .body = R"({"server": {"name": "${name}", "imageRef": "${image}", "flavorRef": "1", "networks": [{"uuid": "${net}"}]}})",
                   .status = 202,
                   .save = {{name, "server.id"}}});
        clock += compute::second;
    }
    const Case table[] = {
        {.path = "/v2.1/servers",
         .token = "member",
         .expect =
             R"({"servers": [{"name": "gamma", "links": [{"rel": "self"}, {"rel": "bookmark"}], "status": "<absent>"}, {"name": "beta"}, {"name": "alpha"}]})"},
        {.path = "/v2.1/servers?name=^b", .token = "member", .expect = R"({"servers": [{"name": "beta"}]})"},
        {.path = "/v2.1/servers?name=a.%2Ba", .token = "member", .expect = R"({"servers": [{"name": "gamma"}, {"name": "alpha"}]})"},
        {.path = "/v2.1/servers?name=[", .token = "member", .status = 400},
        {.path = "/v2.1/servers?name=et", .token = "member", .expect = R"({"servers": [{"name": "beta"}]})"},
        {.path = "/v2.1/servers?status=BUILD&limit=2",
         .token = "member",
         .expect = R"({"servers": [{"name": "gamma"}, {"name": "beta"}], "servers_links": [{"rel": "next", "href": "<matches:.*marker=.*>"}]})"},
        {.path = "/v2.1/servers?limit=2&marker=${beta}",
         .token = "member",
         .expect = R"({"servers": [{"name": "alpha"}], "servers_links": "<absent>"})"},
        {.path = "/v2.1/servers?sort_key=display_name&sort_dir=asc&limit=1&marker=${alpha}",
         .token = "member",
         .expect = R"({"servers": [{"name": "beta"}]})"},
        {.path = "/v2.1/servers?sort_key=bananas", .token = "member", .status = 400},
        {.path = "/v2.1/servers?sort_key=host", .token = "member", .status = 403},
        {.path = "/v2.1/servers?sort_dir=up", .token = "member", .status = 400},
        {.path = "/v2.1/servers?limit=0", .token = "member", .expect = R"({"servers": []})"},
        {.path = "/v2.1/servers?limit=-1", .token = "member", .status = 400},
        {.path = "/v2.1/servers?limit=x", .token = "member", .status = 400},
        {.path = "/v2.1/servers?marker=00000000-0000-4000-8000-000000000000", .token = "member", .status = 400},
        {.path = "/v2.1/servers?status=ACTIVE", .token = "member", .expect = R"({"servers": []})"},
        {.path = "/v2.1/servers?status=BOGUS", .token = "member", .expect = R"({"servers": []})"},
        {.path = "/v2.1/servers?status=BOGUS", .token = "member", .status = 400, .headers = {{"OpenStack-API-Version", "compute 2.38"}}},
        {.path = "/v2.1/servers?status=deleted", .token = "member", .status = 403},
        {.path = "/v2.1/servers?bananas=1", .token = "member", .expect = R"({"servers": [{}, {}, {}]})"},
        {.path = "/v2.1/servers?bananas=1", .token = "member", .status = 400, .headers = {{"OpenStack-API-Version", "compute 2.75"}}},
        {.path = "/v2.1/servers?changes-since=yesterday", .token = "member", .status = 400},
        {.path = "/v2.1/servers?changes-since=2050-01-01T00:00:00Z", .token = "member", .expect = R"({"servers": []})"},
        {.path = "/v2.1/servers?flavor=1&image=${image}", .token = "member", .expect = R"({"servers": [{}, {}, {}]})"},
        {.path = "/v2.1/servers?flavor=2", .token = "member", .expect = R"({"servers": []})"},
        {.path = "/v2.1/servers?ip=10.0", .token = "member", .expect = R"({"servers": []})"},
        {.path = "/v2.1/servers", .token = "other", .expect = R"({"servers": []})"},
        {.path = "/v2.1/servers?all_tenants=1", .token = "other", .status = 403},
        {.path = "/v2.1/servers?all_tenants=perhaps", .token = "admin", .status = 400},
        {.path = "/v2.1/servers?all_tenants=1", .token = "admin", .expect = R"({"servers": [{}, {}, {}]})"},
        {.path = "/v2.1/servers?all_tenants=1&project_id=nobody", .token = "admin", .expect = R"({"servers": []})"},
        {.path = "/v2.1/servers", .token = "admin", .expect = R"({"servers": []})"},
        {.path = "/v2.1/servers/${alpha}", .token = "other", .status = 404},
        {.path = "/v2.1/servers/detail?vm_state=active", .token = "admin", .expect = R"({"servers": []})"},
    };
    cases.run(table);
}

TEST_CASE_FIXTURE(ComputeFixture, "who may do what") {
    build();
    const Cases::Row rows[] = {
        {"GET", "/v2.1/servers", "", "none:401 reader:200 member:200 manager:200 admin:200 other:200"},
        {"GET", "/v2.1/servers/${server}", "", "none:401 reader:200 member:200 admin:200 other:404"},
        {"GET", "/v2.1/flavors", "", "none:401 reader:200 other:200"},
        {"POST", "/v2.1/flavors", R"({"flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 1}})",
         "none:401 reader:403 member:403 manager:403 admin:200"},
        {"GET", "/v2.1/os-hypervisors", "", "none:401 reader:403 member:403 admin:200"},
        {"GET", "/v2.1/os-services", "", "none:401 reader:403 member:403 admin:200"},
        {"GET", "/v2.1/os-availability-zone", "", "none:401 reader:200 other:200"},
        {"GET", "/v2.1/os-availability-zone/detail", "", "member:403 admin:200"},
        {"GET", "/v2.1/os-quota-sets/${member_project}", "", "reader:200 member:200 other:403 admin:200"},
        {"GET", "/v2.1/limits", "", "none:401 reader:200"},
        {"GET", "/v2.1/servers/${server}/os-instance-actions", "", "reader:200 other:404"},
        {"POST", "/v2.1/os-server-external-events", R"({"events": [{"name": "network-changed", "server_uuid": "${server}"}]})",
         "none:401 member:403 service:200"},
        {"GET", "/agent/v1/nodes/node1/desired", "", "none:401 reader:403 member:403 service:200"},
        {"POST", "/agent/v1/nodes/node1/observed", R"({"servers": {}})", "none:401 member:403 service:204"},
        {"GET", "/agent/v1/servers/${server}/metadata", "", "none:401 member:403 service:200"},
        {"POST", "/v2.1/servers/${server}/action", R"({"os-stop": null})", "none:401 reader:403 other:404"},
    };
    cases.matrix(rows);
}

TEST_CASE_FIXTURE(ComputeFixture, "external events") {
    build();
    const Case table[] = {
        {.method = "POST", .path = "/v2.1/os-server-external-events", .token = "service", .body = R"({"events": []})", .status = 400},
        {.method = "POST",
         .path = "/v2.1/os-server-external-events",
         .token = "service",
         .body = R"({"events": [{"name": "party", "server_uuid": "${server}"}]})",
         .status = 400},
        {.method = "POST",
         .path = "/v2.1/os-server-external-events",
         .token = "service",
         .body = R"({"events": [{"name": "network-changed", "server_uuid": "00000000-0000-4000-8000-000000000000"}]})",
         .status = 404},
        {.method = "POST",
         .path = "/v2.1/os-server-external-events",
         .token = "service",
         .body =
             R"({"events": [{"name": "network-changed", "server_uuid": "${server}"}, {"name": "network-changed", "server_uuid": "00000000-0000-4000-8000-000000000000"}]})",
         .status = 207,
         .expect = R"({"events": [{"code": 200, "status": "completed"}, {"code": 404, "status": "failed"}]})"},
    };
    cases.run(table);
    network.rows["floatingips"]["f"] = {
        {"id", "f"}, {"port_id", network.rows["ports"].begin()->first}, {"floating_ip_address", "203.0.113.5"}, {"fixed_ip_address", "10.0.0.11"}};
    cases.run({.method = "POST",
               .path = "/v2.1/os-server-external-events",
               .token = "service",
               .body = R"({"events": [{"name": "network-changed", "server_uuid": "${server}"}]})"});
    cases.run(
        {.path = "/v2.1/servers/${server}",
         .token = "member",
         .expect = R"({"server": {"addresses": {"private": [{"addr": "10.0.0.11"}, {"addr": "203.0.113.5", "OS-EXT-IPS:type": "floating"}]}}})"});
}
