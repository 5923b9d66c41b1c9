#include "http/message.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "base/text.h"

namespace pilvi::http {
namespace {
struct Phrase {
    int status;
    std::string_view text;
};
constexpr std::array phrases{
    Phrase{100, "Continue"},
    Phrase{200, "OK"},
    Phrase{201, "Created"},
    Phrase{202, "Accepted"},
    Phrase{203, "Non-Authoritative Information"},
    Phrase{204, "No Content"},
    Phrase{205, "Reset Content"},
    Phrase{206, "Partial Content"},
    Phrase{300, "Multiple Choices"},
    Phrase{301, "Moved Permanently"},
    Phrase{302, "Found"},
    Phrase{303, "See Other"},
    Phrase{304, "Not Modified"},
    Phrase{307, "Temporary Redirect"},
    Phrase{308, "Permanent Redirect"},
    Phrase{400, "Bad Request"},
    Phrase{401, "Unauthorized"},
    Phrase{402, "Payment Required"},
    Phrase{403, "Forbidden"},
    Phrase{404, "Not Found"},
    Phrase{405, "Method Not Allowed"},
    Phrase{406, "Not Acceptable"},
    Phrase{408, "Request Timeout"},
    Phrase{409, "Conflict"},
    Phrase{410, "Gone"},
    Phrase{411, "Length Required"},
    Phrase{412, "Precondition Failed"},
    Phrase{413, "Request Entity Too Large"},
    Phrase{414, "Request URI Too Long"},
    Phrase{415, "Unsupported Media Type"},
    Phrase{416, "Requested Range Not Satisfiable"},
    Phrase{417, "Expectation Failed"},
    Phrase{422, "Unprocessable Entity"},
    Phrase{425, "Too Early"},
    Phrase{428, "Precondition Required"},
    Phrase{429, "Too Many Requests"},
    Phrase{431, "Request Header Fields Too Large"},
    Phrase{500, "Internal Server Error"},
    Phrase{501, "Not Implemented"},
    Phrase{502, "Bad Gateway"},
    Phrase{503, "Service Unavailable"},
    Phrase{504, "Gateway Timeout"},
    Phrase{505, "HTTP Version Not Supported"},
    Phrase{507, "Insufficient Storage"},
};

// A value from a handler cannot end its line.
void append_clean(std::string& out, std::string_view text) {
    for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 && c != '\t' ? ' ' : c;
}

std::string_view date_now() {
    thread_local std::time_t last = 0;
    thread_local char text[40];
    thread_local std::size_t size = 0;
    const std::time_t now = std::time(nullptr);
    if (now != last) {
        std::tm parts{};
        gmtime_r(&now, &parts);
        size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        last = now;
    }
    return {text, size};
}
}  // namespace

std::string_view reason_phrase(int status) {
    for (const Phrase& p : phrases)
        if (p.status == status) return p.text;
    return "Unknown";
}

void Headers::set(std::string_view name, std::string_view value) {
    remove(name);
    add(name, value);
}

std::string_view Headers::get(std::string_view name) const {
    for (const auto& [key, value] : items_)
        if (equals_ignoring_case(key, name)) return value;
    return {};
}

bool Headers::has(std::string_view name) const { return count(name) > 0; }

std::size_t Headers::count(std::string_view name) const {
    std::size_t n = 0;
    for (const auto& item : items_)
        if (equals_ignoring_case(item.first, name)) ++n;
    return n;
}

void Headers::remove(std::string_view name) {
    std::erase_if(items_, [name](const auto& item) { return equals_ignoring_case(item.first, name); });
}

bool body_forbidden(int status) { return status < 200 || status == 204 || status == 304; }

std::string response_head(const Response& response, std::uint64_t length, bool keep_alive) {
    std::string out;
    out.reserve(512);
    out += "HTTP/1.1 ";
    out += std::to_string(response.status);
    out += ' ';
    out += reason_phrase(response.status);
    out += "\r\n";
    for (const auto& [name, value] : response.headers.items()) {
        if (equals_ignoring_case(name, "Content-Length") || equals_ignoring_case(name, "Connection") || equals_ignoring_case(name, "Date") ||
            equals_ignoring_case(name, "Transfer-Encoding"))
            continue;
        append_clean(out, name);
        out += ": ";
        append_clean(out, value);
        out += "\r\n";
    }
    if (!body_forbidden(response.status)) {
        out += "Content-Length: ";
        out += std::to_string(length);
        out += "\r\n";
    }
    out += "Date: ";
    out += date_now();
    out += keep_alive ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n";
    return out;
}

}  // namespace pilvi::http
