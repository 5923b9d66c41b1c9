#include "fixture.h"

namespace pilvi::testing {
namespace {

TEST_CASE("security groups") {
    Network n;
    const Case cases[] = {
        // The default group appears with the first look.
        {.path = "/v2.0/security-groups",
         .token = "member",
         .expect = R"({"security_groups": [{"name": "default", "description": "Default security group", "stateful": true, "shared": false,
                       "tenant_id": "${member_project}", "default_of": "<absent>", "security_group_rules": [
                         {"direction": "ingress", "ethertype": "IPv4", "remote_group_id": "<uuid>"}, {"direction": "egress", "ethertype": "IPv4"},
                         {"direction": "ingress", "ethertype": "IPv6", "remote_group_id": "<uuid>"}, {"direction": "egress", "ethertype": "IPv6"}]}]})",
         .save = {{"default", "security_groups.0.id"}}},
        {.path = "/v2.0/security-groups", .token = "member", .expect = R"({"security_groups": [{"id": "${default}"}]})"},
        {.path = "/v2.0/security-groups/${default}",
         .token = "other",
         .status = 404,
         .expect = R"({"NeutronError": {"type": "SecurityGroupNotFound", "message": "Security group ${default} does not exist"}})"},
        {.method = "POST",
         .path = "/v2.0/security-groups",
         .token = "member",
         .body = R"({"security_group": {"name": "g", "description": "d"}})",
         .status = 201,
         .expect =
             R"({"security_group": {"name": "g", "security_group_rules": [{"direction": "egress", "ethertype": "IPv4", "protocol": null, "normalized_cidr": null,
                       "remote_ip_prefix": null, "port_range_min": null, "security_group_id": "<uuid>", "tenant_id": "${member_project}", "rule_key": "<absent>"},
                       {"direction": "egress", "ethertype": "IPv6"}]}})",
         .save = {{"g", "security_group.id"}}},
        {.method = "POST",
         .path = "/v2.0/security-groups",
         .token = "member",
         .body = R"({"security_group": {"name": "Default"}})",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "SecurityGroupDefaultAlreadyExists"}})"},
        {.method = "PUT",
         .path = "/v2.0/security-groups/${g}",
         .token = "member",
         .body = R"({"security_group": {"name": "gg"}})",
         .expect = R"({"security_group": {"name": "gg", "security_group_rules": ["<object>", "<object>"]}})"},
        {.method = "PUT",
         .path = "/v2.0/security-groups/${default}",
         .token = "member",
         .body = R"({"security_group": {"name": "x"}})",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "SecurityGroupCannotUpdateDefault"}})"},
        {.method = "PUT", .path = "/v2.0/security-groups/${default}", .token = "member", .body = R"({"security_group": {"description": "x"}})"},
        {.method = "DELETE",
         .path = "/v2.0/security-groups/${default}",
         .token = "member",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "SecurityGroupCannotRemoveDefault"}})"},
        {.path = "/v2.0/security-groups?name=gg", .token = "member", .expect = R"({"security_groups": [{"id": "${g}"}]})"},
    };
    n.cases.run(cases);
    n.net("a", "10.0.0.0/24");
    const Case used[] = {
        {.method = "POST",
         .path = "/v2.0/ports",
         .token = "member",
         .body = R"({"port": {"network_id": "${a}", "security_groups": ["${g}"]}})",
         .status = 201,
         .save = {{"p", "port.id"}}},
        {.method = "DELETE",
         .path = "/v2.0/security-groups/${g}",
         .token = "member",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "SecurityGroupInUse",
            "message": "Security Group ${g} in use."}})"},
        {.method = "DELETE", .path = "/v2.0/ports/${p}", .token = "member", .status = 204},
        {.method = "DELETE", .path = "/v2.0/security-groups/${g}", .token = "other", .status = 404},
        {.method = "DELETE", .path = "/v2.0/security-groups/${g}", .token = "member", .status = 204},
        {.path = "/v2.0/security-group-rules?security_group_id=${g}", .token = "member", .expect = R"({"security_group_rules": []})"},
    };
    n.cases.run(used);
}

TEST_CASE("security group rules") {
    Network n;
    n.run("POST", "/v2.0/security-groups", "member", 201, R"({"security_group": {"name": "g"}})", "", {{"g", "security_group.id"}});
    n.run("POST", "/v2.0/security-groups", "other", 201, R"({"security_group": {"name": "o"}})", "", {{"o", "security_group.id"}});
    const auto rule = [&](const std::string& more, int status, std::string_view expect = "", std::string_view token = "member") {
        n.run("POST", "/v2.0/security-group-rules", token, status,
              R"({"security_group_rule": {"security_group_id": "${g}", "direction": "ingress", )" + more + "}}", expect);
    };
    rule(R"("protocol": "tcp", "port_range_min": 22, "port_range_max": "22", "remote_ip_prefix": "10.0.0.5/24")", 201,
         R"({"security_group_rule": {"id": "<uuid>", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22,
             "remote_ip_prefix": "10.0.0.5/24", "normalized_cidr": "10.0.0.0/24", "remote_group_id": null, "description": "", "tenant_id": "${member_project}"}})");
    rule(R"("protocol": "6", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "10.0.0.0/24")", 409,
         R"({"NeutronError": {"type": "SecurityGroupRuleExists"}})");
    rule(R"("protocol": "icmp", "ethertype": "ipv6")", 201, R"({"security_group_rule": {"protocol": "ipv6-icmp", "ethertype": "IPv6"}})");
    rule(R"("protocol": 112)", 201, R"({"security_group_rule": {"protocol": "112"}})");
    rule(R"("remote_group_id": "${g}")", 201);
    rule(R"("remote_group_id": "${o}")", 404, R"({"NeutronError": {"type": "SecurityGroupNotFound"}})");
    rule(R"("remote_group_id": "${none}")", 404);
    rule(R"("remote_group_id": "bad_group_id")", 404);
    rule(R"("protocol": "tcp", "port_range_min": 80, "port_range_max": 22)", 400, R"({"NeutronError": {"type": "SecurityGroupInvalidPortRange"}})");
    rule(R"("protocol": "tcp", "port_range_min": 80, "port_range_max": 65536)", 400,
         R"({"NeutronError": {"type": "SecurityGroupInvalidPortValue"}})");
    rule(R"("port_range_min": 80, "port_range_max": 80)", 400, R"({"NeutronError": {"type": "SecurityGroupProtocolRequiredWithPorts"}})");
    rule(R"("protocol": "vrrp", "port_range_min": 80, "port_range_max": 80)", 400,
         R"({"NeutronError": {"type": "SecurityGroupInvalidProtocolForPort"}})");
    rule(R"("protocol": "bogus")", 400, R"({"NeutronError": {"type": "SecurityGroupRuleInvalidProtocol"}})");
    rule(R"("protocol": 300)", 400, R"({"NeutronError": {"type": "SecurityGroupRuleInvalidProtocol"}})");
    rule(R"("ethertype": "IPv5")", 400, R"({"NeutronError": {"type": "SecurityGroupRuleInvalidEtherType"}})");
    rule(R"("remote_ip_prefix": "10.0.0.0/99")", 400, R"({"NeutronError": {"type": "InvalidCIDR"}})");
    rule(R"("remote_ip_prefix": "fd00::/64")", 400, R"({"NeutronError": {"type": "SecurityGroupRuleParameterConflict"}})");
    rule(R"("remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "${g}")", 400,
         R"({"NeutronError": {"type": "SecurityGroupMultipleRemoteEntites"}})");
    rule(R"("remote_address_group_id": "${none}")", 404, R"({"NeutronError": {"type": "AddressGroupNotFound"}})");
    rule(R"("protocol": "udp")", 404, R"({"NeutronError": {"type": "SecurityGroupNotFound"}})", "other");
    rule(R"("protocol": "udp")", 403, "", "reader");
    n.run("POST", "/v2.0/security-group-rules", "member", 400, R"({"security_group_rule": {"security_group_id": "${g}", "direction": "sideways"}})");
    n.run("POST", "/v2.0/security-group-rules", "member", 400, R"({"security_group_rule": {"security_group_id": "${g}"}})");
    n.run("GET", "/v2.0/security-group-rules?security_group_id=${g}&protocol=tcp", "member", 200, "",
          R"({"security_group_rules": [{"port_range_min": 22}]})", {{"rule", "security_group_rules.0.id"}});
    n.run("GET", "/v2.0/security-group-rules/${rule}", "other", 404, "", R"({"NeutronError": {"type": "SecurityGroupRuleNotFound", "message":
        "Security group rule ${rule} does not exist"}})");
    n.run("DELETE", "/v2.0/security-group-rules/${rule}", "other", 404);
    n.run("DELETE", "/v2.0/security-group-rules/${rule}", "reader", 403);
    n.run("DELETE", "/v2.0/security-group-rules/${rule}", "member", 204);
    n.run("PUT", "/v2.0/security-group-rules/${rule}", "member", 405, R"({"security_group_rule": {"description": "x"}})");
    // A port may not wear somebody else's group.
    n.net("a", "10.0.0.0/24");
    n.run("POST", "/v2.0/ports", "member", 404, R"({"port": {"network_id": "${a}", "security_groups": ["${o}"]}})");
}

TEST_CASE("quotas") {
    Network n;
    const Case cases[] = {
        {.path = "/v2.0/quotas/${member_project}",
         .token = "member",
         .expect = R"({"quota": {"network": 100, "port": 500, "router": 10, "security_group": 10}})"},
        {.path = "/v2.0/quotas/${member_project}", .token = "other", .status = 403},
        {.path = "/v2.0/quotas/tenant", .token = "member", .expect = R"({"tenant": {"tenant_id": "${member_project}"}})"},
        {.path = "/v2.0/quotas", .token = "member", .status = 403},
        {.method = "PUT", .path = "/v2.0/quotas/${member_project}", .token = "member", .body = R"({"quota": {"network": 5}})", .status = 403},
        {.method = "PUT",
         .path = "/v2.0/quotas/${member_project}",
         .token = "admin",
         .body = R"({"quota": {"network": 2, "router": "0"}})",
         .expect = R"({"quota": {"network": 2, "router": 0, "subnet": 100}})"},
        {.path = "/v2.0/quotas", .token = "admin", .expect = R"({"quotas": [{"tenant_id": "${member_project}", "network": 2}]})"},
        {.method = "PUT", .path = "/v2.0/quotas/${member_project}", .token = "admin", .body = R"({"quota": {"zebra": 2}})", .status = 400},
        {.method = "PUT", .path = "/v2.0/quotas/${member_project}", .token = "admin", .body = R"({"quota": {"network": -2}})", .status = 400},
        {.method = "PUT", .path = "/v2.0/quotas/${member_project}", .token = "admin", .body = R"({"quota": {"network": "many"}})", .status = 400},
        {.method = "POST",
         .path = "/v2.0/networks",
         .token = "member",
         .body = R"({"networks": [{}, {}, {}]})",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['network']."}})"},
        {.path = "/v2.0/networks", .token = "member", .expect = R"({"networks": []})"},
        {.method = "POST", .path = "/v2.0/networks", .token = "member", .body = R"({"networks": [{}, {}]})", .status = 201},
        {.method = "POST", .path = "/v2.0/networks", .token = "member", .body = R"({"network": {}})", .status = 409},
        {.method = "POST", .path = "/v2.0/routers", .token = "member", .body = R"({"router": {}})", .status = 409},
        {.path = "/v2.0/quotas/${member_project}/details.json",
         .token = "admin",
         .expect = R"({"quota": {"network": {"limit": 2, "used": 2, "reserved": 0}}})"},
        {.path = "/v2.0/quotas/${member_project}/default", .token = "member", .expect = R"({"quota": {"network": 100}})"},
        {.method = "DELETE", .path = "/v2.0/quotas/${member_project}", .token = "admin", .status = 204},
        {.method = "DELETE", .path = "/v2.0/quotas/${member_project}", .token = "admin", .status = 404},
        {.path = "/v2.0/quotas/${member_project}", .token = "admin", .expect = R"({"quota": {"network": 100}})"},
    };
    n.cases.run(cases);
}

TEST_CASE("RBAC policies") {
    Network n;
    n.net("a", "10.0.0.0/24");
    const std::string share = R"({"rbac_policy": {"object_type": "network", "object_id": "${a}", "action": "access_as_shared", "target_tenant": ")";
    n.run("GET", "/v2.0/networks/${a}", "other", 404);
    n.run("POST", "/v2.0/rbac-policies", "other", 404, share + "${other_project}\"}}");
    n.run("POST", "/v2.0/rbac-policies", "member", 403, share + "*\"}}");
    n.run("POST", "/v2.0/rbac-policies", "member", 201, share + "${other_project}\"}}",
          R"({"rbac_policy": {"target_tenant": "${other_project}", "target_project": "${other_project}"}})", {{"policy", "rbac_policy.id"}});
    n.run("POST", "/v2.0/rbac-policies", "member", 409, share + "${other_project}\"}}");
    n.run("GET", "/v2.0/networks/${a}", "other", 200);
    n.run("GET", "/v2.0/subnets/${a_subnet}", "other", 200);
    n.run("PUT", "/v2.0/networks/${a}", "other", 403, R"({"network": {"name": "x"}})");
    n.run("POST", "/v2.0/ports", "other", 201, R"({"port": {"network_id": "${a}"}})", "", {{"p", "port.id"}});
    n.run("DELETE", "/v2.0/rbac-policies/${policy}", "member", 409, "", R"({"NeutronError": {"type": "RbacPolicyInUse"}})");
    n.run("DELETE", "/v2.0/ports/${p}", "other", 204);
    n.run("DELETE", "/v2.0/rbac-policies/${policy}", "other", 404);
    n.run("DELETE", "/v2.0/rbac-policies/${policy}", "member", 204);
    n.run("GET", "/v2.0/networks/${a}", "other", 404);
}

}  // namespace
}  // namespace pilvi::testing
