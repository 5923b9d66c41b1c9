#pragma once
// Bodies against field tables: types, bounds, unknown members, defaults, coercion; messages in the dialect's words.
#include "api/call.h"
#include "api/service.h"

namespace pilvi::api {

enum class Purpose { create, update, any /* custom route: every field is accepted */ };

// Returns the validated object (defaults filled for Purpose::create and any). Unknown members go by `unknown`; with keep they stay in the result.
// Throws Error(bad_request).
json::object validate(const ServiceStyle& style, std::span<const Field> fields, const json::value& body, Purpose purpose, Unknown unknown,
                      Version version = {}, std::string_view where = {});
// Placement's end of a message, after jsonschema: which keyword refused, of which instance.
std::string schema_failure(std::string message, std::string_view where = {});
// One value; `where` names it in messages. Returns the coerced value.
json::value validate_value(const ServiceStyle& style, const Field& field, const json::value& value, std::string_view where, Version version = {});

}  // namespace pilvi::api
