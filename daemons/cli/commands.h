#pragma once
// The subcommands of pilvi, without their command line. Each returns the exit status.
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace pilvi::cli {

// How the operator's command reaches the cloud of this node.
struct Access {
    std::string auth_url = "http://127.0.0.1:5000/v3";
    std::string credentials = "/etc/pilvi/credentials";  // admin-password, else service-password-nova
    std::string state = "/var/lib/pilvi";
    std::string configuration = "/etc/pilvi";
    std::string cluster_socket = "/run/pilvi/cluster/admin.sock";  // of pilvi-cluster, on a controller
};

struct TryOptions {
    std::vector<std::string> command;  // empty: wait for Ctrl-C
    std::string directory;
    int compute_agents = 1;
    bool keep = false;
    bool seed = true;
    std::vector<std::string> settings;  // DAEMON:KEY=VALUE
};
// A cloud in a process group, until the command (or Ctrl-C) ends it. The command's exit status.
int try_cloud(const TryOptions& options);

struct StatusOptions {
    bool json = false;
    bool local = false;                        // other nodes' agents do not matter
    std::optional<std::chrono::seconds> wait;  // until everything is ready, at most so long
};
// 0 where everything on this node is ready, 1 where not.
int status(const Access& access, const StatusOptions& options);

struct DoctorOptions {
    bool json = false;
};
// 0 where nothing is wrong, 1 where something is, 2 where it could not look.
int doctor(const Access& access, const DoctorOptions& options);

struct MetadefOptions {
    std::string place;       // a directory with *.json files, or one such file, each a namespace as POST /v2/metadefs/namespaces takes it
    bool overwrite = false;  // a namespace that is there is replaced; otherwise it stays as it is
};
// Metadata definitions from files. 0 where every file is loaded or its namespace is there, 1 where one was refused.
int load_metadefs(const Access& access, const MetadefOptions& options);

// Runs pilvi-identity bootstrap with this node's credentials, as identity's own user where we are root. Does not return where that works.
int identity_bootstrap(const Access& access, const std::vector<std::string>& arguments);
// Runs another subcommand of pilvi-identity, as identity's own user where we are root. Does not return where that works.
int identity_command(const std::string& name);
// Runs a daemon's own subcommand ("identity", {"policy-list"}) in place of this program.
int daemon_command(const std::string& daemon, const std::vector<std::string>& arguments);
// Makes the credentials of a node where they are missing.
int setup();

struct TokenOptions {
    std::vector<std::string> roles;
    std::chrono::seconds life{3600};
    bool json = false;
};
// A one-time token for a node that joins; on a controller, as root.
int token_create(const Access& access, const TokenOptions& options);
int token_list(const Access& access, bool json);
int token_remove(const Access& access, const std::string& id);

// The members of the cluster; on a controller, as root. A removed node's certificates are revoked, its services and agents are no longer listed.
int node_list(const Access& access, bool json);
int node_remove(const Access& access, const std::string& name);
struct AcceptOptions {
    std::string who;  // the fingerprint that the machine shows, or its name
    std::vector<std::string> roles;
    std::string name;  // "": as it calls itself
};
// Gives a machine that waits its roles: it joins by itself.
int node_accept(const Access& access, const AcceptOptions& options);
// A new certificate for this node, where a third of the old one's life is over or where `force`.
int node_renew(const Access& access, bool force);

struct JoinCommand {
    std::string controller, token, name;
    std::string authority, mac;  // without a token: see ApplyOptions
    bool start = true;           // the roles' targets
};
// Makes this node a member of a controller's cluster and starts its roles. Without a token it waits until the operator has accepted this node.
int join_command(const Access& access, const JoinCommand& command);

struct PxeOptions {
    std::string interface;                     // of the provisioning network
    std::string media = "/var/lib/pilvi/pxe";  // as image-build/media pxe makes it
    std::string answers = "/etc/pilvi/pxe";    // MAC.conf, settings of the node with that MAC
    std::string first, last;                   // addresses to hand out; "": all of the network
    std::string controller;                    // as nodes reach it; "": this machine, at the interface's address
    int port = 8870;
};
// Starts machines of a network from it: DHCP, TFTP, HTTP; until a signal. On the controller, as root.
int pxe_serve(const Access& access, const PxeOptions& options);

// The roles of this node.
int role_list(const Access& access, bool json);
int role_add(const Access& access, const std::vector<std::string>& roles);
int role_remove(const Access& access, const std::string& role);

}  // namespace pilvi::cli
