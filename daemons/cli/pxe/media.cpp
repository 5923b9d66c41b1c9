#include "pxe/media.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"

namespace pilvi::cli {
namespace {

std::string digest_of(int fd, const std::string& path) {
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
    std::vector<char> buffer(1u << 20);
    while (true) {
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0) throw Error(Errc::internal, "cannot read " + path);
        if (got == 0) break;
        EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(got));
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context.get(), digest.data(), &size);
    return hex({reinterpret_cast<const char*>(digest.data()), size});
}

UniqueFd open_file(const std::string& path, struct ::stat& state) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd || ::fstat(fd.get(), &state) != 0 || !S_ISREG(state.st_mode)) throw Error(Errc::not_found, "there is no file " + path);
    return fd;
}

bool same(const struct ::stat& a, const struct ::stat& b) {
    return a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
           a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

Media::Media(std::string directory) : directory_(std::move(directory)) {
    for (const std::string& line : split(read_file(directory_ + "/SHA256SUMS"), '\n', false)) {
        const std::string name = line.size() > 66 ? line.substr(66) : "";
        if (name.empty() || name.find('/') != std::string::npos)
            throw Error(Errc::bad_request, directory_ + "/SHA256SUMS is not as sha256sum writes it");
        File file{.sha256 = line.substr(0, 64)};
        const std::string path = directory_ + "/" + name;
        const UniqueFd fd = open_file(path, file.state);
        if (digest_of(fd.get(), path) != file.sha256) throw Error(Errc::conflict, path + " is not what SHA256SUMS says: it was cut short or changed");
        files_[name] = std::move(file);
    }
    for (const char* name : {"vmlinuz", "initrd", "system.squashfs"}) file(name);
}

const Media::File& Media::file(const std::string& name) const {
    const auto found = files_.find(name);
    if (found == files_.end()) throw Error(Errc::not_found, directory_ + "/SHA256SUMS names no " + name);
    return found->second;
}

UniqueFd Media::open(const std::string& name) const {
    const File& known = file(name);
    struct ::stat state = {};
    UniqueFd fd = open_file(directory_ + "/" + name, state);
    if (!same(state, known.state))
        throw Error(Errc::unavailable, directory_ + "/" + name + " has changed: it is not served until pilvi pxe serve starts anew");
    return fd;
}

}  // namespace pilvi::cli
