#pragma once
// The one error taxonomy. Thrown as `Error`, caught in three places only: the request pipeline (api/), a reconcile step (sync/), main.
#include <exception>
#include <string>
#include <string_view>

namespace pilvi {

enum class Errc {
    bad_request,            // 400
    unauthenticated,        // 401
    forbidden,              // 403
    not_found,              // 404
    not_allowed,            // 405 the path exists, the method does not
    not_acceptable,         // 406 e.g. a microversion out of range
    conflict,               // 409
    precondition_failed,    // 412
    gone,                   // 410
    too_large,              // 413
    unsupported_media,      // 415
    range_not_satisfiable,  // 416
    over_quota,             // 403 or 409 or 413 as the service's style says
    unsupported,            // 501
    bad_gateway,            // 502 a service that we depend on answered nonsense
    unavailable,            // 503
    timeout,                // 504
    internal,               // 500
};

// The name as written above ("bad_request").
std::string_view to_string(Errc code);
// The HTTP status of `code` where no service style says otherwise (over_quota: 403).
int http_status(Errc code);

class Error : public std::exception {
public:
    // `message` goes to the user as it is: say what and why, no secrets.
    // `type` is the service's own name of the error where its envelope shows one (neutron "NetworkNotFound"), else "".
    Error(Errc code, std::string message, std::string type = {}) : code_(code), message_(std::move(message)), type_(std::move(type)) {}
    Errc code() const noexcept { return code_; }
    const std::string& message() const noexcept { return message_; }
    const std::string& type() const noexcept { return type_; }
    const char* what() const noexcept override { return message_.c_str(); }

private:
    Errc code_;
    std::string message_;
    std::string type_;
};

}  // namespace pilvi
