#include "steps/image_cache.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/text.h"
#include "drivers/node.h"

namespace pilvi::compute_agent {
namespace {

namespace fs = std::filesystem;

class Digest {
public:
    explicit Digest(const std::string& algorithm) : context_(EVP_MD_CTX_new()) {
        const EVP_MD* method = EVP_get_digestbyname(algorithm.c_str());
        if (!method || EVP_DigestInit_ex(context_.get(), method, nullptr) != 1)
            throw Error(Errc::unsupported, "The image's checksum is of the unknown kind " + algorithm);
    }
    void add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
    std::string hex_value() {
        unsigned char value[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        EVP_DigestFinal_ex(context_.get(), value, &size);
        return hex({reinterpret_cast<const char*>(value), size});
    }

private:
    struct Free {
        void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
    };
    std::unique_ptr<EVP_MD_CTX, Free> context_;
};

void sync_file(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) throw Error(Errc::internal, "cannot sync " + path + ": " + std::strerror(errno));
}

bool stays(const std::string& format, bool raw) { return format == "raw" || format == "iso" || format == "ami" || (format == "qcow2" && !raw); }

}  // namespace

ImageCache::ImageCache(ImageCacheOptions options, QemuImg& qemu_img, FetchImage fetch, std::function<void()> changed)
    : options_(std::move(options)), qemu_img_(qemu_img), fetch_(std::move(fetch)), changed_(std::move(changed)) {
    fs::create_directories(options_.directory);
    for (const fs::directory_entry& entry : fs::directory_iterator(options_.directory))
        if (entry.path().extension() == ".part") fs::remove(entry.path());
    for (int i = 0; i < options_.threads; ++i) workers_.emplace_back([this] { work(); });
}

ImageCache::~ImageCache() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

std::string ImageCache::name_of(const ImageRef& image, bool as_disk) const {
    if (!as_disk) return image.id + ".bin";
    return image.id + (image.disk_format == "qcow2" && !options_.raw ? ".qcow2" : ".raw");
}

std::optional<CachedImage> ImageCache::cached(const ImageRef& image, bool as_disk) {
    const std::string name = name_of(image, as_disk);
    const std::string path = options_.directory + "/" + name;
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return std::nullopt;
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // prune() goes by it
    const std::string format = name.ends_with(".qcow2") ? "qcow2" : "raw";
    if (format == "raw") return CachedImage{path, format, info.st_size};
    {
        const std::lock_guard lock(mutex_);
        if (const auto known = sizes_.find(name); known != sizes_.end()) return CachedImage{path, format, known->second};
    }
    const DiskInfo disk = qemu_img_.info(path, format);
    const std::lock_guard lock(mutex_);
    sizes_[name] = disk.virtual_size;
    return CachedImage{path, format, disk.virtual_size};
}

std::optional<CachedImage> ImageCache::get(const ImageRef& image, bool as_disk) {
    if (auto ready = cached(image, as_disk)) return ready;
    const std::string name = name_of(image, as_disk);
    const std::lock_guard lock(mutex_);
    if (const auto failure = failed_.find(name); failure != failed_.end()) {
        const Failure copy = failure->second;
        failed_.erase(failure);
        throw Error(copy.code, copy.message);
    }
    if (jobs_.try_emplace(name, Job{image, as_disk, false}).second) wake_.notify_one();
    return std::nullopt;
}

void ImageCache::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        auto next = jobs_.begin();
        const auto find_next = [&] {
            next = std::find_if(jobs_.begin(), jobs_.end(), [](const auto& job) { return !job.second.running; });
            return next != jobs_.end();
        };
        wake_.wait(lock, [&] { return ending_ || find_next(); });
        if (ending_) return;
        next->second.running = true;
        const std::string name = next->first;
        const Job job = next->second;
        lock.unlock();
        std::optional<Failure> failure;
        try {
            make(job);
        } catch (const Error& error) {
            failure = Failure{error.code(), error.message()};
        } catch (const std::exception& error) {
            failure = Failure{Errc::internal, error.what()};
        }
        lock.lock();
        jobs_.erase(name);
        if (failure) failed_[name] = *failure;
        lock.unlock();
        changed_();
        lock.lock();
    }
}

void ImageCache::make(const Job& job) {
    const std::string path = options_.directory + "/" + name_of(job.image, job.as_disk);
    const std::string part = path + ".fetch.part";
    const std::string raw = path + ".raw.part";
    try {
        download(job.image, part);
        if (job.as_disk) {
            const std::string& format = job.image.disk_format;
            if (format != "raw") refuse_references(qemu_img_.info(part, format));
            if (!stays(format, options_.raw)) {
                qemu_img_.convert_to_raw(part, format, raw);
                sync_file(raw);
                fs::rename(raw, part);
            }
        }
        if (::chmod(part.c_str(), 0644) != 0) throw Error(Errc::internal, "cannot change the mode of " + part);
        fs::rename(part, path);
    } catch (...) {
        std::error_code ignored;
        fs::remove(part, ignored);
        fs::remove(raw, ignored);
        throw;
    }
}

void ImageCache::download(const ImageRef& image, const std::string& path) {
    const std::int64_t free = space_of(options_.directory).available;
    if (image.size > free)
        throw Error(Errc::internal, "No room for the image " + image.id + " on the node: " + std::to_string(image.size) + " bytes are needed, " +
                                        std::to_string(free) + " are free");
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) throw Error(Errc::internal, "cannot create " + path + ": " + std::strerror(errno));
    const bool strong = !image.hash_algo.empty() && !image.hash_value.empty();
    Digest digest(strong ? image.hash_algo : "md5");
    std::int64_t got = 0;
    fetch_(image, [&](std::string_view bytes) {
        {
            const std::lock_guard lock(mutex_);
            if (ending_) throw Error(Errc::unavailable, "the agent ends");
        }
        got += static_cast<std::int64_t>(bytes.size());
        if (image.size > 0 && got > image.size) throw Error(Errc::bad_gateway, "The image " + image.id + " is longer than the image service says");
        digest.add(bytes);
        if (const int error = write_all(fd.get(), bytes)) throw Error(Errc::internal, "cannot write " + path + ": " + std::strerror(error));
    });
    if (image.size > 0 && got != image.size)
        throw Error(Errc::bad_gateway, "The image " + image.id + " is shorter than the image service says: " + std::to_string(got) + " of " +
                                           std::to_string(image.size) + " bytes");
    const std::string& wanted = strong ? image.hash_value : image.checksum;
    if (!wanted.empty() && !equals_ignoring_case(digest.hex_value(), wanted))
        throw Error(Errc::internal, "The image " + image.id + " does not have the checksum that the image service says");
    if (::fsync(fd.get()) != 0) throw Error(Errc::internal, "cannot sync " + path + ": " + std::strerror(errno));
}

void ImageCache::prune(const std::set<std::string>& used, Micros before) {
    for (const fs::directory_entry& entry : fs::directory_iterator(options_.directory)) {
        const std::string name = entry.path().filename().string();
        if (entry.path().extension() == ".part" || used.contains(name)) continue;
        struct stat info {};
        if (::stat(entry.path().c_str(), &info) != 0 || static_cast<Micros>(info.st_mtime) * 1'000'000 >= before) continue;
        const std::lock_guard lock(mutex_);
        if (jobs_.contains(name)) continue;
        sizes_.erase(name);
        std::error_code ignored;
        fs::remove(entry.path(), ignored);
    }
}

}  // namespace pilvi::compute_agent
