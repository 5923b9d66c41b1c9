#include "conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace pilvi::network_agent {

namespace {

// Calls `use(type, payload)` for each attribute in a buffer that the kernel wrote.
template <class F>
void attributes(std::string_view buffer, F use) {
    while (buffer.size() >= sizeof(nlattr)) {
        nlattr head{};
        std::memcpy(&head, buffer.data(), sizeof(head));
        if (head.nla_len < sizeof(nlattr) || head.nla_len > buffer.size()) return;
        use(head.nla_type & NLA_TYPE_MASK, buffer.substr(NLA_HDRLEN, head.nla_len - NLA_HDRLEN));
        buffer.remove_prefix(std::min<std::size_t>(NLA_ALIGN(head.nla_len), buffer.size()));
    }
}

IpAddress address(std::string_view bytes) {
    std::uint32_t value = 0;
    if (bytes.size() == 4) std::memcpy(&value, bytes.data(), 4);
    return IpAddress::v4(ntohl(value));
}

void addresses(std::string_view tuple, IpAddress& source, IpAddress& destination) {
    attributes(tuple, [&](int type, std::string_view payload) {
        if (type != CTA_TUPLE_IP) return;
        attributes(payload, [&](int kind, std::string_view bytes) {
            if (kind == CTA_IP_V4_SRC) source = address(bytes);
            if (kind == CTA_IP_V4_DST) destination = address(bytes);
        });
    });
}

std::string message(int type, int flags, std::string_view payload) {
    nlmsghdr head{};
    nfgenmsg generic{};
    generic.nfgen_family = AF_INET;
    generic.version = NFNETLINK_V0;
    head.nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + sizeof(generic) + payload.size());
    head.nlmsg_type = static_cast<std::uint16_t>((NFNL_SUBSYS_CTNETLINK << 8) | type);
    head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    std::string text(reinterpret_cast<const char*>(&head), sizeof(head));
    text.append(reinterpret_cast<const char*>(&generic), sizeof(generic));
    text.append(payload);
    return text;
}

// A nested attribute with the bytes of a tuple as they came.
std::string nested(int type, std::string_view payload) {
    nlattr head{};
    head.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + payload.size());
    head.nla_type = static_cast<std::uint16_t>(type | NLA_F_NESTED);
    std::string text(reinterpret_cast<const char*>(&head), sizeof(head));
    text.append(payload);
    text.resize(NLA_ALIGN(text.size()), '\0');
    return text;
}

// One entry of the dump: the raw original tuple and the addresses.
std::string read_entry(std::string_view payload, Connection& connection) {
    std::string original;
    if (payload.size() < sizeof(nfgenmsg)) return original;
    attributes(payload.substr(sizeof(nfgenmsg)), [&](int type, std::string_view tuple) {
        if (type == CTA_TUPLE_ORIG) {
            original = tuple;
            addresses(tuple, connection.original_source, connection.original_destination);
        } else if (type == CTA_TUPLE_REPLY) {
            addresses(tuple, connection.reply_source, connection.reply_destination);
        }
    });
    return original;
}

}  // namespace

int delete_connections(const std::function<bool(const Connection&)>& stale) {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!fd) throw Error(Errc::unsupported, "The kernel has no netfilter netlink");
    timeval limit{.tv_sec = 5, .tv_usec = 0};
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    std::string request = message(IPCTNL_MSG_CT_GET, NLM_F_DUMP, {});
    if (::send(fd.get(), request.data(), request.size(), 0) < 0) throw Error(Errc::unsupported, "The kernel has no ctnetlink");
    std::vector<std::string> victims;
    std::string buffer(1u << 16, '\0');
    for (bool more = true; more;) {
        ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
        if (got <= 0) throw Error(Errc::unsupported, "ctnetlink does not answer");
        std::string_view rest(buffer.data(), static_cast<std::size_t>(got));
        while (rest.size() >= sizeof(nlmsghdr)) {
            nlmsghdr head{};
            std::memcpy(&head, rest.data(), sizeof(head));
            if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > rest.size()) break;
            if (head.nlmsg_type == NLMSG_ERROR) throw Error(Errc::unsupported, "The kernel has no ctnetlink");
            if (head.nlmsg_type == NLMSG_DONE) {
                more = false;
                break;
            }
            Connection connection;
            std::string original = read_entry(rest.substr(NLMSG_HDRLEN, head.nlmsg_len - NLMSG_HDRLEN), connection);
            if (!original.empty() && stale(connection)) victims.push_back(std::move(original));
            rest.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(head.nlmsg_len), rest.size()));
        }
    }
    for (const auto& original : victims) {
        std::string text = message(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, nested(CTA_TUPLE_ORIG, original));
        if (::send(fd.get(), text.data(), text.size(), 0) > 0)
            (void)::recv(fd.get(), buffer.data(), buffer.size(), 0);  // gone by itself: good as well
    }
    return static_cast<int>(victims.size());
}

}  // namespace pilvi::network_agent
