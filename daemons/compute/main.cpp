// pilvi-compute: Nova's API v2.1, the scheduler, and the desired sets of the compute nodes.
#include "api/policy_tools.h"
#include "clients/http_clients.h"
#include "pilvi_compute_schema.h"
#include "resources/common.h"
#include "service/service.h"
#include "settings.h"
#include "work/nodes.h"
#include "work/worker.h"

namespace {

constexpr pilvi::api::PolicyTools policy{"compute", &pilvi::compute::service_spec};

void serve(pilvi::Daemon& daemon) {
    using namespace pilvi;
    using namespace pilvi::compute;
    const Config& config = daemon.config();
    const auto store = slow_start("bringing the database to its schema", [&] { return Store::open(config.text("database.url"), migrations()); });
    Session session(session_options(config));
    TokenValidator validator(session, config.text("identity.url"));
    HttpImageClient images(session);
    HttpPlacementClient placement(session);
    HttpNetworkClient network(session);
    HttpAgentClient agents(session, node_files(config));
    sync::Feed feed(*store, &desired_set);
    App app{*store, feed, images, placement, network, agents, options_of(config)};
    Worker worker(app, static_cast<int>(config.integer("worker.threads")));
    app.wake = [&worker] { worker.wake(); };
    api::Service service(service_spec(), *store, validator, daemon.metrics(), &app);
    api::configure_policy(service, config, policy.daemon);
    feed.attach(daemon.serve(service));
    worker.start();
    daemon.run([&] { return worker.alive(); });
    worker.stop();
}

constexpr pilvi::DaemonSpec spec{.name = "compute",
                                 .description = "compute API, scheduler and the desired sets of the compute nodes",
                                 .settings = pilvi::compute::settings,
                                 .check = [](const pilvi::Config& config) { policy.check(config); }};

}  // namespace

int main(int argc, char** argv) { return pilvi::daemon_main(argc, argv, spec, &serve, policy.commands()); }
