#pragma once
// The network service as one object: its settings, its tables, and what its handlers share.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "api/service.h"
#include "base/time.h"
#include "sync/sync.h"

namespace pilvi::network {

struct VlanRange {
    std::string physical_network;
    std::int64_t first = 0, last = -1;  // none: only an administrator may name an id
};

struct Settings {
    std::string project_network_type = "vxlan";  // of networks whose type nobody says: vxlan, vlan or local
    std::int64_t vni_first = 1, vni_last = 16'000;
    std::vector<VlanRange> vlan_ranges;
    std::vector<std::string> flat_networks = {"*"};  // physical networks that may be flat; "*" = any
    std::int64_t mtu = 1500;                         // of the physical networks; a VXLAN network has 50 less
    std::string dns_domain = "openstacklocal.";      // of ports on networks without a domain
    Micros agent_down = 75'000'000;                  // an agent silent for longer is not alive
};

struct App {
    Settings settings;
    sync::Feed& feed;
    std::function<void()> wake_outbox;  // called after a commit that queued an event; may be empty
    Clock clock = &now_micros;
};

inline App& app_of(api::Call& call) { return call.app<App>(); }

// Style, resources, routes, policies and quotas. `app` given to api::Service must be an App.
api::ServiceSpec service_spec();
// "vxlan"-style settings from their texts: "1:16000", "physnet1:100:199". Throws Error(bad_request).
std::pair<std::int64_t, std::int64_t> parse_range(std::string_view text);
VlanRange parse_vlan_range(std::string_view text);

// The whole desired set of a node's network agent (network-agent/README.md).
json::object desired_set(Tx& tx, const App& app, const std::string& host);
// Takes an agent's report: statuses, the heartbeat, events for compute.
void take_report(Tx& tx, App& app, const std::string& host, const json::object& report);
// Notes that the agent of `host` is there. `agent`, from its report, says what it serves: what nobody serves goes to a node that came to serve it, what
// a node no longer serves to another one.
void take_heartbeat(Tx& tx, App& app, const std::string& host, const json::object* agent);

}  // namespace pilvi::network
