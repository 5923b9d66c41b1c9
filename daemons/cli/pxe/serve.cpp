// pilvi pxe serve: dnsmasq for addresses and the first program, HTTP for the rest, and pilvi-cluster open for the machines of that network.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/net.h"
#include "base/text.h"
#include "cloud/process.h"
#include "commands.h"
#include "node/cluster_socket.h"
#include "pxe/files.h"

namespace pilvi::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* dnsmasq_program = "/usr/sbin/dnsmasq";
constexpr const char* loaders = "/usr/lib/ipxe";  // undionly.kpxe, ipxe.efi: package ipxe
constexpr std::chrono::seconds round_time{5};
constexpr int open_seconds = 60;

Cidr network_of(const std::string& interface) {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) throw Error(Errc::internal, "the interfaces of this machine cannot be listed");
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owned(list, ::freeifaddrs);
    for (const ifaddrs* one = list; one; one = one->ifa_next) {
        if (interface != one->ifa_name || !one->ifa_addr || one->ifa_addr->sa_family != AF_INET) continue;
        const auto host = [](const sockaddr* address) { return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr); };
        return {.address = IpAddress::v4(host(one->ifa_addr)), .prefix = std::popcount(host(one->ifa_netmask))};
    }
    throw Error(Errc::not_found, interface + " is no interface with an IPv4 address of this machine");
}

// One end of the addresses to hand out; where it is not given, of the part of the network above or below this machine's own that is larger.
std::string end_of_range(const Cidr& network, const std::string& given, bool last) {
    if (!given.empty()) {
        const auto address = IpAddress::parse(given);
        if (!address || !network.contains(*address)) throw Error(Errc::bad_request, given + " is not an address of the network " + network.text());
        return given;
    }
    const std::uint32_t own = network.address.v4_host_order(), low = network.network().v4_host_order() + 1, high = network.last().v4_host_order() - 1;
    const bool above = high - own >= own - low;
    return IpAddress::v4(last ? (above ? high : own - 1) : (above ? own + 1 : low)).text();
}

std::vector<std::string> dnsmasq_of(const PxeOptions& options, const Cidr& network, const Provisioning& provisioning, const std::string& state) {
    // It ends with us, also when we are killed: what the kernel does for a child it forgets when the child gives up its privileges, as dnsmasq does. So
    // dnsmasq is in a PID namespace, and the namespace's first process is one that keeps them.
    // 175 is iPXE's own option: who sends it has the loader already. Architectures 7 and 9 are UEFI on x86-64.
    return {"/usr/bin/unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "/usr/bin/timeout",
            "--foreground",
            "0",
            dnsmasq_program,
            "--keep-in-foreground",
            "--pid-file=",
            "--conf-file=/dev/null",
            "--port=0",
            "--log-facility=-",
            "--interface=" + options.interface,
            "--bind-interfaces",
            "--except-interface=lo",
            "--no-ping",
            fmt::format("--dhcp-range={},{},{},1h", end_of_range(network, options.first, false), end_of_range(network, options.last, true),
                        network.netmask()),
            "--dhcp-leasefile=" + state + "/leases",
            "--dhcp-authoritative",
            "--dhcp-option=3",
            "--dhcp-option=6",
            "--enable-tftp",
            std::string("--tftp-root=") + loaders,
            "--dhcp-match=set:ipxe,175",
            "--dhcp-match=set:efi,option:client-arch,7",
            "--dhcp-match=set:efi,option:client-arch,9",
            "--dhcp-boot=tag:!ipxe,tag:!efi,undionly.kpxe",
            "--dhcp-boot=tag:!ipxe,tag:efi,ipxe.efi",
            "--dhcp-boot=tag:ipxe," + provisioning.files + "/boot.ipxe"};
}

std::string authority_of(const Access& access) {
    const std::vector<pki::Certificate> authorities = pki::Certificate::all(read_file(places_of(access).trust()));
    if (authorities.empty()) throw Error(Errc::unavailable, "this machine has no cluster: pilvi role add controller makes one");
    return authorities.front().key().fingerprint();  // the newest
}

// Its settings give it a name and a role and say that its Ethernet address is proof enough: only once, as the name is taken then.
void accept_by_address(const Access& access, const PxeFiles& files, const json::object& applicant) {
    const std::string file = files.settings_file(string_or(applicant, "mac"));
    if (string_or(applicant, "mac").empty() || !fs::exists(file)) return;
    const Settings settings = read_settings(read_file(file, 65536));
    const auto value = [&](const char* key) { return settings.contains(key) ? settings.at(key) : std::string(); };
    if (value("accept") != "yes" || value("role").empty()) return;
    node_accept(access, {.who = string_or(applicant, "fingerprint"), .roles = split(value("role"), ','), .name = value("hostname")});
}

class Rounds {
public:
    Rounds(const Access& access, const PxeFiles& files, std::string network) : access_(access), files_(files), network_(std::move(network)) {}
    // Keeps the network open, says who waits, accepts those whom their settings let in.
    void round() {
        try {
            ask_cluster(access_, "PUT", "/v1/waiting", json::object{{"network", network_}, {"seconds", open_seconds}});
            const json::object answer = ask_cluster(access_, "GET", "/v1/waiting");
            for (const json::value& row : array_or_empty(answer, "waiting")) look_at(row.as_object());
            say_trouble("");
        } catch (const Error& error) {
            say_trouble(error.message());
        }
    }

private:
    void look_at(const json::object& applicant) {
        const std::string fingerprint = string_or(applicant, "fingerprint");
        if (said_.insert(fingerprint).second)
            std::printf("%s waits: %s, %s, fingerprint %s\n", string_or(applicant, "name").c_str(), string_or(applicant, "mac").c_str(),
                        string_or(applicant, "address").c_str(), fingerprint.c_str());
        try {
            accept_by_address(access_, files_, applicant);
        } catch (const Error& error) {
            if (refused_.insert(fingerprint).second) std::printf("%s is not accepted by itself: %s\n", fingerprint.c_str(), error.what());
        }
        std::fflush(stdout);
    }
    void say_trouble(const std::string& text) {
        if (text != trouble_ && !text.empty()) std::fprintf(stderr, "pilvi: %s; trying again\n", text.c_str());
        trouble_ = text;
    }
    const Access& access_;
    const PxeFiles& files_;
    std::string network_, trouble_;
    std::set<std::string> said_, refused_;
};

}  // namespace

int pxe_serve(const Access& access, const PxeOptions& options) {
    if (::geteuid() != 0) throw Error(Errc::forbidden, "pilvi pxe serve is for root");
    for (const std::string& program : {std::string(dnsmasq_program), std::string(loaders) + "/undionly.kpxe"})
        if (!fs::exists(program)) throw Error(Errc::unavailable, program + " is missing: install the packages dnsmasq-base and ipxe");
    const Cidr network = network_of(options.interface);
    const std::string own = network.address.text(), controller = options.controller.empty() ? own : options.controller;
    if (controller.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-[]") != std::string::npos)
        throw Error(Errc::bad_request, "not a controller's HOST or HOST:PORT: " + controller);
    const std::string state = access.state + "/pxe-serve";
    fs::create_directories(state);
    const Media media(options.media);
    const Provisioning provisioning{
        .files = fmt::format("http://{}:{}", own, options.port), .controller = controller, .authority = authority_of(access)};
    PxeFiles files(media, provisioning, options.answers, state);

    sigset_t ends;
    sigemptyset(&ends);
    for (const int one : {SIGINT, SIGTERM}) sigaddset(&ends, one);
    ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    const UniqueFd signals(::signalfd(-1, &ends, SFD_CLOEXEC));
    http::Server server(files, {.threads = 8, .nodes = std::nullopt});
    server.listen(own, options.port);
    server.start();
    Process dnsmasq({.argv = dnsmasq_of(options, network, provisioning, state), .environment = {{"PATH", "/usr/sbin:/usr/bin"}}, .log = ""});
    std::printf("serving %s on %s: machines that start from this network wait for a role\n", network.text().c_str(), options.interface.c_str());
    std::fflush(stdout);
    Rounds rounds(access, files, network.text());
    pollfd ended{.fd = signals.get(), .events = POLLIN, .revents = 0};
    do {
        if (const auto status = dnsmasq.ended())
            throw Error(Errc::internal, fmt::format("dnsmasq ended with status {}: its lines above say why", *status));
        rounds.round();
    } while (::poll(&ended, 1, static_cast<int>(std::chrono::milliseconds(round_time).count())) == 0);
    dnsmasq.kill();  // what it leased is in its file
    server.stop();
    return 0;
}

}  // namespace pilvi::cli
