#include "control.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <list>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/json.h"
#include "log/log.h"

namespace pilvi::metadata {

namespace {

constexpr std::size_t line_limit = 4096;
constexpr std::size_t peer_limit = 16;

bool trusted(int descriptor) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    return ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == ::getuid());
}

// Receives bytes and, where it came along, one descriptor (more are closed). Returns bytes, 0 at the end, -1 for nothing now.
ssize_t receive(int from, char* into, std::size_t size, UniqueFd& descriptor) {
    iovec part{.iov_base = into, .iov_len = size};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    ssize_t got = ::recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            UniqueFd owned(fd);
            if (!descriptor) descriptor = std::move(owned);
        }
    }
    return got;
}

// "<network>" or "<network>/<router>".
bool is_listener_name(std::string_view name) {
    auto uuid = [](std::string_view text) { return text.size() == 36 && is_uuid_like(text); };
    return uuid(name) || (name.size() == 73 && name[36] == '/' && uuid(name.substr(0, 36)) && uuid(name.substr(37)));
}

}  // namespace

struct Control::Peer {
    UniqueFd socket;
    std::string buffer;
    UniqueFd descriptor;
};

bool is_listening_tcp(int descriptor) {
    int listening = 0, type = 0, domain = 0;
    socklen_t size = sizeof(int);
    auto get = [&](int option, int& value) { return ::getsockopt(descriptor, SOL_SOCKET, option, &value, &(size = sizeof(int))) == 0; };
    return get(SO_ACCEPTCONN, listening) && listening == 1 && get(SO_TYPE, type) && type == SOCK_STREAM && get(SO_DOMAIN, domain) &&
           (domain == AF_INET || domain == AF_INET6);
}

Control::Control(std::string path, Listeners listeners)
    : path_(std::move(path)),
      listeners_(std::move(listeners)),
      socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof(address.sun_path)) throw Error(Errc::bad_request, "control.socket: the path is too long");
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    ::unlink(path_.c_str());
    if (!socket_ || ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 || ::chmod(path_.c_str(), 0660) != 0 ||
        ::listen(socket_.get(), 16) != 0) {
        throw Error(Errc::unavailable, fmt::format("The control socket {} cannot be made: {}", path_, std::strerror(errno)));
    }
    thread_ = std::thread([this] { run(); });
}

Control::~Control() {
    std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof(one));
    thread_.join();
    ::unlink(path_.c_str());
}

void Control::run() {
    std::list<Peer> peers;
    while (true) {
        std::vector<pollfd> wait{{.fd = stop_.get(), .events = POLLIN, .revents = 0}, {.fd = socket_.get(), .events = POLLIN, .revents = 0}};
        for (const auto& peer : peers) wait.push_back({.fd = peer.socket.get(), .events = POLLIN, .revents = 0});
        if (::poll(wait.data(), wait.size(), -1) < 0) continue;
        if (wait[0].revents) return;
        std::size_t index = 2;
        for (auto peer = peers.begin(); peer != peers.end(); ++index) {
            bool keep = !wait[index].revents || serve(*peer);
            peer = keep ? std::next(peer) : peers.erase(peer);
        }
        if (wait[1].revents) {
            UniqueFd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (socket && peers.size() < peer_limit && trusted(socket.get()))
                peers.push_back({.socket = std::move(socket), .buffer = {}, .descriptor = {}});
        }
    }
}

bool Control::serve(Peer& peer) {
    char chunk[4096];
    ssize_t got = receive(peer.socket.get(), chunk, sizeof(chunk), peer.descriptor);
    if (got < 0) return true;
    if (got == 0) return false;
    peer.buffer.append(chunk, static_cast<std::size_t>(got));
    for (std::size_t end; (end = peer.buffer.find('\n')) != std::string::npos; peer.buffer.erase(0, end + 1)) {
        std::string line = answer(std::string_view(peer.buffer).substr(0, end), std::move(peer.descriptor)) + "\n";
        if (::send(peer.socket.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) return false;
    }
    return peer.buffer.size() <= line_limit;
}

std::string Control::answer(std::string_view line, UniqueFd descriptor) {
    auto refuse = [](std::string_view reason) { return to_text(json::object{{"error", reason}}); };
    try {
        json::value request = parse_json(line);
        if (!request.is_object()) return refuse("not an object");
        std::string operation = string_or(request.get_object(), "op"), network = string_or(request.get_object(), "network");
        if (operation == "list") {
            json::array ids;
            for (const auto& id : networks_) ids.emplace_back(id);
            return to_text(json::object{{"networks", std::move(ids)}});
        }
        if (!is_listener_name(network)) return refuse("network is not a UUID, nor two with a slash");
        if (operation == "add") {
            if (!descriptor || !is_listening_tcp(descriptor.get())) return refuse("no listening TCP socket came along");
            if (networks_.contains(network)) listeners_.forget(network);
            listeners_.adopt(std::move(descriptor), network);
            networks_.insert(network);
            log::info("serving network " + network);
        } else if (operation == "remove") {
            listeners_.forget(network);
            networks_.erase(network);
            log::info("no longer serving network " + network);
        } else {
            return refuse("unknown operation");
        }
        return to_text(json::object{{"ok", true}});
    } catch (const std::exception& error) {
        return refuse(error.what());
    }
}

}  // namespace pilvi::metadata
