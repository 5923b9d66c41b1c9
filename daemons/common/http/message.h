#pragma once
// Private to http/: the text of a response's head.
#include <cstdint>
#include <string>

#include "http/http.h"

namespace pilvi::http {

// 1xx, 204, 304: no body and no Content-Length.
bool body_forbidden(int status);
// Status line, headers, blank line. `length` is that of the body, sent or (HEAD) not.
std::string response_head(const Response& response, std::uint64_t length, bool keep_alive);

}  // namespace pilvi::http
