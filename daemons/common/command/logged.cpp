#include "command/logged.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "log/log.h"

namespace pilvi {

CommandResult LoggedCommandRunner::run(const Command& command) {
    if (log::level() != log::Level::debug) return real_.run(command);
    const auto started = std::chrono::steady_clock::now();
    const auto say = [&](std::string_view end) {
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started);
        log::debug(fmt::format("ran {}: {}, {} ms", join(command.argv, " "), end, took.count()));
    };
    try {
        CommandResult result = real_.run(command);
        say(fmt::format("status {}", result.status));
        return result;
    } catch (const Error& error) {
        say(error.message());
        throw;
    }
}

}  // namespace pilvi
