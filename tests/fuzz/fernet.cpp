// Tokens: the outer form with a fixed key, and the payload behind it as if the key had matched.
#include <cstdint>
#include <string_view>

#include "identity/domain/fernet.h"
#include "identity/domain/payload.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pilvi::identity;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static const FernetKey keys[] = {*parse_fernet_key("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="), FernetKey{}};
    if (const auto opened = fernet_open(keys, text)) unpack_payload(opened->text);
    if (const auto payload = unpack_payload(text))
        if (unpack_payload(pack_payload(*payload))->user_id != payload->user_id) __builtin_trap();
    if (const auto receipt = unpack_receipt(text))
        if (unpack_receipt(pack_receipt(*receipt))->user_id != receipt->user_id) __builtin_trap();
    parse_fernet_key(text);
    return 0;
}
