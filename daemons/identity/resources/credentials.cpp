// Credentials of other kinds than passwords, and the EC2 view of them. Secrets are sealed at rest.
#include "base/ids.h"
#include "domain/digest.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr std::size_t longest_blob = 65'536;

constexpr Field fields[] = {
    {.name = "id", .use = show},
    {.name = "blob", .use = create | update | required | show, .least = 1, .most = longest_blob},
    {.name = "type", .use = create | update | required | show | filter, .least = 1, .most = 255},
    {.name = "user_id", .use = create | update | required | show | filter, .most = 64},
    {.name = "project_id", .use = create | update | show | nullable, .most = 64},
};

constexpr std::string_view owner_check = "rule:admin_required or user_id:%(target.credential.user_id)s";
constexpr std::string_view reader_check = "rule:admin_required or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s";

constexpr Operation operations[] = {
    {Verb::list, "identity:list_credentials", anyone},  // everybody sees their own
    {Verb::show, "identity:get_credential", reader_check},     {Verb::create, "identity:create_credential", owner_check},
    {Verb::update, "identity:update_credential", owner_check}, {Verb::remove, "identity:delete_credential", owner_check},
};

std::string seal(const Call& call, std::string_view text) { return app(call).seal(text); }
std::string unseal(const Call& call, std::string_view sealed) { return app(call).unseal(sealed); }

// What was delegated reaches no secret.
void refuse_delegated(Call& call) {
    if (is_delegated(token_of(call)->payload))
        throw Error(Errc::forbidden, "You are not authorized to perform the requested action: Delegated tokens cannot access credentials directly.");
}

// The object in the blob of an ec2 credential; Error(bad_request) where it has no access key.
json::object ec2_blob(const json::object& row) {
    json::value blob;
    try {
        blob = parse_json(string_or(row, "blob"));
    } catch (const Error&) {
        throw Error(Errc::bad_request, "Invalid blob in credential");
    }
    if (!blob.is_object() || string_or(blob.as_object(), "access").empty())
        throw Error(Errc::bad_request, "Expecting to find access in the blob of the credential.");
    return blob.as_object();
}

// What says on whose behalf the credential acts does not change.
void check_change(const Call& call, const json::object& row, const json::object& before) {
    if ((row.at("user_id") != before.at("user_id") || row.at("project_id") != before.at("project_id")) && !call.who.is_admin)
        throw Error(Errc::forbidden, "You are not authorized to perform the requested action: identity:update_credential.");
    if (string_or(before, "type") != "ec2" || !call.body.contains("blob")) return;
    json::object opened = before;
    opened["blob"] = unseal(call, string_or(before, "blob"));
    const json::object was = ec2_blob(opened), is = ec2_blob(row);
    for (const char* key : {"trust_id", "app_cred_id", "access_token_id", "access_id"})
        if (string_or(was, key) != string_or(is, key)) throw Error(Errc::bad_request, std::string(key) + " can not be updated for credential");
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    if (before) check_change(call, row, *before);
    const std::string user = string_or(row, "user_id"), project = string_or(row, "project_id"), type = string_or(row, "type");
    if (!find_user(tx, user)) throw not_found(Dialect::identity, user_resource, user);
    if (!project.empty() && !find_project(tx, project)) throw not_found(Dialect::identity, project_resource, project);
    if (type == "ec2") {
        if (project.empty()) throw Error(Errc::bad_request, "'project_id' is a required property of an ec2 credential");
        if (!before) {
            row["id"] = sha256_hex(string_or(ec2_blob(row), "access"));
            refuse_duplicate(tx, credential_resource, {}, "id = ?", {string_or(row, "id")}, "that access key");
        }
    }
    if (!before || call.body.contains("blob")) row["blob"] = seal(call, string_or(row, "blob"));
}

void view(Call& call, Tx&, std::span<json::object> rows) {
    for (json::object& row : rows) {
        row["blob"] = unseal(call, string_or(row, "blob"));
        add_link(call, "credentials", row);
    }
}

std::string visible(const Call& call, Values& parameters) {
    if (call.who.is_admin || (call.who.system && call.who.has_role("reader"))) return {};
    parameters.emplace_back(call.who.user_id);
    return "t.user_id = ?";
}

void target(Call&, Tx&, const json::object& row, json::object& target) { target["target"] = {{"credential", row}}; }

constexpr Resource declared{
    .name = "credential",
    .plural = "credentials",
    .path = "/v3/credentials",
    .table = "credentials",
    .fields = fields,
    .operations = operations,
    .hooks = {.prepare = &refuse_delegated, .before_write = &before_write, .view = &view, .visible = &visible, .target = &target},
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .scopes = system_or_project,
    .hides = item_verbs,
};
static_assert(sound(declared));

// /v3/users/{user_id}/credentials/OS-EC2

json::object ec2_view(const Call& call, const json::object& row) {
    json::object opened = row;
    opened["blob"] = unseal(call, string_or(row, "blob"));
    const json::object blob = ec2_blob(opened);
    json::object out{{"user_id", row.at("user_id")},
                     {"tenant_id", row.at("project_id")},
                     {"access", string_or(blob, "access")},
                     {"secret", string_or(blob, "secret")},
                     {"trust_id", nullptr}};
    out["links"] = {{"self", link(call, "users/" + string_or(row, "user_id") + "/credentials/OS-EC2/" + string_or(blob, "access"))}};
    return out;
}

// By its access key alone: whose it is, the credential says, not the path.
json::object need_ec2(const Call& call, Tx& tx) {
    const auto row = find_row(tx, credential_resource, sha256_hex(call.arg("access")));
    if (!row || string_or(*row, "type") != "ec2") throw Error(Errc::not_found, "Could not find credential: " + call.arg("access") + ".");
    return *row;
}

json::object need_ec2_of_user(const Call& call, Tx& tx) {
    need_row(tx, user_resource, call.arg("user_id"));
    return need_ec2(call, tx);
}

Reply list_ec2(Call& call) {
    refuse_delegated(call);
    return call.store().read([&](Tx& tx) -> Reply {
        need_row(tx, user_resource, call.arg("user_id"));
        json::array out;
        for (const Row& row :
             tx.query("SELECT " + select_columns(credential_resource) + " FROM credentials t WHERE t.user_id = ? AND t.type = 'ec2' ORDER BY t.id",
                      {call.arg("user_id")}))
            out.push_back(ec2_view(call, row_to_object(credential_resource, row)));
        return json::object{{"credentials", std::move(out)}, {"links", page_links(call)}};
    });
}

Reply create_ec2(Call& call) {
    refuse_delegated(call);
    return call.store().write([&](Tx& tx) -> Reply {
        need_row(tx, user_resource, call.arg("user_id"));
        const std::string project = string_or(call.body, "tenant_id"), access = new_hex_id();
        need_row(tx, project_resource, project);
        const std::string blob = to_text(json::object{{"access", access}, {"secret", new_hex_id()}, {"trust_id", nullptr}});
        tx.insert("credentials", {{"id", sha256_hex(access)},
                                  {"user_id", call.arg("user_id")},
                                  {"project_id", project},
                                  {"type", "ec2"},
                                  {"blob", seal(call, blob)},
                                  {"extra", "{}"}});
        return json::object{{"credential", ec2_view(call, need_row(tx, credential_resource, sha256_hex(access)))}};
    });
}

Reply show_ec2(Call& call) {
    refuse_delegated(call);
    return call.store().read([&](Tx& tx) -> Reply { return json::object{{"credential", ec2_view(call, need_ec2_of_user(call, tx))}}; });
}

Reply remove_ec2(Call& call) {
    refuse_delegated(call);
    call.store().write([&](Tx& tx) { tx.exec("DELETE FROM credentials WHERE id = ?", {string_or(need_ec2_of_user(call, tx), "id")}); });
    return {};
}

void of_path(Call& call, Tx&, json::object& target) { target["target"] = {{"credential", {{"user_id", call.arg("user_id")}}}}; }
void of_credential(Call& call, Tx& tx, json::object& target) { target["target"] = {{"credential", need_ec2(call, tx)}}; }

constexpr Field ec2_body[] = {{.name = "tenant_id", .most = 64}};
constexpr std::string_view all = "/v3/users/{user_id}/credentials/OS-EC2";
constexpr std::string_view one = "/v3/users/{user_id}/credentials/OS-EC2/{access}";
constexpr std::string_view member_check = "rule:admin_required or (role:member and user_id:%(target.credential.user_id)s)";

constexpr Route routes[] = {
    {.method = "GET",
     .path = all,
     .policy = "identity:ec2_list_credentials",
     .check = member_check,
     .handler = &list_ec2,
     .target = &of_path,
     .scopes = system_or_project},
    {.method = "POST",
     .path = all,
     .policy = "identity:ec2_create_credential",
     .check = member_check,
     .handler = &create_ec2,
     .status = 201,
     .body = ec2_body,
     .target = &of_path,
     .scopes = system_or_project},
    {.method = "GET",
     .path = one,
     .policy = "identity:ec2_get_credential",
     .check = reader_check,
     .handler = &show_ec2,
     .target = &of_credential,
     .scopes = system_or_project},
    {.method = "DELETE",
     .path = one,
     .policy = "identity:ec2_delete_credential",
     .check = owner_check,
     .handler = &remove_ec2,
     .status = 204,
     .target = &of_credential,
     .scopes = system_or_project},
};
static_assert(sound(routes));

}  // namespace

const Resource credential_resource = declared;
std::span<const Route> credential_routes() { return routes; }

}  // namespace pilvi::identity
