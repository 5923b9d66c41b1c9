#include "node/facts.h"

#include <netdb.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
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

// "0: 00000000:1388 00000000:0000 0A ...": the port after the first colon of the address, where the state is LISTEN.
std::set<int> listening() {
    std::set<int> out;
    for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        if (!fs::exists(file)) continue;
        for (const std::string& line : split(read_file(file), '\n')) {
            const std::vector<std::string> words = split(trim(line), ' ', false);
            if (words.size() < 4 || words[3] != "0A") continue;
            const std::size_t colon = words[1].rfind(':');
            if (colon != std::string::npos) out.insert(static_cast<int>(std::strtol(words[1].c_str() + colon + 1, nullptr, 16)));
        }
    }
    return out;
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

NodeFacts look_at_machine(const std::vector<std::string>& names) {
    NodeFacts facts;
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    facts.name = name;
    facts.uid = ::geteuid();
    facts.clock = now_micros();
    struct statvfs space {};
    if (::statvfs("/var/lib", &space) == 0) facts.free_disk_mib = static_cast<std::int64_t>(space.f_bavail * space.f_frsize >> 20);
    struct sysinfo memory {};
    if (::sysinfo(&memory) == 0) facts.memory_mib = static_cast<std::int64_t>(memory.totalram * memory.mem_unit >> 20);
    facts.kvm = fs::exists("/dev/kvm");
    for (const std::string_view role : role_names)
        if (fs::exists("/lib/systemd/system/pilvi-" + std::string(role) + ".target")) facts.installed.emplace(role);
    for (const std::string& asked : names)
        if (resolves(asked)) facts.resolved.insert(asked);
    facts.ports = listening();
    SystemCommandRunner runner;
    if (fs::exists("/run/systemd/system"))
        for (const std::string& role : Roles(runner, {}).enabled()) facts.enabled.insert(role);
    facts.volume_group = look_at_storage(runner).group.has_value();
    if (const auto record = read_membership({})) {
        facts.controller = record->controller;
        facts.member_roles.insert(record->roles.begin(), record->roles.end());
    }
    return facts;
}

json::object to_json(const NodeFacts& facts) {
    return {{"name", facts.name},
            {"uid", facts.uid},
            {"clock", facts.clock},
            {"free_disk_mib", facts.free_disk_mib},
            {"memory_mib", facts.memory_mib},
            {"kvm", facts.kvm},
            {"installed", array_of(facts.installed)},
            {"enabled", array_of(facts.enabled)},
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
                    .resolved = texts_in(o, "resolved"),
                    .ports = {},
                    .controller = string_or(o, "controller"),
                    .member_roles = texts_in(o, "member_roles"),
                    .volume_group = boolean_or(o, "volume_group")};
    for (const json::value& port : array_or_empty(o, "ports"))
        if (port.is_int64()) facts.ports.insert(static_cast<int>(port.get_int64()));
    return facts;
}

}  // namespace pilvi::cli
