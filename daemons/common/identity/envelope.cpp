// What went wrong, out of the error envelopes of all services.
#include <array>

#include "base/text.h"
#include "identity/identity.h"

namespace pilvi {
namespace {
struct Mapping {
    int status;
    Errc code;
};
constexpr std::array mappings{
    Mapping{400, Errc::bad_request},
    Mapping{401, Errc::unauthenticated},
    Mapping{403, Errc::forbidden},
    Mapping{404, Errc::not_found},
    Mapping{405, Errc::not_allowed},
    Mapping{406, Errc::not_acceptable},
    Mapping{409, Errc::conflict},
    Mapping{410, Errc::gone},
    Mapping{412, Errc::precondition_failed},
    Mapping{413, Errc::too_large},
    Mapping{415, Errc::unsupported_media},
    Mapping{422, Errc::bad_request},
    Mapping{429, Errc::unavailable},
    Mapping{501, Errc::unsupported},
    Mapping{503, Errc::unavailable},
    Mapping{504, Errc::timeout},
};

Errc code_of(int status) {
    for (const Mapping& m : mappings)
        if (m.status == status) return m.code;
    return status >= 400 && status < 500 ? Errc::bad_request : Errc::bad_gateway;
}

// HTML of webob: the text after the heading, without tags and entities.
std::string text_of_html(std::string_view html) {
    if (const std::size_t heading = html.find("</h1>"); heading != std::string_view::npos) html.remove_prefix(heading + 5);
    std::string out;
    bool tag = false;
    for (const char c : html) {
        if (c == '<') tag = true;
        if (!tag) out += c == '\n' ? ' ' : c;
        if (c == '>') tag = false;
    }
    constexpr std::pair<std::string_view, std::string_view> entities[] = {{"&lt;", "<"},   {"&gt;", ">"},  {"&quot;", "\""},
                                                                          {"&#x27;", "'"}, {"&#39;", "'"}, {"&amp;", "&"}};
    for (const auto& [entity, character] : entities)
        for (std::size_t at = 0; (at = out.find(entity, at)) != std::string::npos; at += character.size()) out.replace(at, entity.size(), character);
    return std::string(trim(out));
}

struct Found {
    std::string message, type;
};

Found in_object(const json::object& body) {
    // placement: {"errors": [{"detail", "title"}]}
    for (const json::value& entry : array_or_empty(body, "errors"))
        if (const json::object* error = entry.if_object()) return {string_or(*error, "detail", string_or(*error, "title")), {}};
    // keystone "error", nova and cinder "itemNotFound" and the like, neutron "NeutronError"
    for (const auto& member : body) {
        if (const json::object* error = member.value().if_object())
            if (error->contains("message")) return {string_or(*error, "message"), string_or(*error, "type")};
        if (member.key() == "message" || member.key() == "faultstring" || member.key() == "NeutronError")
            if (member.value().is_string()) return {str(member.value().get_string()), {}};
    }
    return {};
}

Found find_message(const http::Response& response) {
    const std::string_view body = trim(response.body);
    if (body.starts_with('{')) {
        try {
            const json::value value = parse_json(body);
            if (Found found = in_object(value.as_object()); !found.message.empty()) return found;
        } catch (const std::exception&) {
            // shown as it is
        }
    }
    if (body.starts_with('<')) return {text_of_html(body), {}};
    return {std::string(body), {}};
}
}  // namespace

Error error_of(const http::Response& response, std::string_view what) {
    Found found = find_message(response);
    if (found.message.empty())
        found.message = std::string(what) + " answered " + std::to_string(response.status) + " " + std::string(http::reason_phrase(response.status));
    if (found.message.size() > 2000) found.message.resize(2000);
    return {code_of(response.status), std::move(found.message), std::move(found.type)};
}

}  // namespace pilvi
