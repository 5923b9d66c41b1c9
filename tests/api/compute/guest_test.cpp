// What a guest is told of itself, what the node is told of its disks, and what the guest leaves.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

TEST_CASE_FIXTURE(ComputeFixture, "the metadata document") {
    cases.run(
        {.method = "POST",
         .path = "/v2.1/os-keypairs",
         .token = "member",
         .body =
             R"({"keypair": {"name": "k", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPPq3i6PaZCjgEKlm1mO455L31fj6gQ8wvJYyeBfcxcT me"}})"});
    build(R"(, "key_name": "k", "user_data": "IyEvYmluL3No", "metadata": {"role": "web"})");
    cases.run({.path = "/agent/v1/servers/${server}/metadata",
               .token = "service",
               .expect = R"({"project_id": "${member_project}", "user_data": "IyEvYmluL3No", "vendor_data": {}, "vendor_data2": {},
                 "meta_data": {"uuid": "${server}", "name": "one", "hostname": "one", "availability_zone": "nova", "launch_index": 0, "meta": {"role": "web"},
                               "keys": [{"name": "k", "type": "ssh", "data": "<text>"}], "devices": [], "dedicated_cpus": []},
                 "network_data": {"links": [{"type": "ovs", "mtu": 1450, "ethernet_mac_address": "<text>", "vif_id": "<uuid>"}],
                                  "networks": [{"id": "network0", "type": "ipv4_dhcp", "network_id": "${net}"}], "services": [{"type": "dns", "address": "9.9.9.9"}]},
                 "ec2": {"instance-id": "i-00000001", "local-ipv4": "10.0.0.11", "public-ipv4": "", "security-groups": ["default"], "instance-type": "m1.tiny",
                         "block-device-mapping": {"ami": "vda", "root": "/dev/vda"}}})"});
}

TEST_CASE_FIXTURE(ComputeFixture, "swap and ephemeral disks are asked of the node and named to the guest") {
    cases.run({.method = "POST",
               .path = "/v2.1/flavors",
               .token = "admin",
               .body = R"({"flavor": {"name": "more", "id": "m", "ram": 64, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 3, "swap": 1025}})"});
    images.add("44444444-4444-4444-8444-444444444444", {{"hw_disk_bus", "scsi"}});
    cases.vars["scsi"] = "44444444-4444-4444-8444-444444444444";
    cases.run({.method = "POST",
               .path = "/v2.1/servers",
               .token = "member",
               .body = R"({"server": {"name": "one", "imageRef": "${scsi}", "flavorRef": "m", "networks": "none"}})",
               .status = 202,
               .headers = {{"OpenStack-API-Version", "compute 2.37"}},
               .save = {{"server", "server.id"}}});
    worker.run_due();
    const json::object flavor = object_or_empty(desired("node1", cases.vars["server"]), "flavor");
    CHECK(integer_or(flavor, "ephemeral_gb") == 3);
    CHECK(integer_or(flavor, "swap_mb") == 1025);
    CHECK(placement.used(provider_id, "DISK_GB") == 6);
    cases.run({.path = "/agent/v1/servers/${server}/metadata",
               .token = "service",
               .expect = R"({"ec2": {"block-device-mapping": {"ami": "sda", "root": "/dev/sda", "ephemeral0": "/dev/sdb", "swap": "/dev/sdc"}}})"});
}

TEST_CASE_FIXTURE(ComputeFixture, "a password that the guest left") {
    build();
    cases.vars["long"] = std::string(1021, 'x');
    const Case table[] = {
        {.path = "/v2.1/servers/${server}/os-server-password", .token = "reader", .expect = R"({"password": ""})"},
        {.path = "/v2.1/servers/${server}/os-server-password", .token = "other", .status = 404},
        {.path = "/v2.1/servers/${server}/os-server-password", .status = 401},
        {.method = "POST", .path = "/agent/v1/servers/${server}/password", .token = "member", .body = R"({"password": "x"})", .status = 403},
        {.method = "POST", .path = "/agent/v1/servers/${server}/password", .token = "service", .body = R"({"password": "${long}"})", .status = 400},
        {.method = "POST", .path = "/agent/v1/servers/${server}/password", .token = "service", .body = R"({"password": 1})", .status = 400},
        {.method = "POST", .path = "/agent/v1/servers/${server}/password", .token = "service", .body = R"({"password": ""})", .status = 400},
        {.method = "POST", .path = "/agent/v1/servers/${server}/password", .token = "service", .body = R"({"password": "c2Vj"})", .status = 204},
        {.method = "POST", .path = "/agent/v1/servers/${server}/password", .token = "service", .body = R"({"password": "other"})", .status = 409},
        {.method = "POST",
         .path = "/agent/v1/servers/00000000-0000-4000-8000-00000000dead/password",
         .token = "service",
         .body = R"({"password": "x"})",
         .status = 404},
        {.path = "/v2.1/servers/${server}/os-server-password", .token = "member", .expect = R"({"password": "c2Vj"})"},
        {.path = "/agent/v1/servers/${server}/metadata", .token = "service", .expect = R"({"password": "c2Vj"})"},
        {.method = "DELETE", .path = "/v2.1/servers/${server}/os-server-password", .token = "reader", .status = 403},
        {.method = "DELETE", .path = "/v2.1/servers/${server}/os-server-password", .token = "other", .status = 404},
        {.path = "/v2.1/servers/${server}/os-server-password", .token = "member", .expect = R"({"password": "c2Vj"})"},
        {.method = "DELETE", .path = "/v2.1/servers/${server}/os-server-password", .token = "member", .status = 204, .empty = true},
        {.path = "/v2.1/servers/${server}/os-server-password", .token = "member", .expect = R"({"password": ""})"},
        {.method = "POST", .path = "/agent/v1/servers/${server}/password", .token = "service", .body = R"({"password": "again"})", .status = 204},
        {.method = "DELETE", .path = "/v2.1/servers/${server}", .token = "member", .status = 204},
        {.method = "POST", .path = "/agent/v1/servers/${server}/password", .token = "service", .body = R"({"password": "late"})", .status = 404},
    };
    cases.run(table);
    report("node1", state("node1", cases.vars["server"], "absent"));
    worker.run_due();
    CHECK(store->read([](Tx& tx) { return tx.scalar("SELECT COUNT(*) FROM server_passwords").integer(); }) == 0);
}
