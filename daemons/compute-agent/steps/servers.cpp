#include "steps/servers.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/text.h"
#include "drivers/blank_disk.h"
#include "drivers/config_drive.h"
#include "drivers/domain_xml.h"
#include "log/log.h"

namespace pilvi::compute_agent {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t gib = 1 << 30;
constexpr int most_steps = 16;  // of one server in one pass
constexpr Micros retry_after = 5'000'000;
constexpr Micros pass_limit = 10'000'000;  // then the pass only observes, reports, and asks for the next

bool passes_by_itself(Errc code) { return code == Errc::unavailable || code == Errc::timeout || code == Errc::bad_gateway; }

std::string property(const ImageRef& image, const std::string& key, const std::string& fallback) {
    const auto at = image.properties.find(key);
    return at == image.properties.end() ? fallback : at->second;
}

std::string one_of(const std::string& value, std::initializer_list<const char*> known, const char* what) {
    for (const char* name : known)
        if (value == name) return value;
    throw Error(Errc::bad_request, "The image asks for the " + std::string(what) + " " + value + ", which this node does not offer");
}

std::string machine_type(const std::string& value) {
    const bool plain = std::all_of(value.begin(), value.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '.' || c == '_'; });
    if (value.empty() || !plain) throw Error(Errc::bad_request, "The image's hw_machine_type is not a machine type");
    return value;
}

void sync_file(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) throw Error(Errc::internal, "cannot sync " + path + ": " + std::strerror(errno));
}

// A name of its own for a file of the cache, so that the cache can be pruned without asking who uses it.
void link_file(const std::string& from, const std::string& to) {
    std::error_code failed;
    fs::create_hard_link(from, to, failed);
    if (failed && failed != std::errc::file_exists) fs::copy_file(from, to, fs::copy_options::overwrite_existing);
}

}  // namespace

Servers::Servers(ServersOptions options, Hypervisor& hypervisor, ImageCache& images, QemuImg& qemu_img, Ovs& ovs, CommandRunner& runner,
                 std::function<json::object(const std::string&)> metadata, std::string epoch, Clock clock)
    : options_(std::move(options)),
      hypervisor_(hypervisor),
      images_(images),
      qemu_img_(qemu_img),
      ovs_(ovs),
      runner_(runner),
      metadata_(std::move(metadata)),
      epoch_(std::move(epoch)),
      clock_(std::move(clock)) {
    fs::create_directories(options_.directory);
}

std::string Servers::path(const std::string& id, const char* name) const { return options_.directory + "/" + id + (*name ? "/" : "") + name; }

json::object Servers::pass(const json::object& desired, std::chrono::milliseconds* again) {
    std::map<std::string, DomainInfo> domains;
    for (DomainInfo& domain : hypervisor_.list()) domains[domain.id] = std::move(domain);
    json::object reports;
    std::set<std::string> wanted;
    usage_ = {};
    used_images_.clear();
    enough_at_ = clock_() + pass_limit;
    const json::array& servers = array_or_empty(desired, "servers");
    for (const json::value& item : servers) {
        if (!item.is_object()) continue;
        const std::string id = string_or(item.as_object(), "id");
        wanted.insert(id);
        try {
            reports[id] = reconcile(item.as_object(), domains, again);
        } catch (const Error& error) {
            log::error("server not reconciled, tried again at the next pass: " + error.message(), {{"INSTANCE_UUID", id}});
            reports[id] = json::object{{"state", "error"},        {"generation", integer_or(item.as_object(), "generation")},
                                       {"step", nullptr},         {"reason", error.message()},
                                       {"tasks", json::object{}}, {"vnc_port", nullptr},
                                       {"started_at", nullptr}};
        }
    }
    remove_strays(wanted, domains);
    remove_stray_ports(wanted);
    if (clock_() - pruned_ > 600'000'000) {
        images_.prune(used_images_, clock_() - options_.keep_images);
        pruned_ = clock_();
    }
    return reports;
}

json::object Servers::reconcile(const json::object& document, const std::map<std::string, DomainInfo>& domains, std::chrono::milliseconds* again) {
    Current c{.desired = desired_server(document)};
    const std::string& id = c.desired.id;
    if (const auto at = domains.find(id); at != domains.end()) c.domain = at->second;
    if (fs::exists(path(id, "record.json"))) c.record = record_from(parse_json(read_file(path(id, "record.json"))).as_object());
    const Record before = c.record;
    std::erase_if(c.record.tasks, [&](const auto& task) {
        return std::none_of(c.desired.tasks.begin(), c.desired.tasks.end(), [&](const DesiredTask& t) { return t.id == task.first; });
    });
    if (!(before == c.record)) save(c);

    Decision decision;
    std::string reason;
    const auto retry = retry_.find(id);
    if (clock_() > enough_at_ || (retry != retry_.end() && clock_() < retry->second)) {
        decision = look_only(c);
        if (retry != retry_.end()) reason = last_trouble_[id];
        c.again_soon = true;
    } else {
        retry_.erase(id);
        try {
            decision = step(c);
            last_trouble_.erase(id);
        } catch (const Error& error) {
            log::warning("server waits and is tried again in 5 s: " + error.message(), {{"INSTANCE_UUID", id}});
            retry_[id] = clock_() + retry_after;
            reason = last_trouble_[id] = error.message();
            refresh(c);
            decision = look_only(c);
            c.again_soon = true;
        }
    }
    if (c.again_soon) *again = std::chrono::milliseconds(500);
    if (c.desired.power != DesiredPower::deleted) {
        usage_.vcpus += c.desired.vcpus;
        usage_.memory_mib += c.desired.memory_mib;
        usage_.disk_gb += c.desired.disk_gb + c.desired.ephemeral_gb;
        if (c.domain.power == Power::running) ++usage_.running;
        if (!c.record.base.empty()) used_images_.insert(c.record.base);
        bound_console(id);
    }
    json::object out = report(c, decision);
    if (!reason.empty() && out["reason"].is_null()) out["reason"] = reason;
    return out;
}

Decision Servers::look_only(const Current& c) const {
    Micros limit = options_.shutdown_limit;
    if (const auto own = parse_integer(property(c.desired.image, "os_shutdown_timeout", "")); own && *own >= 0 && *own <= 3600)
        limit = *own * 1'000'000;
    return plan({.desired = c.desired,
                 .record = c.record,
                 .domain = c.domain,
                 .epoch = epoch_,
                 .now = clock_(),
                 .shutdown_limit = limit,
                 .leftovers = fs::exists(path(c.desired.id))});
}

// Plans and acts until nothing is left to do at once. What passes by itself is thrown; every other failure is recorded.
Decision Servers::step(Current& c) {
    Decision decision;
    for (int i = 0; i < most_steps; ++i) {
        decision = look_only(c);
        if (decision.action == Action::none) return decision;
        if (decision.action == Action::wait) {
            c.again_soon = true;
            return decision;
        }
        try {
            if (decision.action == Action::build) {
                if (!build(c)) return decision;  // an image is on its way; its arrival wakes the agent
            } else {
                act(c, decision);
            }
        } catch (const Error& error) {
            if (passes_by_itself(error.code())) throw;
            fail(c, decision, error.message());
        } catch (const fs::filesystem_error& error) {
            fail(c, decision, error.what());
        }
        refresh(c);
    }
    c.again_soon = true;
    return decision;
}

void Servers::act(Current& c, const Decision& decision) {
    Record& r = c.record;
    const std::string& id = c.desired.id;
    switch (decision.action) {
        case Action::remove:
            remove(id, c.desired.ports);
            return;
        case Action::start:
            start(c);
            return;
        case Action::resume:
            hypervisor_.resume(id);
            break;
        case Action::begin_restart:
        case Action::finish_restart:
            restart(c, decision);
            break;
        case Action::note_running:
            r.ever_ran = true;
            if (r.launched_epoch != epoch_ || r.off_generation) r.started_at = clock_();
            r.launched_epoch = epoch_;
            r.off_generation.reset();
            r.shutdown_since.reset();
            r.error_generation.reset();
            r.error_reason.clear();
            break;
        case Action::note_off:
            r.off_generation = c.desired.generation;
            r.off_crashed = c.domain.crashed;
            break;
        case Action::note_stopped:
            if (r.restart) r.tasks[r.restart->task_id] = {"The server was stopped before it had restarted"};
            r.restart.reset();
            r.launched_epoch.clear();
            r.off_generation.reset();
            r.shutdown_since.reset();
            break;
        case Action::ask_shutdown:
            hypervisor_.ask_shutdown(id);
            if (!r.shutdown_since) r.shutdown_since = clock_();
            r.shutdown_asked = clock_();
            break;
        case Action::destroy:
            hypervisor_.destroy(id);
            break;
        case Action::finish_task:
            r.tasks[decision.task_id] = {decision.text};
            break;
        case Action::attach_port:
        case Action::detach_port:
            change_ports(c, decision);
            break;
        case Action::build:
        case Action::none:
        case Action::wait:
            return;
    }
    save(c);
}

// A port that the guest does not take or give is no fault of the server: it is tried again.
void Servers::change_ports(Current& c, const Decision& decision) {
    std::erase_if(c.record.unplugging,
                  [&](const auto& asked) { return std::find(c.domain.ports->begin(), c.domain.ports->end(), asked.first) == c.domain.ports->end(); });
    try {
        if (decision.action == Action::detach_port) {
            c.record.unplugging[decision.port_id] = clock_();
            hypervisor_.detach_port(c.desired.id, decision.port_id);
            return;
        }
        const DomainSpec spec = domain_spec(c);
        for (const PortSpec& port : spec.ports)
            if (port.id == decision.port_id) hypervisor_.attach_port(spec, port);
    } catch (const Error& error) {
        save(c);
        throw Error(Errc::unavailable, error.message());
    }
}

void Servers::restart(Current& c, const Decision& decision) {
    Record& r = c.record;
    if (decision.action == Action::begin_restart) {
        r.restart = Restart{.task_id = decision.task_id, .soft = decision.soft, .old_run = c.domain.run, .since = clock_()};
        r.shutdown_since.reset();
        return;
    }
    r.tasks[decision.task_id] = {};
    r.restart.reset();
    r.launched_epoch = epoch_;
    r.started_at = clock_();
    r.off_generation.reset();
    r.shutdown_since.reset();
}

// Everything that the domain needs. False while an image is being fetched. Each file appears under its name only when it is complete.
bool Servers::build(Current& c) {
    const std::string& id = c.desired.id;
    fs::create_directories(path(id));
    fs::permissions(path(id), fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
    if (hypervisor_.needs_storage()) {
        const auto image = images_.get(c.desired.image, true);
        const auto kernel = c.desired.kernel ? images_.get(*c.desired.kernel, false) : std::nullopt;
        const auto ramdisk = c.desired.ramdisk ? images_.get(*c.desired.ramdisk, false) : std::nullopt;
        if (!image || (c.desired.kernel && !kernel) || (c.desired.ramdisk && !ramdisk)) return false;
        const std::int64_t size = c.desired.disk_gb * gib;
        if (size > 0 && image->virtual_size > size)
            throw Error(Errc::bad_request, "Flavor's disk is too small for requested image. Flavor disk is " + std::to_string(size) +
                                               " bytes, image is " + std::to_string(image->virtual_size) + " bytes.");
        if (kernel) link_file(kernel->path, path(id, "kernel"));
        if (ramdisk) link_file(ramdisk->path, path(id, "ramdisk"));
        if (!fs::exists(path(id, "disk"))) {
            const std::string part = path(id, "disk.part");
            fs::remove(part);
            qemu_img_.create_overlay(part, image->path, image->format, size > 0 ? size : image->virtual_size);
            sync_file(part);
            fs::rename(part, path(id, "disk"));
        }
        c.record.base = fs::path(image->path).filename().string();
        c.record.base_format = image->format;
        used_images_.insert(c.record.base);
        if (c.desired.ephemeral_gb > 0)
            make_ephemeral(runner_, path(id, "disk.eph0"), c.desired.ephemeral_gb, property(c.desired.image, "os_type", ""));
        if (c.desired.swap_mb > 0) make_swap(runner_, path(id, "disk.swap"), c.desired.swap_mb);
        if (c.desired.config_drive && !fs::exists(path(id, "disk.config")))
            make_config_drive(runner_, config_drive_files(metadata_(id), base64_encode(random_bytes(512))), options_.scratch + "/config-drive-" + id,
                              path(id, "disk.config"));
    }
    c.record.built = true;
    save(c);
    return true;
}

void Servers::start(Current& c) { hypervisor_.start_paused(domain_spec(c)); }

DomainSpec Servers::domain_spec(const Current& c) {
    const DesiredServer& d = c.desired;
    DomainSpec s;
    s.id = d.id;
    s.name = d.name;
    s.title = d.hostname;
    s.project_id = d.project_id;
    s.user_id = d.user_id;
    s.flavor_name = d.flavor_name;
    s.image_id = d.image.id;
    s.vcpus = d.vcpus;
    s.memory_mib = d.memory_mib;
    s.kvm = options_.kvm;
    s.cpu_mode = options_.cpu_mode;
    s.cpu_model = options_.cpu_model;
    s.machine = machine_type(property(d.image, "hw_machine_type", options_.machine));
    s.disk_bus = one_of(property(d.image, "hw_disk_bus", "virtio"), {"virtio", "scsi", "sata"}, "disk bus");
    s.nic_model = one_of(property(d.image, "hw_vif_model", "virtio"), {"virtio", "e1000", "e1000e", "rtl8139"}, "network card");
    s.disk_cache = options_.disk_cache;
    s.bridge = options_.bridge;
    s.spare_slots = options_.spare_slots;
    s.console_log = console_log(d.id);
    if (hypervisor_.needs_storage()) {
        const std::string base = (fs::path(options_.directory).parent_path() / "_base" / c.record.base).string();
        s.disks.push_back({.path = path(d.id, "disk"), .format = "qcow2", .backing_path = base, .backing_format = c.record.base_format});
        // In the order in which pilvi-compute names them to the guest (block-device-mapping).
        if (d.ephemeral_gb > 0) s.disks.push_back({.path = path(d.id, "disk.eph0"), .format = "raw"});
        if (d.swap_mb > 0) s.disks.push_back({.path = path(d.id, "disk.swap"), .format = "raw"});
        if (d.config_drive) s.config_drive = DiskSpec{.path = path(d.id, "disk.config"), .format = "raw", .read_only = true};
        if (d.kernel) {
            s.kernel = path(d.id, "kernel");
            if (d.ramdisk) s.ramdisk = path(d.id, "ramdisk");
            // An emulated machine misses ticks on a busy host; a kernel that counts them would not start.
            s.command_line =
                property(d.image, "os_command_line", std::string("root=/dev/vda console=tty0 console=ttyS0") + (s.kvm ? "" : " no_timer_check"));
        }
        for (const DesiredPort& port : d.ports) s.ports.push_back({.id = port.id, .mac = port.mac, .mtu = port.mtu});
        if (!s.ports.empty()) s.userspace_datapath = userspace_datapath();
    }
    return s;
}

bool Servers::userspace_datapath() {
    if (options_.datapath != "auto") return options_.datapath == "netdev";
    return ovs_.datapath_type(options_.bridge) == "netdev";
}

void Servers::remove(const std::string& id, const std::vector<DesiredPort>& ports) {
    hypervisor_.remove(id);
    // libvirt takes a guest's ports away when it ends, but not when the node was switched off with the guest.
    if (hypervisor_.needs_storage() && (!ports.empty() || !fs::exists(path(id, "record.json"))))
        for (const std::string& name : ovs_.ports_of(id)) ovs_.remove_port(options_.bridge, name);
    fs::remove_all(options_.scratch + "/config-drive-" + id);
    fs::remove_all(path(id));
}

void Servers::fail(Current& c, const Decision& decision, const std::string& reason) {
    Record& r = c.record;
    log::error("server failed and waits for its user: " + reason, {{"INSTANCE_UUID", c.desired.id}});
    const bool preparing = decision.action == Action::build || decision.action == Action::start || decision.action == Action::resume;
    if (decision.action == Action::remove) throw Error(Errc::unavailable, reason);  // there is no way but to go on trying
    Record next;
    if (preparing && !r.ever_ran) {
        try {
            remove(c.desired.id, c.desired.ports);
        } catch (const Error& error) {
            log::warning("what was made for the failed server is not removed yet, its deletion will: " + error.message(),
                         {{"INSTANCE_UUID", c.desired.id}});
        }
        fs::create_directories(path(c.desired.id));
        next.tasks = r.tasks;
    } else {
        next = r;
    }
    if (r.restart) next.tasks[r.restart->task_id] = {reason};
    next.restart.reset();
    next.error_generation = c.desired.generation;
    next.error_reason = reason;
    r = std::move(next);
    save(c);
}

void Servers::refresh(Current& c) { c.domain = hypervisor_.look(c.desired.id); }

void Servers::save(const Current& c) {
    fs::create_directories(path(c.desired.id));
    write_file(path(c.desired.id, "record.json"), to_text(to_json(c.record)), 0600);
}

void Servers::remove_strays(const std::set<std::string>& wanted, const std::map<std::string, DomainInfo>& domains) {
    std::set<std::string> strays;
    for (const auto& [id, domain] : domains)
        if (!wanted.contains(id)) strays.insert(id);
    for (const fs::directory_entry& entry : fs::directory_iterator(options_.directory)) {
        const std::string name = entry.path().filename().string();
        if (name.size() == 36 && is_uuid_like(name) && !wanted.contains(name)) strays.insert(name);
    }
    std::erase_if(strays_, [&](const auto& known) { return !strays.contains(known.first); });
    for (const std::string& id : strays) {
        const Micros since = strays_.try_emplace(id, clock_()).first->second;
        if (clock_() - since < options_.stray_grace) continue;
        log::warning("nobody wants this server on this node any more: it is removed", {{"INSTANCE_UUID", id}});
        try {
            remove(id, {DesiredPort{}});
            strays_.erase(id);
        } catch (const Error& error) {
            log::warning("not removed yet, tried again at the next pass: " + error.message(), {{"INSTANCE_UUID", id}});
        }
    }
}

// Ports of guests that are neither wanted here nor known to libvirt: a power cut leaves them in Open vSwitch's database. Only what libvirt made for a
// guest has a server's id and a port's name, and only what is so at two looks is removed.
void Servers::remove_stray_ports(const std::set<std::string>& wanted) {
    if (!hypervisor_.needs_storage() || clock_() - ports_looked_ < options_.stray_grace) return;
    ports_looked_ = clock_();
    std::set<std::string> now;
    try {
        for (const Ovs::GuestPort& port : ovs_.guest_ports(options_.bridge)) {
            if (wanted.contains(port.server_id) || hypervisor_.knows(port.server_id)) continue;
            now.insert(port.name);
            if (!stray_ports_.contains(port.name)) continue;
            log::warning("the guest of this port is gone: " + port.name + " is removed", {{"INSTANCE_UUID", port.server_id}});
            ovs_.remove_port(options_.bridge, port.name);
        }
    } catch (const Error& error) {
        log::warning("ports of guests that are gone could not be looked for, it is tried again: " + error.message());
    }
    stray_ports_ = std::move(now);
}

// virtlogd bounds the log where it runs; this holds where it does not. QEMU appends, so the file may be cut under it.
void Servers::bound_console(const std::string& id) const {
    const std::string log = console_log(id);
    struct stat info {};
    if (::stat(log.c_str(), &info) != 0 || info.st_size <= options_.console_limit * 2) return;
    const UniqueFd fd(::open(log.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return;
    std::string tail(128 << 10, '\0');
    const ssize_t got = ::pread(fd.get(), tail.data(), tail.size(), info.st_size - static_cast<off_t>(tail.size()));
    if (got > 0) write_file(log + ".0", std::string_view(tail).substr(0, static_cast<std::size_t>(got)), 0600);
    if (::ftruncate(fd.get(), 0) != 0) log::warning("a console log could not be cut, tried again at the next pass", {{"INSTANCE_UUID", id}});
}

json::object Servers::report(const Current& c, const Decision& decision) const {
    json::object tasks;
    for (const auto& [id, result] : c.record.tasks)
        tasks[id] = json::object{{"done", true}, {"error", result.error.empty() ? json::value(nullptr) : json::value(result.error)}};
    json::object out{{"state", decision.state}, {"generation", c.desired.generation}, {"tasks", std::move(tasks)}};
    out["step"] = decision.step.empty() ? json::value(nullptr) : json::value(decision.step);
    out["reason"] = decision.state == "error" ? json::value(c.record.error_reason) : json::value(nullptr);
    out["vnc_port"] = c.domain.vnc_port > 0 ? json::value(c.domain.vnc_port) : json::value(nullptr);
    out["started_at"] =
        c.domain.power == Power::running && c.record.started_at > 0 ? json::value(iso8601(c.record.started_at)) : json::value(nullptr);
    return out;
}

}  // namespace pilvi::compute_agent
