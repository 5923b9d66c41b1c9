#pragma once
// Names derived from other names.
#include <cstdint>
#include <string>
#include <string_view>

namespace pilvi::compute {

// A host name of `display_name`: transliterated to [a-z0-9.-], at most 63 characters; `fallback` where nothing is left.
std::string host_name(std::string_view display_name, std::string_view fallback);
// The opaque hostId of the API: sha224(project + host), "" without a host.
std::string host_id(std::string_view project_id, std::string_view host);
// "instance-0000002a".
std::string domain_name(std::int64_t number);
// "r-" and 8 of [0-9a-z].
std::string reservation_id();
// 12 of [A-HJ-NP-Za-km-z2-9], with a digit, a lower and an upper case letter among them.
std::string admin_password();
// A name of servers, flavors and so on: 1..255 characters, printable, no white space at the ends.
bool is_name(std::string_view text);

}  // namespace pilvi::compute
