// Rules of security groups: they are written and deleted, never changed.
#include "base/net.h"
#include "domain/security_rules.h"
#include "resources/security.h"

namespace pilvi::network {
namespace {

using namespace api;

constexpr std::string_view directions[] = {"ingress", "egress"};

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "project_id", .use = create | show | filter | sort, .alias = "tenant_id"},
    {.name = "security_group_id", .use = create | required | show | filter | sort},
    {.name = "ethertype", .use = create | show | filter | sort, .fallback = "\"IPv4\"", .convert = &convert_ethertype},
    {.name = "direction", .use = create | required | show | filter | sort, .values = directions},
    {.name = "protocol", .use = create | show | filter | sort | nullable, .convert = &convert_protocol},
    {.name = "port_range_min", .type = Type::integer, .use = create | show | filter | sort | nullable, .convert = &convert_port},
    {.name = "port_range_max", .type = Type::integer, .use = create | show | filter | sort | nullable, .convert = &convert_port},
    {.name = "remote_ip_prefix", .use = create | show | filter | sort | nullable, .convert = &convert_remote_prefix},
    {.name = "remote_group_id", .use = create | show | filter | sort | nullable},
    {.name = "remote_address_group_id", .type = Type::uuid, .use = create | show | nullable | computed},
    {.name = "normalized_cidr", .use = show | computed},
    {.name = "description", .use = create | show | filter | sort, .fallback = "\"\""},
    {.name = "rule_key"},
};

constexpr Operation operations[] = {
    {.verb = Verb::list, .policy = "get_security_group_rules", .check = "@"},
    {.verb = Verb::show,
     .policy = "get_security_group_rule",
     .check = "rule:admin_only or ((role:reader or role:member) and project_id:%(project_id)s) or rule:sg_owner"},
    {.verb = Verb::create, .policy = "create_security_group_rule", .check = admin_or_member},
    {.verb = Verb::remove,
     .policy = "delete_security_group_rule",
     .check = "rule:admin_only or (role:member and project_id:%(project_id)s) or (role:member and rule:sg_owner)"},
};

std::string group_owner(Tx& tx, const json::object& row) {
    return tx.scalar("SELECT project_id FROM security_groups WHERE id = ?", {string_or(row, "security_group_id")}).text();
}

void target(Call&, Tx& tx, const json::object& row, json::object& out) {
    const std::string owner = group_owner(tx, row);
    for (const char* name : {"security_group:tenant_id", "security_group:project_id"}) out[name] = owner;
}

// A group of another project is as good as none.
void check_group(Call& call, Tx& tx, const std::string& id) {
    const auto group = tx.one("SELECT project_id FROM security_groups WHERE id = ?", {id});
    if (!group || (!call.who.is_admin && group->text("project_id") != call.who.project_id)) throw security_group_not_found(id);
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object*) {
    normalize_rule(row);
    const std::string group = string_or(row, "security_group_id");
    if (const auto remote = optional_string(row, "remote_address_group_id"))
        throw missing("AddressGroupNotFound", fmt::format("Address group {} could not be found.", *remote));
    if (const auto remote = optional_string(row, "remote_group_id")) check_group(call, tx, *remote);
    check_group(call, tx, group);
    row["rule_key"] = rule_key(row);
    const Value same =
        tx.scalar("SELECT id FROM security_group_rules WHERE security_group_id = ? AND rule_key = ?", {group, string_or(row, "rule_key")});
    if (!same.is_null()) throw conflict("SecurityGroupRuleExists", fmt::format("Security group rule already exists. Rule id is {}.", same.text()));
}

void touched(Call& call, Tx& tx, const json::object& row) {
    App& app = app_of(call);
    touch(tx, app, "security_groups", string_or(row, "security_group_id"));
    app.feed.bump_all(tx);
}

void after_write(Call& call, Tx& tx, const json::object& row, const json::object*) { touched(call, tx, row); }

void view(Call&, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) {
        const auto prefix = optional_string(row, "remote_ip_prefix");
        const auto cidr = prefix ? Cidr::parse(*prefix) : std::nullopt;
        row["normalized_cidr"] = cidr ? json::value(cidr->text()) : json::value(nullptr);
        row["remote_address_group_id"] = nullptr;
    }
}

std::string visible(const Call& call, Values& parameters) {
    if (call.who.is_admin) return "";
    parameters.emplace_back(call.who.project_id);
    parameters.emplace_back(call.who.project_id);
    return "t.project_id = ? OR t.security_group_id IN (SELECT id FROM security_groups WHERE project_id = ?)";
}

void prepare(Call& call) { security_group_resource.hooks.prepare(call); }

}  // namespace

constexpr Resource security_group_rule_resource{.name = "security_group_rule",
                                                .plural = "security_group_rules",
                                                .path = "/v2.0/security-group-rules",
                                                .table = "security_group_rules",
                                                .fields = fields,
                                                .operations = operations,
                                                .hooks = {.prepare = &prepare,
                                                          .before_write = &before_write,
                                                          .after_write = &after_write,
                                                          .after_remove = &touched,
                                                          .view = &view,
                                                          .visible = &visible,
                                                          .target = &target},
                                                .title = "Security group rule",
                                                .missing = "Security group rule {} does not exist",
                                                .quota = "security_group_rule",
                                                .bulk = true,
                                                .timestamps = true,
                                                .revision = true};
static_assert(api::sound(security_group_rule_resource));

}  // namespace pilvi::network
