#include "base/net.h"

#include <arpa/inet.h>

#include <cstring>
#include <limits>

#include "base/ids.h"
#include "base/text.h"

namespace pilvi {

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
    char buffer[INET6_ADDRSTRLEN + 1];
    if (text.empty() || text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return std::nullopt;
    std::memcpy(buffer, text.data(), text.size());
    buffer[text.size()] = '\0';
    IpAddress out;
    if (text.find(':') == std::string_view::npos) {
        out.version_ = 4;
        if (inet_pton(AF_INET, buffer, out.bytes_.data()) != 1) return std::nullopt;
    } else {
        out.version_ = 6;
        if (inet_pton(AF_INET6, buffer, out.bytes_.data()) != 1) return std::nullopt;
    }
    return out;
}

IpAddress IpAddress::v4(std::uint32_t host_order) noexcept {
    IpAddress out;
    for (int i = 0; i < 4; ++i) out.bytes_[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
    return out;
}

std::uint32_t IpAddress::v4_host_order() const noexcept {
    return std::uint32_t{bytes_[0]} << 24 | std::uint32_t{bytes_[1]} << 16 | std::uint32_t{bytes_[2]} << 8 | bytes_[3];
}

std::string IpAddress::text() const {
    char buffer[INET6_ADDRSTRLEN];
    inet_ntop(version_ == 4 ? AF_INET : AF_INET6, bytes_.data(), buffer, sizeof buffer);
    return buffer;
}

IpAddress IpAddress::plus(std::uint64_t offset) const noexcept {
    IpAddress out = *this;
    std::uint64_t carry = offset;
    for (int i = bits() / 8 - 1; i >= 0 && carry > 0; --i) {
        auto& byte = out.bytes_[static_cast<std::size_t>(i)];
        const std::uint64_t sum = byte + (carry & 0xff);
        byte = static_cast<std::uint8_t>(sum);
        carry = (carry >> 8) + (sum >> 8);
    }
    return out;
}

std::uint64_t IpAddress::distance_to(const IpAddress& other) const noexcept {
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    std::array<std::uint8_t, 16> difference{};
    int borrow = 0;
    const int size = bits() / 8;
    for (int i = size - 1; i >= 0; --i) {
        const auto at = static_cast<std::size_t>(i);
        int d = other.bytes_[at] - bytes_[at] - borrow;
        borrow = d < 0;
        difference[at] = static_cast<std::uint8_t>(d + (borrow ? 256 : 0));
    }
    std::uint64_t value = 0;
    for (int i = 0; i < size; ++i) {
        if (value > most >> 8) return most;
        value = value << 8 | difference[static_cast<std::size_t>(i)];
    }
    return value > most ? most : value;
}

bool IpAddress::is_multicast() const noexcept { return version_ == 4 ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff; }
bool IpAddress::is_loopback() const noexcept {
    if (version_ == 4) return bytes_[0] == 127;
    return *this == *parse("::1");
}
bool IpAddress::is_link_local() const noexcept {
    return version_ == 4 ? bytes_[0] == 169 && bytes_[1] == 254 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}
bool IpAddress::is_unspecified() const noexcept {
    for (int i = 0; i < bits() / 8; ++i)
        if (bytes_[static_cast<std::size_t>(i)] != 0) return false;
    return true;
}

std::optional<Cidr> Cidr::parse(std::string_view text) noexcept {
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == std::string_view::npos) return Cidr{*address, address->bits()};
    const auto prefix = parse_integer(text.substr(slash + 1));
    if (!prefix || *prefix < 0 || *prefix > address->bits() || text[slash + 1] == '-' || (text.size() > slash + 2 && text[slash + 1] == '0'))
        return std::nullopt;
    return Cidr{*address, static_cast<int>(*prefix)};
}

namespace {
// `address` with every bit after `prefix` set to `ones`.
IpAddress fill(const IpAddress& address, int prefix, bool ones) noexcept {
    std::array<std::uint8_t, 16> bytes = address.bytes();
    for (int bit = prefix; bit < address.bits(); ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80 >> (bit % 8));
        auto& byte = bytes[static_cast<std::size_t>(bit / 8)];
        byte = static_cast<std::uint8_t>(ones ? byte | mask : byte & ~mask);
    }
    char buffer[INET6_ADDRSTRLEN];
    inet_ntop(address.version() == 4 ? AF_INET : AF_INET6, bytes.data(), buffer, sizeof buffer);
    return *IpAddress::parse(buffer);
}
}  // namespace

IpAddress Cidr::network() const noexcept { return fill(address, prefix, false); }
IpAddress Cidr::last() const noexcept { return fill(address, prefix, true); }

bool Cidr::contains(const IpAddress& other) const noexcept { return other.version() == address.version() && network() <= other && other <= last(); }

bool Cidr::overlaps(const Cidr& other) const noexcept {
    return other.address.version() == address.version() && (contains(other.network()) || other.contains(network()));
}

std::string Cidr::text() const { return network().text() + "/" + std::to_string(prefix); }

std::string Cidr::netmask() const {
    const IpAddress ones = address.version() == 4 ? IpAddress::v4(0xffffffff) : *IpAddress::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    return fill(ones, prefix, false).text();
}

std::optional<std::string> normalize_mac(std::string_view text) noexcept {
    if (text.size() != 17) return std::nullopt;
    const char separator = text[2];
    if (separator != ':' && separator != '-') return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < 17; ++i) {
        const char c = text[i];
        if (i % 3 == 2) {
            if (c != separator) return std::nullopt;
            out += ':';
        } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
            out += c;
        } else if (c >= 'A' && c <= 'F') {
            out += static_cast<char>(c + 32);
        } else {
            return std::nullopt;
        }
    }
    return out;
}

std::string random_mac(std::string_view base) {
    const std::string tail = hex(random_bytes(3));
    return std::string(base.substr(0, 8)) + ":" + tail.substr(0, 2) + ":" + tail.substr(2, 2) + ":" + tail.substr(4, 2);
}

}  // namespace pilvi
