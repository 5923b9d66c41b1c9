#pragma once
// HTTP/1.1 server and client without a transport type in sight: handlers are synchronous functions on a bounded pool.
// Boost.Beast is in parser.cpp alone, Asio in the server's files (server.cpp, connection*.*, stream_body.*), OpenSSL in tls.cpp and transport.cpp.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace pilvi::http {

// Header names are case-insensitive; order is kept; values may repeat.
class Headers {
public:
    void add(std::string_view name, std::string_view value) { items_.emplace_back(name, value); }
    void set(std::string_view name, std::string_view value);  // replaces all of that name
    std::string_view get(std::string_view name) const;        // the first, "" where there is none
    bool has(std::string_view name) const;
    std::size_t count(std::string_view name) const;
    void remove(std::string_view name);
    const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

private:
    std::vector<std::pair<std::string, std::string>> items_;
};

// A request body that is read as it arrives (image upload).
class BodyReader {
public:
    virtual ~BodyReader() = default;
    // Up to `size` bytes; 0 at the end of the body. Throws Error(timeout) when the peer is too slow, Error(bad_request) when it went away
    // in the middle, Error(too_large) above the limit of the route.
    virtual std::size_t read(char* into, std::size_t size) = 0;
};

// Who the certificate names that the other side of a connection showed, where it is of the CA that we trust and not revoked.
struct PeerIdentity {
    std::string name;                // common name: the node
    std::string id;                  // serialNumber: the node's UUID
    std::vector<std::string> roles;  // organizations
};

struct Request {
    std::string method;  // "GET"
    std::string target;  // as sent: "/v2.0/ports?x=y"
    std::string path;    // target up to '?', still percent-encoded
    std::string query;   // after '?', "" where there is none
    Headers headers;
    std::string body;              // whole, unless the route streams
    BodyReader* stream = nullptr;  // set where BodyPolicy::stream was asked
    std::string peer;              // address of the other side, "" on a unix socket
    bool tls = false;
    std::shared_ptr<const PeerIdentity> identity = nullptr;  // nullptr where no certificate was shown
};

// Parks a request without a thread: `poll` is called (on the pool) at once, after every Server::wake(topic) of this topic, and at the
// deadline with `last` = true; it returns the response, or nullopt to stay parked (not allowed where `last`).
struct Response;
struct Park {
    std::string topic;
    std::chrono::steady_clock::time_point deadline;
    std::function<std::optional<Response>(bool last)> poll;
};

// A response body that is not in memory.
struct FileBody {
    UniqueFd fd;
    // Where there is no descriptor: up to `size` bytes at `offset`, at least one. May throw; then the connection is closed in the middle.
    std::function<std::size_t(std::uint64_t offset, char* into, std::size_t size)> read = {};
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

struct Response {
    int status = 200;
    Headers headers;  // Content-Length, Date, Connection are the server's business
    std::string body;
    std::shared_ptr<FileBody> file;  // sent instead of body
    std::shared_ptr<Park> park;      // answer later
};

struct RequestHead {  // what is known before the body is read
    const std::string& method;
    const std::string& path;
    const Headers& headers;
};

struct BodyPolicy {
    std::uint64_t limit = 1u << 20;  // bytes; above: 413 before anything is read or authenticated
    bool stream = false;             // hand a BodyReader to the handler instead of collecting the body
};

class Handler {
public:
    virtual ~Handler() = default;
    // Called on the I/O thread, or on one of the pool: must not block.
    virtual BodyPolicy body_policy(const RequestHead& head) = 0;
    // Called on the pool. May throw nothing (it answers errors itself).
    virtual Response handle(Request& request) = 0;
    // The answer to what the server refuses by itself (400 broken HTTP, 408, 413, 431, 503 pool full), in the service's envelope.
    virtual Response refuse(int status, std::string_view reason) = 0;
};

struct TlsFiles {
    std::string certificate;     // PEM chain
    std::string key;             // PEM
    std::string client_ca = {};  // PEM: clients must show a certificate of this CA
};

struct ServerOptions {
    int threads = 4;                   // pool size
    std::size_t queue = 256;           // waiting requests above the pool; more: 503 with Retry-After
    std::size_t streams = 16;          // streaming requests at a time, on threads of their own
    std::size_t connections = 4096;    // more are closed at once
    std::size_t header_limit = 16384;  // bytes: 431
    std::chrono::seconds header_timeout{10};
    std::chrono::seconds idle_timeout{75};  // keep-alive
    std::chrono::seconds body_timeout{30};  // between two reads of a body, and for each write
    // Connections on which nothing is asked stay open for so long after stop(): a request may be on its way, and who asks again soon learns from its answer
    // that the connection ends (RFC 9112 §9.6). An end between requests can meet one, which the client then sees reset.
    std::chrono::milliseconds stop_grace{250};
    std::optional<TlsFiles> tls;
    // Connections that begin with a TLS handshake are served too, with this certificate; a client may show one of client_ca, a file that must hold that
    // CA's revocation list too. The files are read when they are needed first, and again when they changed. With `tls` besides, clients get this
    // certificate that ask for a name ending with internal_domain.
    std::optional<TlsFiles> nodes = {};
};

// Names of nodes and of the controllers end with it (a domain reserved for private use).
inline constexpr std::string_view internal_domain = ".pilvi.internal";

class Server {
public:
    Server(Handler& handler, ServerOptions options);
    ~Server();  // stop()
    // Binds "127.0.0.1", "0.0.0.0", "::"; port 0 picks one. Returns the port. Throws Error(unavailable) naming address and port. `tag`: see adopt().
    int listen(const std::string& address, int port, std::string tag = {});
    void listen_unix(const std::string& path, unsigned mode = 0660, std::string tag = {});
    // Takes over a listening socket (systemd's, or one opened in a namespace). `tag` is handed to the handler as header "X-Pilvi-Listener"
    // (a header of that name sent by a peer is dropped).
    void adopt(UniqueFd listening, std::string tag = {});
    void forget(const std::string& tag);  // closes the listener that was adopted under `tag`
    void start();
    // Stops accepting, answers what is in work (up to `limit`) and what comes within stop_grace, ends parked requests, joins.
    void stop(std::chrono::milliseconds limit = std::chrono::seconds(5));
    void wake(const std::string& topic);
    // True where the I/O thread and the pool answered a probe within `limit` (for the watchdog).
    bool alive(std::chrono::milliseconds limit);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

struct ClientOptions {
    std::chrono::milliseconds connect_timeout = std::chrono::seconds(5);
    std::chrono::milliseconds timeout = std::chrono::seconds(30);  // whole exchange; for streams: the head, and every 16 KiB of a body
    std::size_t body_limit = 64u << 20;                            // of the answer in memory
    std::size_t idle_connections = 8;                              // kept open per host
    std::string ca_file = {};                                      // PEM; "" = the system's
    std::optional<TlsFiles> identity = {};                         // client certificate; it and ca_file are read again when they change
    // Asked for every address that a host name has, before a connection is made to that very address; throws to refuse the request.
    std::function<void(const std::string& address)> permit = {};
};

struct ClientRequest {
    std::string method = "GET";
    std::string url;  // http://host:port/path?query, https://..., or unix:/run/x.sock:/path
    Headers headers = {};
    std::string body = {};
    std::optional<std::chrono::milliseconds> timeout = {};
    std::string tls_name = {};  // https: the server's certificate must have this name instead of the URL's host
    // The body comes from here instead: fills the buffer, returns bytes, 0 at the end (sent chunked, or with content_length where >= 0).
    std::function<std::size_t(char*, std::size_t)> source = {};
    std::int64_t content_length = -1;
    // The answer's body goes here instead of Response::body, for 2xx only.
    std::function<void(std::string_view)> sink = {};
    // Called when the head of the answer is there, before the first byte goes to the sink. May throw to end the exchange.
    std::function<void(int status, const Headers& headers)> on_head = {};
    // Waiting for the answer ends with Error(unavailable) when this descriptor becomes readable (an eventfd of the caller's).
    int cancel_fd = -1;
};

// Thread-safe; keeps connections; an idempotent request (GET, HEAD, PUT, DELETE) on a kept connection that turns out closed is sent again once.
class Client {
public:
    explicit Client(ClientOptions options = {});
    ~Client();
    // Throws Error(unavailable) where nobody answers, Error(timeout), Error(bad_gateway) on broken HTTP. Any status is returned as it is.
    Response send(const ClientRequest& request);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

std::string_view reason_phrase(int status);

}  // namespace pilvi::http
