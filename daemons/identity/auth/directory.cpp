#include "auth/directory.h"

#include <algorithm>

#include "base/time.h"

namespace pilvi::identity {

namespace {

constexpr std::string_view user_columns =
    "SELECT id, name, domain_id, default_project_id, password_hash, enabled, password_expires_at, valid_from FROM users WHERE ";
constexpr std::string_view project_columns = "SELECT id, name, domain_id, parent_id, enabled, is_domain, valid_from FROM projects WHERE ";
constexpr std::string_view assignment_columns = "SELECT actor_type, actor_id, target_type, target_id, role_id, inherited FROM assignments";

std::optional<UserRecord> user(const std::optional<Row>& row) {
    if (!row) return std::nullopt;
    UserRecord u;
    u.id = row->text("id");
    u.name = row->text("name");
    u.domain_id = row->text("domain_id");
    u.default_project_id = row->text("default_project_id");
    u.password_hash = row->text("password_hash");
    u.enabled = row->boolean("enabled");
    u.password_expires_at = (*row)["password_expires_at"].optional_integer();
    u.valid_from = row->integer("valid_from");
    return u;
}

std::optional<ProjectRecord> project(const std::optional<Row>& row) {
    if (!row) return std::nullopt;
    ProjectRecord p;
    p.id = row->text("id");
    p.name = row->text("name");
    p.domain_id = row->text("domain_id");
    p.parent_id = row->text("parent_id");
    p.enabled = row->boolean("enabled");
    p.is_domain = row->boolean("is_domain");
    p.valid_from = row->integer("valid_from");
    return p;
}

std::vector<Assignment> assignments(const std::vector<Row>& rows) {
    std::vector<Assignment> out;
    out.reserve(rows.size());
    for (const Row& row : rows)
        out.push_back(
            {row.at(0).text() == "group", row.at(1).text(), target_of(row.at(2).text()), row.at(3).text(), row.at(4).text(), row.at(5).boolean()});
    return out;
}

std::string sql(std::string_view columns, std::string_view condition) { return std::string(columns) + std::string(condition); }

}  // namespace

std::string_view name_of(Target target) { return target == Target::project ? "project" : target == Target::domain ? "domain" : "system"; }

Target target_of(std::string_view text) { return text == "project" ? Target::project : text == "domain" ? Target::domain : Target::system; }

std::string marks(std::size_t size) {
    if (size == 0) return "NULL";
    std::string out = "?";
    for (std::size_t i = 1; i < size; ++i) out += ", ?";
    return out;
}

std::optional<UserRecord> find_user(Tx& tx, std::string_view id) { return user(tx.one(sql(user_columns, "id = ?"), {id})); }
std::optional<UserRecord> find_user(Tx& tx, std::string_view name, std::string_view domain_id) {
    return user(tx.one(sql(user_columns, "domain_id = ? AND name = ? AND kind <> 'federated'"), {domain_id, name}));
}
std::optional<ProjectRecord> find_project(Tx& tx, std::string_view id) { return project(tx.one(sql(project_columns, "id = ?"), {id})); }
std::optional<ProjectRecord> find_project(Tx& tx, std::string_view name, std::string_view domain_id) {
    return project(tx.one(sql(project_columns, "domain_id = ? AND name = ?"), {domain_id, name}));
}
std::optional<ProjectRecord> find_domain(Tx& tx, std::string_view id) {
    return project(tx.one(sql(project_columns, "id = ? AND is_domain = 1"), {id}));
}
std::optional<ProjectRecord> find_domain_by_name(Tx& tx, std::string_view name) {
    return project(tx.one(sql(project_columns, "name = ? AND is_domain = 1"), {name}));
}

std::optional<RoleRecord> find_role(Tx& tx, std::string_view id) {
    const auto row = tx.one("SELECT id, name, domain_id FROM roles WHERE id = ?", {id});
    if (!row) return std::nullopt;
    return RoleRecord{row->at(0).text(), row->at(1).text(), row->at(2).text()};
}

std::vector<std::string> groups_of(Tx& tx, std::string_view user_id) {
    std::vector<std::string> out;
    for (const Row& row : tx.query("SELECT group_id FROM group_members WHERE user_id = ? UNION SELECT m.group_id FROM expiring_group_members m"
                                   " JOIN identity_providers p ON p.id = m.idp_id"
                                   " WHERE m.user_id = ? AND m.last_verified + p.authorization_ttl * 60000000 > ?",
                                   {user_id, user_id, now_micros()}))
        out.push_back(row.at(0).text());
    return out;
}

std::optional<std::int64_t> first_membership_end(Tx& tx, std::string_view user_id) {
    return tx
        .scalar(
            "SELECT MIN(m.last_verified + p.authorization_ttl * 60000000) FROM expiring_group_members m"
            " JOIN identity_providers p ON p.id = m.idp_id WHERE m.user_id = ? AND m.last_verified + p.authorization_ttl * 60000000 > ?",
            {user_id, now_micros()})
        .optional_integer();
}

Implications load_implications(Tx& tx) {
    Implications out;
    for (const Row& row : tx.query("SELECT prior_role_id, implied_role_id FROM implied_roles")) out[row.at(0).text()].insert(row.at(1).text());
    return out;
}

Members load_members(Tx& tx) {
    Members out;
    for (const Row& row : tx.query("SELECT group_id, user_id FROM group_members")) out[row.at(0).text()].push_back(row.at(1).text());
    return out;
}

ProjectTree load_tree(Tx& tx) {
    ProjectTree tree;
    for (const Row& row : tx.query("SELECT id, parent_id, domain_id, is_domain FROM projects"))
        tree.add(row.at(0).text(), {row.at(1).text(), row.at(2).text(), row.at(3).boolean()});
    return tree;
}

std::vector<Assignment> load_assignments(Tx& tx) { return assignments(tx.query(assignment_columns)); }

std::vector<Assignment> load_assignments(Tx& tx, std::string_view user_id, std::span<const std::string> also) {
    Values actors{user_id};
    for (const std::string& group : also) actors.emplace_back(group);
    for (std::string& group : groups_of(tx, user_id)) actors.emplace_back(std::move(group));
    return assignments(tx.query(sql(assignment_columns, " WHERE actor_id IN (" + marks(actors.size()) + ")"), actors));
}

std::vector<std::string> ancestors_of(Tx& tx, const ProjectRecord& of) {
    std::vector<std::string> out;
    for (std::string parent = of.parent_id; !parent.empty() && out.size() < 64;) {
        out.push_back(parent);
        parent = tx.scalar("SELECT parent_id FROM projects WHERE id = ?", {parent}).text();
    }
    return out;
}

std::set<std::string> role_ids_in_effect(Tx& tx, std::string_view user_id, Target target, const ProjectRecord* on,
                                         std::span<const std::string> also) {
    const std::vector<std::string> above = on && target == Target::project ? ancestors_of(tx, *on) : std::vector<std::string>();
    std::set<std::string> roles;
    for (const Assignment& a : load_assignments(tx, user_id, also))
        if (applies(a, target, on ? std::string_view(on->id) : std::string_view(), above)) roles.insert(a.role_id);
    return roles.empty() ? roles : with_implied(roles, load_implications(tx));
}

std::vector<RoleRecord> load_roles(Tx& tx, const std::set<std::string>& ids) {
    std::vector<RoleRecord> out;
    if (ids.empty()) return out;
    Values parameters;
    for (const std::string& role : ids) parameters.emplace_back(role);
    for (const Row& row :
         tx.query("SELECT id, name FROM roles WHERE domain_id IS NULL AND id IN (" + marks(parameters.size()) + ") ORDER BY name", parameters))
        out.push_back({row.at(0).text(), row.at(1).text(), ""});
    return out;
}

std::vector<RoleRecord> roles_in_effect(Tx& tx, std::string_view user_id, Target target, const ProjectRecord* on, std::span<const std::string> also) {
    return load_roles(tx, role_ids_in_effect(tx, user_id, target, on, also));
}

std::vector<std::string> scopes_of(Tx& tx, std::string_view user_id, Target target, std::span<const std::string> also) {
    std::set<std::string> found;
    std::optional<ProjectTree> tree;
    for (const Assignment& a : load_assignments(tx, user_id, also)) {
        if (!a.inherited && a.target == target) found.insert(a.target_id);
        if (!a.inherited || target != Target::project) continue;
        if (!tree) tree = load_tree(tx);
        for (std::string& id : tree->below(a.target_id)) found.insert(std::move(id));
    }
    return {found.begin(), found.end()};
}

std::vector<CatalogService> load_catalog(Tx& tx) {
    std::vector<CatalogService> services;
    for (const Row& row : tx.query("SELECT id, type, name FROM services WHERE enabled = 1 ORDER BY type, id"))
        services.push_back({row.at(0).text(), row.at(1).text(), row.at(2).text(), {}});
    for (const Row& row : tx.query("SELECT id, interface, region_id, url, service_id FROM endpoints WHERE enabled = 1 ORDER BY interface, id")) {
        const std::string service_id = row.at(4).text();
        for (CatalogService& service : services)
            if (service.id == service_id) service.endpoints.push_back({row.at(0).text(), row.at(1).text(), row.at(2).text(), row.at(3).text()});
    }
    return services;
}

std::int64_t touch(Tx& tx) { return tx.query("UPDATE revision SET value = value + 1 WHERE id = 1 RETURNING value").at(0).at(0).integer(); }

}  // namespace pilvi::identity
