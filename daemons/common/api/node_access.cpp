#include "api/node_access.h"

#include <algorithm>

#include "base/ids.h"

namespace pilvi::api {
namespace {

struct NodeAccess {
    std::string_view role, service, method;
    std::string_view path;  // * stands for a segment's characters, ** for anything, $name and $id for the node's own
};

constexpr NodeAccess table[] = {
    {"compute", "compute", "GET", "/agent/v1/nodes/$name/desired"},
    {"compute", "compute", "POST", "/agent/v1/nodes/$name/observed"},
    {"compute", "compute", "GET", "/agent/v1/servers/*/metadata"},
    {"compute", "network", "GET", "/agent/v1/nodes/$name/desired"},
    {"compute", "network", "POST", "/agent/v1/nodes/$name/observed"},
    {"compute", "image", "GET", "/v2/images/*/file"},
    {"compute", "placement", "POST", "/resource_providers"},
    {"compute", "placement", "GET", "/resource_providers/$id"},
    {"compute", "placement", "GET", "/resource_providers/$id/*"},
    {"compute", "placement", "PUT", "/resource_providers/$id/*"},
    {"network", "network", "GET", "/agent/v1/nodes/$name/desired"},
    {"network", "network", "POST", "/agent/v1/nodes/$name/observed"},
    {"network", "network", "GET", "/v2.0/ports"},
    {"network", "compute", "GET", "/agent/v1/servers/*/metadata"},
    {"network", "compute", "POST", "/agent/v1/servers/*/password"},
};

bool plain(std::string_view name) {
    return !name.empty() && name.size() <= 253 &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == std::string_view::npos;
}

std::string pattern_for(std::string_view path, const http::PeerIdentity& node) {
    std::string out(path);
    for (const auto& [mark, value] : {std::pair<std::string_view, std::string_view>{"$name", node.name}, {"$id", node.id}})
        if (const std::size_t at = out.find(mark); at != std::string::npos) out.replace(at, mark.size(), value);
    return out;
}

}  // namespace

std::optional<Context> node_context(const std::shared_ptr<const http::PeerIdentity>& node, std::string_view service_type,
                                    const http::Request& request) {
    if (!plain(node->name) || !is_uuid_like(node->id)) return std::nullopt;
    const auto has = [&](std::string_view role) { return std::ranges::find(node->roles, role) != node->roles.end(); };
    const bool allowed = std::ranges::any_of(table, [&](const NodeAccess& access) {
        return access.service == service_type && access.method == request.method && has(access.role) &&
               path_matches(request.path, pattern_for(access.path, *node));
    });
    if (!allowed) return std::nullopt;
    Context context;
    context.user_id = node->id;
    context.user_name = "node " + node->name;
    context.roles = {"admin", "service"};  // within the table
    context.is_admin = true;
    context.node = node;
    return context;
}

}  // namespace pilvi::api
