#pragma once
// What the agent wants of a hypervisor, implemented by libvirt and by an imitation for tests of the API and of scale.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pilvi::compute_agent {

struct DiskSpec {
    std::string path;          // absolute
    std::string format;        // "qcow2" | "raw": never probed
    std::string backing_path;  // "" where the disk stands alone
    std::string backing_format;
    bool read_only = false;
    std::string serial;  // at most 20 characters reach the guest
};

struct PortSpec {
    std::string id;  // uuid; external_ids:iface-id
    std::string mac;
    int mtu = 0;  // 0: not given
};

// Everything a domain is made of. Text members may hold any UTF-8.
struct DomainSpec {
    std::string id;     // uuid of the server: the domain's uuid and the guest's SMBIOS serial
    std::string name;   // "instance-00000001"
    std::string title;  // the server's name
    std::string project_id, user_id, flavor_name, image_id;
    int vcpus = 1;
    int memory_mib = 128;
    bool kvm = false;       // else TCG
    std::string cpu_mode;   // "host-passthrough" | "host-model" | "custom" | "none"
    std::string cpu_model;  // with "custom"
    std::string machine = "q35";
    std::string disk_cache = "none";   // of the writable disks: "none" (needs O_DIRECT), "writeback"
    std::string disk_bus = "virtio";   // "virtio" | "scsi" | "sata"
    std::string nic_model = "virtio";  // "virtio" | "e1000" | "e1000e" | "rtl8139"
    std::vector<DiskSpec> disks;       // the first is the boot disk
    std::optional<DiskSpec> config_drive;
    std::vector<PortSpec> ports;
    std::string bridge = "br-int";
    bool userspace_datapath = false;            // OVS netdev: the guest's offloads are switched off
    std::string kernel, ramdisk, command_line;  // direct kernel boot where kernel is not ""
    std::string console_log;                    // absolute path of the serial console's log
    std::string vnc_address = "127.0.0.1";
    int spare_slots = 16;  // free PCI Express ports for devices added later
};

enum class Power { absent, shutoff, running, paused };

struct DomainInfo {
    std::string id;  // uuid of the server
    std::string name;
    Power power = Power::absent;
    bool crashed = false;                           // shutoff because the guest or its QEMU failed
    bool blocked = false;                           // paused by the hypervisor itself (I/O error, crash): not for the agent to resume
    std::int64_t run = -1;                          // differs for each start of the domain; -1 while off
    int vnc_port = 0;                               // 0: none
    std::optional<std::vector<std::string>> ports;  // ids of those that are plugged into the guest that is on; none where they do not count
};

struct HypervisorFacts {
    std::string type;          // "QEMU"
    std::int64_t version = 0;  // 7002022 = 7.2.22
    std::string arch, cpu_model, cpu_vendor;
    int cells = 1, sockets = 1, cores = 1, threads = 1;
    std::vector<std::string> cpu_features;
    int vcpus = 0;
    std::int64_t memory_mib = 0;
};

class Hypervisor {
public:
    virtual ~Hypervisor() = default;
    virtual HypervisorFacts facts() = 0;
    // Every domain that carries our metadata namespace, whatever its state. Throws Error(unavailable) where the hypervisor does not answer.
    virtual std::vector<DomainInfo> list() = 0;
    // One of them; power absent where there is none.
    virtual DomainInfo look(const std::string& id) = 0;
    // Whether there is any domain of that id, ours or not.
    virtual bool knows(const std::string& id) = 0;
    // Defines (again) and starts the domain with its processors stopped.
    virtual void start_paused(const DomainSpec& spec) = 0;
    virtual void resume(const std::string& id) = 0;
    // Plugs a port of `spec` into the guest, which is on.
    virtual void attach_port(const DomainSpec& spec, const PortSpec& port) = 0;
    // Asks the guest to let go of a port; it did when look() does not name the port any more.
    virtual void detach_port(const std::string& id, const std::string& port_id) = 0;
    // Asks the guest by ACPI; returns at once.
    virtual void ask_shutdown(const std::string& id) = 0;
    // Ends the guest at once. Nothing to do is success, here and in remove().
    virtual void destroy(const std::string& id) = 0;
    virtual void remove(const std::string& id) = 0;
    // False: servers need neither image nor disks nor ports on this node.
    virtual bool needs_storage() const = 0;
    // Called from another thread whenever a domain changed its state by itself.
    virtual void on_event(std::function<void()> callback) = 0;
};

}  // namespace pilvi::compute_agent
