#pragma once
#include "resources/common.h"

namespace pilvi::network {

// Takes the segment that a new network asks for (provider:*) or the next free one, and writes it to the row. Errors as ML2's type drivers.
void take_segment(Tx& tx, const Settings& settings, json::object& row);

}  // namespace pilvi::network
