// pilvi-network-agent: wiring only.
#include "command/logged.h"
#include "identity/identity.h"
#include "reconciler.h"
#include "settings.h"
#include "watcher.h"
#include "service/service.h"
#include "sync/sync.h"

using namespace pilvi;

int main(int argc, char** argv) {
    DaemonSpec spec{.name = "network-agent",
                    .description = "Open vSwitch, DHCP, routers and security groups of one node",
                    .settings = network_agent::settings_table(),
                    .http = false};
    return daemon_main(argc, argv, spec, [](Daemon& daemon) {
        const Config& config = daemon.config();
        network_agent::AgentSettings settings = network_agent::agent_settings(config);
        Session session(session_options(config));
        sync::AgentOptions options{.host = settings.host, .base_url = config.text("network.url") + "/agent/v1"};
        options.resync = std::chrono::duration_cast<std::chrono::seconds>(config.seconds("agent.resync"));
        if (config.text("agent.driver") == "fake") {
            sync::Agent agent(session, options, [&](const json::object& desired, std::chrono::milliseconds*) {
                return network_agent::fake_pass(desired, settings.host);
            });
            agent.start();
            daemon.run([&] { return agent.alive(); }, [&] { agent.poke(); });
            return;
        }
        SystemCommandRunner programs;
        LoggedCommandRunner runner(programs);
        network_agent::Reconciler reconciler(runner, settings);
        sync::Agent agent(session, options,
                          [&](const json::object& desired, std::chrono::milliseconds* again) { return reconciler.pass(desired, again); });
        network_agent::Watcher watcher(
            settings.ovs.db(), {settings.ovs.pid_file(), settings.metadata_socket}, [&] { return reconciler.children(); }, [&] { agent.poke(); });
        agent.start();
        daemon.run([&] { return agent.alive(); }, [&] { agent.poke(); });
    });
}
