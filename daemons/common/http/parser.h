#pragma once
// Private to http/: an HTTP/1.1 message parser (Beast's) that does no I/O. Bytes are put in as they come.
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/http.h"

namespace pilvi::http {

// What the peer sent is not acceptable; `status` is the answer to a request (400, 413, 431, 501).
struct ParseFailure : std::exception {
    ParseFailure(int s, std::string r) : status(s), reason(std::move(r)) {}
    const char* what() const noexcept override { return reason.c_str(); }
    int status;
    std::string reason;
};

class Parser {
public:
    enum class Kind { request, response };
    Parser(Kind kind, std::size_t header_limit);
    ~Parser();
    void reset();  // for the next message of the connection
    // A response to HEAD has no body whatever its headers say. Before the first put().
    void no_body();
    // Returns the number of bytes used; the others are to be put in again with what follows them. Stops after the head, and where the
    // window is full. Throws ParseFailure. Not to be called once done().
    std::size_t put(std::string_view bytes);
    void put_eof();  // the peer closed: ends a body of unknown length, throws ParseFailure where the message is not whole
    bool started() const;
    bool head_done() const;
    bool done() const;

    // After the head.
    bool keep_alive() const;
    bool chunked() const;
    bool http11() const;
    std::optional<std::uint64_t> content_length() const;
    // The body goes into `into`; more than `limit` bytes: ParseFailure 413.
    void collect(std::string& into, std::uint64_t limit);
    // The next bytes of the body go to `into`, at most `size`; window_used() tells how many did.
    void window(char* into, std::size_t size);
    std::size_t window_used() const;

    std::string method, target;  // request
    int status = 0;              // response
    Headers headers;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pilvi::http
