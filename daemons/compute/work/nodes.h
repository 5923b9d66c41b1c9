#pragma once
// Between compute and its nodes: the desired set, and what a report changes. The shapes are those of compute-agent/README.md.
#include <string>

#include "app.h"
#include "base/json.h"

namespace pilvi::compute {

// The whole desired set of a host: {"servers": [...]}.
json::object desired_set(Tx& tx, const std::string& host);
// A node's report, in one transaction.
void observe_node(App& app, const std::string& host, const json::object& report);
// Everything that the guest's metadata tree needs (metadata-server/README.md). nullopt: no such server.
std::optional<json::object> metadata_document(Tx& tx, const std::string& server_id);

}  // namespace pilvi::compute
