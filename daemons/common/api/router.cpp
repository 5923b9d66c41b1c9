#include "api/router.h"

#include <algorithm>

#include "api/service.h"
#include "base/text.h"

namespace pilvi::api {
namespace {

bool is_parameter(std::string_view segment) { return segment.size() > 2 && segment.front() == '{' && segment.back() == '}'; }

std::vector<std::string_view> segments_of(std::string_view path) {
    if (!path.empty() && path.front() == '/') path.remove_prefix(1);
    if (!path.empty() && path.back() == '/') path.remove_suffix(1);
    std::vector<std::string_view> out;
    if (path.empty()) return out;
    out.reserve(8);
    for (std::size_t from = 0; from <= path.size();) {
        const std::size_t end = std::min(path.find('/', from), path.size());
        out.push_back(path.substr(from, end - from));
        from = end + 1;
    }
    return out;
}

struct VerbDefaults {
    Verb verb;
    std::string_view method;
    bool on_item;
    int status;
    bool body;
};
constexpr VerbDefaults verb_defaults[] = {
    {Verb::list, "GET", false, 200, false}, {Verb::show, "GET", true, 200, false},      {Verb::create, "POST", false, 201, true},
    {Verb::update, "", true, 200, true},    {Verb::remove, "DELETE", true, 204, false},
};

const VerbDefaults& defaults_of(Verb verb) {
    for (const VerbDefaults& d : verb_defaults)
        if (d.verb == verb) return d;
    return verb_defaults[0];
}

bool in_range(const Route& route, Version version) {
    if (!version) return true;
    return (!route.since || version >= route.since) && (!route.until || version <= route.until);
}

}  // namespace

void Router::add(std::unique_ptr<Endpoint> endpoint) {
    Node* node = &root_;
    for (const std::string_view segment : segments_of(endpoint->route.path)) {
        const bool rest = is_parameter(segment) && segment[segment.size() - 2] == '*';
        if (is_parameter(segment)) endpoint->parameters.push_back(segment.substr(1, segment.size() - (rest ? 3 : 2)));
        if (rest) {
            node->rest.push_back(endpoint.get());
            endpoints_.push_back(std::move(endpoint));
            return;
        }
        std::unique_ptr<Node>& next = is_parameter(segment) ? node->parameter : node->literals[std::string(segment)];
        if (!next) next = std::make_unique<Node>();
        node = next.get();
    }
    node->endpoints.push_back(endpoint.get());
    endpoints_.push_back(std::move(endpoint));
}

bool Router::choose(const std::vector<const Endpoint*>& candidates, std::string_view method, Version version, Match& match) {
    const Endpoint* get = nullptr;
    for (const Endpoint* e : candidates) {
        if (!in_range(e->route, version)) continue;
        match.path_known = true;
        if (e->route.method == method) {
            match.endpoint = e;
            return true;
        }
        if (e->route.method == "GET") get = e;
        match.methods.push_back(e->route.method);
    }
    if (method == "HEAD" && get) {
        match.endpoint = get;
        return true;
    }
    return false;
}

bool Router::walk(const Node& node, const std::vector<std::string_view>& segments, std::size_t at, std::string_view method, Version version,
                  std::vector<std::string>& values, Match& match) const {
    if (at == segments.size()) return choose(node.endpoints, method, version, match);
    if (const auto found = node.literals.find(segments[at]);
        found != node.literals.end() && walk(*found->second, segments, at + 1, method, version, values, match))
        return true;
    if (node.parameter && !segments[at].empty()) {
        values.emplace_back(segments[at]);
        if (walk(*node.parameter, segments, at + 1, method, version, values, match)) return true;
        values.pop_back();
    }
    if (!node.rest.empty()) {
        std::string rest;
        for (std::size_t i = at; i < segments.size(); ++i) (rest += i == at ? "" : "/") += segments[i];
        values.push_back(std::move(rest));
        if (choose(node.rest, method, version, match)) return true;
        values.pop_back();
    }
    return false;
}

Match Router::match(std::string_view method, std::string_view path, Version version) const {
    Match match;
    std::vector<std::string_view> segments = segments_of(path);
    std::vector<std::string> decoded;  // owns the segments that were escaped
    const auto plain = [](char c) { return c != '%' && c > 0 && c < 0x7f; };
    if (!std::all_of(path.begin(), path.end(), plain)) {
        decoded.reserve(segments.size());
        for (std::string_view& segment : segments) {
            auto text = percent_decode(segment);
            if (!text || text->find('\0') != std::string::npos) return match;
            segment = decoded.emplace_back(std::move(*text));
        }
    }
    std::vector<std::string> values;
    if (!walk(root_, segments, 0, method, version, values, match)) return match;
    const std::vector<std::string_view>& names = match.endpoint->parameters;
    for (std::size_t i = 0; i < names.size(); ++i) match.parameters.emplace(std::string(names[i]), std::move(values.at(i)));
    return match;
}

std::unique_ptr<Endpoint> endpoint_of(const ServiceStyle& style, const Resource& resource, const Operation& operation) {
    const VerbDefaults& d = defaults_of(operation.verb);
    auto endpoint = std::make_unique<Endpoint>();
    endpoint->resource = &resource;
    endpoint->operation = &operation;
    const bool on_item = d.on_item || (operation.verb == Verb::create && operation.method == "PUT");
    endpoint->path = std::string(resource.path) + (on_item ? "/{id}" : "");
    Route& route = endpoint->route;
    route.method = !operation.method.empty() ? operation.method : d.method.empty() ? style.update_method : d.method;
    route.path = endpoint->path;
    route.policy = operation.policy;
    route.check = operation.check;
    route.status = operation.status ? operation.status : d.status;
    route.json_body = d.body;
    route.since = resource.since;
    return endpoint;
}

}  // namespace pilvi::api
