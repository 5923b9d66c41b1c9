// Tags of servers, from 2.26.
#include <algorithm>

#include "resources/server_request.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Field;
using api::Reply;
using api::Route;

constexpr std::size_t most_tags = 50;

struct Tagged {
    Instance instance;
    json::array tags;
};
Tagged load(Call& call, Tx& tx) {
    Instance i = load_server(call, tx);
    enforce_on(call, call.route.policy, i);
    json::array tags = json_array(i.tags);
    return {std::move(i), std::move(tags)};
}
bool has(const json::array& tags, const std::string& tag) { return std::find(tags.begin(), tags.end(), json::value(tag)) != tags.end(); }
void store(Call& call, Tx& tx, const Tagged& t) { change_instance(tx, t.instance.id, {{"tags", to_text(t.tags)}}, app_of(call).now()); }
Error missing(const Instance& i, const std::string& tag) {
    return Error(Errc::not_found, "Tag '" + tag.substr(0, 60) + "' does not exist on server " + i.id);
}

Reply list(Call& call) {
    return call.store().read([&](Tx& tx) { return Reply(json::object{{"tags", load(call, tx).tags}}); });
}
Reply show(Call& call) {
    call.store().read([&](Tx& tx) {
        const Tagged t = load(call, tx);
        if (!has(t.tags, call.arg("tag"))) throw missing(t.instance, call.arg("tag"));
    });
    return {};
}
Reply put(Call& call) {
    const std::string& tag = call.arg("tag");
    check_tag(json::string(tag));
    return call.store().write([&](Tx& tx) {
        Tagged t = load(call, tx);
        if (has(t.tags, tag)) return Reply::with_status(204);
        if (t.tags.size() >= most_tags) throw bad_request("The number of tags exceeded the per-server limit 50");
        t.tags.push_back(json::string(tag));
        store(call, tx, t);
        Reply reply = Reply::with_status(201);
        reply.headers.set("Location", call.base_url() + "/v2.1/servers/" + t.instance.id + "/tags/" + tag);
        return reply;
    });
}
Reply replace(Call& call) {
    json::array tags;
    for (const json::value& tag : array_or_empty(call.body, "tags")) {
        check_tag(tag);
        if (std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
    }
    return call.store().write([&](Tx& tx) {
        Tagged t = load(call, tx);
        t.tags = tags;
        store(call, tx, t);
        return Reply(json::object{{"tags", tags}});
    });
}
Reply remove(Call& call) {
    call.store().write([&](Tx& tx) {
        Tagged t = load(call, tx);
        const auto found = std::find(t.tags.begin(), t.tags.end(), json::value(call.arg("tag")));
        if (found == t.tags.end()) throw missing(t.instance, call.arg("tag"));
        t.tags.erase(found);
        store(call, tx, t);
    });
    return {};
}
Reply clear(Call& call) {
    call.store().write([&](Tx& tx) {
        Tagged t = load(call, tx);
        t.tags.clear();
        store(call, tx, t);
    });
    return {};
}

constexpr Field fields[] = {{.name = "tags", .type = api::Type::array, .use = api::required, .most = most_tags, .item = api::Type::any}};
constexpr Route routes[] = {
    {.method = "GET",
     .path = "/v2.1/servers/{id}/tags",
     .policy = "os_compute_api:os-server-tags:index",
     .check = reader_check,
     .handler = &list,
     .since = {2, 26}},
    {.method = "PUT",
     .path = "/v2.1/servers/{id}/tags",
     .policy = "os_compute_api:os-server-tags:update_all",
     .check = member_check,
     .handler = &replace,
     .body = fields,
     .since = {2, 26}},
    {.method = "DELETE",
     .path = "/v2.1/servers/{id}/tags",
     .policy = "os_compute_api:os-server-tags:delete_all",
     .check = member_check,
     .handler = &clear,
     .status = 204,
     .since = {2, 26}},
    {.method = "GET",
     .path = "/v2.1/servers/{id}/tags/{tag}",
     .policy = "os_compute_api:os-server-tags:show",
     .check = reader_check,
     .handler = &show,
     .status = 204,
     .since = {2, 26}},
    {.method = "PUT",
     .path = "/v2.1/servers/{id}/tags/{tag}",
     .policy = "os_compute_api:os-server-tags:update",
     .check = member_check,
     .handler = &put,
     .status = 201,
     .since = {2, 26}},
    {.method = "DELETE",
     .path = "/v2.1/servers/{id}/tags/{tag}",
     .policy = "os_compute_api:os-server-tags:delete",
     .check = member_check,
     .handler = &remove,
     .status = 204,
     .since = {2, 26}},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> server_tag_routes() { return routes; }

}  // namespace pilvi::compute
