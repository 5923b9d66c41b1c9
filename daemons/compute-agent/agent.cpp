#include "agent.h"

#include <fmt/format.h>

#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/route.h"
#include "base/text.h"
#include "command/logged.h"
#include "drivers/fake.h"
#include "drivers/kvm_probe.h"
#include "drivers/libvirt.h"
#include "drivers/node.h"
#include "log/log.h"
#include "steps/console.h"
#include "steps/inventory.h"
#include "steps/servers.h"
#include "sync/sync.h"

namespace pilvi::compute_agent {
namespace {

using enum SettingKind;

constexpr auto settings = with_identity_settings(
    "nova", {
                {"listen.port", integer, "8780", "Port of the agent's own API (console output), for pilvi-compute.", 0, 65535},
                {"agent.host", text, "", "Name of this node in the cloud; empty: the host name."},
                {"agent.heartbeat", seconds, "20", "A report is sent at least this often.", 1, 60},
                {"agent.url", text, "", "Base URL of the agent's own API as pilvi-compute reaches it; empty: this node's address and listen.port."},
                {"agent.state", text, "/var/lib/pilvi/compute-agent", "Directory of the image cache and the instances."},
                {"agent.stray_grace", seconds, "30", "A server on this node that nobody wants is removed after so long.", 0, 86400},
                {"compute.url", text, "http://127.0.0.1:8774", "Where pilvi-compute listens; a path is ignored."},
                {"agent.driver", text, "libvirt", "libvirt, or fake: servers that only seem to run, for tests of the API."},
                {"agent.fake_delay", seconds, "0", "What a start takes with the fake driver.", 0, 3600},
                {"libvirt.uri", text, "qemu:///system", "Connection to libvirt."},
                {"libvirt.virt_type", text, "auto", "kvm, qemu (TCG), or auto: kvm where a trial guest runs."},
                {"libvirt.cpu_mode", text, "auto", "host-passthrough, host-model, custom, none, or auto: host-model with KVM, custom without."},
                {"libvirt.cpu_model", text, "Nehalem", "Processor of the guests with cpu_mode custom."},
                {"libvirt.machine", text, "q35", "Machine type of guests whose image does not say hw_machine_type."},
                {"libvirt.shutdown_timeout", seconds, "60", "A guest that was asked to shut down is ended after so long.", 0, 3600},
                {"libvirt.spare_slots", integer, "16", "Free PCI Express ports of a guest for devices that are attached later.", 0, 24},
                {"ovs.bridge", text, "br-int", "Integration bridge."},
                {"ovs.datapath", text, "auto", "system, netdev, or auto: what the bridge says."},
                {"images.force_raw", boolean, "true", "Keep images as raw files in the cache; else qcow2 stays qcow2."},
                {"images.keep", seconds, "86400", "Images that no server on the node uses are kept so long.", 0, 31536000},
                {"inventory.reserved_memory_mb", integer, "512", "Memory that is kept for the node itself.", 0, 1 << 30},
                {"inventory.reserved_disk_gb", integer, "0", "Disk space that is kept for the node itself.", 0, 1 << 30},
                {"inventory.reserved_cpus", integer, "0", "Processors that are kept for the node itself.", 0, 4096},
                {"inventory.cpu_allocation_ratio", text, "16.0", "Virtual processors per real one."},
                {"inventory.memory_allocation_ratio", text, "1.5", "Guests' memory per real memory."},
                {"inventory.disk_allocation_ratio", text, "1.0", "Guests' disk space per real space."},
            });

Micros micros(std::chrono::milliseconds time) { return time.count() * 1000; }

double ratio(const Config& config, std::string_view key) {
    const std::string value = config.text(key);
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    if (value.empty() || *end || number <= 0 || number > 1000) throw Error(Errc::bad_request, std::string(key) + ": " + value + " is not a ratio");
    return number;
}

bool choose_kvm(const Config& config, CommandRunner& runner, const std::string& directory) {
    const std::string type = config.text("libvirt.virt_type");
    if (type == "kvm" || type == "qemu") return type == "kvm";
    if (type != "auto") throw Error(Errc::bad_request, "libvirt.virt_type is kvm, qemu or auto");
    const KvmProbe probe = probe_kvm(runner, directory);
    log::notice(probe.works ? "guests run by KVM" : "guests run by QEMU's TCG, KVM does not work here: " + probe.reason);
    return probe.works;
}

// Everything of the running agent; members in the order in which they need each other.
class Running {
public:
    explicit Running(Daemon& daemon)
        : daemon_(daemon),
          config_(daemon.config()),
          state_(config_.text("agent.state")),
          host_(config_.text("agent.host").empty() ? host_name() : config_.text("agent.host")),
          options_(session_options(config_)),
          session_(options_),
          validator_(options_.certificate ? nullptr : std::make_unique<TokenValidator>(session_, options_.auth_url)),
          qemu_img_(runner_),
          ovs_(runner_) {
        std::filesystem::create_directories(state_);
        provider_id_ = stable_id(state_ + "/compute_id");
        make_hypervisor();
        make_servers();
        inventory_ =
            std::make_unique<Inventory>(session_, InventoryOptions{.host = host_,
                                                                   .provider_id = provider_id_,
                                                                   .reserved_memory_mib = config_.integer("inventory.reserved_memory_mb"),
                                                                   .reserved_disk_gb = config_.integer("inventory.reserved_disk_gb"),
                                                                   .reserved_cpus = static_cast<int>(config_.integer("inventory.reserved_cpus")),
                                                                   .cpu_ratio = ratio(config_, "inventory.cpu_allocation_ratio"),
                                                                   .memory_ratio = ratio(config_, "inventory.memory_allocation_ratio"),
                                                                   .disk_ratio = ratio(config_, "inventory.disk_allocation_ratio")});
    }

    void run() {
        AgentApi api(validator_.get(), daemon_.metrics(), [this](const std::string& id) {
            const std::string log = servers_->console_log(id);
            return std::filesystem::exists(std::filesystem::path(log).parent_path()) ? log : std::string();
        });
        daemon_.serve(api);
        const std::string compute = config_.text("compute.url");
        const std::string origin = compute.substr(0, compute.find('/', compute.find("://") + 3));
        base_url_ = origin + "/agent/v1";
        const auto heartbeat = std::chrono::duration_cast<std::chrono::seconds>(config_.seconds("agent.heartbeat"));
        agent_ =
            std::make_unique<sync::Agent>(session_, sync::AgentOptions{.host = host_, .base_url = base_url_, .resync = heartbeat, .wait = heartbeat},
                                          [this](const json::object& desired, std::chrono::milliseconds* again) { return pass(desired, again); });
        hypervisor_->on_event([this] { agent_->poke(); });
        gauges();
        agent_->start();
        std::thread inventory([this] { keep_inventory(); });
        daemon_.run([this] { return agent_->alive(); });
        hypervisor_->on_event({});
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        wake_.notify_all();
        inventory.join();
        agent_->stop();
        images_.reset();  // its workers wake the agent
    }

private:
    void make_hypervisor() {
        if (config_.text("agent.driver") == "fake") {
            hypervisor_ = make_fake({.state_file = state_ + "/fake.json", .start_delay = config_.seconds("agent.fake_delay")});
            return;
        }
        if (config_.text("agent.driver") != "libvirt") throw Error(Errc::bad_request, "agent.driver is libvirt or fake");
        kvm_ = choose_kvm(config_, runner_, state_);
        hypervisor_ = make_libvirt(config_.text("libvirt.uri"));
    }

    void make_servers() {
        images_ = std::make_unique<ImageCache>(
            ImageCacheOptions{.directory = state_ + "/_base", .raw = config_.boolean("images.force_raw")}, qemu_img_,
            [this](const ImageRef& image, const std::function<void(std::string_view)>& sink) { fetch(image, sink); },
            [this] {
                if (agent_) agent_->poke();
            });
        ServersOptions o;
        o.directory = state_ + "/instances";
        o.scratch = state_ + "/scratch";
        o.shutdown_limit = micros(config_.seconds("libvirt.shutdown_timeout"));
        o.stray_grace = micros(config_.seconds("agent.stray_grace"));
        o.keep_images = micros(config_.seconds("images.keep"));
        o.bridge = config_.text("ovs.bridge");
        o.datapath = config_.text("ovs.datapath");
        o.disk_cache = direct_io_works(state_) ? "none" : "writeback";
        o.kvm = kvm_;
        o.cpu_mode = config_.text("libvirt.cpu_mode") != "auto" ? config_.text("libvirt.cpu_mode") : kvm_ ? "host-model" : "custom";
        o.cpu_model = config_.text("libvirt.cpu_model");
        o.machine = config_.text("libvirt.machine");
        o.spare_slots = static_cast<int>(config_.integer("libvirt.spare_slots"));
        std::filesystem::create_directories(o.scratch);
        std::filesystem::permissions(o.scratch, std::filesystem::perms::owner_all);
        servers_ = std::make_unique<Servers>(
            o, *hypervisor_, *images_, qemu_img_, ovs_, runner_,
            [this](const std::string& id) {
                json::value answer = session_.call("GET", base_url_ + "/servers/" + id + "/metadata");
                if (!answer.is_object()) throw Error(Errc::bad_gateway, "the compute service answered no metadata");
                return answer.as_object();
            },
            boot_epoch());
    }

    void fetch(const ImageRef& image, const std::function<void(std::string_view)>& sink) {
        const http::Response response = session_.send({.url = session_.endpoint("image") + "/v2/images/" + image.id + "/file", .sink = sink});
        if (response.status == 200) return;
        const Errc code = response.status == 404                             ? Errc::not_found
                          : response.status == 401 || response.status >= 500 ? Errc::unavailable
                                                                             : Errc::bad_gateway;
        throw Error(response.status == 204 ? Errc::bad_request : code,
                    fmt::format("The image {} cannot be fetched: the image service answered {}", image.id, response.status));
    }

    json::object pass(const json::object& desired, std::chrono::milliseconds* again) {
        json::object servers = servers_->pass(desired, again);
        return {{"servers", std::move(servers)}, {"node", node()}};
    }

    json::object node() {
        const HypervisorFacts facts = facts_now();
        const Servers::Usage used = servers_->usage();
        const Space space = space_of(state_);
        const std::int64_t disk = disk_gb(space);
        const std::string address = address_towards(host_of_url(base_url_));
        json::object cpu{{"arch", facts.arch},
                         {"model", facts.cpu_model},
                         {"vendor", facts.cpu_vendor},
                         {"topology", {{"cells", facts.cells}, {"sockets", facts.sockets}, {"cores", facts.cores}, {"threads", facts.threads}}},
                         {"features", json::value_from(facts.cpu_features)}};
        const std::int64_t reserved = config_.integer("inventory.reserved_memory_mb");
        json::object out{{"hypervisor_type", facts.type},
                         {"hypervisor_version", facts.version},
                         {"hypervisor_hostname", host_},
                         {"provider_id", provider_id_},
                         {"cpu_info", std::move(cpu)},
                         {"vcpus", facts.vcpus},
                         {"vcpus_used", used.vcpus},
                         {"memory_mb", facts.memory_mib},
                         {"memory_mb_used", used.memory_mib + reserved},
                         {"memory_mb_reserved", reserved},
                         {"local_gb", disk},
                         {"local_gb_used", used.disk_gb},
                         {"disk_available_least", space.available >> 30},
                         {"free_disk_gb", disk - used.disk_gb},
                         {"free_ram_mb", facts.memory_mib - used.memory_mib - reserved},
                         {"running_vms", used.running},
                         {"host_ip", address}};
        const std::string url = config_.text("agent.url");
        out["agent_url"] = url.empty()
                               ? fmt::format("{}://{}:{}", options_.certificate ? "https" : "http",
                                             address.find(':') == std::string::npos ? address : "[" + address + "]", config_.integer("listen.port"))
                               : url;
        out["version"] = version();
        // A figure that always moves would make every pass a report: these two move with the heartbeat.
        const Micros now = now_micros();
        if (now - at_ > micros(config_.seconds("agent.heartbeat")) / 2) at_ = now, uptime_ = uptime_seconds();
        out["uptime"] = uptime_;
        out["at"] = iso8601(at_);
        return out;
    }

    std::int64_t disk_gb(const Space& space) const { return config_.text("agent.driver") == "fake" ? 10'000 : space.total >> 30; }

    HypervisorFacts facts_now() {
        const std::lock_guard lock(mutex_);
        if (!facts_ || now_micros() - facts_at_ > 300'000'000) {
            facts_ = hypervisor_->facts();
            facts_at_ = now_micros();
        }
        return *facts_;
    }

    // On a thread of its own: guests do not wait for placement.
    void keep_inventory() {
        std::string said;
        std::unique_lock lock(mutex_);
        while (!ending_) {
            lock.unlock();
            std::chrono::seconds pause(60);
            try {
                inventory_->converge(facts_now(), disk_gb(space_of(state_)));
                if (!said.empty()) log::info("this node's inventory is at placement");
                said.clear();
            } catch (const std::exception& error) {
                if (said != error.what())
                    log::warning(std::string("this node's inventory is not at placement, tried again every second: ") + error.what());
                said = error.what();
                pause = std::chrono::seconds(1);
            }
            lock.lock();
            wake_.wait_for(lock, pause, [this] { return ending_; });
        }
    }

    void gauges() {
        daemon_.metrics().gauge("pilvi_agent_ready", "1 after the first accepted report.", [this] { return agent_->ready() ? 1.0 : 0.0; });
    }

    Daemon& daemon_;
    const Config& config_;
    const std::string state_, host_;
    std::string provider_id_, base_url_;
    SystemCommandRunner programs_;
    LoggedCommandRunner runner_{programs_};
    SessionOptions options_;
    Session session_;
    std::unique_ptr<TokenValidator> validator_;
    QemuImg qemu_img_;
    Ovs ovs_;
    bool kvm_ = false;
    std::unique_ptr<Hypervisor> hypervisor_;
    std::unique_ptr<ImageCache> images_;
    std::unique_ptr<Servers> servers_;
    std::unique_ptr<Inventory> inventory_;
    std::unique_ptr<sync::Agent> agent_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool ending_ = false;
    std::optional<HypervisorFacts> facts_;
    Micros facts_at_ = 0, at_ = 0;
    std::int64_t uptime_ = 0;
};

int probe(const Config&, const Arguments&) {
    SystemCommandRunner runner;
    const KvmProbe result = probe_kvm(runner, std::filesystem::temp_directory_path().string());
    std::puts(((result.works ? "kvm: " : "qemu: ") + result.reason).c_str());
    return 0;
}

}  // namespace

const DaemonSpec& spec() {
    static const DaemonSpec it{.name = "compute-agent", .description = "Runs the servers of this node by libvirt", .settings = settings};
    return it;
}

void run(Daemon& daemon) { Running(daemon).run(); }

std::vector<Subcommand> subcommands() { return {{{"probe", "Says whether guests run under KVM here, and why not"}, probe}}; }

}  // namespace pilvi::compute_agent
