// JWS tokens: the outer form, and the claims as if the key had matched.
#include <cstdint>
#include <string_view>

#include "identity/domain/jws.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pilvi::identity;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static const JwsKey keys[] = {JwsKey::generate()};
    if (jws_open(keys, text)) __builtin_trap();  // nobody has that key
    if (const auto claims = jws_claims(text))
        if (jws_open(keys, jws_seal(keys[0], claims->created_at, claims->payload), 1 << 20)->payload.user_id != claims->payload.user_id)
            __builtin_trap();
    JwsKey::parse(text);
    return 0;
}
