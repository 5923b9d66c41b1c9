#include "doctor/cloud_view.h"

#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace pilvi::cli {
namespace {

json::object get(Session& session, const std::string& url, const char* version_header = nullptr) {
    http::Headers headers;
    if (version_header) headers.set("OpenStack-API-Version", version_header);
    json::value answer = session.call("GET", url, nullptr, headers);
    if (!answer.is_object()) throw Error(Errc::bad_gateway, url + " answered no object");
    return std::move(answer.as_object());
}

// Every page of a list, by marker.
template <class F>
void each(Session& session, const std::string& url, const char* list, F&& take, const char* version = nullptr) {
    std::string marker;
    while (true) {
        const std::string page = url + (url.find('?') == std::string::npos ? "?" : "&") + "limit=500" + (marker.empty() ? "" : "&marker=" + marker);
        const json::object answer = get(session, page, version);
        const json::array& items = array_or_empty(answer, list);
        for (const json::value& item : items)
            if (item.is_object()) take(item.as_object());
        if (items.size() < 500) return;
        const std::string last = string_or(items.back().as_object(), "id");
        if (last.empty() || last == marker) return;
        marker = last;
    }
}

template <class F>
bool try_api(CloudView& view, const char* name, F&& look) {
    try {
        look();
        return true;
    } catch (const Error& error) {
        view.troubles.push_back(std::string("the ") + name + " API: " + error.message());
        return false;
    }
}

void look_at_servers(Session& session, CloudView& view) {
    each(session, session.endpoint("compute") + "/servers/detail?all_tenants=1", "servers", [&](const json::object& o) {
        ServerRow row{.id = string_or(o, "id"),
                      .host = string_or(o, "OS-EXT-SRV-ATTR:host"),
                      .status = string_or(o, "status"),
                      .task_state = string_or(o, "OS-EXT-STS:task_state"),
                      .instance_name = string_or(o, "OS-EXT-SRV-ATTR:instance_name")};
        view.servers[row.id] = row;
    });
}

void look_at_networks(Session& session, CloudView& view) {
    const std::string base = session.endpoint("network") + "/v2.0";
    each(session, base + "/ports", "ports", [&](const json::object& o) {
        PortRow row{.id = string_or(o, "id"),
                    .network_id = string_or(o, "network_id"),
                    .device_id = string_or(o, "device_id"),
                    .device_owner = string_or(o, "device_owner"),
                    .host = string_or(o, "binding:host_id")};
        view.ports[row.id] = row;
    });
    each(session, base + "/networks?fields=id", "networks", [&](const json::object& o) { view.networks.insert(string_or(o, "id")); });
    each(session, base + "/routers?fields=id", "routers", [&](const json::object& o) { view.routers.insert(string_or(o, "id")); });
}

void look_at_placement(Session& session, CloudView& view) {
    const std::string base = session.endpoint("placement");
    const json::object providers = get(session, base + "/resource_providers", "placement 1.20");
    for (const json::value& item : array_or_empty(providers, "resource_providers"))
        if (item.is_object()) view.providers[string_or(item.as_object(), "uuid")] = string_or(item.as_object(), "name");
    for (const auto& [id, name] : view.providers) {
        const json::object answer = get(session, base + "/resource_providers/" + id + "/allocations", "placement 1.20");
        for (const auto& [consumer, unused] : object_or_empty(answer, "allocations")) view.allocations.push_back({std::string(consumer), id});
    }
}

}  // namespace

SessionOptions admin_session(const std::string& auth_url, const std::string& credentials, const std::string& configuration) {
    SessionOptions out{.auth_url = auth_url};
    if (const std::string file = configuration + "/node.env"; std::filesystem::exists(file))
        for (const std::string& line : split(read_file(file, 65536), '\n', false))
            if (line.starts_with("PILVI_REGION=")) out.region = line.substr(13);
    const auto password = [&](const char* name) { return Secret(std::string(trim(read_file(credentials + "/" + name, 65536)))); };
    if (std::filesystem::exists(credentials + "/admin-password")) {
        out.username = out.project = "admin";
        out.password = password("admin-password");
    } else {
        out.username = "nova";
        out.password = password("service-password-nova");
    }
    return out;
}

std::vector<AgentRow> look_at_agents(Session& session) {
    std::vector<AgentRow> out;
    const json::object services = get(session, session.endpoint("compute") + "/os-services");
    for (const json::value& item : array_or_empty(services, "services")) {
        const json::object& o = item.as_object();
        out.push_back({.kind = string_or(o, "binary"),
                       .host = string_or(o, "host"),
                       .up = string_or(o, "state") == "up",
                       .enabled = string_or(o, "status") != "disabled"});
    }
    const json::object agents = get(session, session.endpoint("network") + "/v2.0/agents");
    for (const json::value& item : array_or_empty(agents, "agents")) {
        const json::object& o = item.as_object();
        out.push_back({.kind = string_or(o, "agent_type"),
                       .host = string_or(o, "host"),
                       .up = boolean_or(o, "alive"),
                       .enabled = boolean_or(o, "admin_state_up", true)});
    }
    return out;
}

CloudView look_at_cloud(Session& session) {
    CloudView view;
    view.identity = try_api(view, "identity", [&] { session.token(); });
    if (!view.identity) return view;
    view.compute = try_api(view, "compute", [&] { look_at_servers(session, view); });
    view.network = try_api(view, "network", [&] { look_at_networks(session, view); });
    view.placement = try_api(view, "placement", [&] { look_at_placement(session, view); });
    view.image = try_api(view, "image", [&] { get(session, session.endpoint("image") + "/v2/images?limit=1"); });
    try_api(view, "agents'", [&] { view.agents = look_at_agents(session); });
    return view;
}

}  // namespace pilvi::cli
