#pragma once
// A node of its own for a test: network and mount namespace, Open vSwitch on the userspace datapath in a temporary directory, guests as namespaces.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/json.h"
#include "command/command.h"
#include "reconciler.h"

namespace node_test {

using namespace pilvi;
using namespace pilvi::network_agent;

// A connection to serve_echo().
struct Echo {
    UniqueFd connection;
    bool works(int milliseconds = 60'000);  // a byte comes back within this time
};

class Node {
public:
    Node();  // throws where root, Open vSwitch, dnsmasq, nft or busybox is missing
    ~Node();
    void start_switch();
    void kill_switch();
    std::string shell(std::vector<std::string> argv, bool check = true);
    // The newest agent state: as a fresh process would have it.
    void restart_agent();
    // Passes until none asks for another; the last report.
    json::object converge(const json::object& desired, int most = 100);
    // A namespace with eth0 behind a tap-like veth in br-int.
    void plug_guest(const std::string& name, const std::string& port_id, const std::string& mac);
    void unplug_guest(const std::string& name, const std::string& port_id);
    void address(const std::string& guest, const std::string& cidr, const std::string& gateway = {});
    // DHCP by busybox; the lease's variables ("ip=10.0.0.5\nrouter=...\n"), "" where none came after so many attempts, one a second.
    std::string dhcp(const std::string& guest, const std::string& attempts = "60");
    bool ping(const std::string& guest, const std::string& target, const std::string& source = {});  // guest "": the node itself
    bool tcp(const std::string& from, const std::string& target, int port);
    // ping() and tcp() of what must pass: within a minute, however slow the machine is.
    bool reaches(const std::string& guest, const std::string& target, const std::string& source = {});
    bool opens(const std::string& from, const std::string& target, int port);
    // Accepts connections in the background until the node ends, writing the caller's address back.
    void serve(const std::string& guest, int port);
    // Reads what serve() wrote: the source address as the server saw it.
    std::string seen_source(const std::string& from, const std::string& target, int port);

    std::string directory;
    AgentSettings settings;
    SystemCommandRunner runner;
    Namespaces spaces{runner};
    std::unique_ptr<Reconciler> reconciler;
    CommandRunner* agent_runner = nullptr;  // what the agent runs its programs with

    void serve_echo(const std::string& guest, int port);
    Echo open_echo(const std::string& from, const std::string& target, int port) { return {UniqueFd(connect(from, target, port, patience))}; }

private:
    UniqueFd listen_in(const std::string& guest, int port);
    static constexpr int patience = 60'000;  // ms
    int connect(const std::string& from, const std::string& target, int port, int milliseconds = 3000);
    std::vector<std::jthread> servers_;
};

// Waits until a condition holds, at most a minute: what the kernel takes away goes later than the command that asks for it ends.
template <class F>
bool eventually(F condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

// Builders of the desired set. Ids are made of one letter: "a" -> aaaaaaaa-aaaa-...
std::string id(char letter, int number = 0);
json::object empty_set();
json::object network(const std::string& id, int vni, const std::string& cidr, const std::string& gateway, const std::string& dhcp_port_id,
                     const std::string& dhcp_mac, const std::string& dhcp_ip);
json::object public_network(const std::string& id, const std::string& cidr, const std::string& gateway);
std::string subnet_id(const std::string& network_id);
json::object port(const std::string& id, const std::string& network_id, const std::string& mac, const std::string& ip, const std::string& group);
json::object rule(const std::string& direction, const std::string& protocol = {}, int first = -1, int last = -1, const std::string& group = {},
                  const std::string& ethertype = "IPv4");
json::object group(std::vector<json::object> rules, std::vector<std::string> members);
void add(json::object& set, const char* list, json::object item);

}  // namespace node_test
