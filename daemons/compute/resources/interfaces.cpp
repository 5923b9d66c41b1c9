// os-interface and os-security-groups of a server.
#include "base/ids.h"
#include "base/net.h"
#include "base/text.h"
#include "domain/states.h"
#include "resources/group_view.h"
#include "resources/server_request.h"
#include "work/network_info.h"
#include "work/worker.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

Instance load(Call& call) {
    return call.store().read([&](Tx& tx) {
        Instance i = load_server(call, tx);
        enforce_on(call, call.route.policy, i);
        return i;
    });
}

json::object view(Call& call, const json::object& port, const json::value& tag) {
    json::array ips;
    for (const json::value& ip : array_or_empty(port, "fixed_ips"))
        ips.push_back(json::object{{"subnet_id", ip.as_object().at("subnet_id")}, {"ip_address", ip.as_object().at("ip_address")}});
    json::object out{{"net_id", string_or(port, "network_id")},
                     {"port_id", string_or(port, "id")},
                     {"mac_addr", string_or(port, "mac_address")},
                     {"port_state", string_or(port, "status")},
                     {"fixed_ips", ips}};
    if (call.at_least(2, 70)) out["tag"] = tag;
    return out;
}

json::value tag_of(const Instance& i, const std::string& port) {
    for (const json::value& vif : json_array(i.network_info))
        if (string_or(vif.as_object(), "id") == port) return vif.as_object().at("tag");
    return nullptr;
}

Reply list(Call& call) {
    const Instance i = load(call);
    json::array items;
    for (const json::value& port : app_of(call).network.list("", "ports", "device_id=" + i.id))
        items.push_back(view(call, port.as_object(), tag_of(i, string_or(port.as_object(), "id"))));
    return Reply(json::object{{"interfaceAttachments", items}});
}

Reply show(Call& call) {
    const Instance i = load(call);
    const auto port = app_of(call).network.show("", "ports", call.arg("port"));
    if (!port || string_or(*port, "device_id") != i.id)
        throw Error(Errc::not_found, "Instance " + i.id + " does not have a port with id " + call.arg("port"));
    return Reply(json::object{{"interfaceAttachment", view(call, *port, tag_of(i, call.arg("port")))}});
}

void check_state(Call& call, const Instance& i, Verb verb, std::string_view name) {
    refuse_locked(call, i);
    const Verdict verdict = may(verb, i.vm_state, i.task_state);
    if (!verdict.allowed)
        throw Error(Errc::conflict, "Cannot '" + std::string(name) + "' instance " + i.id + " while it is in " + verdict.attribute + " " +
                                        (verdict.state.empty() ? "None" : verdict.state));
    if (i.host.empty()) throw Error(Errc::conflict, "Instance " + i.id + " is not ready");
}

void note(Call& call, const Instance& i, std::string_view action, std::string_view event_name) {
    const Micros now = app_of(call).now();
    call.store().write([&](Tx& tx) {
        begin_action(tx, i.id, call.who.request_id, action, call.who.user_id, call.who.project_id, now);
        begin_event(tx, i.id, call.who.request_id, event_name, i.host, now);
        finish_event(tx, i.id, call.who.request_id, event_name, true, "", now);
    });
}

// The port is in the network service before the answer; the node plugs it in when it sees it in its desired set. A port that carries the server's id is the server's,
// so a kill in between leaves nothing behind that the next refresh does not find.
Reply attach(Call& call) {
    App& app = app_of(call);
    const Instance i = load(call);
    check_state(call, i, Verb::attach_interface, "attach_interface");
    const std::string network = string_or(call.body, "net_id"), port = string_or(call.body, "port_id");
    std::string address;
    if (const json::array& ips = array_or_empty(call.body, "fixed_ips"); !ips.empty()) address = string_or(ips[0].as_object(), "ip_address");
    if (!network.empty() && !port.empty()) throw bad_request("Must not input both network_id and port_id");
    if (!address.empty() && network.empty()) throw bad_request("Must input network_id when request IP address");
    if (network.empty() && port.empty()) throw bad_request("One of net_id and port_id is needed.");
    json::object interface;
    try {
        interface = check_interface(call, network, port, address);
    } catch (const Error& error) {
        if (error.code() == Errc::conflict) throw bad_request(error.message());
        throw error.message().find("could not be found") != std::string::npos ? Error(Errc::not_found, error.message()) : error;
    }
    json::object binding{{"device_id", i.id}, {"device_owner", "compute:" + i.zone}, {"binding:host_id", i.host}};
    json::object made;
    if (!port.empty()) {
        call.store().write([&](Tx& tx) {  // first, so that a delete does not delete what was only lent
            json::array requested = json_array(find_instance(tx, i.id)->requested_networks);
            requested.push_back(interface);
            tx.update("instances", i.id, {{"requested_networks", to_text(requested)}});
        });
        made = app.network.update_port(port, binding);
    } else {
        binding["network_id"] = network;
        binding["tenant_id"] = i.project_id;
        if (!address.empty()) binding["fixed_ips"] = json::array{json::object{{"ip_address", address}}};
        made = app.network.create_port(binding);
    }
    refresh_network_info(app, i.id);
    note(call, i, "attach_interface", event::attach);
    return Reply(json::object{{"interfaceAttachment", view(call, made, nullptr)}});
}

Reply detach(Call& call) {
    App& app = app_of(call);
    const Instance i = load(call);
    const std::string& id = call.arg("port");
    check_state(call, i, Verb::detach_interface, "detach_interface");
    const auto port = app.network.show("", "ports", id);
    if (!port || string_or(*port, "device_id") != i.id) throw Error(Errc::not_found, "Port id " + id + " could not be found.");
    bool lent = false;
    for (const json::value& r : json_array(i.requested_networks)) lent |= string_or(r.as_object(), "port") == id;
    if (lent) app.network.update_port(id, {{"device_id", ""}, {"device_owner", ""}, {"binding:host_id", ""}});
    else app.network.delete_port(id);
    refresh_network_info(app, i.id);
    note(call, i, "detach_interface", event::detach);
    return {};
}

Reply groups(Call& call) {
    App& app = app_of(call);
    const Instance i = load(call);
    std::string query;
    std::set<std::string> ids;
    for (const json::value& port : app.network.list("", "ports", "device_id=" + i.id))
        for (const json::value& id : array_or_empty(port.as_object(), "security_groups")) ids.insert(str(id.as_string()));
    for (const std::string& id : ids) query += (query.empty() ? "id=" : "&id=") + id;
    if (ids.empty()) return Reply(json::object{{"security_groups", json::array{}}});
    return Reply(json::object{{"security_groups", group_views(app.network.list("", "security-groups", query))}});
}

constexpr Field ip_fields[] = {{.name = "ip_address", .type = Type::ip, .use = api::required}};
constexpr Field attach_fields[] = {
    {.name = "net_id", .type = Type::uuid},
    {.name = "port_id", .type = Type::uuid},
    {.name = "fixed_ips", .type = Type::array, .least = 1, .most = 1, .item = Type::object, .fields = ip_fields},
    {.name = "tag", .type = Type::text, .least = 1, .most = 60, .since = {2, 49}},
};
constexpr Route routes[] = {
    {.method = "GET",
     .path = "/v2.1/servers/{id}/os-interface",
     .policy = "os_compute_api:os-attach-interfaces:list",
     .check = reader_check,
     .handler = &list},
    {.method = "GET",
     .path = "/v2.1/servers/{id}/os-interface/{port}",
     .policy = "os_compute_api:os-attach-interfaces:show",
     .check = reader_check,
     .handler = &show},
    {.method = "POST",
     .path = "/v2.1/servers/{id}/os-interface",
     .policy = "os_compute_api:os-attach-interfaces:create",
     .check = member_check,
     .handler = &attach,
     .wrapper = "interfaceAttachment",
     .body = attach_fields},
    {.method = "DELETE",
     .path = "/v2.1/servers/{id}/os-interface/{port}",
     .policy = "os_compute_api:os-attach-interfaces:delete",
     .check = member_check,
     .handler = &detach,
     .status = 202},
    {.method = "GET",
     .path = "/v2.1/servers/{id}/os-security-groups",
     .policy = "os_compute_api:os-security-groups:list",
     .check = reader_check,
     .handler = &groups},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> interface_routes() { return routes; }

}  // namespace pilvi::compute
