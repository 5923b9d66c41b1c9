#pragma once
// Internal: from method and path to the declared operation. A trie over path segments: literals before parameters before "{rest*}".
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/resource.h"
#include "metrics/metrics.h"

namespace pilvi::api {

struct Endpoint {
    Route route;
    const Resource* resource = nullptr;  // derived operations
    const Operation* operation = nullptr;
    std::string method, path, policy, wrapper;  // owners of what route views point to, for derived ones
    std::vector<std::string_view> parameters;   // names in the path, in order; the router's
    metrics::Histogram* duration = nullptr;
};

struct ServiceStyle;
// The endpoint of an operation that a resource declares.
std::unique_ptr<Endpoint> endpoint_of(const ServiceStyle& style, const Resource& resource, const Operation& operation);

struct Match {
    const Endpoint* endpoint = nullptr;
    std::map<std::string, std::string, std::less<>> parameters;  // decoded
    std::vector<std::string_view> methods;                       // of the path, where the method is not among them
    bool path_known = false;
};

class Router {
public:
    void add(std::unique_ptr<Endpoint> endpoint);
    // `path` is still percent-encoded, without query. HEAD falls back to GET. Of several endpoints for one method the one whose version range
    // holds `version` is taken; a path whose endpoints are all out of range is not known.
    Match match(std::string_view method, std::string_view path, Version version) const;
    const std::vector<std::unique_ptr<Endpoint>>& endpoints() const { return endpoints_; }

private:
    struct Node {
        std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
        std::unique_ptr<Node> parameter;
        std::vector<const Endpoint*> endpoints;
        std::vector<const Endpoint*> rest;  // "{name*}" below this node
    };
    bool walk(const Node& node, const std::vector<std::string_view>& segments, std::size_t at, std::string_view method, Version version,
              std::vector<std::string>& values, Match& match) const;
    static bool choose(const std::vector<const Endpoint*>& candidates, std::string_view method, Version version, Match& match);
    Node root_;
    std::vector<std::unique_ptr<Endpoint>> endpoints_;
};

}  // namespace pilvi::api
