// Image data in a Ceph pool, as Glance's rbd driver lays it out: one RBD image per image, named by its id, with a protected snapshot "snap" that clones can
// be made of. librbd and librados are loaded when a store of this kind is configured, so that they need not be installed otherwise.
#include <dlfcn.h>
#include <rados/librados.h>
#include <rbd/librbd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "stores/store.h"

namespace pilvi::image {
namespace {
constexpr const char* snapshot = "snap";
constexpr std::string_view incoming = "incoming.";
constexpr const char* own_mark = "pilvi.image";  // metadata of what this store has written
constexpr int object_order = 23;                 // objects of 8 MiB
constexpr std::uint64_t first_size = 64u << 20;  // bytes; doubled while the data grows

[[noreturn]] void fail(const std::string& what, int result) {
    if (result == -ENOSPC || result == -EDQUOT) throw Error(Errc::too_large, "Image storage media is full: " + std::string(std::strerror(-result)));
    throw Error(Errc::unavailable, what + ": " + std::strerror(-result));
}

void check(const std::string& what, int result) {
    if (result < 0) fail(what, result);
}

// The functions of the two libraries that are used here.
class Library {
public:
    Library() : rados_(load("librados.so.2")), rbd_(load("librbd.so.1")) {
        find(rados_, create, "rados_create");
        find(rados_, read_file, "rados_conf_read_file");
        find(rados_, set, "rados_conf_set");
        find(rados_, connect, "rados_connect");
        find(rados_, shutdown, "rados_shutdown");
        find(rados_, fsid, "rados_cluster_fsid");
        find(rados_, pool, "rados_ioctx_create");
        find(rados_, close_pool, "rados_ioctx_destroy");
        find(rbd_, create_image, "rbd_create3");
        find(rbd_, open, "rbd_open");
        find(rbd_, open_read_only, "rbd_open_read_only");
        find(rbd_, close, "rbd_close");
        find(rbd_, resize, "rbd_resize");
        find(rbd_, size, "rbd_get_size");
        find(rbd_, read, "rbd_read");
        find(rbd_, write, "rbd_write");
        find(rbd_, flush, "rbd_flush");
        find(rbd_, rename, "rbd_rename");
        find(rbd_, remove, "rbd_remove");
        find(rbd_, list, "rbd_list2");
        find(rbd_, list_free, "rbd_image_spec_list_cleanup");
        find(rbd_, mark, "rbd_metadata_set");
        find(rbd_, marked, "rbd_metadata_get");
        find(rbd_, snap_create, "rbd_snap_create");
        find(rbd_, snap_protect, "rbd_snap_protect");
        find(rbd_, snap_unprotect, "rbd_snap_unprotect");
        find(rbd_, snap_remove, "rbd_snap_remove");
    }

    decltype(&::rados_create) create;
    decltype(&::rados_conf_read_file) read_file;
    decltype(&::rados_conf_set) set;
    decltype(&::rados_connect) connect;
    decltype(&::rados_shutdown) shutdown;
    decltype(&::rados_cluster_fsid) fsid;
    decltype(&::rados_ioctx_create) pool;
    decltype(&::rados_ioctx_destroy) close_pool;
    decltype(&::rbd_create3) create_image;
    decltype(&::rbd_open) open;
    decltype(&::rbd_open_read_only) open_read_only;
    decltype(&::rbd_close) close;
    decltype(&::rbd_resize) resize;
    decltype(&::rbd_get_size) size;
    decltype(&::rbd_read) read;
    decltype(&::rbd_write) write;
    decltype(&::rbd_flush) flush;
    decltype(&::rbd_rename) rename;
    decltype(&::rbd_remove) remove;
    decltype(&::rbd_list2) list;
    decltype(&::rbd_image_spec_list_cleanup) list_free;
    decltype(&::rbd_metadata_set) mark;
    decltype(&::rbd_metadata_get) marked;
    decltype(&::rbd_snap_create) snap_create;
    decltype(&::rbd_snap_protect) snap_protect;
    decltype(&::rbd_snap_unprotect) snap_unprotect;
    decltype(&::rbd_snap_remove) snap_remove;

private:
    static void* load(const char* name) {
        void* handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);  // never closed: Ceph's threads may outlive any of our objects
        if (!handle) throw Error(Errc::unavailable, "an rbd store needs the packages librbd1 and librados2: " + std::string(::dlerror()));
        return handle;
    }
    template <typename Function>
    static void find(void* library, Function& function, const char* name) {
        function = reinterpret_cast<Function>(::dlsym(library, name));
        if (!function) throw Error(Errc::unavailable, "this librbd is too old: it has no " + std::string(name));
    }
    void *rados_, *rbd_;
};

// A connection to one pool.
struct Pool {
    Library library;
    rados_t cluster = nullptr;
    rados_ioctx_t context = nullptr;
    std::string name, fsid;

    // `patience`: seconds that an unreachable cluster is waited for.
    Pool(std::string pool, const std::string& user, const std::string& conf, const std::string& patience) : name(std::move(pool)) {
        check("cannot set up Ceph", library.create(&cluster, user.c_str()));
        try {
            check("cannot read " + conf, library.read_file(cluster, conf.c_str()));
            for (const char* key : {"client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout"})
                check("cannot set Ceph's " + std::string(key), library.set(cluster, key, patience.c_str()));
            check("cannot reach the Ceph cluster of " + conf, library.connect(cluster));
            char text[64] = "";
            check("cannot read the cluster's id", library.fsid(cluster, text, sizeof text));
            fsid = text;
            check("cannot open the pool " + name, library.pool(cluster, name.c_str(), &context));
        } catch (...) {
            library.shutdown(cluster);
            throw;
        }
    }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() {
        library.close_pool(context);
        library.shutdown(cluster);
    }
};
using PoolPtr = std::shared_ptr<Pool>;

// An open RBD image.
class Handle {
public:
    // `at`: a snapshot, read-only; nullptr: the image itself.
    Handle(PoolPtr pool, const std::string& name, const char* at) : pool_(std::move(pool)) {
        result_ = at ? pool_->library.open_read_only(pool_->context, name.c_str(), &image_, at)
                     : pool_->library.open(pool_->context, name.c_str(), &image_, nullptr);
        if (result_ < 0 && result_ != -ENOENT) fail("cannot open the RBD image " + name, result_);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { close(); }
    bool exists() const { return result_ >= 0; }
    rbd_image_t get() const { return image_; }
    const Library& library() const { return pool_->library; }
    void close() {
        if (image_) pool_->library.close(image_);
        image_ = nullptr;
    }
    std::uint64_t size() const {
        std::uint64_t size = 0;
        check("cannot read an RBD image's size", library().size(image_, &size));
        return size;
    }
    std::size_t read(std::uint64_t offset, char* into, std::size_t size) const {
        const ssize_t got = library().read(image_, offset, size, into);
        if (got < 0) fail("cannot read an RBD image", static_cast<int>(got));
        return static_cast<std::size_t>(got);
    }

private:
    PoolPtr pool_;
    rbd_image_t image_ = nullptr;
    int result_ = 0;
};

// The image with its snapshot; nothing where it is not there. Throws Error(conflict) where clones depend on it.
void remove_image(const PoolPtr& pool, const std::string& name) {
    Handle image(pool, name, nullptr);
    if (!image.exists()) return;
    const int freed = pool->library.snap_unprotect(image.get(), snapshot);
    if (freed == -EBUSY) throw Error(Errc::conflict, "Image " + name + " could not be deleted because it is in use: there are clones of it");
    if (freed < 0 && freed != -EINVAL && freed != -ENOENT) fail("cannot release the RBD image " + name, freed);
    const int removed = pool->library.snap_remove(image.get(), snapshot);
    if (removed < 0 && removed != -ENOENT) fail("cannot remove the snapshot of the RBD image " + name, removed);
    image.close();
    const int gone = pool->library.remove(pool->context, name.c_str());
    if (gone < 0 && gone != -ENOENT) fail("cannot remove the RBD image " + name, gone);
}

// Data being read; an image that is removed meanwhile goes when its last reader has finished.
struct Reader {
    PoolPtr pool;
    std::string name;
    Handle snapshot_handle;
    bool doomed = false;

    Reader(PoolPtr of, std::string id) : pool(std::move(of)), name(std::move(id)), snapshot_handle(pool, name, snapshot) {}
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() {
        snapshot_handle.close();
        if (!doomed) return;
        try {
            remove_image(pool, name);
        } catch (const std::exception&) {  // stays, and is reported as data that nobody knows
        }
    }
};

class RbdUpload final : public Upload {
public:
    RbdUpload(PoolPtr pool, std::string id, const std::string& token)
        : pool_(std::move(pool)), id_(std::move(id)), name_(std::string(incoming) + id_ + "." + token) {
        int order = object_order;
        check("cannot create an RBD image",
              pool_->library.create_image(pool_->context, name_.c_str(), first_size, RBD_FEATURE_LAYERING, &order, 0, 0));
        image_ = std::make_unique<Handle>(pool_, name_, nullptr);
        room_ = first_size;
        check("cannot mark an RBD image", pool_->library.mark(image_->get(), own_mark, "1"));
    }
    RbdUpload(const RbdUpload&) = delete;
    RbdUpload& operator=(const RbdUpload&) = delete;
    ~RbdUpload() override {
        image_.reset();
        try {
            if (!committed_) remove_image(pool_, name_);
        } catch (const std::exception&) {  // whoever abandons the upload removes it
        }
    }
    std::uint64_t size() const override { return size_; }
    std::string read(std::uint64_t offset, std::size_t size) const override {
        if (offset >= size_) return {};
        std::string out(static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - offset)), '\0');
        out.resize(image_->read(offset, out.data(), out.size()));
        return out;
    }
    void append(const char* bytes, std::size_t size) override {
        if (size_ + size > room_) resize(std::max(room_ * 2, size_ + size));
        if (size == 0) return;
        const ssize_t wrote = pool_->library.write(image_->get(), size_, size, bytes);
        if (wrote < 0) fail("cannot write image data", static_cast<int>(wrote));
        size_ += size;
    }
    std::string commit() override {
        resize(size_);
        check("cannot flush an RBD image", pool_->library.flush(image_->get()));
        check("cannot make a snapshot", pool_->library.snap_create(image_->get(), snapshot));
        check("cannot protect a snapshot", pool_->library.snap_protect(image_->get(), snapshot));
        image_->close();
        remove_image(pool_, id_);
        check("cannot rename an RBD image", pool_->library.rename(pool_->context, name_.c_str(), id_.c_str()));
        committed_ = true;
        return "rbd://" + pool_->fsid + "/" + pool_->name + "/" + id_ + "/" + snapshot;
    }

private:
    void resize(std::uint64_t size) {
        check("cannot resize an RBD image", pool_->library.resize(image_->get(), size));
        room_ = size;
    }
    PoolPtr pool_;
    std::string id_, name_;
    std::unique_ptr<Handle> image_;
    std::uint64_t size_ = 0, room_ = 0;
    bool committed_ = false;
};

class RbdStore final : public ImageStore {
public:
    explicit RbdStore(PoolPtr pool) : pool_(std::move(pool)) {}
    std::string_view type() const override { return "rbd"; }
    std::string location_of(const std::string& id) const override { return "rbd://" + pool_->fsid + "/" + pool_->name + "/" + id + "/" + snapshot; }
    std::vector<std::pair<std::string, std::string>> properties() const override { return {{"pool", pool_->name}}; }
    std::unique_ptr<Upload> begin(const std::string& id, const std::string& token) override { return std::make_unique<RbdUpload>(pool_, id, token); }
    // The unfinished image first: without it, its writer has nothing to rename.
    void abandon(const std::string& id, const std::string& token, bool keep) override {
        const std::string prefix = std::string(incoming) + id + ".";
        if (!token.empty()) remove_image(pool_, prefix + token);
        else
            for (const std::string& name : names())
                if (name.starts_with(prefix)) remove_image(pool_, name);
        if (!keep && is_own(id)) remove_image(pool_, id);
    }
    // Other programs may keep images in the pool: only those that are marked as written here.
    std::vector<std::string> locations() const override {
        std::vector<std::string> out;
        for (const std::string& name : names())
            if (is_uuid_like(name) && is_own(name)) out.push_back(location_of(name));
        return out;
    }

    std::optional<Opened> open(const std::string& location) override {
        const std::string id = id_of(location);
        const std::lock_guard lock(mutex_);
        std::shared_ptr<Reader> reader = readers_[id].lock();
        if (!reader || reader->doomed) {
            reader = std::make_shared<Reader>(pool_, id);
            if (!reader->snapshot_handle.exists()) return std::nullopt;
            readers_[id] = reader;
        }
        Opened out{.size = reader->snapshot_handle.size()};
        out.read = [reader](std::uint64_t offset, char* into, std::size_t size) { return reader->snapshot_handle.read(offset, into, size); };
        return out;
    }
    void remove(const std::string& location) override {
        const std::string id = id_of(location);
        {
            const std::lock_guard lock(mutex_);
            const auto found = readers_.find(id);
            const std::shared_ptr<Reader> reader = found == readers_.end() ? nullptr : found->second.lock();
            if (found != readers_.end()) readers_.erase(found);
            if (reader) {
                reader->doomed = true;
                return;
            }
        }
        remove_image(pool_, id);
    }

private:
    bool is_own(const std::string& name) const {
        const Handle image(pool_, name, nullptr);
        char value[8];
        std::size_t size = sizeof value;
        return image.exists() && pool_->library.marked(image.get(), own_mark, value, &size) >= 0;
    }
    std::vector<std::string> names() const {
        std::vector<rbd_image_spec_t> found(1024);
        std::size_t size = found.size();
        int listed = 0;
        while ((listed = pool_->library.list(pool_->context, found.data(), &size)) == -ERANGE) found.resize(size);
        check("cannot list the pool " + pool_->name, listed);
        std::vector<std::string> out;
        for (std::size_t i = 0; i < size; ++i) out.emplace_back(found[i].name);
        pool_->library.list_free(found.data(), size);
        return out;
    }
    std::string id_of(const std::string& location) const {
        const std::vector<std::string> parts = split(location, '/');
        const std::string id = parts.size() == 6 ? parts[4] : std::string();
        if (!is_uuid_like(id) || location != location_of(id)) throw Error(Errc::bad_request, "The location is not one of this store's");
        return id;
    }
    PoolPtr pool_;
    std::mutex mutex_;
    std::map<std::string, std::weak_ptr<Reader>> readers_;
};
}  // namespace

std::unique_ptr<ImageStore> make_rbd_store(std::string_view url, const StoreOptions&) {
    const std::size_t question = url.find('?');
    const std::string pool(url.substr(0, question));
    std::string user = "glance", conf = "/etc/ceph/ceph.conf", patience = "30";
    if (question != std::string_view::npos)
        for (const std::string& parameter : split(url.substr(question + 1), '&', false)) {
            if (parameter.starts_with("user=")) user = parameter.substr(5);
            else if (parameter.starts_with("conf=")) conf = parameter.substr(5);
            else if (parameter.starts_with("timeout=")) patience = parameter.substr(8);
            else throw Error(Errc::bad_request, "an rbd store has no parameter '" + parameter + "'");
        }
    if (pool.empty() || pool.find('/') != std::string::npos) throw Error(Errc::bad_request, "an rbd store needs a pool: NAME=rbd:POOL");
    return std::make_unique<RbdStore>(std::make_shared<Pool>(pool, user, conf, patience));
}

}  // namespace pilvi::image
