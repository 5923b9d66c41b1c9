#include "http/connection.h"

#include <arpa/inet.h>
#include <boost/asio/post.hpp>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "http/message.h"
#include "http/stream_body.h"

namespace pilvi::http {
namespace asio = boost::asio;

namespace {
constexpr std::size_t read_size = 16384;
constexpr std::size_t body_read_size = 65536;
constexpr auto quick_succession = std::chrono::milliseconds(5);  // two requests that follow so closely: the next one is worth a short wait
constexpr auto kept_wait = std::chrono::milliseconds(4);
constexpr std::string_view listener_header = "X-Pilvi-Listener";
constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

std::string address_of_peer(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
    char text[INET6_ADDRSTRLEN] = "";
    if (address.ss_family == AF_INET) ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(address).sin_addr, text, sizeof text);
    else if (address.ss_family == AF_INET6) ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6&>(address).sin6_addr, text, sizeof text);
    constexpr std::string_view mapped = "::ffff:";
    const std::string_view view = text;
    return std::string(view.starts_with(mapped) && view.find('.') != std::string_view::npos ? view.substr(mapped.size()) : view);
}
}  // namespace

Connection::Connection(ConnectionHost& host, UniqueFd fd, SslSession session, std::string tag)
    : host_(host),
      fd_(std::move(fd)),
      descriptor_(host.io(), fd_.get()),
      transport_(fd_.get(), std::move(session)),
      tag_(std::move(tag)),
      peer_(address_of_peer(fd_.get())),
      parser_(Parser::Kind::request, host.options().header_limit) {}

void Connection::start() {
    set_deadline(host_.options().header_timeout);
    state_ = State::handshake;
    if (transport_.tls()) return handshake();
    if (host_.nodes() && !peer_.empty()) return look_for_tls();
    begin();
}

void Connection::begin() {
    next_request();
    set_deadline(host_.options().header_timeout);  // a new connection has to say something
}

// The first byte of a TLS connection is that of a handshake record, which begins no HTTP request.
void Connection::look_for_tls() {
    constexpr char handshake_record = 0x16;
    char first = 0;
    const ssize_t got = ::recv(fd_.get(), &first, 1, MSG_PEEK);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return wait(Want::read, &Connection::look_for_tls);
    if (got <= 0) return close();
    if (first != handshake_record) return begin();
    try {
        transport_ = Transport(fd_.get(), host_.nodes()->session([&](ssl_ctx_st* context) { return server_session(context, fd_.get()); }));
    } catch (const std::exception&) {
        return close();  // this node has no certificate
    }
    handshake();
}

void Connection::handshake() {
    const Moved moved = transport_.handshake();
    if (moved.bytes > 0) {
        if (host_.nodes()) {
            identity_ = peer_identity(transport_.session());
            if (identity_) identity_generation_ = host_.nodes()->generation();
        }
        return next_request();
    }
    if (moved.want == Want::nothing) return close();
    wait(moved.want, &Connection::handshake);
}

void Connection::wait(Want want, void (Connection::*then)()) {
    descriptor_.async_wait(want == Want::write ? asio::posix::stream_descriptor::wait_write : asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this(), then](const boost::system::error_code& failed) {
                               if (failed == asio::error::operation_aborted || self->state_ == State::closed) return;
                               ((*self).*then)();
                           });
}

void Connection::check_deadline(Moment now) {
    heed_answered();
    const bool paced = state_ == State::body || state_ == State::writing;
    if (now < deadline_ && (!paced || now < last_possible_)) return;
    switch (state_) {
        case State::head:
        case State::body:
            return refuse(408, "the request did not arrive in time");
        case State::handshake:
        case State::idle:
        case State::writing:
        case State::lingering:
            return close();
        case State::working:
        case State::parked:
        case State::streaming:
        case State::closed:
            return;
    }
}

// ---- reading

void Connection::read_more() {
    thread_local std::array<char, body_read_size> buffer;  // of the I/O thread: room in input_ would be zeroed before every read
    const Moved moved = transport_.read(buffer.data(), state_ == State::body ? body_read_size : read_size);
    if (moved.bytes > 0) {
        input_.append(buffer.data(), static_cast<std::size_t>(moved.bytes));
        return process();
    }
    if (moved.want == Want::nothing) return close();  // closed between requests, or in the middle of one
    wait(moved.want, &Connection::read_more);
}

void Connection::process() {
    if (state_ == State::idle) {
        state_ = State::head;
        set_deadline(host_.options().header_timeout);
    }
    try {
        if (state_ == State::head && !process_head()) return;
        if (state_ == State::body && !process_body()) return;
    } catch (const ParseFailure& failure) {
        return refuse(failure.status, failure.reason);
    }
    if (state_ == State::head || state_ == State::body) read_more();
}

// True where the head is whole.
bool Connection::take_head() {
    // Empty lines before a request are skipped (RFC 9112 §2.2).
    if (!parser_.started())
        while (input_.size() - input_used_ >= 2 && input_.compare(input_used_, 2, "\r\n") == 0) input_used_ += 2;
    const std::string_view rest = std::string_view(input_).substr(input_used_);
    if (!rest.empty() && !parser_.head_done()) input_used_ += parser_.put(rest);
    input_.erase(0, input_used_);
    input_used_ = 0;
    return parser_.head_done();
}

// True: goes on with the body, or needs more input.
bool Connection::process_head() {
    if (!take_head()) return true;
    // The certificate may have been revoked since: it is shown again on a new connection.
    if (identity_ && identity_generation_ != host_.nodes()->generation()) {
        close();
        return false;
    }
    fill_request();
    begin_body();
    return state_ == State::body;
}

void Connection::fill_request() {
    asked_ = true;
    request_ = {};
    request_.method = std::move(parser_.method);
    request_.headers = std::move(parser_.headers);
    std::string& target = parser_.target;
    if (!target.empty() && target[0] != '/' && target != "*") {
        // absolute-form (RFC 9112 §3.2.2): the authority is dropped
        const std::size_t scheme = target.find("://");
        if (scheme == std::string::npos) throw ParseFailure(400, "the request target is not a path");
        const std::size_t slash = target.find('/', scheme + 3);
        target = slash == std::string::npos ? "/" : target.substr(slash);
    }
    request_.target = std::move(target);
    const std::size_t mark = request_.target.find('?');
    request_.path = request_.target.substr(0, mark);
    if (mark != std::string::npos) request_.query = request_.target.substr(mark + 1);
    request_.headers.remove(listener_header);
    if (!tag_.empty()) request_.headers.add(listener_header, tag_);
    request_.peer = peer_;
    request_.tls = transport_.tls();
    request_.identity = identity_;
    head_request_ = request_.method == "HEAD";
    keep_alive_ = parser_.keep_alive() && !host_.stopping();
}

void Connection::begin_body() {
    body_whole_ = parser_.done();
    expect_continue_ = false;
    if (const std::string_view expect = request_.headers.get("Expect"); !expect.empty()) {
        if (!equals_ignoring_case(expect, "100-continue")) return refuse(417, "the only expectation is 100-continue");
        expect_continue_ = parser_.http11() && !body_whole_ && input_.empty();
    }
    policy_ = host_.handler().body_policy(RequestHead{request_.method, request_.path, request_.headers});
    const std::uint64_t announced = body_whole_ ? 0 : parser_.content_length().value_or(0);
    if (announced > policy_.limit) return refuse(413, "the body is larger than " + std::to_string(policy_.limit) + " bytes");
    if (policy_.stream) return dispatch_stream();
    if (body_whole_) return dispatch();
    parser_.collect(request_.body, policy_.limit);
    request_.body.reserve(std::min<std::uint64_t>(announced, 1u << 20));
    state_ = State::body;
    set_deadline(host_.options().body_timeout);
    pace(policy_.limit);
    if (expect_continue_ && transport_.write(continue_line).bytes != static_cast<ssize_t>(continue_line.size())) close();
}

// True: needs more input.
bool Connection::process_body() {
    if (!input_.empty()) {
        const std::size_t used = parser_.put(input_);
        input_.erase(0, used);
        set_deadline(host_.options().body_timeout);
    }
    if (!parser_.done()) return true;
    body_whole_ = true;
    dispatch();
    return false;
}

void Connection::refuse(int status, const std::string& reason) {
    Response response;
    try {
        response = host_.handler().refuse(status, reason);
    } catch (...) {
        response.status = status;
    }
    if (status == 503 && !response.headers.has("Retry-After")) response.headers.set("Retry-After", "1");
    if (status != 503 || !body_whole_) {
        keep_alive_ = false;
        body_whole_ = false;  // what follows cannot be told from a request: the connection ends
    }
    prepare(response);
    begin_writing();
}

// ---- working

Response Connection::call_handler() {
    try {
        return host_.handler().handle(request_);
    } catch (...) {
        try {
            return host_.handler().refuse(500, "internal error");
        } catch (...) {
            return Response{.status = 500};
        }
    }
}

void Connection::dispatch() {
    state_ = State::working;
    const Moment before = std::exchange(dispatched_, std::chrono::steady_clock::now());
    const bool goes_on = input_.empty() && keep_alive_ && !transport_.tls();
    kept_ = goes_on && dispatched_ - before < quick_succession && host_.keep();
    const bool mark = goes_on && !kept_;
    handover_ = mark ? Handover::mark : Handover::post;
    const bool accepted = host_.submit([self = shared_from_this()] { self->work(); }, false);
    if (!accepted) {
        leave_kept();
        return refuse(503, "the service is busy");
    }
    if (mark) await_next();
}

void Connection::work() {
    while (respond(call_handler())) {
    }
}

bool Connection::await_kept() {
    forget_request();
    input_.clear();
    if (!host_.may_go_on() || host_.stopping() || !wait_ready(fd_.get(), Want::read, std::chrono::steady_clock::now() + kept_wait))
        return give_back(&Connection::next_request);
    char buffer[read_size];
    const Moved moved = transport_.read(buffer, sizeof buffer);
    if (moved.bytes <= 0) return give_back(moved.want == Want::nothing ? &Connection::close : &Connection::next_request);
    input_.assign(buffer, static_cast<std::size_t>(moved.bytes));
    try {
        // Only a request that is whole and has no body stays here.
        if (!take_head() || !parser_.done() || !input_.empty() || parser_.headers.has("Expect")) return give_back(&Connection::resume);
        const std::string path = parser_.target.substr(0, parser_.target.find('?'));
        policy_ = host_.handler().body_policy(RequestHead{parser_.method, path, parser_.headers});
        if (policy_.stream) return give_back(&Connection::resume);
        fill_request();
        body_whole_ = true;
    } catch (const ParseFailure& failure) {
        leave_kept();
        asio::post(host_.io(), [self = shared_from_this(), failure] {
            if (self->state_ != State::closed) self->refuse(failure.status, failure.reason);
        });
        return false;
    }
    return true;
}

bool Connection::give_back(void (Connection::*then)()) {
    leave_kept();
    asio::post(host_.io(), [self = shared_from_this(), then] {
        if (self->state_ != State::closed) ((*self).*then)();
    });
    return false;
}

void Connection::leave_kept() {
    if (std::exchange(kept_, false)) host_.release();
}

void Connection::resume() {
    state_ = State::head;
    set_deadline(host_.options().header_timeout);
    process();
}

void Connection::await_next() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this(), round = round_](const boost::system::error_code& failed) {
                               if (failed || self->round_ != round) return;
                               if (self->state_ == State::working && self->handover_.exchange(Handover::post) == Handover::answered)
                                   self->become_idle();
                               if (self->state_ == State::idle) self->read_more();
                           });
}

bool Connection::take_answered() {
    Handover answered = Handover::answered;
    return handover_.compare_exchange_strong(answered, Handover::post);
}

void Connection::heed_answered() {
    if (state_ != State::working || !take_answered()) return;
    become_idle();
    std::string().swap(input_);  // an idle connection holds no buffer
}

void Connection::take_back() {
    ++round_;
    handover_ = Handover::post;
    boost::system::error_code ignored;
    if (descriptor_.is_open()) descriptor_.cancel(ignored);
}

void Connection::dispatch_stream() {
    state_ = State::streaming;
    handover_ = Handover::post;
    const bool accepted = host_.submit_stream(
        [self = shared_from_this()] {
            StreamBody body(*self);
            self->request_.stream = &body;
            auto response = std::make_shared<Response>(self->call_handler());
            self->request_.stream = nullptr;
            self->body_whole_ = body.finish();
            if (!self->body_whole_) self->keep_alive_ = false;
            asio::post(self->host_.io(), [self, response] {
                if (self->state_ == State::closed) return;
                self->descriptor_.assign(self->fd_.get());
                self->respond(std::move(*response));
            });
        },
        false);
    if (!accepted) return refuse(503, "too many transfers are in work");
    take_fd();
}

void Connection::take_fd() { descriptor_.release(); }

bool Connection::respond(Response response) {
    if (response.park) {
        leave_kept();
        asio::post(host_.io(), [self = shared_from_this(), what = std::move(response.park)]() mutable {
            self->take_back();
            self->park(std::move(what));
        });
        return false;
    }
    std::shared_ptr<FileBody> file = std::move(response.file);
    const bool send = file && !head_request_ && !body_forbidden(response.status);
    if (file) {
        response.body.clear();
        out_head_ = response_head(response, file->length, keep_alive_ && !host_.stopping());
        out_body_.clear();
        out_done_ = 0;
        last_response_ = !keep_alive_ || host_.stopping();
    } else {
        prepare(response);
    }
    if (send) {
        leave_kept();
        asio::post(host_.io(), [self = shared_from_this(), file = std::move(file)]() mutable {
            self->take_back();
            self->send_file(std::move(file));
        });
        return false;
    }
    const bool goes_on = send_some() && !broken_ && !last_response_;
    if (goes_on && kept_) return await_kept();
    leave_kept();
    if (Handover mark = Handover::mark; goes_on && handover_.compare_exchange_strong(mark, Handover::answered)) {
        // From here on the connection is the I/O thread's. A stop that began meanwhile took it for one that is in work.
        if (host_.stopping()) asio::post(host_.io(), [self = shared_from_this()] { self->begin_stop(); });
        return false;
    }
    asio::post(host_.io(), [self = shared_from_this()] {
        if (self->state_ == State::closed) return;
        self->take_back();
        self->begin_writing();
    });
    return false;
}

void Connection::park(std::shared_ptr<Park> what) {
    if (state_ == State::closed) return;
    state_ = State::parked;
    park_ = std::move(what);
    polling_ = poll_again_ = false;
    poll_last_ = host_.stopping();
    host_.parked(park_->topic, shared_from_this());
    park_timer_ = std::make_unique<asio::steady_timer>(host_.io(), park_->deadline);
    park_timer_->async_wait([self = shared_from_this()](const boost::system::error_code& failed) {
        if (failed || self->state_ != State::parked) return;
        self->poll_last_ = true;
        self->woken();
    });
    watch_peer();
    poll(poll_last_);
}

void Connection::woken() {
    if (state_ != State::parked) return;
    if (polling_) poll_again_ = true;
    else poll(poll_last_);
}

void Connection::poll(bool last) {
    polling_ = true;
    poll_again_ = false;
    host_.submit(
        [self = shared_from_this(), what = park_, last] {
            std::optional<Response> response;
            try {
                response = what->poll(last);
            } catch (...) {
                response = self->host_.handler().refuse(500, "internal error");
            }
            if (!response && last) response = self->host_.handler().refuse(504, "no answer in time");
            asio::post(self->host_.io(), [self, last, answer = std::make_shared<std::optional<Response>>(std::move(response))] {
                self->polled(std::move(*answer), last);
            });
        },
        true);
}

void Connection::polled(std::optional<Response> response, bool last) {
    polling_ = false;
    if (state_ != State::parked) return;
    if (!response) {
        if (poll_again_ || (poll_last_ && !last)) poll(poll_last_);
        return;
    }
    leave_park();
    boost::system::error_code ignored;
    descriptor_.cancel(ignored);
    state_ = State::working;
    response->park.reset();
    respond(std::move(*response));
}

void Connection::leave_park() {
    if (!park_) return;
    host_.unparked(park_->topic, this);
    park_timer_.reset();
    park_.reset();
}

// A parked request whose client went away is forgotten.
void Connection::watch_peer() {
    if (state_ != State::parked || input_.size() > read_size) return;
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](const boost::system::error_code& failed) {
        if (failed || self->state_ != State::parked) return;
        char buffer[1024];
        const Moved moved = self->transport_.read(buffer, sizeof buffer);
        if (moved.bytes > 0) self->input_.append(buffer, static_cast<std::size_t>(moved.bytes));
        if (moved.bytes <= 0 && moved.want == Want::nothing) return self->close();
        self->watch_peer();
    });
}

}  // namespace pilvi::http
