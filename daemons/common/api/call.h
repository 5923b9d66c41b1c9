#pragma once
// One request as a handler sees it, and its answer.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/field.h"
#include "base/error.h"
#include "base/json.h"
#include "http/http.h"
#include "identity/identity.h"
#include "store/store.h"

namespace pilvi::api {

class Service;
struct Route;

// Decoded query string, in order; names may repeat.
class Query {
public:
    // Throws Error(bad_request) on a broken escape. At most 200 parameters.
    static Query parse(std::string_view text);
    std::optional<std::string> get(std::string_view name) const;  // the last of that name
    std::vector<std::string> all(std::string_view name) const;
    bool has(std::string_view name) const { return get(name).has_value(); }
    const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

private:
    std::vector<std::pair<std::string, std::string>> items_;
};

struct Call {
    Service& service;
    http::Request& request;
    const Route& route;
    Context who;
    std::map<std::string, std::string, std::less<>> path;  // {id} -> value, decoded
    Query query;
    json::value raw;    // the parsed body as sent
    json::object body;  // without its wrapper, validated, with defaults and coerced
    Version version;    // microversion, {} where the service has none

    const std::string& arg(std::string_view name) const;  // path parameter; Error(internal) where the route has none of that name
    Store& store() const;
    // The daemon's own objects, as given to Service.
    template <class T>
    T& app() const {
        return *static_cast<T*>(app_pointer());
    }
    // Throws Error(forbidden) unless the rule allows the caller on `target`.
    void enforce(std::string_view rule, const json::object& target = {}) const;
    bool allowed(std::string_view rule, const json::object& target = {}) const;
    bool at_least(int major, int minor) const { return version >= Version{major, minor}; }
    // "http://host:port" as the caller sees us (X-Forwarded-Proto/-Host only from a trusted proxy), without trailing slash.
    std::string base_url() const;

private:
    void* app_pointer() const;
};

struct Reply {
    json::value body = nullptr;  // null: no body
    int status = 0;              // 0: the route's
    http::Headers headers = {};
    std::optional<std::string> text = {};       // instead of JSON; set Content-Type in headers
    std::shared_ptr<http::FileBody> file = {};  // instead of both
    std::shared_ptr<http::Park> park = {};      // answer later
    Reply() = default;
    Reply(json::value b) : body(std::move(b)) {}
    Reply(json::object b) : body(std::move(b)) {}
    static Reply with_status(int status) {
        Reply r;
        r.status = status;
        return r;
    }
    static Reply json_text(std::string text);    // JSON that is text already
    static Reply from(http::Response response);  // e.g. what sync::Feed::answer returns
};

using Handler = Reply (*)(Call&);

}  // namespace pilvi::api
