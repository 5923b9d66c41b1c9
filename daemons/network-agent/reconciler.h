#pragma once
// One pass: desired set in, observed report out. Each object converges on its own; what fails is reported with its reason and tried again.
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/json.h"
#include "command/command.h"
#include "drivers/dnsmasq.h"
#include "drivers/metadata_control.h"
#include "drivers/netns.h"
#include "drivers/nftables.h"
#include "drivers/ovs.h"
#include "drivers/ovsdb.h"
#include "model.h"
#include "steps/bridges.h"
#include "steps/dhcp.h"
#include "steps/flows.h"
#include "steps/router.h"

namespace pilvi::network_agent {

struct AgentSettings {
    std::string host;
    std::string datapath = "auto";
    OvsPaths ovs;
    std::map<std::string, std::string> bridge_mappings;  // physical network -> bridge
    std::string external_bridge;                         // the first provider bridge, "" for none
    std::string external_address;                        // CIDR of this host on it, "" for none
    bool masquerade = false;                             // what comes from there leaves elsewhere with this host's address
    std::string tunnel_ip;
    std::function<std::string()> find_tunnel_ip;  // asked in every pass: at the start of the agent the node may have no address yet
    std::vector<std::string> serves{"dhcp", "l3"};
    std::string dhcp_directory = "/var/lib/pilvi/network-agent/dhcp";
    std::string dnsmasq_user = "dnsmasq";
    std::string metadata_socket = "/run/pilvi/metadata/control.sock";  // "" for none
};

class Reconciler {
public:
    Reconciler(CommandRunner& runner, AgentSettings settings);
    // May ask to be called again by `*again`. Throws where nothing can be done at all (Open vSwitch is away, the set is not understood).
    json::object pass(const json::object& desired, std::chrono::milliseconds* again);
    // Pids of the running dnsmasq processes. Thread-safe.
    std::set<int> children() const;

private:
    struct Round;  // what one pass works on
    void bridges(Round& round);
    void masquerade(Round& round);
    void namespaces(Round& round);
    void converge_namespace(Round& round, const NamespacePlan& plan);
    void plug(Round& round);
    void wire(Round& round);
    void flows(Round& round);
    void apply_flows(const std::string& bridge, FlowSet wanted);
    void dhcp(Round& round);
    void routers(Round& round);
    void forget_connections(const std::string& id, const Router& router);
    struct Listener {
        std::string space, device;
    };
    std::map<std::string, Listener> wanted_listeners(const Round& round) const;
    void metadata(Round& round);
    void announcements(Round& round);
    void clean(Round& round);
    json::object report(Round& round);

    AgentSettings settings_;
    CommandRunner& runner_;
    OvsDb db_;
    Ovs ovs_;
    Namespaces spaces_;
    Dnsmasq dnsmasq_;
    MetadataControl metadata_;
    ConjunctionIds conjunctions_;
    std::string instance_;                    // of the switch that holds applied_
    std::map<std::string, FlowSet> applied_;  // per bridge
    struct Space {
        NamespacePlan plan;
        std::chrono::steady_clock::time_point checked;
    };
    std::map<std::string, Space> applied_spaces_;
    std::map<std::string, std::string> applied_rulesets_;  // per namespace
    std::optional<std::chrono::steady_clock::time_point> masquerade_checked_;
    struct Announcement {
        std::string space, device, address;
        int left;
    };
    std::vector<Announcement> announcements_;
    std::set<std::string> known_dhcp_;               // networks whose dnsmasq has read its files since the agent started
    std::set<std::string> stale_spaces_;             // made anew since their listening sockets were handed over
    std::map<std::string, std::string> complaints_;  // logged last, per object
    mutable std::mutex mutex_;
    std::set<int> children_;

    void complain(const std::string& object, const std::string& reason);
};

}  // namespace pilvi::network_agent
