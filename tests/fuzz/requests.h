#pragma once
// Whole requests against a service in this process: what the parsers of a service see comes through its routes, as from a client that has a token.
// An input is a request as HTTP writes it: "METHOD TARGET", header lines, an empty line, the body. "@name@" in it is a value of the service's own.
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/text.h"
#include "identity/identity.h"
#include "log/log.h"
#include "support/body_bytes.h"

namespace pilvi::fuzz {

// Callers: "admin", "member" with the roles member and reader, and "service", what agents act as.
class Callers final : public Authenticator {
public:
    std::optional<Context> authenticate(std::string_view token, bool) override {
        if (token != "admin" && token != "member" && token != "service") return std::nullopt;
        Context who;
        who.user_id = std::string(32, token == "admin" ? 'a' : token == "member" ? 'b' : 'e');
        who.user_name = std::string(token);
        who.project_id = std::string(32, token == "admin" ? 'c' : token == "member" ? 'd' : 'f');
        who.project_name = "project";
        who.user_domain_id = who.project_domain_id = "default";
        who.roles = {"member", "reader"};
        if (token == "admin") who.roles.insert(who.roles.end(), {"admin", "manager"});
        if (token == "service") who.roles.insert(who.roles.end(), {"admin", "service"});
        who.is_admin = token != "member";
        return who;
    }
};

// A service with its database; another one takes its place as soon as a request may have changed something, so that every input stands alone.
struct Subject {
    virtual ~Subject() = default;
    virtual http::Handler& service() = 0;
    virtual void settle() {}  // waits for what a request began
    // Whether the operation answers 500 whatever it is asked, as the original does.
    virtual bool fails(std::string_view path) const { return path.empty(); }
    std::map<std::string, std::string, std::less<>> names;
    http::Headers headers;  // where an input has none of that name
    bool tls = false;       // the requests come over TLS
};

[[noreturn]] inline void wrong(std::string_view what, const http::Request& request, const http::Response& response) {
    std::cerr << what << ": " << request.method << " " << request.target << "\n" << response.status << " " << response.body << "\n";
    std::abort();
}

// What holds for every answer.
inline void check(const http::Request& request, const http::Response& response) {
    if (response.status < 200 || response.status > 599 || response.status == 500 || response.status == 502) wrong("status", request, response);
    for (const auto& [name, value] : response.headers.items())
        for (const char c : value)
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) wrong("a control character in a header", request, response);
    if (!is_utf8(response.body)) wrong("no UTF-8", request, response);
    if (response.headers.get("Content-Type").starts_with("application/json") && !response.body.empty()) (void)parse_json(response.body);
}

// What stands before the first input is asked for. The answer's JSON.
inline json::value set_up(Subject& subject, std::string_view method, std::string_view target, std::string body,
                          std::string_view type = "application/json") {
    http::Request request{
        .method = std::string(method), .target = std::string(target), .path = std::string(target), .headers = subject.headers, .body = body};
    request.headers.set("Content-Type", type);
    testing::BodyBytes stream(body);
    request.stream = &stream;
    const http::Response response = subject.service().handle(request);
    if (response.status >= 300) wrong("setup", request, response);
    return response.body.empty() ? json::value() : parse_json(response.body);
}

// The header part and body of an input; false where no HTTP parser would let it pass.
inline bool read_request(std::string_view text, const Subject& subject, http::Request& request, std::string& body) {
    std::string filled;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text[at] == '@' ? text.find('@', at + 1) : text.npos;
        const auto name = end == text.npos ? subject.names.end() : subject.names.find(text.substr(at + 1, end - at - 1));
        if (name == subject.names.end()) {
            filled += text[at++];
        } else {
            filled += name->second;
            at = end + 1;
        }
    }
    const std::size_t blank = filled.find("\n\n");
    const std::vector<std::string> lines = split(std::string_view(filled).substr(0, blank), '\n');
    if (blank != filled.npos) body = filled.substr(blank + 2);
    const std::size_t space = lines.front().find(' ');
    if (space == std::string::npos || space == 0 || lines.size() > 60) return false;
    for (const std::string& line : lines)
        for (const char c : line)
            if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return false;
    request.method = lines.front().substr(0, space);
    for (const char c : request.method)
        if (c < 'A' || c > 'Z') return false;
    request.target = lines.front().substr(space + 1);
    if (!request.target.starts_with('/') || request.target.find(' ') != std::string::npos) return false;
    request.path = request.target.substr(0, request.target.find('?'));
    if (request.path.size() < request.target.size()) request.query = request.target.substr(request.path.size() + 1);
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const std::size_t colon = lines[i].find(':');
        if (colon == std::string::npos || colon == 0 || lines[i].substr(0, colon).find_first_of(" \t\"(),/;<=>?@[\\]{}") != std::string::npos)
            return false;
        request.headers.add(lines[i].substr(0, colon), trim(std::string_view(lines[i]).substr(colon + 1)));
    }
    for (const auto& [name, value] : subject.headers.items())
        if (!request.headers.has(name)) request.headers.add(name, value);
    request.headers.set("Content-Length", std::to_string(body.size()));
    request.peer = "127.0.0.1";
    request.tls = subject.tls;
    return true;
}

inline void ask(std::unique_ptr<Subject>& subject, const std::function<std::unique_ptr<Subject>()>& fresh, std::string_view text) {
    log::set_level(log::Level::error);
    if (!subject) subject = fresh();
    http::Request request;
    std::string body;
    if (!read_request(text, *subject, request, body)) return;
    http::Handler& service = subject->service();
    const http::BodyPolicy policy = service.body_policy({request.method, request.path, request.headers});
    if (body.size() > policy.limit) return;
    testing::BodyBytes stream(body);
    if (policy.stream) request.stream = &stream;
    else request.body = body;
    const http::Response response = service.handle(request);
    subject->settle();
    if (response.park) return;
    if (response.status != 500 || !subject->fails(request.path)) check(request, response);
    if (response.file) {
        const auto size = response.file->length;
        if (request.headers.has("Range") && response.status != 206) wrong("a range without 206", request, response);
        if (size == 0 && response.status == 206) wrong("an empty range", request, response);
    }
    if (request.method != "GET" && request.method != "HEAD" && response.status < 400) subject = nullptr;
}

}  // namespace pilvi::fuzz
