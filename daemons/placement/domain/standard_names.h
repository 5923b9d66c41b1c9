#pragma once
// The names that every cloud knows: resource classes in the order of their ids (os-resource-classes 1.1.0) and traits (os-traits 2.9.0).
#include <span>
#include <string_view>

namespace pilvi::placement {

std::span<const std::string_view> standard_resource_classes();
std::span<const std::string_view> standard_traits();

inline constexpr std::string_view custom_prefix = "CUSTOM_";
inline constexpr std::string_view sharing_trait = "MISC_SHARES_VIA_AGGREGATE";

}  // namespace pilvi::placement
