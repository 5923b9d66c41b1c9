// /v3/projects/{project_id}/tags
#include <algorithm>

#include "resources/projects.h"

namespace pilvi::identity {

namespace {

using namespace api;

void target(Call& call, Tx& tx, json::object& target) {
    if (const auto row = find_row(tx, project_resource, call.arg("project_id"))) target["target"] = {{"project", *row}};
}

json::object answer(const Call& call, json::array tags) {
    return {{"links", {{"self", call.base_url() + call.request.target}}}, {"tags", std::move(tags)}};
}

json::array tags_of(Call& call, Tx& tx) {
    json::object row = need_row(tx, project_resource, call.arg("project_id"));
    read_tags(tx, std::span(&row, 1));
    return row.at("tags").as_array();
}

Reply list_tags(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply { return answer(call, tags_of(call, tx)); });
}

Reply replace_tags(Call& call) {
    return call.store().write([&](Tx& tx) -> Reply {
        need_row(tx, project_resource, call.arg("project_id"));
        set_tags(tx, call.arg("project_id"), call.body.at("tags").as_array());
        return answer(call, tags_of(call, tx));
    });
}

Reply clear_tags(Call& call) {
    call.store().write([&](Tx& tx) {
        need_row(tx, project_resource, call.arg("project_id"));
        set_tags(tx, call.arg("project_id"), {});
    });
    return {};
}

[[noreturn]] void no_tag(const Call& call) { throw Error(Errc::not_found, "Could not find project tag: " + call.arg("tag") + "."); }

Reply check_one(Call& call) {
    call.store().read([&](Tx& tx) {
        const json::array tags = tags_of(call, tx);
        if (std::find(tags.begin(), tags.end(), json::value(call.arg("tag"))) == tags.end()) no_tag(call);
    });
    return {};
}

Reply add_one(Call& call) {
    call.store().write([&](Tx& tx) {
        json::array tags = tags_of(call, tx);
        const json::value tag(call.arg("tag"));
        if (std::find(tags.begin(), tags.end(), tag) != tags.end()) return;
        tags.push_back(tag);
        set_tags(tx, call.arg("project_id"), tags);
    });
    Reply reply;
    reply.headers.set("Location", call.base_url() + call.request.path);
    return reply;
}

Reply remove_one(Call& call) {
    call.store().write([&](Tx& tx) {
        need_row(tx, project_resource, call.arg("project_id"));
        if (tx.exec("DELETE FROM project_tags WHERE project_id = ? AND name = ?", {call.arg("project_id"), call.arg("tag")}) == 0) no_tag(call);
    });
    return {};
}

constexpr Field body[] = {{.name = "tags", .type = Type::array, .use = required, .most = 80, .item = Type::text}};
constexpr std::string_view all = "/v3/projects/{project_id}/tags";
constexpr std::string_view one = "/v3/projects/{project_id}/tags/{tag}";
constexpr std::string_view reader =
    "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.project.domain_id)s) or "
    "project_id:%(target.project.id)s";

constexpr Route routes[] = {
    {.method = "GET", .path = all, .policy = "identity:list_project_tags", .check = reader, .handler = &list_tags, .target = &target},
    {.method = "PUT",
     .path = all,
     .policy = "identity:update_project_tags",
     .check = admin,
     .handler = &replace_tags,
     .body = body,
     .target = &target},
    {.method = "DELETE",
     .path = all,
     .policy = "identity:delete_project_tags",
     .check = admin,
     .handler = &clear_tags,
     .status = 204,
     .target = &target},
    {.method = "GET", .path = one, .policy = "identity:get_project_tag", .check = reader, .handler = &check_one, .status = 204, .target = &target},
    {.method = "PUT", .path = one, .policy = "identity:create_project_tag", .check = admin, .handler = &add_one, .status = 201, .target = &target},
    {.method = "DELETE",
     .path = one,
     .policy = "identity:delete_project_tag",
     .check = admin,
     .handler = &remove_one,
     .status = 204,
     .target = &target},
};
static_assert(sound(routes));

}  // namespace

std::span<const Route> project_tag_routes() { return routes; }

}  // namespace pilvi::identity
