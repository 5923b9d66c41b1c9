#include <doctest/doctest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "log/log.h"
#include "support/captured.h"

using namespace pilvi;
using testing::captured;

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
