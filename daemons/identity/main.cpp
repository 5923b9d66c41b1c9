// pilvi-identity: Keystone's API v3.
#include <sys/stat.h>

#include <algorithm>

#include "api/policy_tools.h"
#include "app.h"
#include "commands.h"
#include "mapping_test.h"
#include "resources/domain_config.h"
#include "log/log.h"
#include "service/service.h"
#include "service/subcommands.h"

namespace {

using namespace pilvi;

constexpr api::PolicyTools policy{"identity", &identity::service_spec};

void serve(Daemon& daemon) {
    const Config& config = daemon.config();
    const identity::KeyRepository token_keys(config.text("fernet.directory")), sealing_keys(identity::credential_directory(config));
    if (token_keys.initialize()) log::notice("made a new Fernet key repository in " + config.text("fernet.directory"));
    sealing_keys.initialize();
    const auto store = slow_start("bringing the database to its schema", [&] { return identity::open_store(config); });
    const bool jws = identity::issues_jws(config);
    const identity::JwsRepository jws_keys(config.text("jws.directory"));
    if (jws && jws_keys.initialize()) log::notice("made a new JWS key repository in " + config.text("jws.directory"));
    identity::App app(*store, token_keys, sealing_keys, identity::password_cost(config), identity::token_settings(config), now_micros, jws_keys, jws);
    app.receipt_lifetime = config.seconds("receipt.lifetime").count() * 1000;
    app.options = identity::options_of(config);
    app.federation = identity::federation_settings(config);
    app.directories = std::make_unique<identity::DirectoryDomains>(
        config.text("ldap.domains"), [&app](Tx& tx, std::string_view domain_id) { return identity::domain_configuration(app, tx, domain_id); },
        static_cast<std::size_t>(std::max<std::int64_t>(1, config.integer("http.threads") - 1)));
    api::ServiceSpec spec = identity::service_spec();
    spec.style.page_limit = config.integer("list.limit");
    api::Service service(std::move(spec), *store, app.tokens, daemon.metrics(), &app);
    api::configure_policy(service, config, policy.daemon);
    identity::Announcing announcing(service, app.tokens, app.revocations);
    http::Server& server = daemon.serve(announcing);
    if (const auto port = config.integer("listen.admin_port")) server.listen(config.text("listen.address"), static_cast<int>(port));
    app.revocations.attach(server, *store, [&] {
        if (app.reload_changed_keys()) log::notice("read the keys again: a repository was changed");
    });
    const int front_door = open_front_door(server, app.federation);
    if (front_door > 0) log::notice("federation: the front door is 127.0.0.1 port " + std::to_string(front_door));
    daemon.run({}, [&] {
        app.reload_keys();
        log::notice("read the keys again");
    });
}

}  // namespace

int main(int argc, char** argv) {
    ::umask(0077);
    const DaemonSpec spec{.name = "identity",
                          .description = "Identity service: tokens, users, projects, roles, the service catalogue (Keystone v3).",
                          .settings = identity::settings,
                          .check = [](const Config& config) {
                              identity::check_settings(config);
                              policy.check(config);
                          }};
    std::vector<Subcommand> commands = identity::commands();
    for (const Subcommand& command : policy.commands()) commands.push_back(command);
    commands.push_back({subcommands::mapping_test, &identity::run_mapping_test});
    commands.push_back({{"ldap-defaults", "Prints the settings of a directory server, with their defaults"}, [](const Config&, const Arguments&) {
                            std::fputs(Config({identity::directory_settings}).defaults().c_str(), stdout);
                            return 0;
                        }});
    return daemon_main(argc, argv, spec, &serve, commands);
}
