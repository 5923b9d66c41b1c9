#pragma once
// Private to http/: one connection of a server. A connection is driven by the I/O thread; while a request is in work it belongs to the thread that works
// on it, which hands it back by a posted call, or by a mark that the I/O thread finds when the peer speaks again (see Handover).
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <atomic>
#include <memory>
#include <string>

#include "http/http.h"
#include "http/parser.h"
#include "http/transport.h"

namespace pilvi::http {

class Connection;
using ConnectionPtr = std::shared_ptr<Connection>;

// What a connection needs of its server.
class ConnectionHost {
public:
    virtual ~ConnectionHost() = default;
    virtual boost::asio::io_context& io() = 0;
    virtual Handler& handler() = 0;
    virtual const ServerOptions& options() const = 0;
    virtual bool stopping() const = 0;
    virtual bool grace_over() const = 0;  // while it stops: see ServerOptions::stop_grace
    // Of the TLS that nodes speak: nullptr where it is not offered.
    virtual ChangingContext* nodes() = 0;
    // False where the queue is full.
    virtual bool submit(std::function<void()> task, bool force) = 0;
    // See Pool: a worker keeps a connection whose next request is expected at once.
    virtual bool keep() = 0;
    virtual bool may_go_on() = 0;
    virtual void release() = 0;
    virtual bool submit_stream(std::function<void()> task, bool may_wait) = 0;
    virtual void parked(const std::string& topic, const ConnectionPtr& connection) = 0;
    virtual void unparked(const std::string& topic, Connection* connection) = 0;
    virtual void closed(Connection* connection) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(ConnectionHost& host, UniqueFd fd, SslSession session, std::string tag);
    ~Connection() {
        if (descriptor_.is_open()) descriptor_.release();  // fd_ closes it
    }

    // All of these on the I/O thread.
    void start();
    void check_deadline(Moment now);
    void woken();       // the topic it is parked on
    void begin_stop();  // answers where parked; ends after the next answer otherwise
    void end_grace();   // closes where idle
    void abort();       // closes now, whatever it does

private:
    friend class StreamBody;
    enum class State { handshake, idle, head, body, working, parked, writing, streaming, lingering, closed };
    // How a worker gives the connection back. `mark`: the I/O thread awaits the peer's next word already, so where the whole answer could be sent,
    // `answered` is all that there is to say; nobody has to be woken. `post`: by a posted call.
    enum class Handover { post, mark, answered };

    // reading
    void begin();
    void look_for_tls();
    void handshake();
    void wait(Want want, void (Connection::*then)());
    void read_more();
    void process();
    bool process_head();
    bool take_head();
    void begin_body();
    bool process_body();
    void refuse(int status, const std::string& reason);
    void fill_request();
    // working
    void dispatch();
    void dispatch_stream();
    void await_next();
    bool take_answered();  // true where the worker left its mark
    void heed_answered();  // where it did, the connection is idle
    void take_back();      // by a posted call: nothing is awaited any more
    Response call_handler();
    void work();                      // worker: the request, and those that follow on a kept connection
    bool respond(Response response);  // worker: tries to send, then posts; true where a kept connection's next request is there
    bool await_kept();                // worker, after an answer: true where the next request is there, otherwise the connection was given back
    bool give_back(void (Connection::*then)());  // worker: to the I/O thread; false
    void leave_kept();
    void resume();  // with a request that a worker began to read
    void park(std::shared_ptr<Park> what);
    void poll(bool last);
    void polled(std::optional<Response> response, bool last);
    void leave_park();
    void watch_peer();
    // writing
    void prepare(Response& response);
    bool send_some();  // any thread; true when all is sent or broken_
    void begin_writing();
    void continue_writing();
    void send_file(std::shared_ptr<FileBody> file);
    bool stream_file(FileBody& file);    // stream thread
    bool stream_reader(FileBody& file);  // stream thread
    bool send_blocking(std::string_view bytes);
    void take_fd();  // from the reactor, for a stream thread
    // after
    void next_request();
    bool request_waits() const;  // the peer has sent something that is not read yet
    void become_idle();
    void forget_request();
    void linger();
    void discard();
    void close();
    void set_deadline(std::chrono::milliseconds from_now) { deadline_ = std::chrono::steady_clock::now() + from_now; }

    // Somebody who moves a byte now and then does not hold the connection and its memory for ever: 16 KiB/s on the whole.
    void pace(std::uint64_t bytes) { last_possible_ = deadline_ + std::chrono::seconds(bytes / 16384); }

    ConnectionHost& host_;
    UniqueFd fd_;
    boost::asio::posix::stream_descriptor descriptor_;
    Transport transport_;
    std::string tag_, peer_;
    std::shared_ptr<const PeerIdentity> identity_;
    std::uint64_t identity_generation_ = 0;
    State state_ = State::idle;
    std::atomic<Handover> handover_{Handover::post};
    bool asked_ = false;       // at least one request came
    bool kept_ = false;        // by the worker: it waits for the next request itself, so that no thread has to wake another one
    Moment dispatched_{};      // the last request that came by the I/O thread
    std::uint64_t round_ = 0;  // tells await_next()'s answer from one that take_back() made void
    Moment deadline_{}, last_possible_{};
    Parser parser_;
    std::string input_;
    std::size_t input_used_ = 0;

    Request request_;
    BodyPolicy policy_;
    bool expect_continue_ = false;
    bool body_whole_ = true;  // nothing of the request is left unread
    bool keep_alive_ = false;
    bool head_request_ = false;
    bool last_response_ = false;

    std::string out_head_, out_body_;
    std::size_t out_done_ = 0;
    bool broken_ = false;

    std::shared_ptr<Park> park_;
    std::unique_ptr<boost::asio::steady_timer> park_timer_;
    bool polling_ = false, poll_again_ = false, poll_last_ = false;
};

}  // namespace pilvi::http
