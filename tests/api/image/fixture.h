#pragma once
// The image service on a store of its own.
#include "image/image.h"
#include "image/importer.h"
#include "image/quotas.h"
#include "image/worker.h"
#include "pilvi_image_schema.h"
#include "support/cases.h"
#include "support/database.h"

namespace pilvi::testing {

// Limits that a test sets.
struct FixedLimits final : image::LimitSource {
    image::QuotaLimits values;
    image::QuotaLimits limits(const std::string&) override { return values; }
};

struct ImageService {
    TempDir directory;
    std::unique_ptr<Store> store = Store::open(database_url(directory), image::migrations());
    image::Stores stores;
    std::unique_ptr<image::ImageStore> staging = image::make_file_store(directory / "staging", {.sync = false});
    image::Worker worker{*store, directory / "workers"};
    image::App app{.stores = stores, .size_cap = 64u << 20, .worker = &worker, .staging = staging.get()};
    SystemCommandRunner runner;
    image::Importer importer;
    Callers callers;
    metrics::Registry metrics;
    std::unique_ptr<api::Service> service;
    Cases cases;

    explicit ImageService(image::ImportOptions options = {}, image::FetchRules rules = {})
        : stores(std::vector<std::string>{"local=file:" + (directory / "store"), "second=file:" + (directory / "second"), "web=http:"}, "",
                 {.sync = false, .fetch = rules}),
          importer(*store, app, rules, runner, std::move(options)),
          service(image::make_service(*store, callers, metrics, app)),
          cases(*service) {
        app.importer = &importer;
        callers.export_to(cases);
    }
};

}  // namespace pilvi::testing
