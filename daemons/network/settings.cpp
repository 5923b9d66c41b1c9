#include "settings.h"

#include "identity/identity.h"

namespace pilvi::network {
namespace {

constexpr Setting own[] = {
    {"listen.port", SettingKind::integer, "9696", "TCP port.", 0, 65535},
    {"database.url", SettingKind::text, "sqlite:/var/lib/pilvi/network/network.sqlite",
     "Database: sqlite:FILE or postgresql://USER:PASSWORD@HOST/NAME."},
    {"network.project_network_type", SettingKind::text, "vxlan", "Type of the networks whose type is not said: vxlan, vlan or local."},
    {"network.vni_range", SettingKind::text, "1:16000", "VXLAN network identifiers to take, FIRST:LAST."},
    {"network.vlan_ranges", SettingKind::list, "", "VLAN ids to take, each PHYSICAL_NETWORK:FIRST:LAST."},
    {"network.flat_networks", SettingKind::list, "*", "Physical networks that a flat network may be on; * is any."},
    {"network.mtu", SettingKind::integer, "1500", "MTU of the physical networks; a VXLAN network has 50 bytes less.", 576, 65535},
    {"network.dns_domain", SettingKind::text, "openstacklocal.", "Domain of ports whose network has none."},
    {"network.agent_down_time", SettingKind::seconds, "75", "An agent that is silent for longer counts as dead."},
};
constexpr auto table = with_api_settings("neutron", own);

}  // namespace

std::span<const Setting> settings_table() { return table; }

Settings settings_from(const Config& config) {
    Settings settings;
    settings.project_network_type = config.text("network.project_network_type");
    if (settings.project_network_type != "vxlan" && settings.project_network_type != "vlan" && settings.project_network_type != "local")
        throw Error(Errc::bad_request, "network.project_network_type must be vxlan, vlan or local");
    std::tie(settings.vni_first, settings.vni_last) = parse_range(config.text("network.vni_range"));
    for (const std::string& range : config.list("network.vlan_ranges")) settings.vlan_ranges.push_back(parse_vlan_range(range));
    settings.flat_networks = config.list("network.flat_networks");
    settings.mtu = config.integer("network.mtu");
    settings.dns_domain = config.text("network.dns_domain");
    settings.agent_down = std::chrono::duration_cast<std::chrono::microseconds>(config.seconds("network.agent_down_time")).count();
    return settings;
}

}  // namespace pilvi::network
