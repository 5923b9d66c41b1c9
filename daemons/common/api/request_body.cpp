#include "api/request_body.h"

#include "api/validate.h"
#include "base/text.h"

namespace pilvi::api {
namespace {

[[noreturn]] void malformed(const ServiceStyle& style) {
    switch (style.dialect) {
        case Dialect::compute:
            throw Error(Errc::bad_request, "Malformed request body");
        case Dialect::network:
            throw Error(Errc::bad_request, "Unable to find the request body, or it is not a JSON object", "HTTPBadRequest");
        case Dialect::identity:
            throw Error(Errc::bad_request, "Expecting to find valid JSON in request body.");
        case Dialect::placement:
            throw Error(Errc::bad_request, "Malformed JSON: the request body is missing or not an object");
        case Dialect::image:
            throw Error(Errc::bad_request, "Malformed JSON in request body.");
    }
    throw Error(Errc::bad_request, "Malformed request body");
}

void check_update(const Call& call, const Resource& resource, const json::object& sent) {
    if (sent.empty()) throw Error(Errc::bad_request, "{} does not have enough properties");
    const json::value* id = sent.if_contains(resource.fields.front().name);
    if (id && !id->is_null() && (!id->is_string() || str(id->get_string()) != call.arg("id")))
        throw Error(Errc::bad_request, "Cannot change " + std::string(resource.name) + " ID");
}

json::object check_resource_body(const ServiceStyle& style, const Endpoint& endpoint, Call& call) {
    const Resource& resource = *endpoint.resource;
    if (!call.raw.is_object()) malformed(style);
    const json::object& top = call.raw.get_object();
    const Purpose purpose = endpoint.operation->verb == Verb::create ? Purpose::create : Purpose::update;
    const Unknown unknown = resource.strict                                                   ? Unknown::refuse
                            : resource.extra_column.empty() && style.unknown == Unknown::keep ? Unknown::ignore
                                                                                              : style.unknown;
    if (resource.bulk && purpose == Purpose::create) {
        if (const json::value* items = top.if_contains(resource.plural)) {
            if (!items->is_array() || items->get_array().empty()) throw Error(Errc::bad_request, "Resource body required", "HTTPBadRequest");
            if (items->get_array().size() > 200) throw Error(Errc::bad_request, "More than 200 objects in one request", "HTTPBadRequest");
            json::array valid;
            for (const json::value& item : items->get_array())
                valid.push_back(validate(style, resource.fields, item, Purpose::create, unknown, call.version));
            return {{resource.plural, std::move(valid)}};
        }
    }
    const json::value* body = &call.raw;
    if (style.wrapped) {
        body = wrapped_in(style, top, resource.name);
        if (!body || !body->is_object()) {
            if (style.dialect == Dialect::network)
                throw Error(Errc::bad_request, "Unable to find '" + std::string(resource.name) + "' in request body", "HTTPBadRequest");
            throw Error(Errc::bad_request, "'" + std::string(resource.name) + "' is a required property");
        }
        if (style.unknown == Unknown::refuse && top.size() > 1 && style.dialect == Dialect::compute)
            throw Error(Errc::bad_request, "Additional properties are not allowed in the request body");
    }
    json::object valid = validate(style, resource.fields, *body, purpose, unknown, call.version);
    if (purpose == Purpose::update && resource.checks_update) check_update(call, resource, body->get_object());
    return valid;
}

}  // namespace

bool wants_json(const Endpoint& endpoint) {
    const Route& r = endpoint.route;
    return r.json_body || r.any_body || !r.wrapper.empty() || !r.body.empty() || !r.actions.empty();
}

void check_content_type(const ServiceStyle& style, const http::Headers& headers, bool empty_body) {
    std::string_view type = headers.get("Content-Type");
    type = trim(type.substr(0, type.find(';')));
    if (style.dialect == Dialect::placement && !equals_ignoring_case(type, "application/json")) {
        if (type.empty() && !empty_body) throw Error(Errc::bad_request, "content-type header required when content-length > 0");
        throw Error(Errc::unsupported_media,
                    "The media type " + std::string(type.empty() ? "None" : type.substr(0, 100)) + " is not supported, use application/json");
    }
    if (type.empty() || equals_ignoring_case(type, "application/json") || lower(type).ends_with("json") || lower(type).ends_with("json-patch"))
        return;
    if (style.dialect == Dialect::identity) throw Error(Errc::bad_request, "Expecting to find application/json in Content-Type header.");
    throw Error(Errc::unsupported_media, "Unsupported Content-Type " + std::string(type.substr(0, 100)));
}

const json::value* wrapped_in(const ServiceStyle& style, const json::object& body, std::string_view name) {
    static const json::value empty = json::object();
    const json::value* found = body.if_contains(name);
    return found || style.dialect != Dialect::identity ? found : &empty;
}

void read_body(const ServiceStyle& style, const Endpoint& endpoint, Call& call) {
    if (!wants_json(endpoint)) return;
    check_content_type(style, call.request.headers, call.request.body.empty());
    if (call.request.body.empty()) {
        if (style.dialect != Dialect::identity) malformed(style);
        call.raw = json::object();  // no body says nothing, as an empty one
        return;
    }
    try {
        call.raw = parse_json(call.request.body);
    } catch (const Error&) {
        malformed(style);
    }
    if (style.dialect == Dialect::identity && !call.raw.is_object()) malformed(style);
}

void check_body(const ServiceStyle& style, const Endpoint& endpoint, Call& call, Unknown unknown, const Action*& action) {
    const Route& route = endpoint.route;
    if (!wants_json(endpoint)) return;
    if (endpoint.resource) {
        call.body = check_resource_body(style, endpoint, call);
        return;
    }
    if (route.any_body) {
        if (call.raw.is_object()) call.body = call.raw.get_object();
        return;
    }
    if (!call.raw.is_object()) malformed(style);
    const json::object& top = call.raw.get_object();
    if (!route.actions.empty()) {
        if (top.size() != 1) throw Error(Errc::bad_request, "Malformed request body: exactly one action is expected");
        const auto& member = *top.begin();
        for (const Action& a : route.actions)
            if (a.key == std::string_view(member.key()) &&
                (!call.version || ((!a.since || call.version >= a.since) && (!a.until || call.version <= a.until))))
                action = &a;
        if (!action) throw Error(Errc::bad_request, "There is no such action: " + std::string(member.key()).substr(0, 100));
        if (!action->any_value && !member.value().is_object() && !(member.value().is_null() && action->fields.empty()))
            throw Error(Errc::bad_request, "Invalid input for field/attribute " + std::string(action->key) + ".");
        if (!action->any_value && member.value().is_object())
            call.body = validate(style, action->fields, member.value(), Purpose::any, unknown == Unknown::ignore ? unknown : Unknown::refuse,
                                 call.version, action->key);
        else if (member.value().is_object()) call.body = member.value().get_object();
        return;
    }
    const json::value* body = &call.raw;
    if (!route.wrapper.empty()) {
        body = wrapped_in(style, top, route.wrapper);
        if (!body) throw Error(Errc::bad_request, "'" + std::string(route.wrapper) + "' is a required property");
        if (top.size() > 1 && style.dialect == Dialect::compute && unknown == Unknown::refuse && !route.extra)
            for (const auto& member : top)
                if (std::string_view(member.key()) != route.wrapper && !std::string_view(member.key()).starts_with("os:scheduler_hints") &&
                    std::string_view(member.key()) != "OS-SCH-HNT:scheduler_hints")
                    throw Error(Errc::bad_request, "Additional properties are not allowed ('" + std::string(member.key()) + "' was unexpected)");
    }
    if (route.extra) unknown = Unknown::keep;
    call.body =
        route.body.empty() && body->is_object() ? body->get_object() : validate(style, route.body, *body, Purpose::any, unknown, call.version);
}

}  // namespace pilvi::api
