// / and /v3: which versions of the API there are.
#include "resources/common.h"
#include "resources/json_home.h"

namespace pilvi::identity {

using namespace api;

namespace {

json::object version(const Call& call) {
    return {{"id", "v3.14"},
            {"status", "stable"},
            {"updated", "2020-04-07T00:00:00Z"},
            {"links", json::array{{{"rel", "self"}, {"href", link(call, "")}}}},
            {"media-types", json::array{{{"base", "application/json"}, {"type", "application/vnd.openstack.identity-v3+json"}}}}};
}

// Whether the caller would rather have the JSON home document; the reply with it.
std::optional<Reply> home_of(const Call& call, std::string_view prefix) {
    if (call.request.headers.get("Accept").find("application/json-home") == std::string_view::npos) return std::nullopt;
    Reply reply(json_home(prefix));
    reply.status = 200;
    reply.headers.set("Content-Type", "application/json-home");
    return reply;
}

Reply list_versions(Call& call) {
    if (auto home = home_of(call, "/v3")) return std::move(*home);
    Reply reply(json::object{{"versions", {{"values", json::array{version(call)}}}}});
    reply.headers.set("Location", link(call, ""));
    return reply;
}

Reply show_version(Call& call) {
    if (auto home = home_of(call, "")) return std::move(*home);
    return json::object{{"version", version(call)}};
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/", .handler = &list_versions, .status = 300, .access = Access::open},
    {.method = "GET", .path = "/v3", .handler = &show_version, .access = Access::open},
};
static_assert(sound(routes));

}  // namespace

std::span<const Route> version_routes() { return routes; }

}  // namespace pilvi::identity
