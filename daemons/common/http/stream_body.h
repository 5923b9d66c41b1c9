#pragma once
// Private to http/: the body of a streaming request, read from the socket by the thread that works on the request.
#include "http/connection.h"

namespace pilvi::http {

class StreamBody final : public BodyReader {
public:
    explicit StreamBody(Connection& connection);
    std::size_t read(char* into, std::size_t size) override;
    // Reads what is left where that is little; true where the whole body was taken.
    bool finish();

private:
    std::size_t read_plain(char* into, std::size_t size);
    std::size_t read_chunked(char* into, std::size_t size);
    std::size_t receive(char* into, std::size_t size);
    bool done() const;
    Connection& connection_;
    Pace pace_;
    bool failed_ = false;
    std::uint64_t left_ = 0;  // of a body of known length
    std::uint64_t total_ = 0;
};

}  // namespace pilvi::http
