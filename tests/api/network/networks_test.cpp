#include "fixture.h"

namespace pilvi::testing {
namespace {

TEST_CASE("networks") {
    Network n;
    const Case cases[] = {
        {.method = "POST",
         .path = "/v2.0/networks",
         .token = "member",
         .body = R"({"network": {"name": "n"}})",
         .status = 201,
         .expect =
             R"({"network": {"id": "<uuid>", "name": "n", "project_id": "${member_project}", "tenant_id": "${member_project}", "admin_state_up": true,
                       "status": "ACTIVE", "shared": false, "router:external": false, "mtu": 1450, "subnets": [], "port_security_enabled": true,
                       "provider:network_type": "<absent>", "provider:segmentation_id": "<absent>", "revision_number": 1, "created_at": "<time>",
                       "updated_at": "<time>", "description": "", "tags": [], "availability_zone_hints": [], "segment_key": "<absent>"}})",
         .save = {{"net", "network.id"}}},
        {.method = "GET",
         .path = "/v2.0/networks/${net}",
         .token = "admin",
         .expect = R"({"network": {"provider:network_type": "vxlan", "provider:physical_network": null, "provider:segmentation_id": 1}})"},
        {.method = "GET", .path = "/v2.0/networks/${net}", .token = "other", .status = 404, .expect = R"({"NeutronError": {"type": "NetworkNotFound",
            "message": "Network ${net} could not be found.", "detail": ""}})"},
        {.method = "GET",
         .path = "/v2.0/networks/${net}?fields=id&fields=name",
         .token = "member",
         .expect = R"({"network": {"id": "${net}", "name": "n", "status": "<absent>"}})"},
        {.method = "PUT",
         .path = "/v2.0/networks/${net}",
         .token = "member",
         .body = R"({"network": {"name": "m", "admin_state_up": "False"}})",
         .expect = R"({"network": {"name": "m", "admin_state_up": false, "revision_number": 2}})"},
        {.method = "PUT",
         .path = "/v2.0/networks/${net}",
         .token = "member",
         .body = R"({"network": {"name": "x"}})",
         .status = 412,
         .expect = R"({"NeutronError": {"type": "RevisionNumberConstraintFailed"}})",
         .headers = {{"If-Match", "revision_number=1"}}},
        {.method = "PUT",
         .path = "/v2.0/networks/${net}",
         .token = "member",
         .body = R"({"network": {"name": "m"}})",
         .headers = {{"If-Match", "revision_number=2"}}},
        {.method = "PUT",
         .path = "/v2.0/networks/${net}",
         .token = "admin",
         .body = R"({"network": {"provider:segmentation_id": 9}})",
         .status = 400,
         .expect = R"({"NeutronError": {"type": "InvalidInput"}})"},
        {.method = "GET",
         .path = "/v2.0/networks?name=m&project_id=${member_project}",
         .token = "member",
         .expect = R"({"networks": [{"id": "${net}"}]})"},
        {.method = "GET", .path = "/v2.0/networks?name=zzz", .token = "member", .expect = R"({"networks": []})"},
        {.method = "GET", .path = "/v2.0/networks", .token = "other", .expect = R"({"networks": []})"},
        {.method = "DELETE",
         .path = "/v2.0/networks/${net}",
         .token = "reader",
         .status = 403,
         .expect = R"({"NeutronError": {"type": "PolicyNotAuthorized"}})"},
        {.method = "DELETE", .path = "/v2.0/networks/${net}", .token = "other", .status = 404},
        {.method = "DELETE", .path = "/v2.0/networks/${net}", .token = "member", .status = 204, .empty = true},
        {.method = "DELETE", .path = "/v2.0/networks/${net}", .token = "member", .status = 404},
    };
    n.cases.run(cases);
    CHECK(n.count("SELECT count(*) FROM segments") == 0);
}

TEST_CASE("provider networks") {
    Network n;
    n.app.settings.vlan_ranges = {{"physnet1", 100, 101}, {"physnet2"}};
    const auto create = [&](const std::string& body, int status, std::string_view expect = "", std::string_view token = "admin") {
        n.run("POST", "/v2.0/networks", token, status, R"({"network": {)" + body + "}}", expect);
    };
    create(R"("provider:network_type": "flat")", 403, "", "member");
    create(R"("provider:network_type": "vlan", "provider:physical_network": "physnet1")", 201,
           R"({"network": {"provider:segmentation_id": 100, "mtu": 1500}})");
    create(R"("provider:network_type": "vlan")", 201, R"({"network": {"provider:segmentation_id": 101, "provider:physical_network": "physnet1"}})");
    create(R"("provider:network_type": "vlan")", 503, R"({"NeutronError": {"type": "NoNetworkAvailable"}})");
    create(R"("provider:network_type": "vlan", "provider:physical_network": "physnet2", "provider:segmentation_id": 7)", 201);
    create(R"("provider:network_type": "vlan", "provider:physical_network": "physnet2", "provider:segmentation_id": 7)", 409,
           R"({"NeutronError": {"type": "VlanIdInUse"}})");
    create(R"("provider:network_type": "vlan", "provider:physical_network": "physnet2", "provider:segmentation_id": 4095)", 400);
    create(R"("provider:network_type": "flat", "provider:physical_network": "public")", 201,
           R"({"network": {"provider:network_type": "flat", "provider:segmentation_id": null}})");
    create(R"("provider:network_type": "flat", "provider:physical_network": "public")", 409, R"({"NeutronError": {"type": "FlatNetworkInUse"}})");
    create(R"("provider:network_type": "flat")", 400, R"({"NeutronError": {"type": "InvalidInput"}})");
    create(R"("provider:network_type": "vxlan", "provider:segmentation_id": 77)", 201);
    create(R"("provider:network_type": "vxlan", "provider:segmentation_id": 77)", 409, R"({"NeutronError": {"type": "TunnelIdInUse"}})");
    create(R"("provider:network_type": "gre")", 400);
    create(R"("provider:segmentation_id": 5)", 400);
    create(R"("mtu": 1451)", 400);
    create(R"("mtu": 1000)", 201, R"({"network": {"mtu": 1000}})");
}

TEST_CASE("shared and external networks are visible, not writable") {
    Network n;
    n.net("shared", "10.9.0.0/24", "admin", R"(, "shared": true)");
    n.net("ext", "203.0.113.0/24", "admin", R"(, "router:external": true)");
    n.net("private", "10.8.0.0/24", "admin");
    const Case cases[] = {
        {.method = "GET", .path = "/v2.0/networks?shared=true", .token = "member", .expect = R"({"networks": [{"id": "${shared}"}]})"},
        {.method = "GET", .path = "/v2.0/networks/${ext}", .token = "member", .expect = R"({"network": {"router:external": true}})"},
        {.method = "GET", .path = "/v2.0/networks/${private}", .token = "member", .status = 404},
        {.method = "GET", .path = "/v2.0/subnets/${shared_subnet}", .token = "member", .expect = R"({"subnet": {"shared": true}})"},
        {.method = "GET", .path = "/v2.0/subnets/${ext_subnet}", .token = "member", .status = 404},
        {.method = "PUT", .path = "/v2.0/networks/${shared}", .token = "member", .body = R"({"network": {"name": "mine"}})", .status = 403},
        {.method = "DELETE", .path = "/v2.0/networks/${shared}", .token = "member", .status = 403},
        {.method = "POST", .path = "/v2.0/networks", .token = "member", .body = R"({"network": {"shared": true}})", .status = 403},
        {.method = "POST", .path = "/v2.0/networks", .token = "member", .body = R"({"network": {"router:external": true}})", .status = 403},
        {.method = "POST",
         .path = "/v2.0/subnets",
         .token = "member",
         .body = R"({"subnet": {"network_id": "${shared}", "ip_version": 4, "cidr": "10.7.0.0/24"}})",
         .status = 403},
        {.method = "POST", .path = "/v2.0/ports", .token = "member", .body = R"({"port": {"network_id": "${shared}"}})", .status = 201},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${shared}", "fixed_ips": [{"ip_address": "10.9.0.77"}]}})",
         .status = 403},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${shared}", "mac_address": "fa:16:3e:00:00:01"}})",
         .status = 403},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${shared}", "device_owner": "network:dhcp"}})",
         .status = 403},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${shared}", "port_security_enabled": false}})",
         .status = 403},
        {.method = "PUT",
         .path = "/v2.0/networks/${shared}",
         .token = "admin",
         .body = R"({"network": {"shared": false}})",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "InvalidSharedSetting"}})"},
    };
    n.cases.run(cases);
}

TEST_CASE("subnets") {
    Network n;
    n.run("POST", "/v2.0/networks", "member", 201, R"({"network": {}})", "", {{"net", "network.id"}});
    const Case cases[] = {
        {.method = "POST",
         .path = "/v2.0/subnets",
         .token = "member",
         .body = R"({"subnet": {"network_id": "${net}", "ip_version": "4", "cidr": "10.0.0.7/24", "dns_nameservers": ["1.1.1.1"],
                     "host_routes": [{"destination": "192.168.0.0/16", "nexthop": "10.0.0.9"}]}})",
         .status = 201,
         .expect =
             R"({"subnet": {"id": "<uuid>", "network_id": "${net}", "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1", "ip_version": 4, "enable_dhcp": true,
                       "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.254"}], "dns_nameservers": ["1.1.1.1"],
                       "host_routes": [{"destination": "192.168.0.0/16", "nexthop": "10.0.0.9"}], "ipv6_ra_mode": null, "ipv6_address_mode": null,
                       "subnetpool_id": null, "service_types": [], "tenant_id": "${member_project}", "shared": false, "name": "", "revision_number": 1}})",
         .save = {{"sub", "subnet.id"}}},
        {.method = "GET", .path = "/v2.0/networks/${net}", .token = "member", .expect = R"({"network": {"subnets": ["${sub}"]}})"},
        {.method = "POST",
         .path = "/v2.0/subnets",
         .token = "member",
         .body = R"({"subnet": {"network_id": "${net}", "ip_version": 4, "cidr": "10.0.0.128/25"}})",
         .status = 400,
         .expect = R"({"NeutronError": {"type": "InvalidInput"}})"},
        {.method = "POST",
         .path = "/v2.0/subnets",
         .token = "member",
         .body = R"({"subnet": {"network_id": "${net}", "ip_version": 4}})",
         .status = 400,
         .expect = R"({"NeutronError": {"type": "BadRequest"}})"},
        {.method = "POST",
         .path = "/v2.0/subnets",
         .token = "member",
         .body = R"({"subnet": {"network_id": "${none}", "ip_version": 4, "cidr": "10.1.0.0/24"}})",
         .status = 404,
         .expect = R"({"NeutronError": {"type": "NetworkNotFound"}})"},
        {.method = "POST",
         .path = "/v2.0/subnets",
         .token = "other",
         .body = R"({"subnet": {"network_id": "${net}", "ip_version": 4, "cidr": "10.1.0.0/24"}})",
         .status = 404},
        {.method = "POST",
         .path = "/v2.0/subnets",
         .token = "member",
         .body = R"({"subnet": {"network_id": "${net}", "ip_version": 4, "cidr": "10.1.0.0/24", "gateway_ip": null, "enable_dhcp": false,
                     "allocation_pools": [{"start": "10.1.0.10", "end": "10.1.0.20"}]}})",
         .status = 201,
         .expect = R"({"subnet": {"gateway_ip": null, "allocation_pools": [{"start": "10.1.0.10", "end": "10.1.0.20"}]}})",
         .save = {{"sub2", "subnet.id"}}},
        {.method = "PUT",
         .path = "/v2.0/subnets/${sub2}",
         .token = "member",
         .body = R"({"subnet": {"gateway_ip": "10.1.0.1", "dns_nameservers": ["9.9.9.9"]}})",
         .expect = R"({"subnet": {"gateway_ip": "10.1.0.1", "dns_nameservers": ["9.9.9.9"]}})"},
        {.method = "PUT",
         .path = "/v2.0/subnets/${sub2}",
         .token = "member",
         .body = R"({"subnet": {"gateway_ip": "10.1.0.15"}})",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "GatewayConflictWithAllocationPools"}})"},
        {.method = "PUT", .path = "/v2.0/subnets/${sub2}", .token = "member", .body = R"({"subnet": {"cidr": "10.2.0.0/24"}})", .status = 400},
        {.method = "PUT",
         .path = "/v2.0/subnets/${sub2}",
         .token = "member",
         .body = R"({"subnet": {"allocation_pools": [{"start": "10.1.0.30", "end": "10.1.0.40"}]}})",
         .expect = R"({"subnet": {"allocation_pools": [{"start": "10.1.0.30", "end": "10.1.0.40"}]}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${net}", "fixed_ips": [{"subnet_id": "${sub2}"}]}})",
         .status = 201,
         .expect = R"({"port": {"fixed_ips": [{"subnet_id": "${sub2}", "ip_address": "10.1.0.30"}]}})",
         .save = {{"port", "port.id"}}},
        {.method = "DELETE",
         .path = "/v2.0/subnets/${sub2}",
         .token = "member",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "SubnetInUse", "message":
            "Unable to complete operation on subnet ${sub2}: One or more ports have an IP allocation from this subnet."}})"},
        {.method = "DELETE",
         .path = "/v2.0/networks/${net}",
         .token = "member",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "NetworkInUse"}})"},
        {.method = "DELETE", .path = "/v2.0/ports/${port}", .token = "member", .status = 204},
        {.method = "DELETE", .path = "/v2.0/subnets/${sub2}", .token = "member", .status = 204},
        {.method = "POST",
         .path = "/v2.0/subnets",
         .token = "member",
         .body =
             R"({"subnet": {"network_id": "${net}", "ip_version": 6, "cidr": "fd00:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}})",
         .status = 201,
         .expect = R"({"subnet": {"gateway_ip": "fd00:1::1", "ipv6_ra_mode": "slaac"}})"},
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${net}", "mac_address": "fa:16:3e:01:02:03"}})",
         .status = 201,
         .expect = R"({"port": {"fixed_ips": {"<contains>": [{"ip_address": "fd00:1::f816:3eff:fe01:203"}]}}})",
         .save = {{"p6", "port.id"}}},
        {.method = "DELETE", .path = "/v2.0/ports/${p6}", .token = "member", .status = 204},
        {.method = "DELETE", .path = "/v2.0/networks/${net}", .token = "member", .status = 204},
        {.method = "GET", .path = "/v2.0/subnets", .token = "member", .expect = R"({"subnets": []})"},
    };
    n.cases.run(cases);
    CHECK(n.count("SELECT count(*) FROM ip_allocations") == 0);
    CHECK(n.count("SELECT count(*) FROM ports") == 0);
}

TEST_CASE("lists: filters, order, pages, bulk") {
    Network n;
    n.run("POST", "/v2.0/networks", "member", 201, R"({"networks": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})",
          R"({"networks": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})", {{"a", "networks.0.id"}, {"b", "networks.1.id"}, {"c", "networks.2.id"}});
    const Case cases[] = {
        {.path = "/v2.0/networks?sort_key=name&sort_dir=desc",
         .token = "member",
         .expect = R"({"networks": [{"name": "c"}, {"name": "b"}, {"name": "a"}]})"},
        {.path = "/v2.0/networks?sort_key=name&sort_dir=asc&limit=2",
         .token = "member",
         .expect = R"({"networks": [{"name": "a"}, {"name": "b"}], "networks_links": [{"rel": "next", "href": "<matches:.*marker=.*>"}]})"},
        {.path = "/v2.0/networks?sort_key=name&sort_dir=asc&limit=2&marker=${b}", .token = "member", .expect = R"({"networks": [{"name": "c"}]})"},
        {.path = "/v2.0/networks?name=a&name=c&sort_key=name&sort_dir=asc",
         .token = "member",
         .expect = R"({"networks": [{"name": "a"}, {"name": "c"}]})"},
        {.path = "/v2.0/networks?limit=-1", .token = "member", .status = 400},
        {.path = "/v2.0/networks?limit=x", .token = "member", .status = 400},
        {.path = "/v2.0/networks?marker=${none}&limit=1", .token = "member", .status = 400},
        {.path = "/v2.0/networks?sort_key=nope&sort_dir=asc", .token = "member", .status = 400},
        {.path = "/v2.0/networks?sort_key=name&sort_dir=up", .token = "member", .status = 400},
        {.path = "/v2.0/networks?admin_state_up=maybe", .token = "member", .status = 400},
        // All or nothing.
        {.method = "POST", .path = "/v2.0/networks", .token = "member", .body = R"({"networks": [{"name": "d"}, {"name": 5}]})", .status = 400},
        {.method = "POST", .path = "/v2.0/networks", .token = "member", .body = R"({"networks": [{"name": "d"}, {"shared": true}]})", .status = 403},
        {.method = "POST", .path = "/v2.0/networks", .token = "member", .body = R"({"networks": []})", .status = 400},
        {.path = "/v2.0/networks?name=d", .token = "member", .expect = R"({"networks": []})"},
    };
    n.cases.run(cases);
}

TEST_CASE("tags") {
    Network n;
    n.net("a", "10.0.0.0/24");
    n.net("s", "10.9.0.0/24", "admin", R"(, "shared": true)");
    const Case cases[] = {
        {.method = "PUT",
         .path = "/v2.0/networks/${a}/tags",
         .token = "member",
         .body = R"({"tags": ["red", "blue"]})",
         .expect = R"({"tags": ["blue", "red"]})"},
        {.method = "PUT", .path = "/v2.0/networks/${a}/tags/green", .token = "member", .status = 201},
        {.path = "/v2.0/networks/${a}/tags", .token = "member", .expect = R"({"tags": ["blue", "green", "red"]})"},
        {.path = "/v2.0/networks/${a}/tags/green", .token = "member", .status = 204},
        {.path = "/v2.0/networks/${a}/tags/black", .token = "member", .status = 404, .expect = R"({"NeutronError": {"type": "TagNotFound"}})"},
        {.path = "/v2.0/networks/${a}", .token = "member", .expect = R"({"network": {"tags": ["blue", "green", "red"]}})"},
        {.path = "/v2.0/networks?tags=red,blue", .token = "member", .expect = R"({"networks": [{"id": "${a}"}]})"},
        {.path = "/v2.0/networks?tags=red,black", .token = "member", .expect = R"({"networks": []})"},
        {.path = "/v2.0/networks?tags-any=red,black", .token = "member", .expect = R"({"networks": [{"id": "${a}"}]})"},
        {.path = "/v2.0/networks?not-tags-any=red", .token = "member", .expect = R"({"networks": [{"id": "${s}"}]})"},
        {.method = "DELETE", .path = "/v2.0/networks/${a}/tags/green", .token = "member", .status = 204},
        {.method = "DELETE", .path = "/v2.0/networks/${a}/tags/green", .token = "member", .status = 404},
        {.method = "DELETE", .path = "/v2.0/networks/${a}/tags", .token = "member", .status = 204},
        {.path = "/v2.0/networks/${a}/tags", .token = "member", .expect = R"({"tags": []})"},
        // A network that one sees is not a network that one tags.
        {.method = "PUT", .path = "/v2.0/networks/${s}/tags/x", .token = "member", .status = 403},
        {.method = "PUT", .path = "/v2.0/networks/${a}/tags/x", .token = "other", .status = 404},
        {.method = "PUT", .path = "/v2.0/networks/${a}/tags/x", .token = "reader", .status = 403},
        {.method = "PUT", .path = "/v2.0/security-groups/${none}/tags/x", .token = "member", .status = 404},
        {.method = "PUT", .path = "/v2.0/zebras/${none}/tags/x", .token = "member", .status = 404},
        {.method = "PUT", .path = "/v2.0/networks/${a}/tags", .token = "member", .body = R"({"tags": [1]})", .status = 400},
        {.method = "PUT", .path = "/v2.0/networks/${a}/tags", .token = "member", .body = R"({"tags": ["x", "x"]})", .status = 400},
        {.method = "PUT", .path = "/v2.0/networks/${a}/tags", .token = "member", .body = R"({"labels": []})", .status = 400},
    };
    n.cases.run(cases);
}

}  // namespace
}  // namespace pilvi::testing
