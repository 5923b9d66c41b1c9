#pragma once
// Addresses: IPv4 and IPv6, CIDR, MAC. Parsers are noexcept and fuzzed.
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pilvi {

// An address in network byte order; IPv4 uses the first 4 bytes.
class IpAddress {
public:
    IpAddress() = default;
    // Strict dotted quad (no leading zeros, four parts) or RFC 4291 text; no scope ids.
    static std::optional<IpAddress> parse(std::string_view text) noexcept;
    static IpAddress v4(std::uint32_t host_order) noexcept;
    int version() const noexcept { return version_; }  // 4 or 6
    int bits() const noexcept { return version_ == 4 ? 32 : 128; }
    const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
    std::uint32_t v4_host_order() const noexcept;         // version 4 only
    std::string text() const;                             // canonical (RFC 5952)
    IpAddress plus(std::uint64_t offset) const noexcept;  // wraps at the end of the family
    // other - *this, saturated at 2^63-1; both of one family, other >= *this.
    std::uint64_t distance_to(const IpAddress& other) const noexcept;
    bool is_multicast() const noexcept;
    bool is_loopback() const noexcept;
    bool is_link_local() const noexcept;
    bool is_unspecified() const noexcept;
    auto operator<=>(const IpAddress&) const = default;

private:
    int version_ = 4;
    std::array<std::uint8_t, 16> bytes_{};
};

struct Cidr {
    IpAddress address;  // as given, host bits included
    int prefix = 0;
    // "a.b.c.d/len" or "addr/len"; an address without "/len" is taken as a host (/32, /128).
    static std::optional<Cidr> parse(std::string_view text) noexcept;
    IpAddress network() const noexcept;
    IpAddress last() const noexcept;  // IPv4: the broadcast address
    bool contains(const IpAddress& address) const noexcept;
    bool overlaps(const Cidr& other) const noexcept;
    std::string text() const;     // network()/prefix
    std::string netmask() const;  // IPv4 dotted mask, IPv6 as address
};

// "aa:bb:cc:dd:ee:ff" from the forms with ':' or '-'; lower case; nullopt otherwise.
std::optional<std::string> normalize_mac(std::string_view text) noexcept;
// base is e.g. "fa:16:3e:00:00:00": its first three bytes are kept, the others are random.
std::string random_mac(std::string_view base = "fa:16:3e:00:00:00");

}  // namespace pilvi
