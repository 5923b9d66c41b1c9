// Image data that lies on somebody else's web server: read-only, reached by the rules of fetch.h. A download is one request to that server; its bytes pass
// through a pipe, so memory is constant and a slow reader slows the server down.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "fetch.h"
#include "log/log.h"
#include "stores/store.h"

namespace pilvi::image {
namespace {

// A remote file from `offset` on, as it arrives.
class Download {
public:
    Download(const Fetcher& fetcher, const std::string& location, std::uint64_t offset) : offset_(offset), cancel_(::eventfd(0, EFD_CLOEXEC)) {
        int ends[2];
        if (!cancel_ || ::pipe2(ends, O_CLOEXEC) != 0) throw Error(Errc::unavailable, "no descriptors are left");
        reader_ = UniqueFd(ends[0]);
        thread_ = std::thread([&fetcher, location, offset, cancel = cancel_.get(), writer = ends[1]] {
            const UniqueFd owned(writer);
            try {
                const auto write = [&](std::string_view bytes) {
                    if (write_all(owned.get(), bytes) != 0) throw Error(Errc::unavailable, "the reader is gone");
                };
                fetcher.get(location, write, offset, cancel);
            } catch (const std::exception& e) {
                log::warning("image data from elsewhere is cut short: " + std::string(e.what()) + "; the download ends with it");
            }
        });
    }
    Download(const Download&) = delete;
    Download& operator=(const Download&) = delete;
    ~Download() {
        ::eventfd_write(cancel_.get(), 1);
        reader_.reset();
        thread_.join();
    }
    std::uint64_t offset() const { return offset_; }
    std::size_t read(char* into, std::size_t size) {
        ssize_t got = -1;
        do got = ::read(reader_.get(), into, size);
        while (got < 0 && errno == EINTR);
        if (got <= 0) throw Error(Errc::unavailable, "the image data ended before its size");
        offset_ += static_cast<std::uint64_t>(got);
        return static_cast<std::size_t>(got);
    }

private:
    std::uint64_t offset_;
    UniqueFd cancel_, reader_;
    std::thread thread_;
};

class HttpStore final : public ImageStore {
public:
    explicit HttpStore(const FetchRules& rules) : fetcher_(rules) {}
    std::string_view type() const override { return "http"; }
    bool writable() const override { return false; }
    std::string location_of(const std::string&) const override { return {}; }
    std::vector<std::string> locations() const override { return {}; }
    void abandon(const std::string&, const std::string&, bool) override {}
    std::unique_ptr<Upload> begin(const std::string&, const std::string&) override {
        throw Error(Errc::bad_request, "The store takes no data: it is read-only");
    }
    // What others keep is not removed.
    void remove(const std::string& location) override { fetcher_.check(location); }

    std::optional<Opened> open(const std::string& location) override {
        std::optional<std::uint64_t> size;
        try {
            size = fetcher_.size(location);
        } catch (const Error& e) {
            if (e.code() == Errc::not_found) return std::nullopt;
            throw;
        }
        if (!size) throw Error(Errc::unavailable, "The server of the image data does not tell its size");
        Opened out{.size = *size};
        out.read = [this, location, download = std::shared_ptr<Download>()](std::uint64_t offset, char* into, std::size_t most) mutable {
            if (!download || download->offset() != offset) {
                download.reset();
                download = std::make_shared<Download>(fetcher_, location, offset);
            }
            return download->read(into, most);
        };
        return out;
    }

private:
    Fetcher fetcher_;
};
}  // namespace

std::unique_ptr<ImageStore> make_http_store(std::string_view url, const StoreOptions& options) {
    if (!url.empty()) throw Error(Errc::bad_request, "an http store has no address of its own: write NAME=http:");
    return std::make_unique<HttpStore>(options.fetch);
}

}  // namespace pilvi::image
