// What foreign web servers answer to a fetcher: status lines, headers, lengths, chunks, ranges, redirects. An input is a line "OFFSET URL" ("h URL": its size
// is asked for; "g REGION": a catalogue's image service there and what it says of an image), then the answers in their order, each ended by a line "%%". "@" in it is this process's server, the one place that may be reached.
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "image/fetch.h"
#include "image/remote.h"

namespace {
using namespace pilvi;

[[noreturn]] void wrong(std::string_view what) {
    std::cerr << what << "\n";
    std::abort();
}

// Gives the answers one after another, whatever it is asked, each on a connection of its own.
class Answers {
public:
    Answers() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(listening_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listening_.get(), 16) != 0) wrong("no port");
        ::getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        std::thread([this] {
            while (true) serve(UniqueFd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
        }).detach();
    }
    int port() const { return port_; }
    void set(std::vector<std::string> answers) {
        const std::lock_guard lock(mutex_);
        answers_ = std::move(answers);
        given_ = 0;
    }
    std::string last() {
        const std::lock_guard lock(mutex_);
        return given_ == 0 ? std::string() : answers_[given_ - 1];
    }

private:
    void serve(const UniqueFd& peer) {
        std::string request;
        char buffer[16384];
        while (request.find("\r\n\r\n") == std::string::npos && !request.starts_with('\x16')) {  // a TLS handshake waits for an answer
            const ssize_t got = ::recv(peer.get(), buffer, sizeof buffer, 0);
            if (got <= 0) return;
            request.append(buffer, static_cast<std::size_t>(got));
        }
        std::string answer;
        {
            const std::lock_guard lock(mutex_);
            if (given_ < answers_.size()) answer = answers_[given_++];
        }
        for (std::size_t at = 0; at < answer.size();) {
            const ssize_t sent = ::send(peer.get(), &answer[at], answer.size() - at, MSG_NOSIGNAL);
            if (sent <= 0) return;
            at += static_cast<std::size_t>(sent);
        }
    }
    UniqueFd listening_;
    int port_ = 0;
    std::mutex mutex_;
    std::vector<std::string> answers_;
    std::size_t given_ = 0;
};

Answers& server() {
    static Answers& answers = *new Answers;
    return answers;
}

// Whether what is connected to went through the rules; a catalogue may name any place.
bool by_rules = true;

// Told apart from the rules that are tried: addresses inside, in their plainest forms.
bool inside(const sockaddr* address) {
    if (address->sa_family == AF_INET6) {
        const auto& b = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr.s6_addr;
        const bool zeros = std::all_of(b, b + 10, [](unsigned char c) { return c == 0; });
        return zeros || b[0] == 0xff || (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && b[1] >= 0x80);
    }
    const std::uint32_t v4 = ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr), first = v4 >> 24;
    return first == 0 || first == 10 || first == 127 || first >= 224 || v4 >> 16 == 0xa9fe || v4 >> 20 == 0xac1 || v4 >> 16 == 0xc0a8 ||
           v4 >> 22 == 0x6440 >> 6;
}

// For an answer that says plainly how long its body is; otherwise nullopt.
std::optional<std::int64_t> stated_length(const std::string& answer) {
    const std::string head = lower(answer.substr(0, answer.find("\r\n\r\n")));
    const std::size_t at = head.find("\r\ncontent-length:");
    if (at == head.npos || head.find("transfer-encoding") != head.npos) return std::nullopt;
    const std::size_t value = at + 17, end = std::min(head.find("\r\n", value), head.size());
    return parse_integer(trim(std::string_view(head).substr(value, end - value)));
}

// What is taken over of another region's image is what an image of ours may have.
void ask_remote(const std::string& place, const std::string& region) {
    static const image::RemoteGlance remote{"http://" + place + "/v3", "", {"hw_", "os_"}};
    const image::RemoteImage image{.region = region, .id = "11111111-0000-4000-8000-000000000000"};
    const std::string endpoint = remote.endpoint(image);
    const image::RemoteMetadata found = remote.metadata(endpoint, image);
    for (const auto& [name, value] : found.properties)
        if (!is_utf8(name) || !is_utf8(value) || name.starts_with("os_glance")) wrong("a property that is none");
}
}  // namespace

// Nothing is looked up, and nothing but the one server is connected to.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
    static const auto next = reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    addrinfo numeric = hints ? *hints : addrinfo{};
    numeric.ai_flags |= AI_NUMERICHOST;
    return next(node, service, &numeric, found);
}

extern "C" int connect(int fd, const sockaddr* address, socklen_t size) {
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
        const int port = ntohs(v4->sin_port);  // at the same place in both families
        if (by_rules && port != server().port()) wrong("a port that is not allowed");
        const bool ours = address->sa_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK) && port == server().port();
        if (by_rules && !ours && inside(address)) wrong("an address inside");
        if (!ours) return errno = ENETUNREACH, -1;
    }
    return static_cast<int>(::syscall(SYS_connect, fd, address, size));
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string place = "127.0.0.1:" + std::to_string(server().port());
    std::string text;
    for (std::size_t i = 0; i < size; ++i) {
        if (data[i] == '@') text += place;
        else text += static_cast<char>(data[i]);
    }
    const std::string line = text.substr(0, text.find('\n'));
    const std::size_t space = line.find(' ');
    if (space == line.npos || line.size() == text.size()) return 0;
    std::vector<std::string> answers;
    for (std::size_t at = line.size() + 1; at < text.size() && answers.size() < 12;) {
        const std::size_t end = std::min(text.find("%%\n", at), text.size());
        answers.push_back(text.substr(at, end - at));
        at = end + 3;
    }
    server().set(std::move(answers));
    static const image::Fetcher fetcher{{.ports = {server().port()}, .networks = {*Cidr::parse("127.0.0.1/32")}}};
    const std::string url = line.substr(space + 1);
    by_rules = !line.starts_with('g');
    if (!by_rules && !is_utf8(url)) return 0;  // a region is a text of a request's JSON
    try {
        if (!by_rules) {
            ask_remote(place, url);
            return 0;
        }
        if (line.starts_with('h')) {
            fetcher.size(url);
            return 0;
        }
        const auto offset = static_cast<std::uint64_t>(std::max<std::int64_t>(0, parse_integer(line.substr(0, space)).value_or(0)));
        std::uint64_t got = 0;
        fetcher.get(
            url, [&](std::string_view bytes) { got += bytes.size(); }, offset);
        const std::string answer = server().last();
        if (got > answer.size()) wrong("more than was sent");
        if (const auto stated = stated_length(answer); stated && answer.starts_with("HTTP/1.1 200 ")) {
            const auto whole = static_cast<std::uint64_t>(*stated);
            if (got != whole - std::min(whole, offset)) wrong("another length than was stated");
        }
    } catch (const Error& refused) {
        if (by_rules && refused.code() == Errc::internal) wrong("an unexpected error: " + refused.message());
        if (!is_utf8(refused.message())) wrong("no UTF-8");
    }
    return 0;
}
