// What other services answer, whoever made them: error envelopes of every style, tokens with their access rules. A line with the status, then the body.
#include <cstdint>
#include <cstdlib>

#include "base/text.h"
#include "identity/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pilvi;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t line = text.find('\n');
    if (line == text.npos) return 0;
    const int status = static_cast<int>(parse_integer(text.substr(0, line)).value_or(500) % 1000);
    const std::string body(text.substr(line + 1));
    const Error error = error_of({.status = status, .body = body}, "the service");
    if (error.message().empty() || error.message().size() > 2000) std::abort();
    try {
        const json::value value = parse_json(body);
        if (!value.is_object()) return 0;
        const Context who = context_from_token(value.get_object());
        if (who.user_id.empty() || who.is_admin != who.has_role("admin")) std::abort();
        if (who.access_rules && who.access_rules->empty() && allows(*who.access_rules, "identity", "GET", "/")) std::abort();
    } catch (const Error&) {
    }
    return 0;
}
