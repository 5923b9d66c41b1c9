// Version documents and the list of extensions: a client asks here what it may use.
#include "resources/misc.h"

namespace pilvi::network {
namespace {

using namespace api;

struct Extension {
    std::string_view alias, name, updated, description;
};

// Aliases, names and times are those of neutron_lib.api.definitions; only what is served is listed.
constexpr Extension extensions[] = {
    {"agent", "agent", "2013-02-03T10:00:00-00:00", "The agent management extension."},
    {"allowed-address-pairs", "Allowed Address Pairs", "2013-07-23T10:00:00-00:00", "Provides allowed address pairs"},
    {"availability_zone", "Availability Zone", "2015-01-01T10:00:00-00:00", "The availability zone extension."},
    {"binding", "Port Binding", "2014-02-03T10:00:00-00:00", "Expose port bindings of a virtual port to external application"},
    {"dns-integration", "DNS Integration", "2015-08-15T18:00:00-00:00", "Provides integration with DNS."},
    {"ext-gw-mode", "Neutron L3 Configurable external gateway mode", "2013-03-28T10:00:00-00:00",
     "Extension of the router abstraction for specifying whether SNAT should occur on the external gateway"},
    {"external-net", "Neutron external network", "2013-01-14T10:00:00-00:00", "Adds external network attribute to network resource."},
    {"extra_dhcp_opt", "Neutron Extra DHCP options", "2013-03-17T12:00:00-00:00", "Extra options configuration for DHCP."},
    {"extraroute", "Neutron Extra Route", "2013-02-01T10:00:00-00:00", "Extra routes configuration for L3 router"},
    {"extraroute-atomic", "Atomically add/remove extra routes", "2019-07-10T00:00:00+00:00",
     "Edit extra routes of a router on server side by atomically adding/removing extra routes"},
    {"fip-port-details", "Floating IP Port Details Extension", "2018-04-09T10:00:00-00:00", "Add port_details attribute to Floating IP resource"},
    {"ip-substring-filtering", "IP address substring filtering", "2017-11-28T09:00:00-00:00",
     "Provides IP address substring filtering when listing ports"},
    {"ip_allocation", "IP Allocation", "2016-06-10T23:00:00-00:00", "IP allocation extension."},
    {"net-mtu", "Network MTU", "2015-03-25T10:00:00-00:00", "Provides MTU attribute for a network resource."},
    {"net-mtu-writable", "Network MTU (writable)", "2017-07-12T00:00:00-00:00", "Provides a writable MTU attribute for a network resource."},
    {"network-ip-availability", "Network IP Availability", "2015-09-24T00:00:00-00:00", "Provides IP availability data for each network and subnet."},
    {"network_availability_zone", "Network Availability Zone", "2015-01-01T10:00:00-00:00", "Availability zone support for network."},
    {"pagination", "Pagination support", "2016-06-12T00:00:00-00:00", "Extension that indicates that pagination is enabled."},
    {"port-security", "Port Security", "2012-07-23T10:00:00-00:00", "Provides port security"},
    {"port-security-groups-filtering", "Port filtering on security groups", "2018-01-09T09:00:00-00:00",
     "Provides security groups filtering when listing ports"},
    {"project-id", "project_id field enabled", "2016-09-09T09:09:09-09:09", "Extension that indicates that project_id field is enabled."},
    {"provider", "Provider Network", "2012-09-07T10:00:00-00:00", "Expose mapping of virtual networks to physical networks"},
    {"quota_details", "Quota details management support", "2017-02-10T10:00:00-00:00", "Expose functions for quotas usage statistics per project"},
    {"quotas", "Quota management support", "2012-07-29T10:00:00-00:00", "Expose functions for quotas management per project"},
    {"rbac-policies", "RBAC Policies", "2015-06-17T12:15:12-00:00",
     "Allows creation and modification of policies that control tenant access to resources."},
    {"rbac-security-groups", "Add security_group type to network RBAC", "2019-02-14T00:00:00-00:00", "Add security_group type to network RBAC"},
    {"revision-if-match", "If-Match constraints based on revision_number", "2016-12-11T00:00:00-00:00",
     "Extension indicating that If-Match based on revision_number is supported."},
    {"router", "Neutron L3 Router", "2012-07-20T10:00:00-00:00",
     "Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks via a NAT gateway."},
    {"router_availability_zone", "Router Availability Zone", "2015-01-01T10:00:00-00:00", "Availability zone support for router."},
    {"security-group", "security-group", "2012-10-05T10:00:00-00:00", "The security groups extension."},
    {"security-groups-normalized-cidr", "Normalized CIDR field for security group rules", "2020-07-28T10:00:00-00:00",
     "Add new field with normalized remote_ip_prefix cidr in SG rule"},
    {"sort-key-validation", "Sort keys validation", "2018-07-04T10:00:00-00:00", "Provides validation on sort keys."},
    {"sorting", "Sorting support", "2016-06-12T00:00:00-00:00", "Extension that indicates that sorting is enabled."},
    {"standard-attr-description", "standard-attr-description", "2016-02-10T10:00:00-00:00", "Extension to add descriptions to standard attributes"},
    {"standard-attr-revisions", "Resource revision numbers", "2016-04-11T10:00:00-00:00",
     "This extension will display the revision number of neutron resources."},
    {"standard-attr-tag", "Tag support for resources with standard attribute: subnet, router, network, security_group, floatingip, port",
     "2017-01-01T00:00:00-00:00", "Enables to set tag on resources with standard attribute."},
    {"standard-attr-timestamp", "Resource timestamps", "2016-09-12T10:00:00-00:00",
     "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes."},
    {"stateful-security-group", "Stateful security group", "2019-11-26T09:00:00-00:00", "Indicates if the security group is stateful or not"},
    {"subnet-service-types", "Subnet service types", "2016-03-15T18:00:00-00:00", "Provides ability to set the subnet service_types field"},
    {"tag-ports-during-bulk-creation", "Tag Ports During Bulk Creation", "2019-12-29T19:00:00-00:00", "Allow to tag ports during bulk creation"},
};

json::object to_json(const Extension& e) {
    return {{"alias", e.alias}, {"name", e.name}, {"updated", e.updated}, {"description", e.description}, {"links", json::array{}}};
}

Reply list_extensions(Call&) {
    json::array out;
    for (const Extension& e : extensions) out.push_back(to_json(e));
    return json::object{{"extensions", std::move(out)}};
}

Reply show_extension(Call& call) {
    for (const Extension& e : extensions)
        if (e.alias == call.arg("alias")) return json::object{{"extension", to_json(e)}};
    throw missing("HTTPNotFound", fmt::format("Extension with alias {} does not exist", call.arg("alias").substr(0, 100)));
}

Reply versions(Call& call) {
    return json::object{
        {"versions",
         json::array{json::object{
             {"id", "v2.0"}, {"status", "CURRENT"}, {"links", json::array{json::object{{"rel", "self"}, {"href", call.base_url() + "/v2.0/"}}}}}}}};
}

Reply resources(Call& call) {
    json::array out;
    for (const Resource* r : call.service.spec().resources)
        out.push_back(json::object{{"name", r->name},
                                   {"collection", r->plural},
                                   {"links", json::array{json::object{{"rel", "self"}, {"href", call.base_url() + std::string(r->path)}}}}});
    return json::object{{"resources", std::move(out)}};
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/", .handler = &versions, .access = Access::open},
    {.method = "GET", .path = "/v2.0", .policy = "get_resources", .check = "@", .handler = &resources},
    {.method = "GET", .path = "/v2.0/extensions", .policy = "get_extensions", .check = "@", .handler = &list_extensions},
    {.method = "GET", .path = "/v2.0/extensions/{alias}", .policy = "get_extension", .check = "@", .handler = &show_extension},
};
static_assert(api::sound(std::span<const Route>(routes)));

}  // namespace

const std::span<const api::Route> version_routes = routes;

}  // namespace pilvi::network
