#include "drivers/domain_xml.h"

#include <fmt/format.h>

#include "base/error.h"

namespace pilvi::compute_agent {
namespace {

template <class... T>
void put(std::string& out, fmt::format_string<T...> format, T&&... values) {
    fmt::format_to(std::back_inserter(out), format, std::forward<T>(values)...);
    out += '\n';
}

std::string e(std::string_view text) { return escape_xml(text); }

void put_head(std::string& out, const DomainSpec& s) {
    put(out, "<domain type='{}'>", s.kvm ? "kvm" : "qemu");
    put(out, "  <uuid>{}</uuid>", e(s.id));
    put(out, "  <name>{}</name>", e(s.name));
    put(out, "  <metadata>");
    put(out, "    <pilvi:instance xmlns:pilvi='{}'>", metadata_namespace);
    put(out, "      <pilvi:name>{}</pilvi:name>", e(s.title));
    put(out, "      <pilvi:flavor name='{}'/>", e(s.flavor_name));
    put(out, "      <pilvi:owner project='{}' user='{}'/>", e(s.project_id), e(s.user_id));
    put(out, "      <pilvi:image uuid='{}'/>", e(s.image_id));
    put(out, "    </pilvi:instance>");
    put(out, "  </metadata>");
    put(out, "  <memory unit='MiB'>{}</memory>", s.memory_mib);
    put(out, "  <vcpu>{}</vcpu>", s.vcpus);
}

// cloud-init and others recognise OpenStack by the product name alone.
void put_smbios(std::string& out, const DomainSpec& s) {
    put(out, "  <sysinfo type='smbios'>");
    put(out, "    <system>");
    put(out, "      <entry name='manufacturer'>OpenStack Foundation</entry>");
    put(out, "      <entry name='product'>OpenStack Nova</entry>");
    put(out, "      <entry name='serial'>{}</entry>", e(s.id));
    put(out, "      <entry name='uuid'>{}</entry>", e(s.id));
    put(out, "      <entry name='family'>Virtual Machine</entry>");
    put(out, "    </system>");
    put(out, "  </sysinfo>");
}

void put_platform(std::string& out, const DomainSpec& s) {
    put(out, "  <os>");
    put(out, "    <type arch='x86_64' machine='{}'>hvm</type>", e(s.machine));
    if (!s.kernel.empty()) {
        put(out, "    <kernel>{}</kernel>", e(s.kernel));
        if (!s.ramdisk.empty()) put(out, "    <initrd>{}</initrd>", e(s.ramdisk));
        if (!s.command_line.empty()) put(out, "    <cmdline>{}</cmdline>", e(s.command_line));
    } else {
        put(out, "    <boot dev='hd'/>");
    }
    put(out, "    <smbios mode='sysinfo'/>");
    put(out, "  </os>");
    put(out, "  <features>");
    put(out, "    <acpi/>");
    put(out, "    <apic/>");
    if (!s.kvm) put(out, "    <tcg><tb-cache unit='MiB'>64</tb-cache></tcg>");  // else up to a fifth of the guest's memory, 100 MiB and more
    put(out, "  </features>");
    if (s.cpu_mode == "custom")
        put(out, "  <cpu mode='custom' match='exact'><model fallback='allow'>{}</model><topology sockets='{}' cores='1' threads='1'/></cpu>",
            e(s.cpu_model), s.vcpus);
    else if (s.cpu_mode != "none" && !s.cpu_mode.empty())
        put(out, "  <cpu mode='{}'><topology sockets='{}' cores='1' threads='1'/></cpu>", e(s.cpu_mode), s.vcpus);
    put(out, "  <clock offset='utc'>");
    put(out, "    <timer name='pit' tickpolicy='delay'/>");
    put(out, "    <timer name='rtc' tickpolicy='catchup'/>");
    put(out, "    <timer name='hpet' present='no'/>");
    put(out, "  </clock>");
    put(out, "  <on_poweroff>destroy</on_poweroff>");
    put(out, "  <on_reboot>restart</on_reboot>");
    put(out, "  <on_crash>destroy</on_crash>");
}

// The backing chain is spelled out, so libvirt reads no header that a guest could have written.
void put_disk(std::string& out, const DomainSpec& s, const DiskSpec& d, char letter) {
    const std::string_view bus = s.disk_bus;
    const std::string_view prefix = bus == "virtio" ? "vd" : "sd";
    put(out, "    <disk type='file' device='disk'>");
    if (d.read_only) put(out, "      <driver name='qemu' type='{}'/>", e(d.format));
    else put(out, "      <driver name='qemu' type='{}' cache='{}' discard='unmap'/>", e(d.format), e(s.disk_cache));
    put(out, "      <source file='{}'/>", e(d.path));
    if (!d.backing_path.empty()) {
        put(out, "      <backingStore type='file'>");
        put(out, "        <format type='{}'/>", e(d.backing_format));
        put(out, "        <source file='{}'/>", e(d.backing_path));
        put(out, "        <backingStore/>");
        put(out, "      </backingStore>");
    } else {
        put(out, "      <backingStore/>");
    }
    put(out, "      <target dev='{}{}' bus='{}'/>", prefix, letter, e(bus));
    if (!d.serial.empty()) put(out, "      <serial>{}</serial>", e(d.serial));
    if (d.read_only) put(out, "      <readonly/>");
    put(out, "    </disk>");
}

void put_port(std::string& out, const DomainSpec& s, const PortSpec& p) {
    put(out, "    <interface type='bridge'>");
    put(out, "      <mac address='{}'/>", e(p.mac));
    put(out, "      <source bridge='{}'/>", e(s.bridge));
    put(out, "      <virtualport type='openvswitch'><parameters interfaceid='{}'/></virtualport>", e(p.id));
    put(out, "      <target dev='{}'/>", e(tap_name(p.id)));
    put(out, "      <model type='{}'/>", e(s.nic_model));
    // The userspace datapath passes a guest's unfinished checksums on as they are: ping would work and TCP would not.
    if (s.userspace_datapath && s.nic_model == "virtio")
        put(out, "      <driver name='qemu'><host csum='off' gso='off' tso4='off' tso6='off'/><guest csum='off' tso4='off' tso6='off'/></driver>");
    if (p.mtu > 0) put(out, "      <mtu size='{}'/>", p.mtu);
    put(out, "      <rom enabled='no'/>");
    put(out, "    </interface>");
}

void put_devices(std::string& out, const DomainSpec& s) {
    put(out, "  <devices>");
    char letter = 'a';
    for (const DiskSpec& disk : s.disks) put_disk(out, s, disk, letter++);
    // Not a CD-ROM: the cloud kernels have no driver for the SATA controller of q35.
    if (s.config_drive) put_disk(out, s, *s.config_drive, letter++);
    if (s.disk_bus == "scsi") put(out, "    <controller type='scsi' index='0' model='virtio-scsi'/>");
    if (s.machine.find("q35") != std::string::npos) {
        put(out, "    <controller type='pci' model='pcie-root'/>");
        // Each device behind a port of its own, and as many free ones: q35 cannot add ports later.
        const std::size_t fixed = s.disks.size() + (s.config_drive ? 1 : 0) + s.ports.size() + 3;
        for (std::size_t i = 0; i < fixed + static_cast<std::size_t>(s.spare_slots); ++i)
            put(out, "    <controller type='pci' model='pcie-root-port'/>");
    }
    put(out, "    <controller type='usb' model='none'/>");
    for (const PortSpec& port : s.ports) put_port(out, s, port);
    put(out, "    <serial type='pty'>");
    put(out, "      <log file='{}' append='on'/>", e(s.console_log));
    put(out, "      <target port='0'/>");
    put(out, "    </serial>");
    put(out, "    <graphics type='vnc' port='-1' autoport='yes' listen='{}'/>", e(s.vnc_address));
    put(out, "    <video><model type='vga' vram='16384'/></video>");
    put(out, "    <memballoon model='virtio'/>");
    put(out, "    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>");
    put(out, "  </devices>");
}

bool allowed_in_xml(unsigned char c) { return c >= 0x20 || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

std::string escape_xml(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '\'':
                out += "&apos;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\n':
                out += "&#10;";
                break;
            case '\r':
                out += "&#13;";
                break;
            case '\t':
                out += "&#9;";
                break;
            default:
                out += allowed_in_xml(static_cast<unsigned char>(c)) ? c : '?';
        }
    }
    // U+FFFE and U+FFFF are the two remaining code points that XML refuses.
    for (const std::string_view bad : {"\xef\xbf\xbe", "\xef\xbf\xbf"})
        for (std::size_t at = out.find(bad); at != std::string::npos; at = out.find(bad, at)) out.replace(at, 3, "?");
    return out;
}

std::string tap_name(std::string_view port_id) { return "tap" + std::string(port_id.substr(0, 11)); }

std::string port_xml(const DomainSpec& spec, const PortSpec& port) {
    std::string out;
    put_port(out, spec, port);
    return out;
}

std::string domain_xml(const DomainSpec& spec) {
    if (spec.disks.size() + (spec.config_drive ? 1 : 0) > 24) throw Error(Errc::unsupported, "a server has at most 24 disks");
    std::string out;
    put_head(out, spec);
    put_smbios(out, spec);
    put_platform(out, spec);
    put_devices(out, spec);
    out += "</domain>\n";
    return out;
}

}  // namespace pilvi::compute_agent
