#pragma once
// Numbers on the socket between the daemon and pilvi-image-inspect: unsigned, little-endian, of a known width.
#include <cstdint>
#include <string>

namespace pilvi::image::jail {

// `width` bytes, at most 8.
inline std::string encode_number(std::uint64_t value, std::size_t width) {
    std::string out;
    for (std::size_t i = 0; i < width; ++i) out += static_cast<char>(value >> 8 * i);
    return out;
}

// Of `width` bytes, at most 8, that `read(char* into, std::size_t size)` gives.
template <class Read>
std::uint64_t decode_number(std::size_t width, Read&& read) {
    unsigned char bytes[8] = {};
    read(reinterpret_cast<char*>(bytes), width);
    std::uint64_t value = 0;
    for (std::size_t i = width; i > 0; --i) value = value << 8 | bytes[i - 1];
    return value;
}

}  // namespace pilvi::image::jail
