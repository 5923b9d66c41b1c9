#include "api/policy_tools.h"
#include "api/service.h"
#include "identity/identity.h"
#include "pilvi_placement_schema.h"
#include "resources/routes.h"
#include "service/service.h"

namespace {

constexpr auto settings =
    pilvi::with_api_settings("placement", {
                                              {"listen.port", pilvi::SettingKind::integer, "8778", "TCP port.", 0, 65535},
                                              {"database.url", pilvi::SettingKind::text, "sqlite:/var/lib/pilvi/placement/placement.sqlite",
                                               "sqlite:/PATH, or postgresql://USER@HOST/DATABASE."},
                                          });
constexpr pilvi::api::PolicyTools policy{"placement", &pilvi::placement::service_spec};
constexpr pilvi::DaemonSpec spec{.name = "placement",
                                 .description = "The placement API: resource providers, inventories and allocations.",
                                 .settings = settings,
                                 .check = [](const pilvi::Config& config) { policy.check(config); }};

void run(pilvi::Daemon& daemon) {
    const pilvi::Config& config = daemon.config();
    const auto store = pilvi::slow_start("bringing the database to its schema",
                                         [&] { return pilvi::Store::open(config.text("database.url"), pilvi::placement::migrations()); });
    pilvi::placement::add_standard_names(*store);
    pilvi::Session session(pilvi::session_options(config));
    pilvi::TokenValidator validator(session, config.text("identity.url"));
    pilvi::api::Service service(pilvi::placement::service_spec(), *store, validator, daemon.metrics(), nullptr);
    pilvi::api::configure_policy(service, config, policy.daemon);
    daemon.serve(service);
    daemon.run();
}

}  // namespace

int main(int argc, char** argv) { return pilvi::daemon_main(argc, argv, spec, run, policy.commands()); }
