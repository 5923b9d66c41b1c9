#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>

#include "node/network_agent/node.h"
#include "watcher.h"

using namespace node_test;

namespace {

// Waits until the watcher has called again, at most two minutes.
bool called(std::atomic<int>& calls, int before) {
    for (int i = 0; i < 12'000 && calls == before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return calls != before;
}

// Waits until it has been quiet for 2.5 s: nothing is under way.
int settled(std::atomic<int>& calls) {
    for (int last = -1; last != calls;) {
        last = calls;
        std::this_thread::sleep_for(std::chrono::milliseconds(2500));
    }
    return calls;
}

}  // namespace

TEST_CASE("a pass is called for by OVSDB, the switch, a dnsmasq and the metadata server, and by nothing else") {
    Node node;
    json::object set = empty_set();
    add(set, "networks", network(id('1'), 1001, "10.0.0.0/24", "10.0.0.1", id('d', 1), "fa:16:3e:00:00:d1", "10.0.0.2"));
    node.converge(set);
    std::string socket = node.directory + "/control.sock";
    std::atomic<int> calls{0};
    Watcher watcher(
        node.settings.ovs.db(), {node.settings.ovs.pid_file(), socket}, [&] { return node.reconciler->children(); }, [&] { ++calls; });
    int before = settled(calls);
    node.plug_guest("g1", id('a', 1), "fa:16:3e:00:00:a1");
    CHECK(called(calls, before));
    before = settled(calls);
    ::kill(*node.reconciler->children().begin(), SIGKILL);
    CHECK(called(calls, before));
    before = settled(calls);
    write_file(socket, "");
    CHECK(called(calls, before));
    before = settled(calls);
    node.kill_switch();
    node.start_switch();
    CHECK(called(calls, before));
    bool quiet = false;  // for 6 s, once all that was under way has come to its end
    for (int i = 0; i < 10 && !quiet; ++i) {
        before = settled(calls);
        std::this_thread::sleep_for(std::chrono::milliseconds(3500));
        quiet = calls == before;
    }
    CHECK(quiet);
}
