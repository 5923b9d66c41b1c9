#pragma once
// Numbers and signatures in a piece of a file.
#include <cstdint>
#include <string>
#include <string_view>

namespace pilvi::image {

// A piece of the file; reads beyond it are zero, which no signature is.
class View {
public:
    explicit View(std::string bytes) : bytes_(std::move(bytes)) {}
    bool starts_with(std::string_view text, std::size_t at = 0) const {
        return at <= bytes_.size() && std::string_view(bytes_).substr(at).starts_with(text);
    }
    std::size_t size() const { return bytes_.size(); }
    const std::string& bytes() const { return bytes_; }
    std::uint64_t big(std::size_t at, std::size_t width) const {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < width; ++i) value = value << 8 | byte(at + i);
        return value;
    }
    std::uint64_t little(std::size_t at, std::size_t width) const {
        std::uint64_t value = 0;
        for (std::size_t i = width; i > 0; --i) value = value << 8 | byte(at + i - 1);
        return value;
    }

private:
    unsigned char byte(std::size_t at) const { return at < bytes_.size() ? static_cast<unsigned char>(bytes_[at]) : 0; }
    std::string bytes_;
};

}  // namespace pilvi::image
