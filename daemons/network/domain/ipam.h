#pragma once
// Addresses of a subnet: allocation pools, what may be given to a port, offsets. Pure; what is taken is the database's business.
// Source of the rules: neutron.ipam.utils, neutron.db.ipam_backend_mixin.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/net.h"

namespace pilvi::network {

struct Pool {
    IpAddress first;
    IpAddress last;
    bool contains(const IpAddress& address) const { return address.version() == first.version() && first <= address && address <= last; }
    std::string text() const { return first.text() + "-" + last.text(); }
    bool operator==(const Pool&) const = default;
};

// The whole subnet without network address, IPv4 broadcast address and gateway. A /31 or /32 keeps all its addresses.
std::vector<Pool> default_pools(const Cidr& subnet, const std::optional<IpAddress>& gateway);
// [{"start", "end"}, ...]; throws InvalidAllocationPool, OutOfBoundsAllocationPool (400) or OverlappingAllocationPools (409).
std::vector<Pool> parse_pools(const json::array& pools, const Cidr& subnet);
// Throws GatewayConflictWithAllocationPools (409).
void check_gateway_outside(const std::vector<Pool>& pools, const IpAddress& gateway);
json::array pools_json(const std::vector<Pool>& pools);

// The first usable address, which a subnet has as its gateway where the user says nothing.
IpAddress default_gateway(const Cidr& subnet);
// True where the gateway is inside the subnet and is its network or broadcast address.
bool gateway_unusable(const Cidr& subnet, const IpAddress& gateway);
// Whether a port of this owner may have the address on this subnet.
bool usable_on(const Cidr& subnet, const IpAddress& address, std::string_view device_owner);

// Distance from the network address: its low 64 bits.
std::int64_t offset_of(const Cidr& subnet, const IpAddress& address);
IpAddress at_offset(const Cidr& subnet, std::int64_t offset);
// First and last offset of a pool for a search, the last one at most 2^63-1.
std::pair<std::int64_t, std::int64_t> offsets_of(const Cidr& subnet, const Pool& pool);

// Modified EUI-64 interface identifier in the subnet's prefix (RFC 4291, appendix A). `mac` is normal ("aa:bb:..").
IpAddress eui64(const Cidr& subnet, std::string_view mac);

}  // namespace pilvi::network
