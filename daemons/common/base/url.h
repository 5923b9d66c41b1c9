#pragma once
#include <string>
#include <string_view>

namespace pilvi {

// Whether a URI reference may be given to Boost.URL: its parser (1.81) ends the process by an assertion on some texts where anything but '/' follows the
// scheme ("x:", "x:?", "x:["). No URL that this cloud accepts is such a text, so ask this first and refuse what it refuses.
bool parsable_url(std::string_view text) noexcept;

// Whether an answer of that status sends its reader elsewhere (RFC 9110, section 15.4).
constexpr bool is_redirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }
// Where a redirect from `url` to `location` leads, without a fragment (RFC 3986, section 5; RFC 9110, section 10.2.2); "" where either is no URI reference, or
// `location` is empty.
std::string redirected_url(std::string_view url, std::string_view location);

}  // namespace pilvi
