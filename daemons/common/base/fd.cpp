#include "base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/ids.h"

namespace pilvi {
namespace {
[[noreturn]] void fail(const std::string& what, const std::string& path) {
    const int code = errno;
    throw Error(code == ENOENT ? Errc::not_found : Errc::internal, what + " " + path + ": " + std::strerror(code));
}
}  // namespace

void UniqueFd::reset(int fd) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

std::string read_file(const std::string& path, std::size_t limit) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) fail("cannot open", path);
    std::string out;
    char buffer[65536];
    while (true) {
        const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
        if (got < 0) fail("cannot read", path);
        if (got == 0) return out;
        out.append(buffer, static_cast<std::size_t>(got));
        if (out.size() > limit) throw Error(Errc::internal, path + " is larger than " + std::to_string(limit) + " bytes");
    }
}

int write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return errno;
        bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return 0;
}

void write_file(const std::string& path, std::string_view content, unsigned mode) {
    const std::string temporary = path + "." + new_hex_id().substr(0, 8);
    {
        const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
        if (!fd) fail("cannot create", temporary);
        if (write_all(fd.get(), content) != 0) {
            ::unlink(temporary.c_str());
            fail("cannot write", temporary);
        }
        if (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0) {
            ::unlink(temporary.c_str());
            fail("cannot sync", temporary);
        }
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        ::unlink(temporary.c_str());
        fail("cannot rename", path);
    }
    const std::string directory = std::filesystem::path(path).parent_path().string();
    const UniqueFd parent(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (parent) ::fsync(parent.get());
}

std::string read_credential(const std::string& name) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (!directory || !*directory)
        throw Error(Errc::not_found, "credential " + name + " is missing: CREDENTIALS_DIRECTORY is not set (LoadCredential= in the unit)");
    std::string content = read_file(std::string(directory) + "/" + name, 65536);
    while (!content.empty() && (content.back() == '\n' || content.back() == '\r')) content.pop_back();
    return content;
}

}  // namespace pilvi
