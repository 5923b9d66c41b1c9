#pragma once
// Texts of Python values, as far as the original's mapping rules and messages depend on them.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pilvi::identity {

// repr(): 'text', "it's", ['a', 'b'], {'a': 1}, True, None.
std::string python_repr(const json::value& value);
std::string python_repr(const std::vector<std::string>& list);
// The items of a list literal of strings and numbers ("['a', \"b\"]"), as texts; nullopt for anything else. Source: ast.literal_eval.
std::optional<std::vector<std::string>> parse_python_list(std::string_view text);

}  // namespace pilvi::identity
