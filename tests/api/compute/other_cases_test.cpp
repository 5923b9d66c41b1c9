// Flavors, key pairs, hypervisors, services, zones, server groups, versions.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

TEST_CASE_FIXTURE(ComputeFixture, "flavors") {
    const Case table[] = {
        {.path = "/v2.1/flavors", .token = "member", .expect = R"({"flavors": [{"id": "1", "name": "m1.tiny", "links": [{"rel": "self"}, {"rel": "bookmark"}], "ram": "<absent>"}]})"},
        {.path = "/v2.1/flavors/detail", .token = "member",
         .expect = R"({"flavors": [{"id": "1", "ram": 512, "vcpus": 1, "disk": 1, "swap": "", "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": false,
                       "os-flavor-access:is_public": true, "rxtx_factor": 1.0, "description": "<absent>", "extra_specs": "<absent>"}]})"},
        {.path = "/v2.1/flavors/1", .token = "member", .expect = R"({"flavor": {"swap": 0, "description": null, "extra_specs": {}}})", .headers = {{"OpenStack-API-Version", "compute 2.75"}}},
        {.path = "/v2.1/flavors/none", .token = "member", .status = 404, .expect = R"({"itemNotFound": {"message": "Flavor none could not be found."}})"},
        {.method = "POST", .path = "/v2.1/flavors", .token = "admin", .body = R"({"flavor": {"name": "m1.tiny", "ram": 1, "vcpus": 1, "disk": 0}})", .status = 409},
        {.method = "POST", .path = "/v2.1/flavors", .token = "admin", .body = R"({"flavor": {"name": "x", "id": "1", "ram": 1, "vcpus": 1, "disk": 0}})", .status = 409},
        {.method = "POST", .path = "/v2.1/flavors", .token = "admin", .body = R"({"flavor": {"name": "x", "ram": 0, "vcpus": 1, "disk": 0}})", .status = 400},
        {.method = "POST", .path = "/v2.1/flavors", .token = "admin", .body = R"({"flavor": {"name": "x", "ram": 1, "disk": 0}})", .status = 400},
        {.method = "POST", .path = "/v2.1/flavors", .token = "admin", .body = R"({"flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 0, "colour": "red"}})", .status = 400},
        {.method = "POST", .path = "/v2.1/flavors", .token = "admin", .body = R"({"flavor": {"name": "x", "id": "a/b", "ram": 1, "vcpus": 1, "disk": 0}})", .status = 400},
        {.method = "POST", .path = "/v2.1/flavors", .token = "admin", .body = R"({"flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 0, "rxtx_factor": -1}})", .status = 400},
        {.method = "POST", .path = "/v2.1/flavors", .token = "admin",
         .body = R"({"flavor": {"name": "secret", "id": "auto", "ram": "64", "vcpus": "1", "disk": "2", "swap": 8, "os-flavor-access:is_public": false}})",
         .expect = R"({"flavor": {"id": "<uuid>", "ram": 64, "swap": 8, "os-flavor-access:is_public": false}})", .save = {{"secret", "flavor.id"}}},
        {.path = "/v2.1/flavors/${secret}", .token = "member", .status = 404},
        {.path = "/v2.1/flavors", .token = "member", .expect = R"({"flavors": [{"id": "1"}]})"},
        {.path = "/v2.1/flavors?is_public=None", .token = "admin", .expect = R"({"flavors": [{}, {}]})"},
        {.path = "/v2.1/flavors?is_public=maybe", .token = "admin", .status = 400},
        {.path = "/v2.1/flavors?minRam=100&is_public=None", .token = "admin", .expect = R"({"flavors": [{"id": "1"}]})"},
        {.path = "/v2.1/flavors?minRam=x", .token = "admin", .status = 400},
        {.path = "/v2.1/flavors?sort_key=x", .token = "admin", .status = 400},
        {.path = "/v2.1/flavors?limit=1&is_public=None", .token = "admin", .expect = R"({"flavors": [{}], "flavors_links": [{"rel": "next"}]})"},
        {.path = "/v2.1/flavors?marker=none", .token = "admin", .status = 400},
        {.path = "/v2.1/flavors/1/os-flavor-access", .token = "admin", .status = 404},
        {.method = "POST", .path = "/v2.1/flavors/${secret}/action", .token = "admin", .body = R"({"addTenantAccess": {"tenant": "${member_project}"}})",
         .expect = R"({"flavor_access": [{"flavor_id": "${secret}", "tenant_id": "${member_project}"}]})"},
        {.method = "POST", .path = "/v2.1/flavors/${secret}/action", .token = "admin", .body = R"({"addTenantAccess": {"tenant": "${member_project}"}})", .status = 409},
        {.path = "/v2.1/flavors/${secret}", .token = "member", .expect = R"({"flavor": {"name": "secret"}})"},
        {.method = "POST", .path = "/v2.1/flavors/${secret}/action", .token = "admin", .body = R"({"removeTenantAccess": {"tenant": "${member_project}"}})", .expect = R"({"flavor_access": []})"},
        {.method = "POST", .path = "/v2.1/flavors/1/os-extra_specs", .token = "admin", .body = R"({"extra_specs": {"hw:cpu_policy": "shared", "n": 5}})",
         .expect = R"({"extra_specs": {"hw:cpu_policy": "shared", "n": "5"}})"},
        {.method = "POST", .path = "/v2.1/flavors/1/os-extra_specs", .token = "admin", .body = R"({"extra_specs": {"a/b": "x"}})", .status = 400},
        {.method = "POST", .path = "/v2.1/flavors/1/os-extra_specs", .token = "member", .body = R"({"extra_specs": {"a": "x"}})", .status = 403},
        {.path = "/v2.1/flavors/1/os-extra_specs", .token = "member", .expect = R"({"extra_specs": {"n": "5"}})"},
        {.method = "PUT", .path = "/v2.1/flavors/1/os-extra_specs/n", .token = "admin", .body = R"({"n": "6"})", .expect = R"({"n": "6"})"},
        {.method = "PUT", .path = "/v2.1/flavors/1/os-extra_specs/n", .token = "admin", .body = R"({"m": "6"})", .status = 400},
        {.path = "/v2.1/flavors/1/os-extra_specs/n", .token = "member", .expect = R"({"n": "6"})"},
        {.method = "DELETE", .path = "/v2.1/flavors/1/os-extra_specs/n", .token = "admin", .status = 200},
        {.method = "DELETE", .path = "/v2.1/flavors/1/os-extra_specs/n", .token = "admin", .status = 404},
        {.method = "PUT", .path = "/v2.1/flavors/1", .token = "admin", .body = R"({"flavor": {"description": "d"}})", .status = 404},
        {.method = "PUT", .path = "/v2.1/flavors/1", .token = "admin", .body = R"({"flavor": {"description": "d"}})", .expect = R"({"flavor": {"description": "d"}})",
         .headers = {{"OpenStack-API-Version", "compute 2.55"}}},
        {.method = "DELETE", .path = "/v2.1/flavors/${secret}", .token = "admin", .status = 202},
        {.method = "DELETE", .path = "/v2.1/flavors/${secret}", .token = "admin", .status = 404},
    };
    cases.run(table);
}

TEST_CASE_FIXTURE(ComputeFixture, "key pairs") {
    const std::string key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPPq3i6PaZCjgEKlm1mO455L31fj6gQ8wvJYyeBfcxcT me";
    cases.vars["key"] = key;
    const Case table[] = {
        {.path = "/v2.1/os-keypairs", .token = "member", .expect = R"({"keypairs": []})"},
        {.method = "POST", .path = "/v2.1/os-keypairs", .token = "member", .body = R"({"keypair": {"name": "mine", "public_key": "${key}"}})",
         .expect = R"({"keypair": {"name": "mine", "public_key": "${key}", "fingerprint": "4b:27:ca:79:93:10:a2:7e:f0:bf:e9:f6:d5:3c:04:09", "user_id": "${member_user}",
                       "private_key": "<absent>", "type": "<absent>"}})"},
        {.method = "POST", .path = "/v2.1/os-keypairs", .token = "member", .body = R"({"keypair": {"name": "mine", "public_key": "${key}"}})", .status = 409},
        {.method = "POST", .path = "/v2.1/os-keypairs", .token = "other", .body = R"({"keypair": {"name": "mine", "public_key": "${key}"}})"},
        {.method = "POST", .path = "/v2.1/os-keypairs", .token = "member", .body = R"({"keypair": {"name": "bad", "public_key": "ssh-rsa nonsense"}})", .status = 400},
        {.method = "POST", .path = "/v2.1/os-keypairs", .token = "member", .body = R"({"keypair": {"name": "a/b", "public_key": "${key}"}})", .status = 400},
        {.method = "POST", .path = "/v2.1/os-keypairs", .token = "member", .body = R"({"keypair": {"name": ""}})", .status = 400},
        {.method = "POST", .path = "/v2.1/os-keypairs", .token = "member", .body = R"({"keypair": {}})", .status = 400},
        {.method = "POST", .path = "/v2.1/os-keypairs", .token = "member", .body = R"({"keypair": {"name": "x", "type": "ssh"}})", .status = 400},
        {.method = "POST", .path = "/v2.1/os-keypairs", .token = "member", .body = R"({"keypair": {"name": "made", "type": "ssh"}})", .status = 201,
         .expect = R"({"keypair": {"private_key": "<matches:-----BEGIN RSA[^]*>", "public_key": "<matches:ssh-rsa AAAA.*>", "type": "ssh"}})",
         .headers = {{"OpenStack-API-Version", "compute 2.2"}}},
        {.name = "2.92 only imports", .method = "POST", .path = "/v2.1/os-keypairs", .token = "member", .body = R"({"keypair": {"name": "made2"}})", .status = 400,
         .headers = {{"OpenStack-API-Version", "compute 2.92"}}},
        {.method = "POST", .path = "/v2.1/os-keypairs", .token = "member", .body = R"({"keypair": {"name": "me@home.example", "public_key": "${key}"}})", .status = 201,
         .headers = {{"OpenStack-API-Version", "compute 2.92"}}},
        {.path = "/v2.1/os-keypairs", .token = "member", .expect = R"({"keypairs": [{"keypair": {"name": "made"}}, {"keypair": {"name": "me@home.example"}}, {"keypair": {"name": "mine"}}]})"},
        {.path = "/v2.1/os-keypairs?limit=1", .token = "member", .expect = R"({"keypairs": [{}], "keypairs_links": [{"rel": "next"}]})", .headers = {{"OpenStack-API-Version", "compute 2.35"}}},
        {.path = "/v2.1/os-keypairs?user_id=${member_user}", .token = "other", .status = 403, .headers = {{"OpenStack-API-Version", "compute 2.10"}}},
        {.path = "/v2.1/os-keypairs?user_id=${member_user}", .token = "admin", .expect = R"({"keypairs": [{}, {}, {}]})", .headers = {{"OpenStack-API-Version", "compute 2.10"}}},
        {.path = "/v2.1/os-keypairs/mine", .token = "member", .expect = R"({"keypair": {"id": "<number>", "created_at": "<text>", "deleted": false, "user_id": "${member_user}"}})"},
        {.path = "/v2.1/os-keypairs/none", .token = "member", .status = 404},
        {.method = "DELETE", .path = "/v2.1/os-keypairs/mine", .token = "member", .status = 202},
        {.method = "DELETE", .path = "/v2.1/os-keypairs/made", .token = "member", .status = 204, .headers = {{"OpenStack-API-Version", "compute 2.2"}}},
        {.method = "DELETE", .path = "/v2.1/os-keypairs/made", .token = "member", .status = 404},
    };
    cases.run(table);
}

TEST_CASE_FIXTURE(ComputeFixture, "hypervisors, services, zones") {
    const Case table[] = {
        {.path = "/v2.1/os-hypervisors", .token = "admin", .expect = R"({"hypervisors": [{"id": 1, "hypervisor_hostname": "node1", "state": "up", "status": "enabled"}]})"},
        {.path = "/v2.1/os-hypervisors/detail", .token = "admin",
         .expect = R"({"hypervisors": [{"vcpus": 16, "memory_mb": 32768, "hypervisor_type": "QEMU", "cpu_info": "<text>", "host_ip": "192.0.2.1", "service": {"host": "node1", "id": "<number>"}}]})"},
        {.path = "/v2.1/os-hypervisors/1", .token = "admin", .expect = R"({"hypervisor": {"running_vms": 0}})"},
        {.path = "/v2.1/os-hypervisors/9", .token = "admin", .status = 404},
        {.path = "/v2.1/os-hypervisors/1/uptime", .token = "admin", .expect = R"({"hypervisor": {"uptime": " up 1 days,  1:00"}})"},
        {.path = "/v2.1/os-hypervisors/statistics", .token = "admin", .expect = R"({"hypervisor_statistics": {"count": 1, "vcpus": 16}})"},
        {.path = "/v2.1/os-hypervisors/ode/search", .token = "admin", .expect = R"({"hypervisors": [{"hypervisor_hostname": "node1"}]})"},
        {.path = "/v2.1/os-hypervisors/detail", .token = "admin", .expect = R"({"hypervisors": [{"cpu_info": {"arch": "x86_64"}}]})", .headers = {{"OpenStack-API-Version", "compute 2.28"}}},
        {.path = "/v2.1/os-hypervisors", .token = "admin", .expect = R"({"hypervisors": [{"id": "<uuid>"}]})", .headers = {{"OpenStack-API-Version", "compute 2.53"}}, .save = {{"hv", "hypervisors.0.id"}}},
        {.path = "/v2.1/os-hypervisors/${hv}?with_servers=true", .token = "admin", .expect = R"({"hypervisor": {"uptime": " up 1 days,  1:00", "vcpus": "<absent>", "servers": []}})",
         .headers = {{"OpenStack-API-Version", "compute 2.88"}}},
        {.path = "/v2.1/os-hypervisors/1", .token = "admin", .status = 400, .headers = {{"OpenStack-API-Version", "compute 2.53"}}},
        {.path = "/v2.1/os-hypervisors/statistics", .token = "admin", .status = 400, .headers = {{"OpenStack-API-Version", "compute 2.88"}}},
        {.path = "/v2.1/os-hypervisors?hypervisor_hostname_pattern=zzz", .token = "admin", .status = 404, .headers = {{"OpenStack-API-Version", "compute 2.53"}}},
        {.path = "/v2.1/os-services", .token = "admin",
         .expect = R"({"services": {"<contains>": [{"binary": "nova-compute", "host": "node1", "zone": "nova", "state": "up", "status": "enabled", "id": "<number>", "forced_down": "<absent>"},
                       {"binary": "nova-scheduler", "zone": "internal", "state": "up"}, {"binary": "nova-conductor"}]}})"},
        {.path = "/v2.1/os-services?binary=nova-compute", .token = "admin", .expect = R"({"services": [{"id": "<uuid>", "forced_down": false}]})", .headers = {{"OpenStack-API-Version", "compute 2.53"}}, .save = {{"svc", "services.0.id"}}},
        {.method = "PUT", .path = "/v2.1/os-services/disable-log-reason", .token = "admin", .body = R"({"host": "node1", "binary": "nova-compute", "disabled_reason": "broken fan"})",
         .expect = R"({"service": {"status": "disabled", "disabled_reason": "broken fan"}})"},
        {.path = "/v2.1/os-hypervisors", .token = "admin", .expect = R"({"hypervisors": [{"status": "disabled"}]})"},
        {.path = "/v2.1/os-availability-zone", .token = "member", .expect = R"({"availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": false}, "hosts": null}]})"},
        {.method = "PUT", .path = "/v2.1/os-services/enable", .token = "admin", .body = R"({"host": "node1", "binary": "nova-compute"})", .expect = R"({"service": {"status": "enabled"}})"},
        {.method = "PUT", .path = "/v2.1/os-services/enable", .token = "admin", .body = R"({"host": "none", "binary": "nova-compute"})", .status = 404},
        {.method = "PUT", .path = "/v2.1/os-services/enable", .token = "admin", .body = R"({"host": "none"})", .status = 400},
        {.method = "PUT", .path = "/v2.1/os-services/${svc}", .token = "admin", .body = R"({"status": "disabled", "disabled_reason": "x"})",
         .expect = R"({"service": {"status": "disabled", "disabled_reason": "x"}})", .headers = {{"OpenStack-API-Version", "compute 2.53"}}},
        {.method = "PUT", .path = "/v2.1/os-services/${svc}", .token = "admin", .body = R"({"status": "enabled", "disabled_reason": "x"})", .status = 400,
         .headers = {{"OpenStack-API-Version", "compute 2.53"}}},
        {.method = "PUT", .path = "/v2.1/os-services/${svc}", .token = "admin", .body = R"({"forced_down": true, "status": "enabled"})", .expect = R"({"service": {"state": "down"}})",
         .headers = {{"OpenStack-API-Version", "compute 2.53"}}},
        {.path = "/v2.1/os-availability-zone/detail", .token = "admin",
         .expect = R"({"availabilityZoneInfo": {"<contains>": [{"zoneName": "internal"}, {"zoneName": "nova", "hosts": {"node1": {"nova-compute": {"active": true, "available": false}}}}]}})"},
        {.method = "DELETE", .path = "/v2.1/os-services/${svc}", .token = "admin", .status = 204, .headers = {{"OpenStack-API-Version", "compute 2.53"}}},
        {.path = "/v2.1/os-hypervisors", .token = "admin", .expect = R"({"hypervisors": []})"},
    };
    cases.run(table);
    clock += 61 * compute::second;
    cases.run({.path = "/v2.1/os-services?binary=nova-scheduler", .token = "admin", .expect = R"({"services": [{"state": "down"}]})"});
}

TEST_CASE_FIXTURE(ComputeFixture, "server groups spread servers") {
    add_node("node2", "44444444-4444-4444-8444-444444444444");
    const Case table[] = {
        {.method = "POST", .path = "/v2.1/os-server-groups", .token = "member", .body = R"({"server_group": {"name": "g", "policies": ["anti-affinity"]}})",
         .expect = R"({"server_group": {"id": "<uuid>", "policies": ["anti-affinity"], "members": [], "metadata": {}}})", .save = {{"group", "server_group.id"}}},
        {.method = "POST", .path = "/v2.1/os-server-groups", .token = "member", .body = R"({"server_group": {"name": "g", "policies": ["nonsense"]}})", .status = 400},
        {.method = "POST", .path = "/v2.1/os-server-groups", .token = "member", .body = R"({"server_group": {"name": "g", "policy": "affinity"}})", .status = 400},
        {.method = "POST", .path = "/v2.1/os-server-groups", .token = "member", .body = R"({"server_group": {"name": "h", "policy": "anti-affinity", "rules": {"max_server_per_host": 2}}})",
         .expect = R"({"server_group": {"policy": "anti-affinity", "rules": {"max_server_per_host": 2}}})", .headers = {{"OpenStack-API-Version", "compute 2.64"}}},
        {.path = "/v2.1/os-server-groups", .token = "other", .expect = R"({"server_groups": []})"},
        {.path = "/v2.1/os-server-groups/${group}", .token = "other", .status = 404},
    };
    cases.run(table);
    std::set<std::string> hosts;
    for (int i = 0; i < 2; ++i) {
        cases.run({.method = "POST", .path = "/v2.1/servers", .token = "member",
                   .body = R"({"server": {"name": "m", "imageRef": "${image}", "flavorRef": "1", "networks": [{"uuid": "${net}"}]}, "os:scheduler_hints": {"group": "${group}"}})",
                   .status = 202, .save = {{"server", "server.id"}}});
        worker.run_due();
        hosts.insert(row(cases.vars["server"]).host);
    }
    CHECK(hosts.size() == 2);
    cases.run({.path = "/v2.1/os-server-groups/${group}", .token = "member", .expect = R"({"server_group": {"members": ["<uuid>", "<uuid>"]}})"});
    cases.run({.method = "DELETE", .path = "/v2.1/os-server-groups/${group}", .token = "member", .status = 204});
}

TEST_CASE_FIXTURE(ComputeFixture, "version documents need no token") {
    cases.run({.path = "/", .expect = R"({"versions": [{"id": "v2.1", "status": "CURRENT", "version": "2.95", "min_version": "2.1", "links": [{"rel": "self"}]}]})"});
    cases.run({.path = "/v2.1/", .expect = R"({"version": {"id": "v2.1", "media-types": [{"base": "application/json"}]}})"});
    cases.run({.path = "/v2.1", .expect = R"({"version": {"id": "v2.1"}})"});
}

TEST_CASE_FIXTURE(ComputeFixture, "aggregates name the zones of nodes") {
    const Case table[] = {
        {.path = "/v2.1/os-aggregates", .token = "admin", .expect = R"({"aggregates": []})"},
        {.path = "/v2.1/os-aggregates", .token = "member", .status = 403},
        {.method = "POST", .path = "/v2.1/os-aggregates", .token = "admin", .body = R"({"aggregate": {"name": "rack1", "availability_zone": "east"}})",
         .expect = R"({"aggregate": {"id": 1, "availability_zone": "east", "hosts": "<absent>"}})"},
        {.method = "POST", .path = "/v2.1/os-aggregates", .token = "admin", .body = R"({"aggregate": {"name": "rack1"}})", .status = 409},
        {.method = "POST", .path = "/v2.1/os-aggregates", .token = "admin", .body = R"({"aggregate": {"name": "r", "availability_zone": "a:b"}})", .status = 400},
        {.method = "POST", .path = "/v2.1/os-aggregates", .token = "admin", .body = R"({"aggregate": {}})", .status = 400},
        {.method = "POST", .path = "/v2.1/os-aggregates/1/action", .token = "admin", .body = R"({"add_host": {"host": "node1"}})", .expect = R"({"aggregate": {"hosts": ["node1"]}})"},
        {.method = "POST", .path = "/v2.1/os-aggregates/1/action", .token = "admin", .body = R"({"add_host": {"host": "node1"}})", .status = 409},
        {.method = "POST", .path = "/v2.1/os-aggregates/1/action", .token = "admin", .body = R"({"add_host": {"host": "none"}})", .status = 404},
        {.path = "/v2.1/os-availability-zone", .token = "member", .expect = R"({"availabilityZoneInfo": {"<contains>": [{"zoneName": "east", "zoneState": {"available": true}}]}})"},
        {.method = "POST", .path = "/v2.1/servers", .token = "member",
         .body = R"({"server": {"name": "z", "imageRef": "${image}", "flavorRef": "1", "availability_zone": "nova", "networks": [{"uuid": "${net}"}]}})", .status = 202},
        {.method = "DELETE", .path = "/v2.1/os-aggregates/1", .token = "admin", .status = 400},
        {.method = "POST", .path = "/v2.1/os-aggregates/1/action", .token = "admin", .body = R"({"set_metadata": {"metadata": {"ssd": "true", "availability_zone": null}}})",
         .expect = R"({"aggregate": {"availability_zone": null, "metadata": {"ssd": "true"}}})"},
        {.method = "POST", .path = "/v2.1/os-aggregates/1/action", .token = "admin", .body = R"({"remove_host": {"host": "node1"}})", .expect = R"({"aggregate": {"hosts": []}})"},
        {.method = "DELETE", .path = "/v2.1/os-aggregates/1", .token = "admin"},
        {.path = "/v2.1/os-aggregates/1", .token = "admin", .status = 404},
        {.path = "/v2.1/os-security-groups", .token = "member", .expect = R"({"security_groups": [{"name": "default", "rules": []}]})"},
        {.path = "/v2.1/os-security-groups", .token = "member", .status = 404, .headers = {{"OpenStack-API-Version", "compute 2.36"}}},
    };
    cases.run(table);
}
