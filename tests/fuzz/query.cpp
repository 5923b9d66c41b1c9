// Query strings and percent-encoding: decoded text is valid UTF-8, or the string is refused.
#include <cstdint>
#include <cstdlib>

#include "api/call.h"
#include "base/error.h"
#include "base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const auto query = pilvi::api::Query::parse(text);
        for (const auto& [name, value] : query.items()) {
            if (!pilvi::is_utf8(name) || !pilvi::is_utf8(value)) std::abort();
            if (pilvi::percent_decode(pilvi::percent_encode(value)) != value) std::abort();
        }
    } catch (const pilvi::Error&) {
    }
    return 0;
}
