#pragma once
#include "command/command.h"

namespace pilvi {

// Runs programs by another runner and logs each at level debug: its words, how it ended and how long it took. What it read and wrote is not logged: keys
// and passwords go to programs by their standard input.
class LoggedCommandRunner final : public CommandRunner {
public:
    explicit LoggedCommandRunner(CommandRunner& real) : real_(real) {}
    CommandResult run(const Command& command) override;

private:
    CommandRunner& real_;
};

}  // namespace pilvi
