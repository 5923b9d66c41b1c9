#pragma once
// One pass over all servers of the node: observe, plan, act, report.
#include <functional>
#include <map>
#include <set>
#include <string>

#include "base/json.h"
#include "base/time.h"
#include "command/command.h"
#include "drivers/hypervisor.h"
#include "drivers/ovs.h"
#include "steps/desired.h"
#include "steps/image_cache.h"
#include "steps/plan.h"
#include "steps/record.h"

namespace pilvi::compute_agent {

struct ServersOptions {
    std::string directory;  // .../instances
    std::string scratch;    // for short-lived directories, on a private place
    Micros shutdown_limit = 60'000'000;
    Micros stray_grace = 30'000'000;       // a domain that is not in the desired set is removed after so long
    Micros keep_images = 86'400'000'000;   // unused images stay so long
    std::int64_t console_limit = 2 << 20;  // bytes of a guest's console log that are kept
    std::string bridge = "br-int";
    std::string datapath = "auto";  // "auto" | "system" | "netdev"
    bool kvm = false;
    std::string cpu_mode, cpu_model;  // for guests
    std::string machine = "q35";
    std::string disk_cache = "none";
    int spare_slots = 16;
};

class Servers {
public:
    // `metadata` is GET /agent/v1/servers/{id}/metadata.
    Servers(ServersOptions options, Hypervisor& hypervisor, ImageCache& images, QemuImg& qemu_img, Ovs& ovs, CommandRunner& runner,
            std::function<json::object(const std::string& id)> metadata, std::string epoch, Clock clock = now_micros);

    // Returns the report's "servers". `again` > 0 asks for another pass after so many milliseconds. Throws Error(unavailable) where the
    // hypervisor does not answer: then nothing is known and nothing is reported.
    json::object pass(const json::object& desired, std::chrono::milliseconds* again);

    struct Usage {
        int vcpus = 0, running = 0;
        std::int64_t memory_mib = 0, disk_gb = 0;
    };
    Usage usage() const { return usage_; }
    std::string console_log(const std::string& id) const { return options_.directory + "/" + id + "/console.log"; }

private:
    struct Current {  // one server in one pass
        DesiredServer desired;
        Record record;
        DomainInfo domain;
        bool again_soon = false;
    };
    json::object reconcile(const json::object& document, const std::map<std::string, DomainInfo>& domains, std::chrono::milliseconds* again);
    Decision look_only(const Current& c) const;
    Decision step(Current& c);
    void act(Current& c, const Decision& decision);
    bool build(Current& c);
    void start(Current& c);
    void restart(Current& c, const Decision& decision);
    void change_ports(Current& c, const Decision& decision);
    void remove(const std::string& id, const std::vector<DesiredPort>& ports);
    void fail(Current& c, const Decision& decision, const std::string& reason);
    void refresh(Current& c);
    void save(const Current& c);
    void remove_strays(const std::set<std::string>& wanted, const std::map<std::string, DomainInfo>& domains);
    void remove_stray_ports(const std::set<std::string>& wanted);
    void bound_console(const std::string& id) const;
    DomainSpec domain_spec(const Current& c);
    bool userspace_datapath();
    std::string path(const std::string& id, const char* name = "") const;
    json::object report(const Current& c, const Decision& decision) const;

    const ServersOptions options_;
    Hypervisor& hypervisor_;
    ImageCache& images_;
    QemuImg& qemu_img_;
    Ovs& ovs_;
    CommandRunner& runner_;
    const std::function<json::object(const std::string&)> metadata_;
    const std::string epoch_;
    const Clock clock_;
    Usage usage_;
    std::map<std::string, Micros> strays_;  // when each was first seen
    std::set<std::string> stray_ports_;     // at the last look
    Micros ports_looked_ = 0;
    std::map<std::string, Micros> retry_;  // a server whose last try met something that passes
    std::map<std::string, std::string> last_trouble_;
    std::set<std::string> used_images_;
    Micros pruned_ = 0;
    Micros enough_at_ = 0;  // of the pass that runs
};

}  // namespace pilvi::compute_agent
