#pragma once
// The attributes of an image as the API knows them: one table for validation and for the schema documents (GET /v2/schemas/...).
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pilvi::image {

struct Property {
    std::string_view name;
    std::string_view type;  // JSON schema: string, integer, boolean, array
    std::string_view description;
    bool nullable = false;
    bool read_only = false;
    std::int64_t longest = 0;  // of a string; 0: not bounded
    std::span<const std::string_view> values = {};
    bool stored = false;  // may be in a create body and is an attribute, not a free property
};

std::span<const Property> properties();
const Property* find_property(std::string_view name);

// Throws Error(bad_request, "Provided object does not match schema 'image': ...") unless `value` suits the attribute, or is a string where the name is a
// free property's.
void validate(std::string_view name, const json::value& value);
// Throws Error(forbidden) on names that nobody may set.
void refuse_reserved(std::string_view name);

// The document of "image", "images", "member", "members", "task" or "tasks"; null for another name.
json::value schema_document(std::string_view name);

}  // namespace pilvi::image
