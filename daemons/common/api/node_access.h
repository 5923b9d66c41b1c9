#pragma once
// What a node may ask that shows its certificate instead of a token: a table by the roles in the certificate, and nothing else.
#include <optional>
#include <string_view>

#include "identity/identity.h"

namespace pilvi::api {

// The caller that the certificate stands for; nullopt where its roles do not allow this request at the service of this type ("compute"). A node acts for
// itself only: paths that name a node or a resource provider are those of the node's own name and id.
std::optional<Context> node_context(const std::shared_ptr<const http::PeerIdentity>& node, std::string_view service_type,
                                    const http::Request& request);

}  // namespace pilvi::api
