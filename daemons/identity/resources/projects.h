#pragma once
// What domains and projects share: one table, tags, tokens that end when it is disabled.
#include "base/ids.h"
#include "base/text.h"
#include "resources/common.h"

namespace pilvi::identity {

// Throws Error(bad_request) on a tag with ',' or '/', or of a wrong length.
void check_tag(const json::value& tag);
// At most 80, each once; Error(bad_request) otherwise.
void set_tags(Tx& tx, std::string_view project_id, const json::array& tags);
// set_tags() where the row has some.
void write_tags(Tx& tx, const json::object& row);
void read_tags(Tx& tx, std::span<json::object> rows);
// Sets valid_from where the write disables what was enabled.
void end_tokens_when_disabled(api::Call& call, json::object& row, const json::object* before);
// Everything in a disabled domain goes with it; Error(forbidden) while it is enabled.
void remove_domain_contents(Tx& tx, const json::object& domain);

}  // namespace pilvi::identity
