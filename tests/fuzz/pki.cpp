// What a node that joins sends: certificate requests and certificates, before anybody knows who it is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "pki/pki.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        (void)pilvi::pki::Key::from_pem(text);
    } catch (const pilvi::Error&) {
    }
    try {
        pilvi::pki::key_of_request(text).fingerprint();
    } catch (const pilvi::Error&) {
    }
    const std::vector<pilvi::pki::Certificate> all = pilvi::pki::Certificate::all(text);
    try {
        // Who trusts nothing finds no way to anything.
        if (!pilvi::pki::follow({}, all, all).empty()) std::abort();
        if (pilvi::pki::follow(all, all, all).size() > all.size()) std::abort();
    } catch (const pilvi::Error&) {
    }
    for (const pilvi::pki::Certificate& certificate : all) {
        try {
            certificate.name();
            certificate.id();
            certificate.roles();
            certificate.serial();
            certificate.not_before();
            certificate.not_after();
            certificate.signed_by(certificate);
            certificate.key().verify(text, text);
        } catch (const pilvi::Error&) {
        }
    }
    pilvi::pki::verify_chain(text, text, 1'700'000'000'000'000, true);
    return 0;
}
