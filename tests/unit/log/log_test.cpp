#include <doctest/doctest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "log/log.h"

using namespace pilvi;

namespace {
// What `fn` writes to standard error.
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
}  // namespace

TEST_CASE("text lines carry level, message and fields") {
    const std::string line = captured([] { log::warning("disk is slow; going on", {{"REQUEST_ID", "req-1"}, {"PROJECT_ID", ""}}); });
    CHECK(line == "WARNING disk is slow; going on request_id=req-1\n");
}

TEST_CASE("a message from outside cannot forge a line or a terminal sequence") {
    const std::string line = captured([] { log::error("name: x\nINFO all is well\x1b[2J", {{"PATH", "a b"}}); });
    CHECK(line == "ERROR name: x\\nINFO all is well\\x1b[2J path=\"a b\"\n");
}

TEST_CASE("levels") {
    CHECK(log::parse_level("notice") == log::Level::notice);
    CHECK_THROWS_AS(log::parse_level("loud"), Error);
    log::set_level(log::Level::error);
    CHECK(captured([] {
              log::warning("hidden");
              log::error("shown");
          }) == "ERROR shown\n");
    log::set_level(log::Level::info);
    CHECK(captured([] {
              log::debug("hidden");
              log::info("shown");
          }) == "INFO shown\n");
}
