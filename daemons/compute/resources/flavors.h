#pragma once
// Flavors as the other resources need them.
#include "resources/common.h"

namespace pilvi::compute {

struct Flavor {
    std::string id;
    std::int64_t number = 0;
    std::string name;
    std::int64_t memory_mb = 0, vcpus = 0, root_gb = 0, ephemeral_gb = 0, swap_mb = 0;
    double rxtx_factor = 1;
    bool is_public = true, disabled = false;
    std::optional<std::string> description;
    json::object extra_specs;
    static constexpr std::string_view columns =
        "id, number, name, memory_mb, vcpus, root_gb, ephemeral_gb, swap_mb, rxtx_factor, is_public, disabled, description, extra_specs";
    static Flavor from(const Row& row);
    // What a server keeps of it: {"id", "name", "vcpus", "ram", "disk", "ephemeral", "swap", "extra_specs"}.
    json::object snapshot() const;
};

std::optional<Flavor> find_flavor(Tx& tx, std::string_view id);
// Public, or given to the caller's project, or the caller is an administrator.
bool may_see(Tx& tx, const Context& who, const Flavor& flavor);
// The flavor of the path parameter "id"; Error(not_found).
Flavor load_flavor(api::Call& call, Tx& tx);

}  // namespace pilvi::compute
