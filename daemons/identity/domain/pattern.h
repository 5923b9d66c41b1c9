#pragma once
// Regular expressions in Perl's syntax, as Python's re.search takes them, against foreign text: bounded in time and stack.
#include <string>
#include <string_view>

namespace pilvi::identity {

// Whether the expression matches anywhere in `text`. Throws Error(internal) naming an expression that is broken or too costly for this text.
bool pattern_found(const std::string& expression, std::string_view text);

}  // namespace pilvi::identity
