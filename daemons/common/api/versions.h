#pragma once
// Internal: microversion headers. Source: API-SIG guideline "Microversion Specification".
#include "api/service.h"

namespace pilvi::api {

// Which declared path a request means, in a style with base_path: "/v2/<project>/servers" is "/v2.1/servers".
struct Place {
    std::string path;        // still percent-encoded
    std::string project_id;  // that the path named, "" for none
    bool legacy = false;     // came by the style's legacy_path
};
Place place_of(const ServiceStyle& style, std::string_view path);

// The version that the request asks for; the style's fallback where it asks for none; {} where the service has no microversions.
// Throws Error(bad_request) on a malformed one, Error(not_acceptable) out of range.
Version requested_version(const ServiceStyle& style, const http::Headers& headers);
// Echo and Vary headers of the answer.
void add_version_headers(const ServiceStyle& style, Version version, http::Headers& headers);
std::string version_text(Version version);

}  // namespace pilvi::api
