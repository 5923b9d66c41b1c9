// pilvi-image: Image API v2.
#include <sys/stat.h>

#include <optional>

#include "cache.h"
#include "api/policy_tools.h"
#include "image.h"
#include "importer.h"
#include "inspector.h"
#include "pilvi_image_schema.h"
#include "quotas.h"
#include "service/service.h"

using namespace pilvi;

constexpr api::PolicyTools policy{"image", &image::service_spec};

int main(int argc, char** argv) {
    ::umask(0027);
    const DaemonSpec spec{
        .name = "image", .description = "Pilvi's Image service (Glance API v2).", .settings = image::settings, .check = [](const Config& config) {
            policy.check(config);
        }};
    const auto serve = [](Daemon& daemon) {
        const Config& config = daemon.config();
        const auto store = Store::open(config.text("database.url"), image::migrations());
        const image::Stores stores(config.list("store.enabled"), config.text("store.default"),
                                   {.sync = config.boolean("store.sync"), .fetch = image::fetch_rules(config)});
        const auto staging = image::make_file_store(config.text("import.staging"), {.sync = config.boolean("store.sync")});
        image::recover(*store, stores, staging.get());
        Session session(session_options(config));
        TokenValidator validator(session, config.text("identity.url"));
        const image::JailedInspector inspector(image::inspector_beside_this_program());
        image::IdentityLimits limits(session, config.text("identity.url"));
        image::App app{.stores = stores,
                       .size_cap = static_cast<std::uint64_t>(config.integer("store.size_cap")),
                       .need_signature = config.boolean("store.need_signature"),
                       .inspect = [&](const image::Source& source) { return inspector.inspect(source); },
                       .show_locations = config.boolean("store.show_locations"),
                       .show_direct_url = config.boolean("store.show_direct_url"),
                       .limits = config.boolean("quota.enabled") ? &limits : nullptr,
                       .staging = staging.get()};
        SystemCommandRunner runner;
        image::Importer importer(*store, app, image::fetch_rules(config), runner, image::import_options(config));
        app.importer = &importer;
        std::optional<image::Cache> cache;
        if (const std::string directory = config.text("cache.directory"); !directory.empty())
            app.cache = &cache.emplace(*store, app, directory, static_cast<std::uint64_t>(config.integer("cache.size")));
        const auto service = image::make_service(*store, validator, daemon.metrics(), app);
        api::configure_policy(*service, config, policy.daemon);
        daemon.serve(*service);
        daemon.run();
    };
    return daemon_main(argc, argv, spec, serve, policy.commands());
}
