// From answers to machines, roles and settings.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/net.h"
#include "base/text.h"
#include "deploy/answer_keys.h"
#include "deploy/answers.h"
#include "node/roles.h"

namespace pilvi::cli {
namespace {

class Builder {
public:
    explicit Builder(const std::map<std::string, std::string>& values) : values_(values) {}

    Deployment build() {
        hosts();
        out_.region = value("CONFIG_KEYSTONE_REGION").empty() ? "RegionOne" : value("CONFIG_KEYSTONE_REGION");
        if (!plain(out_.region)) wrong("CONFIG_KEYSTONE_REGION", "has letters, digits, '-', '_' and '.' only");
        out_.admin_password = password("CONFIG_KEYSTONE_ADMIN_PW");
        out_.demo_password = password("CONFIG_KEYSTONE_DEMO_PW");
        out_.ssh_key = value("CONFIG_SSH_KEY");
        if (out_.ssh_key.ends_with(".pub")) out_.ssh_key.resize(out_.ssh_key.size() - 4);
        out_.apt_source = value("CONFIG_APT_SOURCE");
        if (!out_.apt_source.empty() && (!out_.apt_source.starts_with("deb ") || out_.apt_source.find('\n') != std::string::npos))
            wrong("CONFIG_APT_SOURCE", "is not a line of sources.list, deb ...");
        settings();
        provision();
        if (!wrong_.empty()) throw Error(Errc::bad_request, join(wrong_, "; "));
        return std::move(out_);
    }

private:
    std::string value(const std::string& key) const {
        const auto found = values_.find(key);
        return found == values_.end() ? std::string() : found->second;
    }
    // PW_PLACEHOLDER: PackStack's own sign that the one making the file did not decide.
    std::string password(const std::string& key) const {
        const auto decided = [](const std::string& text) { return text == "PW_PLACEHOLDER" ? std::string() : text; };
        const std::string own = decided(value(key));
        return own.empty() ? decided(value("CONFIG_DEFAULT_PASSWORD")) : own;
    }
    bool yes(const std::string& key, bool fallback = false) {
        if (value(key).empty()) return fallback;
        const std::optional<bool> out = yes_or_no(value(key));
        if (!out) wrong(key, "is y or n");
        return out.value_or(false);
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
        if (yes("CONFIG_DEBUG_MODE"))
            for (const std::string_view role : role_names)
                for (const std::string_view daemon : daemons_of(role))
                    if (std::ranges::none_of(out_.settings, [&](const AnsweredSetting& s) { return s.daemon == daemon; }))
                        set(std::string(daemon).c_str(), "log", "level", text("debug"));
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
        pairs("CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", either("CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", "CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS"), mappings_);
        external_network();
        std::vector<std::string> texts;
        for (const auto& [network, bridge] : mappings_) texts.push_back(network + ":" + bridge);
        if (!texts.empty()) set("network-agent", "external", "bridge_mappings", list(texts));
        pairs("CONFIG_NEUTRON_OVS_BRIDGE_IFACES", either("CONFIG_NEUTRON_OVS_BRIDGE_IFACES", "CONFIG_NEUTRON_OVN_BRIDGE_IFACES"),
              out_.bridge_interfaces);
        if (const std::string device = either("CONFIG_NEUTRON_OVS_TUNNEL_IF", "CONFIG_NEUTRON_OVN_TUNNEL_IF"); !device.empty()) {
            if (!plain(device) || device.size() > 15) wrong("CONFIG_NEUTRON_OVS_TUNNEL_IF", "is not the name of an interface");
            else set("network-agent", "tunnel", "local_ip", text(device));
        }
    }

    // The physical network of the demo's external network; a mapping for it where the answers have none.
    void external_network() {
        std::string physical = either("CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET", "CONFIG_NEUTRON_OVN_EXTERNAL_PHYSNET");
        std::string bridge = value("CONFIG_NEUTRON_L3_EXT_BRIDGE");
        if (bridge == "provider") bridge.clear();
        if (!physical.empty() && !plain(physical)) return wrong("CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET", "is not the name of a network");
        if (!bridge.empty() && (!plain(bridge) || bridge.size() > 15)) return wrong("CONFIG_NEUTRON_L3_EXT_BRIDGE", "is not the name of a bridge");
        if (mappings_.empty() && (!physical.empty() || !bridge.empty()))
            mappings_.emplace_back(physical.empty() ? "public" : physical, bridge.empty() ? "br-ex" : bridge);
        const auto fits = [&](const auto& pair) { return (physical.empty() || pair.first == physical) && (bridge.empty() || pair.second == bridge); };
        if (!mappings_.empty() && std::ranges::none_of(mappings_, fits))
            return wrong("CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", fmt::format("do not have {}{}{}", physical, bridge.empty() ? "" : ":", bridge));
        const auto found = std::ranges::find_if(mappings_, fits);
        external_ = found == mappings_.end() ? std::pair<std::string, std::string>("public", "br-ex") : *found;
        out_.provision.physical_network = external_.first;
    }

    std::string take(const std::string& key, const std::string& fallback) const { return value(key).empty() ? fallback : value(key); }

    void provision() {
        Provision& p = out_.provision;
        p.demo = yes("CONFIG_PROVISION_DEMO");
        p.flavors = yes("CONFIG_NOVA_MANAGE_FLAVORS", p.demo);
        p.server = value("CONFIG_PROVISION_SERVER");
        if (!p.server.empty() && !plain(p.server)) wrong("CONFIG_PROVISION_SERVER", "has letters, digits, '-', '_' and '.' only");
        if (!p.server.empty() && !p.demo) wrong("CONFIG_PROVISION_SERVER", "needs CONFIG_PROVISION_DEMO=y");
        p.floating_range = take("CONFIG_PROVISION_DEMO_FLOATRANGE", p.floating_range);
        p.fixed_range = take("CONFIG_PROVISION_DEMO_FIXEDRANGE", p.fixed_range);
        p.gateway = value("CONFIG_PROVISION_DEMO_GATEWAY");
        const auto floating = Cidr::parse(p.floating_range), fixed = Cidr::parse(p.fixed_range);
        if (!floating || floating->prefix > 30) return wrong("CONFIG_PROVISION_DEMO_FLOATRANGE", "is not a network such as 172.24.4.0/24");
        if (!fixed || fixed->prefix > 30) return wrong("CONFIG_PROVISION_DEMO_FIXEDRANGE", "is not a network such as 10.0.0.0/24");
        if (p.gateway.empty()) p.gateway = floating->network().plus(1).text();
        const auto inside = [&](const std::string& text) {
            const auto address = IpAddress::parse(text);
            return address && floating->contains(*address);
        };
        if (!inside(p.gateway)) wrong("CONFIG_PROVISION_DEMO_GATEWAY", "is not an address of CONFIG_PROVISION_DEMO_FLOATRANGE");
        pools(inside);
        p.image = value("CONFIG_PROVISION_IMAGE_URL");
        if (p.image.starts_with("file:///")) p.image.erase(0, std::string_view("file://").size());
        p.image_name = take("CONFIG_PROVISION_IMAGE_NAME", p.image_name);
        p.image_format = take("CONFIG_PROVISION_IMAGE_FORMAT", p.image_format);
        p.image_user = take("CONFIG_PROVISION_IMAGE_SSH_USER", p.image_user);
        for (const std::string& item : items(value("CONFIG_PROVISION_IMAGE_PROPERTIES"))) {
            const std::size_t equals = item.find('=');
            if (equals == std::string::npos || equals == 0) wrong("CONFIG_PROVISION_IMAGE_PROPERTIES", item + " is not NAME=VALUE");
            else p.image_properties.emplace_back(item.substr(0, equals), item.substr(equals + 1));
        }
        gateway_of_demo(*floating);
    }

    // ["start=FIRST,end=LAST", ...], as PackStack has it.
    template <class F>
    void pools(F inside) {
        std::string text;
        for (const char c : value("CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"))
            if (c != '[' && c != ']' && c != '"' && c != '\'' && c != ' ') text += c;
        std::string first;
        for (const std::string& item : items(text)) {
            const bool start = item.starts_with("start="), end = item.starts_with("end=");
            const std::string address = item.substr(item.find('=') + 1);
            if (start == end || start != first.empty() || !inside(address))
                return wrong("CONFIG_PROVISION_DEMO_ALLOCATION_POOLS",
                             item + " is not as in [\"start=172.24.4.10,end=172.24.4.20\"], of the network's addresses");
            if (start) first = address;
            else out_.provision.pools.emplace_back(std::exchange(first, {}), address);
        }
        if (!first.empty()) wrong("CONFIG_PROVISION_DEMO_ALLOCATION_POOLS", "has a start without an end");
    }

    // Where no cable leaves the external bridge, the first network machine stands in for the site's router. The agent gives the address to the bridge
    // of its first mapping.
    void gateway_of_demo(const Cidr& floating) {
        const bool masquerades = yes("CONFIG_PROVISION_MASQUERADE", true);
        const auto cabled = [&](const auto& pair) { return pair.first == external_.second; };
        if (!out_.provision.demo || !yes("CONFIG_PROVISION_OVS_BRIDGE", true) || std::ranges::any_of(out_.bridge_interfaces, cabled)) return;
        if (!mappings_.empty() && mappings_.front() != external_) return;
        const auto host =
            std::ranges::find_if(out_.hosts, [](const Deployment::Host& h) { return std::ranges::find(h.roles, "network") != h.roles.end(); });
        if (host == out_.hosts.end()) return;
        out_.settings.push_back(
            {"network-agent", "external", "bridge_address", text(fmt::format("{}/{}", out_.provision.gateway, floating.prefix)), host->name});
        if (masquerades) out_.settings.push_back({"network-agent", "external", "masquerade", "true", host->name});
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
    std::vector<std::pair<std::string, std::string>> mappings_;  // physical network, bridge
    std::pair<std::string, std::string> external_{"public", "br-ex"};
    std::vector<std::string> wrong_;
};

}  // namespace

Deployment deployment_of(const std::map<std::string, std::string>& values) { return Builder(values).build(); }

}  // namespace pilvi::cli
