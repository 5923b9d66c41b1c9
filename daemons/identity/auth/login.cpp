#include "auth/login.h"

#include <algorithm>

#include "api/validate.h"
#include "app.h"
#include "auth/delegation.h"
#include "auth/federation.h"
#include "auth/receipts.h"
#include "base/text.h"
#include "domain/oauth1.h"
#include "domain/totp.h"

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
constexpr Field passcode_fields[] = {
    {.name = "id", .most = any_length},
    {.name = "name", .most = any_length},
    {.name = "passcode", .most = any_length},
    {.name = "domain", .type = Type::object, .fields = domain_fields, .extra = true},
};
constexpr Field totp_fields[] = {{.name = "user", .type = Type::object, .use = required, .fields = passcode_fields, .extra = true}};
constexpr Field mapped_fields[] = {
    {.name = "id", .most = any_length},
    {.name = "identity_provider", .most = any_length},
    {.name = "protocol", .most = any_length},
};
constexpr Field identity_fields[] = {
    {.name = "methods", .type = Type::array, .use = required, .most = 20, .item = Type::text},
    {.name = "password", .type = Type::object, .fields = password_fields, .extra = true},
    {.name = "token", .type = Type::object, .fields = token_fields, .extra = true},
    {.name = "application_credential", .type = Type::object, .fields = credential_fields, .extra = true},
    {.name = "totp", .type = Type::object, .fields = totp_fields, .extra = true},
    {.name = "oauth1", .type = Type::object, .extra = true},
    {.name = "mapped", .type = Type::object, .fields = mapped_fields, .extra = true},
    {.name = "saml2", .type = Type::object, .fields = mapped_fields, .extra = true},
    {.name = "openid", .type = Type::object, .fields = mapped_fields, .extra = true},
};
constexpr Field project_fields[] = {
    {.name = "id", .most = any_length},
    {.name = "name", .most = any_length},
    {.name = "domain", .type = Type::object, .fields = domain_fields, .extra = true},
};
constexpr Field system_fields[] = {{.name = "all", .type = Type::boolean}};
constexpr Field trust_fields[] = {{.name = "id", .most = any_length}};
constexpr Field scope_fields[] = {
    {.name = "project", .type = Type::object, .fields = project_fields, .extra = true},
    {.name = "domain", .type = Type::object, .fields = domain_fields, .extra = true},
    {.name = "system", .type = Type::object, .fields = system_fields, .extra = true},
    {.name = "unscoped", .type = Type::any},
    {.name = "OS-TRUST:trust", .type = Type::object, .fields = trust_fields, .extra = true},
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
    const Call& call;
    Store& store;
    Tokens& tokens;
    const PasswordHasher& hasher;
    const App& shared;
    const json::value* asked;  // "scope", or nullptr
    Payload payload = {};
    bool good = true;

    void same_user(const std::string& id) {
        if (payload.user_id.empty()) payload.user_id = id;
        if (payload.user_id != id) good = false;
    }
    void end_by(Micros at) { payload.expires_at = payload.expires_at == 0 ? at : std::min(payload.expires_at, at); }
    void renew(const json::object& reference) const;
    void by_password(const json::object& given);
    void by_token(const json::object& given);
    void by_application_credential(const json::object& given);
    void by_totp(const json::object& given);
    void by_oauth1(const json::object& given);
    void by_mapping(const json::object& given);
};

// Who is asked for may live in a directory server, and be unknown here or another one than before.
void Login::renew(const json::object& reference) const {
    if (reference.contains("id")) return shared.directories->renew_user(store, tokens, string_or(reference, "id"));
    const auto domain = store.read([&](Tx& tx) { return domain_of(tx, object_or_empty(reference, "domain")); });
    if (domain) shared.directories->renew_user(store, tokens, domain->id, string_or(reference, "name"));
}

void Login::by_password(const json::object& given) {
    const json::object& reference = given.at("user").as_object();
    need_reference(reference, "identity/password/user");
    const Secret password(string_or(reference, "password"));
    renew(reference);
    const auto user = store.read([&](Tx& tx) { return user_of(tx, reference); });
    if (const auto right = user ? shared.directories->password_holds(store, *user, password) : std::nullopt) {
        same_user(user->id);
        payload.methods |= Method::password;
        good = good && *right && user->enabled;
        return;
    }
    if (!password_login(store, hasher, shared.options.compliance, user, password, tokens.now())) {
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

[[noreturn]] void forbid(const std::string& action) {
    throw Error(Errc::forbidden, "You are not authorized to perform the requested action: " + action);
}

// What was delegated narrows; its tokens make no others. Nor does one of the system for something smaller.
void refuse_exchange(const Payload& old, const json::value* asked) {
    const auto again = [](const std::string& kind) {
        return "Using " + kind + "-scoped token to create another token. Create a new " + kind + "-scoped token instead.";
    };
    if (!old.access_token_id.empty()) forbid(again("OAuth"));
    if (!old.trust_id.empty()) forbid(again("trust"));
    const json::object* scope = asked ? asked->if_object() : nullptr;
    if (old.scope == Scope::system && scope && (scope->contains("project") || scope->contains("domain")))
        forbid("Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.");
    if (is_delegated(old)) forbid("Using a delegated token to create another token is not allowed.");
}

void Login::by_token(const json::object& given) {
    const auto old = tokens.find(string_or(given, "id"));
    if (!old) throw Error(Errc::not_found, "Could not find token.");
    refuse_exchange(old->payload, asked);
    same_user(old->payload.user_id);
    payload.methods |= Method::token | old->payload.methods;
    end_by(old->payload.expires_at);  // a chain of tokens does not live longer than its first
    payload.audit_ids = {old->payload.audit_ids.back()};
    if (old->payload.idp_id.empty()) return;
    const auto provider = store.read([&](Tx& tx) { return tx.one("SELECT enabled FROM identity_providers WHERE id = ?", {old->payload.idp_id}); });
    if (!provider || !provider->boolean("enabled")) throw Error(Errc::forbidden, "Identity Provider " + old->payload.idp_id + " is disabled");
    payload.idp_id = old->payload.idp_id;
    payload.protocol_id = old->payload.protocol_id;
    payload.group_ids = old->payload.group_ids;
}

// With a token of such a login, or with what the front door asserts.
void Login::by_mapping(const json::object& given) {
    if (given.contains("id")) {
        by_token(given);
        if (payload.idp_id.empty()) good = false;
        return;
    }
    for (const std::string_view member : {"identity_provider", "protocol"})
        if (!given.contains(member)) throw Error(Errc::bad_request, "Expecting to find " + std::string(member) + " in mapped.");
    Payload mapped;
    log_in_mapped(call, string_or(given, "identity_provider"), string_or(given, "protocol"), mapped);
    same_user(mapped.user_id);
    payload.methods |= mapped.methods;
    payload.idp_id = std::move(mapped.idp_id);
    payload.protocol_id = std::move(mapped.protocol_id);
    payload.group_ids = std::move(mapped.group_ids);
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
    end_by(std::min(end, (*row)["expires_at"].optional_integer().value_or(end)));
    if (payload.expires_at <= tokens.now()) good = false;
}

void Login::by_totp(const json::object& given) {
    const json::object& reference = given.at("user").as_object();
    need_reference(reference, "identity/totp/user");
    if (!reference.contains("passcode")) throw Error(Errc::bad_request, "Expecting to find passcode in identity/totp/user.");
    const std::string passcode = string_or(reference, "passcode");
    std::vector<std::string> secrets;
    const auto user = store.read([&](Tx& tx) {
        auto found = user_of(tx, reference);
        if (found)
            for (const Row& row : tx.query("SELECT blob FROM credentials WHERE user_id = ? AND type = 'totp'", {found->id}))
                secrets.push_back(row.at(0).text());
        return found;
    });
    bool right = false;
    for (const std::string& secret : secrets) right = totp_matches(shared.unseal(secret), passcode, tokens.now()) || right;
    if (!user || !right || !user->enabled) {
        good = false;
        return;
    }
    same_user(user->id);
    payload.methods |= Method::totp;
}

void Login::by_oauth1(const json::object&) {
    const auto header = parse_oauth_header(call.request.headers.get("Authorization"));
    if (!header) throw Error(Errc::bad_request, "No OAuth Authorization header found, cannot proceed with OAuth related calls.");
    const std::string id(header->get("oauth_token")), consumer(header->get("oauth_consumer_key"));
    if (id.empty()) throw Error(Errc::bad_request, "Expecting to find oauth_token in request.");
    std::string consumer_secret;
    const auto access = store.read([&](Tx& tx) {
        auto found = find_access_token(tx, id);
        if (found) consumer_secret = tx.scalar("SELECT secret FROM oauth_consumers WHERE id = ?", {found->consumer_id}).text();
        return found;
    });
    const SignedRequest request = signed_request(call);
    if (!access || access->consumer_id != consumer || (access->expires_at && *access->expires_at < tokens.now()) ||
        !oauth_defect(*header, tokens.now()).empty() ||
        !oauth_signature_holds(request, *header, shared.unseal(consumer_secret), shared.unseal(access->secret))) {
        good = false;
        return;
    }
    same_user(access->user_id);
    payload.methods |= Method::oauth1;
    payload.access_token_id = access->id;
    payload.scope = Scope::project;
    payload.scope_id = access->project_id;
}

constexpr struct {
    std::string_view name;
    void (Login::*run)(const json::object&);
} handlers[] = {
    {"password", &Login::by_password}, {"token", &Login::by_token},    {"application_credential", &Login::by_application_credential},
    {"totp", &Login::by_totp},         {"oauth1", &Login::by_oauth1},  {"mapped", &Login::by_mapping},
    {"saml2", &Login::by_mapping},     {"openid", &Login::by_mapping},
};

// The project of a trust that can be used; what more there is to it is looked at when it is known who asks.
bool set_trust(Tx& tx, const json::object& reference, Micros now, Payload& payload) {
    const std::string id = string_or(reference, "id");
    if (id.empty()) throw Error(Errc::bad_request, "Expecting to find trust_id in trust.");
    const auto trust = find_trust(tx, id);
    if (!trust || trust->ended(now) || trust->used_up() || trust->project_id.empty()) return false;
    payload.trust_id = trust->id;
    payload.scope = Scope::project;
    payload.scope_id = trust->project_id;
    return true;
}

// The original tells a user who has logged in why a trust does not serve them.
void check_trust(Tx& tx, const Payload& payload) {
    const auto trust = find_trust(tx, payload.trust_id);
    if (!trust) refuse_login();
    if (trust->trustee_user_id != payload.user_id) throw Error(Errc::forbidden, "User is not a trustee.");
    const std::vector<TrustRecord> chain = pedigree_of(tx, *trust);
    for (const TrustRecord& link : chain)
        if (const auto agent = find_user(tx, link.trustee_user_id); !agent || !agent->enabled)
            throw Error(Errc::forbidden, "One of the trust agents is disabled or deleted");
    if (chain.empty()) throw Error(Errc::forbidden, "One of the trust agents is disabled or deleted");
    if (const auto trustor = find_user(tx, trust->trustor_user_id); !trustor || !trustor->enabled)
        throw Error(Errc::forbidden, "Trustor is disabled.");
    const auto project = find_project(tx, trust->project_id);
    if (!project) refuse_login();
    const std::set<std::string> held = role_ids_in_effect(tx, chain.back().trustor_user_id, Target::project, &*project);
    const std::set<std::string> given = expand_roles(tx, trust->roles);
    if (!std::includes(held.begin(), held.end(), given.begin(), given.end())) throw Error(Errc::forbidden, "Trustee has no delegated roles.");
}

// The scope asked for; false where there is no such project or domain.
bool set_scope(const ServiceStyle& style, Tx& tx, const json::value& asked, Micros now, Payload& payload) {
    if (asked.is_string()) {
        if (asked.as_string() != "unscoped") throw Error(Errc::bad_request, "Invalid input for field 'scope': the only text is 'unscoped'");
        return true;
    }
    const json::object scope = validate(style, scope_fields, asked, Purpose::any, Unknown::keep, {}, "scope");
    std::size_t kinds = 0;
    for (const Field& kind : scope_fields) kinds += scope.contains(kind.name) ? 1 : 0;
    if (kinds != 1) throw Error(Errc::bad_request, "Expecting to find system, project, domain, OS-TRUST:trust or unscoped in scope.");
    if (const json::value* trust = pilvi::find(scope, "OS-TRUST:trust")) return set_trust(tx, trust->as_object(), now, payload);
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

namespace {

// The distinct methods, all of them supported and with their data.
std::vector<std::string> methods_of(const json::object& identity) {
    std::vector<std::string> methods;
    for (const json::value& m : identity.at("methods").as_array())
        if (std::string name = str(m.as_string()); std::find(methods.begin(), methods.end(), name) == methods.end())
            methods.push_back(std::move(name));
    if (methods.empty()) refuse_login();
    for (const std::string& m : methods) {
        if (!identity.contains(m)) throw Error(Errc::bad_request, "Expecting to find " + m.substr(0, 100) + " in identity.");
        if (std::none_of(std::begin(handlers), std::end(handlers), [&](const auto& h) { return h.name == m; }))
            throw Error(Errc::unauthenticated, "Attempted to authenticate with an unsupported method.");
    }
    return methods;
}

// Looked at in any case: a body of the wrong shape is a bad request whether or not the password was right. False where there is no such scope.
bool choose_scope(Login& login) {
    Payload& payload = login.payload;
    if (!login.asked) return true;
    Payload scoped;
    if (!login.store.read([&](Tx& tx) { return set_scope(login.call.service.style(), tx, *login.asked, login.tokens.now(), scoped); })) return false;
    if (!payload.access_token_id.empty()) return scoped.trust_id.empty();  // its own project, whatever is asked for
    if (scoped.scope == Scope::system) {                                   // such a token says nothing of federation, as in the original
        payload.idp_id.clear();
        payload.group_ids.clear();
    }
    payload.scope = scoped.scope;
    payload.scope_id = scoped.scope_id;
    payload.trust_id = scoped.trust_id;
    return true;
}

// The user's default project, where it is usable; else the token as it was asked for.
std::optional<Tokens::Issued> issue(const Login& login) {
    Payload payload = login.payload;
    if (!login.asked && payload.scope == Scope::none && payload.idp_id.empty()) {
        const auto user = login.store.read([&](Tx& tx) { return find_user(tx, payload.user_id); });
        if (user && !user->default_project_id.empty()) {
            payload.scope = Scope::project;
            payload.scope_id = user->default_project_id;
            if (auto issued = login.tokens.issue(payload)) return issued;
        }
    }
    if (!login.payload.trust_id.empty()) login.store.read([&](Tx& tx) { check_trust(tx, login.payload); });
    auto issued = login.tokens.issue(login.payload);
    if (!issued || login.payload.trust_id.empty()) return issued;
    const bool left = login.store.write([&](Tx& tx) {
        const auto trust = find_trust(tx, login.payload.trust_id);
        return trust && consume_use(tx, *trust);
    });
    return left ? std::move(issued) : std::nullopt;
}

}  // namespace

SignedRequest signed_request(const Call& call) {
    return {.method = call.request.method,
            .scheme = call.request.tls ? "https" : "http",
            .host = call.request.headers.get("Host"),
            .path = call.request.path,
            .query = call.request.query};
}

std::variant<Tokens::Issued, Receipt> log_in(const Call& call, const json::value& body) {
    const json::object valid = validate(call.service.style(), body_fields, body, Purpose::any, Unknown::keep);
    const json::object& auth = valid.at("auth").as_object();
    const json::object& identity = auth.at("identity").as_object();
    const std::vector<std::string> methods = methods_of(identity);
    App& shared = call.app<App>();
    Login login{call, call.store(), shared.tokens, shared.hasher, shared, pilvi::find(auth, "scope")};
    if (std::find(methods.begin(), methods.end(), "application_credential") != methods.end() && login.asked)
        throw Error(Errc::unauthenticated, "Application credentials cannot request a scope.");
    for (const std::string& m : methods)
        for (const auto& handler : handlers)
            if (handler.name == m) (login.*handler.run)(identity.at(m).as_object());
    if (!choose_scope(login) || !login.good) refuse_login();
    Payload& payload = login.payload;
    if (!payload.access_token_id.empty() && !payload.application_credential_id.empty()) refuse_login();
    add_receipt(shared, call.store(), call.request.headers.get(receipt_header), payload);
    if (auto missing = missing_methods(call.store(), payload)) return make_receipt(shared, call.store(), payload, std::move(*missing));
    auto issued = issue(login);
    if (!issued) refuse_login();
    return std::move(*issued);
}

}  // namespace pilvi::identity
