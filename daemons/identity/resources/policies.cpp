// Policies that other services may store here, and which endpoints they are for (OS-ENDPOINT-POLICY).
#include <array>
#include <set>

#include "base/ids.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr Field fields[] = {
    {.name = "id", .use = show},
    {.name = "type", .use = create | update | required | show | filter | sort, .most = 255},
    {.name = "blob", .use = create | update | required | show, .most = 1'048'576},
};

constexpr Operation operations[] = {
    {Verb::list, "identity:list_policies", admin_or_system_reader},
    {Verb::show, "identity:get_policy", admin_or_system_reader},
    {Verb::create, "identity:create_policy", admin},
    {Verb::update, "identity:update_policy", admin},
    {Verb::remove, "identity:delete_policy", admin},
};

void view(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) add_link(call, "policies", row);
}

constexpr Resource declared{
    .name = "policy",
    .plural = "policies",
    .path = "/v3/policies",
    .table = "policies",
    .fields = fields,
    .operations = operations,
    .hooks = {.view = &view},
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .scopes = system_or_project,
    .hides = item_verbs,
};
static_assert(sound(declared));

// What a policy is associated with: the endpoint, the service, or the service in the region of the path.
struct Association {
    std::string endpoint_id, service_id, region_id;
    Values key() const { return {endpoint_id, service_id, region_id}; }
};
constexpr std::string_view matches_key = "COALESCE(endpoint_id, '') = ? AND COALESCE(service_id, '') = ? AND COALESCE(region_id, '') = ?";

std::string argument(const Call& call, std::string_view name) { return call.path.contains(name) ? call.arg(name) : std::string(); }

// The association of the path, all of it existing.
Association association_of(Call& call, Tx& tx) {
    need_row(tx, policy_resource, call.arg("policy_id"));
    Association a{argument(call, "endpoint_id"), argument(call, "service_id"), argument(call, "region_id")};
    if (!a.endpoint_id.empty()) need_row(tx, endpoint_resource, a.endpoint_id);
    if (!a.service_id.empty()) need_row(tx, service_resource, a.service_id);
    if (!a.region_id.empty()) need_row(tx, region_resource, a.region_id);
    return a;
}

std::string policy_of(Tx& tx, const Association& association) {
    const auto row = tx.one("SELECT policy_id FROM policy_associations WHERE " + std::string(matches_key), association.key());
    return row ? row->at(0).text() : std::string();
}

Reply check_association(Call& call) {
    call.store().read([&](Tx& tx) {
        if (policy_of(tx, association_of(call, tx)) != call.arg("policy_id")) throw Error(Errc::not_found, "Could not find policy association.");
    });
    return {};
}

// What had another policy has this one now.
Reply add_association(Call& call) {
    call.store().write([&](Tx& tx) {
        const Association a = association_of(call, tx);
        const auto column = [](const std::string& id) { return id.empty() ? Value() : Value(id); };
        tx.exec("DELETE FROM policy_associations WHERE " + std::string(matches_key), a.key());
        tx.insert("policy_associations", {{"id", new_hex_id()},
                                          {"policy_id", call.arg("policy_id")},
                                          {"endpoint_id", column(a.endpoint_id)},
                                          {"service_id", column(a.service_id)},
                                          {"region_id", column(a.region_id)}});
    });
    return {};
}

Reply remove_association(Call& call) {
    call.store().write([&](Tx& tx) {
        Values values = association_of(call, tx).key();
        values.emplace_back(call.arg("policy_id"));
        tx.exec("DELETE FROM policy_associations WHERE " + std::string(matches_key) + " AND policy_id = ?", values);
    });
    return {};
}

struct Regions {
    std::map<std::string, std::string> parents;  // "" at the top
    std::set<std::string> below(const std::string& top) const {
        std::set<std::string> out;
        for (const auto& [id, parent] : parents) {
            std::set<std::string> seen;
            for (std::string at = id; !at.empty() && seen.insert(at).second;) {
                if (at == top) out.insert(id);
                const auto up = parents.find(at);
                at = up == parents.end() ? "" : up->second;
            }
        }
        return out;
    }
};

Regions load_regions(Tx& tx) {
    Regions out;
    for (const Row& row : tx.query("SELECT id, parent_region_id FROM regions")) out.parents[row.at(0).text()] = row.at(1).text();
    return out;
}

Reply list_policy_endpoints(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        need_row(tx, policy_resource, call.arg("policy_id"));
        const Regions regions = load_regions(tx);
        const auto endpoints = tx.query("SELECT id, service_id, region_id FROM endpoints");
        std::set<std::string> found;
        for (const Row& row :
             tx.query("SELECT endpoint_id, service_id, region_id FROM policy_associations WHERE policy_id = ?", {call.arg("policy_id")})) {
            const std::string endpoint = row.at(0).text(), service = row.at(1).text(), region = row.at(2).text();
            const std::set<std::string> covered = region.empty() ? std::set<std::string>() : regions.below(region);
            for (const Row& e : endpoints)
                if (endpoint.empty() ? e.at(1).text() == service && (region.empty() || covered.contains(e.at(2).text())) : e.at(0).text() == endpoint)
                    found.insert(e.at(0).text());
        }
        return list_of(call, tx, endpoint_resource, {found.begin(), found.end()});
    });
}

// The nearest policy: of the endpoint, of its service in its region or one above, of its service.
std::string effective_policy(Tx& tx, const json::object& endpoint) {
    if (const std::string own = policy_of(tx, {string_or(endpoint, "id"), "", ""}); !own.empty()) return own;
    const std::string service = string_or(endpoint, "service_id");
    const Regions regions = load_regions(tx);
    std::set<std::string> seen;
    for (std::string at = string_or(endpoint, "region_id"); !at.empty() && seen.insert(at).second;) {
        if (const std::string there = policy_of(tx, {"", service, at}); !there.empty()) return there;
        const auto up = regions.parents.find(at);
        at = up == regions.parents.end() ? "" : up->second;
    }
    return policy_of(tx, {"", service, ""});
}

Reply show_endpoint_policy(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const json::object endpoint = need_row(tx, endpoint_resource, call.arg("endpoint_id"));
        const std::string id = effective_policy(tx, endpoint);
        if (id.empty()) throw Error(Errc::not_found, "No policy is associated with endpoint " + call.arg("endpoint_id") + ".");
        json::object row = need_row(tx, policy_resource, id);
        view(call, tx, std::span(&row, 1));
        return json::object{{"policy", render(call, policy_resource, row)}};
    });
}

struct Place {
    std::string_view path;
    std::string_view check_rule, create_rule, delete_rule;
};
constexpr Place places[] = {
    {"/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}", "identity:check_policy_association_for_endpoint",
     "identity:create_policy_association_for_endpoint", "identity:delete_policy_association_for_endpoint"},
    {"/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}", "identity:check_policy_association_for_service",
     "identity:create_policy_association_for_service", "identity:delete_policy_association_for_service"},
    {"/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}",
     "identity:check_policy_association_for_region_and_service", "identity:create_policy_association_for_region_and_service",
     "identity:delete_policy_association_for_region_and_service"},
};

constexpr auto make_routes() {
    std::array<Route, std::size(places) * 3 + 2> out{};
    std::size_t at = 0;
    for (const Place& p : places) {
        out[at++] = {.method = "GET",
                     .path = p.path,
                     .policy = p.check_rule,
                     .check = admin_or_system_reader,
                     .handler = &check_association,
                     .status = 204,
                     .scopes = system_or_project};
        out[at++] = {.method = "PUT",
                     .path = p.path,
                     .policy = p.create_rule,
                     .check = admin,
                     .handler = &add_association,
                     .status = 204,
                     .scopes = system_or_project};
        out[at++] = {.method = "DELETE",
                     .path = p.path,
                     .policy = p.delete_rule,
                     .check = admin,
                     .handler = &remove_association,
                     .status = 204,
                     .scopes = system_or_project};
    }
    out[at++] = {.method = "GET",
                 .path = "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints",
                 .policy = "identity:list_endpoints_for_policy",
                 .check = admin_or_system_reader,
                 .handler = &list_policy_endpoints,
                 .scopes = system_or_project};
    out[at++] = {.method = "GET",
                 .path = "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
                 .policy = "identity:get_policy_for_endpoint",
                 .check = admin_or_system_reader,
                 .handler = &show_endpoint_policy,
                 .scopes = system_or_project};
    return out;
}
constexpr auto routes = make_routes();
static_assert(sound(std::span<const Route>(routes)));

}  // namespace

const Resource policy_resource = declared;
std::span<const Route> endpoint_policy_routes() { return routes; }

}  // namespace pilvi::identity
