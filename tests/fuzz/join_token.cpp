// Join tokens, as somebody copied them to a node.
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "base/text.h"
#include "node/membership.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const pilvi::cli::JoinToken token = pilvi::cli::parse_token(text);
        if (token.authority.size() != 64 || token.secret.size() != 64) std::abort();
        if ("pilvi1." + token.authority + "." + token.secret != pilvi::trim(text)) std::abort();
    } catch (const pilvi::Error&) {
    }
    return 0;
}
