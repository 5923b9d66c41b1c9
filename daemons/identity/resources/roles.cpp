// Roles; which role implies which.
#include "base/text.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr Field fields[] = {
    {.name = "id", .use = show | filter},
    {.name = "name", .use = create | update | required | show | filter | sort, .least = 1, .most = 255, .pattern = not_blank},
    {.name = "domain_id", .use = create | update | show | filter | nullable, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "description", .use = create | update | show | nullable, .most = 65'536},
    {.name = "options", .type = Type::object, .use = create | update | show, .fallback = "{}", .fields = immutable_option},
};

constexpr Operation operations[] = {
    {.verb = Verb::list, .policy = "identity:list_roles", .check = admin_or_system_reader, .other_policy = "identity:list_domain_roles"},
    {.verb = Verb::show, .policy = "identity:get_role", .check = admin_or_system_reader, .other_policy = "identity:get_domain_role"},
    {.verb = Verb::create, .policy = "identity:create_role", .check = admin, .other_policy = "identity:create_domain_role"},
    {.verb = Verb::update, .policy = "identity:update_role", .check = admin, .other_policy = "identity:update_domain_role"},
    {.verb = Verb::remove, .policy = "identity:delete_role", .check = admin, .other_policy = "identity:delete_domain_role"},
};

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    merge_options(row, before);
    if (before) {
        refuse_change(row, before, "domain_id", "Domain ID");
        refuse_immutable(call, role_resource, row, *before);
    }
    const std::string domain_id = string_or(row, "domain_id"), name = string_or(row, "name");
    if (domain_id.empty()) {
        row["domain_id"] = nullptr;
        refuse_duplicate(tx, role_resource, row, "domain_id IS NULL AND name = ?", {name}, "name " + name);
    } else {
        if (!find_domain(tx, domain_id)) throw Error(Errc::bad_request, "Could not find domain: " + domain_id + ".");
        refuse_duplicate(tx, role_resource, row, "domain_id = ? AND name = ?", {domain_id, name}, "name " + name + " at domain ID " + domain_id);
    }
}

void after_write(Call& call, Tx& tx, const json::object&, const json::object*) { app(call).tokens.changed(tx); }
void before_remove(Call&, Tx&, const json::object& row) { refuse_immutable_removal(role_resource, row); }
void after_remove(Call& call, Tx& tx, const json::object&) { app(call).tokens.changed(tx); }

void view(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) add_link(call, "roles", row);
}

// A list without ?domain_id has the roles for everyone.
std::string visible(const Call& call, Values&) { return call.path.empty() && !call.query.has("domain_id") ? "t.domain_id IS NULL" : ""; }

std::string filters(const Call&, std::string_view name, const std::vector<std::string>& values, Values&) {
    return name == "domain_id" && (values.back().empty() || values.back() == "None") ? "t.domain_id IS NULL" : "";
}

void target(Call&, Tx&, const json::object& row, json::object& target) { target["target"] = {{"role", row}}; }

// Roles of a domain have rules of their own.
bool of_domain(const Call& call, const json::object& row) {
    return row.empty() ? !call.query.get("domain_id").value_or("").empty() : !string_or(row, "domain_id").empty();
}

constexpr Resource declared{
    .name = "role",
    .plural = "roles",
    .path = "/v3/roles",
    .table = "roles",
    .fields = fields,
    .operations = operations,
    .hooks = {.before_write = &before_write,
              .after_write = &after_write,
              .before_remove = &before_remove,
              .after_remove = &after_remove,
              .view = &view,
              .visible = &visible,
              .filter = &filters,
              .target = &target,
              .is_other = &of_domain},
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .scopes = system_or_project,
};
static_assert(sound(declared));

// Implied roles.

json::object brief(const Call& call, const RoleRecord& role) {
    json::object out{{"id", role.id}, {"name", role.name}};
    add_link(call, "roles", out);
    return out;
}

RoleRecord need_role(Tx& tx, std::string_view id) {
    const auto role = find_role(tx, id);
    if (!role) throw not_found(Dialect::identity, role_resource, id);
    return *role;
}

json::object inference(const Call& call, const RoleRecord& prior, json::value implies) {
    return {{"prior_role", brief(call, prior)}, {"implies", std::move(implies)}};
}

json::array implied_by(const Call& call, Tx& tx, std::string_view prior) {
    json::array out;
    for (const Row& row : tx.query("SELECT r.id, r.name FROM implied_roles i JOIN roles r ON r.id = i.implied_role_id WHERE i.prior_role_id = ?"
                                   " ORDER BY r.name",
                                   {prior}))
        out.push_back(brief(call, {row.at(0).text(), row.at(1).text(), ""}));
    return out;
}

Reply list_implied(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const RoleRecord prior = need_role(tx, call.arg("prior_role_id"));
        return json::object{{"role_inference", inference(call, prior, implied_by(call, tx, prior.id))},
                            {"links", {{"self", call.base_url() + call.request.path}}}};
    });
}

json::object one_implied(Call& call, Tx& tx) {
    const RoleRecord prior = need_role(tx, call.arg("prior_role_id")), implied = need_role(tx, call.arg("implied_role_id"));
    if (!tx.one("SELECT 1 FROM implied_roles WHERE prior_role_id = ? AND implied_role_id = ?", {prior.id, implied.id}))
        throw Error(Errc::not_found, prior.id + " does not imply " + implied.id + ".");
    return {{"role_inference", inference(call, prior, brief(call, implied))}, {"links", {{"self", call.base_url() + call.request.path}}}};
}

Reply show_implied(Call& call) {
    if (call.request.method == "HEAD") call.enforce("identity:check_implied_role");  // beside the route's rule, as in the original
    Reply reply = call.store().read([&](Tx& tx) -> Reply { return one_implied(call, tx); });
    return call.request.method == "HEAD" ? Reply::with_status(204) : reply;
}

Reply add_implied(Call& call) {
    return call.store().write([&](Tx& tx) -> Reply {
        const RoleRecord prior = need_role(tx, call.arg("prior_role_id")), implied = need_role(tx, call.arg("implied_role_id"));
        if (prior.domain_id.empty() && !implied.domain_id.empty())
            throw Error(Errc::forbidden, implied.id + " belongs to a domain and cannot be implied by a role for everyone.");
        if (implied.name == "admin") throw Error(Errc::forbidden, implied.id + " cannot be an implied roles.");  // prohibited_implied_role
        if (tx.exec("INSERT INTO implied_roles (prior_role_id, implied_role_id) VALUES (?, ?) ON CONFLICT DO NOTHING", {prior.id, implied.id}) == 0)
            throw Error(Errc::conflict, "Conflict occurred attempting to store implied_role - Duplicate entry.");
        app(call).tokens.changed(tx);
        return one_implied(call, tx);
    });
}

Reply remove_implied(Call& call) {
    call.store().write([&](Tx& tx) {
        one_implied(call, tx);
        tx.exec("DELETE FROM implied_roles WHERE prior_role_id = ? AND implied_role_id = ?",
                {call.arg("prior_role_id"), call.arg("implied_role_id")});
        app(call).tokens.changed(tx);
    });
    return {};
}

Reply list_inferences(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        std::map<std::string, RoleRecord> roles;
        for (const Row& row : tx.query("SELECT id, name FROM roles")) roles[row.at(0).text()] = {row.at(0).text(), row.at(1).text(), ""};
        json::array out;
        for (const auto& [prior, implied] : load_implications(tx)) {
            json::array implies;
            for (const std::string& id : implied) implies.push_back(brief(call, roles[id]));
            out.push_back(inference(call, roles[prior], std::move(implies)));
        }
        return json::object{{"role_inferences", std::move(out)}};
    });
}

constexpr std::string_view implied_role = "/v3/roles/{prior_role_id}/implies/{implied_role_id}";
constexpr Route routes[] = {
    {.method = "GET",
     .path = "/v3/roles/{prior_role_id}/implies",
     .policy = "identity:list_implied_roles",
     .check = admin_or_system_reader,
     .handler = &list_implied,
     .scopes = system_or_project},
    {.method = "GET",
     .path = implied_role,
     .policy = "identity:get_implied_role",
     .check = admin_or_system_reader,
     .handler = &show_implied,
     .scopes = system_or_project},
    {.method = "PUT",
     .path = implied_role,
     .policy = "identity:create_implied_role",
     .check = admin,
     .handler = &add_implied,
     .status = 201,
     .scopes = system_or_project},
    {.method = "DELETE",
     .path = implied_role,
     .policy = "identity:delete_implied_role",
     .check = admin,
     .handler = &remove_implied,
     .status = 204,
     .scopes = system_or_project},
    {.method = "GET",
     .path = "/v3/role_inferences",
     .policy = "identity:list_role_inference_rules",
     .check = admin_or_system_reader,
     .handler = &list_inferences,
     .scopes = system_or_project},
};
static_assert(sound(routes));

}  // namespace

const Resource role_resource = declared;
std::span<const Route> implied_role_routes() { return routes; }

}  // namespace pilvi::identity
