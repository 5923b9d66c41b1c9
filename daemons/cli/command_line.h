#pragma once
#include <CLI/CLI.hpp>

#include <functional>
#include <optional>

#include "commands.h"

namespace pilvi::cli {

// What was given on the command line, and what is to be done about it: `node_command` where it is set, else `run`.
struct CommandLine {
    Access access;
    TryOptions trial;
    StatusOptions status;
    DoctorOptions doctor;
    MetadefOptions metadefs;
    std::string identity_command;
    std::vector<std::string> daemon_arguments;
    std::string daemon;
    std::string shell;  // that completion was asked for; nothing else is to be done then
    std::optional<int> wait_seconds;
    int (*run)(CommandLine&) = nullptr;
    std::function<int()> node_command;
};

// Adds every command and option; parsing sets `line`, which outlives `app`.
void declare_commands(CLI::App& app, CommandLine& line);

}  // namespace pilvi::cli
