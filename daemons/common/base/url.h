#pragma once
#include <string_view>

namespace pilvi {

// Whether a URI reference may be given to Boost.URL: its parser (1.81) ends the process by an assertion on some texts where anything but '/' follows the
// scheme ("x:", "x:?", "x:["). No URL that this cloud accepts is such a text, so ask this first and refuse what it refuses.
bool parsable_url(std::string_view text) noexcept;

}  // namespace pilvi
