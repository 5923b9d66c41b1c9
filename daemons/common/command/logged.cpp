#include "command/logged.h"

#include "base/text.h"
#include "log/timed.h"

namespace pilvi {

CommandResult LoggedCommandRunner::run(const Command& command) {
    return log::timed([&] { return "ran " + join(command.argv, " "); }, [&] { return real_.run(command); },
                      [](const CommandResult& result) { return fmt::format("status {}", result.status); });
}

}  // namespace pilvi
