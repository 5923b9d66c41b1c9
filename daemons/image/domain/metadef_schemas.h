#pragma once
// The schemas of metadata definitions, served at /v2/schemas/metadefs/{name} and used for validation. Source: Image API v2, "Metadata Definition
// Schemas".
#include <string_view>

#include "base/json.h"

namespace pilvi::image {

// "namespace", "namespaces", "object", "objects", "property", "properties", "resource_type", "resource_types", "tag", "tags"; nullptr for another name.
const json::object* metadef_schema(std::string_view name);

// Throws Error(forbidden, "Attribute '...' is read-only.") and Error(bad_request, "Provided object does not match schema ...") unless `body` is what
// a client may send as `name`: one of the singulars above, or "tags": {"tags": [{"name": ...}]}.
void check_metadef(std::string_view name, const json::value& body);
// The same for each of an object's properties, whose names are keys.
void check_metadef_properties(const json::object& properties);

}  // namespace pilvi::image
