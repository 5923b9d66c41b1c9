#pragma once
// The agent's own small API (README.md): console output.
#include <functional>
#include <string>

#include "http/http.h"
#include "identity/identity.h"
#include "metrics/metrics.h"

namespace pilvi::compute_agent {

// The last `length` lines of the log (all that is kept where negative), at most 100 KiB, as valid UTF-8; "" where there is no log.
// `path`.0 is the part that was rotated away.
std::string console_tail(const std::string& path, std::int64_t length);

class AgentApi final : public http::Handler {
public:
    // `log_of` gives the path of a server's log, "" where the server is not on this node.
    // `authenticator` nullptr: only a controller's certificate is proof, no token.
    AgentApi(Authenticator* authenticator, metrics::Registry& metrics, std::function<std::string(const std::string& id)> log_of)
        : authenticator_(authenticator), metrics_(metrics), log_of_(std::move(log_of)) {}
    http::BodyPolicy body_policy(const http::RequestHead& head) override;
    http::Response handle(http::Request& request) override;
    http::Response refuse(int status, std::string_view reason) override;

private:
    http::Response console(const http::Request& request, const std::string& id);
    std::optional<http::Response> refuse_caller(const http::Request& request);
    Authenticator* authenticator_;
    metrics::Registry& metrics_;
    const std::function<std::string(const std::string&)> log_of_;
};

}  // namespace pilvi::compute_agent
