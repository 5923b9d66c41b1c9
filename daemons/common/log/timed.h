#pragma once
#include <fmt/format.h>

#include <chrono>
#include <string>

#include "base/error.h"
#include "log/log.h"

namespace pilvi::log {

// The result of action(); at level debug, its end is logged: "WHAT: END, N ms". what() and end(result) are texts, made for that line only; an action that
// throws an Error has its message as END.
template <typename What, typename Action, typename End>
auto timed(const What& what, const Action& action, const End& end) {
    if (level() != Level::debug) return action();
    const auto started = std::chrono::steady_clock::now();
    const auto say = [&](const std::string& how) {
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started);
        debug(fmt::format("{}: {}, {} ms", what(), how, took.count()));
    };
    try {
        auto result = action();
        say(end(result));
        return result;
    } catch (const Error& error) {
        say(error.message());
        throw;
    }
}

}  // namespace pilvi::log
