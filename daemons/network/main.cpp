// pilvi-network: wiring only.
#include "api/policy_tools.h"
#include "identity/identity.h"
#include "network.h"
#include "outbox.h"
#include "pilvi_network_schema.h"
#include "service/service.h"
#include "settings.h"

using namespace pilvi;

constexpr api::PolicyTools policy{"network", &network::service_spec};

int main(int argc, char** argv) {
    static const DaemonSpec spec{.name = "network",
                                 .description = "The network service: Neutron API v2.0.",
                                 .settings = network::settings_table(),
                                 .check = [](const Config& config) { policy.check(config); }};
    const auto serve = [](Daemon& daemon) {
        const Config& config = daemon.config();
        const auto store =
            slow_start("bringing the database to its schema", [&] { return Store::open(config.text("database.url"), network::migrations()); });
        Session session(session_options(config));
        TokenValidator tokens(session, config.text("identity.url"));
        network::App* shared = nullptr;
        sync::Feed feed(*store, [&](Tx& tx, const std::string& host) { return network::desired_set(tx, *shared, host); });
        network::Outbox outbox(*store, network::Outbox::to_compute(session));
        network::App app{network::settings_from(config), feed, [&outbox] { outbox.wake(); }};
        shared = &app;
        api::Service service(network::service_spec(), *store, tokens, daemon.metrics(), &app);
        api::configure_policy(service, config, policy.daemon);
        http::Server& server = daemon.serve(service);
        feed.attach(server);
        outbox.start();
        daemon.run();
        server.stop();
        outbox.stop();
    };
    return daemon_main(argc, argv, spec, serve, policy.commands());
}
