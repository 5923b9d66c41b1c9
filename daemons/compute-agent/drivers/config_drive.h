#pragma once
// The config drive: an ISO 9660 image with the label config-2 that holds what the metadata service would answer.
#include <map>
#include <string>

#include "base/json.h"
#include "command/command.h"

namespace pilvi::compute_agent {

// The files of the drive by their path, from the answer of GET /agent/v1/servers/{id}/metadata (metadata-server/README.md). `random_seed` is the
// base64 text of meta_data.json's random_seed.
std::map<std::string, std::string> config_drive_files(const json::object& metadata, const std::string& random_seed);

// Writes `path` in one step. `scratch` is a directory that does not exist; it is made and removed.
void make_config_drive(CommandRunner& runner, const std::map<std::string, std::string>& files, const std::string& scratch, const std::string& path);

}  // namespace pilvi::compute_agent
