#pragma once
#include "config/config.h"
#include "service/arguments.h"

namespace pilvi::identity {

// pilvi-identity mapping-test, with the arguments of subcommands::mapping_test: applies a mapping's rules to an assertion and prints the result as JSON, as
// keystone-manage mapping_engine. Returns 0; throws Error for files that are not what they should be.
int run_mapping_test(const Config& config, const Arguments& arguments);

}  // namespace pilvi::identity
