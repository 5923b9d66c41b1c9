#include "auth/federation.h"

#include <algorithm>
#include <set>

#include "app.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/net.h"
#include "base/text.h"
#include "base/url.h"
#include "domain/digest.h"
#include "domain/mapping.h"

namespace pilvi::identity {

namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(Errc::unauthenticated, why); }
[[noreturn]] void refuse_method() { refuse("Attempted to authenticate with an unsupported method."); }

// Header values are UTF-8, or ISO 8859-1 as RFC 7230 has it.
std::string utf8_of(std::string_view value) {
    if (is_utf8(value)) return std::string(value);
    std::string out;
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xc0 | byte >> 6);
            out += static_cast<char>(0x80 | (byte & 0x3f));
        }
    }
    return out;
}

// What the web server says of the user. A header that is there twice may be half the user's own: nothing is believed then.
Assertion assertion_of(const api::Call& call) {
    const FederationSettings& federation = call.app<App>().federation;
    const http::Headers& headers = call.request.headers;
    if (federation.listen.empty() || headers.get("X-Pilvi-Listener") != front_door_tag || headers.count("X-Pilvi-Listener") != 1) refuse_method();
    const std::string secret_header = federation.header_prefix + "Secret";
    if (!federation.secret.empty() &&
        (headers.count(secret_header) != 1 || !equals_constant_time(headers.get(secret_header), federation.secret.reveal())))
        refuse_method();
    Assertion out;
    std::set<std::string> seen;
    for (const auto& [name, value] : headers.items()) {
        if (name.size() <= federation.header_prefix.size() ||
            !equals_ignoring_case(std::string_view(name).substr(0, federation.header_prefix.size()), federation.header_prefix) ||
            equals_ignoring_case(name, secret_header))
            continue;
        const std::string attribute = name.substr(federation.header_prefix.size());
        if (!seen.insert(lower(attribute)).second) refuse("The attribute " + attribute.substr(0, 100) + " is asserted twice.");
        out[attribute] = utf8_of(value);
    }
    return out;
}

struct Provider {
    bool keeps_groups = false;  // memberships outlive the token
    std::string domain_id, protocol_id, mapping_id, remote_id_attribute;
    std::vector<std::string> remote_ids;
};

Provider load_provider(Tx& tx, const FederationSettings& federation, const std::string& idp, const std::string& protocol_id) {
    const auto row = tx.one("SELECT enabled, domain_id, authorization_ttl FROM identity_providers WHERE id = ?", {idp});
    if (!row) throw Error(Errc::not_found, "Could not find Identity Provider: " + idp + ".");
    if (!row->boolean("enabled")) throw Error(Errc::forbidden, "Identity Provider " + idp + " is disabled");
    const auto protocol = tx.one("SELECT mapping_id, remote_id_attribute FROM federation_protocols WHERE idp_id = ? AND id = ?", {idp, protocol_id});
    if (!protocol) throw Error(Errc::not_found, "Could not find federated protocol " + protocol_id + " for Identity Provider: " + idp + ".");
    Provider out{row->integer("authorization_ttl") > 0,
                 row->text("domain_id"),
                 protocol_id,
                 protocol->text("mapping_id"),
                 protocol->text("remote_id_attribute"),
                 {}};
    if (out.remote_id_attribute.empty()) out.remote_id_attribute = federation.remote_id_attribute;
    for (const Row& remote : tx.query("SELECT remote_id FROM identity_provider_remote_ids WHERE idp_id = ?", {idp}))
        out.remote_ids.push_back(remote.at(0).text());
    return out;
}

// Where the provider's remote ids are known, the assertion must come from one of them.
void check_remote_id(const Provider& provider, const Assertion& assertion) {
    if (provider.remote_id_attribute.empty() || provider.remote_ids.empty()) return;
    const auto remote = assertion.find(provider.remote_id_attribute);
    if (remote == assertion.end()) refuse("Could not find Identity Provider identifier in environment");
    if (std::find(provider.remote_ids.begin(), provider.remote_ids.end(), remote->second) == provider.remote_ids.end())
        throw Error(Errc::forbidden, "Incoming identity provider identifier not included among the accepted identifiers.");
}

Mapped apply(Tx& tx, const Provider& provider, const Assertion& assertion) {
    const auto rules = tx.one("SELECT rules FROM federation_mappings WHERE id = ?", {provider.mapping_id});
    if (!rules) throw Error(Errc::not_found, "Could not find mapping: " + provider.mapping_id + ".");
    try {
        const json::value list = parse_json(rules->text("rules"));
        return apply_mapping(list.as_array(), assertion);
    } catch (const Error& error) {
        if (error.code() == Errc::bad_request) refuse(error.message());
        throw;
    }
}

// Groups by id have to be there; those by name that are not are left out, as in the original.
std::vector<std::string> group_ids(Tx& tx, const Provider& provider, const Mapped& mapped) {
    std::set<std::string> out;
    for (const std::string& id : mapped.group_ids) {
        if (!tx.one("SELECT 1 FROM user_groups WHERE id = ?", {id}))
            throw Error(Errc::internal, "Group " + id + " returned by mapping " + provider.mapping_id + " was not found in the backend.");
        out.insert(id);
    }
    for (const MappedGroup& group : mapped.groups) {
        const auto domain = group.domain.id.empty() ? find_domain_by_name(tx, group.domain.name) : find_domain(tx, group.domain.id);
        if (!domain) throw Error(Errc::not_found, "Could not find domain: " + (group.domain.id.empty() ? group.domain.name : group.domain.id) + ".");
        if (const auto row = tx.one("SELECT id FROM user_groups WHERE domain_id = ? AND name = ?", {domain->id, group.name}))
            out.insert(row->at(0).text());
    }
    if (out.size() > most_token_groups) throw Error(Errc::internal, "a mapping gives more than 100 groups");
    return {out.begin(), out.end()};
}

std::string local_user(Tx& tx, const Mapped& mapped) {
    std::optional<UserRecord> user;
    if (!mapped.user_name.empty()) {
        const DomainReference& named = mapped.user_domain;
        const auto domain = named.name.empty() ? find_domain(tx, named.id) : find_domain_by_name(tx, named.name);
        if (domain && domain->enabled) user = find_user(tx, mapped.user_name, domain->id);
    } else {
        user = find_user(tx, mapped.user_id);
    }
    if (!user || !user->enabled) refuse("The request you have made requires authentication.");
    return user->id;
}

struct Names {
    std::string unique_id, display_name;
};

// The id that is unique within the provider, and the name that is shown.
Names names_of(const Mapped& mapped, const Assertion& assertion) {
    const auto remote = assertion.find("REMOTE_USER");
    const std::string name = !mapped.user_name.empty() ? mapped.user_name : remote != assertion.end() ? remote->second : std::string();
    if (mapped.user_id.empty() && name.empty())
        refuse(
            "Could not map user while setting ephemeral user identity. Either mapping rules must specify user id/name or REMOTE_USER environment "
            "variable must be set.");
    Names out{percent_encode(mapped.user_id.empty() ? name : mapped.user_id), name.empty() ? mapped.user_id : name};
    for (std::size_t at; (at = out.unique_id.find("%2F")) != std::string::npos;) out.unique_id.replace(at, 3, "/");  // as urllib quotes
    if (out.unique_id.size() > 255 || utf8_length(out.display_name) > 255) refuse("The name of the user is too long.");
    return out;
}

// The row that stands for the provider's user; made at the first login. Sets `changed` where it wrote.
std::string shadow_user(Tx& tx, const Provider& provider, const std::string& idp, const Names& names, const std::string& email, bool& changed) {
    const auto known = tx.one("SELECT user_id, display_name FROM federated_users WHERE idp_id = ? AND protocol_id = ? AND unique_id = ?",
                              {idp, provider.protocol_id, names.unique_id});
    const std::string id = known ? known->text("user_id") : sha256_hex(provider.domain_id + "user" + names.unique_id);
    if (!known) {
        changed = true;
        if (tx.one("SELECT 1 FROM users WHERE id = ?", {id}))
            throw Error(Errc::conflict, "Conflict occurred attempting to store federated_user - Duplicate entry found with ID " + id + ".");
        tx.insert("users", {{"id", id},
                            {"name", names.display_name},
                            {"domain_id", provider.domain_id},
                            {"enabled", 1},
                            {"valid_from", 0},
                            {"options", "{}"},
                            {"extra", "{}"},
                            {"kind", "federated"}});
        tx.insert("federated_users", {{"idp_id", idp},
                                      {"protocol_id", provider.protocol_id},
                                      {"unique_id", names.unique_id},
                                      {"user_id", id},
                                      {"display_name", names.display_name}});
    } else if (known->text("display_name") != names.display_name) {
        changed = true;
        tx.exec("UPDATE federated_users SET display_name = ? WHERE idp_id = ? AND protocol_id = ? AND unique_id = ?",
                {names.display_name, idp, provider.protocol_id, names.unique_id});
        tx.exec("UPDATE users SET name = ? WHERE id = ? AND kind = 'federated'", {names.display_name, id});
    }
    if (email.empty()) return id;
    const json::value before = parse_json(tx.scalar("SELECT extra FROM users WHERE id = ?", {id}).text());
    json::object extra = before.as_object();
    if (string_or(extra, "email") == email) return id;
    extra["email"] = email;
    changed = true;
    tx.exec("UPDATE users SET extra = ? WHERE id = ?", {to_text(extra), id});
    return id;
}

// Every role that a mapping's projects name: it must be there, and for everyone or of the provider's domain.
std::map<std::string, std::string> provision_roles(Tx& tx, const Provider& provider, const std::string& idp, const Mapped& mapped) {
    std::map<std::string, std::string> out;
    for (const MappedProject& project : mapped.projects)
        for (const std::string& name : project.roles) {
            if (out.contains(name)) continue;
            const auto row = tx.one("SELECT id, domain_id FROM roles WHERE name = ? AND (domain_id IS NULL OR domain_id = ?) ORDER BY domain_id",
                                    {name, provider.domain_id});
            if (!row && tx.one("SELECT 1 FROM roles WHERE name = ?", {name}))
                throw Error(Errc::forbidden, "role: " + name + " must be within the same domain as the identity provider: " + idp + ".");
            if (!row) throw Error(Errc::not_found, "Could not find role: " + name + ".");
            out[name] = row->text("id");
        }
    return out;
}

// Makes the projects of the mapping in the provider's domain where they are missing, and gives the user its roles there. True where it wrote.
bool provision_projects(Tx& tx, const Provider& provider, const std::string& idp, const Mapped& mapped, const std::string& user_id) {
    bool changed = false;
    const std::map<std::string, std::string> roles = provision_roles(tx, provider, idp, mapped);
    for (const MappedProject& wanted : mapped.projects) {
        if (trim(wanted.name).empty() || utf8_length(wanted.name) > 64) throw Error(Errc::bad_request, "A project's name has 1 to 64 characters.");
        std::string project_id;
        if (const auto project = find_project(tx, wanted.name, provider.domain_id)) {
            project_id = project->id;
        } else {
            project_id = new_hex_id();
            changed = true;
            tx.insert("projects", {{"id", project_id},
                                   {"name", wanted.name},
                                   {"domain_id", provider.domain_id},
                                   {"parent_id", provider.domain_id},
                                   {"description", ""},
                                   {"enabled", 1},
                                   {"is_domain", 0},
                                   {"options", "{}"},
                                   {"valid_from", 0},
                                   {"extra", "{}"}});
        }
        for (const std::string& role : wanted.roles)
            changed |= tx.exec(
                           "INSERT INTO assignments (actor_type, actor_id, target_type, target_id, role_id, inherited)"
                           " VALUES ('user', ?, 'project', ?, ?, 0) ON CONFLICT DO NOTHING",
                           {user_id, project_id, roles.at(role)}) > 0;
    }
    return changed;
}

void remember_groups(Tx& tx, const std::string& user_id, const std::string& idp, const std::vector<std::string>& groups, Micros now) {
    for (const std::string& group : groups)
        tx.exec(
            "INSERT INTO expiring_group_members (user_id, group_id, idp_id, last_verified) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (user_id, group_id, idp_id) DO UPDATE SET last_verified = excluded.last_verified",
            {user_id, group, idp, now});
}

}  // namespace

FederationSettings federation_settings(const Config& config, bool checking) {
    FederationSettings out{.listen = config.text("federation.listen"),
                           .header_prefix = config.text("federation.header_prefix"),
                           .secret = {},
                           .remote_id_attribute = config.text("federation.remote_id_attribute"),
                           .trusted_dashboards = config.list("federation.trusted_dashboards")};
    if (out.header_prefix.empty()) throw Error(Errc::bad_request, "federation.header_prefix must not be empty: every header would assert something");
    for (const std::string& dashboard : out.trusted_dashboards)
        if ((!dashboard.starts_with("http://") && !dashboard.starts_with("https://")) || !parsable_url(dashboard))
            throw Error(Errc::bad_request, "federation.trusted_dashboards: '" + dashboard + "' is no URL");
    if (out.listen.empty()) return out;
    try {
        out.secret = Secret(read_credential("federation-secret"));
    } catch (const Error& missing) {
        if (missing.code() != Errc::not_found) throw;
    }
    if (out.listen.starts_with("unix:/")) return out;
    const std::size_t colon = out.listen.rfind(':');
    const auto address = colon == std::string::npos ? std::nullopt : IpAddress::parse(out.listen.substr(0, colon));
    const auto port = colon == std::string::npos ? std::nullopt : parse_integer(out.listen.substr(colon + 1));
    if (!address || !port || *port < 0 || *port > 65535) throw Error(Errc::bad_request, "federation.listen must be unix:/PATH or 127.0.0.1:PORT");
    if (!address->is_loopback())
        throw Error(Errc::bad_request, "federation.listen must be an address of this machine alone: what comes in there is believed");
    // Anything on this machine can connect to a port.
    if (checking && !std::getenv("CREDENTIALS_DIRECTORY")) return out;
    if (out.secret.reveal().size() < 16)
        throw Error(Errc::bad_request, "a federation.listen port needs the credential federation-secret, of 16 characters at least");
    return out;
}

int open_front_door(http::Server& server, const FederationSettings& federation) {
    if (federation.listen.empty()) return 0;
    if (federation.listen.starts_with("unix:")) {
        server.listen_unix(federation.listen.substr(5), 0660, std::string(front_door_tag));
        return 0;
    }
    const std::size_t colon = federation.listen.rfind(':');
    return server.listen(federation.listen.substr(0, colon), std::stoi(federation.listen.substr(colon + 1)), std::string(front_door_tag));
}

void log_in_mapped(const api::Call& call, const std::string& idp_id, const std::string& protocol_id, Payload& payload) {
    const Assertion assertion = assertion_of(call);
    App& shared = call.app<App>();
    const Micros now = shared.tokens.now();
    Provider provider;
    const Mapped mapped = call.store().read([&](Tx& tx) {
        provider = load_provider(tx, shared.federation, idp_id, protocol_id);
        check_remote_id(provider, assertion);
        return apply(tx, provider, assertion);
    });
    payload.methods |= Method::mapped;
    if (mapped.local) {
        payload.user_id = call.store().read([&](Tx& tx) { return local_user(tx, mapped); });
        return;
    }
    const Names names = names_of(mapped, assertion);
    call.store().write([&](Tx& tx) {
        payload.group_ids = group_ids(tx, provider, mapped);
        bool changed = provider.keeps_groups && !payload.group_ids.empty();
        payload.user_id = shadow_user(tx, provider, idp_id, names, mapped.email, changed);
        changed |= provision_projects(tx, provider, idp_id, mapped, payload.user_id);
        remember_groups(tx, payload.user_id, idp_id, payload.group_ids, now);
        if (changed) shared.tokens.changed(tx);
    });
    payload.idp_id = idp_id;
    payload.protocol_id = protocol_id;
}

std::string provider_of_assertion(const api::Call& call, const std::string& protocol_id) {
    const Assertion assertion = assertion_of(call);
    const std::string& fallback = call.app<App>().federation.remote_id_attribute;
    return call.store().read([&](Tx& tx) -> std::string {
        for (const Row& row : tx.query("SELECT remote_id_attribute FROM federation_protocols WHERE id = ? ORDER BY idp_id", {protocol_id})) {
            const auto remote = assertion.find(row.at(0).is_null() ? fallback : row.at(0).text());
            if (remote == assertion.end() || remote->second.empty()) continue;
            const auto provider = tx.one("SELECT idp_id FROM identity_provider_remote_ids WHERE remote_id = ?", {remote->second});
            if (!provider) throw Error(Errc::not_found, "Could not find Identity Provider: " + remote->second.substr(0, 200) + ".");
            return provider->at(0).text();
        }
        refuse("Missing entity ID from environment");
    });
}

}  // namespace pilvi::identity
