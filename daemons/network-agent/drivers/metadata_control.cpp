#include "metadata_control.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace pilvi::network_agent {

json::object MetadataControl::exchange(const std::string& line, int descriptor) {
    if (!connection_) {
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (!fd || path_.size() >= sizeof(address.sun_path)) throw Error(Errc::internal, "The path of the metadata server's socket is too long");
        std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
        if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
            throw Error(Errc::unavailable, fmt::format("The metadata server does not answer at {}: {}", path_, std::strerror(errno)));
        }
        connection_ = std::move(fd);
    }
    iovec part{.iov_base = const_cast<char*>(line.data()), .iov_len = line.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    }
    if (::sendmsg(connection_.get(), &message, MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
        throw Error(Errc::unavailable, "The metadata server closed its control socket");
    }
    std::string answer;
    while (answer.empty() || answer.back() != '\n') {
        pollfd wait{.fd = connection_.get(), .events = POLLIN, .revents = 0};
        if (::poll(&wait, 1, 5000) <= 0) throw Error(Errc::unavailable, "The metadata server does not answer within 5 s");
        char chunk[65536];
        ssize_t got = ::recv(connection_.get(), chunk, sizeof(chunk), 0);
        if (got <= 0) throw Error(Errc::unavailable, "The metadata server closed its control socket");
        answer.append(chunk, static_cast<std::size_t>(got));
    }
    json::value value = parse_json(answer);
    if (!value.is_object()) throw Error(Errc::bad_gateway, "The metadata server gave an unexpected answer");
    if (const auto* error = find(value.get_object(), "error")) throw Error(Errc::bad_gateway, "The metadata server refuses: " + to_text(*error));
    return value.get_object();
}

json::object MetadataControl::call(const json::object& request, int descriptor) {
    std::string line = to_text(request) + "\n";
    for (int attempt = 0;; ++attempt) {
        bool kept = static_cast<bool>(connection_);
        try {
            return exchange(line, descriptor);
        } catch (const Error& error) {
            if (error.code() == Errc::bad_gateway) throw;
            connection_.reset();
            if (!kept || attempt > 0) throw;  // a kept connection may have died with the server
        }
    }
}

std::set<std::string> MetadataControl::list() {
    std::set<std::string> networks;
    json::object answer = call({{"op", "list"}});
    for (const auto& id : array_or_empty(answer, "networks")) {
        if (id.is_string()) networks.insert(str(id.get_string()));
    }
    return networks;
}

void MetadataControl::add(const std::string& name, const UniqueFd& listening) { call({{"op", "add"}, {"network", name}}, listening.get()); }

void MetadataControl::remove(const std::string& name) { call({{"op", "remove"}, {"network", name}}); }

}  // namespace pilvi::network_agent
