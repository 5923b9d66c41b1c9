// Signed requests: OAuth1 headers, EC2 and S3 credentials, TOTP secrets, and the paths of access rules.
#include <cstdint>
#include <string_view>

#include "common/identity/identity.h"
#include "identity/domain/aws_signature.h"
#include "identity/domain/oauth1.h"
#include "identity/domain/totp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pilvi;
    using namespace pilvi::identity;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto header = parse_oauth_header(text)) {
        oauth_defect(*header, 1'800'000'000'000'000);
        oauth_signature_holds({"POST", "http", text.substr(0, 20), "/v3", text}, *header, "consumer", "token");
    }
    totp_matches(text, text.substr(0, 6), 59'000'000);
    const std::size_t half = size / 2;
    if (size < 300 && !path_matches(text.substr(0, half), "**")) __builtin_trap();
    if (size < 300) path_matches(text.substr(0, half), text.substr(half));
    try {
        const json::value value = parse_json(text);
        if (const json::object* object = value.if_object()) {
            ec2_signature_holds(*object, "secret");
            s3_signature_holds(*object, "secret");
            aws_timestamp(*object);
        }
    } catch (const Error&) {
        // not JSON
    }
    return 0;
}
