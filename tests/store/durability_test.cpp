// What was acknowledged is there after kill -9 of the writer at any moment.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "backends.h"

using namespace pilvi;
using namespace pilvi::test;

namespace {

// Writes 1, 2, 3, ... and says each number on `out` once it is acknowledged.
[[noreturn]] void write_for_ever(const std::string& url, int out) {
    try {
        const auto store = Store::open(url, things);
        const std::int64_t first = store->read([](Tx& tx) { return tx.scalar("SELECT MAX(size) FROM things").integer(); }) + 1;
        for (std::int64_t n = first;; ++n) {
            store->write([&](Tx& tx) { tx.insert("things", {{"id", std::to_string(n)}, {"size", n}}); });
            if (::write(out, &n, sizeof n) != sizeof n) break;
        }
    } catch (...) {
    }
    ::_exit(1);
}

}  // namespace

BOTH_BACKENDS("kill -9 loses no acknowledged write") {
    Backend backend;
    std::int64_t acknowledged = 0;
    for (int round = 0; round < 3; ++round) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const pid_t child = ::fork();
        if (child == 0) write_for_ever(backend.url, ends[1]);
        ::close(ends[1]);
        std::int64_t number = 0;
        const std::int64_t until = acknowledged + 20 + 7 * round;
        while (::read(ends[0], &number, sizeof number) == sizeof number) {
            acknowledged = number;
            if (number >= until) ::kill(child, SIGKILL);
        }
        ::close(ends[0]);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status));
        const auto store = Store::open(backend.url, things);
        if constexpr (Backend::postgresql) {  // the server may be at the last thing that it was told yet
            const char* const others =
                "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'pilvi' AND state <> 'idle' AND pid <> pg_backend_pid()";
            while (store->read([&](Tx& tx) { return tx.scalar(others).integer(); }) > 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        const std::int64_t rows = store->read([](Tx& tx) { return tx.scalar("SELECT COUNT(*) FROM things").integer(); });
        CHECK(rows >= acknowledged);
        CHECK(rows <= acknowledged + 1);  // one may have been committed and not yet said
        CHECK(store->read([](Tx& tx) { return tx.scalar("SELECT MAX(size) FROM things").integer(); }) == rows);
        acknowledged = rows;
    }
}
