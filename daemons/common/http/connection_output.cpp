// The second half of a connection: sending the answer, and what comes after it.
#include <boost/asio/post.hpp>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "http/connection.h"
#include "http/message.h"

namespace pilvi::http {
namespace asio = boost::asio;

namespace {
constexpr auto linger_time = std::chrono::seconds(5);
// While the server stops, for the first words of a peer whose connection was taken: it cannot know, and has no reason to ask again.
constexpr auto first_words_time = std::chrono::seconds(2);
constexpr std::size_t reader_block = 1u << 20;
}  // namespace

void Connection::prepare(Response& response) {
    last_response_ = !keep_alive_ || !body_whole_ || host_.stopping();
    out_head_ = response_head(response, response.body.size(), !last_response_);
    out_body_ = head_request_ || body_forbidden(response.status) ? std::string() : std::move(response.body);
    out_done_ = 0;
}

bool Connection::send_some() {
    while (out_done_ < out_head_.size() + out_body_.size()) {
        const std::size_t in_body = out_done_ > out_head_.size() ? out_done_ - out_head_.size() : 0;
        const std::size_t in_head = std::min(out_done_, out_head_.size());
        const iovec parts[] = {{out_head_.data() + in_head, out_head_.size() - in_head}, {out_body_.data() + in_body, out_body_.size() - in_body}};
        const Moved moved = transport_.write(parts, 2);
        if (moved.bytes > 0) {
            out_done_ += static_cast<std::size_t>(moved.bytes);
            continue;
        }
        broken_ = moved.want == Want::nothing;
        return broken_;
    }
    return true;
}

void Connection::begin_writing() {
    state_ = State::writing;
    set_deadline(host_.options().body_timeout);
    pace(out_head_.size() + out_body_.size());
    continue_writing();
}

void Connection::continue_writing() {
    const std::size_t before = out_done_;
    if (!send_some()) {
        if (out_done_ > before) set_deadline(host_.options().body_timeout);
        return wait(Want::write, &Connection::continue_writing);
    }
    if (broken_) return close();
    if (last_response_) return linger();
    next_request();
}

void Connection::send_file(std::shared_ptr<FileBody> file) {
    if (state_ == State::closed) return;
    state_ = State::streaming;
    const bool accepted = host_.submit_stream(
        [self = shared_from_this(), file = std::move(file)] {
            self->broken_ = !self->stream_file(*file);
            asio::post(self->host_.io(), [self] {
                if (self->state_ == State::closed) return;
                self->out_head_.clear();
                self->out_done_ = 0;
                if (self->broken_) return self->close();
                self->descriptor_.assign(self->fd_.get());
                self->begin_writing();
            });
        },
        true);
    if (!accepted) return refuse(503, "too many transfers are in work");
    take_fd();
}

bool Connection::send_blocking(std::string_view bytes) {
    const Moment deadline = std::chrono::steady_clock::now() + host_.options().body_timeout;
    while (!bytes.empty()) {
        const Moved moved = transport_.write(bytes);
        if (moved.bytes > 0) bytes.remove_prefix(static_cast<std::size_t>(moved.bytes));
        else if (moved.want == Want::nothing || !wait_ready(fd_.get(), moved.want, deadline)) return false;
    }
    return true;
}

bool Connection::stream_file(FileBody& file) {
    if (!send_blocking(out_head_)) return false;
    if (file.read) return stream_reader(file);
    Pace pace(host_.options().body_timeout);
    while (file.length > 0) {
        const Moved moved = transport_.send_file(file.fd.get(), file.offset, file.length);
        if (moved.bytes > 0) {
            file.offset += static_cast<std::uint64_t>(moved.bytes);
            file.length -= static_cast<std::uint64_t>(moved.bytes);
            pace.moved(static_cast<std::uint64_t>(moved.bytes));
        } else if (moved.want == Want::nothing || !pace.wait(fd_.get(), moved.want)) {
            return false;
        }
    }
    return true;
}

bool Connection::stream_reader(FileBody& file) {
    std::vector<char> block(static_cast<std::size_t>(std::min<std::uint64_t>(file.length, reader_block)));
    while (file.length > 0) {
        std::size_t got = 0;
        try {
            got = file.read(file.offset, block.data(), static_cast<std::size_t>(std::min<std::uint64_t>(file.length, block.size())));
        } catch (const std::exception&) {
            return false;  // the source says in the log what is wrong; the peer sees a body that is cut short
        }
        if (got == 0 || !send_blocking({block.data(), got})) return false;
        file.offset += got;
        file.length -= got;
    }
    return true;
}

// ---- after

void Connection::become_idle() {
    if (host_.grace_over() && asked_) return close();
    state_ = State::idle;
    set_deadline(host_.stopping() ? first_words_time : host_.options().idle_timeout);
    forget_request();
}

void Connection::forget_request() {
    parser_.reset();
    request_ = {};
    out_head_.clear();
    if (out_body_.capacity() > 65536) std::string().swap(out_body_);
    out_body_.clear();
}

void Connection::next_request() {
    become_idle();
    if (state_ == State::closed) return;
    if (!input_.empty()) {  // posted: many small requests in one packet do not nest
        asio::post(host_.io(), [self = shared_from_this()] {
            if (self->state_ == State::idle) self->process();
        });
        return;
    }
    std::string().swap(input_);  // an idle connection holds no buffer
    wait(Want::read, &Connection::read_more);
}

// What the peer still sends is thrown away for a while: closing at once would reset the connection and could take our answer with it.
void Connection::linger() {
    state_ = State::lingering;
    transport_.finish_sending();
    if (host_.stopping() && body_whole_) return close();
    set_deadline(linger_time);
    discard();
}

void Connection::discard() {
    char buffer[65536];
    for (int i = 0; i < 16; ++i) {
        const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return close();
        if (got < 0) return wait(Want::read, &Connection::discard);
    }
    asio::post(host_.io(), [self = shared_from_this()] {
        if (self->state_ == State::lingering) self->discard();
    });
}

void Connection::close() {
    if (state_ == State::closed) return;
    if (state_ == State::parked) leave_park();
    state_ = State::closed;
    const auto self = shared_from_this();
    if (descriptor_.is_open()) descriptor_.release();
    fd_.reset();
    host_.closed(this);
}

bool Connection::request_waits() const {
    char byte = 0;
    return !input_.empty() || ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void Connection::begin_stop() {
    heed_answered();
    switch (state_) {
        case State::handshake:
        case State::idle:
            return set_deadline(first_words_time);
        case State::lingering:
            return close();
        case State::parked:
            poll_last_ = true;
            return woken();
        default:
            return;  // ends after its answer: stopping() holds now
    }
}

void Connection::end_grace() {
    heed_answered();
    if (state_ == State::idle && asked_ && !request_waits()) close();
}

void Connection::abort() {
    if (state_ == State::closed) return;
    // A thread may be using the socket: it is shut down here and closed when the last reference goes.
    ::shutdown(fd_.get(), SHUT_RDWR);
    if (state_ == State::parked) leave_park();
    if (descriptor_.is_open()) descriptor_.release();
    state_ = State::closed;
    host_.closed(this);
}

}  // namespace pilvi::http
