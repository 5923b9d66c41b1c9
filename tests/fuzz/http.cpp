// The HTTP parser: any bytes, in one piece and in two, give the same message or the same refusal; what is accepted is unambiguous.
#include <cstdlib>
#include <optional>
#include <string>

#include "http/parser.h"

namespace {
using pilvi::http::ParseFailure;
using pilvi::http::Parser;

struct Outcome {
    int failure = 0;
    bool done = false;
    std::string method, target, body;
    std::size_t headers = 0;
    bool operator==(const Outcome&) const = default;
};

Outcome parse(std::string_view bytes, std::size_t cut) {
    Parser parser(Parser::Kind::request, 4096);
    Outcome out;
    std::string pending;
    try {
        for (const std::string_view piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
            pending += piece;
            for (std::size_t used = 1; used > 0 && !pending.empty() && !parser.done();) {
                const bool head = parser.head_done();
                used = parser.put(pending);
                pending.erase(0, used);
                if (!head && parser.head_done()) parser.collect(out.body, 65536);
            }
        }
        if (parser.head_done()) {
            out.method = parser.method;
            out.target = parser.target;
            out.headers = parser.headers.items().size();
            const bool chunked = parser.headers.has("Transfer-Encoding");
            if (chunked && parser.headers.has("Content-Length")) std::abort();
            if (parser.headers.count("Host") > 1) std::abort();
        }
        out.done = parser.done();
    } catch (const ParseFailure& failure) {
        return {.failure = failure.status};
    }
    return out;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (size == 0 || size > 8192) return 0;
    const Outcome whole = parse(bytes, size);
    const Outcome halves = parse(bytes, data[0] % size);
    // Cut in two, a head that is too large may be told before or after what else is wrong with it.
    if (whole != halves && whole.failure == 0 && halves.failure == 0) std::abort();
    return 0;
}
