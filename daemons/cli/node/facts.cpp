#include "node/facts.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/fd.h"
#include "base/net.h"
#include "base/text.h"
#include "node/roles.h"
#include "node/storage.h"

namespace pilvi::cli {
namespace {

namespace fs = std::filesystem;

bool resolves(const std::string& name) {
    addrinfo* found = nullptr;
    if (::getaddrinfo(name.c_str(), nullptr, nullptr, &found) != 0) return false;
    ::freeaddrinfo(found);
    return true;
}

// Of /proc/net/tcp, "0: 00000000:1388 00000000:0000 0A ...": the port after the first colon of the address, where the state is LISTEN.
std::set<int> listening_in(std::string_view text) {
    std::set<int> out;
    for (const std::string& line : split(text, '\n')) {
        const std::vector<std::string> words = split(trim(line), ' ', false);
        if (words.size() < 4 || words[3] != "0A") continue;
        const std::size_t colon = words[1].rfind(':');
        if (colon != std::string::npos) out.insert(static_cast<int>(std::strtol(words[1].c_str() + colon + 1, nullptr, 16)));
    }
    return out;
}

std::set<int> listening() {
    std::string text;
    for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"})
        if (fs::exists(file)) text += read_file(file) + "\n";
    return listening_in(text);
}

std::map<std::string, std::vector<std::string>> interfaces_now() {
    std::map<std::string, std::vector<std::string>> out;
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return out;
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(all, ::freeifaddrs);
    for (const ifaddrs* at = all; at; at = at->ifa_next) {
        std::vector<std::string>& addresses = out[at->ifa_name];
        const int family = at->ifa_addr ? at->ifa_addr->sa_family : AF_UNSPEC;
        if (family != AF_INET && family != AF_INET6) continue;
        char text[NI_MAXHOST] = "";
        const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
        if (::getnameinfo(at->ifa_addr, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
        if (const auto address = IpAddress::parse(text); address && !address->is_link_local()) addresses.push_back(address->text());
    }
    return out;
}

std::string package_of(std::string_view role) { return "pilvi-role-" + std::string(role); }

// Of apt-cache policy: "pilvi-role-compute:", and "  Candidate: 0.3.0" below it where there is one.
std::set<std::string> available_in(std::string_view text) {
    std::set<std::string> out;
    std::string package;
    for (const std::string& line : split(text, '\n', false)) {
        if (line.front() != ' ') package = line.substr(0, line.find(':'));
        const std::string_view rest = trim(line);
        if (!rest.starts_with("Candidate:") || trim(rest.substr(10)) == "(none)") continue;
        for (const std::string_view role : role_names)
            if (package == package_of(role)) out.emplace(role);
        if (package == guest_package) out.emplace(guest_package);
    }
    return out;
}

std::vector<std::string> policy_of_roles() {
    std::vector<std::string> argv{"/usr/bin/env", "LC_ALL=C", "apt-cache", "policy"};
    for (const std::string_view role : role_names) argv.push_back(package_of(role));
    argv.emplace_back(guest_package);
    return argv;
}

bool runs(CommandRunner& runner, const std::string& role) {
    return runner.run({.argv = {"/usr/bin/systemctl", "--quiet", "is-active", "pilvi-" + role + ".target"}}).status == 0;
}

template <class T>
json::array array_of(const std::set<T>& set) {
    json::array out;
    for (const T& item : set) out.emplace_back(json::value(item));
    return out;
}

std::set<std::string> texts_in(const json::object& object, std::string_view name) {
    std::set<std::string> out;
    for (const json::value& item : array_or_empty(object, name))
        if (item.is_string()) out.emplace(item.get_string());
    return out;
}

}  // namespace

std::string host_name() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

NodeFacts look_at_machine(const std::vector<std::string>& names) {
    NodeFacts facts;
    facts.name = host_name();
    facts.uid = ::geteuid();
    facts.clock = now_micros();
    struct statvfs space {};
    if (::statvfs("/var/lib", &space) == 0) facts.free_disk_mib = static_cast<std::int64_t>(space.f_bavail * space.f_frsize >> 20);
    struct sysinfo memory {};
    if (::sysinfo(&memory) == 0) facts.memory_mib = static_cast<std::int64_t>(memory.totalram * memory.mem_unit >> 20);
    facts.kvm = fs::exists("/dev/kvm");
    for (const std::string_view role : role_names)
        for (const char* directory : {"/lib/systemd/system", "/usr/lib/systemd/system", "/etc/systemd/system"})
            if (fs::exists(fmt::format("{}/pilvi-{}.target", directory, role))) facts.installed.emplace(role);
    for (const std::string& asked : names)
        if (resolves(asked)) facts.resolved.insert(asked);
    facts.ports = listening();
    facts.interfaces = interfaces_now();
    SystemCommandRunner runner;
    if (fs::exists(guest_image)) facts.installed.emplace(guest_package);
    if (facts.installed.size() <= std::size(role_names) && fs::exists("/usr/bin/apt-cache"))
        facts.available = available_in(runner.run({.argv = policy_of_roles()}).out);
    if (const char* file = "/etc/pilvi/node.env"; fs::exists(file))
        for (const std::string& line : split(read_file(file), '\n', false))
            if (line.starts_with("PILVI_URL_HOST=")) facts.url_host = line.substr(15);
    if (fs::exists(deploy_pending))
        for (const std::string& line : split(read_file(deploy_pending), '\n', false)) facts.pending.insert(line);
    facts.volume_group = look_at_storage(runner).group.has_value();
    const auto record = read_membership({});
    if (record) {
        facts.controller = record->controller;
        facts.member_roles.insert(record->roles.begin(), record->roles.end());
    }
    if (fs::exists("/run/systemd/system")) {
        const std::vector<std::string> roles = Roles(runner, {}).enabled();
        // A role counts where its agents' configuration is written too.
        if (is_configured({}, record ? &*record : nullptr, roles))
            for (const std::string& role : roles)
                if (runs(runner, role)) facts.enabled.insert(role);
    }
    return facts;
}

json::object to_json(const NodeFacts& facts) {
    json::object interfaces;
    for (const auto& [name, addresses] : facts.interfaces) interfaces[name] = json::value_from(addresses);
    return {{"name", facts.name},
            {"uid", facts.uid},
            {"clock", facts.clock},
            {"free_disk_mib", facts.free_disk_mib},
            {"memory_mib", facts.memory_mib},
            {"kvm", facts.kvm},
            {"installed", array_of(facts.installed)},
            {"enabled", array_of(facts.enabled)},
            {"available", array_of(facts.available)},
            {"interfaces", std::move(interfaces)},
            {"url_host", facts.url_host},
            {"pending", array_of(facts.pending)},
            {"resolved", array_of(facts.resolved)},
            {"ports", array_of(facts.ports)},
            {"controller", facts.controller},
            {"member_roles", array_of(facts.member_roles)},
            {"volume_group", facts.volume_group}};
}

NodeFacts facts_from(std::string_view text) {
    json::value value;
    try {
        value = parse_json(text);
    } catch (const Error&) {
    }
    if (!value.is_object()) throw Error(Errc::bad_gateway, "pilvi there answers something that is not understood: is it the same version?");
    const json::object& o = value.get_object();
    NodeFacts facts{.name = string_or(o, "name"),
                    .uid = integer_or(o, "uid", -1),
                    .clock = integer_or(o, "clock"),
                    .free_disk_mib = integer_or(o, "free_disk_mib"),
                    .memory_mib = integer_or(o, "memory_mib"),
                    .kvm = boolean_or(o, "kvm"),
                    .installed = texts_in(o, "installed"),
                    .enabled = texts_in(o, "enabled"),
                    .available = texts_in(o, "available"),
                    .interfaces = {},
                    .url_host = string_or(o, "url_host"),
                    .pending = texts_in(o, "pending"),
                    .resolved = texts_in(o, "resolved"),
                    .ports = {},
                    .controller = string_or(o, "controller"),
                    .member_roles = texts_in(o, "member_roles"),
                    .volume_group = boolean_or(o, "volume_group")};
    for (const json::value& port : array_or_empty(o, "ports"))
        if (port.is_int64()) facts.ports.insert(static_cast<int>(port.get_int64()));
    for (const auto& [interface, addresses] : object_or_empty(o, "interfaces")) {
        std::vector<std::string>& list = facts.interfaces[std::string(interface)];
        for (const json::value& address : addresses.is_array() ? addresses.get_array() : json::array())
            if (address.is_string()) list.emplace_back(address.get_string());
    }
    return facts;
}

std::vector<Probe> probes(const std::string& name) {
    return {{{"uname", "-n"}},
            {{"id", "-u"}},
            {{"date", "+%s"}},
            {{"df", "-Pm", "/var/lib"}},
            {{"test", "-e", "/dev/kvm"}},
            {{"cat", "/proc/meminfo", "/proc/net/tcp", "/proc/net/tcp6"}},
            {{"getent", "ahosts", name}},
            {{"ls", "/sys/class/net"}},
            {{"ip", "-o", "addr", "show", "scope", "global"}},
            {policy_of_roles()}};
}

NodeFacts facts_from(const std::vector<ProbeAnswer>& answers, const std::string& name) {
    const auto text = [&](std::size_t i) { return i < answers.size() ? std::string(trim(answers[i].out)) : std::string(); };
    const auto ended_well = [&](std::size_t i) { return i < answers.size() && answers[i].status == 0; };
    // The last line of df: device, MiB, used, available.
    const std::vector<std::string> disk = split(text(3).substr(text(3).rfind('\n') + 1), ' ', false);
    NodeFacts facts{.name = text(0),
                    .uid = parse_integer(text(1)).value_or(-1),
                    .clock = parse_integer(text(2)).value_or(0) * 1'000'000,
                    .free_disk_mib = disk.size() > 3 ? parse_integer(disk[3]).value_or(0) : 0,
                    .kvm = ended_well(4),
                    .installed = {},
                    .enabled = {},
                    .available = available_in(text(9)),
                    .interfaces = {},
                    .url_host = {},
                    .pending = {},
                    .resolved = {},
                    .ports = listening_in(text(5)),
                    .controller = "",
                    .member_roles = {},
                    .volume_group = false};
    for (const std::string& line : split(text(5), '\n', false))
        if (const auto words = split(line, ' ', false); words.size() > 1 && words[0] == "MemTotal:")
            facts.memory_mib = parse_integer(words[1]).value_or(0) / 1024;
    if (ended_well(6)) facts.resolved.insert(name);
    for (const std::string& interface : split(text(7), '\n', false)) facts.interfaces[interface];
    // "2: eth0    inet 192.0.2.2/24 ..."
    for (const std::string& line : split(text(8), '\n', false))
        if (const auto words = split(line, ' ', false); words.size() > 3 && words[2].starts_with("inet"))
            if (const auto cidr = Cidr::parse(words[3])) facts.interfaces[words[1]].push_back(cidr->address.text());
    return facts;
}

}  // namespace pilvi::cli
