// The policy language: any text is parsed or refused, and what is parsed can be evaluated.
#include <cstdint>

#include "api/policy.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    pilvi::Context who;
    who.user_id = "u";
    who.project_id = "p";
    who.roles = {"member"};
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    pilvi::api::Policy policy;
    try {
        policy.add("self", text);
    } catch (const pilvi::Error&) {
        return 0;
    }
    (void)policy.allows("self", who, {{"project_id", "p"}, {"target", {{"user", {{"id", "u"}}}}}});
    return 0;
}
