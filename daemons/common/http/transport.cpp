#include "http/transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

namespace pilvi::http {
namespace {
Moved plain_result(ssize_t returned, Want direction) {
    if (returned >= 0) return {returned, Want::nothing};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {-1, direction};
    return {-1, Want::nothing};
}
}  // namespace

Moved Transport::result(int returned) {
    if (returned > 0) return {returned, Want::nothing};
    switch (SSL_get_error(session_.get(), returned)) {
        case SSL_ERROR_WANT_READ:
            return {-1, Want::read};
        case SSL_ERROR_WANT_WRITE:
            return {-1, Want::write};
        case SSL_ERROR_ZERO_RETURN:
            return {0, Want::nothing};
        default:
            return {-1, Want::nothing};
    }
}

Moved Transport::handshake() {
    if (!session_) return {1, Want::nothing};
    ERR_clear_error();
    return result(SSL_do_handshake(session_.get()));
}

Moved Transport::read(char* into, std::size_t size) {
    if (!session_) return plain_result(::recv(fd_, into, size, 0), Want::read);
    ERR_clear_error();
    return result(SSL_read(session_.get(), into, static_cast<int>(std::min<std::size_t>(size, 1u << 30))));
}

Moved Transport::write(const iovec* parts, int count) {
    if (!session_) {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts);
        message.msg_iovlen = static_cast<std::size_t>(count);
        return plain_result(::sendmsg(fd_, &message, MSG_NOSIGNAL), Want::write);
    }
    const iovec* first = parts;
    while (count > 1 && first->iov_len == 0) ++first, --count;
    ERR_clear_error();
    return result(SSL_write(session_.get(), first->iov_base, static_cast<int>(std::min<std::size_t>(first->iov_len, 1u << 30))));
}

Moved Transport::write(std::string_view bytes) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    return write(&part, 1);
}

Moved Transport::send_file(int file, std::uint64_t offset, std::size_t size) {
    if (!session_) {
        off_t at = static_cast<off_t>(offset);
        const ssize_t sent = ::sendfile(fd_, file, &at, std::min<std::size_t>(size, 1u << 22));
        if (sent == 0) return {-1, Want::nothing};  // the file is shorter than was promised
        return plain_result(sent, Want::write);
    }
    char buffer[16384];  // one TLS record
    const ssize_t got = ::pread(file, buffer, std::min(size, sizeof buffer), static_cast<off_t>(offset));
    if (got <= 0) return {-1, Want::nothing};
    return write(std::string_view(buffer, static_cast<std::size_t>(got)));
}

void Transport::finish_sending() {
    if (session_) {
        ERR_clear_error();
        if (SSL_is_init_finished(session_.get())) SSL_shutdown(session_.get());
    }
    ::shutdown(fd_, SHUT_WR);
}

bool wait_ready(int fd, Want want, Moment deadline, int also) {
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
        if (left < 0) return false;
        pollfd polled[] = {{fd, static_cast<short>(want == Want::write ? POLLOUT : POLLIN), 0}, {also, POLLIN, 0}};  // a negative one is ignored
        const int ready = ::poll(polled, 2, static_cast<int>(std::min<long>(left + 1, 60'000)));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return true;  // the next read or write reports it
    }
}

void ignore_sigpipe() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action {};
        if (::sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
    });
}

}  // namespace pilvi::http
