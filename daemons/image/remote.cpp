#include "remote.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "domain/properties.h"

namespace pilvi::image {
namespace {
constexpr std::size_t longest_answer = 8u << 20;  // bytes of a catalogue or an image's attributes

std::string without_slash(std::string url) {
    while (url.ends_with('/')) url.pop_back();
    return url;
}

[[noreturn]] void nonsense(const std::string& what) { throw Error(Errc::bad_gateway, what + " answered something that is not understood"); }

json::object object_of(const http::Response& response, const std::string& who) {
    try {
        json::value body = parse_json(response.body);
        if (body.is_object()) return std::move(body.as_object());
    } catch (const Error&) {
        nonsense(who);
    }
    nonsense(who);
}

void require_success(const http::Response& response, const RemoteImage& image) {
    if (response.status == 200) return;
    if (response.status == 404 || response.status == 401 || response.status == 403)
        throw Error(Errc::not_found,
                    "Image " + image.id + " of region " + image.region + " cannot be read: status " + std::to_string(response.status));
    throw Error(Errc::bad_gateway, "The image service of region " + image.region + " answered " + std::to_string(response.status));
}

// A format that the image may have; the other side's word is not taken for it.
std::string format_of(const json::object& body, std::string_view name) {
    const json::value* value = body.if_contains(name);
    if (!value || !value->is_string()) throw Error(Errc::bad_gateway, "The remote image has no " + std::string(name));
    validate(name, *value);
    return str(value->get_string());
}
}  // namespace

RemoteGlance::RemoteGlance(std::string identity_url, const std::string& ca_file, std::vector<std::string> copied)
    : identity_url_(without_slash(std::move(identity_url))),
      copied_(std::move(copied)),
      client_({.body_limit = longest_answer, .ca_file = ca_file}) {}

http::Response RemoteGlance::ask(const std::string& url, const RemoteImage& image) const {
    http::ClientRequest request{.url = url};
    request.headers.add("X-Auth-Token", image.token.reveal());
    request.headers.add("Accept", "application/json");
    return client_.send(request);
}

std::string RemoteGlance::endpoint(const RemoteImage& image) const {
    const http::Response response = ask(identity_url_ + "/auth/catalog", image);
    if (response.status != 200) throw Error(Errc::bad_gateway, "identity answered " + std::to_string(response.status) + " instead of a catalogue");
    const json::object body = object_of(response, "identity");
    for (const json::value& entry : array_or_empty(body, "catalog")) {
        const json::object* service = entry.if_object();
        if (!service || string_or(*service, "type") != "image") continue;
        for (const json::value& item : array_or_empty(*service, "endpoints")) {
            const json::object* found = item.if_object();
            if (!found || string_or(*found, "interface") != image.interface) continue;
            if (!equals_ignoring_case(string_or(*found, "region_id", string_or(*found, "region")), image.region)) continue;
            const std::string url = string_or(*found, "url");
            if (url.starts_with("http://") || url.starts_with("https://")) return without_slash(url);
        }
    }
    throw Error(Errc::not_found, image.interface + " glance endpoint not found for region " + image.region);
}

RemoteMetadata RemoteGlance::metadata(const std::string& endpoint, const RemoteImage& image) const {
    const http::Response response = ask(endpoint + "/v2/images/" + image.id, image);
    require_success(response, image);
    const json::object body = object_of(response, "the image service of region " + image.region);
    if (const std::string status = string_or(body, "status"); status != "active")
        throw Error(Errc::conflict, "Source image status should be active instead of " + status.substr(0, 100));
    const json::value* size = body.if_contains("size");
    if (!size || !size->is_int64() || size->get_int64() < 0)
        throw Error(Errc::bad_gateway, "Size attribute of remote image " + image.id + " could not be determined.");
    RemoteMetadata out{.size = static_cast<std::uint64_t>(size->get_int64()),
                       .disk_format = format_of(body, "disk_format"),
                       .container_format = format_of(body, "container_format"),
                       .properties = {}};
    for (const auto& member : body) {
        const std::string name(member.key());
        const auto begins = [&name](const std::string& prefix) { return name.starts_with(prefix); };
        if (find_property(name) || name.starts_with("os_glance") || std::none_of(copied_.begin(), copied_.end(), begins)) continue;
        refuse_reserved(name);
        validate(name, member.value());
        out.properties[name] = str(member.value().get_string());
    }
    return out;
}

void RemoteGlance::data(const std::string& endpoint, const RemoteImage& image, const Sink& sink, int cancel_fd) const {
    http::ClientRequest request{.url = endpoint + "/v2/images/" + image.id + "/file", .sink = sink, .cancel_fd = cancel_fd};
    request.headers.add("X-Auth-Token", image.token.reveal());
    request.headers.add("Accept-Encoding", "identity");
    require_success(client_.send(request), image);
}

}  // namespace pilvi::image
