#pragma once
// This node as a member of a cluster: its files, joining, renewing.
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "http/http.h"
#include "pki/pki.h"

namespace pilvi::cli {

// Where the files of a node are.
struct MemberPlaces {
    std::string node = "/var/lib/pilvi/node";  // identity.pem, trust.pem, membership.json
    std::string configuration = "/etc/pilvi";  // DAEMON.d/10-cluster.toml
    std::string compute_id = "/var/lib/pilvi/compute-agent/compute_id";
    std::string identity() const { return node + "/identity.pem"; }
    std::string trust() const { return node + "/trust.pem"; }
};

// What a node remembers of its cluster.
struct MembershipRecord {
    std::string controller;  // host name or address
    int port = 8771;         // of pilvi-cluster there
    std::string id, name, region;
    std::vector<std::string> roles;
};
std::optional<MembershipRecord> read_membership(const MemberPlaces& places);

// "pilvi1.<fingerprint of the authority>.<secret>"; Error(bad_request) where the text is something else.
struct JoinToken {
    pki::Fingerprint authority;
    std::string secret;
};
JoinToken parse_token(std::string_view text);

// Host and port of HOST, HOST:PORT, [ADDRESS]:PORT or an IPv6 address; port 8771 where none is said. Error(bad_request).
std::pair<std::string, int> controller_address(const std::string& text);

struct JoinOptions {
    std::string controller;  // HOST or HOST:PORT
    std::string token;
    std::string name;  // "": the host name
};

// Makes this node a member, or gives a member more roles: key, certificate, trust, the agents' configuration. Done again with the same arguments after
// a failure it goes on where it stopped. Throws Error.
MembershipRecord join_cluster(const MemberPlaces& places, const JoinOptions& options);

struct ApplyOptions {
    std::string controller;      // HOST or HOST:PORT
    pki::Fingerprint authority;  // of the cluster's authority: who has another one is not the controller
    std::string name;            // "": the host name
    std::string mac;             // of the interface that this machine was started from, "" where it was not
};
struct Application {
    std::string fingerprint;                 // of this machine's key, for the operator to compare
    std::optional<MembershipRecord> record;  // where the operator has accepted it
};
// Asks without a token to become a member; a key is made for it the first time and kept. Throws Error.
Application apply_to_cluster(const MemberPlaces& places, const ApplyOptions& options);

// A new certificate with a new key where a third of the old one's life is over, where `force` or where `roles` are to become fewer. True where there is one.
bool renew_certificate(const MemberPlaces& places, Micros now, bool force, const std::optional<std::vector<std::string>>& roles = {});

// The agents' configuration for these roles: files DAEMON.d/10-cluster.toml. `record` nullptr: of a controller, whose agents use its own APIs.
void write_configuration(const MemberPlaces& places, const MembershipRecord* record, const std::vector<std::string>& roles);
// Whether they are as write_configuration() would write them.
bool is_configured(const MemberPlaces& places, const MembershipRecord* record, const std::vector<std::string>& roles);
// The text of that file for a daemon, "" for none.
std::string configuration_of(std::string_view daemon, const MembershipRecord* record, const std::vector<std::string>& roles);

}  // namespace pilvi::cli
