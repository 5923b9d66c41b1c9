// From answers to machines, roles and settings.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/net.h"
#include "base/text.h"
#include "deploy/answers.h"

namespace pilvi::cli {
namespace {

class Builder {
public:
    explicit Builder(const std::map<std::string, std::string>& values) : values_(values) {}

    Deployment build() {
        hosts();
        out_.region = value("CONFIG_KEYSTONE_REGION").empty() ? "RegionOne" : value("CONFIG_KEYSTONE_REGION");
        if (!plain(out_.region)) wrong("CONFIG_KEYSTONE_REGION", "has letters, digits, '-', '_' and '.' only");
        out_.admin_password = value("CONFIG_KEYSTONE_ADMIN_PW");
        if (out_.admin_password.empty()) out_.admin_password = value("CONFIG_DEFAULT_PASSWORD");
        // PackStack's own sign that the one making the file did not decide.
        if (out_.admin_password == "PW_PLACEHOLDER") out_.admin_password.clear();
        out_.ssh_key = value("CONFIG_SSH_KEY");
        if (out_.ssh_key.ends_with(".pub")) out_.ssh_key.resize(out_.ssh_key.size() - 4);
        settings();
        if (!wrong_.empty()) throw Error(Errc::bad_request, join(wrong_, "; "));
        return std::move(out_);
    }

private:
    std::string value(const std::string& key) const {
        const auto found = values_.find(key);
        return found == values_.end() ? std::string() : found->second;
    }
    std::string either(const std::string& one, const std::string& other) const { return value(one).empty() ? value(other) : value(one); }
    void wrong(const std::string& key, std::string_view why) { wrong_.push_back(fmt::format("{} {}", key, why)); }
    static bool plain(std::string_view text) {
        return !text.empty() && text.front() != '-' && text.size() <= 253 &&
               text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == std::string_view::npos;
    }
    static std::vector<std::string> items(const std::string& text) {
        std::vector<std::string> out;
        for (const std::string& item : split(text, ',', false))
            if (const std::string_view name = trim(item); !name.empty()) out.emplace_back(name);
        return out;
    }

    void add(const std::string& key, const std::string& names, const char* role) {
        for (const std::string& name : items(names)) {
            if (!plain(name) && !IpAddress::parse(name)) {
                wrong(key, name + " is neither a host name nor an address");
                continue;
            }
            auto host = std::ranges::find(out_.hosts, name, &Deployment::Host::name);
            if (host == out_.hosts.end()) host = out_.hosts.insert(out_.hosts.end(), {name, {}});
            if (std::ranges::find(host->roles, role) == host->roles.end()) host->roles.emplace_back(role);
        }
    }

    void hosts() {
        const std::string controller = value("CONFIG_CONTROLLER_HOST");
        if (items(controller).size() != 1) wrong("CONFIG_CONTROLLER_HOST", "is exactly one machine");
        add("CONFIG_CONTROLLER_HOST", controller, "controller");
        for (const auto& [key, role] :
             {std::pair{"CONFIG_NETWORK_HOSTS", "network"}, {"CONFIG_COMPUTE_HOSTS", "compute"}, {"CONFIG_STORAGE_HOST", "storage"}}) {
            const std::string fallback = std::string_view(role) == "network" ? controller : "";
            // The order of the roles is that of the machines' own list.
            add(key, value(key).empty() ? fallback : value(key), role);
        }
        if (items(value("CONFIG_COMPUTE_HOSTS")).empty()) wrong("CONFIG_COMPUTE_HOSTS", "is empty: no machine would run servers");
    }

    void set(const char* daemon, const char* section, const char* key, std::string toml) {
        out_.settings.push_back({daemon, section, key, std::move(toml)});
    }

    static std::string text(std::string_view value) { return fmt::format("\"{}\"", value); }
    static std::string list(const std::vector<std::string>& values) {
        std::vector<std::string> quoted;
        for (const std::string& item : values) quoted.push_back(text(item));
        return "[" + join(quoted, ", ") + "]";
    }

    // Of what goes into a file between quotes: nothing that ends them.
    bool safe(const std::string& key, const std::string& value) {
        if (value.find_first_of("\"\\\n\r") == std::string::npos) return true;
        wrong(key, "holds a quote or a backslash");
        return false;
    }

    void pairs(const std::string& key, const std::string& value, std::vector<std::pair<std::string, std::string>>& into) {
        for (const std::string& item : items(value)) {
            const std::vector<std::string> parts = split(item, ':');
            if (parts.size() != 2 || !plain(parts[0]) || !plain(parts[1]) || parts[1].size() > 15) wrong(key, item + " is not NAME:DEVICE");
            else into.emplace_back(parts[0], parts[1]);
        }
    }

    void settings() {
        if (const std::string type = value("CONFIG_NOVA_LIBVIRT_VIRT_TYPE"); !type.empty() && !type.starts_with("%")) {
            if (type != "kvm" && type != "qemu" && type != "auto") wrong("CONFIG_NOVA_LIBVIRT_VIRT_TYPE", "is kvm or qemu");
            else set("compute-agent", "libvirt", "virt_type", text(type));
        }
        for (const auto& [key, name] : {std::pair{"CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO", "cpu_allocation_ratio"},
                                        {"CONFIG_NOVA_SCHED_RAM_ALLOC_RATIO", "memory_allocation_ratio"}}) {
            const std::string ratio = value(key);
            if (ratio.empty()) continue;
            if (ratio.find_first_not_of("0123456789.") != std::string::npos) wrong(key, "is not a number");
            else set("compute-agent", "inventory", name, text(ratio));
        }
        if (const std::string types = value("CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES"); !types.empty()) {
            // The first that there is: the others are taken by who names them.
            std::string type;
            for (const std::string& item : items(types))
                if (type.empty() && (item == "vxlan" || item == "vlan" || item == "local")) type = item;
            // PackStack's default with OVN: what its tunnels carry is no matter of the answers here.
            if (type.empty() && types == "geneve") type = "vxlan";
            if (type.empty()) wrong("CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES", "names neither vxlan nor vlan nor local");
            else set("network", "network", "project_network_type", text(type));
        }
        ranges("CONFIG_NEUTRON_ML2_VNI_RANGES", "vni_range", 2, false);
        ranges("CONFIG_NEUTRON_ML2_VLAN_RANGES", "vlan_ranges", 3, true);
        if (const auto flat = items(value("CONFIG_NEUTRON_ML2_FLAT_NETWORKS"));
            !flat.empty() && safe("CONFIG_NEUTRON_ML2_FLAT_NETWORKS", join(flat, ",")))
            set("network", "network", "flat_networks", list(flat));
        std::vector<std::pair<std::string, std::string>> mappings;
        pairs("CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", either("CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", "CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS"), mappings);
        std::vector<std::string> texts;
        for (const auto& [network, bridge] : mappings) texts.push_back(network + ":" + bridge);
        if (!texts.empty()) set("network-agent", "external", "bridge_mappings", list(texts));
        pairs("CONFIG_NEUTRON_OVS_BRIDGE_IFACES", either("CONFIG_NEUTRON_OVS_BRIDGE_IFACES", "CONFIG_NEUTRON_OVN_BRIDGE_IFACES"),
              out_.bridge_interfaces);
        if (const std::string device = either("CONFIG_NEUTRON_OVS_TUNNEL_IF", "CONFIG_NEUTRON_OVN_TUNNEL_IF"); !device.empty()) {
            if (!plain(device) || device.size() > 15) wrong("CONFIG_NEUTRON_OVS_TUNNEL_IF", "is not the name of an interface");
            else set("network-agent", "tunnel", "local_ip", text(device));
        }
    }

    void ranges(const char* key, const char* setting, std::size_t parts, bool many) {
        const auto all = items(value(key));
        if (all.empty()) return;
        if (!many && all.size() > 1) return wrong(key, "is one range FIRST:LAST");
        for (const std::string& item : all) {
            const std::vector<std::string> numbers = split(item, ':');
            // A VLAN's physical network may stand alone: its VLANs are then for administrators.
            if (many && numbers.size() == 1 && plain(item)) continue;
            const bool sound =
                numbers.size() == parts && parse_integer(numbers[parts - 2]) && parse_integer(numbers[parts - 1]) && (parts < 3 || plain(numbers[0]));
            if (!sound) return wrong(key, item + (many ? " is not PHYSICAL_NETWORK:FIRST:LAST" : " is not FIRST:LAST"));
        }
        std::vector<std::string> whole;
        for (const std::string& item : all)
            if (item.find(':') != std::string::npos) whole.push_back(item);
        if (!whole.empty()) set("network", "network", setting, many ? list(whole) : text(whole[0]));
    }

    const std::map<std::string, std::string>& values_;
    Deployment out_;
    std::vector<std::string> wrong_;
};

}  // namespace

Deployment deployment_of(const std::map<std::string, std::string>& values) { return Builder(values).build(); }

}  // namespace pilvi::cli
