#include "netns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/text.h"

namespace pilvi::network_agent {

namespace {

UniqueFd control_socket() {
    UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) throw Error(Errc::internal, fmt::format("A socket could not be opened: {}", std::strerror(errno)));
    return fd;
}

ifreq request_for(const std::string& device) {
    ifreq request{};
    std::strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
    return request;
}

std::string prefixed(const sockaddr* address, const sockaddr* mask) {
    IpAddress result;
    int prefix = 0;
    auto count = [&](const unsigned char* bytes, int size) {
        for (int i = 0; i < size; ++i) prefix += __builtin_popcount(bytes[i]);
    };
    char text[64];
    if (address->sa_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
        result = IpAddress::v4(ntohl(v4->sin_addr.s_addr));
        if (mask) count(reinterpret_cast<const unsigned char*>(&reinterpret_cast<const sockaddr_in*>(mask)->sin_addr), 4);
        return fmt::format("{}/{}", result.text(), prefix);
    }
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) return {};
    std::string digits;
    for (int i = 0; i < 16; i += 2) {
        std::snprintf(text, sizeof(text), "%s%x", i ? ":" : "", (v6->sin6_addr.s6_addr[i] << 8) | v6->sin6_addr.s6_addr[i + 1]);
        digits += text;
    }
    if (mask) count(reinterpret_cast<const sockaddr_in6*>(mask)->sin6_addr.s6_addr, 16);
    auto parsed = IpAddress::parse(digits);
    return fmt::format("{}/{}", parsed ? parsed->text() : digits, prefix);
}

std::map<std::string, DeviceState> devices_here() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) throw Error(Errc::internal, fmt::format("The devices could not be listed: {}", std::strerror(errno)));
    std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> guard(list, ::freeifaddrs);
    std::map<std::string, DeviceState> devices;
    UniqueFd control = control_socket();
    for (const ifaddrs* item = list; item; item = item->ifa_next) {
        DeviceState& device = devices[item->ifa_name];
        device.up = (item->ifa_flags & IFF_UP) != 0;
        if (!item->ifa_addr) continue;
        if (item->ifa_addr->sa_family == AF_PACKET) {
            const auto* link = reinterpret_cast<const sockaddr_ll*>(item->ifa_addr);
            if (link->sll_halen == 6) {
                const auto* m = link->sll_addr;
                device.mac = fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", m[0], m[1], m[2], m[3], m[4], m[5]);
            }
            ifreq request = request_for(item->ifa_name);
            if (::ioctl(control.get(), SIOCGIFMTU, &request) == 0) device.mtu = request.ifr_mtu;
        } else if (item->ifa_addr->sa_family == AF_INET || item->ifa_addr->sa_family == AF_INET6) {
            if (std::string text = prefixed(item->ifa_addr, item->ifa_netmask); !text.empty()) device.addresses.insert(text);
        }
    }
    return devices;
}

// IPv4 routes with a gateway, from /proc/net/route of the calling thread's namespace.
std::set<std::string> routes_here() {
    std::set<std::string> routes;
    std::string text;
    try {
        text = read_file("/proc/thread-self/net/route");
    } catch (const Error&) {
        return routes;
    }
    for (const auto& line : split(text, '\n')) {
        auto fields = split(line, '\t');
        if (fields.size() < 8 || fields[0] == "Iface") continue;
        auto number = [](const std::string& hex) { return ntohl(static_cast<std::uint32_t>(std::stoul(std::string(trim(hex)), nullptr, 16))); };
        std::uint32_t gateway = number(fields[2]);
        if (gateway == 0) continue;
        routes.insert(fmt::format("{}/{} via {} dev {}", IpAddress::v4(number(fields[1])).text(), __builtin_popcount(number(fields[7])),
                                  IpAddress::v4(gateway).text(), trim(fields[0])));
    }
    return routes;
}

void write_sysctl(const std::string& path, std::string_view value) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), value.data(), value.size()) < 0) {
        throw Error(Errc::internal, fmt::format("{} could not be set: {}", path, std::strerror(errno)));
    }
}

}  // namespace

std::set<std::string> device_names() {
    std::set<std::string> names;
    if (struct if_nameindex* list = ::if_nameindex()) {
        for (auto* item = list; item->if_index != 0; ++item) names.insert(item->if_name);
        ::if_freenameindex(list);
    }
    return names;
}

std::map<std::string, DeviceState> own_devices() { return devices_here(); }

void disable_checksum_offload(const std::string& device) {
    UniqueFd control = control_socket();
    for (unsigned command : {ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM}) {
        ethtool_value value{.cmd = command, .data = 0};
        ifreq request = request_for(device);
        request.ifr_data = reinterpret_cast<char*>(&value);
        (void)::ioctl(control.get(), SIOCETHTOOL, &request);
    }
}

NamespaceChanges plan_namespace(const NamespacePlan& plan, const NamespaceState& state) {
    NamespaceChanges changes;
    if (!state.exists) changes.outside.push_back("netns add " + plan.name);
    auto loopback = state.devices.find("lo");
    if (loopback == state.devices.end() || !loopback->second.up) changes.inside.push_back("link set lo up");
    std::set<std::string> wanted{"lo"};
    for (const auto& device : plan.devices) {
        wanted.insert(device.inside);
        auto present = state.devices.find(device.inside);
        DeviceState now;
        if (present != state.devices.end()) {
            now = present->second;
        } else {
            changes.fresh_devices = true;
            changes.outside.push_back(fmt::format("link add {} mtu {} type veth peer name {} address {} mtu {} netns {}", device.outside, device.mtu,
                                                  device.inside, device.mac, device.mtu, plan.name));
            changes.outside.push_back(fmt::format("link set {} up", device.outside));
            now.mac = device.mac;
            now.mtu = device.mtu;
        }
        if (now.mac != device.mac) changes.inside.push_back(fmt::format("link set {} address {}", device.inside, device.mac));
        if (now.mtu != device.mtu) {
            changes.inside.push_back(fmt::format("link set {} mtu {}", device.inside, device.mtu));
            changes.outside.push_back(fmt::format("link set {} mtu {}", device.outside, device.mtu));
        }
        std::set<std::string> addresses(device.addresses.begin(), device.addresses.end());
        for (const auto& old : now.addresses) {
            if (!addresses.contains(old)) changes.inside.push_back(fmt::format("addr del {} dev {}", old, device.inside));
        }
        for (const auto& address : device.addresses) {
            if (now.addresses.contains(address)) continue;
            bool v6 = address.find(':') != std::string::npos;
            changes.inside.push_back(fmt::format("addr add {} dev {}{}", address, device.inside, v6 ? " nodad" : ""));
            if (!v6) changes.announce.emplace_back(device.inside, address.substr(0, address.find('/')));
        }
        if (!now.up) changes.inside.push_back(fmt::format("link set {} up", device.inside));
    }
    for (const auto& [name, device] : state.devices) {
        bool ours = name.starts_with("ns-") || name.starts_with("qr-") || name.starts_with("qg-");
        if (ours && !wanted.contains(name)) changes.inside.push_back("link del " + name);
    }
    std::set<std::string> routes;
    for (const auto& route : plan.routes) {
        std::string head = fmt::format("{} via {}", route.destination, route.via);
        bool present = false;
        for (const auto& now : state.routes) {
            if (now.starts_with(head + " dev ")) {
                present = true;
                routes.insert(now);
            }
        }
        if (present) continue;
        changes.inside.push_back(fmt::format("route replace {}{}", head, route.device.empty() ? "" : " dev " + route.device + " onlink"));
    }
    for (const auto& now : state.routes) {
        if (routes.contains(now)) continue;
        auto parts = split(now, ' ');
        bool replaced = false;  // by a new gateway of the same destination
        for (const auto& route : plan.routes) replaced = replaced || route.destination == parts[0];
        if (!replaced) changes.inside.push_back("route del " + now);
    }
    return changes;
}

std::vector<std::string> Namespaces::list() const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) names.push_back(entry.path().filename());
    return names;
}

void Namespaces::inside(const std::string& name, const std::function<void()>& work) const {
    std::string path = directory_ + "/" + name;
    UniqueFd target(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!target) throw Error(Errc::not_found, fmt::format("There is no network namespace {}", name));
    std::exception_ptr failure;
    std::thread thread([&] {
        try {
            if (::setns(target.get(), CLONE_NEWNET) != 0) {
                throw Error(Errc::internal, fmt::format("The namespace {} cannot be entered: {}", name, std::strerror(errno)));
            }
            work();
        } catch (...) {
            failure = std::current_exception();
        }
    });
    thread.join();
    if (failure) std::rethrow_exception(failure);
}

NamespaceState Namespaces::observe(const std::string& name) const {
    NamespaceState state;
    try {
        inside(name, [&] {
            state.devices = devices_here();
            state.routes = routes_here();
        });
        state.exists = true;
    } catch (const Error& error) {
        if (error.code() == Errc::not_found) return state;
        // A name without a namespace behind it (the mount is gone): made anew.
        runner_.run(Command{.argv = {"/usr/bin/ip", "netns", "delete", name}});
    }
    return state;
}

NamespaceChanges Namespaces::converge(const NamespacePlan& plan, bool plain_checksums) {
    NamespaceChanges done;
    // The kernel drops the routes of a removed address: the second round looks again.
    for (int round = 0; round < 2; ++round) {
        NamespaceState state = observe(plan.name);
        NamespaceChanges changes = plan_namespace(plan, state);
        std::map<std::string, DeviceState> here = own_devices();
        for (const auto& device : plan.devices) {  // an agent that was killed may have left one end down
            auto outside = here.find(device.outside);
            if (state.devices.contains(device.inside) && outside != here.end() && !outside->second.up) {
                changes.outside.push_back(fmt::format("link set {} up", device.outside));
            }
        }
        apply(plan, state, changes, plain_checksums);
        done.announce.insert(done.announce.end(), changes.announce.begin(), changes.announce.end());
        done.fresh_devices = done.fresh_devices || changes.fresh_devices;
        bool removes_address = false;
        for (const auto& line : changes.inside) removes_address = removes_address || line.starts_with("addr del ");
        done.outside.insert(done.outside.end(), changes.outside.begin(), changes.outside.end());
        done.inside.insert(done.inside.end(), changes.inside.begin(), changes.inside.end());
        if (!removes_address) break;
    }
    return done;
}

void Namespaces::apply(const NamespacePlan& plan, const NamespaceState& state, const NamespaceChanges& changes, bool plain_checksums) {
    std::vector<std::string> outside = changes.outside;
    if (changes.fresh_devices) {  // an outside end whose inside is gone would be in the way
        std::set<std::string> here = device_names();
        for (const auto& device : plan.devices) {
            if (!state.devices.contains(device.inside) && here.contains(device.outside))
                outside.insert(outside.begin(), "link del " + device.outside);
        }
    }
    if (!outside.empty()) runner_.check(Command{.argv = {"/usr/bin/ip", "-batch", "-"}, .input = join(outside, "\n") + "\n"});
    inside(plan.name, [&] {  // a new namespace starts with the machine's values
        write_sysctl("/proc/sys/net/ipv4/ip_forward", plan.forward ? "1" : "0");
        write_sysctl("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
        write_sysctl("/proc/sys/net/ipv4/conf/all/arp_ignore", "1");
        write_sysctl("/proc/sys/net/ipv4/conf/all/arp_announce", "2");
    });
    if (!changes.inside.empty()) {
        runner_.check(Command{.argv = {"/usr/bin/ip", "-n", plan.name, "-batch", "-"}, .input = join(changes.inside, "\n") + "\n"});
    }
    if (plain_checksums && !plan.devices.empty()) {
        for (const auto& device : plan.devices) disable_checksum_offload(device.outside);
        inside(plan.name, [&] {
            for (const auto& device : plan.devices) disable_checksum_offload(device.inside);
        });
    }
}

void allow_forwarding() {
    constexpr const char* forwarding = "/proc/sys/net/ipv4/ip_forward";
    if (trim(read_file(forwarding)) != "1") write_sysctl(forwarding, "1");
}

void Namespaces::remove(const std::string& name) { runner_.check({"/usr/bin/ip", "netns", "delete", name}); }

UniqueFd Namespaces::listen(const std::string& name, const std::string& address, int port, const std::string& device) const {
    UniqueFd result;
    inside(name, [&] {
        auto parsed = IpAddress::parse(address);
        if (!parsed || parsed->version() != 4) throw Error(Errc::internal, "An IPv4 address is needed to listen on");
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        int on = 1;
        (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (!device.empty() && ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device.c_str(), static_cast<socklen_t>(device.size() + 1)) != 0) {
            throw Error(Errc::internal, fmt::format("The socket cannot be bound to {}: {}", device, std::strerror(errno)));
        }
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_port = htons(static_cast<std::uint16_t>(port));
        where.sin_addr.s_addr = htonl(parsed->v4_host_order());
        if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof(where)) != 0 || ::listen(fd.get(), 64) != 0) {
            throw Error(Errc::unavailable, fmt::format("{}:{} in {} cannot be listened on: {}", address, port, name, std::strerror(errno)));
        }
        result = std::move(fd);
    });
    return result;
}

void Namespaces::announce(const std::string& name, const std::string& device, const std::string& address) const {
    auto parsed = IpAddress::parse(address);
    if (!parsed || parsed->version() != 4) return;
    inside(name, [&] {
        UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0806)));
        ifreq request = request_for(device);
        if (!fd || ::ioctl(fd.get(), SIOCGIFHWADDR, &request) != 0) return;
        unsigned char mac[6];
        std::memcpy(mac, request.ifr_hwaddr.sa_data, 6);
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
        to.sll_halen = 6;
        std::memset(to.sll_addr, 0xff, 6);
        for (unsigned char operation : {1, 2}) {
            unsigned char frame[60] = {};
            std::memset(frame, 0xff, 6);
            std::memcpy(frame + 6, mac, 6);
            const unsigned char head[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation};
            std::memcpy(frame + 12, head, sizeof(head));
            std::memcpy(frame + 22, mac, 6);
            std::memcpy(frame + 28, parsed->bytes().data(), 4);
            std::memset(frame + 32, operation == 2 ? 0xff : 0, 6);
            std::memcpy(frame + 38, parsed->bytes().data(), 4);
            (void)::sendto(fd.get(), frame, sizeof(frame), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
        }
    });
}

}  // namespace pilvi::network_agent
