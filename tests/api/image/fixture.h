#pragma once
// The image service on a store of its own.
#include "image/image.h"
#include "pilvi_image_schema.h"
#include "support/cases.h"
#include "support/postgresql.h"
#include "support/temp_dir.h"

namespace pilvi::testing {

// SQLite in the test's directory; with PILVI_TEST_BACKEND=postgresql a database of its own on a server that the program starts.
inline std::string image_database_url(const TempDir& directory) {
    const char* backend = std::getenv("PILVI_TEST_BACKEND");
    if (!backend || std::string_view(backend) != "postgresql") return "sqlite:" + (directory / "image.sqlite");
    static test::PostgresqlServer server;
    return server.fresh();
}

struct ImageService {
    TempDir directory;
    std::unique_ptr<Store> store = Store::open(image_database_url(directory), image::migrations());
    image::Stores stores{std::vector<std::string>{"local=file:" + (directory / "store")}, "", {.sync = false}};
    image::App app{.stores = stores, .size_cap = 64u << 20};
    Callers callers;
    metrics::Registry metrics;
    std::unique_ptr<api::Service> service = image::make_service(*store, callers, metrics, app);
    Cases cases{*service};
    ImageService() { callers.export_to(cases); }
};

}  // namespace pilvi::testing
