#pragma once
// The image service on a store of its own.
#include "image/image.h"
#include "pilvi_image_schema.h"
#include "support/cases.h"
#include "support/database.h"

namespace pilvi::testing {

struct ImageService {
    TempDir directory;
    std::unique_ptr<Store> store = Store::open(database_url(directory), image::migrations());
    image::Stores stores{std::vector<std::string>{"local=file:" + (directory / "store")}, "", {.sync = false}};
    image::App app{.stores = stores, .size_cap = 64u << 20};
    Callers callers;
    metrics::Registry metrics;
    std::unique_ptr<api::Service> service = image::make_service(*store, callers, metrics, app);
    Cases cases{*service};
    ImageService() { callers.export_to(cases); }
};

}  // namespace pilvi::testing
