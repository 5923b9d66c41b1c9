#include "api/call.h"

#include "api/service.h"
#include "base/text.h"

namespace pilvi::api {

Query Query::parse(std::string_view text) {
    Query query;
    if (text.empty()) return query;
    for (const std::string& part : split(text, '&', false)) {
        const std::size_t equals = part.find('=');
        auto name = percent_decode(std::string_view(part).substr(0, equals), true);
        auto value = equals == std::string::npos ? std::optional<std::string>("") : percent_decode(std::string_view(part).substr(equals + 1), true);
        if (!name || !value) throw Error(Errc::bad_request, "The query string is not valid percent-encoded UTF-8.");
        if (query.items_.size() >= 200) throw Error(Errc::bad_request, "The query string has more than 200 parameters.");
        query.items_.emplace_back(std::move(*name), std::move(*value));
    }
    return query;
}

std::optional<std::string> Query::get(std::string_view name) const {
    for (auto item = items_.rbegin(); item != items_.rend(); ++item)
        if (item->first == name) return item->second;
    return std::nullopt;
}

std::vector<std::string> Query::all(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [key, value] : items_)
        if (key == name) values.push_back(value);
    return values;
}

const std::string& Call::arg(std::string_view name) const {
    const auto found = path.find(name);
    if (found == path.end()) throw Error(Errc::internal, "the route has no parameter " + std::string(name));
    return found->second;
}

Store& Call::store() const { return service.store(); }
void* Call::app_pointer() const { return service.app(); }

bool Call::allowed(std::string_view rule, const json::object& target) const {
    if (!target.empty()) return service.policy().allows(rule, who, target);
    json::object own{{"project_id", who.project_id}, {"user_id", who.user_id}, {"domain_id", who.domain_id}};
    if (service.style().dialect == Dialect::identity)  // Keystone's names for the domain whose objects a list is about
        own["target"] = {{"domain_id", who.domain_id}, {"group", {{"domain_id", who.domain_id}}}};
    return service.policy().allows(rule, who, own);
}

namespace {
std::string denial(Dialect dialect, std::string_view rule) {
    const std::string name(rule);
    switch (dialect) {
        case Dialect::identity:
            return "You are not authorized to perform the requested action: " + name + ".";
        case Dialect::image:
            return "You are not authorized to complete " + name + " action.";
        case Dialect::placement:
            return "Access was denied to this resource.";
        case Dialect::compute:
            return "Policy doesn't allow " + name + " to be performed.";
        case Dialect::network:
            return "(rule:" + name + ") is disallowed by policy";
    }
    return name;
}
}  // namespace

void Call::enforce(std::string_view rule, const json::object& target) const {
    if (!allowed(rule, target)) throw Error(Errc::forbidden, denial(service.style().dialect, rule), "PolicyNotAuthorized");
}

std::string Call::base_url() const {
    std::string host(request.headers.get("Host"));
    const bool plain = !host.empty() && host.size() < 256 &&
                       host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == std::string::npos;
    if (!plain) host = "localhost";
    return (request.tls ? "https://" : "http://") + host;
}

Reply Reply::json_text(std::string text) {
    Reply reply;
    reply.text = std::move(text);
    reply.headers.add("Content-Type", "application/json");
    return reply;
}

Reply Reply::from(http::Response response) {
    Reply reply;
    reply.status = response.status;
    reply.headers = std::move(response.headers);
    reply.text = std::move(response.body);
    reply.file = std::move(response.file);
    reply.park = std::move(response.park);
    return reply;
}

}  // namespace pilvi::api
