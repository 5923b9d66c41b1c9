#pragma once
// Internal: microversion headers. Source: API-SIG guideline "Microversion Specification".
#include "api/service.h"

namespace pilvi::api {

// The version that the request asks for; the style's fallback where it asks for none; {} where the service has no microversions.
// Throws Error(bad_request) on a malformed one, Error(not_acceptable) out of range.
Version requested_version(const ServiceStyle& style, const http::Headers& headers);
// Echo and Vary headers of the answer.
void add_version_headers(const ServiceStyle& style, Version version, http::Headers& headers);
std::string version_text(Version version);

}  // namespace pilvi::api
