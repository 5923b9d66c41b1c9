#pragma once
// The cluster's own certificate authority: its keys, who was issued what, who was removed. Every decision takes the time as given.
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "pki/pki.h"
#include "store/store.h"

namespace pilvi::cluster {

constexpr Micros day = 86'400'000'000;

// What is certified ends after these; it is renewed at a third of its life, an authority too. Both overlap what they replace by two thirds of it.
struct Terms {
    Micros certificate = 90 * day;
    Micros authority = 3650 * day;
    // A node may prove itself by a certificate that ended up to so long ago.
    Micros renewal_grace = 3650 * day;
    Micros backdate = day;  // a node's clock may be behind by so much
};

inline Micros renewal_due(Micros from, Micros until) { return from + (until - from) / 3; }

struct Token {
    std::string id, text;  // the text is told once
    std::vector<std::string> roles;
    Micros expires_at = 0;
};

// What a node gets: a certificate with the chain that leads to every authority that ever was, and whom it has to trust.
struct Membership {
    std::string id, name;
    std::vector<std::string> roles;
    std::string certificate, trust;
};

struct JoinRequest {
    std::string token;                             // its secret part
    std::string name;                              // of the node, as it calls itself
    std::string request;                           // PKCS #10, PEM
    std::string certificate = {}, signature = {};  // of a node that is a member and takes more roles: see RenewRequest
};

struct RenewRequest {
    std::string certificate;                             // the one to be replaced, PEM; it may have ended
    std::string request;                                 // PKCS #10, PEM, of the same key or of a new one
    std::string signature;                               // of `request`, by the key of `certificate`
    std::optional<std::vector<std::string>> roles = {};  // fewer than it has; nullopt: those
};

class Authority {
public:
    Authority(Store& store, std::function<Micros()> clock, Terms terms = {}) : store_(store), clock_(std::move(clock)), terms_(terms) {}

    // The first authority, and a new one when the newest is past a third of its life. True where one was made.
    bool advance();
    // Throws Error(bad_request) for a role that does not exist, Error(unavailable) while there is no authority.
    Token make_token(const std::vector<std::string>& roles, Micros life);
    json::array tokens();                      // without their secrets
    void remove_token(const std::string& id);  // Error(not_found)

    // Error(forbidden): the token is wrong, used or too old. Error(conflict): there is a node of that name. Error(bad_request).
    Membership join(const JoinRequest& request);
    // Error(forbidden): not a certificate of ours, of a removed node, or ended too long ago; or the signature is wrong.
    Membership renew(const RenewRequest& request);
    // The operator gives a machine that waits a name and roles: a member from here on, which fetches its certificate by accepted(). Error(conflict).
    void accept(const std::string& name, const std::vector<std::string>& roles, const pki::Fingerprint& key);
    // Of a machine that was accepted by its key within the last week; nullopt of any other.
    std::optional<Membership> accepted(const pki::PublicKey& key);
    // This controller's own, for its node identity. The name is registered where it is not.
    Membership certify_controller(const std::string& name, const pki::PublicKey& key);

    json::array nodes();
    void remove_node(const std::string& name);  // by name or id; Error(not_found). Its certificates are revoked.

    // PEM: the authorities that may still be in use with their revocation lists.
    std::string trust();
    // {"authorities": PEM, "crosses": PEM}: how one gets from an older authority to the newer ones.
    json::object path();

private:
    struct Issuer;
    Issuer newest(Tx& tx);
    std::string trust_in(Tx& tx);
    Membership certify(Tx& tx, const std::string& id, const pki::PublicKey& key);
    std::string add_node(Tx& tx, const std::string& name, const std::vector<std::string>& roles);
    std::string prove(Tx& tx, const std::string& certificate, const std::string& request, const std::string& signature);
    Store& store_;
    std::function<Micros()> clock_;
    Terms terms_;
    std::mutex mutex_;
    std::string trust_state_, trust_;  // of the last trust_in()
};

// Roles that a node may have.
const std::vector<std::string>& known_roles();
// A host name as a node may have it: letters, digits, '-', '.', up to 63 characters.
bool is_node_name(std::string_view name);

}  // namespace pilvi::cluster
