#pragma once
// From the socket to a store, hashed on the way, in constant memory.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/http.h"
#include "stores/store.h"

namespace pilvi::image {

struct Ingested {
    std::uint64_t size = 0;
    std::string md5, sha512;  // lower-case hexadecimal
};

// Takes the bytes in pieces. Both throw Error(too_large) above `most` bytes, and what the upload throws.
class Ingest {
public:
    Ingest(Upload& upload, std::uint64_t most);
    ~Ingest();
    void add(std::string_view bytes);
    // Everything is in the upload and hashed. At most once.
    Ingested finish();

private:
    friend Ingested ingest(http::BodyReader& body, Upload& upload, std::uint64_t most);
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Appends `body` to its end to `upload`. Throws as Ingest does, and what the body throws.
Ingested ingest(http::BodyReader& body, Upload& upload, std::uint64_t most);

}  // namespace pilvi::image
