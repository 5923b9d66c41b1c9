// Requests to the placement service: its query languages (resources, required, member_of, in_tree, granular groups) and its JSON schemas.
#include "requests.h"

#include "api/service.h"
#include "metrics/metrics.h"
#include "placement/resources/routes.h"
#include "pilvi_placement_schema.h"
#include "support/temp_dir.h"

namespace {
using namespace pilvi;

std::string provider(int i) { return "aaaaaaaa-0000-4000-8000-00000000000" + std::to_string(i); }

struct Placement final : fuzz::Subject {
    testing::MemoryDir directory;
    std::unique_ptr<Store> store = Store::open("sqlite:" + (directory / "test.sqlite"), placement::migrations());
    fuzz::Callers callers;
    metrics::Registry metrics;
    api::Service api{placement::service_spec(), *store, callers, metrics, nullptr};
    Placement() {
        placement::add_standard_names(*store);
        store->write([](Tx& tx) {
            for (int i = 0; i < 3; ++i)
                tx.exec("INSERT INTO resource_providers (uuid, name, generation, root_uuid, created_at, updated_at) VALUES (?, ?, 0, ?, 0, 0)",
                        {provider(i), "host-" + std::to_string(i), provider(0)});
        });
        headers.set("X-Auth-Token", "admin");
        headers.set("OpenStack-API-Version", "placement latest");
        headers.set("Content-Type", "application/json");
    }
    http::Handler& service() override { return api; }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static std::unique_ptr<fuzz::Subject> subject;
    fuzz::ask(subject, [] { return std::make_unique<Placement>(); }, {reinterpret_cast<const char*>(data), size});
    return 0;
}
