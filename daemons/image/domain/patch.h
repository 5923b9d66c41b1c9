#pragma once
// The two dialects of JSON patch that the image API takes: application/openstack-images-v2.1-json-patch ("op", "path", "value") and v2.0
// ({"replace": "/name", "value": ...}). Source: Image API v2, "HTTP PATCH media types".
#include <string>
#include <vector>

#include "base/json.h"

namespace pilvi::image {

struct Change {
    enum class Op { add, replace, remove } op;
    std::string name;   // attribute or property
    json::value value;  // valid for it; null for remove
    bool old_dialect = false;
    std::string position = {};  // of a location: the pointer's second part
};

// Throws Error(bad_request) on what is no patch or a wrong value, Error(forbidden) on read-only and reserved names.
std::vector<Change> parse_patch(const json::value& body, bool old_dialect);

}  // namespace pilvi::image
