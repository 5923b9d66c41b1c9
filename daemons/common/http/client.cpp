#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/text.h"
#include "http/http.h"
#include "http/parser.h"
#include "http/transport.h"

namespace pilvi::http {
namespace {
using Clock = std::chrono::steady_clock;
constexpr std::size_t header_limit = 65536;
constexpr std::size_t buffer_size = 65536;
constexpr int interim_most = 16;  // answers 1xx before the final one

struct Url {
    bool tls = false;
    std::string host, port;  // empty: unix
    std::string unix_path;
    std::string authority;  // Host header
    std::string target;     // path and query
    std::string tls_name;   // that the certificate must have
    std::string key() const { return unix_path.empty() ? (tls ? "https " + tls_name + " " : "http ") + host + " " + port : "unix " + unix_path; }
};

[[noreturn]] void bad_url(const std::string& url) { throw Error(Errc::internal, "not a URL that can be fetched: " + url); }

Url parse_url(const std::string& text) {
    Url url;
    std::string_view rest = text;
    if (rest.starts_with("unix:")) {
        rest.remove_prefix(5);
        const std::size_t colon = rest.find(':');
        if (colon == std::string_view::npos) bad_url(text);
        url.unix_path = rest.substr(0, colon);
        url.target = rest.substr(colon + 1);
        url.authority = "localhost";
    } else {
        url.tls = rest.starts_with("https://");
        if (!url.tls && !rest.starts_with("http://")) bad_url(text);
        rest.remove_prefix(url.tls ? 8 : 7);
        const std::size_t slash = rest.find_first_of("/?");
        url.authority = rest.substr(0, slash);
        if (slash != std::string_view::npos) url.target = rest.substr(slash);
        std::string_view authority = url.authority;
        std::size_t colon = std::string_view::npos;
        if (authority.starts_with('[')) {
            const std::size_t bracket = authority.find(']');
            if (bracket == std::string_view::npos) bad_url(text);
            url.host = authority.substr(1, bracket - 1);
            if (bracket + 1 < authority.size() && authority[bracket + 1] == ':') colon = bracket + 1;
        } else {
            colon = authority.find(':');
            url.host = authority.substr(0, colon);
        }
        url.port = colon == std::string_view::npos ? (url.tls ? "443" : "80") : std::string(authority.substr(colon + 1));
        if (url.host.empty() || url.port.empty()) bad_url(text);
    }
    if (!url.target.starts_with('/')) url.target = "/" + url.target;
    for (const char c : url.target + url.authority)
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) bad_url(text);
    return url;
}

struct Link {
    UniqueFd fd;
    Transport transport;
    bool used = false;  // carried an exchange before
    std::string key;
};
using LinkPtr = std::unique_ptr<Link>;

// The connection ended before the first byte of an answer.
struct Stale : std::exception {};

void connect_socket(UniqueFd& fd, const sockaddr* address, socklen_t size, Moment deadline) {
    if (!fd) return;
    if (::connect(fd.get(), address, size) != 0) {
        if (errno != EINPROGRESS || !wait_ready(fd.get(), Want::write, deadline)) {
            if (errno == EINPROGRESS) errno = ETIMEDOUT;
            return fd.reset();
        }
        int failed = 0;
        socklen_t length = sizeof failed;
        ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failed, &length);
        if (failed != 0) {
            fd.reset();
            errno = failed;
        }
    }
}

UniqueFd connect_unix(const Url& url, Moment deadline) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (url.unix_path.size() >= sizeof address.sun_path) throw Error(Errc::internal, "the path is too long: " + url.unix_path);
    std::memcpy(address.sun_path, url.unix_path.c_str(), url.unix_path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connect_socket(fd, reinterpret_cast<sockaddr*>(&address), sizeof address, deadline);
    if (!fd) throw Error(Errc::unavailable, "cannot connect to " + url.unix_path + ": " + std::strerror(errno));
    return fd;
}

std::string numeric(const addrinfo& found) {
    char text[NI_MAXHOST] = "";
    ::getnameinfo(found.ai_addr, found.ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    return text;
}

UniqueFd connect_tcp(const Url& url, Moment deadline, const std::function<void(const std::string& address)>& permit) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const std::string place = "cannot connect to " + url.host + " port " + url.port + ": ";
    if (const int failed = ::getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found); failed != 0)
        throw Error(Errc::unavailable, place + ::gai_strerror(failed));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    if (permit)
        for (const addrinfo* at = found; at; at = at->ai_next) permit(numeric(*at));
    int reason = ETIMEDOUT;
    for (const addrinfo* at = found; at; at = at->ai_next) {
        UniqueFd fd(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        connect_socket(fd, at->ai_addr, at->ai_addrlen, deadline);
        if (!fd) {
            reason = errno;
            continue;
        }
        const int yes = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        return fd;
    }
    throw Error(Errc::unavailable, place + std::strerror(reason));
}

bool idempotent(std::string_view method) {
    return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

std::string request_head(const ClientRequest& request, const Url& url) {
    std::string out = request.method + " " + url.target + " HTTP/1.1\r\n";
    if (!request.headers.has("Host")) out += "Host: " + url.authority + "\r\n";
    for (const auto& [name, value] : request.headers.items()) {
        if (equals_ignoring_case(name, "Content-Length") || equals_ignoring_case(name, "Transfer-Encoding") ||
            equals_ignoring_case(name, "Connection"))
            continue;
        out += name + ": ";
        for (const char c : value) out += static_cast<unsigned char>(c) < 0x20 && c != '\t' ? ' ' : c;
        out += "\r\n";
    }
    if (request.source)
        out += request.content_length >= 0 ? "Content-Length: " + std::to_string(request.content_length) + "\r\n" : "Transfer-Encoding: chunked\r\n";
    else if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH")
        out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    return out + "Connection: keep-alive\r\n\r\n";
}

// One request and its answer on one connection.
class Exchange {
public:
    Exchange(Link& link, const ClientRequest& request, const ClientOptions& options)
        : link_(link),
          request_(request),
          limit_(request.timeout.value_or(options.timeout)),
          streams_(request.source || request.sink),
          body_limit_(options.body_limit),
          deadline_(Clock::now() + limit_),
          parser_(Parser::Kind::response, header_limit) {}

    // Throws Stale where the peer had closed a kept connection.
    Response run(const Url& url) {
        std::string head = request_head(request_, url);
        if (!request_.source) head += request_.body;
        if (send(head) && request_.source) send_source();
        restart();
        receive_head();
        restart();
        Response response;
        response.status = parser_.status;
        if (request_.on_head) request_.on_head(parser_.status, parser_.headers);
        receive_body(response);
        response.headers = std::move(parser_.headers);
        reusable_ = parser_.keep_alive() && sent_all_ && input_.empty();
        return response;
    }
    bool reusable() const { return reusable_; }

private:
    // A peer that moves a byte now and then does not hold a stream for ever.
    void moved(std::size_t bytes) {
        moved_ += bytes;
        if (moved_ >= least_moved) restart();
    }
    void restart() {
        moved_ = 0;
        if (streams_) deadline_ = Clock::now() + limit_;
    }
    // The time that the caller's source or sink took is not the peer's.
    void not_counted(Moment since) { deadline_ += Clock::now() - since; }
    void wait(Want want) {
        if (!wait_ready(link_.fd.get(), want, deadline_, request_.cancel_fd))
            throw Error(Errc::timeout, "no answer from " + request_.url + " in time");
        if (request_.cancel_fd < 0) return;
        pollfd cancelled{request_.cancel_fd, POLLIN, 0};
        if (::poll(&cancelled, 1, 0) > 0) throw Error(Errc::unavailable, "the request to " + request_.url + " was given up");
    }
    [[noreturn]] void broken(const std::string& why) {
        if (link_.used && !answered_ && !consumed_) throw Stale();
        // A peer that ends before it says anything is as good as none.
        throw Error(answered_ ? Errc::bad_gateway : Errc::unavailable, request_.url + ": " + why);
    }

    // False where the peer answers or closes before everything is sent.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const Moved m = link_.transport.write(bytes);
            if (m.bytes > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(m.bytes));
                moved(static_cast<std::size_t>(m.bytes));
                continue;
            }
            if (m.want == Want::nothing) {
                sent_all_ = false;
                return false;  // the answer may be there already
            }
            pollfd polled{link_.fd.get(), static_cast<short>(POLLIN | (m.want == Want::write ? POLLOUT : 0)), 0};
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
            if (left <= 0) throw Error(Errc::timeout, "sending to " + request_.url + " took too long");
            ::poll(&polled, 1, static_cast<int>(std::min<long>(left, 60'000)));
            if ((polled.revents & POLLIN) != 0 && m.want == Want::write && !link_.transport.tls()) {
                sent_all_ = false;
                return false;
            }
        }
        return true;
    }

    void send_source() {
        std::vector<char> buffer(buffer_size);
        std::int64_t left = request_.content_length;
        while (true) {
            const Moment asked = Clock::now();
            const std::size_t got = request_.source(buffer.data(), buffer.size());
            not_counted(asked);
            consumed_ = true;
            std::string_view bytes(buffer.data(), got);
            if (request_.content_length >= 0) {
                left -= static_cast<std::int64_t>(got);
                if (left < 0 || (got == 0 && left > 0)) throw Error(Errc::internal, "the body is not as long as was announced");
                if (got == 0 || !send(bytes)) return;
                continue;
            }
            char size[20];
            const int n = std::snprintf(size, sizeof size, "%zx\r\n", got);
            if (!send({size, static_cast<std::size_t>(n)}) || !send(bytes) || !send("\r\n")) return;
            if (got == 0) return;
        }
    }

    // More input; false at the end of the connection.
    bool receive() {
        while (true) {
            const std::size_t had = input_.size();
            input_.resize(had + buffer_size);
            const Moved m = link_.transport.read(input_.data() + had, buffer_size);
            input_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(m.bytes, 0)));
            if (m.bytes > 0) {
                answered_ = true;
                if (parser_.head_done()) moved(static_cast<std::size_t>(m.bytes));  // a head has its time as a whole, interim answers included
                return true;
            }
            if (m.want == Want::nothing) return false;
            wait(m.want);
        }
    }

    void receive_head() {
        for (int interim = 0; interim <= interim_most; ++interim) {
            parser_.reset();
            if (request_.method == "HEAD") parser_.no_body();
            while (!parser_.head_done()) {
                if (input_.empty() || parser_.started() || stuck_) {
                    if (!receive()) broken("the connection was closed without an answer");
                }
                const std::size_t used = put(input_);
                input_.erase(0, used);
                stuck_ = !parser_.head_done();
            }
            stuck_ = false;
            if (parser_.status >= 200 || parser_.status == 101) return;  // 100 Continue, 103 Early Hints: the answer follows
        }
        throw Error(Errc::bad_gateway, request_.url + ": there are more than " + std::to_string(interim_most) + " interim answers");
    }

    std::size_t put(std::string_view bytes) {
        try {
            return parser_.put(bytes);
        } catch (const ParseFailure& failure) {
            throw Error(Errc::bad_gateway, request_.url + ": " + failure.reason);
        }
    }

    void receive_body(Response& response) {
        const bool sunk = request_.sink && response.status >= 200 && response.status < 300;
        std::vector<char> window(sunk ? buffer_size : 0);
        if (!sunk) parser_.collect(response.body, body_limit_);
        bool fresh = !input_.empty();
        while (!parser_.done()) {
            if (!fresh && !receive()) {
                try {
                    parser_.put_eof();
                    return;
                } catch (const ParseFailure&) {
                    throw Error(Errc::bad_gateway, request_.url + ": the answer is not whole");
                }
            }
            std::size_t used = 1;
            while (used > 0 && !input_.empty() && !parser_.done()) {
                if (sunk) parser_.window(window.data(), window.size());
                used = put(input_);
                input_.erase(0, used);
                if (sunk && parser_.window_used() > 0) {
                    const Moment given = Clock::now();
                    request_.sink({window.data(), parser_.window_used()});
                    not_counted(given);
                }
            }
            fresh = false;
        }
    }

    Link& link_;
    const ClientRequest& request_;
    std::chrono::milliseconds limit_;
    bool streams_;
    std::size_t body_limit_, moved_ = 0;
    Moment deadline_;
    Parser parser_;
    std::string input_;
    bool sent_all_ = true, answered_ = false, consumed_ = false, stuck_ = false, reusable_ = false;
};
}  // namespace

struct Client::Impl {
    ClientOptions options;
    std::mutex mutex;
    std::map<std::string, std::vector<LinkPtr>> idle;
    std::unique_ptr<ChangingContext> tls;

    LinkPtr kept(const Url& url);
    LinkPtr fresh(const Url& url) const;
    void keep(LinkPtr link);
    SslSession session(int fd, const std::string& name) const;
};

LinkPtr Client::Impl::kept(const Url& url) {
    const std::lock_guard lock(mutex);
    auto& links = idle[url.key()];
    while (!links.empty()) {
        LinkPtr link = std::move(links.back());
        links.pop_back();
        // Something to read on an idle connection is its end.
        pollfd polled{link->fd.get(), POLLIN, 0};
        if (::poll(&polled, 1, 0) == 0) return link;
    }
    return nullptr;
}

void Client::Impl::keep(LinkPtr link) {
    link->used = true;
    const std::lock_guard lock(mutex);
    auto& links = idle[link->key];
    if (links.size() < options.idle_connections) links.push_back(std::move(link));
}

SslSession Client::Impl::session(int fd, const std::string& name) const {
    return tls->session([&](ssl_ctx_st* context) { return client_session(context, fd, name); });
}

LinkPtr Client::Impl::fresh(const Url& url) const {
    const Moment deadline = Clock::now() + options.connect_timeout;
    auto link = std::make_unique<Link>();
    link->key = url.key();
    link->fd = url.unix_path.empty() ? connect_tcp(url, deadline, options.permit) : connect_unix(url, deadline);
    link->transport = Transport(link->fd.get(), url.tls ? session(link->fd.get(), url.tls_name) : nullptr);
    while (url.tls) {
        const Moved moved = link->transport.handshake();
        if (moved.bytes > 0) break;
        if (moved.want == Want::nothing) throw Error(Errc::unavailable, "TLS with " + url.authority + " failed: " + ssl_error_text());
        if (!wait_ready(link->fd.get(), moved.want, deadline)) throw Error(Errc::timeout, "TLS with " + url.authority + " took too long");
    }
    return link;
}

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>()) {
    ignore_sigpipe();
    impl_->options = std::move(options);
    const std::string ca = impl_->options.ca_file;
    const std::optional<TlsFiles> identity = impl_->options.identity;
    impl_->tls =
        std::make_unique<ChangingContext>([ca, identity] { return client_context(ca, identity); },
                                          std::vector<std::string>{ca, identity ? identity->certificate : "", identity ? identity->key : ""});
}

Client::~Client() = default;

Response Client::send(const ClientRequest& request) {
    Url url = parse_url(request.url);
    url.tls_name = request.tls_name.empty() ? url.host : request.tls_name;
    for (bool again = false;; again = true) {
        LinkPtr link = again ? nullptr : impl_->kept(url);
        if (!link) link = impl_->fresh(url);
        Exchange exchange(*link, request, impl_->options);
        try {
            Response response = exchange.run(url);
            if (exchange.reusable()) impl_->keep(std::move(link));
            return response;
        } catch (const Stale&) {
            if (!idempotent(request.method)) throw Error(Errc::unavailable, request.url + ": the connection was closed without an answer");
        }
    }
}

}  // namespace pilvi::http
