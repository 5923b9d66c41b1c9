#include "steps/console.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/text.h"

namespace pilvi::compute_agent {
namespace {

constexpr std::size_t most_bytes = 100 << 10;

// The last `limit` bytes; "" where there is no such file. The guest decides what is in it, the agent where it is.
std::string tail_of(const std::string& path, std::size_t limit) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
    const auto size = static_cast<std::size_t>(info.st_size);
    std::string out(std::min(size, limit), '\0');
    const ssize_t got = ::pread(fd.get(), out.data(), out.size(), static_cast<off_t>(size - out.size()));
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
}

// Every byte that is not part of valid UTF-8 becomes U+FFFD.
std::string valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        std::size_t size = 1;
        const auto first = static_cast<unsigned char>(text[0]);
        if (first >= 0xc2) size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
        const std::string_view piece = text.substr(0, size);
        const bool whole = first < 0x80 || (size > 1 && piece.size() == size && is_utf8(piece));
        out += whole ? piece : std::string_view("\xef\xbf\xbd");
        text.remove_prefix(whole ? size : 1);
    }
    return out;
}

http::Response answer(int status, const json::value& body) {
    http::Response response;
    response.status = status;
    response.headers.set("Content-Type", "application/json");
    response.body = to_text(body);
    return response;
}

http::Response refusal(int status, std::string_view message) {
    return answer(status, json::object{{"error", {{"code", status}, {"message", message}}}});
}

std::optional<std::int64_t> length_of(const std::string& query) {
    for (const std::string& pair : split(query, '&', false))
        if (pair.starts_with("length=")) return parse_integer(std::string_view(pair).substr(7));
    return -1;
}

}  // namespace

std::string console_tail(const std::string& path, std::int64_t length) {
    std::string log = tail_of(path, most_bytes);
    if (log.size() < most_bytes) log = tail_of(path + ".0", most_bytes - log.size()) + log;
    if (length == 0) return {};
    if (length > 0) {
        std::size_t at = log.size();
        for (std::int64_t lines = 0; at > 0; --at)
            if (log[at - 1] == '\n' && ++lines == length) break;
        log.erase(0, at);
    }
    return valid_utf8(log);
}

http::BodyPolicy AgentApi::body_policy(const http::RequestHead&) { return {.limit = 0}; }

http::Response AgentApi::refuse(int status, std::string_view reason) { return refusal(status, reason); }

http::Response AgentApi::handle(http::Request& request) {
    try {
        if (request.path == "/healthcheck" || request.path == "/metrics") {
            http::Response response;
            response.headers.set("Content-Type", request.path == "/metrics" ? "text/plain; version=0.0.4" : "text/plain");
            response.body = request.path == "/metrics" ? metrics_.text() : "OK";
            return response;
        }
        const std::vector<std::string> parts = split(std::string_view(request.path).substr(1), '/');
        if (parts.size() != 4 || parts[0] != "v1" || parts[1] != "servers" || parts[3] != "console") return refusal(404, "There is no such path");
        if (request.method != "GET") return refusal(405, "Only GET is offered here");
        if (const auto refused = refuse_caller(request)) return *refused;
        return console(request, parts[2]);
    } catch (const Error& error) {
        return refusal(http_status(error.code()), error.message());
    } catch (const std::exception&) {
        return refusal(500, "The request failed");
    }
}

std::optional<http::Response> AgentApi::refuse_caller(const http::Request& request) {
    if (request.identity && std::ranges::find(request.identity->roles, "controller") != request.identity->roles.end()) return std::nullopt;
    const auto context = authenticator_ ? authenticator_->authenticate(request.headers.get("X-Auth-Token")) : std::nullopt;
    if (!context) return refusal(401, "The request you have made requires authentication.");
    if (!context->has_role("service") && !context->is_admin) return refusal(403, "The role service is required");
    return std::nullopt;
}

http::Response AgentApi::console(const http::Request& request, const std::string& id) {
    const auto length = length_of(request.query);
    if (!length) return refusal(400, "length is not a number");
    const std::string path = id.size() == 36 && is_uuid_like(id) ? log_of_(lower(id)) : "";
    if (path.empty()) return refusal(404, "The server is not on this node");
    return answer(200, json::object{{"output", console_tail(path, *length)}});
}

}  // namespace pilvi::compute_agent
