#include "api/service.h"
#include "api/versions.h"
#include "base/text.h"

namespace pilvi::api {
namespace {

std::string camel(std::string_view words) {
    std::string out;
    bool upper = true;
    for (const char c : words) {
        if (c == ' ' || c == '_') {
            upper = true;
            continue;
        }
        out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
        upper = false;
    }
    return out;
}

std::string html_escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#x27;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

// Nova's names of faults: nova.api.openstack.wsgi.Fault.
std::string_view fault_name(int status) {
    switch (status) {
        case 400:
            return "badRequest";
        case 401:
            return "unauthorized";
        case 403:
            return "forbidden";
        case 404:
            return "itemNotFound";
        case 405:
            return "badMethod";
        case 409:
            return "conflictingRequest";
        case 413:
            return "overLimit";
        case 415:
            return "badMediaType";
        case 429:
            return "overLimit";
        case 501:
            return "notImplemented";
        case 503:
            return "serviceUnavailable";
        default:
            return "computeFault";
    }
}

int status_of(Dialect dialect, Errc code) {
    if (code == Errc::over_quota) return dialect == Dialect::network ? 409 : dialect == Dialect::image ? 413 : 403;
    return http_status(code);
}

std::string network_type(const Error& error) {
    if (!error.type().empty()) return error.type();
    switch (error.code()) {
        case Errc::not_found:
            return "HTTPNotFound";
        case Errc::bad_request:
            return "HTTPBadRequest";
        case Errc::forbidden:
            return "PolicyNotAuthorized";
        case Errc::over_quota:
            return "OverQuota";
        case Errc::conflict:
            return "Conflict";
        case Errc::precondition_failed:
            return "RevisionNumberConstraintFailed";
        case Errc::unavailable:
            return "ServiceUnavailable";
        default:
            return "HTTPInternalServerError";
    }
}

}  // namespace

Error not_found(Dialect dialect, const Resource& resource, std::string_view id) {
    const std::string title(resource.title.empty() ? resource.name : resource.title);
    const std::string key(id);
    if (!resource.missing.empty()) {
        const std::size_t at = resource.missing.find("{}");
        std::string text(resource.missing.substr(0, at));
        if (at != std::string_view::npos) text += key + std::string(resource.missing.substr(at + 2));
        return {Errc::not_found, std::move(text), dialect == Dialect::network ? camel(title) + "NotFound" : ""};
    }
    switch (dialect) {
        case Dialect::identity:
            return {Errc::not_found, "Could not find " + std::string(resource.name) + ": " + key + "."};
        case Dialect::image:
            return {Errc::not_found, "No " + std::string(resource.name) + " found with ID " + key};
        case Dialect::placement:
            return {Errc::not_found, "No " + title + " with uuid " + key + " found"};
        case Dialect::compute:
        case Dialect::network:
            return {Errc::not_found, title + " " + key + " could not be found.", camel(title) + "NotFound"};
    }
    return {Errc::not_found, key};
}

namespace {

// The text that stands before the message: of WebOb's exceptions, which the original answers with.
std::string_view explanation(int status) {
    switch (status) {
        case 400:
            return "The server could not comply with the request since it is either malformed or otherwise incorrect.";
        case 403:
            return "Access was denied to this resource.";
        case 404:
            return "The resource could not be found.";
        case 405:
            return "";
        case 406:
            return "The resource could not be generated that was acceptable to your browser. ";
        case 409:
            return "There was a conflict when trying to complete your request.";
        case 415:
            return "The request media type is not supported by this server.";
        default:
            return "";
    }
}

json::object placement_body(const ServiceStyle& style, const Error& error, int status, std::string_view request_id, Version version) {
    const std::string_view before = explanation(status);
    const std::string detail = before.empty()              ? error.message()
                               : before == error.message() ? std::string(before) + "\n\n   "
                                                           : std::string(before) + "\n\n " + error.message() + "  ";
    json::object entry{{"status", status}, {"title", http::reason_phrase(status)}, {"detail", detail}};
    if (version >= Version{1, 23}) entry["code"] = error.type().empty() ? "placement.undefined_code" : error.type();
    if (!request_id.empty()) entry["request_id"] = request_id;
    if (status == 406 && !version) {
        entry["max_version"] = version_text(style.version_most);
        entry["min_version"] = version_text(style.version_least);
    }
    return {{"errors", json::array{std::move(entry)}}};
}

// What a message repeats of a header may be no UTF-8, and a text may be cut within a character.
std::string as_utf8(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::string_view character = text.substr(i, lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
        if (is_utf8(character)) {
            out += character;
            i += character.size();
        } else {
            out += '?';
            ++i;
        }
    }
    return out;
}

}  // namespace

http::Response error_response(const ServiceStyle& style, const Error& error, std::string_view request_id, Version version) {
    if (!is_utf8(error.message())) return error_response(style, Error(error.code(), as_utf8(error.message()), error.type()), request_id, version);
    http::Response response;
    const int status = status_of(style.dialect, error.code());
    response.status = status;
    const std::string reason(http::reason_phrase(status));
    json::object body;
    switch (style.dialect) {
        case Dialect::compute:
            body = {{fault_name(status), {{"code", status}, {"message", error.message()}}}};
            break;
        case Dialect::network:
            body = {{"NeutronError", {{"type", network_type(error)}, {"message", error.message()}, {"detail", ""}}}};
            break;
        case Dialect::placement:
            body = placement_body(style, error, status, request_id, version);
            break;
        case Dialect::identity:
            body = {{"error", {{"code", status}, {"message", error.message()}, {"title", reason}}}};
            break;
        case Dialect::image:
            break;
    }
    if (status == 401) {
        // The middleware in front of the original services answers this one, the same everywhere but for image's markup.
        if (style.dialect != Dialect::identity && style.dialect != Dialect::image)
            body = {{"error", {{"code", 401}, {"title", "Unauthorized"}, {"message", "The request you have made requires authentication."}}}};
        response.headers.set("WWW-Authenticate", "Keystone uri=\"/v3\"");
    }
    if (body.empty()) {
        const std::string title = std::to_string(status) + " " + reason;
        response.headers.set("Content-Type", "text/html; charset=UTF-8");
        response.body = "<html>\n <head>\n  <title>" + title + "</title>\n </head>\n <body>\n  <h1>" + title + "</h1>\n  " +
                        html_escape(error.message()) + "<br /><br />\n\n\n\n </body>\n</html>";
    } else {
        response.headers.set("Content-Type", "application/json");
        response.body = to_text(body);
    }
    if (status == 503) response.headers.set("Retry-After", "1");
    return response;
}

}  // namespace pilvi::api
