#pragma once
// Copies of image data on this node's disk, for images whose stores are far away. An administrator queues an image; a worker copies it; downloads read the
// copy. A row of cached_images is queued (cached = 0) or says that the copy is whole.
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "image.h"
#include "model.h"

namespace pilvi::image {

class Cache {
public:
    // `app` and the store live longer. `most`: bytes of all copies; the ones that were not read for longest go for new ones.
    Cache(Store& store, const App& app, const std::string& directory, std::uint64_t most);
    ~Cache();  // what is being copied is copied at the next start

    // The copy; nullopt where there is none.
    std::optional<Opened> open(const std::string& image_id);
    void queue(const std::string& image_id);
    // Row and copy, or the place in the queue. False where there is neither.
    bool remove(const std::string& image_id);
    // All whole copies, or all that is queued. Returns how many.
    std::int64_t clear(bool cached);
    void wait_idle();

private:
    void work();
    void copy(const std::string& image_id);
    void make_room(std::uint64_t wanted);
    void drop_copy(const std::string& image_id);

    Store& store_;
    const App& app_;
    std::unique_ptr<ImageStore> copies_;
    std::uint64_t most_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool asked_ = true, busy_ = false, ending_ = false;
    std::thread thread_;
};

}  // namespace pilvi::image
