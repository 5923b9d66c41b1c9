#include "domain/ipam.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "domain/errors.h"

namespace pilvi::network {
namespace {

struct Span {
    IpAddress first, last;
};

// First and last address that a pool may hold.
Span usable(const Cidr& subnet) {
    const IpAddress first = subnet.network(), last = subnet.last();
    if (subnet.address.version() == 4) return subnet.prefix <= 30 ? Span{first.plus(1), IpAddress::v4(last.v4_host_order() - 1)} : Span{first, last};
    return subnet.prefix == 128 ? Span{first, last} : Span{first.plus(1), last};
}

std::uint64_t low64(const IpAddress& address) {
    if (address.version() == 4) return address.v4_host_order();
    std::uint64_t out = 0;
    for (std::size_t i = 8; i < 16; ++i) out = out << 8 | address.bytes()[i];
    return out;
}

// The address just below. IPv6 gateways at the start of a /64 of a shorter prefix are not told apart from it.
IpAddress before(const IpAddress& address) {
    if (address.version() == 4) return IpAddress::v4(address.v4_host_order() - 1);
    const std::uint64_t low = low64(address);
    return low == 0 ? address : Cidr{address, 64}.network().plus(low - 1);
}

std::string shown(const json::value& value) { return to_text(value); }

}  // namespace

std::vector<Pool> default_pools(const Cidr& subnet, const std::optional<IpAddress>& gateway) {
    if (subnet.network() == subnet.last()) return {{subnet.network(), subnet.last()}};
    const Span span = usable(subnet);
    if (!gateway || gateway->version() != subnet.address.version() || *gateway < span.first || *gateway > span.last) return {{span.first, span.last}};
    std::vector<Pool> pools;
    if (*gateway > span.first) pools.push_back({span.first, before(*gateway)});
    if (*gateway < span.last) pools.push_back({gateway->plus(1), span.last});
    return pools;
}

std::vector<Pool> parse_pools(const json::array& pools, const Cidr& subnet) {
    std::vector<Pool> out;
    const Span span = usable(subnet);
    for (const json::value& item : pools) {
        const json::object& pool = item.as_object();
        const auto first = IpAddress::parse(string_or(pool, "start")), last = IpAddress::parse(string_or(pool, "end"));
        if (!first || !last || first->version() != subnet.address.version() || last->version() != subnet.address.version() || *last < *first)
            throw bad("InvalidAllocationPool", fmt::format("The allocation pool {} is not valid.", shown(item)));
        if (*first < span.first || *last > span.last)
            throw bad("OutOfBoundsAllocationPool",
                      fmt::format("The allocation pool {} spans beyond the subnet cidr {}.", Pool{*first, *last}.text(), subnet.text()));
        for (const Pool& other : out)
            if (*first <= other.last && other.first <= *last)
                throw conflict("OverlappingAllocationPools", fmt::format("Found overlapping allocation pools: {} {} for subnet {}.", other.text(),
                                                                         Pool{*first, *last}.text(), subnet.text()));
        out.push_back({*first, *last});
    }
    return out;
}

void check_gateway_outside(const std::vector<Pool>& pools, const IpAddress& gateway) {
    for (const Pool& pool : pools)
        if (pool.contains(gateway))
            throw conflict("GatewayConflictWithAllocationPools",
                           fmt::format("Gateway ip {} conflicts with allocation pool {}.", gateway.text(), pool.text()));
}

json::array pools_json(const std::vector<Pool>& pools) {
    json::array out;
    for (const Pool& pool : pools) out.push_back({{"start", pool.first.text()}, {"end", pool.last.text()}});
    return out;
}

IpAddress default_gateway(const Cidr& subnet) {
    const bool single = subnet.network() == subnet.last();
    return single || (subnet.address.version() == 4 && subnet.prefix == 31) ? subnet.network() : subnet.network().plus(1);
}

bool gateway_unusable(const Cidr& subnet, const IpAddress& gateway) {
    return subnet.address.version() == 4 && gateway.version() == 4 && (gateway == subnet.network() || gateway == subnet.last());
}

bool usable_on(const Cidr& subnet, const IpAddress& address, std::string_view device_owner) {
    if (address.version() != subnet.address.version() || !subnet.contains(address)) return false;
    if (subnet.address.version() == 6)
        return address != subnet.network() || device_owner.empty() || device_owner == "network:router_interface" ||
               device_owner == "network:router_gateway";
    if (subnet.prefix >= 31) return true;
    return address != subnet.network() && address != subnet.last();
}

std::int64_t offset_of(const Cidr& subnet, const IpAddress& address) { return static_cast<std::int64_t>(low64(address) - low64(subnet.network())); }

IpAddress at_offset(const Cidr& subnet, std::int64_t offset) { return subnet.network().plus(static_cast<std::uint64_t>(offset)); }

std::pair<std::int64_t, std::int64_t> offsets_of(const Cidr& subnet, const Pool& pool) {
    constexpr auto top = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const IpAddress base = subnet.network();
    return {static_cast<std::int64_t>(std::min(base.distance_to(pool.first), top)),
            static_cast<std::int64_t>(std::min(base.distance_to(pool.last), top))};
}

IpAddress eui64(const Cidr& subnet, std::string_view mac) {
    std::string digits;
    for (const char c : mac)
        if (c != ':') digits += c;
    const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(std::stoul(digits.substr(i * 2, 2), nullptr, 16)); };
    std::uint64_t id = 0;
    const std::uint64_t bytes[] = {byte(0) ^ 2, byte(1), byte(2), 0xff, 0xfe, byte(3), byte(4), byte(5)};
    for (const std::uint64_t b : bytes) id = id << 8 | b;
    return subnet.network().plus(id);
}

}  // namespace pilvi::network
