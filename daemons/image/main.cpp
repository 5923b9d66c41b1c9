// pilvi-image: Image API v2.
#include <sys/stat.h>

#include <cstdio>
#include <optional>

#include "api/policy_tools.h"
#include "cache.h"
#include "command/logged.h"
#include "image.h"
#include "importer.h"
#include "inspector.h"
#include "pilvi_image_schema.h"
#include "protection.h"
#include "quotas.h"
#include "recover.h"
#include "service/service.h"
#include "unknown_data.h"
#include "worker.h"

using namespace pilvi;

constexpr api::PolicyTools policy{"image", &image::service_spec};

// unknown-data: a line for each, its store and its location.
int print_unknown_data(const Config& config, const Arguments&) {
    const auto store = Store::open(config.text("database.url"), image::migrations());
    const image::Stores stores = image::configured_stores(config);
    const auto staging = image::configured_staging(config);
    for (const image::Location& location : image::unknown_data(*store, stores, staging.get()))
        std::printf("%s\t%s\n", location.store.c_str(), location.url.c_str());
    return 0;
}

int main(int argc, char** argv) {
    ::umask(0027);
    const DaemonSpec spec{
        .name = "image", .description = "Pilvi's Image service (Glance API v2).", .settings = image::settings, .check = [](const Config& config) {
            policy.check(config);
            image::configured_protection(config);
        }};
    const auto serve = [](Daemon& daemon) {
        const Config& config = daemon.config();
        const auto store =
            slow_start("bringing the database to its schema", [&] { return Store::open(config.text("database.url"), image::migrations()); });
        const image::Stores stores = image::configured_stores(config);
        const auto staging = image::configured_staging(config);
        const auto protection = image::configured_protection(config);
        Session session(session_options(config));
        TokenValidator validator(session, config.text("identity.url"));
        const image::JailedInspector inspector(image::inspector_beside_this_program());
        SessionOptions for_system = session_options(config);
        for_system.project.clear();
        Session system_session(for_system);
        image::IdentityLimits limits(system_session, config.text("identity.url"));
        image::Worker worker(*store, config.text("import.staging") + "/workers");
        image::App app{.stores = stores,
                       .size_cap = static_cast<std::uint64_t>(config.integer("store.size_cap")),
                       .need_signature = config.boolean("store.need_signature"),
                       .inspect = [&](const image::Source& source) { return inspector.inspect(source); },
                       .show_locations = config.boolean("store.show_locations"),
                       .show_direct_url = config.boolean("store.show_direct_url"),
                       .worker = &worker,
                       .limits = config.boolean("quota.enabled") ? &limits : nullptr,
                       .staging = staging.get(),
                       .protection = protection.get()};
        image::recover(*store, app);
        SystemCommandRunner programs;
        LoggedCommandRunner runner(programs);
        image::Importer importer(*store, app, image::fetch_rules(config), runner, image::import_options(config));
        app.importer = &importer;
        const image::Keeper keeper(*store, app);
        std::optional<image::Cache> cache;
        if (const std::string directory = config.text("cache.directory"); !directory.empty())
            app.cache = &cache.emplace(*store, app, directory, static_cast<std::uint64_t>(config.integer("cache.size")));
        const auto service = image::make_service(*store, validator, daemon.metrics(), app);
        api::configure_policy(*service, config, policy.daemon);
        if (protection) image::check_protection(*protection, service->policy());
        daemon.serve(*service);
        daemon.run();
    };
    std::vector<Subcommand> commands = policy.commands();
    commands.push_back(
        {{"unknown-data", "Prints the data in the stores that belongs to no image: store and location, a line each"}, print_unknown_data});
    return daemon_main(argc, argv, spec, serve, commands);
}
