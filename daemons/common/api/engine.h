#pragma once
// Internal: the verbs of declared resources.
#include "api/service.h"

namespace pilvi::api {

// Runs one operation of a resource. The body (single object, or an array for bulk create) is validated already.
Reply run_operation(Call& call, const Resource& resource, const Operation& operation);

}  // namespace pilvi::api
