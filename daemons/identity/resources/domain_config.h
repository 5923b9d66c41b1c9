#pragma once
// The configuration of one domain, for whoever acts by it.
#include <string_view>

#include "app.h"

namespace pilvi::identity {

// {group: {option: value}} as written, sensitive options included, "%(password)s" and the like in texts replaced by the sensitive option of that name;
// {} where the domain has none.
json::object domain_configuration(const App& app, Tx& tx, std::string_view domain_id);

}  // namespace pilvi::identity
