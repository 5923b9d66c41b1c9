// Image data on a local or mounted disk: one file per image, named by its id, complete or not there. Uploads grow in incoming/ and are renamed when they
// are whole and synced, so that what the database calls active is there after a power cut.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/ids.h"
#include "stores/store.h"

namespace pilvi::image {
namespace {
constexpr std::string_view scheme = "file://";
constexpr std::uint64_t flush_every = 32u << 20;  // dirty pages go to the disk while the rest arrives

[[noreturn]] void fail(const std::string& what) {
    const int code = errno;
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        throw Error(Errc::too_large, "Image storage media is full: " + std::string(std::strerror(code)));
    throw Error(Errc::unavailable, what + ": " + std::strerror(code));
}

void sync_directory(const std::string& directory) {
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) fail("cannot sync " + directory);
}

class FileUpload final : public Upload {
public:
    FileUpload(std::string path, std::string place, bool sync) : path_(std::move(path)), place_(std::move(place)), sync_(sync) {
        fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
        if (!fd_) fail("cannot create " + path_);
    }
    FileUpload(const FileUpload&) = delete;
    FileUpload& operator=(const FileUpload&) = delete;
    ~FileUpload() override {
        if (!path_.empty()) ::unlink(path_.c_str());
    }

    std::uint64_t size() const override { return size_; }
    std::string read(std::uint64_t offset, std::size_t size) const override {
        if (offset >= size_) return {};
        std::string out(static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - offset)), '\0');
        const ssize_t got = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(offset));
        out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return out;
    }
    void append(const char* bytes, std::size_t size) override {
        while (size > 0) {
            const ssize_t wrote = ::pwrite(fd_.get(), bytes, size, static_cast<off_t>(size_));
            if (wrote < 0 && errno == EINTR) continue;
            if (wrote < 0) fail("cannot write image data");
            bytes += wrote;
            size -= static_cast<std::size_t>(wrote);
            size_ += static_cast<std::uint64_t>(wrote);
        }
        if (sync_ && size_ - flushed_ >= flush_every) {
            ::sync_file_range(fd_.get(), static_cast<off_t>(flushed_), static_cast<off_t>(size_ - flushed_), SYNC_FILE_RANGE_WRITE);
            flushed_ = size_;
        }
    }
    std::string commit() override {
        if (sync_ && ::fsync(fd_.get()) != 0) fail("cannot sync " + path_);
        if (::rename(path_.c_str(), place_.c_str()) != 0) fail("cannot rename " + path_);
        path_.clear();
        if (sync_) sync_directory(std::filesystem::path(place_).parent_path());
        return std::string(scheme) + place_;
    }

private:
    std::string path_, place_;
    bool sync_;
    UniqueFd fd_;
    std::uint64_t size_ = 0, flushed_ = 0;
};

class FileStore final : public ImageStore {
public:
    FileStore(std::string directory, bool sync) : directory_(std::move(directory)), sync_(sync) {
        std::error_code failed;
        std::filesystem::create_directories(directory_ + "/incoming", failed);
        if (failed) throw Error(Errc::unavailable, "cannot make " + directory_ + "/incoming: " + failed.message());
    }
    std::string_view type() const override { return "file"; }
    std::string location_of(const std::string& id) const override { return std::string(scheme) + directory_ + "/" + id; }
    std::vector<std::pair<std::string, std::string>> properties() const override { return {{"data_dir", directory_}}; }

    std::unique_ptr<Upload> begin(const std::string& id, const std::string& token) override {
        return std::make_unique<FileUpload>(directory_ + "/incoming/" + id + "." + token, directory_ + "/" + id, sync_);
    }
    // The unfinished file first: without it, its writer has nothing to rename.
    void abandon(const std::string& id, const std::string& token, bool keep) override {
        if (token.empty()) {
            std::error_code failed;
            for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/incoming", failed))
                if (const std::string name = entry.path().filename().string(); name == id || name.starts_with(id + "."))
                    remove_file(entry.path().string());
        } else {
            remove_file(directory_ + "/incoming/" + id + "." + token);
        }
        if (!keep) remove_file(directory_ + "/" + id);
    }
    std::vector<std::string> locations() const override {
        std::vector<std::string> out;
        std::error_code failed;
        for (const auto& entry : std::filesystem::directory_iterator(directory_, failed))
            if (const std::string name = entry.path().filename().string(); is_uuid_like(name)) out.push_back(location_of(name));
        return out;
    }
    std::optional<Opened> open(const std::string& location) override {
        const std::string path = path_of(location);
        Opened out{.fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW))};
        if (!out.fd) {
            if (errno == ENOENT) return std::nullopt;
            fail("cannot open " + path);
        }
        struct stat status {};
        if (::fstat(out.fd.get(), &status) != 0) fail("cannot stat " + path);
        out.size = static_cast<std::uint64_t>(status.st_size);
        ::posix_fadvise(out.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
        return out;
    }
    void remove(const std::string& location) override { remove_file(path_of(location)); }

private:
    static void remove_file(const std::string& path) {
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("cannot remove " + path);
    }
    // Only files that this store has written: no other directory, no name but an id.
    std::string path_of(const std::string& location) const {
        const std::size_t slash = location.rfind('/');
        const std::string id = slash == std::string::npos ? std::string() : location.substr(slash + 1);
        if (!is_uuid_like(id) || location != location_of(id)) throw Error(Errc::bad_request, "The location is not one of this store's");
        return directory_ + "/" + id;
    }
    std::string directory_;
    bool sync_;
};
}  // namespace

std::unique_ptr<ImageStore> make_file_store(std::string_view url, const StoreOptions& options) {
    if (url.starts_with("//")) url.remove_prefix(2);
    while (url.size() > 1 && url.ends_with('/')) url.remove_suffix(1);
    if (!url.starts_with('/')) throw Error(Errc::bad_request, "a file store needs an absolute directory");
    return std::make_unique<FileStore>(std::string(url), options.sync);
}

}  // namespace pilvi::image
