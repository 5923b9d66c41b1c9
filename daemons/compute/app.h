#pragma once
// What every part of the daemon works with. Made once, in main.cpp or by a test; passed by reference.
#include <functional>
#include <string>

#include "base/time.h"
#include "domain/clients.h"
#include "store/store.h"
#include "sync/sync.h"

namespace pilvi::compute {

constexpr Micros second = 1'000'000;

struct Options {
    std::string host = "controller";              // of the services nova-scheduler and nova-conductor
    std::string zone = "nova";                    // the default availability zone
    Micros build_timeout = 1800 * second;         // POST /servers -> ACTIVE, else ERROR
    Micros vif_timeout = 300 * second;            // the node waits for its ports, else ERROR
    bool vif_fatal = true;                        // false: the guest starts without them
    Micros power_timeout = 300 * second;          // start, stop, reboot
    Micros delete_timeout = 300 * second;         // the node tears down; later: a fault, and on it goes
    Micros service_down = 60 * second;            // a service without a heartbeat for so long is down
    Micros keep_deleted = 30LL * 86400 * second;  // rows of deleted servers
    int build_attempts = 3;                       // hosts that are tried
};

struct App {
    Store& store;
    sync::Feed& feed;
    ImageClient& images;
    PlacementClient& placement;
    NetworkClient& network;
    AgentClient& agents;
    Options options = {};
    Clock now = &now_micros;
    std::function<void()> wake = [] {};  // there is work for the worker
};

}  // namespace pilvi::compute
