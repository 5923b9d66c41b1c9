#pragma once
// Small text helpers that the standard library of GCC 12 lacks.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pilvi {

std::vector<std::string> split(std::string_view text, char separator, bool keep_empty = true);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text) noexcept;
std::string lower(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;
// The whole of `text` as a decimal number; nullopt otherwise or on overflow.
std::optional<std::int64_t> parse_integer(std::string_view text) noexcept;
// "true/1/yes/on/t/y" and "false/0/no/off/f/n", any case (oslo's bool_from_string, strict).
std::optional<bool> parse_boolean(std::string_view text) noexcept;
// Percent-decoding; '+' is a space where `plus` is set. nullopt on a broken escape or invalid UTF-8.
std::optional<std::string> percent_decode(std::string_view text, bool plus = false);
// Encodes everything except RFC 3986 unreserved characters.
std::string percent_encode(std::string_view text);
bool is_utf8(std::string_view text) noexcept;
// Number of code points of valid UTF-8.
std::size_t utf8_length(std::string_view text) noexcept;
// Equal in time that depends on the lengths only.
bool equals_constant_time(std::string_view a, std::string_view b) noexcept;
std::string base64_encode(std::string_view bytes);
std::string base64url_encode(std::string_view bytes);                // with padding
std::optional<std::string> base64_decode(std::string_view text);     // standard alphabet, whitespace ignored, padding required
std::optional<std::string> base64url_decode(std::string_view text);  // URL-safe alphabet, padding optional

}  // namespace pilvi
