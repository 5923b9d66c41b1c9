#pragma once
// The libvirt domain document of a server: a pure function, so that every device of a guest can be read in one place.
#include <string>
#include <string_view>

#include "drivers/hypervisor.h"

namespace pilvi::compute_agent {

// Marks our domains: <metadata><pilvi:instance xmlns:pilvi=...>.
inline constexpr std::string_view metadata_namespace = "https://pilvi.cloud/xmlns/instance/1";

// Text or attribute value with everything escaped that XML knows; characters that XML 1.0 forbids become '?'.
std::string escape_xml(std::string_view text);
// The tap of a port: "tap" and the first 11 characters of its id, as network agents look for it.
std::string tap_name(std::string_view port_id);
std::string domain_xml(const DomainSpec& spec);
// The part of it that is one port, to be plugged in on its own.
std::string port_xml(const DomainSpec& spec, const PortSpec& port);

}  // namespace pilvi::compute_agent
