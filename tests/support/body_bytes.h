#pragma once
// A request's body from memory.
#include <algorithm>
#include <string_view>

#include "http/http.h"

namespace pilvi::testing {

// Streams `bytes`, which must stay as long as this does.
class BodyBytes final : public http::BodyReader {
public:
    explicit BodyBytes(std::string_view bytes) : left_(bytes) {}
    std::size_t read(char* into, std::size_t size) override {
        size = std::min(size, left_.size());
        left_.copy(into, size);
        left_.remove_prefix(size);
        return size;
    }

private:
    std::string_view left_;
};

}  // namespace pilvi::testing
