#pragma once
// Errors in the words and types of the Network API's envelope: {"NeutronError": {"type", "message", "detail"}}.
// Source of types and status codes: neutron_lib.exceptions and the exceptions of neutron.extensions.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace pilvi::network {

inline Error invalid_input(const std::string& what) { return {Errc::bad_request, "Invalid input for operation: " + what + ".", "InvalidInput"}; }
inline Error bad_request(std::string_view resource, const std::string& what) {
    return {Errc::bad_request, fmt::format("Bad {} request: {}.", resource, what), "BadRequest"};
}
// What the attribute checks of the original answer.
inline Error invalid_attribute(std::string_view attribute, const std::string& why) {
    return {Errc::bad_request, fmt::format("Invalid input for {}. Reason: {}.", attribute, why), "HTTPBadRequest"};
}
inline Error bad(std::string type, std::string message) { return {Errc::bad_request, std::move(message), std::move(type)}; }
inline Error conflict(std::string type, std::string message) { return {Errc::conflict, std::move(message), std::move(type)}; }
inline Error missing(std::string type, std::string message) { return {Errc::not_found, std::move(message), std::move(type)}; }

inline Error network_not_found(std::string_view id) { return missing("NetworkNotFound", fmt::format("Network {} could not be found.", id)); }
inline Error subnet_not_found(std::string_view id) { return missing("SubnetNotFound", fmt::format("Subnet {} could not be found.", id)); }
inline Error port_not_found(std::string_view id) { return missing("PortNotFound", fmt::format("Port {} could not be found.", id)); }
inline Error security_group_not_found(std::string_view id) {
    return missing("SecurityGroupNotFound", fmt::format("Security group {} does not exist", id));
}

}  // namespace pilvi::network
