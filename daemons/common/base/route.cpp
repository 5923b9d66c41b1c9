#include "base/route.h"

#include <netdb.h>
#include <sys/socket.h>

#include <memory>

#include "base/fd.h"

namespace pilvi {

std::string host_of_url(const std::string& url) {
    const std::size_t scheme = url.find("://"), start = scheme == std::string::npos ? 0 : scheme + 3;
    if (start < url.size() && url[start] == '[') return url.substr(start + 1, url.find(']', start) - start - 1);
    return url.substr(start, url.find_first_of(":/", start) - start);
}

std::string address_towards(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* raw = nullptr;
    if (getaddrinfo(host.c_str(), "9", &hints, &raw) != 0) return "127.0.0.1";
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found(raw, freeaddrinfo);
    const UniqueFd fd(::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage self{};
    socklen_t size = sizeof self;
    if (!fd || connect(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || getsockname(fd.get(), reinterpret_cast<sockaddr*>(&self), &size) != 0)
        return "127.0.0.1";
    char text[NI_MAXHOST];
    if (getnameinfo(reinterpret_cast<sockaddr*>(&self), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) return "127.0.0.1";
    return text;
}

}  // namespace pilvi
