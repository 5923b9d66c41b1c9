#include "http/http.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <future>
#include <map>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "http/connection.h"
#include "http/pool.h"

namespace pilvi::http {
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {
constexpr auto sweep_interval = 250ms;  // of the deadlines
constexpr int backlog = 1024;

struct Listener {
    UniqueFd fd;
    asio::posix::stream_descriptor descriptor;
    asio::steady_timer pause;
    std::string tag, unix_path;
    Listener(asio::io_context& io, UniqueFd socket, std::string t) : fd(std::move(socket)), descriptor(io, fd.get()), pause(io), tag(std::move(t)) {}
    ~Listener() { close(); }
    void close() {
        if (descriptor.is_open()) descriptor.release();
        pause.cancel();
        fd.reset();
        if (!unix_path.empty()) ::unlink(std::exchange(unix_path, {}).c_str());
    }
};

[[noreturn]] void fail(const std::string& what) { throw Error(Errc::unavailable, what + ": " + std::strerror(errno)); }
}  // namespace

struct Server::Impl final : ConnectionHost {
    Impl(Handler& handler, ServerOptions options)
        : handler_(handler),
          options_(std::move(options)),
          work_(asio::make_work_guard(io_)),
          sweep_(io_),
          grace_(io_),
          pool_("http", static_cast<std::size_t>(std::max(options_.threads, 1)), options_.queue),
          streams_("http-stream", options_.streams, options_.streams * 4) {
        if (options_.tls) tls_ = server_context(*options_.tls);
        if (options_.nodes) {
            const TlsFiles& files = *options_.nodes;
            nodes_ = std::make_unique<ChangingContext>([files] { return nodes_context(files); },
                                                       std::vector<std::string>{files.certificate, files.key, files.client_ca});
            if (tls_) choose_by_name(tls_.get(), *nodes_);
        }
    }

    asio::io_context& io() override { return io_; }
    Handler& handler() override { return handler_; }
    const ServerOptions& options() const override { return options_; }
    bool stopping() const override { return stopping_.load(); }
    bool grace_over() const override { return grace_over_.load(); }
    ChangingContext* nodes() override { return nodes_.get(); }
    bool submit(std::function<void()> task, bool force) override { return pool_.submit(std::move(task), force); }
    bool keep() override { return pool_.keep(); }
    bool may_go_on() override { return pool_.may_go_on(); }
    void release() override { pool_.release(); }
    bool submit_stream(std::function<void()> task, bool may_wait) override {
        // An upload that waits would time out on the client's side; a download that is already decided may wait for a thread.
        if (!may_wait && streaming_.load() >= options_.streams) return false;
        ++streaming_;
        const bool accepted = streams_.submit([this, task = std::move(task)] {
            task();
            --streaming_;
        });
        if (!accepted) --streaming_;
        return accepted;
    }
    void parked(const std::string& topic, const ConnectionPtr& connection) override { topics_.emplace(topic, connection); }
    void unparked(const std::string& topic, Connection* connection) override {
        const auto [begin, end] = topics_.equal_range(topic);
        for (auto at = begin; at != end; ++at)
            if (at->second.get() == connection) {
                topics_.erase(at);
                return;
            }
    }
    void closed(Connection* connection) override {
        connections_.erase(connection);
        if (stopping()) note_idle();
    }

    void add_listener(UniqueFd fd, std::string tag, std::string unix_path = {});
    void accept_on(const std::shared_ptr<Listener>& listener);
    void accept_ready(const std::shared_ptr<Listener>& listener);
    void sweep();
    void begin_stop();
    std::vector<ConnectionPtr> all() const;  // who is told something may leave connections_
    void note_idle();
    void run();

    Handler& handler_;
    ServerOptions options_;
    SslContext tls_;
    std::unique_ptr<ChangingContext> nodes_;
    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    asio::steady_timer sweep_, grace_;
    std::vector<std::shared_ptr<Listener>> listeners_;
    std::unordered_map<Connection*, ConnectionPtr> connections_;
    std::unordered_multimap<std::string, ConnectionPtr> topics_;
    std::atomic<bool> stopping_{false}, grace_over_{false};
    std::atomic<std::size_t> streaming_{0};
    bool started_ = false, stopped_ = false;
    std::mutex idle_mutex_;
    std::condition_variable idle_;
    bool drained_ = false;
    Pool pool_, streams_;
    std::thread thread_;
};

void Server::Impl::add_listener(UniqueFd fd, std::string tag, std::string unix_path) {
    ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
    ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
    auto listener = std::make_shared<Listener>(io_, std::move(fd), std::move(tag));
    listener->unix_path = std::move(unix_path);
    asio::post(io_, [this, listener] {
        if (stopping()) return;
        listeners_.push_back(listener);
        accept_on(listener);
    });
}

void Server::Impl::accept_on(const std::shared_ptr<Listener>& listener) {
    listener->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, [this, listener](const boost::system::error_code& failed) {
        if (!failed && !stopping()) accept_ready(listener);
    });
}

void Server::Impl::accept_ready(const std::shared_ptr<Listener>& listener) {
    for (int i = 0; i < 64 && listener->descriptor.is_open(); ++i) {
        UniqueFd fd(::accept4(listener->fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                listener->pause.expires_after(100ms);  // until a connection ends
                listener->pause.async_wait([this, listener](const boost::system::error_code& failed) {
                    if (!failed && !stopping()) accept_on(listener);
                });
                return;
            }
            break;
        }
        if (connections_.size() >= options_.connections) continue;
        const int yes = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        try {
            SslSession session = tls_ && listener->unix_path.empty() ? server_session(tls_.get(), fd.get()) : nullptr;
            auto connection = std::make_shared<Connection>(*this, std::move(fd), std::move(session), listener->tag);
            if (connections_.empty()) sweep();
            connections_.emplace(connection.get(), connection);
            connection->start();
        } catch (const std::exception&) {
            continue;  // no memory or no room in the reactor for this one: it is closed
        }
    }
    if (listener->descriptor.is_open()) accept_on(listener);
}

// Runs while there are connections: an idle service does not wake up.
void Server::Impl::sweep() {
    sweep_.expires_after(sweep_interval);
    sweep_.async_wait([this](const boost::system::error_code& failed) {
        if (failed) return;
        const Moment now = std::chrono::steady_clock::now();
        for (const ConnectionPtr& connection : all()) connection->check_deadline(now);
        if (!connections_.empty()) sweep();
    });
}

std::vector<ConnectionPtr> Server::Impl::all() const {
    std::vector<ConnectionPtr> all;
    all.reserve(connections_.size());
    for (const auto& entry : connections_) all.push_back(entry.second);
    return all;
}

void Server::Impl::note_idle() {
    if (!connections_.empty()) return;
    const std::lock_guard lock(idle_mutex_);
    drained_ = true;
    idle_.notify_all();
}

void Server::Impl::begin_stop() {
    for (const auto& listener : listeners_) listener->close();  // a callback that is on its way keeps the object
    listeners_.clear();
    for (const ConnectionPtr& connection : all()) connection->begin_stop();
    note_idle();
    grace_.expires_after(options_.stop_grace);
    grace_.async_wait([this](const boost::system::error_code& failed) {
        if (failed) return;
        grace_over_ = true;
        for (const ConnectionPtr& connection : all()) connection->end_grace();
    });
}

void Server::Impl::run() {
    pthread_setname_np(pthread_self(), "http-io");
    while (true) {
        try {
            io_.run();
            return;
        } catch (const std::exception&) {
            // One connection's failure (no memory) must not end the service: its callback is gone, the sweep closes it.
        }
    }
}

Server::Server(Handler& handler, ServerOptions options) : impl_(std::make_unique<Impl>(handler, std::move(options))) { ignore_sigpipe(); }

Server::~Server() { stop(); }

int Server::listen(const std::string& address, int port, std::string tag) {
    sockaddr_storage storage{};
    socklen_t size = 0;
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(static_cast<std::uint16_t>(port));
        size = sizeof v4;
    } else if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(static_cast<std::uint16_t>(port));
        size = sizeof v6;
    } else {
        throw Error(Errc::unavailable, "cannot listen on " + address + ": not an IP address");
    }
    const std::string place = "cannot listen on " + address + " port " + std::to_string(port);
    UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) fail(place);
    const int yes = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0 || ::listen(fd.get(), backlog) != 0) fail(place);
    size = sizeof storage;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &size);
    impl_->add_listener(std::move(fd), std::move(tag));
    return ntohs(storage.ss_family == AF_INET ? v4.sin_port : v6.sin6_port);
}

void Server::listen_unix(const std::string& path, unsigned mode, std::string tag) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string place = "cannot listen on " + path;
    if (path.size() >= sizeof address.sun_path) throw Error(Errc::unavailable, place + ": the path is too long");
    std::memcpy(address.sun_path, path.c_str(), path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) fail(place);
    ::unlink(path.c_str());
    // The mode is set before anybody can connect: connect() needs listen().
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::chmod(path.c_str(), mode) != 0 ||
        ::listen(fd.get(), backlog) != 0)
        fail(place);
    impl_->add_listener(std::move(fd), std::move(tag), path);
}

void Server::adopt(UniqueFd listening, std::string tag) { impl_->add_listener(std::move(listening), std::move(tag)); }

void Server::forget(const std::string& tag) {
    asio::post(impl_->io_, [impl = impl_.get(), tag] {
        std::erase_if(impl->listeners_, [&](const std::shared_ptr<Listener>& l) {
            if (l->tag != tag) return false;
            l->close();
            return true;
        });
    });
}

void Server::start() {
    impl_->started_ = true;
    impl_->thread_ = std::thread([impl = impl_.get()] { impl->run(); });
}

void Server::stop(std::chrono::milliseconds limit) {
    if (impl_->stopped_) return;
    impl_->stopped_ = true;
    impl_->stopping_ = true;
    if (impl_->started_) {
        asio::post(impl_->io_, [impl = impl_.get()] { impl->begin_stop(); });
        {
            std::unique_lock lock(impl_->idle_mutex_);
            impl_->idle_.wait_for(lock, limit, [this] { return impl_->drained_; });
        }
        asio::post(impl_->io_, [impl = impl_.get()] {
            for (const ConnectionPtr& connection : impl->all()) connection->abort();
            impl->sweep_.cancel();
            impl->grace_.cancel();
        });
        // The pools end while the I/O thread still takes what they post.
        impl_->pool_.stop();
        impl_->streams_.stop();
        asio::post(impl_->io_, [impl = impl_.get()] { impl->io_.stop(); });
        impl_->work_.reset();
        impl_->thread_.join();
    }
    impl_->pool_.stop();
    impl_->streams_.stop();
}

void Server::wake(const std::string& topic) {
    asio::post(impl_->io_, [impl = impl_.get(), topic] {
        std::vector<ConnectionPtr> waiting;
        const auto [begin, end] = impl->topics_.equal_range(topic);
        for (auto at = begin; at != end; ++at) waiting.push_back(at->second);
        for (const ConnectionPtr& connection : waiting) connection->woken();
    });
}

bool Server::alive(std::chrono::milliseconds limit) {
    struct Probe {
        std::mutex mutex;
        std::condition_variable done;
        bool io = false, pool = false;
    };
    const auto probe = std::make_shared<Probe>();
    const auto mark = [probe](bool Probe::*which) {
        return [probe, which] {
            const std::lock_guard lock(probe->mutex);
            (*probe).*which = true;
            probe->done.notify_all();
        };
    };
    const std::uint64_t finished = impl_->pool_.finished();
    asio::post(impl_->io_, mark(&Probe::io));
    impl_->pool_.submit(mark(&Probe::pool), true);
    std::unique_lock lock(probe->mutex);
    if (probe->done.wait_for(lock, limit, [&] { return probe->io && probe->pool; })) return true;
    return probe->io && impl_->pool_.finished() > finished;  // busy, but moving
}

}  // namespace pilvi::http
