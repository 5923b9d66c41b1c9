#pragma once
#include <string>

namespace pilvi {

// The host in "http://HOST:PORT/PATH", without the brackets of an IPv6 address.
std::string host_of_url(const std::string& url);

// The address that this node uses towards `host` (a name or an address), as the kernel's routes say; "127.0.0.1" where there is no way.
std::string address_towards(const std::string& host);

// The first address of an interface of this node, IPv4 before IPv6, no link-local one; "" where there is none.
std::string address_of_interface(const std::string& name);

}  // namespace pilvi
