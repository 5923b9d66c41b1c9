// Security groups. Source: neutron.extensions.securitygroup, neutron.db.securitygroups_db.
#include "base/ids.h"
#include "base/net.h"
#include "base/text.h"
#include "domain/security_rules.h"
#include "resources/security.h"

namespace pilvi::network {
namespace {

using namespace api;

json::value convert_name(const json::value& name) {
    if (name.is_string() && equals_ignoring_case(name.get_string(), "default"))
        throw conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.");
    return name;
}

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "name", .use = accepts | show | filter | sort, .fallback = "\"\"", .convert = &convert_name},
    {.name = "stateful", .type = Type::boolean, .use = accepts | show | filter | sort, .fallback = "true"},
    {.name = "project_id", .use = create | show | filter | sort, .alias = "tenant_id"},
    {.name = "description", .use = accepts | show | filter | sort, .fallback = "\"\""},
    {.name = "shared", .type = Type::boolean, .use = show | computed},
    {.name = "security_group_rules", .type = Type::array, .use = show | computed},
    {.name = "tags", .type = Type::array, .use = show | computed},
    {.name = "default_of"},
};

constexpr Operation operations[] = {
    {.verb = Verb::list, .policy = "get_security_groups", .check = "@"},
    {.verb = Verb::show, .policy = "get_security_group", .check = admin_or_reader},
    {.verb = Verb::create, .policy = "create_security_group", .check = admin_or_member},
    {.verb = Verb::update, .policy = "update_security_group", .check = admin_or_member},
    {.verb = Verb::remove, .policy = "delete_security_group", .check = admin_or_member},
};

void insert_rule(Tx& tx, const App& app, const std::string& group, const std::string& project, std::string_view direction, std::string_view ethertype,
                 bool from_group) {
    json::object rule{{"project_id", project},  {"security_group_id", group},
                      {"description", ""},      {"direction", direction},
                      {"ethertype", ethertype}, {"remote_group_id", from_group ? json::value(group) : json::value(nullptr)}};
    rule["rule_key"] = rule_key(rule);
    insert_object(tx, app, security_group_rule_resource, std::move(rule));
}

void check_rule_quota(Tx& tx, const Service& service, const std::string& project, std::int64_t wanted) {
    service.check_quota(tx, project, "security_group_rule",
                        tx.scalar("SELECT count(*) FROM security_group_rules WHERE project_id = ?", {project}).integer(), wanted);
}

// A list shows the project's default group even where nothing was made yet.
void prepare(Call& call) {
    const std::string project = call.who.project_id;
    if (project.empty()) return;
    const auto there = [&](Tx& tx) { return tx.one("SELECT id FROM security_groups WHERE default_of = ?", {project}).has_value(); };
    if (!call.store().read(there)) call.store().write([&](Tx& tx) { ensure_default_group(tx, app_of(call), &call.service, project); });
}

bool in_use(Tx& tx, const std::string& id) {
    return tx.one("SELECT port_id FROM port_security_groups WHERE security_group_id = ? LIMIT 1", {id}).has_value();
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    if (!before) return check_rule_quota(tx, call.service, string_or(row, "project_id"), 2);
    if (string_or(*before, "name") == "default" && call.body.contains("name"))
        throw conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.");
    const std::string id = string_or(row, "id");
    if (boolean_or(row, "stateful") != boolean_or(*before, "stateful") && in_use(tx, id))
        throw conflict("SecurityGroupInUse", fmt::format("Security Group {} in use.", id));
}

void after_write(Call& call, Tx& tx, const json::object& row, const json::object* before) {
    App& app = app_of(call);
    if (before) return app.feed.bump_all(tx);
    for (const std::string_view ethertype : {"IPv4", "IPv6"})
        insert_rule(tx, app, string_or(row, "id"), string_or(row, "project_id"), "egress", ethertype, false);
}

void before_remove(Call& call, Tx& tx, const json::object& row) {
    const std::string id = string_or(row, "id");
    if (in_use(tx, id)) throw conflict("SecurityGroupInUse", fmt::format("Security Group {} in use.", id));
    if (string_or(row, "name") == "default" && !call.who.is_admin)
        throw conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.");
    tx.exec("DELETE FROM security_group_rules WHERE security_group_id = ? OR remote_group_id = ?", {id, id});
    tx.exec("DELETE FROM rbac_policies WHERE object_id = ?", {id});
    remove_tags(tx, id);
    app_of(call).feed.bump_all(tx);
}

void view(Call&, Tx& tx, std::span<json::object> rows) {
    for (json::object& row : rows) {
        row["security_group_rules"] = json::array{};
        row["shared"] = false;
    }
    const std::string select = fmt::format("SELECT t.security_group_id, {} FROM security_group_rules t WHERE t.security_group_id",
                                           select_columns(security_group_rule_resource));
    for_children(tx, rows, select, "ORDER BY t.created_at, t.ethertype, t.direction DESC, t.id", [&](json::object& group, const Row& row) {
        Values values;
        for (std::size_t i = 1; i < row.size(); ++i) values.push_back(row.at(i));
        json::object rule = row_to_object(security_group_rule_resource,
                                          Row(std::make_shared<Columns>(row.columns().begin() + 1, row.columns().end()), std::move(values)));
        rule.erase("rule_key");
        rule["tenant_id"] = string_or(rule, "project_id");
        const auto prefix = optional_string(rule, "remote_ip_prefix");
        rule["normalized_cidr"] = prefix ? json::value(Cidr::parse(*prefix)->text()) : json::value(nullptr);
        rule["remote_address_group_id"] = nullptr;
        group["security_group_rules"].as_array().push_back(std::move(rule));
    });
    for_children(tx, rows, "SELECT object_id FROM rbac_policies WHERE object_type = 'security_group' AND target_tenant = '*' AND object_id", "",
                 [](json::object& group, const Row&) { group["shared"] = true; });
    add_tags(tx, rows);
}

std::string visible(const Call& call, Values& parameters) {
    if (call.who.is_admin) return "";
    parameters.emplace_back(call.who.project_id);
    parameters.emplace_back(call.who.project_id);
    return "t.project_id = ? OR t.id IN (SELECT object_id FROM rbac_policies WHERE object_type = 'security_group' AND target_tenant IN (?, '*'))";
}

std::string filter_parameter(const Call&, std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    return tag_filter(name, values, parameters);
}

}  // namespace

constexpr Resource security_group_resource{.name = "security_group",
                                           .plural = "security_groups",
                                           .path = "/v2.0/security-groups",
                                           .table = "security_groups",
                                           .fields = fields,
                                           .operations = operations,
                                           .hooks = {.prepare = &prepare,
                                                     .before_write = &before_write,
                                                     .after_write = &after_write,
                                                     .before_remove = &before_remove,
                                                     .view = &view,
                                                     .visible = &visible,
                                                     .filter = &filter_parameter},
                                           .title = "Security group",
                                           .missing = "Security group {} does not exist",
                                           .quota = "security_group",
                                           .bulk = true,
                                           .timestamps = true,
                                           .revision = true};
static_assert(api::sound(security_group_resource));

std::string ensure_default_group(Tx& tx, App& app, const Service* service, const std::string& project_id) {
    if (project_id.empty()) return "";
    const auto known = [&] { return tx.scalar("SELECT id FROM security_groups WHERE default_of = ?", {project_id}).text(); };
    if (const std::string id = known(); !id.empty()) return id;
    try {
        std::string id;
        tx.savepoint([&] {
            if (service) check_rule_quota(tx, *service, project_id, 4);
            id = insert_object(tx, app, security_group_resource,
                               {{"project_id", project_id},
                                {"name", "default"},
                                {"description", "Default security group"},
                                {"stateful", true},
                                {"default_of", project_id}});
            for (const std::string_view ethertype : {"IPv4", "IPv6"}) {
                insert_rule(tx, app, id, project_id, "ingress", ethertype, true);
                insert_rule(tx, app, id, project_id, "egress", ethertype, false);
            }
        });
        return id;
    } catch (const UniqueViolation&) {
        return known();
    }
}

}  // namespace pilvi::network
