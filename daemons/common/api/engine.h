#pragma once
// Internal: the verbs of declared resources.
#include "api/service.h"

namespace pilvi::api {

// Runs one operation of a resource. The body (single object, or an array for bulk create) is validated already.
Reply run_operation(Call& call, const Resource& resource, const Operation& operation);

// Of a create or update whose body is not valid: throws Error(forbidden) where the caller may not do it anyway, judged by what was sent, and
// Error(not_found) where the operation says so to everybody (Resource::hides).
void enforce_operation(Call& call, const Resource& resource, const Operation& operation);

}  // namespace pilvi::api
