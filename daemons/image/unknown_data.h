#pragma once
// Data that is in the stores and in no row. It is told, never removed: a restored database knows nothing of what came after its backup.
#include <vector>

#include "model.h"
#include "stores/store.h"

namespace pilvi::image {

// `staging` may be nullptr; its data has the store ":staging".
std::vector<Location> unknown_data(Store& database, const Stores& stores, const ImageStore* staging);

}  // namespace pilvi::image
