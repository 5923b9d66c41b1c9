#pragma once
// The node's image cache: _base/<image id>.<format>, each fetched and checked once, whoever asks for it.
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "drivers/qemu_img.h"
#include "steps/desired.h"

namespace pilvi::compute_agent {

// Streams an image's bytes into the sink; throws Error as the image service answers.
using FetchImage = std::function<void(const ImageRef& image, const std::function<void(std::string_view)>& sink)>;

struct ImageCacheOptions {
    std::string directory;  // .../_base
    bool raw = true;        // keep disks as raw files; else qcow2 stays qcow2
    int threads = 2;
};

struct CachedImage {
    std::string path;
    std::string format;  // "raw" | "qcow2"
    std::int64_t virtual_size = 0;
};

class ImageCache {
public:
    // `changed` is called from a worker whenever an image is ready or has failed.
    ImageCache(ImageCacheOptions options, QemuImg& qemu_img, FetchImage fetch, std::function<void()> changed);
    ~ImageCache();

    // The image where it is in the cache; nullopt while it is being fetched (started by this call where needed).
    // Throws the failure of the fetch once to each caller; the next call tries again.
    std::optional<CachedImage> get(const ImageRef& image, bool as_disk);
    // Removes what no server uses (`used`: file names) and nobody asked for since `before`; and what an interrupted fetch left.
    void prune(const std::set<std::string>& used, Micros before);

private:
    struct Job {
        ImageRef image;
        bool as_disk = true;
        bool running = false;
    };
    struct Failure {
        Errc code;
        std::string message;
    };
    void work();
    void make(const Job& job);
    void download(const ImageRef& image, const std::string& path);
    std::string name_of(const ImageRef& image, bool as_disk) const;
    std::optional<CachedImage> cached(const ImageRef& image, bool as_disk);

    const ImageCacheOptions options_;
    QemuImg& qemu_img_;
    const FetchImage fetch_;
    const std::function<void()> changed_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::map<std::string, Job> jobs_;  // by file name
    std::map<std::string, Failure> failed_;
    std::map<std::string, std::int64_t> sizes_;
    bool ending_ = false;
    std::vector<std::thread> workers_;
};

}  // namespace pilvi::compute_agent
