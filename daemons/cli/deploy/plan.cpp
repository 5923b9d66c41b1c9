#include "deploy/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/net.h"
#include "base/text.h"
#include "deploy/provision.h"
#include "node/roles.h"

namespace pilvi::cli {
namespace {

constexpr Micros second = 1'000'000;
constexpr std::int64_t least_disk_mib = 2048, little_disk_mib = 10240, little_memory_mib = 1024;
constexpr std::pair<int, const char*> controller_ports[] = {{5000, "identity"}, {35357, "identity"}, {9292, "image"},  {8778, "placement"},
                                                            {8774, "compute"},  {9696, "network"},   {8771, "cluster"}};

bool has(const std::vector<std::string>& list, std::string_view item) { return std::ranges::find(list, item) != list.end(); }

// The remedy for a login that failed, by what ssh says.
std::string login_remedy(const std::string& host, std::string_view failure) {
    const struct {
        std::string_view says;
        std::string remedy;
    } known[] = {
        {"Permission denied", "let root log in there by this machine's key: ssh-copy-id root@" + host +
                                  ", and PermitRootLogin of sshd_config; on a terminal, pilvi deploy lets ssh ask for the password"},
        {"Host key verification failed", "its key is another one than before: where that is right, ssh-keygen -R " + host},
        {"Could not resolve", "give its address, or add it to /etc/hosts here"},
        {"Connection refused", "start sshd there: apt-get install openssh-server"},
        {"timed out", "is it on, is the address right, does a firewall drop port 22?"},
        {"No route to host", "is it on, is the address right?"},
    };
    for (const auto& [says, remedy] : known)
        if (failure.find(says) != failure.npos) return remedy;
    return "make 'ssh root@" + host + " true' work";
}

class Examiner {
public:
    Examiner(const Deployment& deployment, const std::map<std::string, Look>& looks) : deployment_(deployment), looks_(looks) {}

    std::vector<Trouble> examine() {
        std::map<std::string, std::string> names;
        for (const Deployment::Host& host : deployment_.hosts) {
            host_ = &host;
            const Look& look = looks_.at(host.name);
            if (!look.facts) {
                fatal(look.failure.ends_with('.') ? look.failure.substr(0, look.failure.size() - 1) : look.failure,
                      login_remedy(host.name, look.failure));
                continue;
            }
            const NodeFacts& facts = *look.facts;
            if (facts.uid != 0) {
                fatal("the login is not root's", "log in as root, whose key this machine has");
                continue;
            }
            examine_name(facts);
            examine_addresses(facts);
            examine_room(facts, look.at);
            examine_roles(facts);
            const auto [at, fresh] = names.emplace(facts.name, host.name);
            if (!fresh)
                fatal(fmt::format("has the host name {} of {} too", facts.name, at->second),
                      "give each machine a name of its own: hostnamectl set-hostname NAME");
        }
        return std::move(out_);
    }

private:
    void fatal(std::string reason, std::string remedy) { out_.push_back({host_->name, true, std::move(reason), std::move(remedy)}); }
    void warn(std::string reason, std::string remedy) { out_.push_back({host_->name, false, std::move(reason), std::move(remedy)}); }
    const std::string& controller() const { return deployment_.hosts.front().name; }

    void examine_name(const NodeFacts& facts) {
        const bool sound = !facts.name.empty() && facts.name.size() <= 63 && facts.name != "localhost" &&
                           facts.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == std::string::npos;
        if (!sound)
            fatal(fmt::format("its host name '{}' cannot be a node's", facts.name), "hostnamectl set-hostname NAME: letters, digits, '-' and '.'");
        if (!facts.resolved.contains(controller()) && !IpAddress::parse(controller()))
            fatal(fmt::format("the name {} of the controller is not known there", controller()),
                  "give the controller's address instead, or add it to /etc/hosts there");
        if (!facts.controller.empty() && facts.controller != controller())
            fatal("it is a node of " + facts.controller + " already",
                  "pilvi node remove there, and rm -r /var/lib/pilvi/node here, before it joins another cluster");
    }

    void examine_addresses(const NodeFacts& facts) {
        const auto address = IpAddress::parse(host_->name);
        if (host_->name == controller() && deployment_.hosts.size() > 1 && ((address && address->is_loopback()) || host_->name == "localhost"))
            fatal(host_->name + " is each machine's own address", "name the controller as the other machines reach it");
        bool has_it = !address || facts.interfaces.empty();
        for (const auto& [interface, addresses] : facts.interfaces) has_it = has_it || has(addresses, address->text());
        if (!has_it)
            warn(fmt::format("none of its interfaces has the address {}", host_->name), "the other machines must reach it there all the same");
        if (has(host_->roles, "network"))
            for (const auto& [bridge, device] : deployment_.bridge_interfaces) {
                const auto found = facts.interfaces.find(device);
                if (found == facts.interfaces.end())
                    fatal(fmt::format("there is no interface {} for {}", device, bridge), "ip link shows its interfaces");
                else if (!found->second.empty())
                    fatal(fmt::format("its interface {} has the address {}, which would be lost in {}", device, found->second.front(), bridge),
                          "name an interface without an address, or move the address to the bridge");
            }
        for (const AnsweredSetting& setting : deployment_.settings) {
            if (setting.section != "tunnel" || !(has(host_->roles, "network") || has(host_->roles, "compute"))) continue;
            const std::string device(trim_quotes(setting.value));
            const auto found = facts.interfaces.find(device);
            if (found == facts.interfaces.end() || found->second.empty())
                fatal(fmt::format("its tunnels would end at {}, {}", device,
                                  found == facts.interfaces.end() ? "which it has not" : "which has no address"),
                      "name an interface that has one on every machine, or leave CONFIG_NEUTRON_OVS_TUNNEL_IF empty");
        }
    }

    static std::string_view trim_quotes(std::string_view toml) { return toml.size() < 2 ? toml : toml.substr(1, toml.size() - 2); }

    void examine_room(const NodeFacts& facts, Micros at) {
        if (const Micros apart = std::abs(facts.clock - at); apart > 60 * second)
            fatal(fmt::format("its clock is {} s away from this machine's", apart / second),
                  "let both follow a time server: timedatectl set-ntp true");
        if (facts.free_disk_mib < least_disk_mib)
            fatal(fmt::format("{} MiB are free below /var/lib", facts.free_disk_mib), fmt::format("make room: {} MiB at least", least_disk_mib));
        else if (facts.free_disk_mib < little_disk_mib && (has(host_->roles, "compute") || has(host_->roles, "controller")))
            warn(fmt::format("{} MiB are free below /var/lib", facts.free_disk_mib), "images and servers' disks will need more");
        if (facts.memory_mib < little_memory_mib) warn(fmt::format("it has {} MiB of memory", facts.memory_mib), "servers will find little room");
        if (has(host_->roles, "compute") && !facts.kvm)
            warn("there is no /dev/kvm: servers will be emulated, and slow",
                 "enable virtualization in the firmware, or nested virtualization of the machine around it");
    }

    void examine_roles(const NodeFacts& facts) {
        for (const std::string& role : host_->roles) {
            if (!facts.installed.contains(role) && !facts.available.contains(role) && deployment_.apt_source.empty())
                fatal(fmt::format("the role {} is not installed, and apt knows no pilvi-role-{}", role, role),
                      "name an apt source that has it: CONFIG_APT_SOURCE of the answers, or /etc/apt/sources.list.d there");
        }
        if (has(host_->roles, "storage")) {
            warn("this version has no volume service: it gets the role storage, and no volumes", "nothing is to be done for that");
            if (!facts.volume_group) warn("there is no volume group cinder-volumes", "vgcreate cinder-volumes DEVICE makes it on an empty disk");
        }
        if (has(host_->roles, "controller") && !facts.enabled.contains("controller"))
            for (const auto& [port, name] : controller_ports)
                if (facts.ports.contains(port))
                    fatal(fmt::format("something listens on port {} ({}) already", port, name),
                          fmt::format("end it: ss -ltnp 'sport = {}' shows it", port));
    }

    const Deployment& deployment_;
    const std::map<std::string, Look>& looks_;
    const Deployment::Host* host_ = nullptr;
    std::vector<Trouble> out_;
};

// What the answers say about the settings of a host's daemons, a file each.
std::map<std::string, std::string> files_of(const Deployment& deployment, const std::string& host) {
    std::map<std::string, std::map<std::string, std::string>> sections;  // daemon -> section -> lines
    for (const AnsweredSetting& setting : deployment.settings)
        if (setting.host.empty() || setting.host == host) sections[setting.daemon][setting.section] += setting.key + " = " + setting.value + "\n";
    if (deployment.region != "RegionOne") {
        // On nodes that joined, pilvi join says it too.
        for (const char* daemon : {"image", "placement", "compute", "network", "compute-agent", "network-agent", "metadata"})
            sections[daemon]["identity"] += fmt::format("region = \"{}\"\n", deployment.region);
        sections["cluster"]["cluster"] += fmt::format("region = \"{}\"\n", deployment.region);
    }
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

std::vector<Trouble> preflight(const Deployment& deployment, const std::map<std::string, Look>& looks) {
    return Examiner(deployment, looks).examine();
}

std::vector<Step> installations(const Deployment& deployment, const std::map<std::string, Look>& looks) {
    std::vector<Step> out;
    for (const Deployment::Host& host : deployment.hosts) {
        const auto look = looks.find(host.name);
        if (look == looks.end() || !look->second.facts) continue;
        const NodeFacts& facts = *look->second.facts;
        std::vector<std::string> missing;
        for (const std::string& role : host.roles)
            if (!facts.installed.contains(role)) missing.push_back("pilvi-role-" + role);
        const std::string guest(guest_package);
        const bool wanted = host.name == deployment.hosts.front().name && deployment.provision.demo && deployment.provision.image.empty();
        if (wanted && !facts.installed.contains(guest) && facts.available.contains(guest)) missing.push_back(guest);
        if (!missing.empty())
            out.push_back({Step::Kind::install, host.name, fmt::format("installs {}", join(missing, ", ")), "", deployment.apt_source, missing});
    }
    return out;
}

namespace {

// What is done on one machine.
class Planner {
public:
    Planner(const Deployment& deployment, const std::map<std::string, Look>& looks) : deployment_(deployment), looks_(looks) {}

    std::vector<Step> plan() {
        for (const Deployment::Host& host : deployment_.hosts) {
            const auto look = looks_.find(host.name);
            const NodeFacts* facts = look != looks_.end() && look->second.facts ? &*look->second.facts : nullptr;
            settings(host);
            if (host.name == controller()) controllers(host, facts);
            else members(host, facts);
        }
        out_.push_back({Step::Kind::wait_until_ready, controller(), "everything is ready"});
        for (const ProvisionPart& part : provision_parts(deployment_))
            out_.push_back({Step::Kind::provision, controller(), part.text, "", "", part.arguments});
        return std::move(out_);
    }

private:
    const std::string& controller() const { return deployment_.hosts.front().name; }

    void settings(const Deployment::Host& host) {
        for (const auto& [daemon, text] : files_of(deployment_, host.name))
            if (runs(host, daemon))
                out_.push_back({Step::Kind::file, host.name, fmt::format("/etc/pilvi/{}.d/20-answers.toml says what was answered", daemon),
                                fmt::format("/etc/pilvi/{}.d/20-answers.toml", daemon), text});
        if (has(host.roles, "network"))
            for (const auto& [bridge, device] : deployment_.bridge_interfaces)
                out_.push_back({Step::Kind::bridge, host.name, fmt::format("{} is a port of the bridge {}", device, bridge), bridge, device});
    }

    void controllers(const Deployment::Host& host, const NodeFacts* facts) {
        const auto address = IpAddress::parse(controller());
        out_.push_back({Step::Kind::file, host.name, fmt::format("the catalogue names {} in region {}", controller(), deployment_.region),
                        "/etc/pilvi/node.env",
                        fmt::format("# The host of this cloud in the catalogue, and its region.\nPILVI_URL_HOST={}\nPILVI_REGION={}\n",
                                    address && address->version() == 6 ? "[" + controller() + "]" : controller(), deployment_.region)});
        if (!deployment_.admin_password.empty())
            out_.push_back({Step::Kind::secret, host.name, "the administrator has the password that was answered",
                            "/etc/pilvi/credentials/admin-password", deployment_.admin_password});
        if (deployment_.provision.demo && !deployment_.demo_password.empty())
            out_.push_back(
                {Step::Kind::secret, host.name, "the user demo has the password that was answered", demo_password_file, deployment_.demo_password});
        std::vector<std::string> missing;
        for (const std::string& role : host.roles)
            if (!facts || !facts->enabled.contains(role)) missing.push_back(role);
        if (!missing.empty()) out_.push_back({Step::Kind::roles, host.name, fmt::format("takes the roles {}", join(missing, ", ")), "", "", missing});
        out_.push_back({Step::Kind::bootstrap, host.name, "administrator, service users and catalogue are as they should be"});
        if (deployment_.hosts.size() > 1) out_.push_back({Step::Kind::wait_for_cluster, host.name, "pilvi-cluster answers"});
    }

    void members(const Deployment::Host& host, const NodeFacts* facts) {
        std::vector<std::string> foreign, idle;
        for (const std::string& role : host.roles)
            if (!facts || !facts->member_roles.contains(role)) foreign.push_back(role);
            else if (!facts->enabled.contains(role)) idle.push_back(role);
        if (!foreign.empty())
            out_.push_back(
                {Step::Kind::join, host.name, fmt::format("joins the cluster of {} as {}", controller(), join(foreign, ", ")), "", "", foreign});
        // It joined, and was ended before its roles were started.
        if (!idle.empty()) out_.push_back({Step::Kind::roles, host.name, fmt::format("starts the roles {}", join(idle, ", ")), "", "", idle});
    }

    const Deployment& deployment_;
    const std::map<std::string, Look>& looks_;
    std::vector<Step> out_;
};

}  // namespace

std::vector<Step> plan(const Deployment& deployment, const std::map<std::string, Look>& looks) { return Planner(deployment, looks).plan(); }

}  // namespace pilvi::cli
