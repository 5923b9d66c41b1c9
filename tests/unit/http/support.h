#pragma once
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "http/http.h"
#include "support/code_of.h"

namespace test {
using namespace pilvi;
using namespace std::chrono_literals;
using testing::code_of;

struct Handler final : http::Handler {
    std::function<http::Response(http::Request&)> fn = [](http::Request& r) { return http::Response{.body = r.method + " " + r.target}; };
    std::function<http::BodyPolicy(const http::RequestHead&)> policy = [](const http::RequestHead&) { return http::BodyPolicy{}; };
    std::atomic<int> handled{0};
    http::BodyPolicy body_policy(const http::RequestHead& head) override { return policy(head); }
    http::Response handle(http::Request& r) override {
        ++handled;
        return fn(r);
    }
    http::Response refuse(int status, std::string_view reason) override {
        return http::Response{.status = status, .body = "refused: " + std::string(reason)};
    }
};

// A server on a port of its own.
struct Running {
    Handler handler;
    http::Server server;
    int port;
    explicit Running(http::ServerOptions options = {}) : server(handler, std::move(options)), port(server.listen("127.0.0.1", 0)) { server.start(); }
    std::string url(std::string_view path, std::string_view scheme = "http") const {
        return std::string(scheme) + "://127.0.0.1:" + std::to_string(port) + std::string(path);
    }
};

// A bare client socket.
struct Raw {
    UniqueFd fd{::socket(AF_INET, SOCK_STREAM, 0)};
    std::string buffer;
    explicit Raw(int port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        timeval limit{120, 0};
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    bool send(std::string_view text) const { return ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()); }
    bool more() {
        char chunk[65536];
        const ssize_t got = ::recv(fd.get(), chunk, sizeof chunk, 0);
        if (got > 0) buffer.append(chunk, static_cast<std::size_t>(got));
        return got > 0;
    }
    std::string until(std::string_view end) {
        while (buffer.find(end) == std::string::npos)
            if (!more()) return std::exchange(buffer, {});
        const std::size_t at = buffer.find(end) + end.size();
        const std::string out = buffer.substr(0, at);
        buffer.erase(0, at);
        return out;
    }
    // The head and the body of one answer.
    std::string answer() {
        std::string head = until("\r\n\r\n");
        const std::size_t at = head.find("Content-Length: ");
        if (at == std::string::npos) return head;
        const std::size_t size = std::stoul(head.substr(at + 16));
        while (buffer.size() < size && more()) {
        }
        head += buffer.substr(0, size);
        buffer.erase(0, size);
        return head;
    }
    std::string rest() {
        while (more()) {
        }
        return std::exchange(buffer, {});
    }
    bool closed() { return rest().empty(); }
};

inline long peak_kib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

template <class F>
bool eventually(F&& fn, std::chrono::milliseconds limit = 100s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end) {
        if (fn()) return true;
        std::this_thread::sleep_for(2ms);
    }
    return fn();
}

}  // namespace test
