#pragma once
// Inventories of a provider, for their own routes and for the reshaper.
#include <map>
#include <string>

#include "resources/common.h"

namespace pilvi::placement {

using Inventories = std::map<std::string, Inventory>;  // by resource class

Inventory inventory_of(const Row& row);
Inventories load_inventories(Tx& tx, std::string_view provider_uuid);

// {"resource_provider_generation": N, "inventories": {"VCPU": {...}}}, validated. `where` names it in messages.
struct InventoriesBody {
    std::int64_t generation = 0;
    Inventories inventories;
};
InventoriesBody parse_inventories(const Call& call, const json::value& body, std::string_view where = {});

// Makes `wanted` the provider's inventories and bumps its generation. Error(conflict) where one that would go is in use.
void replace_inventories(Tx& tx, ProviderRow& provider, const Inventories& wanted);

}  // namespace pilvi::placement
