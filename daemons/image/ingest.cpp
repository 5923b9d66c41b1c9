#include "ingest.h"

#include <openssl/evp.h>

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace pilvi::image {
namespace {
constexpr std::size_t block_size = 1u << 20;
constexpr std::size_t blocks = 6;

class Digest {
public:
    explicit Digest(const EVP_MD* kind) : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
        if (!context_ || EVP_DigestInit_ex(context_.get(), kind, nullptr) != 1) throw Error(Errc::internal, "a digest is not available");
    }
    void add(const char* bytes, std::size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }
    std::string finish() {
        unsigned char value[EVP_MAX_MD_SIZE];
        unsigned int size = 0;
        EVP_DigestFinal_ex(context_.get(), value, &size);
        return hex({reinterpret_cast<const char*>(value), size});
    }

private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

struct Block {
    std::vector<char> bytes = std::vector<char>(block_size);
    std::size_t used = 0;
};

// A ring of blocks with one writer and two readers (the digests), each reader on a thread of its own.
class Ring {
public:
    Ring() : digests_{Digest(EVP_md5()), Digest(EVP_sha512())} {}
    ~Ring() { end(); }
    void start() {
        for (std::size_t i = 0; i < 2; ++i) threads_[i] = std::thread([this, i] { consume(i); });
    }
    bool started() const { return threads_[0].joinable(); }
    // The next block to fill; waits until both digests are through with it.
    Block& next() {
        std::unique_lock lock(mutex_);
        moved_.wait(lock, [this] { return filled_ - std::min(done_[0], done_[1]) < blocks; });
        return blocks_[filled_ % blocks];
    }
    void publish() {
        {
            const std::lock_guard lock(mutex_);
            ++filled_;
        }
        moved_.notify_all();
    }
    void end() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        moved_.notify_all();
        for (std::thread& thread : threads_)
            if (thread.joinable()) thread.join();
    }
    Digest& digest(std::size_t which) { return digests_[which]; }

private:
    void consume(std::size_t which) {
        std::unique_lock lock(mutex_);
        while (true) {
            moved_.wait(lock, [&] { return done_[which] < filled_ || ended_; });
            if (done_[which] == filled_) return;
            const Block& block = blocks_[done_[which] % blocks];
            lock.unlock();
            digests_[which].add(block.bytes.data(), block.used);
            lock.lock();
            ++done_[which];
            moved_.notify_all();
        }
    }
    std::array<Block, blocks> blocks_;
    std::array<Digest, 2> digests_;
    std::array<std::thread, 2> threads_;
    std::mutex mutex_;
    std::condition_variable moved_;
    std::size_t filled_ = 0;
    std::size_t done_[2] = {0, 0};
    bool ended_ = false;
};
}  // namespace

struct Ingest::Impl {
    Upload& upload;
    std::uint64_t most;
    Ring ring = {};
    Ingested out = {};
    Block* block = nullptr;  // being filled

    Block& filling() {
        if (!block) {
            block = &ring.next();
            block->used = 0;
        }
        return *block;
    }
    // The filled block goes to the store and to the digests.
    void pass_on(bool last) {
        if (out.size + block->used > most)
            throw Error(Errc::too_large, "The incoming image is too large: more than " + std::to_string(most) + " bytes");
        upload.append(block->bytes.data(), block->used);
        out.size += block->used;
        if (last && !ring.started()) {  // a small image: not worth two threads
            for (std::size_t i = 0; i < 2; ++i) ring.digest(i).add(block->bytes.data(), block->used);
        } else {
            if (!ring.started()) ring.start();
            ring.publish();
        }
        block = nullptr;
    }
};

Ingest::Ingest(Upload& upload, std::uint64_t most) : impl_(new Impl{.upload = upload, .most = most}) {}
Ingest::~Ingest() = default;

void Ingest::add(std::string_view bytes) {
    while (!bytes.empty()) {
        Block& block = impl_->filling();
        const std::size_t n = bytes.copy(block.bytes.data() + block.used, block_size - block.used);
        block.used += n;
        bytes.remove_prefix(n);
        if (block.used == block_size) impl_->pass_on(false);
    }
}

Ingested Ingest::finish() {
    if (impl_->block) impl_->pass_on(true);
    impl_->ring.end();
    impl_->out.md5 = impl_->ring.digest(0).finish();
    impl_->out.sha512 = impl_->ring.digest(1).finish();
    return impl_->out;
}

Ingested ingest(http::BodyReader& body, Upload& upload, std::uint64_t most) {
    Ingest into(upload, most);
    while (true) {
        Block& block = into.impl_->filling();  // read straight into the block, without a copy
        const std::size_t got = body.read(block.bytes.data() + block.used, block_size - block.used);
        if (got == 0) return into.finish();
        block.used += got;
        if (block.used == block_size) into.impl_->pass_on(false);
    }
}

}  // namespace pilvi::image
