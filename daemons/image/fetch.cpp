#include "fetch.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include "base/error.h"
#include "base/text.h"
#include "base/url.h"

namespace pilvi::image {
namespace {
namespace urls = boost::urls;

struct Special {
    std::string_view network, why;
};
constexpr Special special_networks[] = {
    {"0.0.0.0/8", "it means this machine"},
    {"10.0.0.0/8", "it is private"},
    {"100.64.0.0/10", "it is a carrier's shared address"},
    {"127.0.0.0/8", "it is a loopback address"},
    {"169.254.0.0/16", "it is link-local, where metadata services are"},
    {"172.16.0.0/12", "it is private"},
    {"192.0.0.0/24", "it is reserved"},
    {"192.0.2.0/24", "it is reserved"},
    {"192.88.99.0/24", "it is reserved"},
    {"192.168.0.0/16", "it is private"},
    {"198.18.0.0/15", "it is reserved"},
    {"198.51.100.0/24", "it is reserved"},
    {"203.0.113.0/24", "it is reserved"},
    {"224.0.0.0/4", "it is multicast"},
    {"240.0.0.0/4", "it is reserved"},
    {"::/96", "it means this machine"},
    {"64:ff9b:1::/48", "it is translated to a private address"},
    {"100::/64", "it is discarded"},
    {"2001:db8::/32", "it is reserved"},
    {"fc00::/7", "it is private"},
    {"fe80::/10", "it is link-local"},
    {"fec0::/10", "it is private"},
    {"ff00::/8", "it is multicast"},
};

IpAddress embedded_v4(const IpAddress& address, std::size_t at) {
    const auto& b = address.bytes();
    return IpAddress::v4(std::uint32_t{b[at]} << 24 | std::uint32_t{b[at + 1]} << 16 | std::uint32_t{b[at + 2]} << 8 | b[at + 3]);
}

// IPv4 addresses that an IPv6 address stands for.
std::vector<IpAddress> embedded(const IpAddress& address) {
    struct Form {
        std::string_view network;
        std::size_t at;
    };
    constexpr Form forms[] = {{"::ffff:0:0/96", 12}, {"64:ff9b::/96", 12}, {"2002::/16", 2}};
    std::vector<IpAddress> out;
    if (address.version() == 4) return out;
    for (const Form& form : forms)
        if (Cidr::parse(form.network)->contains(address)) out.push_back(embedded_v4(address, form.at));
    if (Cidr::parse("2001::/32")->contains(address)) {  // Teredo: the client's address is inverted, the server's is not
        out.push_back(IpAddress::v4(~embedded_v4(address, 12).v4_host_order()));
        out.push_back(embedded_v4(address, 4));
    }
    return out;
}

bool is_own(const IpAddress& address) {
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) return true;
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(first, &::freeifaddrs);
    for (const ifaddrs* at = first; at; at = at->ifa_next) {
        if (!at->ifa_addr || (at->ifa_addr->sa_family != AF_INET && at->ifa_addr->sa_family != AF_INET6)) continue;
        char text[NI_MAXHOST] = "";
        const socklen_t size = at->ifa_addr->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
        if (::getnameinfo(at->ifa_addr, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
        const std::string_view whole(text);
        if (IpAddress::parse(whole.substr(0, whole.find('%'))) == address) return true;
    }
    return false;
}

int port_of(const urls::url_view& url) {
    if (url.has_port()) return url.port_number();
    return url.scheme() == "https" ? 443 : 80;
}

template <typename T>
bool contains(const std::vector<T>& list, const T& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

[[noreturn]] void refuse(const std::string& why) { throw Error(Errc::bad_request, "URI for web-download does not pass filtering: " + why); }
}  // namespace

std::string refused_address(std::string_view text, const std::vector<Cidr>& allowed) {
    const std::optional<IpAddress> address = IpAddress::parse(text);
    if (!address) return "it is not an address without a scope";
    const auto within = [&](const Cidr& network) { return network.contains(*address); };
    if (std::any_of(allowed.begin(), allowed.end(), within)) return "";
    for (const IpAddress& inner : embedded(*address))
        if (const std::string why = refused_address(inner.text(), allowed); !why.empty()) return "it stands for " + inner.text() + ": " + why;
    for (const Special& special : special_networks)
        if (within(*Cidr::parse(special.network))) return std::string(special.why);
    return is_own(*address) ? "it is this machine's own" : "";
}

Fetcher::Fetcher(FetchRules rules)
    : rules_(std::move(rules)), client_({.ca_file = rules_.ca_file, .permit = [this](const std::string& address) {
                                             if (const std::string why = refused_address(address, rules_.networks); !why.empty())
                                                 refuse("the host's address " + address + " is refused: " + why);
                                             if (contains(rules_.refused_hosts, address)) refuse("the host's address " + address + " is refused");
                                         }}) {}

void Fetcher::check(const std::string& text) const {
    if (!parsable_url(text)) refuse("it is not a URI");
    const auto parsed = urls::parse_uri(text);
    if (!parsed) refuse("it is not a URI");
    const urls::url_view& url = *parsed;
    const std::string scheme = lower(std::string(url.scheme())), host = lower(url.host_address());
    if (!contains(rules_.schemes, scheme) || (scheme != "http" && scheme != "https")) refuse("the scheme '" + scheme + "' is not allowed");
    if (host.empty()) refuse("it has no host");
    if (url.has_userinfo()) refuse("it carries a user name");
    if (!rules_.hosts.empty() && !contains(rules_.hosts, host)) refuse("the host is not one of those allowed");
    if (contains(rules_.refused_hosts, host)) refuse("the host is refused");
    if (const int port = port_of(url); !rules_.ports.empty() && !contains(rules_.ports, port))
        refuse("port " + std::to_string(port) + " is not allowed");
}

http::Response Fetcher::follow(http::ClientRequest request) const {
    for (int hops = 0;; ++hops) {
        check(request.url);
        const urls::url url(*urls::parse_uri(request.url));
        // The client gets the URL without a fragment and with the host as the parser here has understood it.
        request.url = lower(std::string(url.scheme())) + "://" + std::string(url.encoded_host_and_port()) + std::string(url.encoded_target());
        http::Response response = client_.send(request);
        if (!is_redirect(response.status)) return response;
        if (hops == rules_.redirects) throw Error(Errc::bad_gateway, "there are more than " + std::to_string(rules_.redirects) + " redirects");
        request.url = redirected_url(url.buffer(), response.headers.get("Location"));
        if (request.url.empty()) throw Error(Errc::bad_gateway, "the redirect leads nowhere");
    }
}

namespace {
std::optional<std::uint64_t> number(std::string_view text) {
    const auto value = parse_integer(text);
    return value && *value >= 0 ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

// Of a 206: "bytes FIRST-LAST/SIZE".
std::optional<std::uint64_t> range_start(const http::Headers& headers) {
    const std::string_view range = headers.get("Content-Range");
    const std::size_t dash = range.find('-');
    return range.starts_with("bytes ") && dash != range.npos ? number(range.substr(6, dash - 6)) : std::nullopt;
}

void require_success(const http::Response& response) {
    if (response.status == 404 || response.status == 410)
        throw Error(Errc::not_found, "The image data is not there: status " + std::to_string(response.status));
    if (response.status != 200 && response.status != 206)
        throw Error(Errc::bad_gateway, "The server of the image data answered " + std::to_string(response.status));
}
}  // namespace

void Fetcher::get(const std::string& url, const std::function<void(std::string_view)>& sink, std::uint64_t offset, int cancel_fd) const {
    http::ClientRequest request{.url = url, .cancel_fd = cancel_fd};
    request.headers.set("Accept-Encoding", "identity");
    if (offset > 0) request.headers.set("Range", "bytes=" + std::to_string(offset) + "-");
    std::uint64_t skip = 0;
    request.on_head = [&](int status, const http::Headers& headers) {
        if (status == 206 && (offset == 0 || range_start(headers) != offset))
            throw Error(Errc::bad_gateway, "The server of the image data answered another range than was asked for");
        skip = status == 206 ? 0 : offset;
    };
    request.sink = [&](std::string_view bytes) {
        const std::size_t dropped = static_cast<std::size_t>(std::min<std::uint64_t>(skip, bytes.size()));
        skip -= dropped;
        if (bytes.size() > dropped) sink(bytes.substr(dropped));
    };
    require_success(follow(std::move(request)));
}

std::optional<std::uint64_t> Fetcher::size(const std::string& url) const {
    http::ClientRequest request{.method = "HEAD", .url = url};
    request.headers.set("Accept-Encoding", "identity");
    const http::Response response = follow(std::move(request));
    require_success(response);
    return number(response.headers.get("Content-Length"));
}

}  // namespace pilvi::image
