// RBAC policies: a network or security group for other projects. Source: neutron.db.rbac_db_mixin.
#include "resources/common.h"

namespace pilvi::network {
namespace {

using namespace api;

constexpr std::string_view types[] = {"network", "security_group"};
constexpr std::string_view actions[] = {"access_as_shared", "access_as_external"};

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "object_type", .use = create | required | show | filter | sort, .values = types},
    {.name = "object_id", .type = Type::uuid, .use = create | required | show | filter | sort},
    {.name = "action", .use = create | required | show | filter | sort, .values = actions},
    {.name = "target_tenant", .use = accepts | required | show | filter | sort, .least = 1, .alias = "target_project"},
    {.name = "project_id", .use = create | show | filter | sort, .alias = "tenant_id"},
};

constexpr Operation operations[] = {
    {.verb = Verb::list, .policy = "get_rbac_policies", .check = "@"},
    {.verb = Verb::show, .policy = "get_rbac_policy", .check = admin_or_reader},
    {.verb = Verb::create, .policy = "create_rbac_policy", .check = admin_or_member},
    {.verb = Verb::update, .policy = "update_rbac_policy", .check = admin_or_member},
    {.verb = Verb::remove, .policy = "delete_rbac_policy", .check = admin_or_member},
};

void check_target(const Call& call, const json::object& row) {
    const bool everybody = string_or(row, "target_tenant") == "*", external = string_or(row, "action") == "access_as_external";
    if (!call.who.is_admin && (everybody || external))
        throw Error(Errc::forbidden, "(rule:create_rbac_policy:target_tenant) is disallowed by policy", "PolicyNotAuthorized");
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    check_target(call, row);
    const std::string type = string_or(row, "object_type"), id = string_or(row, "object_id");
    if (!before) {
        const Resource& object = type == "network" ? network_resource : security_group_resource;
        const json::object shared = load(call, tx, object, id);
        if (!call.who.is_admin && string_or(shared, "project_id") != call.who.project_id) throw not_found(Dialect::network, object, id);
        if (type == "security_group" && string_or(row, "action") != "access_as_shared")
            throw bad("InvalidRbacPolicyAction",
                      "Invalid action 'access_as_external' for object type 'security_group'. Valid actions: ['access_as_shared']");
    }
    if (tx.one("SELECT id FROM rbac_policies WHERE object_type = ? AND object_id = ? AND action = ? AND target_tenant = ? AND id <> ?",
               {type, id, string_or(row, "action"), string_or(row, "target_tenant"), string_or(row, "id")}))
        throw conflict("DuplicateRbacPolicy", "An RBAC policy already exists with those values.");
}

// A project that works with the object keeps it.
void before_remove(Call&, Tx& tx, const json::object& row) {
    const std::string id = string_or(row, "object_id"), target = string_or(row, "target_tenant");
    const bool network = string_or(row, "object_type") == "network";
    const std::string sql =
        network ? "SELECT p.id FROM ports p WHERE p.network_id = ? AND p.device_owner NOT LIKE 'network:%' AND p.project_id "
                : "SELECT p.id FROM ports p JOIN port_security_groups g ON g.port_id = p.id WHERE g.security_group_id = ? AND p.project_id ";
    const bool used = target == "*" ? tx.one(sql + "<> ? LIMIT 1", {id, string_or(row, "project_id")}).has_value()
                                    : tx.one(sql + "= ? LIMIT 1", {id, target}).has_value();
    if (used)
        throw conflict("RbacPolicyInUse",
                       fmt::format("RBAC policy on object {} cannot be removed because other objects depend on it.\nDetails: {}", id,
                                   network ? "the network has ports of that project" : "the security group is on ports of that project"));
}

}  // namespace

constexpr Resource rbac_policy_resource{.name = "rbac_policy",
                                        .plural = "rbac_policies",
                                        .path = "/v2.0/rbac-policies",
                                        .table = "rbac_policies",
                                        .fields = fields,
                                        .operations = operations,
                                        .hooks = {.before_write = &before_write, .before_remove = &before_remove},
                                        .title = "RBAC policy",
                                        .missing = "RBAC policy with ID {} not found",
                                        .quota = "rbac_policy"};
static_assert(api::sound(rbac_policy_resource));

}  // namespace pilvi::network
