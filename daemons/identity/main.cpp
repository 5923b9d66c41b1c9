// pilvi-identity: Keystone's API v3.
#include <sys/stat.h>

#include "app.h"
#include "bootstrap.h"
#include "log/log.h"
#include "service/service.h"

namespace {

using namespace pilvi;

void serve(Daemon& daemon) {
    const Config& config = daemon.config();
    const identity::KeyRepository token_keys(config.text("fernet.directory")), sealing_keys(identity::credential_directory(config));
    if (token_keys.initialize()) log::notice("made a new Fernet key repository in " + config.text("fernet.directory"));
    sealing_keys.initialize();
    const auto store = identity::open_store(config);
    identity::App app(*store, token_keys, sealing_keys, identity::password_cost(config), identity::token_settings(config));
    app.receipt_lifetime = config.seconds("receipt.lifetime").count() * 1000;
    app.options = identity::options_of(config);
    api::Service service(identity::service_spec(), *store, app.tokens, daemon.metrics(), &app);
    service.policy().enforce_scope(config.boolean("policy.enforce_scope"));
    if (const std::string file = config.text("policy.file"); !file.empty()) service.policy().load_file(file);
    identity::Announcing announcing(service, app.tokens, app.revocations);
    app.revocations.attach(daemon.serve(announcing));
    daemon.run({}, [&] {
        app.reload_keys();
        log::notice("read the Fernet keys again");
    });
}

}  // namespace

int main(int argc, char** argv) {
    ::umask(0077);
    const DaemonSpec spec{"identity", "Identity service: tokens, users, projects, roles, the service catalogue (Keystone v3).", identity::settings};
    return daemon_main(argc, argv, spec, &serve, {{"bootstrap", &identity::run_bootstrap}, {"fernet-rotate", &identity::run_fernet_rotate}});
}
