#pragma once
// What code writes to standard error, where the log goes.
#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

namespace pilvi::testing {

// Its first 4096 bytes. `fn` must not write more than a pipe holds: nobody reads it meanwhile.
template <class F>
std::string captured(F&& fn) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const int saved = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
    fn();
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    char buffer[4096];
    const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
    ::close(ends[0]);
    return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : std::string();
}

}  // namespace pilvi::testing
