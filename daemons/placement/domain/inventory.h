#pragma once
// What a provider has of one resource class, and whether a claim fits.
#include <algorithm>
#include <cstdint>
#include <string>

namespace pilvi::placement {

inline constexpr std::int64_t max_integer = 2147483647;
inline constexpr double most_shown = 9e18;  // what 64 bits hold

struct Inventory {
    std::int64_t total = 0;
    std::int64_t reserved = 0;
    std::int64_t min_unit = 1;
    std::int64_t max_unit = max_integer;
    std::int64_t step_size = 1;
    double allocation_ratio = 1.0;
    std::int64_t used = 0;

    double exact_capacity() const { return static_cast<double>(total - reserved) * allocation_ratio; }
    // Rounded towards zero, as it is shown; a ratio may be larger than anything.
    std::int64_t capacity() const { return static_cast<std::int64_t>(std::clamp(exact_capacity(), -most_shown, most_shown)); }
    // min_unit, max_unit and step_size allow one claim of `amount`.
    bool unit_fits(std::int64_t amount) const { return amount >= min_unit && amount <= max_unit && amount % step_size == 0; }
    bool has_room(std::int64_t amount) const { return static_cast<double>(used + amount) <= exact_capacity(); }
};

}  // namespace pilvi::placement
