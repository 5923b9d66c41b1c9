#pragma once
// Users, projects, domains and roles as logging in and tokens need them: look-ups in SQL, none of them per row.
#include <cstdint>
#include <optional>
#include <span>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "domain/assignments.h"
#include "domain/catalog.h"
#include "store/store.h"

namespace pilvi::identity {

struct UserRecord {
    std::string id, name, domain_id, default_project_id, password_hash;
    bool enabled = false;
    std::optional<std::int64_t> password_expires_at;
    std::int64_t valid_from = 0;  // seconds: earlier tokens are no good
};

struct ProjectRecord {  // or domain
    std::string id, name, domain_id, parent_id;
    bool enabled = false, is_domain = false;
    std::int64_t valid_from = 0;
};

struct RoleRecord {
    std::string id, name, domain_id;  // domain_id "": a role for everyone
};

std::optional<UserRecord> find_user(Tx& tx, std::string_view id);
std::optional<UserRecord> find_user(Tx& tx, std::string_view name, std::string_view domain_id);
std::optional<ProjectRecord> find_project(Tx& tx, std::string_view id);  // domains too
std::optional<ProjectRecord> find_project(Tx& tx, std::string_view name, std::string_view domain_id);
std::optional<ProjectRecord> find_domain(Tx& tx, std::string_view id);
std::optional<ProjectRecord> find_domain_by_name(Tx& tx, std::string_view name);
std::optional<RoleRecord> find_role(Tx& tx, std::string_view id);

// Those of memberships that have ended are left out.
std::vector<std::string> groups_of(Tx& tx, std::string_view user_id);
// When the first of the memberships that end does so, in microseconds since the epoch; nullopt where none does.
std::optional<std::int64_t> first_membership_end(Tx& tx, std::string_view user_id);
Implications load_implications(Tx& tx);
Members load_members(Tx& tx);
ProjectTree load_tree(Tx& tx);
// All of them, or those of a user and its groups, and `also` those of more groups (of a federated token).
std::vector<Assignment> load_assignments(Tx& tx);
std::vector<Assignment> load_assignments(Tx& tx, std::string_view user_id, std::span<const std::string> also = {});
// From the parent upwards; the domain is the last.
std::vector<std::string> ancestors_of(Tx& tx, const ProjectRecord& project);

// Ids of the roles that the user has there, implied ones and those of one domain only included.
std::set<std::string> role_ids_in_effect(Tx& tx, std::string_view user_id, Target target, const ProjectRecord* on,
                                         std::span<const std::string> also = {});
// Those of the ids that are for everyone (not of one domain), by name.
std::vector<RoleRecord> load_roles(Tx& tx, const std::set<std::string>& ids);
// The roles that a token of this scope carries: in effect, implied ones included, roles of one domain only left out. By name.
std::vector<RoleRecord> roles_in_effect(Tx& tx, std::string_view user_id, Target target, const ProjectRecord* on,
                                        std::span<const std::string> also = {});
// Ids of the projects (or domains) on which the user has any role in effect.
std::vector<std::string> scopes_of(Tx& tx, std::string_view user_id, Target target, std::span<const std::string> also = {});

// Enabled services with their enabled endpoints, by type.
std::vector<CatalogService> load_catalog(Tx& tx);

// Raises the revision, and returns it: every write calls it.
std::int64_t touch(Tx& tx);

std::string_view name_of(Target target);
Target target_of(std::string_view text);
// "?, ?, ?" for `size` parameters; "NULL" for none.
std::string marks(std::size_t size);

}  // namespace pilvi::identity
