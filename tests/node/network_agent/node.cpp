#include "node/network_agent/node.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "base/fd.h"
#include "base/text.h"

namespace node_test {

namespace {

void must(bool good, const std::string& what) {
    if (!good) throw std::runtime_error(what + ": " + std::strerror(errno));
}

// Once in the process: everything below happens in namespaces of its own.
void enter_namespaces() {
    static const bool done = [] {
        must(::geteuid() == 0, "these tests need root");
        for (const char* program : {"/usr/sbin/ovs-vswitchd", "/usr/sbin/dnsmasq", "/usr/sbin/nft", "/usr/bin/busybox", "/dev/net/tun"}) {
            must(std::filesystem::exists(program), fmt::format("these tests need {}", program));
        }
        must(::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "unshare");
        must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "mount --make-rprivate /");
        std::filesystem::create_directories("/run/netns");
        must(::mount("tmpfs", "/run/netns", "tmpfs", 0, nullptr) == 0, "mount /run/netns");
        return true;
    }();
    (void)done;
}

}  // namespace

Node::Node() {
    enter_namespaces();
    char pattern[] = "/tmp/pilvi-node-XXXXXX";
    must(::mkdtemp(pattern) != nullptr, "mkdtemp");
    directory = pattern;
    ::chmod(pattern, 0755);
    std::filesystem::create_directories(directory + "/ovs");
    shell({"/usr/bin/ip", "link", "set", "lo", "up"});
    shell({"/usr/bin/ovsdb-tool", "create", directory + "/conf.db", "/usr/share/openvswitch/vswitch.ovsschema"});
    shell({"/usr/sbin/ovsdb-server", directory + "/conf.db", "--remote=punix:" + directory + "/ovs/db.sock",
           "--unixctl=" + directory + "/ovs/ovsdb-server.ctl", "--pidfile=" + directory + "/ovs/ovsdb-server.pid", "--detach", "--no-chdir",
           "--log-file=" + directory + "/ovsdb.log"});
    shell({"/usr/bin/ovs-vsctl", "--db=unix:" + directory + "/ovs/db.sock", "--no-wait", "init"});
    start_switch();
    settings.host = "node";
    settings.ovs.run_dir = directory + "/ovs";
    settings.bridge_mappings = {{"public", "br-ex"}};
    settings.external_bridge = "br-ex";
    settings.external_address = "172.24.4.1/24";
    settings.tunnel_ip = "192.0.2.1";
    settings.dhcp_directory = directory + "/dhcp";
    settings.metadata_socket = "";
    agent_runner = &runner;
    restart_agent();
}

Node::~Node() {
    for (auto& server : servers_) server.request_stop();
    servers_.clear();
    agent_runner = &runner;
    restart_agent();
    try {
        converge(empty_set());
    } catch (const std::exception&) {
    }
    for (const auto& name : device_names()) {  // a namespace's end goes later than `ip netns delete`
        if (name.starts_with("tap")) runner.run(Command{.argv = {"/usr/bin/ip", "link", "del", name}});
    }
    for (const auto& name : spaces.list()) runner.run(Command{.argv = {"/usr/bin/ip", "netns", "delete", name}});
    kill_switch();
    try {
        ::kill(static_cast<int>(parse_integer(trim(read_file(directory + "/ovs/ovsdb-server.pid"))).value_or(0)), SIGTERM);
    } catch (const std::exception&) {
    }
    runner.run(Command{.argv = {"/usr/bin/ip", "link", "del", "br-ex"}});
    std::error_code error;
    std::filesystem::remove_all(directory, error);
}

void Node::start_switch() {
    // The environment is not inherited, so the places are given as arguments.
    shell({"/usr/bin/env", "OVS_RUNDIR=" + directory + "/ovs", "/usr/sbin/ovs-vswitchd", "unix:" + directory + "/ovs/db.sock",
           "--pidfile=" + directory + "/ovs/ovs-vswitchd.pid", "--detach", "--no-chdir", "--log-file=" + directory + "/vswitchd.log"});
}

void Node::kill_switch() {
    std::string pid;
    try {
        pid = std::string(trim(read_file(directory + "/ovs/ovs-vswitchd.pid")));
    } catch (const std::exception&) {
        return;
    }
    ::kill(static_cast<int>(parse_integer(pid).value_or(0)), SIGKILL);
    while (std::filesystem::exists("/proc/" + pid) && read_file("/proc/" + pid + "/stat").find(") Z") == std::string::npos) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::filesystem::remove(directory + "/ovs/ovs-vswitchd.pid");
}

std::string Node::shell(std::vector<std::string> argv, bool check) {
    Command command{.argv = std::move(argv), .limit = std::chrono::minutes(3)};
    if (check) return runner.check(command);
    CommandResult result = runner.run(command);
    return result.out + result.err;
}

void Node::restart_agent() { reconciler = std::make_unique<Reconciler>(*agent_runner, settings); }

json::object Node::converge(const json::object& desired, int most) {
    json::object report;
    for (int i = 0; i < most; ++i) {
        std::chrono::milliseconds again{0};
        report = reconciler->pass(desired, &again);
        if (again.count() == 0) break;
        std::this_thread::sleep_for(std::min(again, std::chrono::milliseconds(300)));
    }
    return report;
}

void Node::plug_guest(const std::string& name, const std::string& port_id, const std::string& mac) {
    std::string tap = device_name("tap", port_id);
    if (!std::filesystem::exists("/run/netns/" + name)) shell({"/usr/bin/ip", "netns", "add", name});
    shell({"/usr/bin/ip", "link", "add", tap, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", name});
    shell({"/usr/bin/ip", "link", "set", tap, "up"});
    shell({"/usr/bin/ip", "-n", name, "link", "set", "lo", "up"});
    shell({"/usr/bin/ip", "-n", name, "link", "set", "eth0", "up"});
    disable_checksum_offload(tap);
    spaces.inside(name, [] { disable_checksum_offload("eth0"); });
    shell({"/usr/bin/ovs-vsctl", "--db=unix:" + directory + "/ovs/db.sock", "--", "--if-exists", "del-port", tap, "--", "add-port", "br-int", tap,
           "--", "set", "Interface", tap, "external_ids:iface-id=" + port_id, fmt::format("external_ids:attached-mac=\"{}\"", mac),
           "external_ids:iface-status=active"});
}

void Node::unplug_guest(const std::string& name, const std::string& port_id) {
    shell({"/usr/bin/ovs-vsctl", "--db=unix:" + directory + "/ovs/db.sock", "--", "--if-exists", "del-port", device_name("tap", port_id)});
    shell({"/usr/bin/ip", "link", "del", device_name("tap", port_id)}, false);
    shell({"/usr/bin/ip", "netns", "delete", name}, false);
}

void Node::address(const std::string& guest, const std::string& cidr, const std::string& gateway) {
    shell({"/usr/bin/ip", "-n", guest, "addr", "replace", cidr, "dev", "eth0"});
    if (!gateway.empty()) shell({"/usr/bin/ip", "-n", guest, "route", "replace", "default", "via", gateway});
}

std::string Node::dhcp(const std::string& guest, const std::string& attempts) {
    std::string script = directory + "/udhcpc", lease = directory + "/lease-" + guest;
    write_file(script,
               fmt::format("#!/bin/sh\n[ \"$1\" = bound ] || exit 0\n"
                           "{{ echo ip=$ip; echo mask=$mask; echo router=$router; echo mtu=$mtu; echo staticroutes=$staticroutes; echo dns=$dns; "
                           "echo hostname=$hostname; echo serverid=$serverid; echo domain=$domain; }} > {}\n",
                           lease),
               0755);
    std::filesystem::remove(lease);
    std::vector<std::string> argv{"/usr/bin/ip", "netns", "exec", guest, "/usr/bin/busybox", "udhcpc", "-i",  "eth0",
                                  "-f",          "-q",    "-n",   "-t",  attempts,           "-T",     "1",   "-O",
                                  "121",         "-O",    "mtu",  "-O",  "hostname",         "-s",     script};
    runner.run(Command{.argv = argv, .limit = std::chrono::minutes(3)});
    return std::filesystem::exists(lease) ? read_file(lease) : std::string();
}

bool Node::ping(const std::string& guest, const std::string& target, const std::string& source) {
    std::vector<std::string> argv;
    if (!guest.empty()) argv = {"/usr/bin/ip", "netns", "exec", guest};
    argv.insert(argv.end(), {"/usr/bin/ping", "-c", "3", "-i", "0.2", "-W", "2"});
    if (!source.empty()) argv.insert(argv.end(), {"-I", source});
    argv.push_back(target);
    return runner.run(Command{.argv = argv, .limit = std::chrono::minutes(3)}).status == 0;
}

int Node::connect(const std::string& from, const std::string& target, int number, int milliseconds) {
    int result = -1;
    auto work = [&] {
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(number));
        ::inet_pton(AF_INET, target.c_str(), &to.sin_addr);
        if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0 && errno != EINPROGRESS) return;
        pollfd wait{.fd = fd.get(), .events = POLLOUT, .revents = 0};
        int error = 0;
        socklen_t size = sizeof(error);
        if (::poll(&wait, 1, milliseconds) <= 0 || ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return;
        result = fd.release();
    };
    if (from.empty()) work();
    else spaces.inside(from, work);
    return result;
}

bool Node::tcp(const std::string& from, const std::string& target, int number) { return static_cast<bool>(UniqueFd(connect(from, target, number))); }

bool Node::reaches(const std::string& guest, const std::string& target, const std::string& source) {
    return eventually([&] { return ping(guest, target, source); });
}

bool Node::opens(const std::string& from, const std::string& target, int number) {
    return eventually([&] { return tcp(from, target, number); });
}

std::string Node::seen_source(const std::string& from, const std::string& target, int number) {
    UniqueFd fd(connect(from, target, number, patience));
    if (!fd) return {};
    pollfd wait{.fd = fd.get(), .events = POLLIN, .revents = 0};
    char text[64] = {};
    if (::poll(&wait, 1, patience) <= 0 || ::read(fd.get(), text, sizeof(text) - 1) <= 0) return {};
    return text;
}

UniqueFd Node::listen_in(const std::string& guest, int number) {
    UniqueFd listening;
    auto open = [&] {
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        int on = 1;
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_port = htons(static_cast<std::uint16_t>(number));
        must(::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0 && ::listen(fd.get(), 8) == 0, "listen");
        listening = std::move(fd);
    };
    if (guest.empty()) open();
    else spaces.inside(guest, open);
    return listening;
}

bool Echo::works(int milliseconds) {
    char byte = 'x';
    if (!connection || ::send(connection.get(), &byte, 1, MSG_NOSIGNAL) != 1) return false;
    pollfd wait{.fd = connection.get(), .events = POLLIN, .revents = 0};
    return ::poll(&wait, 1, milliseconds) > 0 && ::recv(connection.get(), &byte, 1, 0) == 1;
}

void Node::serve_echo(const std::string& guest, int number) {
    servers_.emplace_back([fd = listen_in(guest, number)](std::stop_token stop) {
        std::vector<UniqueFd> open;
        while (!stop.stop_requested()) {
            std::vector<pollfd> wait{{.fd = fd.get(), .events = POLLIN, .revents = 0}};
            for (const auto& one : open) wait.push_back({.fd = one.get(), .events = POLLIN, .revents = 0});
            if (::poll(wait.data(), wait.size(), 100) <= 0) continue;
            for (std::size_t i = 1; i < wait.size(); ++i) {
                char byte = 0;
                if (!wait[i].revents) continue;
                if (::recv(wait[i].fd, &byte, 1, 0) == 1) (void)!::send(wait[i].fd, &byte, 1, MSG_NOSIGNAL);
                else open[i - 1].reset();
            }
            if (wait[0].revents) open.emplace_back(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
        }
    });
}

void Node::serve(const std::string& guest, int number) {
    UniqueFd listening = listen_in(guest, number);
    servers_.emplace_back([fd = std::move(listening)](std::stop_token stop) {
        while (!stop.stop_requested()) {
            pollfd wait{.fd = fd.get(), .events = POLLIN, .revents = 0};
            if (::poll(&wait, 1, 100) <= 0) continue;
            sockaddr_in peer{};
            socklen_t size = sizeof(peer);
            UniqueFd connection(::accept4(fd.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
            char text[INET_ADDRSTRLEN] = {};
            ::inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text));
            (void)!::write(connection.get(), text, std::strlen(text));
        }
    });
}

std::string id(char letter, int number) {
    std::string s(8, letter);
    return fmt::format("{}-{}-4{}-8{}-{:012x}", fmt::format("{:x}{}", number % 16, std::string(7, letter)), std::string(4, letter),
                       std::string(3, letter), std::string(3, letter), number);
}

json::object empty_set() {
    return {{"networks", json::array{}},
            {"ports", json::array{}},
            {"security_groups", json::object{}},
            {"routers", json::array{}},
            {"peers", json::array{}}};
}

std::string subnet_id(const std::string& network_id) {
    std::string text = network_id;
    text[text.size() - 1] = 'f';
    return text;
}

json::object network(const std::string& network_id, int vni, const std::string& cidr, const std::string& gateway, const std::string& dhcp_port_id,
                     const std::string& dhcp_mac, const std::string& dhcp_ip) {
    json::object dhcp{{"id", dhcp_port_id},
                      {"mac_address", dhcp_mac},
                      {"fixed_ips", json::array{json::object{{"subnet_id", subnet_id(network_id)}, {"ip_address", dhcp_ip}}}}};
    json::object subnet{{"id", subnet_id(network_id)}, {"ip_version", 4},     {"cidr", cidr},
                        {"gateway_ip", gateway},       {"enable_dhcp", true}, {"dns_nameservers", json::array{"192.0.2.53"}},
                        {"host_routes", json::array{}}};
    return {{"id", network_id},
            {"project_id", "p"},
            {"network_type", "vxlan"},
            {"physical_network", nullptr},
            {"segmentation_id", vni},
            {"mtu", 1450},
            {"external", false},
            {"admin_state_up", true},
            {"dns_domain", ""},
            {"dhcp_port", std::move(dhcp)},
            {"subnets", json::array{std::move(subnet)}}};
}

json::object public_network(const std::string& network_id, const std::string& cidr, const std::string& gateway) {
    json::object subnet{{"id", subnet_id(network_id)}, {"ip_version", 4},      {"cidr", cidr},
                        {"gateway_ip", gateway},       {"enable_dhcp", false}, {"dns_nameservers", json::array{}},
                        {"host_routes", json::array{}}};
    return {{"id", network_id},
            {"project_id", "p"},
            {"network_type", "flat"},
            {"physical_network", "public"},
            {"segmentation_id", nullptr},
            {"mtu", 1500},
            {"external", true},
            {"admin_state_up", true},
            {"dns_domain", ""},
            {"dhcp_port", nullptr},
            {"subnets", json::array{std::move(subnet)}}};
}

json::object port(const std::string& port_id, const std::string& network_id, const std::string& mac, const std::string& ip,
                  const std::string& group_id) {
    json::array groups;
    if (!group_id.empty()) groups.emplace_back(group_id);
    return {{"id", port_id},
            {"network_id", network_id},
            {"project_id", "p"},
            {"mac_address", mac},
            {"fixed_ips", json::array{json::object{{"subnet_id", subnet_id(network_id)}, {"ip_address", ip}}}},
            {"device_id", "d"},
            {"device_owner", "compute:nova"},
            {"host", "node"},
            {"admin_state_up", true},
            {"port_security_enabled", true},
            {"security_group_ids", std::move(groups)},
            {"allowed_address_pairs", json::array{}},
            {"hostname", "guest"}};
}

json::object rule(const std::string& direction, const std::string& protocol, int first, int last, const std::string& group_id,
                  const std::string& ethertype) {
    static int number = 0;
    json::object object{{"id", id('e', ++number)},   {"direction", direction},    {"ethertype", ethertype},      {"protocol", nullptr},
                        {"port_range_min", nullptr}, {"port_range_max", nullptr}, {"remote_ip_prefix", nullptr}, {"remote_group_id", nullptr}};
    if (!protocol.empty()) object["protocol"] = protocol;
    if (first >= 0) object["port_range_min"] = first;
    if (last >= 0) object["port_range_max"] = last;
    if (!group_id.empty()) object["remote_group_id"] = group_id;
    return object;
}

json::object group(std::vector<json::object> rules, std::vector<std::string> members) {
    json::array list, addresses;
    for (auto& item : rules) list.emplace_back(std::move(item));
    for (auto& item : members) addresses.emplace_back(item);
    return {{"rules", std::move(list)}, {"members", std::move(addresses)}};
}

void add(json::object& set, const char* list, json::object item) { set.at(list).as_array().emplace_back(std::move(item)); }

}  // namespace node_test
