// Requests to the image service: x-image-meta headers of v1, JSON patches, ranges, imports, tasks, metadata definitions, the filters of lists.
#include "requests.h"

#include "image/image.h"
#include "image/importer.h"
#include "image/worker.h"
#include "metrics/metrics.h"
#include "pilvi_image_schema.h"
#include "support/temp_dir.h"

namespace {
using namespace pilvi;

struct Image final : fuzz::Subject {
    // Nothing is fetched from anywhere.
    image::FetchRules rules{.ports = {1}, .hosts = {"nowhere.invalid"}};
    testing::MemoryDir directory;
    std::unique_ptr<Store> store = Store::open("sqlite:" + (directory / "test.sqlite"), image::migrations());
    image::Stores stores{std::vector<std::string>{"local=file:" + (directory / "store"), "second=file:" + (directory / "second"), "web=http:"},
                         "",
                         {.sync = false, .fetch = rules}};
    std::unique_ptr<image::ImageStore> staging = image::make_file_store(directory / "staging", {.sync = false, .fetch = rules});
    image::Worker worker{*store, directory / "workers"};
    image::App app{
        .stores = stores, .size_cap = 1u << 20, .show_locations = true, .show_direct_url = true, .worker = &worker, .staging = staging.get()};
    SystemCommandRunner runner;
    image::Importer importer{*store, app, rules, runner, {}};
    fuzz::Callers callers;
    metrics::Registry metrics;
    std::unique_ptr<api::Service> api = image::make_service(*store, callers, metrics, app);

    Image() {
        app.importer = &importer;
        headers.set("X-Auth-Token", "admin");
        headers.set("Content-Type", "application/json");
        fuzz::set_up(*this, "POST", "/v2/images",
                     R"({"id": "11111111-0000-4000-8000-000000000000", "name": "a", "disk_format": "raw", "container_format": "bare"})");
        fuzz::set_up(*this, "PUT", "/v2/images/11111111-0000-4000-8000-000000000000/file", "0123456789", "application/octet-stream");
        fuzz::set_up(*this, "POST", "/v2/images",
                     R"({"id": "22222222-0000-4000-8000-000000000000", "disk_format": "raw", "container_format": "bare", "p": "q"})");
        fuzz::set_up(*this, "POST", "/v2/metadefs/namespaces", R"({"namespace": "NS", "visibility": "public"})");
    }
    http::Handler& service() override { return *api; }
    void settle() override { importer.wait_idle(); }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static std::unique_ptr<fuzz::Subject> subject;
    fuzz::ask(subject, [] { return std::make_unique<Image>(); }, {reinterpret_cast<const char*>(data), size});
    return 0;
}
