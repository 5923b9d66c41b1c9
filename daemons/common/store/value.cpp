#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/text.h"
#include "store/store.h"

namespace pilvi {

std::int64_t Value::integer() const {
    if (const auto* i = std::get_if<std::int64_t>(&v_)) return *i;
    if (is_null()) return 0;
    if (const auto* d = std::get_if<double>(&v_)) {
        if (std::nearbyint(*d) == *d && std::abs(*d) < 9.2e18) return static_cast<std::int64_t>(*d);
        throw Error(Errc::internal, fmt::format("the stored value {} is not an integer", *d));
    }
    const auto parsed = parse_integer(std::get<std::string>(v_));
    if (!parsed) throw Error(Errc::internal, "a stored text is not an integer");
    return *parsed;
}

double Value::number() const {
    if (const auto* d = std::get_if<double>(&v_)) return *d;
    if (const auto* i = std::get_if<std::int64_t>(&v_)) return static_cast<double>(*i);
    if (is_null()) return 0;
    const std::string& text = std::get<std::string>(v_);
    char* end = nullptr;
    const double result = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0') throw Error(Errc::internal, "a stored text is not a number");
    return result;
}

std::string Value::text() const {
    if (const auto* s = std::get_if<std::string>(&v_)) return *s;
    if (const auto* i = std::get_if<std::int64_t>(&v_)) return fmt::to_string(*i);
    if (const auto* d = std::get_if<double>(&v_)) return fmt::format("{}", *d);
    return {};
}

const Value& Row::operator[](std::string_view column) const {
    for (std::size_t i = 0; i < columns_->size(); ++i)
        if ((*columns_)[i] == column) return values_[i];
    throw Error(Errc::internal, fmt::format("the query did not select the column {}", column));
}

bool Row::has(std::string_view column) const {
    for (const std::string& name : *columns_)
        if (name == column) return true;
    return false;
}

}  // namespace pilvi
