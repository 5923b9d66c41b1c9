#include "drivers/blank_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"

namespace pilvi::compute_agent {
namespace {

namespace fs = std::filesystem;

template <class F>
void make(const std::string& path, std::int64_t bytes, F&& format) {
    if (fs::exists(path)) return;
    const std::string part = path + ".part";
    fs::remove(part);
    const UniqueFd fd(::open(part.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd || ::ftruncate(fd.get(), bytes) != 0) throw Error(Errc::internal, "cannot make " + part + ": " + std::strerror(errno));
    format(part);
    if (::fsync(fd.get()) != 0) throw Error(Errc::internal, "cannot sync " + part + ": " + std::strerror(errno));
    fs::rename(part, path);
}

}  // namespace

void make_swap(CommandRunner& runner, const std::string& path, std::int64_t mib) {
    make(path, mib << 20, [&](const std::string& part) { runner.check({"/usr/sbin/mkswap", part}); });
}

void make_ephemeral(CommandRunner& runner, const std::string& path, std::int64_t gib, const std::string& os_type) {
    make(path, gib << 30, [&](const std::string& part) {
        if (os_type != "windows") runner.check({"/usr/sbin/mkfs.ext4", "-q", "-F", "-L", "ephemeral0", part});
    });
}

}  // namespace pilvi::compute_agent
