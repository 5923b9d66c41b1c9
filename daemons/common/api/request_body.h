#pragma once
// Private to api/: the JSON body of a request, from its bytes to the values that the endpoint declares.
#include <string_view>

#include "api/router.h"
#include "api/service.h"

namespace pilvi::api {

bool wants_json(const Endpoint& endpoint);
// Throws Error(unsupported_media), or what the dialect's original answers instead.
void check_content_type(const ServiceStyle& style, const http::Headers& headers, bool empty_body);
// Fills call.raw. Throws Error(bad_request) in the dialect's words.
void read_body(const ServiceStyle& style, const Endpoint& endpoint, Call& call);
// Validates call.raw and fills call.body; `action` is set as soon as it is known, also where an error is thrown after that.
void check_body(const ServiceStyle& style, const Endpoint& endpoint, Call& call, Unknown unknown, const Action*& action);
// The member of a body that holds the object; where it is not there, Keystone takes an empty one for it.
const json::value* wrapped_in(const ServiceStyle& style, const json::object& body, std::string_view name);

}  // namespace pilvi::api
