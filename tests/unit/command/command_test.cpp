#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "command/logged.h"
#include "log/log.h"
#include "support/captured.h"
#include "support/code_of.h"

using namespace pilvi;
using namespace std::chrono_literals;
using testing::code_of;

namespace {
// What `fn` writes to standard error, at level debug.
template <class F>
std::string debug_log(F&& fn) {
    return testing::captured([&] {
        log::set_level(log::Level::debug);
        fn();
        log::set_level(log::Level::info);
    });
}

// Whether a process has this command line (arguments end with NUL).
bool somebody_runs(const std::string& arguments) {
    std::error_code vanished;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", vanished)) {
        std::ifstream file(entry.path() / "cmdline");
        const std::string line((std::istreambuf_iterator<char>(file)), {});
        if (line.starts_with(arguments)) return true;
    }
    return false;
}
}  // namespace

TEST_CASE("output, error output, status, input") {
    SystemCommandRunner runner;
    const CommandResult r = runner.run({.argv = {"/bin/sh", "-c", "cat; echo bad >&2; exit 3"}, .input = "hello"});
    CHECK(r.status == 3);
    CHECK(r.out == "hello");
    CHECK(r.err == "bad\n");
    CHECK(runner.run({.argv = {"/bin/sh", "-c", "kill -9 $$"}}).status == 137);
}

TEST_CASE("arguments are not interpreted; the environment is cleared") {
    SystemCommandRunner runner;
    ::setenv("PILVI_TEST_LEAK", "1", 1);
    CHECK(runner.check({"/bin/echo", "$(id); `id` * | x"}) == "$(id); `id` * | x\n");
    CHECK(runner.check({"/usr/bin/env"}) == "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C\n");
    CHECK(code_of([&] { runner.check({"echo", "x"}); }) == Errc::internal);
    CHECK(code_of([&] { runner.check({"/no/such/program"}); }) == Errc::internal);
}

TEST_CASE("check() says what failed and why") {
    SystemCommandRunner runner;
    try {
        runner.check({"/bin/sh", "-c", "echo why >&2; exit 2"});
        FAIL("no error");
    } catch (const Error& e) {
        CHECK(e.message() == "/bin/sh -c echo why >&2; exit 2 failed (status 2): why");
    }
}

TEST_CASE("the time limit kills the whole group") {
    SystemCommandRunner runner;
    const std::string time = "4242." + std::to_string(::getpid());  // nobody else sleeps so long
    const auto begin = std::chrono::steady_clock::now();
    CHECK(code_of([&] { runner.run({.argv = {"/bin/sh", "-c", "sleep " + time + " & sleep " + time}, .limit = 200ms}); }) == Errc::timeout);
    CHECK(std::chrono::steady_clock::now() - begin < 60s);
    bool gone = false;
    for (int i = 0; i < 10'000 && !gone; ++i) {
        gone = !somebody_runs("sleep" + std::string(1, '\0') + time);
        if (!gone) std::this_thread::sleep_for(10ms);
    }
    CHECK(gone);
}

TEST_CASE("large input and output at once; output above the limit") {
    SystemCommandRunner runner;
    const std::string big(4u << 20, 'x');
    CHECK(runner.run({.argv = {"/bin/cat"}, .input = big}).out == big);
    CHECK(code_of([&] { runner.run({.argv = {"/bin/cat"}, .input = big, .output_limit = 1000}); }) == Errc::too_large);
    CHECK(runner.run({.argv = {"/bin/true"}, .input = big}).status == 0);
}

TEST_CASE("a daemon that it leaves behind does not hold it up") {
    SystemCommandRunner runner;
    const auto begin = std::chrono::steady_clock::now();
    CHECK(runner.check({"/bin/sh", "-c", "sleep 60 & echo started"}) == "started\n");
    CHECK(std::chrono::steady_clock::now() - begin < 50s);
}

TEST_CASE("at level debug a program is logged, what it reads and writes is not") {
    SystemCommandRunner real;
    LoggedCommandRunner runner(real);
    CommandResult result;
    const std::string line = debug_log([&] { result = runner.run({.argv = {"/bin/cat", "-"}, .input = "a password"}); });
    CHECK(result.out == "a password");
    CHECK(line.starts_with("DEBUG ran /bin/cat -: status 0, "));
    CHECK(line.find("password") == std::string::npos);
    CHECK(debug_log([&] { CHECK_THROWS(runner.run({.argv = {"/nowhere/x"}})); }).find("cannot start /nowhere/x") != std::string::npos);
    CHECK(debug_log([&] {
              log::set_level(log::Level::info);
              runner.run({.argv = {"/bin/true"}});
          }).empty());
}
