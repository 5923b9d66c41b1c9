// Segments: a primary key over (type, physical network, id) is what keeps two networks apart. Source: neutron.plugins.ml2.drivers.type_*.
#include "resources/segments.h"

#include <algorithm>

namespace pilvi::network {
namespace {

struct Wish {
    std::string type;
    std::string physical;
    std::optional<std::int64_t> id;
};

bool insert_segment(Tx& tx, const Wish& wish, std::int64_t id, const std::string& network) {
    try {
        tx.savepoint([&] {
            tx.insert("segments",
                      {{"network_type", wish.type}, {"physical_network", wish.physical}, {"segmentation_id", id}, {"network_id", network}});
        });
        return true;
    } catch (const UniqueViolation&) {
        return false;
    }
}

// The lowest id above the highest one in use, or the first gap.
std::optional<std::int64_t> next_free(Tx& tx, const Wish& wish, std::int64_t first, std::int64_t last) {
    const Values range{wish.type, wish.physical, first, last};
    const Value highest = tx.scalar(
        "SELECT max(segmentation_id) FROM segments WHERE network_type = ? AND physical_network = ? AND segmentation_id "
        "BETWEEN ? AND ?",
        range);
    if (highest.is_null()) return first;
    if (highest.integer() < last) return highest.integer() + 1;
    if (!tx.one("SELECT 1 AS one FROM segments WHERE network_type = ? AND physical_network = ? AND segmentation_id = ?",
                {wish.type, wish.physical, first}))
        return first;
    const Value gap = tx.scalar(
        "SELECT min(a.segmentation_id) FROM segments a WHERE a.network_type = ? AND a.physical_network = ? AND "
        "a.segmentation_id BETWEEN ? AND ? AND NOT EXISTS (SELECT 1 FROM segments b WHERE b.network_type = a.network_type AND "
        "b.physical_network = a.physical_network AND b.segmentation_id = a.segmentation_id + 1)",
        {wish.type, wish.physical, first, last - 1});
    return gap.is_null() ? std::nullopt : std::optional(gap.integer() + 1);
}

bool take_free(Tx& tx, Wish& wish, std::int64_t first, std::int64_t last, const std::string& network) {
    for (int tries = 0; tries < 16; ++tries) {
        const auto id = next_free(tx, wish, first, last);
        if (!id) return false;
        if (insert_segment(tx, wish, *id, network)) {
            wish.id = id;
            return true;
        }
    }
    return false;
}

Error none_left() {
    return {Errc::unavailable, "Unable to create the network. No tenant network is available for allocation.", "NoNetworkAvailable"};
}

void take_flat(Tx& tx, const Settings& settings, Wish& wish, const std::string& network) {
    if (wish.id) throw invalid_input("segmentation_id prohibited for flat provider network");
    if (wish.physical.empty()) throw invalid_input("physical_network required for flat provider network");
    const auto& known = settings.flat_networks;
    if (std::find(known.begin(), known.end(), "*") == known.end() && std::find(known.begin(), known.end(), wish.physical) == known.end())
        throw invalid_input(fmt::format("physical_network '{}' unknown for flat provider network", wish.physical));
    if (!insert_segment(tx, wish, 0, network))
        throw conflict("FlatNetworkInUse", fmt::format("Unable to create the flat network. Physical network {} is in use.", wish.physical));
}

void take_vlan(Tx& tx, const Settings& settings, Wish& wish, const std::string& network) {
    if (wish.id) {
        if (wish.physical.empty()) throw invalid_input("segmentation_id requires physical_network for VLAN provider network");
        if (*wish.id < 1 || *wish.id > 4094) throw invalid_input("segmentation_id out of range (1 through 4094)");
        if (!insert_segment(tx, wish, *wish.id, network))
            throw conflict("VlanIdInUse",
                           fmt::format("Unable to create the network. The VLAN {} on physical network {} is in use.", *wish.id, wish.physical));
        return;
    }
    const std::string asked = wish.physical;
    for (const VlanRange& range : settings.vlan_ranges) {
        if (!asked.empty() && asked != range.physical_network) continue;
        wish.physical = range.physical_network;
        if (range.first <= range.last && take_free(tx, wish, range.first, range.last, network)) return;
    }
    throw none_left();
}

void take_vxlan(Tx& tx, const Settings& settings, Wish& wish, const std::string& network) {
    if (!wish.physical.empty()) throw invalid_input("provider:physical_network specified for vxlan network");
    if (!wish.id) {
        if (!take_free(tx, wish, settings.vni_first, settings.vni_last, network)) throw none_left();
        return;
    }
    if (*wish.id < 1 || *wish.id > 16777215) throw invalid_input("segmentation_id out of range (1 through 16777215)");
    if (!insert_segment(tx, wish, *wish.id, network))
        throw conflict("TunnelIdInUse", fmt::format("Unable to create the network. The tunnel ID {} is in use.", *wish.id));
}

}  // namespace

void take_segment(Tx& tx, const Settings& settings, json::object& row) {
    Wish wish{string_or(row, "provider:network_type"), string_or(row, "provider:physical_network"), std::nullopt};
    if (const json::value* id = find(row, "provider:segmentation_id"); id && id->is_int64()) wish.id = id->get_int64();
    const std::string network = string_or(row, "id");
    if (wish.type.empty()) {
        if (wish.id || !wish.physical.empty()) throw invalid_input("network_type required");
        wish.type = settings.project_network_type;
    }
    if (wish.type == "flat") take_flat(tx, settings, wish, network);
    else if (wish.type == "vlan") take_vlan(tx, settings, wish, network);
    else if (wish.type == "vxlan") take_vxlan(tx, settings, wish, network);
    else if (wish.type == "local") {
        if (wish.id || !wish.physical.empty()) throw invalid_input("provider attributes prohibited for local provider network");
    } else throw invalid_input(fmt::format("network_type value '{}' not supported", wish.type.substr(0, 60)));
    row["provider:network_type"] = wish.type;
    row["provider:physical_network"] = wish.physical.empty() ? json::value(nullptr) : json::value(wish.physical);
    row["provider:segmentation_id"] = wish.id ? json::value(*wish.id) : json::value(nullptr);
}

}  // namespace pilvi::network
