// Tags of resources with standard attributes. Only who may change an object may tag it (CVE-2024-53916).
#include <set>

#include "base/text.h"
#include "resources/misc.h"

namespace pilvi::network {
namespace {

using namespace api;

constexpr std::size_t most_tags = 50;
constexpr const Resource* tagged[] = {&network_resource, &subnet_resource,      &port_resource,
                                      &router_resource,  &floating_ip_resource, &security_group_resource};

const Resource& resource_of(const Call& call) {
    for (const Resource* r : tagged)
        if (r->path.substr(std::string_view("/v2.0/").size()) == call.arg("collection")) return *r;
    throw missing("HTTPNotFound", "The resource could not be found.");
}

// The object, which the caller must see, and be allowed to change where it writes.
std::string parent(Call& call, Tx& tx, bool writing) {
    const Resource& resource = resource_of(call);
    const json::object row = load(call, tx, resource, call.arg("id"));
    if (writing) {
        json::object target = row;
        if (resource.hooks.target) resource.hooks.target(call, tx, row, target);
        call.enforce("update_" + std::string(resource.name), target);
    }
    return string_or(row, "id");
}

void check_tag(std::string_view tag) {
    if (tag.empty() || utf8_length(tag) > 255) throw invalid_input(fmt::format("'{}' exceeds maximum length of 255", tag.substr(0, 60)));
}

Reply list(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        json::array out;
        for (const Row& row : tx.query("SELECT tag FROM tags WHERE resource_id = ? ORDER BY tag", {parent(call, tx, false)}))
            out.push_back(json::value(row.text("tag")));
        return json::object{{"tags", std::move(out)}};
    });
}

Reply exists(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        if (!tx.one("SELECT tag FROM tags WHERE resource_id = ? AND tag = ?", {parent(call, tx, false), call.arg("tag")}))
            throw missing("TagNotFound", fmt::format("Tag {} could not be found.", call.arg("tag").substr(0, 255)));
        return {};
    });
}

void changed(Call& call, Tx& tx, const std::string& id) { touch(tx, app_of(call), resource_of(call).table, id); }

Reply replace(Call& call) {
    const json::value* given = find(call.body, "tags");
    if (!given || !given->is_array()) throw invalid_input("Invalid tags body");
    std::set<std::string> tags;
    for (const json::value& tag : given->get_array()) {
        if (!tag.is_string()) throw invalid_input(fmt::format("'{}' is not a valid string", to_text(tag).substr(0, 60)));
        check_tag(tag.get_string());
        if (!tags.insert(str(tag.get_string())).second) throw invalid_input(fmt::format("Duplicate items in the list: '{}'", str(tag.get_string())));
    }
    if (tags.size() > most_tags) throw invalid_input(fmt::format("more than {} tags", most_tags));
    return call.store().write([&](Tx& tx) -> Reply {
        const std::string id = parent(call, tx, true);
        remove_tags(tx, id);
        json::array out;
        for (const std::string& tag : tags) {
            tx.insert("tags", {{"resource_id", id}, {"tag", tag}});
            out.push_back(json::value(tag));
        }
        changed(call, tx, id);
        return json::object{{"tags", std::move(out)}};
    });
}

Reply add(Call& call) {
    check_tag(call.arg("tag"));
    call.store().write([&](Tx& tx) {
        const std::string id = parent(call, tx, true);
        if (tx.scalar("SELECT count(*) FROM tags WHERE resource_id = ?", {id}).integer() >= static_cast<std::int64_t>(most_tags))
            throw invalid_input(fmt::format("more than {} tags", most_tags));
        tx.exec("INSERT INTO tags (resource_id, tag) VALUES (?, ?) ON CONFLICT DO NOTHING", {id, call.arg("tag")});
        changed(call, tx, id);
    });
    return {};
}

Reply remove_one(Call& call) {
    call.store().write([&](Tx& tx) {
        const std::string id = parent(call, tx, true);
        if (tx.exec("DELETE FROM tags WHERE resource_id = ? AND tag = ?", {id, call.arg("tag")}) == 0)
            throw missing("TagNotFound", fmt::format("Tag {} could not be found.", call.arg("tag").substr(0, 255)));
        changed(call, tx, id);
    });
    return {};
}

Reply remove_all(Call& call) {
    call.store().write([&](Tx& tx) {
        const std::string id = parent(call, tx, true);
        remove_tags(tx, id);
        changed(call, tx, id);
    });
    return {};
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.0/{collection}/{id}/tags", .policy = "get_tags", .check = "@", .handler = &list},
    {.method = "PUT",
     .path = "/v2.0/{collection}/{id}/tags",
     .policy = "update_tags",
     .check = "@",
     .handler = &replace,
     .json_body = true,
     .any_body = true},
    {.method = "DELETE", .path = "/v2.0/{collection}/{id}/tags", .policy = "delete_tags", .check = "@", .handler = &remove_all, .status = 204},
    {.method = "GET", .path = "/v2.0/{collection}/{id}/tags/{tag}", .policy = "get_tags", .check = "@", .handler = &exists, .status = 204},
    {.method = "PUT", .path = "/v2.0/{collection}/{id}/tags/{tag}", .policy = "update_tags", .check = "@", .handler = &add, .status = 201},
    {.method = "DELETE", .path = "/v2.0/{collection}/{id}/tags/{tag}", .policy = "delete_tags", .check = "@", .handler = &remove_one, .status = 204},
};
static_assert(api::sound(std::span<const Route>(routes)));

}  // namespace

const std::span<const api::Route> tag_routes = routes;

}  // namespace pilvi::network
