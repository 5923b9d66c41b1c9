#include "auth/login.h"

#include <algorithm>

#include "api/validate.h"

namespace pilvi::identity {

namespace {

using namespace api;

constexpr std::int64_t any_length = 65'536;  // names and passwords that are too long are wrong, not malformed

constexpr Field domain_fields[] = {{.name = "id", .most = any_length}, {.name = "name", .most = any_length}};
constexpr Field user_fields[] = {
    {.name = "id", .most = any_length},
    {.name = "name", .most = any_length},
    {.name = "password", .most = any_length},
    {.name = "domain", .type = Type::object, .fields = domain_fields, .extra = true},
};
constexpr Field password_fields[] = {{.name = "user", .type = Type::object, .use = required, .fields = user_fields, .extra = true}};
constexpr Field token_fields[] = {{.name = "id", .use = required, .most = any_length}};
constexpr Field credential_fields[] = {
    {.name = "id", .most = any_length},
    {.name = "name", .most = any_length},
    {.name = "secret", .use = required, .most = any_length},
    {.name = "user", .type = Type::object, .fields = user_fields, .extra = true},
};
constexpr Field identity_fields[] = {
    {.name = "methods", .type = Type::array, .use = required, .most = 20, .item = Type::text},
    {.name = "password", .type = Type::object, .fields = password_fields, .extra = true},
    {.name = "token", .type = Type::object, .fields = token_fields, .extra = true},
    {.name = "application_credential", .type = Type::object, .fields = credential_fields, .extra = true},
};
constexpr Field project_fields[] = {
    {.name = "id", .most = any_length},
    {.name = "name", .most = any_length},
    {.name = "domain", .type = Type::object, .fields = domain_fields, .extra = true},
};
constexpr Field system_fields[] = {{.name = "all", .type = Type::boolean, .use = required}};
constexpr Field scope_fields[] = {
    {.name = "project", .type = Type::object, .fields = project_fields, .extra = true},
    {.name = "domain", .type = Type::object, .fields = domain_fields, .extra = true},
    {.name = "system", .type = Type::object, .fields = system_fields, .extra = true},
    {.name = "unscoped", .type = Type::any},
    {.name = "OS-TRUST:trust", .type = Type::any},
};
constexpr Field auth_fields[] = {
    {.name = "identity", .type = Type::object, .use = required, .fields = identity_fields, .extra = true},
    {.name = "scope", .type = Type::any},
};
constexpr Field body_fields[] = {{.name = "auth", .type = Type::object, .use = required, .fields = auth_fields, .extra = true}};

void need_id_or_name(const json::object& object, std::string_view where) {
    if (!object.contains("id") && !object.contains("name"))
        throw Error(Errc::bad_request, "Invalid input for field " + std::string(where) + ": id or name must be present.");
}

// A user or project is named by its id, or by its name in a domain.
void need_reference(const json::object& object, const std::string& where) {
    need_id_or_name(object, where);
    const json::value* domain = pilvi::find(object, "domain");
    if (domain) need_id_or_name(domain->as_object(), where + "/domain");
    if (!object.contains("id") && !domain) throw Error(Errc::bad_request, "Expecting to find domain in " + where + ".");
}

std::optional<ProjectRecord> domain_of(Tx& tx, const json::object& reference) {
    return reference.contains("id") ? find_domain(tx, string_or(reference, "id")) : find_domain_by_name(tx, string_or(reference, "name"));
}

std::optional<UserRecord> user_of(Tx& tx, const json::object& reference) {
    if (reference.contains("id")) return find_user(tx, string_or(reference, "id"));
    const auto domain = domain_of(tx, object_or_empty(reference, "domain"));
    return domain ? find_user(tx, string_or(reference, "name"), domain->id) : std::nullopt;
}

struct Login {
    const ServiceStyle& style;
    Store& store;
    Tokens& tokens;
    const PasswordHasher& hasher;
    Payload payload;
    bool good = true;

    void same_user(const std::string& id) {
        if (payload.user_id.empty()) payload.user_id = id;
        if (payload.user_id != id) good = false;
    }
    void by_password(const json::object& given);
    void by_token(const json::object& given);
    void by_application_credential(const json::object& given);
};

void Login::by_password(const json::object& given) {
    const json::object& reference = given.at("user").as_object();
    need_reference(reference, "identity/password/user");
    if (!reference.contains("password")) throw Error(Errc::bad_request, "Expecting to find password in identity/password/user.");
    const Secret password(string_or(reference, "password"));
    const auto user = store.read([&](Tx& tx) { return user_of(tx, reference); });
    const bool right = hasher.verify(user ? user->password_hash : "", password);
    if (!user || !right || !user->enabled || (user->password_expires_at && *user->password_expires_at <= tokens.now())) {
        good = false;
        return;
    }
    same_user(user->id);
    payload.methods |= Method::password;
    if (hasher.outdated(user->password_hash)) {
        const std::string fresh = hasher.hash(password);
        store.write([&](Tx& tx) {
            tx.exec("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?", {fresh, user->id, user->password_hash});
        });
    }
}

void Login::by_token(const json::object& given) {
    const auto old = tokens.find(string_or(given, "id"));
    // What an application credential narrows stays narrow: its tokens make no others.
    if (old && !old->payload.application_credential_id.empty())
        throw Error(Errc::forbidden, "A token of an application credential cannot be exchanged for another one.");
    if (!old) {
        good = false;
        return;
    }
    same_user(old->payload.user_id);
    payload.methods |= Method::token | old->payload.methods;
    payload.expires_at = old->payload.expires_at;  // a chain of tokens does not live longer than its first
    payload.audit_ids = {old->payload.audit_ids.back()};
}

void Login::by_application_credential(const json::object& given) {
    if (!given.contains("id")) {
        if (!given.contains("name")) throw Error(Errc::bad_request, "Expecting to find name or ID in application credential.");
        if (!given.contains("user")) throw Error(Errc::bad_request, "Expecting to find user in application credential.");
        need_reference(given.at("user").as_object(), "identity/application_credential/user");
    }
    const auto row = store.read([&](Tx& tx) -> std::optional<Row> {
        constexpr std::string_view columns = "SELECT id, user_id, project_id, secret_hash, expires_at FROM application_credentials WHERE ";
        if (given.contains("id")) return tx.one(std::string(columns) + "id = ?", {string_or(given, "id")});
        const auto user = user_of(tx, given.at("user").as_object());
        return user ? tx.one(std::string(columns) + "user_id = ? AND name = ?", {user->id, string_or(given, "name")}) : std::nullopt;
    });
    const bool right = hasher.verify(row ? row->text("secret_hash") : "", Secret(string_or(given, "secret")));
    if (!row || !right) {
        good = false;
        return;
    }
    same_user(row->text("user_id"));
    payload.methods |= Method::application_credential;
    payload.application_credential_id = row->text("id");
    payload.scope = Scope::project;
    payload.scope_id = row->text("project_id");
    const Micros end = tokens.now() + tokens.settings().lifetime;
    payload.expires_at = std::min(end, (*row)["expires_at"].optional_integer().value_or(end));
    if (payload.expires_at <= tokens.now()) good = false;
}

// The scope asked for; false where there is no such project or domain.
bool set_scope(const ServiceStyle& style, Tx& tx, const json::value& asked, Payload& payload) {
    if (asked.is_string()) {
        if (asked.as_string() != "unscoped") throw Error(Errc::bad_request, "Invalid input for field 'scope': the only text is 'unscoped'");
        return true;
    }
    const json::object scope = validate(style, scope_fields, asked, Purpose::any, Unknown::keep, {}, "scope");
    std::size_t kinds = 0;
    for (const Field& kind : scope_fields) kinds += scope.contains(kind.name) ? 1 : 0;
    if (kinds != 1 || scope.contains("OS-TRUST:trust"))
        throw Error(Errc::bad_request, "Expecting to find exactly one of system, project, domain or unscoped in scope.");
    if (scope.contains("system")) payload.scope = Scope::system;
    std::optional<ProjectRecord> found;
    if (const json::value* project = pilvi::find(scope, "project")) {
        const json::object& reference = project->as_object();
        need_reference(reference, "scope/project");
        payload.scope = Scope::project;
        if (reference.contains("id")) {
            found = find_project(tx, string_or(reference, "id"));
        } else {
            const auto domain = domain_of(tx, object_or_empty(reference, "domain"));
            if (domain) found = find_project(tx, string_or(reference, "name"), domain->id);
        }
    } else if (const json::value* domain = pilvi::find(scope, "domain")) {
        need_id_or_name(domain->as_object(), "scope/domain");
        payload.scope = Scope::domain;
        found = domain_of(tx, domain->as_object());
    } else {
        return true;
    }
    if (!found) return false;
    payload.scope_id = found->id;
    return true;
}

}  // namespace

void refuse_login() { throw Error(Errc::unauthenticated, "The request you have made requires authentication."); }

Tokens::Issued log_in(const ServiceStyle& style, Store& store, Tokens& tokens, const PasswordHasher& hasher, const json::value& body) {
    const json::object valid = validate(style, body_fields, body, Purpose::any, Unknown::keep);
    const json::object& auth = valid.at("auth").as_object();
    const json::object& identity = auth.at("identity").as_object();
    std::vector<std::string> methods;
    for (const json::value& m : identity.at("methods").as_array())
        if (std::string name = str(m.as_string()); std::find(methods.begin(), methods.end(), name) == methods.end())
            methods.push_back(std::move(name));
    if (methods.empty()) throw Error(Errc::bad_request, "Expecting to find at least one method in identity/methods.");
    for (const std::string& m : methods) {
        if (!identity.contains(m)) throw Error(Errc::bad_request, "Expecting to find " + m.substr(0, 100) + " in identity.");
        if (m != "password" && m != "token" && m != "application_credential")
            throw Error(Errc::unauthenticated, "Attempted to authenticate with an unsupported method.");
    }
    const json::value* asked = pilvi::find(auth, "scope");
    const bool credential = std::find(methods.begin(), methods.end(), "application_credential") != methods.end();
    if (credential && asked) throw Error(Errc::unauthenticated, "Application credentials cannot request a scope.");

    Login login{style, store, tokens, hasher, {}};
    for (const std::string& m : methods) {
        const json::object& given = identity.at(m).as_object();
        if (m == "password") login.by_password(given);
        else if (m == "token") login.by_token(given);
        else login.by_application_credential(given);
    }
    // The scope is looked at in any case: a body of the wrong shape is a bad request whether or not the password was right.
    Payload& payload = login.payload;
    std::string fallback;
    const bool known = store.read([&](Tx& tx) {
        if (asked) return set_scope(style, tx, *asked, payload);
        if (!credential)
            if (const auto user = find_user(tx, payload.user_id)) fallback = user->default_project_id;
        return true;
    });
    if (!login.good || !known) refuse_login();
    if (!fallback.empty()) {  // the user's default project, where it is usable
        Payload scoped = payload;
        scoped.scope = Scope::project;
        scoped.scope_id = fallback;
        if (auto issued = tokens.issue(std::move(scoped))) return std::move(*issued);
    }
    auto issued = tokens.issue(payload);
    if (!issued) refuse_login();
    return std::move(*issued);
}

}  // namespace pilvi::identity
