#include <doctest/doctest.h>

#include "api/node_access.h"

using namespace pilvi;

TEST_CASE("a node's certificate allows what its roles need, for itself") {
    constexpr const char* id = "11111111-1111-4111-8111-111111111111";
    const auto may = [&](const char* roles, const char* service, const std::string& request, const std::string& name = "node1",
                         const std::string& node_id = "11111111-1111-4111-8111-111111111111") {
        auto node = std::make_shared<http::PeerIdentity>();
        node->name = name;
        node->id = node_id;
        for (const std::string_view role : {"compute", "network", "controller"})
            if (std::string_view(roles).find(role) != std::string_view::npos) node->roles.emplace_back(role);
        http::Request r;
        r.method = request.substr(0, request.find(' '));
        r.path = request.substr(request.find(' ') + 1);
        return api::node_context(node, service, r).has_value();
    };
    const std::string own = std::string("/resource_providers/") + id;
    struct Case {
        const char *roles, *service;
        std::string request;
        bool allowed;
    };
    const Case cases[] = {
        {"compute", "compute", "GET /agent/v1/nodes/node1/desired", true},
        {"compute", "compute", "POST /agent/v1/nodes/node1/observed", true},
        {"compute", "compute", "GET /agent/v1/nodes/node2/desired", false},
        {"compute", "compute", "GET /agent/v1/nodes/node1/desired/x", false},
        {"compute", "compute", "GET /agent/v1/nodes/node1%2f..%2fnode2/desired", false},
        {"compute", "compute", "POST /agent/v1/nodes/node1/desired", false},
        {"network", "compute", "GET /agent/v1/nodes/node1/desired", false},
        {"compute", "compute", "GET /v2.1/servers/detail", false},
        {"compute", "compute", "GET /agent/v1/servers/x/metadata", true},
        {"compute", "compute", "POST /agent/v1/servers/x/password", false},
        {"network", "compute", "POST /agent/v1/servers/x/password", true},
        {"compute", "network", "GET /agent/v1/nodes/node1/desired", true},
        {"network", "network", "POST /agent/v1/nodes/node1/observed", true},
        {"network", "network", "GET /v2.0/ports", true},
        {"compute", "network", "GET /v2.0/ports", false},
        {"network", "network", "DELETE /v2.0/ports", false},
        {"network", "network", "GET /v2.0/ports/x", false},
        {"compute", "image", "GET /v2/images/x/file", true},
        {"compute", "image", "GET /v2/images/x/y/file", false},
        {"compute", "image", "PUT /v2/images/x/file", false},
        {"compute", "image", "GET /v2/images", false},
        {"compute", "placement", "GET " + own, true},
        {"compute", "placement", "PUT " + own + "/inventories", true},
        {"compute", "placement", "DELETE " + own, false},
        {"compute", "placement", "PUT /resource_providers/22222222-1111-4111-8111-111111111111/inventories", false},
        {"compute", "placement", "PUT /allocations/x", false},
        {"controller", "compute", "GET /agent/v1/nodes/node1/desired", false},
        {"", "network", "GET /v2.0/ports", false},
    };
    for (const Case& c : cases) {
        CAPTURE(c.roles);
        CAPTURE(c.service);
        CAPTURE(c.request);
        CHECK(may(c.roles, c.service, c.request) == c.allowed);
    }
    // What a pattern would read as more than a name is none.
    for (const char* name : {"", "*", "**", "a/b", "{x}", "a b"}) CHECK_FALSE(may("compute", "compute", "GET /agent/v1/nodes/x/desired", name));
    CHECK_FALSE(may("compute", "placement", "GET /resource_providers/x", "node1", "*"));
}
