#include "auth/tokens.h"

#include <algorithm>
#include <cmath>

#include "auth/delegation.h"
#include "auth/endpoint_filter.h"
#include "base/ids.h"
#include "base/json.h"

namespace pilvi::identity {

namespace {

constexpr Micros second = 1'000'000;

json::object reference(std::string_view id, std::string_view name) { return {{"id", id}, {"name", name}}; }

struct Subject {
    UserRecord user;
    ProjectRecord user_domain;
    std::optional<ProjectRecord> scope;         // project or domain
    std::optional<ProjectRecord> scope_domain;  // of a project
    std::vector<RoleRecord> roles;
    std::int64_t valid_from = 0;
    std::optional<TrustRecord> trust;
    std::optional<UserRecord> trustor;
    std::optional<ProjectRecord> trustor_domain;
    std::string consumer_id;  // of OAuth1
    std::shared_ptr<std::vector<AccessRule>> access_rules;

    bool impersonates() const { return trust && trust->impersonation; }
    const UserRecord& shown_user() const { return impersonates() ? *trustor : user; }
    const ProjectRecord& shown_domain() const { return impersonates() ? *trustor_domain : user_domain; }
};

// Adds an object that must be there and enabled for the token to be good.
bool admit(const std::optional<ProjectRecord>& found, std::int64_t& valid_from) {
    if (!found || !found->enabled) return false;
    valid_from = std::max(valid_from, found->valid_from);
    return true;
}

// The delegated roles; false where the trust is not good (any more), or its first trustor has lost one of them.
bool trust_roles(Tx& tx, const Payload& payload, Micros now, Subject& s) {
    s.trust = find_trust(tx, payload.trust_id);
    if (!s.trust || s.trust->trustee_user_id != payload.user_id || s.trust->project_id != payload.scope_id) return false;
    const std::vector<TrustRecord> chain = pedigree_of(tx, *s.trust);
    if (chain.empty()) return false;
    for (const TrustRecord& link : chain) {
        const auto agent = find_user(tx, link.trustee_user_id);
        if (link.ended(now) || !agent || !agent->enabled) return false;
    }
    s.trustor = find_user(tx, s.trust->trustor_user_id);
    if (!s.trustor || !s.trustor->enabled) return false;
    s.trustor_domain = find_domain(tx, s.trustor->domain_id);
    if (!admit(s.trustor_domain, s.valid_from)) return false;
    s.valid_from = std::max(s.valid_from, s.trustor->valid_from);
    const std::set<std::string> held = role_ids_in_effect(tx, chain.back().trustor_user_id, Target::project, &*s.scope);
    const std::set<std::string> given = expand_roles(tx, s.trust->roles);
    if (!std::includes(held.begin(), held.end(), given.begin(), given.end())) return false;
    s.roles = load_roles(tx, given);
    return true;
}

// What the user authorized of what they have.
bool access_token_roles(Tx& tx, const Payload& payload, Subject& s) {
    const auto access = find_access_token(tx, payload.access_token_id);
    if (!access || access->user_id != payload.user_id || access->project_id != payload.scope_id) return false;
    s.consumer_id = access->consumer_id;
    const std::set<std::string> given = expand_roles(tx, access->roles);
    s.roles = roles_in_effect(tx, s.user.id, Target::project, &*s.scope);
    std::erase_if(s.roles, [&](const RoleRecord& role) { return !given.contains(role.id); });
    return true;
}

std::optional<Subject> load_subject(Tx& tx, const Payload& payload, Micros now) {
    auto user = find_user(tx, payload.user_id);
    if (!user || !user->enabled) return std::nullopt;
    Subject s{.user = std::move(*user)};
    s.valid_from = s.user.valid_from;
    const auto user_domain = find_domain(tx, s.user.domain_id);
    if (!admit(user_domain, s.valid_from)) return std::nullopt;
    s.user_domain = *user_domain;
    if (!payload.idp_id.empty() && !tx.one("SELECT 1 FROM identity_providers WHERE id = ?", {payload.idp_id})) return std::nullopt;
    if (payload.scope == Scope::none) return s;
    Target target = Target::system;
    if (payload.scope == Scope::project) {
        target = Target::project;
        s.scope = find_project(tx, payload.scope_id);
        if (!admit(s.scope, s.valid_from)) return std::nullopt;
        s.scope_domain = s.scope->is_domain ? s.scope : find_domain(tx, s.scope->domain_id);
        if (!admit(s.scope_domain, s.valid_from)) return std::nullopt;
    } else if (payload.scope == Scope::domain) {
        target = Target::domain;
        s.scope = find_domain(tx, payload.scope_id);
        if (!admit(s.scope, s.valid_from)) return std::nullopt;
    }
    bool good = true;
    if (!payload.trust_id.empty()) good = trust_roles(tx, payload, now, s);
    else if (!payload.access_token_id.empty()) good = access_token_roles(tx, payload, s);
    else s.roles = roles_in_effect(tx, s.user.id, target, s.scope ? &*s.scope : nullptr, payload.group_ids);
    if (!good || s.roles.empty()) return std::nullopt;
    return s;
}

// The enabled service providers, for every token; [] where there is none.
json::array service_providers(Tx& tx) {
    json::array out;
    for (const Row& row : tx.query("SELECT id, auth_url, sp_url FROM service_providers WHERE enabled = 1 ORDER BY id"))
        out.push_back(json::object{{"auth_url", row.at(1).text()}, {"id", row.at(0).text()}, {"sp_url", row.at(2).text()}});
    return out;
}

// The rules by their ids, as a token and an application credential show them.
json::array load_access_rules(Tx& tx, const std::vector<std::string>& ids, std::vector<AccessRule>& rules) {
    json::array out;
    const Values values(ids.begin(), ids.end());
    for (const Row& row :
         tx.query("SELECT id, service, path, method FROM access_rules WHERE id IN (" + marks(values.size()) + ") ORDER BY id", values)) {
        out.push_back(
            json::object{{"id", row.at(0).text()}, {"service", row.at(1).text()}, {"path", row.at(2).text()}, {"method", row.at(3).text()}});
        rules.push_back({row.at(1).text(), row.at(3).text(), row.at(2).text()});
    }
    return out;
}

// What an application credential narrows a token to; false where it is gone or has ended.
bool narrow(Tx& tx, const Payload& payload, Micros now, Subject& s, json::object& body) {
    const auto row = tx.one(
        "SELECT name, expires_at, unrestricted, roles, access_rules FROM application_credentials"
        " WHERE id = ? AND user_id = ? AND project_id = ?",
        {payload.application_credential_id, payload.user_id, payload.scope_id});
    if (!row) return false;
    const auto expires_at = (*row)["expires_at"].optional_integer();
    if (expires_at && *expires_at <= now) return false;
    const json::value roles = parse_json(row->text("roles"));
    std::erase_if(s.roles, [&](const RoleRecord& role) {
        const auto& listed = roles.as_array();
        return std::find(listed.begin(), listed.end(), json::value(role.id)) == listed.end();
    });
    json::object shown{{"id", payload.application_credential_id}, {"name", row->text("name")}, {"restricted", !row->boolean("unrestricted")}};
    if (!(*row)["access_rules"].is_null()) {
        s.access_rules = std::make_shared<std::vector<AccessRule>>();
        shown["access_rules"] = load_access_rules(tx, texts_in(row->text("access_rules")), *s.access_rules);
    }
    body["application_credential"] = std::move(shown);
    return !s.roles.empty();
}

Context context_of(const Payload& payload, const Subject& s) {
    Context who;
    who.user_id = s.shown_user().id;
    who.user_name = s.shown_user().name;
    who.user_domain_id = s.shown_domain().id;
    who.user_domain_name = s.shown_domain().name;
    who.access_rules = s.access_rules;
    if (payload.scope == Scope::project) {
        who.project_id = s.scope->id;
        who.project_name = s.scope->name;
        who.project_domain_id = s.scope_domain->id;
        who.project_domain_name = s.scope_domain->name;
    } else if (payload.scope == Scope::domain) {
        who.domain_id = s.scope->id;
        who.domain_name = s.scope->name;
    }
    who.system = payload.scope == Scope::system;
    for (const RoleRecord& role : s.roles) who.roles.push_back(role.name);
    who.is_admin = who.has_role("admin");
    who.expires_at = payload.expires_at;
    return who;
}

void render_scope(const Payload& payload, const Subject& s, json::object& body) {
    if (payload.scope == Scope::none) return;
    if (payload.scope == Scope::system) body["system"] = {{"all", true}};
    if (payload.scope == Scope::domain) body["domain"] = reference(s.scope->id, s.scope->name);
    if (payload.scope == Scope::project) {
        body["project"] = {{"domain", reference(s.scope_domain->id, s.scope_domain->name)}, {"id", s.scope->id}, {"name", s.scope->name}};
        if (!s.trust) body["is_domain"] = s.scope->is_domain;
    }
    if (s.trust)
        body["OS-TRUST:trust"] = {{"id", s.trust->id},
                                  {"trustor_user", {{"id", s.trust->trustor_user_id}}},
                                  {"trustee_user", {{"id", s.trust->trustee_user_id}}},
                                  {"impersonation", s.trust->impersonation}};
    if (!payload.access_token_id.empty()) body["OS-OAUTH1"] = {{"access_token_id", payload.access_token_id}, {"consumer_id", s.consumer_id}};
    json::array roles;
    for (const RoleRecord& role : s.roles) roles.push_back(reference(role.id, role.name));
    body["roles"] = std::move(roles);
}

json::object render(const Payload& payload, Micros issued_at, const Subject& s) {
    const UserRecord& user = s.shown_user();
    json::array methods, audit_ids;
    // An identity provider's user logged in by the method that is named as its protocol.
    for (const std::string& name : method_names(payload.methods))
        methods.emplace_back(name == "mapped" && !payload.idp_id.empty() ? payload.protocol_id : name);
    for (const std::string& id : payload.audit_ids) audit_ids.emplace_back(id);
    json::object body{
        {"methods", std::move(methods)},
        {"user",
         {{"domain", reference(s.shown_domain().id, s.shown_domain().name)},
          {"id", user.id},
          {"name", user.name},
          {"password_expires_at", user.password_expires_at ? json::value(iso8601_micros(*user.password_expires_at)) : json::value(nullptr)}}},
        {"audit_ids", std::move(audit_ids)},
        {"expires_at", iso8601_micros(payload.expires_at)},
        {"issued_at", iso8601_micros(issued_at)},
    };
    if (!payload.idp_id.empty()) {
        json::array groups;
        for (const std::string& id : payload.group_ids) groups.push_back(json::object{{"id", id}});
        json::object& shown = body["user"].as_object();
        shown.erase("password_expires_at");
        shown["OS-FEDERATION"] = {
            {"groups", std::move(groups)}, {"identity_provider", {{"id", payload.idp_id}}}, {"protocol", {{"id", payload.protocol_id}}}};
    }
    render_scope(payload, s, body);
    return body;
}

}  // namespace

std::string Token::body(bool with_catalog) const {
    if (!with_catalog || !catalog) return head + "}}";
    return head + ",\"catalog\":" + *catalog + "}}";
}

Tokens::Tokens(Store& store, const KeyRing& keys, TokenSettings settings, Clock clock)
    : store_(store), keys_(keys), settings_(settings), clock_(std::move(clock)), always_look_(store.is_postgresql()) {}

// Revisions only rise; two that commit at once may be seen in either order.
void Tokens::saw(std::int64_t revision) {
    std::int64_t before = revision_.load();
    while (before < revision && !revision_.compare_exchange_weak(before, revision)) {
    }
    if (before >= revision) return;
    epoch_.fetch_add(1);
    if (watcher_) watcher_();
}

void Tokens::changed(Tx& tx) {
    const std::int64_t revision = touch(tx);
    tx.after_commit([this, revision] {
        epoch_.fetch_add(1);  // also where another one has overtaken it
        saw(revision);
    });
}

void Tokens::look() {
    saw(store_.read([](Tx& tx) { return tx.scalar("SELECT value FROM revision WHERE id = 1").integer(); }));
}

void Tokens::look_for_foreign_changes() {
    if (always_look_) return look();
    const Micros now = clock_();
    Micros due = next_look_.load();
    if (now < due || !next_look_.compare_exchange_strong(due, now + settings_.foreign_changes_every)) return;
    look();
}

std::shared_ptr<const std::string> Tokens::catalog(Tx& tx, const Context& who) {
    const std::uint64_t epoch = epoch_.load();
    const std::vector<std::string> filtered = who.project_id.empty() ? std::vector<std::string>() : filtered_endpoints(tx, who.project_id);
    if (!filtered.empty()) {
        std::vector<CatalogService> services = load_catalog(tx);
        keep_only(services, filtered);
        return std::make_shared<const std::string>(to_text(render_catalog(services, who.project_id, who.user_id)));
    }
    if (!settings_.all_without_filter) return std::make_shared<const std::string>("[]");
    {
        const std::lock_guard lock(mutex_);
        if (catalog_ && catalog_epoch_ == epoch) return catalog_;
    }
    const std::vector<CatalogService> services = load_catalog(tx);
    auto text = std::make_shared<const std::string>(to_text(render_catalog(services, who.project_id, who.user_id)));
    if (depends_on_token(services)) return text;
    const std::lock_guard lock(mutex_);
    catalog_ = text;
    catalog_epoch_ = epoch;
    return text;
}

std::shared_ptr<const Token> Tokens::make(Tx& tx, const Payload& payload, Micros issued_at) {
    auto subject = load_subject(tx, payload, clock_());
    if (!subject || issued_at / second < subject->valid_from) return nullptr;
    if (tx.one("SELECT 1 FROM revoked_tokens WHERE audit_id = ?", {payload.audit_ids.front()})) return nullptr;
    auto token = std::make_shared<Token>();
    json::object extra;
    if (!payload.application_credential_id.empty() && !narrow(tx, payload, clock_(), *subject, extra)) return nullptr;
    token->payload = payload;
    token->issued_at = issued_at;
    token->good_until = first_membership_end(tx, payload.user_id).value_or(0);
    token->who = context_of(payload, *subject);
    json::object body = render(payload, issued_at, *subject);
    for (auto& member : extra) body[member.key()] = std::move(member.value());
    if (json::array providers = service_providers(tx); !providers.empty()) body["service_providers"] = std::move(providers);
    token->head = to_text(json::object{{"token", std::move(body)}});
    token->head.resize(token->head.size() - 2);  // "}}" comes back behind the catalogue
    if (payload.scope != Scope::none) token->catalog = catalog(tx, token->who);
    return token;
}

void Tokens::keep(const std::string& text, std::shared_ptr<const Token> token, std::uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    if (cache_.size() >= settings_.cached) {
        // Stale ones first; then any eighth, so that a full cache is not swept on every request.
        std::erase_if(cache_, [&](const auto& entry) { return entry.second.epoch != epoch; });
        for (std::size_t i = cache_.size() >= settings_.cached ? settings_.cached / 8 + 1 : 0; i > 0 && !cache_.empty(); --i)
            cache_.erase(cache_.begin());
    }
    cache_.insert_or_assign(text, Cached{std::move(token), epoch});
}

std::string Tokens::seal(std::int64_t created_at, const Payload& payload) const {
    if (!issue_jws_) return fernet_seal(keys_.keys()->front(), created_at, pack_payload(payload));
    const auto keys = jws_->keys();
    if (!keys->signing) throw Error(Errc::internal, "there is no key that signs tokens");
    return jws_seal(*keys->signing, created_at, payload);
}

// Either kind, whichever is issued: a change of provider ends no token.
std::optional<JwsMessage> Tokens::open(std::string_view text) const {
    if (text.find('.') != text.npos) return jws_ ? jws_open(jws_->keys()->verifying, text) : std::nullopt;
    const auto message = fernet_open(*keys_.keys(), text);
    if (!message) return std::nullopt;
    auto payload = unpack_payload(message->text);
    return payload ? std::optional(JwsMessage{message->created_at, std::move(*payload)}) : std::nullopt;
}

std::shared_ptr<const Token> Tokens::find(std::string_view text, Micros window) {
    look_for_foreign_changes();
    const std::uint64_t epoch = epoch_.load();
    const Micros now = clock_();
    const std::string key(text);
    {
        const std::lock_guard lock(mutex_);
        const auto cached = cache_.find(key);
        if (cached != cache_.end() && cached->second.epoch == epoch &&
            (cached->second.token->good_until == 0 || now_micros() < cached->second.token->good_until)) {
            const auto& token = cached->second.token;
            return now < token->payload.expires_at + window ? token : nullptr;
        }
    }
    const auto message = open(text);
    if (!message || now >= message->payload.expires_at + window) return nullptr;
    auto token = store_.read([&](Tx& tx) { return make(tx, message->payload, message->created_at * second); });
    if (token) keep(key, token, epoch);
    return token;
}

std::optional<Context> Tokens::authenticate(std::string_view text, bool allow_expired) {
    const auto token = find(text, allow_expired ? settings_.expired_window : 0);
    return token ? std::optional(token->who) : std::nullopt;
}

std::optional<Tokens::Issued> Tokens::issue(Payload payload) {
    look_for_foreign_changes();
    const std::uint64_t epoch = epoch_.load();
    const Micros now = clock_();
    if (payload.expires_at == 0) payload.expires_at = now + settings_.lifetime;
    if (issue_jws_) payload.expires_at = payload.expires_at / second * second;  // all that its claims can say
    payload.audit_ids.insert(payload.audit_ids.begin(), new_audit_id());
    std::int64_t created_at = now / second;
    auto token = store_.read([&](Tx& tx) -> std::shared_ptr<const Token> {
        const auto subject = load_subject(tx, payload, clock_());
        if (!subject) return nullptr;
        // A Fernet token knows whole seconds only: one made in the second of a password change has to count as made after it.
        created_at = std::max(created_at, subject->valid_from);
        return make(tx, payload, created_at * second);
    });
    if (!token) return std::nullopt;
    Issued issued{seal(created_at, payload), std::move(token)};
    keep(issued.text, issued.token, epoch);
    return issued;
}

void Tokens::record_revocation(Tx& tx, json::object what) {
    const Micros now = clock_();
    what["revoked_at"] = iso8601_micros(now);
    what["issued_before"] = iso8601_micros(now);
    tx.exec("DELETE FROM revocation_events WHERE revoked_at < ?", {now - settings_.lifetime - settings_.expired_window});
    tx.insert("revocation_events", {{"id", new_hex_id()}, {"revoked_at", now}, {"event", to_text(what)}});
}

void Tokens::revoke(const Token& token) {
    store_.write([&](Tx& tx) {
        record_revocation(tx, {{"audit_id", token.payload.audit_ids.front()}});
        tx.exec("DELETE FROM revoked_tokens WHERE expires_at < ?", {clock_()});
        tx.exec("INSERT INTO revoked_tokens (audit_id, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                {token.payload.audit_ids.front(), token.payload.expires_at + settings_.expired_window});
        changed(tx);
    });
}

}  // namespace pilvi::identity
