#pragma once
// A value that cannot be formatted, logged or turned into JSON by accident.
#include <string>
#include <utility>

namespace pilvi {

class Secret {
public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}
    // The only way to the value: every use is visible in a search.
    const std::string& reveal() const noexcept { return value_; }
    bool empty() const noexcept { return value_.empty(); }

private:
    std::string value_;
};

}  // namespace pilvi
