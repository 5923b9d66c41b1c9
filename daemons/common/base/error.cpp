#include "base/error.h"

#include <array>
#include <utility>

namespace pilvi {
namespace {
struct Entry {
    Errc code;
    std::string_view name;
    int status;
};
constexpr std::array entries{
    Entry{Errc::bad_request, "bad_request", 400},
    Entry{Errc::unauthenticated, "unauthenticated", 401},
    Entry{Errc::forbidden, "forbidden", 403},
    Entry{Errc::not_found, "not_found", 404},
    Entry{Errc::not_allowed, "not_allowed", 405},
    Entry{Errc::not_acceptable, "not_acceptable", 406},
    Entry{Errc::conflict, "conflict", 409},
    Entry{Errc::gone, "gone", 410},
    Entry{Errc::precondition_failed, "precondition_failed", 412},
    Entry{Errc::range_not_satisfiable, "range_not_satisfiable", 416},
    Entry{Errc::too_large, "too_large", 413},
    Entry{Errc::unsupported_media, "unsupported_media", 415},
    Entry{Errc::over_quota, "over_quota", 403},
    Entry{Errc::unsupported, "unsupported", 501},
    Entry{Errc::bad_gateway, "bad_gateway", 502},
    Entry{Errc::unavailable, "unavailable", 503},
    Entry{Errc::timeout, "timeout", 504},
    Entry{Errc::internal, "internal", 500},
};
const Entry& entry(Errc code) {
    for (const Entry& e : entries)
        if (e.code == code) return e;
    return entries.back();
}
}  // namespace

std::string_view to_string(Errc code) { return entry(code).name; }
int http_status(Errc code) { return entry(code).status; }

}  // namespace pilvi
