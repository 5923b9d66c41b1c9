// Public keys that users bring for their servers: lines of authorized_keys, PEM certificates.
#include <cstdint>
#include <cstdlib>

#include "base/text.h"
#include "compute/domain/keys.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    // MD5 and SHA-1 with a colon after each byte but the last. What is taken for a line is one.
    if (const auto print = pilvi::compute::ssh_fingerprint(text))
        if (print->size() != 47 || pilvi::trim(text).find_first_of("\r\n") != text.npos) std::abort();
    if (const auto print = pilvi::compute::x509_fingerprint(text); print && print->size() != 59) std::abort();
    return 0;
}
