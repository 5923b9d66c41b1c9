#include "blobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/ids.h"

namespace pilvi::image {
namespace {
[[noreturn]] void fail(const std::string& what) {
    const int code = errno;
    if (code == ENOSPC || code == EDQUOT) throw Error(Errc::too_large, "Image storage media is full: " + std::string(std::strerror(code)));
    throw Error(Errc::unavailable, what + ": " + std::strerror(code));
}
}  // namespace

std::string FileSource::read(std::uint64_t offset, std::size_t size) const {
    if (offset >= size_) return {};
    std::string out(static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - offset)), '\0');
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
}

Blobs::Blobs(std::string directory, bool sync) : directory_(std::move(directory)), sync_(sync) {
    std::error_code failed;
    std::filesystem::create_directories(directory_ + "/incoming", failed);
    if (failed) throw Error(Errc::unavailable, "cannot make " + directory_ + "/incoming: " + failed.message());
}

Blobs::Incoming::~Incoming() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

Blobs::Incoming Blobs::begin(const std::string& id) const {
    std::string path = directory_ + "/incoming/" + id + "." + new_hex_id();
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    if (!fd) fail("cannot create " + path);
    return {std::move(path), std::move(fd)};
}

void Blobs::keep(Incoming incoming, const std::string& id) const {
    if (sync_ && ::fsync(incoming.fd()) != 0) fail("cannot sync " + incoming.path_);
    if (::rename(incoming.path_.c_str(), place(id).c_str()) != 0) fail("cannot rename " + incoming.path_);
    incoming.path_.clear();
    if (sync_) sync_directory();
}

void Blobs::sync_directory() const {
    const UniqueFd fd(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) fail("cannot sync " + directory_);
}

std::optional<UniqueFd> Blobs::open(const std::string& id, std::uint64_t& size) const {
    UniqueFd fd(::open(place(id).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) {
        if (errno == ENOENT) return std::nullopt;
        fail("cannot open " + place(id));
    }
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) fail("cannot stat " + place(id));
    size = static_cast<std::uint64_t>(status.st_size);
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    return fd;
}

void Blobs::remove(const std::string& id) const {
    if (::unlink(place(id).c_str()) != 0 && errno != ENOENT) fail("cannot remove " + place(id));
}

std::size_t Blobs::remove_orphans(const std::set<std::string>& known) const {
    std::size_t removed = 0;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/incoming", failed)) removed += ::unlink(entry.path().c_str()) == 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, failed))
        if (const std::string name = entry.path().filename().string(); is_uuid_like(name) && !known.contains(name))
            removed += ::unlink(entry.path().c_str()) == 0;
    return removed;
}

}  // namespace pilvi::image
