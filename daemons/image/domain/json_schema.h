#pragma once
// The part of JSON schema (draft 4) that the schemas of the Image API use, with messages in the words of Python's jsonschema, which clients know.
#include <optional>
#include <string>

#include "base/json.h"

namespace pilvi::image {

// Why `value` does not suit `schema`; nullopt where it does. Keywords: type, enum, properties, required, additionalProperties, items, uniqueItems,
// minItems, maxLength, minimum, allOf, and $ref to the schema's own "#/definitions/...". Others are ignored.
std::optional<std::string> schema_mismatch(const json::object& schema, const json::value& value);

// The value as Python writes it: 'text', True, None, ['a', 1]; at most 200 characters.
std::string python_text(const json::value& value);

}  // namespace pilvi::image
