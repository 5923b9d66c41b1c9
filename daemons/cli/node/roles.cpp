#include "node/roles.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace pilvi::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* systemctl_program = "/usr/bin/systemctl";

std::string target_of(std::string_view role) { return fmt::format("pilvi-{}.target", role); }

bool contains(const std::vector<std::string>& list, std::string_view item) { return std::ranges::find(list, item) != list.end(); }

}  // namespace

bool is_role(std::string_view name) { return std::ranges::find(role_names, name) != std::end(role_names); }

std::span<const std::string_view> daemons_of(std::string_view role) {
    static constexpr std::string_view controller[] = {"identity", "image", "placement", "compute", "network", "cluster"};
    static constexpr std::string_view compute[] = {"compute-agent", "network-agent"};
    static constexpr std::string_view network[] = {"network-agent", "metadata"};
    if (role == "controller") return controller;
    if (role == "compute") return compute;
    if (role == "network") return network;
    return {};
}

bool is_wanted(std::string_view unit, const std::vector<std::string>& roles) {
    for (const std::string& role : roles)
        for (const std::string_view daemon : daemons_of(role))
            if (unit == fmt::format("pilvi-{}.service", daemon)) return true;
    return false;
}

void Roles::systemctl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), systemctl_program);
    runner_.check(Command{.argv = std::move(arguments), .limit = std::chrono::minutes(10)});
}

std::vector<std::string> Roles::enabled() {
    std::vector<std::string> out;
    for (const std::string_view role : role_names) {
        const CommandResult answer = runner_.run({.argv = {systemctl_program, "is-enabled", target_of(role)}});
        if (trim(answer.out) == "enabled" || trim(answer.out) == "enabled-runtime") out.emplace_back(role);
    }
    return out;
}

std::string Roles::configuration_now() const {
    std::string out;
    for (const char* daemon : {"compute-agent", "network-agent", "metadata"}) {
        const std::string file = fmt::format("{}/{}.d/10-cluster.toml", places_.configuration, daemon);
        if (fs::exists(file)) out += read_file(file);
    }
    return out;
}

void Roles::restart_agents() { systemctl({"try-restart", "pilvi-network-agent.service", "pilvi-compute-agent.service", "pilvi-metadata.service"}); }

void Roles::add(const std::vector<std::string>& roles) {
    const auto record = read_membership(places_);
    std::vector<std::string> arguments{"enable", "--now"}, all = enabled();
    for (const std::string& role : roles) {
        if (!is_role(role)) throw Error(Errc::bad_request, "there is no role " + role + ": controller, compute, network, storage");
        if (record && !contains(record->roles, role))
            throw Error(Errc::forbidden,
                        fmt::format("this node joined as {} only. On the controller: pilvi token create --role {}; then here: pilvi join {} TOKEN",
                                    join(record->roles, ", "), role, record->controller));
        const CommandResult known = runner_.run({.argv = {systemctl_program, "cat", target_of(role)}});
        if (known.status != 0)
            throw Error(Errc::unavailable, fmt::format("{} is not installed on this node: install the package pilvi-role-{}", target_of(role), role));
        arguments.push_back(target_of(role));
        if (!contains(all, role)) all.push_back(role);
    }
    // Of a member: with its roles, so that a join that was ended in the middle and goes on does not leave it out.
    if (record) arguments.push_back("pilvi-renew.timer");
    const std::string before = configuration_now();
    write_configuration(places_, record ? &*record : nullptr, all);
    if (configuration_now() != before) restart_agents();
    systemctl(std::move(arguments));
}

void Roles::remove(const std::string& role, Micros now) {
    if (!is_role(role)) throw Error(Errc::bad_request, "there is no role " + role + ": controller, compute, network, storage");
    std::vector<std::string> left = enabled();
    if (!contains(left, role)) return;
    std::erase(left, role);
    const fs::path instances = fs::path(places_.compute_id).parent_path() / "instances";
    if (role == "compute" && fs::exists(instances) && !fs::is_empty(instances))
        throw Error(Errc::conflict, "servers are on this node (" + instances.string() + "): move or delete them first");
    auto record = read_membership(places_);
    // The agents' configuration first: a node that ceases to serve networks says so, and others take them.
    const std::string before = configuration_now();
    write_configuration(places_, record ? &*record : nullptr, left);
    if (configuration_now() != before && !left.empty()) restart_agents();
    systemctl({"disable", "--now", target_of(role)});
    // What the other roles share with it was stopped with it.
    std::vector<std::string> start{"start"};
    for (const std::string& other : left) start.push_back(target_of(other));
    if (!left.empty()) systemctl(std::move(start));
    if (!record || !contains(record->roles, role)) return;
    std::vector<std::string> kept = record->roles;
    std::erase(kept, role);
    // A member without a role is no member: the last one goes with pilvi node remove, on the controller.
    if (!kept.empty()) renew_certificate(places_, now, true, kept);
}

}  // namespace pilvi::cli
