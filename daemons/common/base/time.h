#pragma once
// Wall-clock time as whole microseconds since the epoch (UTC), injected through Clock where a test needs to move it.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pilvi {

using Micros = std::int64_t;

Micros now_micros();
using Clock = std::function<Micros()>;  // returns microseconds since the epoch

// "2026-01-31T12:00:00Z" (nova, neutron, glance) and "2026-01-31T12:00:00.000000Z" (keystone).
std::string iso8601(Micros at);
std::string iso8601_micros(Micros at);
// "2026-01-31T12:00:00.000000" (nova services, instance actions).
std::string iso8601_naive(Micros at);
// ISO 8601 with optional fraction and "Z" or "+hh:mm"; nullopt where it is not one.
std::optional<Micros> parse_iso8601(std::string_view text) noexcept;

}  // namespace pilvi
