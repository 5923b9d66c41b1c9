#pragma once
// Network namespaces: `ip` in batches for changes; everything that only looks, and sockets, on a thread that enters the namespace.
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/net.h"
#include "command/command.h"

namespace pilvi::network_agent {

struct DeviceState {
    std::string mac;
    int mtu = 0;
    bool up = false;
    std::set<std::string> addresses;  // "10.0.0.1/24", link-local ones left out
};

struct NamespaceState {
    bool exists = false;
    std::map<std::string, DeviceState> devices;
    std::set<std::string> routes;  // IPv4: "0.0.0.0/0 via 10.0.0.1 dev qg-..."; connected ones left out
};

// A service's namespace as it must be.
struct NamespacePlan {
    struct Device {
        std::string inside;   // name in the namespace
        std::string outside;  // name of the veth's other end, a port of br-int
        std::string mac;
        int mtu = 1450;
        std::vector<std::string> addresses;  // "10.0.0.1/24"
        bool operator==(const Device&) const = default;
    };
    struct Route {
        std::string destination;  // prefix
        std::string via;
        std::string device;  // where `via` is on no connected prefix: on-link through it; "" otherwise
        bool operator==(const Route&) const = default;
    };
    std::string name;
    std::vector<Device> devices;
    std::vector<Route> routes;
    bool forward = false;
    bool operator==(const NamespacePlan&) const = default;
};

// What must be done: lines for `ip -batch` outside and inside the namespace. Pure.
struct NamespaceChanges {
    std::vector<std::string> outside;
    std::vector<std::string> inside;
    std::vector<std::pair<std::string, std::string>> announce;  // device, new IPv4 address
    bool fresh_devices = false;
    bool empty() const { return outside.empty() && inside.empty(); }
};
NamespaceChanges plan_namespace(const NamespacePlan& plan, const NamespaceState& state);

class Namespaces {
public:
    // `directory`: where `ip netns` keeps its names.
    explicit Namespaces(CommandRunner& runner, std::string directory = "/run/netns") : runner_(runner), directory_(std::move(directory)) {}
    std::vector<std::string> list() const;
    NamespaceState observe(const std::string& name) const;
    // Observes, applies what is missing and gives what should be announced. `plain_checksums`: offload off at both ends (userspace datapath).
    NamespaceChanges converge(const NamespacePlan& plan, bool plain_checksums);
    void remove(const std::string& name);
    // Runs `work` on a thread inside the namespace; what it throws is thrown here. Throws Error(not_found) where there is no such namespace.
    void inside(const std::string& name, const std::function<void()>& work) const;
    // A listening TCP socket in the namespace; `device`: bound to that device where not "".
    UniqueFd listen(const std::string& name, const std::string& address, int port, const std::string& device = {}) const;
    // Gratuitous ARP (a request and a reply) for an address of a device.
    void announce(const std::string& name, const std::string& device, const std::string& address) const;

private:
    void apply(const NamespacePlan& plan, const NamespaceState& state, const NamespaceChanges& changes, bool plain_checksums);
    CommandRunner& runner_;
    std::string directory_;
};

// Devices of the caller's own network namespace.
std::set<std::string> device_names();
std::map<std::string, DeviceState> own_devices();
// Turns transmit checksum offload of a device of the caller's namespace off; a device that cannot is left.
void disable_checksum_offload(const std::string& device);
// The caller's namespace passes packets on from one interface to another (IPv4).
void allow_forwarding();

}  // namespace pilvi::network_agent
