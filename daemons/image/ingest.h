#pragma once
// From the socket to the disk, hashed on the way, in constant memory.
#include <cstdint>
#include <string>

#include "http/http.h"

namespace pilvi::image {

struct Ingested {
    std::uint64_t size = 0;
    std::string md5, sha512;  // lower-case hexadecimal
};

// Reads `body` to its end into `fd` from offset 0. Above `most` bytes: Error(too_large). Full disk: Error(too_large); what the body throws goes through.
Ingested ingest(http::BodyReader& body, int fd, std::uint64_t most);

}  // namespace pilvi::image
