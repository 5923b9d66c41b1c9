#pragma once
// What the lists of this API have in common: ?limit=, ?marker= and links to pages.
#include <string>

#include "api/query.h"

namespace pilvi::image {

// ?limit= with the API's default (25) and bound (1000). Throws Error(bad_request).
std::int64_t asked_limit(const api::Call& call);
// "asc" or "desc"; Error(bad_request) otherwise.
bool descending(std::string_view direction);
// Continues behind a row, given as the values of select.order's expressions in their order; the last of them tells rows apart.
void start_behind(api::Select& select, const Row& row);
// The query string without ?marker=, encoded again.
std::string query_without_marker(const api::Query& query);
// "PATH?QUERY" and "PATH?QUERY&marker=MARKER" for the caller's query.
std::string first_link(const api::Query& query, const std::string& path);
std::string next_link(const api::Query& query, const std::string& path, const std::string& marker);

}  // namespace pilvi::image
