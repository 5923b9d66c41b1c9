#include "deploy/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/net.h"
#include "base/text.h"
#include "node/roles.h"

namespace pilvi::cli {
namespace {

constexpr Micros second = 1'000'000;
constexpr std::int64_t least_disk_mib = 2048, little_disk_mib = 10240, little_memory_mib = 1024;
constexpr std::pair<int, const char*> controller_ports[] = {{5000, "identity"}, {35357, "identity"}, {9292, "image"},  {8778, "placement"},
                                                            {8774, "compute"},  {9696, "network"},   {8771, "cluster"}};

bool has(const std::vector<std::string>& list, std::string_view item) { return std::ranges::find(list, item) != list.end(); }

class Examiner {
public:
    Examiner(const Deployment& deployment, const std::map<std::string, Look>& looks, Micros now)
        : deployment_(deployment), looks_(looks), now_(now) {}

    std::vector<Trouble> examine() {
        std::map<std::string, std::string> names;
        for (const Deployment::Host& host : deployment_.hosts) {
            host_ = &host;
            const Look& look = looks_.at(host.name);
            if (!look.facts) {
                fatal(look.failure,
                      "make 'ssh root@" + host.name + " pilvi --version' work: a key in root's authorized_keys there, the package pilvi");
                continue;
            }
            examine(*look.facts);
            const auto [at, fresh] = names.emplace(look.facts->name, host.name);
            if (!fresh)
                fatal(fmt::format("has the host name {} of {} too", look.facts->name, at->second),
                      "give each machine a name of its own: hostnamectl set-hostname NAME");
        }
        return std::move(out_);
    }

private:
    void fatal(std::string reason, std::string remedy) { out_.push_back({host_->name, true, std::move(reason), std::move(remedy)}); }
    void warn(std::string reason, std::string remedy) { out_.push_back({host_->name, false, std::move(reason), std::move(remedy)}); }

    void examine(const NodeFacts& facts) {
        const std::string& controller = deployment_.hosts.front().name;
        if (facts.uid != 0) fatal("the login is not root's", "log in as root, whose key this machine has");
        const bool sound = !facts.name.empty() && facts.name.size() <= 63 && facts.name != "localhost" &&
                           facts.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == std::string::npos;
        if (!sound)
            fatal(fmt::format("its host name '{}' cannot be a node's", facts.name), "hostnamectl set-hostname NAME: letters, digits, '-' and '.'");
        if (const Micros apart = std::abs(facts.clock - now_); apart > 60 * second)
            fatal(fmt::format("its clock is {} s away from this machine's", apart / second),
                  "let both follow a time server: timedatectl set-ntp true");
        if (!facts.resolved.contains(controller) && !IpAddress::parse(controller))
            fatal(fmt::format("the name {} of the controller is not known there", controller),
                  "give the controller's address instead, or add it to /etc/hosts there");
        if (facts.free_disk_mib < least_disk_mib)
            fatal(fmt::format("{} MiB are free below /var/lib", facts.free_disk_mib), fmt::format("make room: {} MiB at least", least_disk_mib));
        else if (facts.free_disk_mib < little_disk_mib && (has(host_->roles, "compute") || has(host_->roles, "controller")))
            warn(fmt::format("{} MiB are free below /var/lib", facts.free_disk_mib), "images and servers' disks will need more");
        if (facts.memory_mib < little_memory_mib) warn(fmt::format("it has {} MiB of memory", facts.memory_mib), "servers will find little room");
        for (const std::string& role : host_->roles) {
            if (!facts.installed.contains(role)) fatal("the role " + role + " is not installed", "apt-get install pilvi-role-" + role);
        }
        if (has(host_->roles, "storage")) {
            warn("this version has no volume service: it gets the role storage, and no volumes", "nothing is to be done for that");
            if (!facts.volume_group) warn("there is no volume group cinder-volumes", "vgcreate cinder-volumes DEVICE makes it on an empty disk");
        }
        if (has(host_->roles, "compute") && !facts.kvm)
            warn("there is no /dev/kvm: servers will be emulated, and slow",
                 "enable virtualization in the firmware, or nested virtualization of the machine around it");
        if (!facts.controller.empty() && facts.controller != controller)
            fatal("it is a node of " + facts.controller + " already",
                  "pilvi node remove there, and rm -r /var/lib/pilvi/node here, before it joins another cluster");
        if (has(host_->roles, "controller") && !facts.enabled.contains("controller"))
            for (const auto& [port, name] : controller_ports)
                if (facts.ports.contains(port))
                    fatal(fmt::format("something listens on port {} ({}) already", port, name),
                          fmt::format("end it: ss -ltnp 'sport = {}' shows it", port));
    }

    const Deployment& deployment_;
    const std::map<std::string, Look>& looks_;
    Micros now_;
    const Deployment::Host* host_ = nullptr;
    std::vector<Trouble> out_;
};

// What the answers say about a daemon's settings, as one file.
std::map<std::string, std::string> files_of(const Deployment& deployment) {
    std::map<std::string, std::map<std::string, std::string>> sections;  // daemon -> section -> lines
    for (const AnsweredSetting& setting : deployment.settings)
        sections[setting.daemon][setting.section] += setting.key + " = " + setting.value + "\n";
    if (deployment.region != "RegionOne") sections["cluster"]["cluster"] += fmt::format("region = \"{}\"\n", deployment.region);
    std::map<std::string, std::string> out;
    for (const auto& [daemon, parts] : sections) {
        std::string text = "# Written by pilvi deploy from its answers.\n";
        for (const auto& [section, lines] : parts) text += fmt::format("\n[{}]\n{}", section, lines);
        out[daemon] = text;
    }
    return out;
}

bool runs(const Deployment::Host& host, std::string_view daemon) {
    return std::ranges::any_of(host.roles,
                               [&](const std::string& role) { return std::ranges::find(daemons_of(role), daemon) != daemons_of(role).end(); });
}

}  // namespace

std::vector<Trouble> preflight(const Deployment& deployment, const std::map<std::string, Look>& looks, Micros now) {
    return Examiner(deployment, looks, now).examine();
}

std::vector<Step> plan(const Deployment& deployment, const std::map<std::string, Look>& looks) {
    std::vector<Step> out;
    const std::string& controller = deployment.hosts.front().name;
    const auto files = files_of(deployment);
    for (const Deployment::Host& host : deployment.hosts) {
        const auto look = looks.find(host.name);
        const NodeFacts* facts = look != looks.end() && look->second.facts ? &*look->second.facts : nullptr;
        for (const auto& [daemon, text] : files)
            if (runs(host, daemon))
                out.push_back({Step::Kind::file, host.name, fmt::format("/etc/pilvi/{}.d/20-answers.toml says what was answered", daemon),
                               fmt::format("/etc/pilvi/{}.d/20-answers.toml", daemon), text});
        if (has(host.roles, "network"))
            for (const auto& [bridge, device] : deployment.bridge_interfaces)
                out.push_back({Step::Kind::bridge, host.name, fmt::format("{} is a port of the bridge {}", device, bridge), bridge, device});
        std::vector<std::string> missing;
        for (const std::string& role : host.roles)
            if (!facts || !(host.name == controller ? facts->enabled : facts->member_roles).contains(role)) missing.push_back(role);
        if (host.name != controller) {
            if (!missing.empty())
                out.push_back(
                    {Step::Kind::join, host.name, fmt::format("joins the cluster of {} as {}", controller, join(missing, ", ")), "", "", missing});
            continue;
        }
        out.push_back({Step::Kind::file, host.name, fmt::format("the catalogue names {} in region {}", controller, deployment.region),
                       "/etc/pilvi/node.env",
                       fmt::format("# The host of this cloud in the catalogue, and its region.\nPILVI_URL_HOST={}\nPILVI_REGION={}\n",
                                   IpAddress::parse(controller) && IpAddress::parse(controller)->version() == 6 ? "[" + controller + "]" : controller,
                                   deployment.region)});
        if (!deployment.admin_password.empty())
            out.push_back({Step::Kind::secret, host.name, "the administrator has the password that was answered",
                           "/etc/pilvi/credentials/admin-password", deployment.admin_password});
        if (!missing.empty()) out.push_back({Step::Kind::roles, host.name, fmt::format("takes the roles {}", join(missing, ", ")), "", "", missing});
        out.push_back({Step::Kind::bootstrap, host.name, "administrator, service users and catalogue are as they should be"});
        if (deployment.hosts.size() > 1) out.push_back({Step::Kind::wait_for_cluster, host.name, "pilvi-cluster answers"});
    }
    out.push_back({Step::Kind::wait_until_ready, controller, "everything is ready"});
    return out;
}

}  // namespace pilvi::cli
