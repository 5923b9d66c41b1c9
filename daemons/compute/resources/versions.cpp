// Version documents, without a token.
#include "resources/common.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Reply;
using api::Route;

json::object version(Call& call) {
    return {{"id", "v2.1"},
            {"status", "CURRENT"},
            {"version", "2.95"},
            {"min_version", "2.1"},
            {"updated", "2013-07-23T11:33:21Z"},
            {"links", json::array{json::object{{"rel", "self"}, {"href", call.base_url() + "/v2.1/"}}}}};
}

Reply all(Call& call) { return Reply(json::object{{"versions", json::array{version(call)}}}); }

Reply one(Call& call) {
    json::object v = version(call);
    v["links"].as_array().push_back(json::object{{"rel", "describedby"}, {"type", "text/html"}, {"href", "http://docs.openstack.org/"}});
    v["media-types"] = json::array{json::object{{"base", "application/json"}, {"type", "application/vnd.openstack.compute+json;version=2.1"}}};
    return Reply(json::object{{"version", v}});
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/", .handler = &all, .access = api::Access::open},
    {.method = "GET", .path = "/v2.1", .handler = &one, .access = api::Access::open},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> version_routes() { return routes; }

}  // namespace pilvi::compute
