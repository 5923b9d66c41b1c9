#include "http/stream_body.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace pilvi::http {
namespace {
constexpr std::size_t receive_size = 65536;
constexpr std::uint64_t drain_most = 262144;
}  // namespace

StreamBody::StreamBody(Connection& connection) : connection_(connection), pace_(connection.host_.options().body_timeout) {
    if (!connection_.parser_.done() && !connection_.parser_.chunked()) left_ = connection_.parser_.content_length().value_or(0);
}

bool StreamBody::done() const { return connection_.parser_.chunked() ? connection_.parser_.done() : left_ == 0; }

std::size_t StreamBody::read(char* into, std::size_t size) {
    if (failed_) throw Error(Errc::bad_request, "the body cannot be read further");
    if (done() || size == 0) return 0;
    try {
        if (connection_.expect_continue_) {
            connection_.expect_continue_ = false;
            if (!connection_.send_blocking("HTTP/1.1 100 Continue\r\n\r\n")) throw Error(Errc::bad_request, "the client went away");
        }
        const std::size_t got = connection_.parser_.chunked() ? read_chunked(into, size) : read_plain(into, size);
        total_ += got;
        if (total_ > connection_.policy_.limit)
            throw Error(Errc::too_large, "the body is larger than " + std::to_string(connection_.policy_.limit) + " bytes");
        return got;
    } catch (const ParseFailure& failure) {
        failed_ = true;
        throw Error(Errc::bad_request, failure.reason);
    } catch (...) {
        failed_ = true;
        throw;
    }
}

std::size_t StreamBody::read_plain(char* into, std::size_t size) {
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, left_));
    std::string& input = connection_.input_;
    std::size_t got = 0;
    if (!input.empty()) {
        got = std::min(size, input.size());
        std::memcpy(into, input.data(), got);
        input.erase(0, got);
    } else {
        got = receive(into, size);
    }
    left_ -= got;
    return got;
}

std::size_t StreamBody::read_chunked(char* into, std::size_t size) {
    Parser& parser = connection_.parser_;
    std::string& input = connection_.input_;
    parser.window(into, size);
    while (true) {
        if (!input.empty()) input.erase(0, parser.put(input));
        if (parser.window_used() > 0 || parser.done()) return parser.window_used();
        const std::size_t had = input.size();
        input.resize(had + receive_size);
        std::size_t got = 0;
        try {
            got = receive(input.data() + had, receive_size);
        } catch (...) {
            input.resize(had);
            throw;
        }
        input.resize(had + got);
    }
}

std::size_t StreamBody::receive(char* into, std::size_t size) {
    while (true) {
        const Moved moved = connection_.transport_.read(into, size);
        if (moved.bytes > 0) {
            pace_.moved(static_cast<std::uint64_t>(moved.bytes));
            return static_cast<std::size_t>(moved.bytes);
        }
        if (moved.want == Want::nothing) throw Error(Errc::bad_request, "the client went away in the middle of the body");
        if (!pace_.wait(connection_.transport_.fd(), moved.want)) throw Error(Errc::timeout, "the client sends the body too slowly");
    }
}

bool StreamBody::finish() {
    if (done()) return true;
    // A client that waits for "100 Continue" and did not get it sends nothing: the connection cannot be used again.
    if (failed_ || connection_.expect_continue_ || left_ > drain_most) return false;
    try {
        char buffer[16384];
        std::uint64_t drained = 0;
        while (!done() && drained <= drain_most) {
            if (connection_.input_.empty() && !wait_ready(connection_.transport_.fd(), Want::read, std::chrono::steady_clock::now()))
                return false;  // nothing is there yet: not worth a wait
            const std::size_t got = read(buffer, sizeof buffer);
            if (got == 0) break;
            drained += got;
        }
    } catch (const std::exception&) {
        return false;
    }
    return done();
}

}  // namespace pilvi::http
