#pragma once
// The list of servers: filters, sorting, paging as the original has them.
#include "resources/common.h"

namespace pilvi::compute {

api::Reply list_servers(api::Call& call, bool detail);

}  // namespace pilvi::compute
