#pragma once
// Signatures of EC2 (versions 0, 1, 2, 4) and S3 (versions 1, 4) requests, as services hand them to /v3/ec2tokens and /v3/s3tokens: the service says
// what was signed, we know the secret. Source: the AWS signature documents, and python-keystoneclient's Ec2Signer, which services use.
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/time.h"

namespace pilvi::identity {

// `credentials`: {"params": {}, "headers": {}, "verb", "host", "path", "body_hash"}. nullopt where it is not a request that can be signed.
std::optional<std::string> ec2_signature(const json::object& credentials, std::string_view secret) noexcept;
// Whether "signature" is right; tried again without the port of "host", which some clients leave out.
bool ec2_signature_holds(const json::object& credentials, std::string_view secret);

// `credentials`: {"token": base64url of the string that was signed, "signature"}.
bool s3_signature_holds(const json::object& credentials, std::string_view secret);

// The time that the request names (params.Timestamp, headers or params X-Amz-Date): nullopt where it names none, 0 where that is no time.
std::optional<Micros> aws_timestamp(const json::object& credentials);

}  // namespace pilvi::identity
