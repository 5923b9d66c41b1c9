#pragma once
#include <string>
#include <vector>

#include "config/config.h"

namespace pilvi::identity {

// pilvi-identity mapping-test --rules FILE --input FILE [--prefix PREFIX]: applies a mapping's rules (JSON: {"rules": [...]} or the list alone) to an
// assertion (lines NAME: VALUE; with a prefix, only names that begin with it) and prints the result as JSON. As keystone-manage mapping_engine.
int run_mapping_test(const Config& config, const std::vector<std::string>& arguments);

}  // namespace pilvi::identity
