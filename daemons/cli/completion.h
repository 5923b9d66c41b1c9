#pragma once
// Shell completion, written from the command line's own table of commands and options.
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace pilvi::cli {

// The completion script of `app` for "bash" or "zsh"; throws Error(bad_request) for any other shell. After the words of a command it offers that
// command's subcommands and options, or files where it has neither.
std::string completion(const CLI::App& app, std::string_view shell);

}  // namespace pilvi::cli
