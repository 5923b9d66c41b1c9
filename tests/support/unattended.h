#pragma once
// What a program does where nobody can answer it, and what it must not believe there.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace pilvi::testing {

// Runs `fn` in a process without a terminal whose standard input holds `input`; whether it returned true.
template <class F>
bool unattended(std::string_view input, F&& fn) {
    int ends[2];
    if (::pipe(ends) != 0 || ::write(ends[1], input.data(), input.size()) != static_cast<ssize_t>(input.size())) std::abort();
    ::close(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) {
        ::setsid();
        ::dup2(ends[0], STDIN_FILENO);
        ::_exit(fn() ? 0 : 1);
    }
    ::close(ends[0]);
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace pilvi::testing
