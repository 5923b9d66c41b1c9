#pragma once
// What the resource files share: the tables' declarations, rows of children, policy checks, revisions.
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/query.h"
#include "api/resource.h"
#include "api/service.h"
#include "domain/errors.h"
#include "network.h"

namespace pilvi::network {

using api::Call;
using api::Field;
using api::Reply;
using api::Resource;
using api::Type;

extern const Resource network_resource;
extern const Resource subnet_resource;
extern const Resource port_resource;
extern const Resource router_resource;
extern const Resource floating_ip_resource;
extern const Resource security_group_resource;
extern const Resource security_group_rule_resource;
extern const Resource rbac_policy_resource;
extern const Resource agent_resource;

// Default checks (neutron.conf.policies.base).
inline constexpr std::string_view admin_only = "rule:admin_only";
inline constexpr std::string_view admin_or_member = "rule:admin_only or (role:member and project_id:%(project_id)s)";
inline constexpr std::string_view admin_or_reader = "rule:admin_only or ((role:reader or role:member) and project_id:%(project_id)s)";
inline constexpr std::string_view net_owner_or_member =
    "rule:admin_only or (role:member and project_id:%(project_id)s) or (role:member and rule:network_owner)";

// Calls `add(parent, row)` for every row of "SELECT <parent id>, ... WHERE ... IN (<ids>) ...": one query for up to 500 parents.
void for_children(Tx& tx, std::span<json::object> parents, std::string_view select_in, std::string_view tail,
                  const std::function<void(json::object&, const Row&)>& add);
// The same for a whole statement, in which "{0}" stands for the ids, as often as it is there.
void for_children(Tx& tx, std::span<json::object> parents, std::string_view statement, const std::function<void(json::object&, const Row&)>& add);
// Sets "tags" of every row.
void add_tags(Tx& tx, std::span<json::object> rows);
// The filters tags, tags-any, not-tags, not-tags-any for a resource's filter hook; "" where the parameter is none of them.
std::string tag_filter(std::string_view name, const std::vector<std::string>& values, Values& parameters);
void remove_tags(Tx& tx, std::string_view id);

// "?, ?, ?" and the values appended.
std::string marks(const std::vector<std::string>& values, Values& parameters);
std::vector<std::string> texts(const json::array& array);
// The value of a JSON text or array column.
json::array array_column(const Row& row, std::string_view column);

// Inserts a row as the engine would, without a request: id (made where missing), timestamps, revision. Returns the id.
std::string insert_object(Tx& tx, const App& app, const Resource& resource, json::object row);
// revision_number + 1 and updated_at.
void touch(Tx& tx, const App& app, std::string_view table, std::string_view id);

// SQL condition (alias t): networks that the caller may see, and its parameters.
std::string visible_networks(const Call& call, Values& parameters);
// network:tenant_id, network:project_id, network:shared of the network that `row` names, for policy checks.
void network_target(Call& call, Tx& tx, const json::object& row, json::object& target);

}  // namespace pilvi::network
