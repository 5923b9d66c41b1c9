#pragma once
// Owned file descriptors and whole-file helpers.
#include <string>
#include <string_view>
#include <utility>

namespace pilvi {

class UniqueFd {
public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        reset(std::exchange(other.fd_, -1));
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset(int fd = -1) noexcept;
    explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    int fd_ = -1;
};

// The whole file; throws Error(not_found) where it does not exist, Error(internal) on another failure or above `limit` bytes.
std::string read_file(const std::string& path, std::size_t limit = 16u << 20);
// Writes all of it, however little the kernel takes at a time. 0, or the errno of what failed.
int write_all(int fd, std::string_view bytes);
// Replaces the file in one step (temporary beside it, fsync, rename, fsync of the directory), with `mode`.
void write_file(const std::string& path, std::string_view content, unsigned mode = 0644);

// A systemd credential: $CREDENTIALS_DIRECTORY/<name>, without trailing newline. Throws Error(not_found) naming it where it is missing.
std::string read_credential(const std::string& name);

}  // namespace pilvi
