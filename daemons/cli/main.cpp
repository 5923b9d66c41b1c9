// pilvi: the operator's command. What it understands is in command_line.h, what it does in commands.h.
#include <cstdio>

#include "command_line.h"
#include "completion.h"

namespace {

using namespace pilvi::cli;

// What follows --exec belongs to the command, its options too. The number of arguments before it.
int take_command(int argc, char** argv, CommandLine& line) {
    for (int i = 1; i < argc; ++i) {
        if (std::string_view(argv[i]) != "--exec") continue;
        line.trial.command.assign(argv + i + 1, argv + argc);
        return i;
    }
    return argc;
}

}  // namespace

int main(int argc, char** argv) {
    CommandLine line;
    const int given = argc;
    argc = take_command(argc, argv, line);
    if (given > argc && (line.trial.command.empty() || argc < 2 || std::string_view(argv[1]) != "try")) {
        std::fputs("pilvi: --exec belongs to pilvi try and takes a command\n", stderr);
        return 2;
    }
    CLI::App app{"Operates a node of a Pilvi cloud", "pilvi"};
    declare_commands(app, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        if (!line.shell.empty()) return std::fputs(completion(app, line.shell).c_str(), stdout) < 0 ? 1 : 0;
        return line.node_command ? line.node_command() : line.run(line);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pilvi: %s\n", error.what());
        return 2;
    }
}
