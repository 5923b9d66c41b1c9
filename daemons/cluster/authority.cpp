#include "authority.h"

#include <openssl/sha.h>
#include <sodium.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/ids.h"
#include "base/text.h"

namespace pilvi::cluster {
namespace {

std::string digest_of(std::string_view secret) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), digest);
    return hex({reinterpret_cast<const char*>(digest), sizeof digest});
}

std::string new_secret() {
    unsigned char bytes[32];
    randombytes_buf(bytes, sizeof bytes);
    return hex({reinterpret_cast<const char*>(bytes), sizeof bytes});
}

const std::string accepted_prefix = "accepted-";
constexpr Micros accepted_life = 7 * day;

void check_name(const std::string& name) {
    if (!is_node_name(name)) throw Error(Errc::bad_request, "the name of a node has letters, digits, '-' and '.' only, at most 63");
}

// Sorted, each once; Error(bad_request) where one does not exist.
std::vector<std::string> checked_roles(const std::vector<std::string>& roles) {
    const std::set<std::string> set(roles.begin(), roles.end());
    if (set.empty()) throw Error(Errc::bad_request, "a node has at least one role");
    for (const std::string& role : set)
        if (std::ranges::find(known_roles(), role) == known_roles().end()) throw Error(Errc::bad_request, "there is no role " + role);
    return {set.begin(), set.end()};
}

// A node that was removed and still has its files is nobody yet: the token alone lets it in, as any other machine.
bool was_removed(Tx& tx, const std::string& certificate) {
    return tx.scalar("SELECT count(*) FROM nodes WHERE id = ? AND removed_at IS NOT NULL", {pki::Certificate::from_pem(certificate).id()})
               .integer() != 0;
}

}  // namespace

const std::vector<std::string>& known_roles() {
    static const std::vector<std::string> roles{"compute", "controller", "network", "storage"};
    return roles;
}

bool is_node_name(std::string_view name) {
    return !name.empty() && name.size() <= 63 && name.front() != '-' && name.front() != '.' && name.back() != '.' &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == std::string_view::npos &&
           name.find("..") == std::string_view::npos;
}

struct Authority::Issuer {
    std::int64_t number;
    pki::Certificate certificate;
    pki::Key key;
    std::string crosses;
};

Authority::Issuer Authority::newest(Tx& tx) {
    const auto row = tx.one("SELECT number, certificate, private_key, crosses FROM authorities ORDER BY number DESC LIMIT 1");
    if (!row) throw Error(Errc::unavailable, "the cluster has no authority yet");
    return {row->integer("number"), pki::Certificate::from_pem(row->text("certificate")), pki::Key::from_pem(row->text("private_key")),
            row->text("crosses")};
}

bool Authority::advance() {
    const auto due = [&](Tx& tx) {
        const auto row = tx.one("SELECT certificate FROM authorities ORDER BY number DESC LIMIT 1");
        if (!row) return true;
        const pki::Certificate newest_one = pki::Certificate::from_pem(row->text("certificate"));
        return clock_() >= renewal_due(newest_one.not_before(), newest_one.not_after());
    };
    if (!store_.read(due)) return false;
    return store_.write([&](Tx& tx) {
        if (!due(tx)) return false;
        const Micros now = clock_();
        const pki::Key key = pki::Key::generate();
        const pki::Certificate certificate =
            pki::make_authority(key, "Pilvi cluster CA " + key.fingerprint().substr(0, 12), {now - terms_.backdate, now + terms_.authority});
        std::string crosses;
        std::int64_t number = 1;
        if (tx.scalar("SELECT count(*) FROM authorities").integer() != 0) {
            const Issuer before = newest(tx);
            // Who trusts any older one finds a way: the crosses of those before lead to the one that signs here.
            crosses = pki::cross_sign(certificate, before.certificate, before.key).pem() + before.crosses;
            number = before.number + 1;
        }
        tx.insert("authorities",
                  {{"number", number}, {"certificate", certificate.pem()}, {"private_key", key.pem()}, {"crosses", crosses}, {"created_at", now}});
        return true;
    });
}

// ---- tokens

Token Authority::make_token(const std::vector<std::string>& roles, Micros life) {
    Token token{.id = new_uuid(), .text = "", .roles = checked_roles(roles), .expires_at = clock_() + life};
    const std::string secret = new_secret();
    store_.write([&](Tx& tx) {
        token.text = "pilvi1." + newest(tx).certificate.key().fingerprint() + "." + secret;
        tx.insert("tokens", {{"hash", digest_of(secret)},
                             {"id", token.id},
                             {"roles", pilvi::join(token.roles, ",")},
                             {"created_at", clock_()},
                             {"expires_at", token.expires_at}});
        // Those of the last year are kept for who asks how a node came.
        tx.exec("DELETE FROM tokens WHERE expires_at < ?", {clock_() - 365 * day});
    });
    return token;
}

json::array Authority::tokens() {
    return store_.read([&](Tx& tx) {
        json::array out;
        for (const Row& row :
             tx.query("SELECT t.id, t.roles, t.created_at, t.expires_at, t.used_at, n.name FROM tokens t LEFT JOIN nodes n ON n.id = "
                      "t.node_id ORDER BY t.created_at, t.id"))
            out.push_back(json::object{{"id", row.text("id")},
                                       {"roles", json::value_from(split(row.text("roles"), ','))},
                                       {"created_at", iso8601(row.integer("created_at"))},
                                       {"expires_at", iso8601(row.integer("expires_at"))},
                                       {"expired", row.integer("expires_at") <= clock_()},
                                       {"used_at", row["used_at"].is_null() ? json::value(nullptr) : json::value(iso8601(row.integer("used_at")))},
                                       {"node", row["name"].is_null() ? json::value(nullptr) : json::value(row.text("name"))}});
        return out;
    });
}

void Authority::remove_token(const std::string& id) {
    if (store_.write([&](Tx& tx) { return tx.exec("DELETE FROM tokens WHERE id = ?", {id}); }) == 0)
        throw Error(Errc::not_found, "there is no token " + id);
}

// ---- certificates

Membership Authority::certify(Tx& tx, const std::string& id, const pki::PublicKey& key) {
    const auto node = tx.one("SELECT name, roles FROM nodes WHERE id = ? AND removed_at IS NULL", {id});
    if (!node) throw Error(Errc::forbidden, "the node is not a member of this cluster");
    const Issuer issuer = newest(tx);
    const Micros now = clock_();
    Membership out{.id = id, .name = node->text("name"), .roles = split(node->text("roles"), ','), .certificate = "", .trust = ""};
    pki::Subject subject{.name = out.name, .id = id, .roles = out.roles, .dns_names = {out.name + ".node.pilvi.internal"}};
    if (std::ranges::find(out.roles, "controller") != out.roles.end()) subject.dns_names.emplace_back("controller.pilvi.internal");
    const pki::Certificate certificate = pki::issue(key, subject, {now - terms_.backdate, now + terms_.certificate}, issuer.certificate, issuer.key);
    tx.insert(
        "certificates",
        {{"serial", certificate.serial()}, {"authority", issuer.number}, {"node_id", id}, {"issued_at", now}, {"ends_at", certificate.not_after()}});
    tx.exec("UPDATE nodes SET seen_at = ?, certified_until = ? WHERE id = ?", {now, certificate.not_after(), id});
    // What ended long ago needs no place on a revocation list.
    tx.exec("DELETE FROM certificates WHERE ends_at < ? AND revoked_at IS NULL", {now - terms_.renewal_grace});
    out.certificate = certificate.pem() + issuer.crosses;
    out.trust = trust_in(tx);
    return out;
}

// The id of the member that the certificate is of, after it has proved that it has its key.
std::string Authority::prove(Tx& tx, const std::string& text, const std::string& request, const std::string& signature) {
    const auto refuse = [](const char* why) -> Error { return {Errc::forbidden, why}; };
    const pki::Certificate certificate = pki::Certificate::from_pem(text);
    bool ours = false;
    for (const Row& row : tx.query("SELECT certificate FROM authorities"))
        ours = ours || certificate.signed_by(pki::Certificate::from_pem(row.text("certificate")));
    if (!ours) throw refuse("the certificate is not of this cluster");
    if (!certificate.key().verify(request, signature)) throw refuse("the request is not signed with the certificate's key");
    if (tx.scalar("SELECT count(*) FROM certificates WHERE serial = ? AND revoked_at IS NOT NULL", {certificate.serial()}).integer() != 0)
        throw refuse("the certificate is revoked: the node was removed from the cluster");
    if (certificate.not_after() + terms_.renewal_grace < clock_()) throw refuse("the certificate ended too long ago: join again with a token");
    return certificate.id();
}

// The new member's id.
std::string Authority::add_node(Tx& tx, const std::string& name, const std::vector<std::string>& roles) {
    const std::string id = new_uuid();
    const Micros now = clock_();
    try {
        tx.insert("nodes", {{"id", id},
                            {"name", name},
                            {"roles", pilvi::join(checked_roles(roles), ",")},
                            {"joined_at", now},
                            {"seen_at", now},
                            {"certified_until", now}});
    } catch (const UniqueViolation&) {
        throw Error(Errc::conflict, "there is a node " + name +
                                        " already: give this one another host name, or remove that one first "
                                        "(pilvi node remove " +
                                        name + ")");
    }
    return id;
}

Membership Authority::join(const JoinRequest& request) {
    check_name(request.name);
    const pki::PublicKey key = pki::key_of_request(request.request);
    const std::string hash = digest_of(request.token), fingerprint = key.fingerprint();
    return store_.write([&](Tx& tx) {
        const Micros now = clock_();
        // The condition is what makes a token one-time, whoever else tries at this moment.
        const bool first = tx.exec("UPDATE tokens SET used_at = ?, used_by = ? WHERE hash = ? AND used_at IS NULL AND expires_at > ?",
                                   {now, fingerprint, hash, now}) == 1;
        const auto token = tx.one("SELECT roles, node_id FROM tokens WHERE hash = ? AND used_by = ? AND expires_at > ?", {hash, fingerprint, now});
        if (!token) throw Error(Errc::forbidden, "the token is wrong, was used or has expired: make another with pilvi token create");
        if (!first) return certify(tx, token->text("node_id"), key);
        std::string id;
        std::vector<std::string> roles = split(token->text("roles"), ',');
        if (!request.certificate.empty() && !was_removed(tx, request.certificate)) {
            id = prove(tx, request.certificate, request.request, request.signature);
            for (const std::string& role : split(tx.scalar("SELECT roles FROM nodes WHERE id = ?", {id}).text(), ',', false)) roles.push_back(role);
            tx.exec("UPDATE nodes SET roles = ? WHERE id = ?", {pilvi::join(checked_roles(roles), ","), id});
        } else {
            id = add_node(tx, request.name, roles);
        }
        tx.exec("UPDATE tokens SET node_id = ? WHERE hash = ?", {id, hash});
        return certify(tx, id, key);
    });
}

// A token that is bound to a key from its beginning: no secret leads to it, as no digest begins so.
void Authority::accept(const std::string& name, const std::vector<std::string>& roles, const pki::Fingerprint& key) {
    check_name(name);
    const std::vector<std::string> wanted = checked_roles(roles);
    store_.write([&](Tx& tx) {
        const Micros now = clock_();
        tx.exec("DELETE FROM tokens WHERE hash = ?", {accepted_prefix + key});
        tx.insert("tokens", {{"hash", accepted_prefix + key},
                             {"id", new_uuid()},
                             {"roles", pilvi::join(wanted, ",")},
                             {"created_at", now},
                             {"expires_at", now + accepted_life},
                             {"used_at", now},
                             {"used_by", key},
                             {"node_id", add_node(tx, name, wanted)}});
    });
}

std::optional<Membership> Authority::accepted(const pki::PublicKey& key) {
    const auto node = [&](Tx& tx) -> std::optional<std::string> {
        const auto row =
            tx.one("SELECT t.node_id FROM tokens t JOIN nodes n ON n.id = t.node_id WHERE t.hash = ? AND t.expires_at > ? AND n.removed_at IS NULL",
                   {accepted_prefix + key.fingerprint(), clock_()});
        if (!row) return std::nullopt;
        return row->text("node_id");
    };
    if (!store_.read(node)) return std::nullopt;  // most ask many times before they are accepted
    return store_.write([&](Tx& tx) -> std::optional<Membership> {
        const auto id = node(tx);
        if (!id) return std::nullopt;
        return certify(tx, *id, key);
    });
}

Membership Authority::renew(const RenewRequest& request) {
    const pki::PublicKey key = pki::key_of_request(request.request);
    return store_.write([&](Tx& tx) {
        const std::string id = prove(tx, request.certificate, request.request, request.signature);
        if (request.roles) {
            const std::vector<std::string> wanted = checked_roles(*request.roles),
                                           had = split(tx.scalar("SELECT roles FROM nodes WHERE id = ?", {id}).text(), ',', false);
            for (const std::string& role : wanted)
                if (std::ranges::find(had, role) == had.end())
                    throw Error(Errc::forbidden, "the node has not the role " + role + ": a role is added with a token (pilvi join)");
            tx.exec("UPDATE nodes SET roles = ? WHERE id = ?", {pilvi::join(wanted, ","), id});
        }
        return certify(tx, id, key);
    });
}

Membership Authority::certify_controller(const std::string& name, const pki::PublicKey& key) {
    if (!is_node_name(name)) throw Error(Errc::bad_request, "this machine's host name cannot be a node's: " + name);
    return store_.write([&](Tx& tx) {
        const auto node = tx.one("SELECT id, roles FROM nodes WHERE name = ? AND removed_at IS NULL", {name});
        std::string id = node ? node->text("id") : new_uuid();
        if (!node)
            tx.insert(
                "nodes",
                {{"id", id}, {"name", name}, {"roles", "controller"}, {"joined_at", clock_()}, {"seen_at", clock_()}, {"certified_until", clock_()}});
        return certify(tx, id, key);
    });
}

// ---- nodes

json::array Authority::nodes() {
    return store_.read([&](Tx& tx) {
        json::array out;
        for (const Row& row :
             tx.query("SELECT id, name, roles, joined_at, seen_at, certified_until FROM nodes WHERE removed_at IS NULL ORDER BY name"))
            out.push_back(json::object{{"id", row.text("id")},
                                       {"name", row.text("name")},
                                       {"roles", json::value_from(split(row.text("roles"), ','))},
                                       {"joined_at", iso8601(row.integer("joined_at"))},
                                       {"renewed_at", iso8601(row.integer("seen_at"))},
                                       {"certified_until", iso8601(row.integer("certified_until"))},
                                       {"certificate_ended", row.integer("certified_until") <= clock_()}});
        return out;
    });
}

void Authority::remove_node(const std::string& name) {
    store_.write([&](Tx& tx) {
        const auto node = tx.one("SELECT id, roles FROM nodes WHERE (name = ? OR id = ?) AND removed_at IS NULL", {name, name});
        if (!node) throw Error(Errc::not_found, "there is no node " + name);
        const std::vector<std::string> roles = split(node->text("roles"), ',');
        if (std::ranges::find(roles, "controller") != roles.end())
            throw Error(Errc::conflict, name + " is a controller: the cluster would lose its own certificate");
        tx.exec("UPDATE nodes SET removed_at = ? WHERE id = ?", {clock_(), node->text("id")});
        tx.exec("UPDATE certificates SET revoked_at = ? WHERE node_id = ? AND revoked_at IS NULL", {clock_(), node->text("id")});
    });
}

// ---- trust

std::string Authority::trust_in(Tx& tx) {
    std::map<std::int64_t, std::vector<std::string>> revoked;
    for (const Row& row : tx.query("SELECT authority, serial FROM certificates WHERE revoked_at IS NOT NULL ORDER BY serial"))
        revoked[row.integer("authority")].push_back(row.text("serial"));
    std::vector<Row> good;
    std::string state;  // what the text says, without its signatures, which differ each time that they are made
    for (Row& row : tx.query("SELECT number, certificate, private_key FROM authorities ORDER BY number DESC")) {
        // An authority that ended vouches for nobody any more.
        if (!good.empty() && pki::Certificate::from_pem(row.text("certificate")).not_after() < clock_()) continue;
        state += row.text("number") + ":" + pilvi::join(revoked[row.integer("number")], ",") + ";";
        good.push_back(std::move(row));
    }
    const std::lock_guard lock(mutex_);
    if (state == trust_state_) return trust_;
    std::string out;
    for (const Row& row : good) {
        const pki::Certificate certificate = pki::Certificate::from_pem(row.text("certificate"));
        // Dated from the authority's beginning: a node whose clock was set back still takes the list.
        out += certificate.pem() + pki::revocation_list(revoked[row.integer("number")], certificate.not_before(), certificate,
                                                        pki::Key::from_pem(row.text("private_key")));
    }
    trust_state_ = state;
    trust_ = out;
    return out;
}

std::string Authority::trust() {
    return store_.read([&](Tx& tx) { return trust_in(tx); });
}

json::object Authority::path() {
    return store_.read([&](Tx& tx) {
        std::string authorities;
        for (const Row& row : tx.query("SELECT certificate FROM authorities ORDER BY number DESC")) authorities += row.text("certificate");
        return json::object{{"authorities", authorities}, {"crosses", newest(tx).crosses}};
    });
}

}  // namespace pilvi::cluster
