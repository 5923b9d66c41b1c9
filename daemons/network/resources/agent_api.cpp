// The contract with pilvi-network-agent (network-agent/README.md): desired set out, observed report in.
#include "base/text.h"
#include "resources/agents.h"
#include "resources/addresses.h"

namespace pilvi::network {
namespace {

using namespace api;

std::string host_of(const Call& call) {
    const std::string& host = call.arg("host");
    const bool plain = !host.empty() && host.size() <= 253 &&
                       host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == std::string::npos;
    if (!plain) throw bad("HTTPBadRequest", "The name of a node has letters, digits, '.', '-' and '_' only.");
    return host;
}

std::int64_t number(const Call& call, std::string_view name, std::int64_t least) {
    const auto text = call.query.get(name);
    if (!text) return 0;
    const auto value = parse_integer(*text);
    if (!value || *value < least) throw bad("HTTPBadRequest", fmt::format("{} must be an integer of {} or more.", name, least));
    return *value;
}

Reply desired(Call& call) {
    App& app = app_of(call);
    const std::string host = host_of(call);
    const std::int64_t revision = number(call, "revision", -1), wait = std::min<std::int64_t>(number(call, "wait", 0), 60);  // -1: none yet
    if (call.store().read([&](Tx& tx) { return heartbeat_due(tx, app, host); }))
        call.store().write([&](Tx& tx) { take_heartbeat(tx, app, host, nullptr); });
    return Reply::from(app.feed.answer(host, revision, std::chrono::seconds(wait)));
}

Reply observed(Call& call) {
    App& app = app_of(call);
    const std::string host = host_of(call);
    call.store().write([&](Tx& tx) { take_report(tx, app, host, call.body); });
    return json::object{};
}

constexpr Route routes[] = {
    {.method = "GET",
     .path = "/agent/v1/nodes/{host}/desired",
     .policy = "agent:desired",
     .check = "role:admin or role:service",
     .handler = &desired},
    {.method = "POST",
     .path = "/agent/v1/nodes/{host}/observed",
     .policy = "agent:observed",
     .check = "role:admin or role:service",
     .handler = &observed,
     .json_body = true,
     .any_body = true,
     .body_limit = 16u << 20},
};
static_assert(api::sound(std::span<const Route>(routes)));

void event_for(Tx& tx, App& app, const Row& port, std::string_view status) {
    if (!is_server_port(port.text("device_owner")) || port.text("device_id").empty()) return;
    tell_compute(tx, app, status == "ACTIVE" ? "network-vif-plugged" : "network-vif-unplugged", port.text("device_id"), port.text("id"));
}

// Only what is bound to the node is its to report; a port that it does not name is not wired there.
void take_ports(Tx& tx, App& app, const std::string& host, const json::object& ports) {
    for (const Row& port : tx.query("SELECT id, status, device_id, device_owner, admin_state_up FROM ports WHERE binding_host_id = ?", {host})) {
        const std::string said = string_or(object_or_empty(ports, port.text("id")), "status");
        const std::string status = said == "ACTIVE" && port.boolean("admin_state_up") ? "ACTIVE" : "DOWN";
        if (status == port.text("status")) continue;
        tx.exec("UPDATE ports SET status = ? WHERE id = ?", {status, port.text("id")});
        touch(tx, app, "ports", port.text("id"));
        event_for(tx, app, port, status);
    }
}

void take_routers(Tx& tx, App& app, const std::string& host, const json::object& routers) {
    for (const Row& router : tx.query("SELECT id, status FROM routers WHERE host = ?", {host})) {
        const std::string status = string_or(object_or_empty(routers, router.text("id")), "status") == "ERROR" ? "ERROR" : "ACTIVE";
        if (status == router.text("status")) continue;
        tx.exec("UPDATE routers SET status = ? WHERE id = ?", {status, router.text("id")});
        touch(tx, app, "routers", router.text("id"));
    }
    for (const Row& fip :
         tx.query("SELECT f.id, f.status, f.router_id FROM floating_ips f JOIN routers r ON r.id = f.router_id WHERE r.host = ?", {host})) {
        const json::object& mapped = object_or_empty(object_or_empty(routers, fip.text("router_id")), "floating_ips");
        const std::string status = string_or(mapped, fip.text("id")) == "ACTIVE" ? "ACTIVE" : "DOWN";
        if (status == fip.text("status")) continue;
        tx.exec("UPDATE floating_ips SET status = ? WHERE id = ?", {status, fip.text("id")});
        touch(tx, app, "floating_ips", fip.text("id"));
    }
}

}  // namespace

const std::span<const api::Route> agent_api_routes = routes;

void take_report(Tx& tx, App& app, const std::string& host, const json::object& report) {
    const json::object& agent = object_or_empty(report, "agent");
    take_heartbeat(tx, app, host, &agent);
    const std::string tunnel = string_or(agent, "tunnel_ip");
    const Value before = tx.scalar("SELECT tunnel_ip FROM node_reports WHERE host = ?", {host});
    tx.exec(
        "INSERT INTO node_reports (host, tunnel_ip, report, reported_at) VALUES (?, ?, ?, ?) ON CONFLICT (host) DO UPDATE SET tunnel_ip = "
        "excluded.tunnel_ip, report = excluded.report, reported_at = excluded.reported_at",
        {host, tunnel, to_text(report), app.clock()});
    take_ports(tx, app, host, object_or_empty(report, "ports"));
    take_routers(tx, app, host, object_or_empty(report, "routers"));
    if (before.text() != tunnel) app.feed.bump_all(tx);  // the other nodes' tunnels end there
}

}  // namespace pilvi::network
