#pragma once
#include <CLI/CLI.hpp>

#include <functional>

#include "commands.h"

namespace pilvi::cli {

// Adds token, node, join, deploy, pxe and role; the one that is given sets `run`. `access` and `run` outlive the parsing and the call.
void add_node_commands(CLI::App& app, const Access& access, std::function<int()>& run);

}  // namespace pilvi::cli
