#pragma once
// Runs programs: argv only, never a shell; absolute path; own process group, killed as a whole at the time limit; environment cleared
// but for PATH and LC_ALL=C. Faked in tests by another CommandRunner.
#include <chrono>
#include <string>
#include <vector>

namespace pilvi {

struct Command {
    std::vector<std::string> argv;  // argv[0] is an absolute path
    std::string input = {};         // standard input; closed after it
    std::chrono::milliseconds limit = std::chrono::seconds(30);
    std::size_t output_limit = 16u << 20;  // bytes kept of each stream; more is Error(too_large)
};

struct CommandResult {
    int status = 0;  // exit status, 128+signal where a signal ended it
    std::string out;
    std::string err;
};

class CommandRunner {
public:
    virtual ~CommandRunner() = default;
    // Throws Error(timeout) at the limit, Error(internal) where the program cannot be started.
    virtual CommandResult run(const Command& command) = 0;
    // run(), and Error(internal, "<program> <first arguments> failed (status N): <tail of stderr>") on a non-zero status. Returns stdout.
    std::string check(const Command& command);
    std::string check(std::vector<std::string> argv) { return check(Command{.argv = std::move(argv)}); }
};

class SystemCommandRunner final : public CommandRunner {
public:
    CommandResult run(const Command& command) override;
};

}  // namespace pilvi
