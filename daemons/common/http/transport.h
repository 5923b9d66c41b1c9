#pragma once
// Private to http/: a non-blocking byte stream, plain or TLS, over a socket that somebody else owns. Not thread-safe; it may be handed from one
// thread to another.
#include <sys/types.h>
#include <sys/uio.h>

#include <chrono>
#include <cstdint>
#include <string_view>

#include "http/tls.h"

namespace pilvi::http {

enum class Want { nothing, read, write };

// bytes > 0: moved. Otherwise want != nothing: try again when the socket is ready for that. Otherwise bytes == 0: the peer closed, -1: broken.
struct Moved {
    ssize_t bytes = 0;
    Want want = Want::nothing;
};

class Transport {
public:
    Transport() = default;
    Transport(int fd, SslSession session) : fd_(fd), session_(std::move(session)) {}
    bool tls() const { return session_ != nullptr; }
    int fd() const { return fd_; }
    ssl_st* session() const { return session_.get(); }
    Moved handshake();  // bytes 1: done
    Moved read(char* into, std::size_t size);
    Moved write(const iovec* parts, int count);
    Moved write(std::string_view bytes);
    // From `file` at `offset`, at most `size` bytes: sendfile(2) where plain, through a buffer where TLS.
    Moved send_file(int file, std::uint64_t offset, std::size_t size);
    // Says that nothing more will be sent.
    void finish_sending();

private:
    Moved result(int returned);
    int fd_ = -1;
    SslSession session_;
};

using Moment = std::chrono::steady_clock::time_point;
// Bytes that the peer of a stream has to move before its time begins anew.
inline constexpr std::size_t least_moved = 16384;
// Waits until `fd` is ready for `want` or has failed; false at the deadline.
// `also`, where given, ends the wait too when it becomes readable.
bool wait_ready(int fd, Want want, Moment deadline, int also = -1);
// Once per process: a write to a closed socket is an error code, not a signal.
void ignore_sigpipe();

// Guards a transfer on a thread of its own against a peer that moves next to nothing: in every `window` of waiting for the peer (time spent elsewhere
// does not count) at least `least` bytes must move.
class Pace {
public:
    explicit Pace(std::chrono::milliseconds window, std::uint64_t least = least_moved) : window_(window), left_(window), least_(least) {}
    // False where the time is used up.
    bool wait(int fd, Want want) {
        const Moment begin = std::chrono::steady_clock::now();
        const bool ready = wait_ready(fd, want, begin + left_);
        left_ -= std::chrono::steady_clock::now() - begin;
        return ready && left_.count() > 0;
    }
    void moved(std::uint64_t bytes) {
        moved_ += bytes;
        if (moved_ < least_) return;
        moved_ = 0;
        left_ = window_;
    }

private:
    std::chrono::steady_clock::duration window_, left_;
    std::uint64_t least_;
    std::uint64_t moved_ = 0;
};

}  // namespace pilvi::http
