#include "resources/common.h"

#include "base/text.h"

namespace pilvi::compute {

Instance load_server(api::Call& call, Tx& tx, std::string_view parameter, bool deleted) {
    const std::string& id = call.arg(parameter);
    auto instance = find_instance(tx, id);
    const bool visible = instance && (deleted || !instance->deleted) && (call.who.is_admin || call.who.project_id == instance->project_id);
    if (!visible) throw Error(Errc::not_found, "Instance " + id + " could not be found.");
    return std::move(*instance);
}

void enforce_on(api::Call& call, std::string_view rule, const Instance& instance) {
    call.enforce(rule, {{"project_id", instance.project_id}, {"user_id", instance.user_id}});
}

void refuse_locked(api::Call& call, const Instance& instance) {
    if (instance.locked_by.empty() || call.who.is_admin) return;
    throw Error(Errc::conflict, "Instance " + instance.id + " is locked");
}

json::array bookmark_of(const std::string& base, std::string_view collection, std::string_view id) {
    return {json::object{{"rel", "bookmark"}, {"href", base + "/" + std::string(collection) + "/" + std::string(id)}}};
}

json::array links_of(const std::string& base, std::string_view collection, std::string_view id) {
    const std::string path = "/" + std::string(collection) + "/" + std::string(id);
    return {json::object{{"rel", "self"}, {"href", base + "/v2.1" + path}}, json::object{{"rel", "bookmark"}, {"href", base + path}}};
}

json::value column_json(const std::string& text) { return text.empty() ? json::value(nullptr) : parse_json(text); }

Page page_of(const api::Call& call) {
    Page page;
    if (const auto limit = call.query.get("limit")) {
        const auto number = parse_integer(*limit);
        if (!number) throw bad_request("limit param must be an integer");
        if (*number < 0) throw bad_request("limit must be >= 0");
        page.limit = std::min<std::int64_t>(page.limit, *number);
    }
    page.marker = call.query.get("marker");
    return page;
}

void unknown_marker(const std::string& marker) { throw bad_request("marker [" + marker.substr(0, 255) + "] not found"); }

void add_next_link(const api::Call& call, json::object& body, std::string_view name, const Page& page, std::size_t shown, std::string_view last_id) {
    if (shown == 0 || static_cast<std::int64_t>(shown) < page.limit) return;
    body[std::string(name) + "_links"] = json::array{json::object{{"rel", "next"}, {"href", api::next_link(call, last_id)}}};
}

Error bad_request(std::string message) { return Error(Errc::bad_request, std::move(message)); }

void refuse_field(std::string_view name, const json::value& value, std::string_view why) {
    std::string shown = to_text(value);
    if (shown.size() > 200) shown = shown.substr(0, 200) + "...";
    throw bad_request("Invalid input for field/attribute " + std::string(name) + ". Value: " + shown + ". " + shown + " " + std::string(why));
}

api::ServiceSpec service_spec() {
    api::ServiceSpec spec{
        .style = {.dialect = api::Dialect::compute,
                  .service_type = "compute",
                  .unknown = api::Unknown::refuse,
                  .wrapped = true,
                  .coerce = true,
                  .token_before_route = true,
                  .version_least = {2, 1},
                  .version_most = {2, 95},
                  .version_fallback = {2, 1},
                  .base_path = "/v2.1",
                  .legacy_path = "/v2",
                  .version_header = "X-OpenStack-Nova-API-Version",
                  .page_limit = 1000},
        .resources = {},
        .routes = {server_routes(),         server_create_routes(),   server_action_routes(), server_metadata_routes(), server_tag_routes(),
                   interface_routes(),      instance_action_routes(), flavor_routes(),        flavor_spec_routes(),     keypair_routes(),
                   hypervisor_routes(),     service_routes(),         zone_routes(),          quota_routes(),           limit_routes(),
                   external_event_routes(), server_password_routes(), server_group_routes(),  aggregate_routes(),       security_group_routes(),
                   agent_routes(),          version_routes()},
        .rules = {extra_rules()},
        .quotas = quota_limits()};
    return spec;
}

std::span<const api::PolicyRule> extra_rules() {
    static constexpr api::PolicyRule rules[] = {
        {"os_compute_api:os-extended-server-attributes", admin_check, "the attributes OS-EXT-SRV-ATTR of a server"},
        {"os_compute_api:servers:show:host_status", admin_check, "host_status of a server"},
        {"os_compute_api:servers:show:flavor-extra-specs", reader_check, "extra_specs of a server's flavor"},
        {"os_compute_api:servers:index:get_all_tenants", admin_check, "list the servers of all projects"},
        {"os_compute_api:servers:detail:get_all_tenants", admin_check, "list the servers of all projects in detail"},
        {"os_compute_api:servers:allow_all_filters", admin_check, "use every filter of the server list"},
        {"os_compute_api:servers:create:forced_host", admin_check, "zone:host as availability zone"},
        {"compute:servers:create:requested_destination", admin_check, "host and hypervisor_hostname of a create"},
        {"os_compute_api:servers:create:zero_disk_flavor", admin_check, "a flavor without disk"},
        {"os_compute_api:servers:create:attach_network", member_check, "networks of a create"},
        {"network:attach_external_network", admin_check, "an interface on an external network that is not shared"},
        {"os_compute_api:os-flavor-extra-specs:index", reader_check, "extra_specs in the answers on flavors"},
        {"os_compute_api:os-flavor-access", admin_check, "see flavors that are not public"},
        {"os_compute_api:os-instance-actions:events", admin_check, "traceback of an action's events"},
        {"os_compute_api:os-instance-actions:events:details", admin_check, "host of an action's events"},
        {"os_compute_api:os-lock-server:unlock:unlock_override", admin_check, "unlock what an administrator locked"},
        {"os_compute_api:limits:other_project", admin_check, "limits of another project"},
        {"os_compute_api:os-server-groups:index:all_projects", admin_check, "server groups of all projects"},
    };
    return rules;
}

}  // namespace pilvi::compute
