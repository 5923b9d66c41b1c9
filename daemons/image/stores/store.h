#pragma once
// Where image data is kept. A driver is one .cpp file of this directory behind ImageStore; Stores is the set that the configuration names.
// A location is the URL of one image's data in one store, as glance_store writes it: file:///DIRECTORY/ID, http://..., rbd://FSID/POOL/ID/snap.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "domain/inspect.h"
#include "fetch.h"

namespace pilvi::image {

// Data on its way into a store: appended to, looked at by the inspector, then committed. Uncommitted data goes with the object.
class Upload : public Source {
public:
    // Throws Error(too_large) where the store is full, Error(unavailable) where it does not take the data.
    virtual void append(const char* bytes, std::size_t size) = 0;
    // The data is complete, durable and at its place. Returns its location. At most once, and nothing is appended after it.
    virtual std::string commit() = 0;
};

// Data opened for reading; what is open can be read to its end although the image is deleted meanwhile.
struct Opened {
    std::uint64_t size = 0;
    UniqueFd fd;  // a plain file, sent without a copy; empty where the store has none:
    // up to `size` bytes at `offset`, fewer at the end only. Throws Error(unavailable).
    std::function<std::size_t(std::uint64_t offset, char* into, std::size_t size)> read = {};
};

// Thread-safe.
class ImageStore {
public:
    virtual ~ImageStore() = default;
    virtual std::string_view type() const = 0;  // "file", "http", "rbd"
    virtual bool writable() const { return true; }
    // New data for the image `id`; data that the store already has for it stays until commit() replaces it. Throws Error(unavailable), or
    // Error(bad_request) where the store is read-only.
    // `token` is the upload's own: letters and digits.
    virtual std::unique_ptr<Upload> begin(const std::string& id, const std::string& token) = 0;
    // The upload `token` ("": all that are at the image) can no more be committed, and nothing of it stays; unless `keep`, nor what it has committed.
    // Whatever is there not. Throws Error(unavailable) where that cannot be had now.
    virtual void abandon(const std::string& id, const std::string& token, bool keep = false) = 0;
    // nullopt where there is no data at the location. Throws Error(bad_request) on a location that is not this store's, Error(unavailable).
    virtual std::optional<Opened> open(const std::string& location) = 0;
    // No error where nothing is there. Throws as open() does.
    virtual void remove(const std::string& location) = 0;
    // Of all committed data that is there, written by this kind of store.
    virtual std::vector<std::string> locations() const = 0;
    // The location that data of the image `id` has here; "" where the store does not choose it.
    virtual std::string location_of(const std::string& id) const = 0;
    // Properties for GET /v2/info/stores/detail: "data_dir", "pool", ...
    virtual std::vector<std::pair<std::string, std::string>> properties() const { return {}; }
};

struct NamedStore {
    std::string name;  // the store's id in the API
    std::unique_ptr<ImageStore> store;
};

struct StoreOptions {
    bool sync = true;  // sync an upload to the disk before it counts
    FetchRules fetch;  // for stores that read from the web
};

// The stores of this daemon, at least one, in the order of the configuration.
class Stores {
public:
    // Each of `described` is NAME=URL: "local=file:/var/lib/pilvi/image/store", "web=http:", "ceph=rbd:POOL?user=USER&conf=/etc/ceph/ceph.conf&timeout=SECONDS".
    // `preferred` names the default store; "": the first. Throws Error(bad_request) naming the entry that is wrong, Error(unavailable) where a store
    // cannot be made ready.
    Stores(std::span<const std::string> described, const std::string& preferred, const StoreOptions& options);
    const NamedStore& preferred() const { return *preferred_; }
    // nullptr where there is none of that name.
    const NamedStore* find(std::string_view name) const;
    std::span<const NamedStore> all() const { return stores_; }

private:
    std::vector<NamedStore> stores_;
    const NamedStore* preferred_ = nullptr;
};

// The drivers. `url` is what stands after NAME=, without its scheme.
std::unique_ptr<ImageStore> make_file_store(std::string_view url, const StoreOptions& options);
std::unique_ptr<ImageStore> make_http_store(std::string_view url, const StoreOptions& options);
std::unique_ptr<ImageStore> make_rbd_store(std::string_view url, const StoreOptions& options);

}  // namespace pilvi::image
