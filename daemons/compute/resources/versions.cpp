// Version documents, without a token.
#include "resources/common.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Reply;
using api::Route;

struct Version {
    const char *id, *path, *status, *most, *least, *updated, *media_type;
};
// 2.0 is 2.1 without microversions and with the tolerance for bodies that it had: ServiceStyle::legacy_path.
constexpr Version versions[] = {
    {"v2.0", "/v2/", "SUPPORTED", "", "", "2011-01-21T11:33:21Z", "application/vnd.openstack.compute+json;version=2"},
    {"v2.1", "/v2.1/", "CURRENT", "2.95", "2.1", "2013-07-23T11:33:21Z", "application/vnd.openstack.compute+json;version=2.1"},
};

json::object document(Call& call, const Version& v) {
    return {{"id", v.id},           {"status", v.status},
            {"version", v.most},    {"min_version", v.least},
            {"updated", v.updated}, {"links", json::array{json::object{{"rel", "self"}, {"href", call.base_url() + v.path}}}}};
}

Reply all(Call& call) {
    json::array list;
    for (const Version& v : versions) list.push_back(document(call, v));
    return Reply(json::object{{"versions", std::move(list)}});
}

template <std::size_t I>
Reply one(Call& call) {
    json::object v = document(call, versions[I]);
    v["links"].as_array().push_back(json::object{{"rel", "describedby"}, {"type", "text/html"}, {"href", "http://docs.openstack.org/"}});
    v["media-types"] = json::array{json::object{{"base", "application/json"}, {"type", versions[I].media_type}}};
    return Reply(json::object{{"version", v}});
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/", .handler = &all, .access = api::Access::open},
    {.method = "GET", .path = "/v2", .handler = &one<0>, .access = api::Access::open},
    {.method = "GET", .path = "/v2.1", .handler = &one<1>, .access = api::Access::open},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> version_routes() { return routes; }

}  // namespace pilvi::compute
