#pragma once
// From the socket to a store, hashed on the way, in constant memory.
#include <cstdint>
#include <string>

#include "http/http.h"
#include "stores/store.h"

namespace pilvi::image {

struct Ingested {
    std::uint64_t size = 0;
    std::string md5, sha512;  // lower-case hexadecimal
};

// Appends `body` to its end to `upload`. Above `most` bytes: Error(too_large); what the body and the upload throw goes through.
Ingested ingest(http::BodyReader& body, Upload& upload, std::uint64_t most);

}  // namespace pilvi::image
