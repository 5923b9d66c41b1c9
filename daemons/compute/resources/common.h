#pragma once
// What the resource files share: policy defaults, links, paging, loading a server for a caller.
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/query.h"
#include "api/resource.h"
#include "api/service.h"
#include "app.h"
#include "records.h"

namespace pilvi::compute {

// Default checks. Who may read their project's things, who may change them, who administers; and the other services.
constexpr std::string_view reader_check = "role:admin or ((role:reader or role:member) and project_id:%(project_id)s)";
constexpr std::string_view member_check = "role:admin or (role:member and project_id:%(project_id)s)";
constexpr std::string_view admin_check = "role:admin";
constexpr std::string_view service_check = "role:admin or role:service";
constexpr std::string_view anybody_check = "@";

inline App& app_of(api::Call& call) { return call.app<App>(); }

// The server of the path parameter `id` that the caller may see; Error(not_found) otherwise. Deleted ones only where `deleted`.
Instance load_server(api::Call& call, Tx& tx, std::string_view parameter = "id", bool deleted = false);
// Throws Error(forbidden) where the rule denies the caller on that server, Error(conflict) where it is locked by another.
void enforce_on(api::Call& call, std::string_view rule, const Instance& instance);
void refuse_locked(api::Call& call, const Instance& instance);

// DELETE of the server of the path: the request's own transaction; used by more than one operation.
api::Reply delete_server(api::Call& call);

// [{"rel": "self", ...}, {"rel": "bookmark", ...}] of "servers", id.
json::array links_of(const std::string& base, std::string_view collection, std::string_view id);
json::array bookmark_of(const std::string& base, std::string_view collection, std::string_view id);

// A JSON text of a column.
json::value column_json(const std::string& text);

// ?limit and ?marker as the original checks them: limit is 0..1000 (400 otherwise), the default is 1000.
struct Page {
    std::int64_t limit = 1000;
    std::optional<std::string> marker;
};
Page page_of(const api::Call& call);
[[noreturn]] void unknown_marker(const std::string& marker);
// {"<name>_links": [...]} into `body` where a page was full.
void add_next_link(const api::Call& call, json::object& body, std::string_view name, const Page& page, std::size_t shown, std::string_view last_id);

Error bad_request(std::string message);
// 400 with the original's words for a member of the body.
[[noreturn]] void refuse_field(std::string_view name, const json::value& value, std::string_view why);

// Every table of routes.
std::span<const api::Route> server_routes();
std::span<const api::Route> server_create_routes();
std::span<const api::Route> server_action_routes();
std::span<const api::Route> server_metadata_routes();
std::span<const api::Route> server_tag_routes();
std::span<const api::Route> server_password_routes();
std::span<const api::Route> interface_routes();
std::span<const api::Route> instance_action_routes();
std::span<const api::Route> flavor_routes();
std::span<const api::Route> flavor_spec_routes();
std::span<const api::Route> keypair_routes();
std::span<const api::Route> hypervisor_routes();
std::span<const api::Route> service_routes();
std::span<const api::Route> zone_routes();
std::span<const api::Route> quota_routes();
std::span<const api::Route> limit_routes();
std::span<const api::Route> external_event_routes();
std::span<const api::Route> server_group_routes();
std::span<const api::Route> aggregate_routes();
std::span<const api::Route> security_group_routes();
std::span<const api::Route> agent_routes();
std::span<const api::Route> version_routes();
std::span<const api::PolicyRule> extra_rules();
std::span<const api::QuotaLimit> quota_limits();
// The limit of a project: its own, else of the class "default", else built in. -1: unlimited.
std::int64_t quota_of(Tx& tx, const std::string& project, std::string_view name);

// The whole declaration of the service.
api::ServiceSpec service_spec();

}  // namespace pilvi::compute
