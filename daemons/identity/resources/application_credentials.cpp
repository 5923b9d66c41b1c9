// Application credentials: a secret of its own for some of a user's roles on one project, perhaps for some requests only (access rules).
#include <algorithm>
#include <map>

#include "base/ids.h"
#include "base/text.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr std::string_view methods[] = {"POST", "GET", "HEAD", "PATCH", "PUT", "DELETE"};
constexpr Field role_fields[] = {{.name = "id", .most = 64, .pattern = id_pattern}, {.name = "name", .least = 1}};
constexpr Field rule_fields[] = {
    {.name = "id", .most = 64, .pattern = id_pattern},
    {.name = "path", .most = 225, .pattern = "/.*"},
    {.name = "method", .values = methods},
    {.name = "service", .most = 64, .pattern = id_pattern},
};
constexpr Field fields[] = {
    {.name = "name", .use = required, .least = 1, .most = 255, .pattern = not_blank},
    {.name = "description", .use = nullable, .most = 65'536},
    {.name = "secret", .use = nullable | secret, .least = 1, .most = longest_password},
    {.name = "expires_at", .use = nullable},
    {.name = "roles", .type = Type::array, .most = 100, .item = Type::object, .fields = role_fields},
    {.name = "unrestricted", .type = Type::boolean, .fallback = "false"},
    {.name = "access_rules", .type = Type::array, .use = nullable, .most = 100, .item = Type::object, .fields = rule_fields},
};

constexpr std::string_view columns =
    "SELECT id, user_id, project_id, name, description, expires_at, unrestricted, roles, access_rules FROM application_credentials";

json::object rule_of(const Row& row) {
    return {{"id", row.at(0).text()}, {"service", row.at(1).text()}, {"path", row.at(2).text()}, {"method", row.at(3).text()}};
}
constexpr std::string_view rule_columns = "SELECT id, service, path, method FROM access_rules";

// Rows in answer form; the roles and rules of all of them are looked up at once.
json::array rendered(const Call& call, Tx& tx, const std::vector<Row>& rows) {
    std::map<std::string, json::object> roles, rules;
    if (!rows.empty()) {
        for (const Row& row : tx.query("SELECT " + select_columns(role_resource) + " FROM roles t")) {
            const json::object role = row_to_object(role_resource, row);
            json::object& shown = roles[string_or(role, "id")];
            for (const char* member : {"id", "name", "domain_id", "description", "options"}) shown[member] = role.at(member);
        }
        for (const Row& row : tx.query(std::string(rule_columns) + " WHERE user_id = ?", {rows.front()["user_id"]}))
            rules[row.at(0).text()] = rule_of(row);
    }
    json::array out;
    for (const Row& row : rows) {
        json::object one{{"id", row.text("id")},
                         {"name", row.text("name")},
                         {"user_id", row.text("user_id")},
                         {"project_id", row.text("project_id")},
                         {"system", nullptr}};
        one["description"] = row["description"].is_null() ? json::value(nullptr) : json::value(row.text("description"));
        const auto end = row["expires_at"].optional_integer();
        one["expires_at"] = end ? json::value(iso8601_naive(*end)) : json::value(nullptr);
        one["unrestricted"] = row.boolean("unrestricted");
        json::array its_roles, its_rules;
        const json::value role_list = parse_json(row.text("roles"));
        for (const json::value& id : role_list.as_array())
            if (const auto found = roles.find(str(id.as_string())); found != roles.end()) its_roles.push_back(found->second);
        one["roles"] = std::move(its_roles);
        if (!row["access_rules"].is_null()) {
            const json::value rule_list = parse_json(row.text("access_rules"));
            for (const json::value& id : rule_list.as_array()) its_rules.push_back(rules[str(id.as_string())]);
            one["access_rules"] = std::move(its_rules);
        }
        one["links"] = {{"self", link(call, "users/" + row.text("user_id") + "/application_credentials/" + row.text("id"))}};
        out.push_back(std::move(one));
    }
    return out;
}

// What was delegated by a trust, OAuth1 or an EC2 credential manages none; an application credential does where it is "unrestricted". Outside of any
// transaction: looking at the token may need one.
void refuse_delegated(const Call& call, bool changing) {
    const auto token = token_of(call);
    const std::string& id = token->payload.application_credential_id;
    if (id.empty() || !(token->payload.methods & Method::application_credential)) {
        if (is_delegated(token->payload)) throw Error(Errc::forbidden, "Cannot manage application credentials with a token issued via delegation.");
        return;
    }
    if (!changing) return;
    const bool unrestricted =
        call.store().read([&](Tx& tx) { return tx.scalar("SELECT unrestricted FROM application_credentials WHERE id = ?", {id}).boolean(); });
    if (!unrestricted)
        throw Error(Errc::forbidden,
                    "You are not authorized to perform the requested action: Using method 'application_credential' is not allowed for managing "
                    "additional application credentials.");
}

// The roles asked for, or all of the token's; each must be one of the token's.
json::array role_ids(const Call& call, Tx& tx) {
    std::map<std::string, std::string> held;  // name -> id
    for (const Row& row : tx.query("SELECT id, name FROM roles WHERE domain_id IS NULL"))
        if (call.who.has_role(row.at(1).text())) held[row.at(1).text()] = row.at(0).text();
    json::array out;
    const json::array& asked = array_or_empty(call.body, "roles");
    for (const json::value& role : asked) {
        const std::string id = string_or(role.as_object(), "id"), name = string_or(role.as_object(), "name");
        if (id.empty() == name.empty()) throw Error(Errc::bad_request, "Invalid input for field 'roles': each has an id or a name.");
        const auto found = std::find_if(held.begin(), held.end(), [&](const auto& h) { return id.empty() ? h.first == name : h.second == id; });
        if (found == held.end())
            throw Error(Errc::bad_request, "Invalid application credential: Cannot create an application credential with unassigned role");
        out.emplace_back(found->second);
    }
    if (asked.empty())
        for (const auto& [name, id] : held) out.emplace_back(id);
    return out;
}

// The ids of the rules asked for; what the user has none of yet is made.
Value rule_ids(const Call& call, Tx& tx) {
    const json::array& asked = array_or_empty(call.body, "access_rules");
    if (asked.empty()) return nullptr;
    json::array out;
    for (const json::value& item : asked) {
        const json::object& rule = item.as_object();
        const std::string service = string_or(rule, "service"), path = string_or(rule, "path"), method = string_or(rule, "method");
        if (service.empty() && path.empty() && method.empty()) {
            const std::string id = string_or(rule, "id");
            if (!tx.one("SELECT 1 FROM access_rules WHERE id = ? AND user_id = ?", {id, call.who.user_id}))
                throw Error(Errc::not_found, "Could not find Access Rule: " + id + ".");
            out.emplace_back(id);
            continue;
        }
        if (service.empty() || path.empty() || method.empty())
            throw Error(Errc::bad_request, "Invalid input for field 'access_rules': each has an id, or a service, a path and a method.");
        const auto same = tx.one("SELECT id FROM access_rules WHERE user_id = ? AND service = ? AND path = ? AND method = ?",
                                 {call.who.user_id, service, path, method});
        const std::string id = same ? same->at(0).text() : new_hex_id();
        if (!same) tx.insert("access_rules", {{"id", id}, {"user_id", call.who.user_id}, {"service", service}, {"path", path}, {"method", method}});
        out.emplace_back(id);
    }
    return to_text(out);
}

std::string new_secret() {
    std::string out = base64url_encode(random_bytes(64));
    while (out.ends_with('=')) out.pop_back();
    return out;
}

Reply create_one(Call& call) {
    if (call.who.project_id.empty()) throw Error(Errc::bad_request, "An application credential needs a token of a project.");
    refuse_delegated(call, true);
    const std::string secret = optional_string(call.body, "secret").value_or(new_secret()), id = new_hex_id();
    const std::string hash = app(call).hasher.hash(Secret(secret));
    return call.store().write([&](Tx& tx) -> Reply {
        const std::string name = string_or(call.body, "name");
        if (tx.one("SELECT 1 FROM application_credentials WHERE user_id = ? AND name = ?", {call.who.user_id, name}))
            throw Error(Errc::conflict,
                        "Conflict occurred attempting to store application_credential - Duplicate entry found with name " + name + ".");
        tx.insert("application_credentials", {{"id", id},
                                              {"user_id", call.who.user_id},
                                              {"project_id", call.who.project_id},
                                              {"name", name},
                                              {"description", optional_string(call.body, "description")},
                                              {"secret_hash", hash},
                                              {"expires_at", expiry(call)},
                                              {"unrestricted", boolean_or(call.body, "unrestricted")},
                                              {"roles", to_text(role_ids(call, tx))},
                                              {"access_rules", rule_ids(call, tx)}});
        app(call).tokens.changed(tx);
        json::object made = rendered(call, tx, tx.query(std::string(columns) + " WHERE id = ?", {id})).front().as_object();
        made["secret"] = secret;
        return json::object{{"application_credential", std::move(made)}};
    });
}

Reply list_all(Call& call) {
    refuse_delegated(call, false);
    return call.store().read([&](Tx& tx) -> Reply {
        need_row(tx, user_resource, call.arg("user_id"));
        Values values{call.arg("user_id")};
        std::string condition = " WHERE user_id = ?";
        if (const auto name = call.query.get("name")) {
            condition += " AND name = ?";
            values.emplace_back(*name);
        }
        return json::object{{"application_credentials", rendered(call, tx, tx.query(std::string(columns) + condition + " ORDER BY name", values))},
                            {"links", page_links(call)}};
    });
}

// By its id alone: whose it is, the credential says, not the path.
std::vector<Row> find_one(Call& call, Tx& tx) {
    auto rows = tx.query(std::string(columns) + " WHERE id = ?", {call.arg("credential_id")});
    if (rows.empty()) throw Error(Errc::not_found, "Could not find Application Credential: " + call.arg("credential_id") + ".");
    return rows;
}

Reply show_one(Call& call) {
    refuse_delegated(call, false);
    return call.store().read([&](Tx& tx) -> Reply {
        return json::object{{"application_credential", rendered(call, tx, find_one(call, tx)).front()}};
    });
}

Reply remove_one(Call& call) {
    refuse_delegated(call, true);
    call.store().write([&](Tx& tx) {
        find_one(call, tx);
        tx.exec("DELETE FROM application_credentials WHERE id = ?", {call.arg("credential_id")});
        app(call).tokens.changed(tx);
    });
    return {};
}

// Access rules stay until they are deleted; not while a credential has them.

Reply list_rules(Call& call) {
    refuse_delegated(call, false);
    return call.store().read([&](Tx& tx) -> Reply {
        json::array out;
        for (const Row& row : tx.query(std::string(rule_columns) + " WHERE user_id = ? ORDER BY service, path, method", {call.arg("user_id")})) {
            json::object rule = rule_of(row);
            rule["links"] = {{"self", link(call, "users/" + call.arg("user_id") + "/access_rules/" + row.at(0).text())}};
            bool wanted = true;
            for (const char* filter : {"service", "path", "method"})
                if (const auto value = call.query.get(filter)) wanted = wanted && string_or(rule, filter) == *value;
            if (wanted) out.push_back(std::move(rule));
        }
        return json::object{{"access_rules", std::move(out)}, {"links", page_links(call)}};
    });
}

json::object find_rule(Call& call, Tx& tx) {
    const auto row = tx.one(std::string(rule_columns) + " WHERE id = ? AND user_id = ?", {call.arg("rule_id"), call.arg("user_id")});
    if (!row) throw Error(Errc::not_found, "Could not find Access Rule: " + call.arg("rule_id") + ".");
    json::object rule = rule_of(*row);
    rule["links"] = {{"self", link(call, "users/" + call.arg("user_id") + "/access_rules/" + call.arg("rule_id"))}};
    return rule;
}

Reply show_rule(Call& call) {
    refuse_delegated(call, false);
    return call.store().read([&](Tx& tx) -> Reply { return json::object{{"access_rule", find_rule(call, tx)}}; });
}

Reply remove_rule(Call& call) {
    refuse_delegated(call, false);
    call.store().write([&](Tx& tx) {
        find_rule(call, tx);
        for (const Row& row :
             tx.query("SELECT access_rules FROM application_credentials WHERE user_id = ? AND access_rules IS NOT NULL", {call.arg("user_id")})) {
            const json::value ids = parse_json(row.at(0).text());
            if (std::find(ids.as_array().begin(), ids.as_array().end(), json::value(call.arg("rule_id"))) != ids.as_array().end())
                throw Error(Errc::forbidden, "The access rule " + call.arg("rule_id") + " is in use by an application credential.");
        }
        tx.exec("DELETE FROM access_rules WHERE id = ?", {call.arg("rule_id")});
    });
    return {};
}

void owner(Call&, Tx&, json::object&) {}  // the path's user_id is what the rules are about
void owner_of_credential(Call& call, Tx& tx, json::object& target) {
    if (const auto row = tx.one("SELECT user_id FROM application_credentials WHERE id = ?", {call.arg("credential_id")}))
        target["user_id"] = row->at(0).text();
}

constexpr std::string_view all = "/v3/users/{user_id}/application_credentials";
constexpr std::string_view one = "/v3/users/{user_id}/application_credentials/{credential_id}";
constexpr std::string_view all_rules = "/v3/users/{user_id}/access_rules";
constexpr std::string_view one_rule = "/v3/users/{user_id}/access_rules/{rule_id}";
constexpr std::string_view reader = "rule:admin_required or (role:reader and system_scope:all) or user_id:%(user_id)s";
constexpr std::string_view rule_reader = "(role:reader and system_scope:all) or user_id:%(user_id)s";

constexpr Route routes[] = {
    {.method = "GET",
     .path = all,
     .policy = "identity:list_application_credentials",
     .check = reader,
     .handler = &list_all,
     .target = &owner,
     .scopes = system_or_project},
    {.method = "POST",
     .path = all,
     .policy = "identity:create_application_credential",
     .check = "user_id:%(user_id)s",
     .handler = &create_one,
     .status = 201,
     .wrapper = "application_credential",
     .body = fields,
     .target = &owner,
     .scopes = project_scope},
    {.method = "GET",
     .path = one,
     .policy = "identity:get_application_credential",
     .check = reader,
     .handler = &show_one,
     .target = &owner_of_credential,
     .scopes = system_or_project},
    {.method = "DELETE",
     .path = one,
     .policy = "identity:delete_application_credential",
     .check = "rule:admin_required or user_id:%(user_id)s",
     .handler = &remove_one,
     .status = 204,
     .target = &owner_of_credential,
     .scopes = system_or_project},
    {.method = "GET",
     .path = all_rules,
     .policy = "identity:list_access_rules",
     .check = rule_reader,
     .handler = &list_rules,
     .target = &owner,
     .scopes = system_or_project},
    {.method = "GET",
     .path = one_rule,
     .policy = "identity:get_access_rule",
     .check = rule_reader,
     .handler = &show_rule,
     .target = &owner,
     .scopes = system_or_project},
    {.method = "DELETE",
     .path = one_rule,
     .policy = "identity:delete_access_rule",
     .check = "(role:admin and system_scope:all) or user_id:%(user_id)s",
     .handler = &remove_rule,
     .status = 204,
     .target = &owner,
     .scopes = system_or_project},
};
static_assert(sound(routes));

}  // namespace

std::span<const Route> application_credential_routes() { return routes; }

}  // namespace pilvi::identity
