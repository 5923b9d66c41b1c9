#include "resources/addresses.h"

#include <openssl/sha.h>

#include <algorithm>
#include <set>

#include "base/ids.h"
#include "base/text.h"

namespace pilvi::network {
namespace {

constexpr std::size_t most_fixed_ips = 64;

Subnet to_subnet(const Row& row) {
    Subnet subnet;
    subnet.id = row.text("id");
    subnet.network_id = row.text("network_id");
    subnet.project_id = row.text("project_id");
    subnet.cidr = *Cidr::parse(row.text("cidr"));
    if (const auto gateway = row["gateway_ip"].optional_text()) subnet.gateway = IpAddress::parse(*gateway);
    for (const json::value& pool : array_column(row, "allocation_pools"))
        subnet.pools.push_back({*IpAddress::parse(string_or(pool.as_object(), "start")), *IpAddress::parse(string_or(pool.as_object(), "end"))});
    const std::string mode = row.text("ipv6_address_mode");
    subnet.auto_address = mode == "slaac" || mode == "dhcpv6-stateless";
    subnet.enable_dhcp = row.boolean("enable_dhcp");
    subnet.service_types = texts(array_column(row, "service_types"));
    return subnet;
}

constexpr std::string_view subnet_columns =
    "SELECT id, network_id, project_id, cidr, gateway_ip, allocation_pools, ipv6_address_mode, enable_dhcp, service_types FROM subnets";

bool is_router_owner(std::string_view owner) { return owner == "network:router_interface" || owner == "network:router_gateway"; }

Error none_left(const std::string& network) {
    return conflict("IpAddressGenerationFailure", fmt::format("No more IP addresses available on network {}.", network));
}

bool insert_address(Tx& tx, const Subnet& subnet, const IpAddress& address, const Holder& holder, std::int64_t position) {
    try {
        tx.savepoint([&] {
            tx.insert("ip_allocations", {{"subnet_id", subnet.id},
                                         {"ip_offset", offset_of(subnet.cidr, address)},
                                         {"ip_address", address.text()},
                                         {"port_id", holder.port_id},
                                         {"network_id", subnet.network_id},
                                         {"position", position}});
        });
        return true;
    } catch (const UniqueViolation&) {
        return false;
    }
}

// The offset above the highest one taken in [first, last], or the first gap: an address is given again as late as possible.
std::optional<std::int64_t> next_free(Tx& tx, const Subnet& subnet, std::int64_t first, std::int64_t last) {
    const Value highest =
        tx.scalar("SELECT max(ip_offset) FROM ip_allocations WHERE subnet_id = ? AND ip_offset BETWEEN ? AND ?", {subnet.id, first, last});
    if (highest.is_null()) return first;
    if (highest.integer() < last) return highest.integer() + 1;
    if (!tx.one("SELECT 1 AS one FROM ip_allocations WHERE subnet_id = ? AND ip_offset = ?", {subnet.id, first})) return first;
    const Value gap = tx.scalar(
        "SELECT min(a.ip_offset) FROM ip_allocations a WHERE a.subnet_id = ? AND a.ip_offset BETWEEN ? AND ? AND NOT EXISTS "
        "(SELECT 1 FROM ip_allocations b WHERE b.subnet_id = a.subnet_id AND b.ip_offset = a.ip_offset + 1)",
        {subnet.id, first, last - 1});
    return gap.is_null() ? std::nullopt : std::optional(gap.integer() + 1);
}

// Any free address of the subnet's pools; false where there is none.
bool take_any(Tx& tx, const Subnet& subnet, const Holder& holder, std::int64_t position) {
    for (const Pool& pool : subnet.pools) {
        const auto [first, last] = offsets_of(subnet.cidr, pool);
        for (int tries = 0; tries < 64; ++tries) {
            const auto offset = next_free(tx, subnet, first, last);
            if (!offset) break;
            if (insert_address(tx, subnet, at_offset(subnet.cidr, *offset), holder, position)) return true;
        }
    }
    return false;
}

void take_exact(Tx& tx, const Subnet& subnet, const IpAddress& address, const Holder& holder, std::int64_t position) {
    if (subnet.auto_address && !is_router_owner(holder.device_owner) && address != eui64(subnet.cidr, holder.mac_address))
        throw bad("AllocationOnAutoAddressSubnet", fmt::format("IPv6 address {} cannot be directly assigned to a port on subnet {} as the subnet is "
                                                               "configured for automatic addresses",
                                                               address.text(), subnet.id));
    if (!insert_address(tx, subnet, address, holder, position))
        throw conflict("IpAddressAlreadyAllocated", fmt::format("IP address {} already allocated in subnet {}", address.text(), subnet.id));
}

// The subnet that an entry of fixed_ips means.
const Subnet& subnet_for(Tx& tx, const json::object& wish, const std::vector<Subnet>& subnets, const Holder& holder) {
    if (subnets.empty()) throw invalid_input("IP allocation requires subnets for network");
    const auto id = optional_string(wish, "subnet_id"), text = optional_string(wish, "ip_address");
    const auto address = text ? IpAddress::parse(*text) : std::nullopt;
    if (id) {
        for (const Subnet& subnet : subnets) {
            if (subnet.id != *id) continue;
            if (address && !usable_on(subnet.cidr, *address, holder.device_owner))
                throw bad("InvalidIpForSubnet", fmt::format("IP address {} is not a valid IP for the specified subnet.", *text));
            return subnet;
        }
        find_subnet(tx, *id);
        throw invalid_input(fmt::format("Failed to create port on network {}, because fixed_ips included invalid subnet {}", holder.network_id, *id));
    }
    if (!address) throw invalid_input("IP allocation requires subnet_id or ip_address");
    for (const Subnet& subnet : subnets)
        if (usable_on(subnet.cidr, *address, holder.device_owner)) return subnet;
    throw bad("InvalidIpForNetwork", fmt::format("IP address {} is not a valid IP for any of the subnets on the specified network.", *text));
}

void take_wish(Tx& tx, const json::object& wish, const std::vector<Subnet>& subnets, const Holder& holder, std::int64_t position) {
    const Subnet& subnet = subnet_for(tx, wish, subnets, holder);
    if (const auto text = optional_string(wish, "ip_address")) return take_exact(tx, subnet, *IpAddress::parse(*text), holder, position);
    if (subnet.auto_address && !is_router_owner(holder.device_owner))
        return take_exact(tx, subnet, eui64(subnet.cidr, holder.mac_address), holder, position);
    if (!take_any(tx, subnet, holder, position)) throw none_left(holder.network_id);
}

void check_wishes(const json::array& wanted) {
    if (wanted.size() > most_fixed_ips) throw invalid_input("Exceeded maximum amount of fixed ips per port");
    std::set<std::string> seen;
    for (const json::value& wish : wanted)
        if (const auto ip = optional_string(wish.as_object(), "ip_address"); ip && !seen.insert(*ip).second)
            throw invalid_attribute("fixed_ips", fmt::format("Duplicate IP address '{}'", *ip));
}

bool serves(const Subnet& subnet, const Holder& holder) {
    return subnet.service_types.empty() ||
           std::find(subnet.service_types.begin(), subnet.service_types.end(), holder.device_owner) != subnet.service_types.end();
}

// One address of the IP version from the first subnet that has one.
void take_of_version(Tx& tx, const std::vector<Subnet>& subnets, int version, const Holder& holder, std::int64_t& position) {
    bool tried = false;
    for (const Subnet& subnet : subnets) {
        if (subnet.cidr.address.version() != version || subnet.auto_address || !serves(subnet, holder)) continue;
        tried = true;
        if (take_any(tx, subnet, holder, position)) {
            ++position;
            return;
        }
    }
    if (tried) throw none_left(holder.network_id);
}

}  // namespace

std::vector<Subnet> subnets_of(Tx& tx, std::string_view network_id) {
    std::vector<Subnet> out;
    for (const Row& row : tx.query(fmt::format("{} WHERE network_id = ? ORDER BY created_at, id", subnet_columns), {network_id}))
        out.push_back(to_subnet(row));
    return out;
}

Subnet find_subnet(Tx& tx, std::string_view id) {
    const auto row = tx.one(fmt::format("{} WHERE id = ?", subnet_columns), {id});
    if (!row) throw subnet_not_found(id);
    return to_subnet(*row);
}

void allocate(Tx& tx, const Holder& holder, const json::array* wanted) {
    const std::vector<Subnet> subnets = subnets_of(tx, holder.network_id);
    std::int64_t position = 0;
    std::set<std::string> used;
    if (wanted) {
        check_wishes(*wanted);
        // Exact addresses first, so that none of them is given away to an entry that names only a subnet.
        for (const bool exact : {true, false})
            for (std::size_t i = 0; i < wanted->size(); ++i)
                if (const json::object& wish = (*wanted)[i].as_object(); optional_string(wish, "ip_address").has_value() == exact) {
                    take_wish(tx, wish, subnets, holder, static_cast<std::int64_t>(i));
                    used.insert(subnet_for(tx, wish, subnets, holder).id);
                }
        position = static_cast<std::int64_t>(wanted->size());
        if (wanted->empty()) return;
    } else {
        take_of_version(tx, subnets, 4, holder, position);
        if (!holder.only_ipv4) take_of_version(tx, subnets, 6, holder, position);
    }
    if (is_router_owner(holder.device_owner) || holder.only_ipv4) return;
    for (const Subnet& subnet : subnets)
        if (subnet.auto_address && !used.contains(subnet.id)) take_exact(tx, subnet, eui64(subnet.cidr, holder.mac_address), holder, position++);
}

void reallocate(Tx& tx, const App& app, const Holder& holder, const json::array& wanted) {
    check_wishes(wanted);
    const std::vector<Subnet> subnets = subnets_of(tx, holder.network_id);
    json::array old = fixed_ips(tx, holder.port_id);
    json::array add;
    std::vector<bool> kept(old.size(), false);
    std::vector<std::optional<std::size_t>> reuse(wanted.size());
    for (const bool exact : {true, false})
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            const json::object& wish = wanted[i].as_object();
            const auto ip = optional_string(wish, "ip_address");
            if (ip.has_value() != exact) continue;
            const Subnet& subnet = subnet_for(tx, wish, subnets, holder);
            for (std::size_t k = 0; k < old.size() && !reuse[i]; ++k)
                if (const json::object& had = old[k].as_object();
                    !kept[k] && string_or(had, "subnet_id") == subnet.id && (!ip || string_or(had, "ip_address") == *ip)) {
                    kept[k] = true;
                    reuse[i] = k;
                }
        }
    for (std::size_t k = 0; k < old.size(); ++k)
        if (!kept[k]) {
            const std::string address = string_or(old[k].as_object(), "ip_address");
            tx.exec("DELETE FROM ip_allocations WHERE port_id = ? AND ip_address = ?", {holder.port_id, address});
            disassociate(tx, app, holder.port_id, address);
        }
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto position = static_cast<std::int64_t>(i);
        if (reuse[i])
            tx.exec("UPDATE ip_allocations SET position = ? WHERE port_id = ? AND ip_address = ?",
                    {position, holder.port_id, string_or(old[*reuse[i]].as_object(), "ip_address")});
        else take_wish(tx, wanted[i].as_object(), subnets, holder, position);
    }
}

json::array fixed_ips(Tx& tx, std::string_view port_id) {
    json::array out;
    for (const Row& row : tx.query("SELECT subnet_id, ip_address FROM ip_allocations WHERE port_id = ? ORDER BY position, ip_address", {port_id}))
        out.push_back({{"subnet_id", row.text("subnet_id")}, {"ip_address", row.text("ip_address")}});
    return out;
}

std::string free_mac(Tx& tx, std::string_view network_id) {
    for (int tries = 0; tries < 16; ++tries) {
        std::string mac = random_mac();
        if (!tx.one("SELECT 1 AS one FROM ports WHERE network_id = ? AND mac_address = ?", {network_id, mac})) return mac;
    }
    throw Error(Errc::unavailable, fmt::format("Unable to generate unique mac on network {}.", network_id), "NetworkMacAddressGenerationFailure");
}

std::string make_port(Tx& tx, App& app, const PortSpec& spec, const json::array* wanted) {
    const std::string mac = free_mac(tx, spec.network_id);
    const std::string id = insert_object(tx, app, port_resource,
                                         {{"project_id", spec.project_id},
                                          {"network_id", spec.network_id},
                                          {"name", ""},
                                          {"description", ""},
                                          {"admin_state_up", true},
                                          {"status", spec.status},
                                          {"mac_address", mac},
                                          {"device_id", spec.device_id},
                                          {"device_owner", spec.device_owner},
                                          {"allowed_address_pairs", json::array{}},
                                          {"extra_dhcp_opts", json::array{}},
                                          {"port_security_enabled", false},
                                          {"binding:host_id", spec.host},
                                          {"binding:vnic_type", "normal"},
                                          {"binding:profile", json::object{}},
                                          {"dns_name", ""},
                                          {"ip_allocation", "immediate"}});
    allocate(tx, {id, spec.network_id, mac, spec.device_owner, spec.only_ipv4}, wanted);
    return id;
}

void disassociate(Tx& tx, const App& app, std::string_view port_id, std::optional<std::string> fixed_ip) {
    std::string sql =
        "UPDATE floating_ips SET port_id = NULL, fixed_ip_address = NULL, router_id = NULL, status = 'DOWN', updated_at = ?, "
        "revision_number = revision_number + 1 WHERE port_id = ?";
    Values parameters{app.clock(), port_id};
    if (fixed_ip) {
        sql += " AND fixed_ip_address = ?";
        parameters.emplace_back(*fixed_ip);
    }
    tx.exec(sql, parameters);
}

void release_port(Tx& tx, App& app, const std::string& id, std::string_view device_id, std::string_view device_owner) {
    disassociate(tx, app, id);
    tx.exec("DELETE FROM ip_allocations WHERE port_id = ?", {id});
    tx.exec("DELETE FROM port_security_groups WHERE port_id = ?", {id});
    tx.exec("DELETE FROM router_interfaces WHERE port_id = ?", {id});
    remove_tags(tx, id);
    if (is_server_port(device_owner) && is_uuid_like(device_id)) tell_compute(tx, app, "network-vif-deleted", device_id, id);
}

void remove_port(Tx& tx, App& app, const std::string& id) {
    const auto row = tx.one("SELECT device_id, device_owner FROM ports WHERE id = ?", {id});
    if (!row) return;
    release_port(tx, app, id, row->text("device_id"), row->text("device_owner"));
    tx.exec("DELETE FROM ports WHERE id = ?", {id});
}

std::string pick_host(Tx& tx, const App& app, std::string_view binary) {
    const std::string load = binary == "neutron-l3-agent"
                                 ? "(SELECT count(*) FROM routers r WHERE r.host = a.host)"
                                 : "(SELECT count(*) FROM ports p WHERE p.device_owner = 'network:dhcp' AND p.binding_host_id = a.host)";
    for (const std::string_view alive : {" AND a.heartbeat_timestamp > ?", " AND a.heartbeat_timestamp > ? - 86400000000"}) {
        const auto row = tx.one(
            fmt::format("SELECT a.host FROM agents a WHERE a.binary_name = ? AND a.admin_state_up = 1{} ORDER BY {}, a.host LIMIT 1", alive, load),
            {binary, app.clock() - app.settings.agent_down});
        if (row) return row->text("host");
    }
    return "";
}

std::string dhcp_device_id(std::string_view host, std::string_view network_id) {
    if (host.empty()) return "reserved_dhcp_port";
    // uuid5 of the host's name in the DNS name space, as the original's agents make it.
    static constexpr unsigned char space[] = {0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};
    std::string text(reinterpret_cast<const char*>(space), sizeof space);
    text += host.substr(0, host.find('.'));
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
    digest[6] = static_cast<unsigned char>((digest[6] & 0x0f) | 0x50);
    digest[8] = static_cast<unsigned char>((digest[8] & 0x3f) | 0x80);
    const std::string h = hex(std::string_view(reinterpret_cast<const char*>(digest), 16));
    return fmt::format("dhcp{}-{}-{}-{}-{}-{}", h.substr(0, 8), h.substr(8, 4), h.substr(12, 4), h.substr(16, 4), h.substr(20, 12), network_id);
}

void ensure_dhcp_port(Tx& tx, App& app, const std::string& network_id) {
    json::array wanted;
    for (const Subnet& subnet : subnets_of(tx, network_id))
        if (subnet.enable_dhcp) wanted.push_back(json::object{{"subnet_id", subnet.id}});
    const auto port = tx.one("SELECT id, mac_address FROM ports WHERE network_id = ? AND device_owner = 'network:dhcp'", {network_id});
    if (wanted.empty()) {
        if (port) remove_port(tx, app, port->text("id"));
        return;
    }
    const auto network = tx.one("SELECT project_id FROM networks WHERE id = ?", {network_id});
    if (!network) return;
    try {
        tx.savepoint([&] {
            if (port) {
                reallocate(tx, app, {port->text("id"), network_id, port->text("mac_address"), "network:dhcp"}, wanted);
                return;
            }
            const std::string host = pick_host(tx, app, "neutron-dhcp-agent");
            make_port(tx, app, {network->text("project_id"), network_id, dhcp_device_id(host, network_id), "network:dhcp", host}, &wanted);
        });
    } catch (const Error& full) {
        // A subnet whose every address is taken goes without DHCP, as in the original, rather than refusing the subnet.
        if (full.type() != "IpAddressGenerationFailure") throw;
    }
}

void tell_compute(Tx& tx, App& app, std::string_view event, std::string_view server_id, std::string_view port_id) {
    const Micros now = app.clock();
    tx.insert("outbox", {{"id", new_uuid()},
                         {"name", event},
                         {"server_id", server_id},
                         {"port_id", port_id},
                         {"created_at", now},
                         {"due_at", now},
                         {"attempts", std::int64_t{0}}});
    if (app.wake_outbox) tx.after_commit(app.wake_outbox);
}

}  // namespace pilvi::network
