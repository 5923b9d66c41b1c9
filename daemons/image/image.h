#pragma once
// The image daemon: what main.cpp wires together, and what its routes share.
#include <functional>
#include <memory>
#include <span>

#include "api/service.h"
#include "config/config.h"
#include "identity/identity.h"
#include "stores/store.h"

namespace pilvi::image {

class Cache;
class Importer;
class LimitSource;
class PropertyRules;
class Worker;

struct App {
    const Stores& stores;
    std::uint64_t size_cap;                                           // bytes of one image
    bool need_signature = false;                                      // see refusal()
    std::function<Finding(const Source&)> inspect = &image::inspect;  // the daemon has it in a jail
    bool show_locations = false, show_direct_url = false;             // in what images look like to callers
    Worker* worker = nullptr;                                         // this daemon; always there
    LimitSource* limits = nullptr;                                    // nullptr: nothing is limited
    ImageStore* staging = nullptr;                                    // data on its way to an import
    Importer* importer = nullptr;                                     // with staging: imports work
    Cache* cache = nullptr;                                           // nullptr: there is none
    const PropertyRules* protection = nullptr;                        // nullptr: properties are not protected
};

extern const std::span<const Setting> settings;

api::ServiceSpec service_spec();
std::unique_ptr<api::Service> make_service(Store& store, Authenticator& authenticator, metrics::Registry& metrics, App& app);

// The stores and the staging area of the configuration. Throw Error(bad_request), Error(unavailable).
Stores configured_stores(const Config& config);
std::unique_ptr<ImageStore> configured_staging(const Config& config);
// The settings under fetch. as rules; throws Error(bad_request) naming the one that is wrong.
FetchRules fetch_rules(const Config& config);

// Tables of the resource files.
extern const std::span<const api::Route> image_routes, list_routes, data_routes, member_routes, tag_routes, action_routes, document_routes,
    metadef_routes, metadef_content_routes, import_routes, task_routes, v1_routes, cache_routes;

}  // namespace pilvi::image
