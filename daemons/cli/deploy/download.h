#pragma once
// An image that the operator names by URL. The image service's own web-download fetches for users, and so keeps away from private addresses and unusual
// ports; the operator's own mirror is often just there.
#include <string>
#include <string_view>

#include "base/fd.h"

namespace pilvi::cli {

// Whether it is one for download(): http or https.
bool is_url(std::string_view source);
// Its bytes, in a file without a name below /var/tmp. Follows redirects. Throws Error(bad_gateway, unavailable, timeout) naming the URL.
UniqueFd download(const std::string& url);

}  // namespace pilvi::cli
