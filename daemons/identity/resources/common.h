#pragma once
// What the resources of this directory share.
#include <span>
#include <string>
#include <string_view>

#include "api/service.h"
#include "app.h"

namespace pilvi::identity {

// Checks of the original's default policy (keystone/common/policies/base.py).
inline constexpr std::string_view anyone = "@";
inline constexpr std::string_view admin = "rule:admin_required";
inline constexpr std::string_view admin_or_system_reader = "rule:admin_required or (role:reader and system_scope:all)";
// Lists: a reader of a domain sees what is in it (the caller's own domain_id stands on both sides).
inline constexpr std::string_view admin_or_reader =
    "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)";

inline constexpr std::string_view not_blank = R"([\s\S]*\S[\s\S]*)";  // the original's pattern '[\S]+'
inline constexpr std::string_view id_pattern = "[a-zA-Z0-9-]+";

// What `view` adds by add_link(), for a resource that keeps no unknown members.
inline constexpr api::Field links_field{.name = "links", .type = api::Type::object, .use = api::show | api::computed};

inline App& app(const api::Call& call) { return call.app<App>(); }

// The caller's own token. Outside of any transaction: looking at it may need one. Error(unauthenticated) where it ended meanwhile.
std::shared_ptr<const Token> token_of(const api::Call& call);

// row["links"]["self"] = .../v3/<collection>/<id>
void add_link(const api::Call& call, std::string_view collection, json::object& row);
std::string link(const api::Call& call, std::string_view path);  // path below /v3/, without leading slash
json::object page_links(const api::Call& call);                  // {"self": this request, "next": null, "previous": null}

// Throws Error(conflict) where another row of the resource's table meets the condition; `what` says by what it is a duplicate.
void refuse_duplicate(Tx& tx, const api::Resource& resource, const json::object& row, std::string_view condition, const Values& parameters,
                      std::string_view what);
// Throws Error(bad_request) where the update would change the member.
void refuse_change(const json::object& row, const json::object* before, std::string_view member, std::string_view title);
// The domain of a new object: as given, else the caller's own (the token's domain, or its project's), else the default one. Throws Error(`missing`) where it does not exist.
void set_domain(const api::Call& call, Tx& tx, json::object& row, Errc missing);
// "options" of an update add to those there are; null takes one away.
void merge_options(json::object& row, const json::object* before);
inline constexpr api::Field immutable_option[] = {{.name = "immutable", .type = api::Type::boolean, .use = api::nullable}};
// options.immutable: nothing changes in the same request that takes it away, and before that nothing at all. Error(forbidden).
void refuse_immutable(const api::Call& call, const api::Resource& resource, const json::object& row, const json::object& before);
void refuse_immutable_removal(const api::Resource& resource, const json::object& row);

// Removes the members that are null, so that they are not shown.
void hide_null(json::object& row, std::initializer_list<std::string_view> members);
// ?enabled, ?enabled=true, ?enabled=0: an SQL condition; "" for another name.
std::string enabled_filter(std::string_view name, const std::vector<std::string>& values);
// A query parameter that is there and not "0"/"false".
bool is_set(const api::Call& call, std::string_view name);

// The domain whose users or groups a list is about: ?domain_id, else that of the token; "" where neither says.
std::string listed_domain(const api::Call& call);

// Lists for routes: rows of `resource` whose ids are given, the query's filters applied, viewed and rendered.
json::object list_of(api::Call& call, Tx& tx, const api::Resource& resource, const std::vector<std::string>& ids);
// Viewed and rendered, in the order of the ids; those that there are.
json::array rendered_rows(api::Call& call, Tx& tx, const api::Resource& resource, const std::vector<std::string>& ids);
// Roles named as [{"id"} or {"name"}]: their ids, each once. Throws the API's 404 where there is none, Error(bad_request) for another shape.
std::vector<std::string> role_ids_of(Tx& tx, const json::array& roles);
// "expires_at" of the body in microseconds; Error(bad_request) where it is no time, or has passed.
std::optional<Micros> expiry(const api::Call& call);
// Throws the API's 404 where there is no such row.
json::object need_row(Tx& tx, const api::Resource& resource, std::string_view id);

// Ids that the request's path gives to a new object have 64 characters at most. Throws Error(bad_request).
void check_public_id(std::string_view id);

// Deletes the assignments whose `column` (actor_id, target_id) is `id`.
void forget_assignments(Tx& tx, std::string_view column, std::string_view id);

extern const api::Resource domain_resource, project_resource, user_resource, group_resource, role_resource, region_resource, service_resource,
    endpoint_resource, credential_resource, consumer_resource, identity_provider_resource, protocol_resource, mapping_resource,
    service_provider_resource, policy_resource, endpoint_group_resource, registered_limit_resource, limit_resource;

// POST /v3/auth/tokens with this body instead of the request's.
api::Reply log_in_with(api::Call& call, const json::value& body);
// Projects or domains that the caller's token may be scoped to.
template <Target target>
api::Reply scopes_of_caller(api::Call& call);
// The body is `text`, of this media type.
api::Reply text_reply(std::string text, std::string_view type = "application/json");

std::span<const api::Route> auth_routes();
std::span<const api::Route> version_routes();
std::span<const api::Route> project_tag_routes();
std::span<const api::Route> user_routes();
std::span<const api::Route> group_routes();
std::span<const api::Route> grant_routes();
std::span<const api::Route> assignment_routes();
std::span<const api::Route> implied_role_routes();
std::span<const api::Route> region_routes();
std::span<const api::Route> federation_routes();
std::span<const api::Route> application_credential_routes();
std::span<const api::Route> credential_routes();
std::span<const api::Route> revocation_routes();
std::span<const api::Route> trust_routes();
std::span<const api::PolicyRule> trust_rules();
std::span<const api::Route> oauth_routes();
std::span<const api::Route> ec2_token_routes();
std::span<const api::Route> endpoint_policy_routes();
std::span<const api::Route> endpoint_filter_routes();
std::span<const api::Route> limit_routes();
std::span<const api::Route> domain_config_routes();
std::span<const api::Route> v2_routes();

}  // namespace pilvi::identity
