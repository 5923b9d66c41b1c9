#include "base/route.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>

#include "base/fd.h"
#include "base/net.h"

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

std::string address_of_interface(const std::string& name) {
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return {};
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(all, ::freeifaddrs);
    std::string found;
    for (const ifaddrs* at = all; at; at = at->ifa_next) {
        if (name != at->ifa_name || !at->ifa_addr) continue;
        const int family = at->ifa_addr->sa_family;
        if (family != AF_INET && (family != AF_INET6 || !found.empty())) continue;
        char text[NI_MAXHOST] = "";
        const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
        if (::getnameinfo(at->ifa_addr, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
        const auto address = IpAddress::parse(text);
        if (!address || address->is_link_local()) continue;
        found = text;
        if (family == AF_INET) return found;
    }
    return found;
}

}  // namespace pilvi
