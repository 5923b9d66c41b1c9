// /agent/v1: for the nodes and the metadata server. Shapes: compute-agent/README.md, metadata-server/README.md.
#include <algorithm>

#include "base/text.h"
#include "domain/states.h"
#include "resources/common.h"
#include "work/nodes.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

const std::string& host_of(Call& call) {
    const std::string& host = call.arg("host");
    if (host.empty() || host.size() > 255) throw bad_request("the name of the node is empty or too long");
    return host;
}

Reply desired(Call& call) {
    const auto revision = parse_integer(call.query.get("revision").value_or("0")), wait = parse_integer(call.query.get("wait").value_or("0"));
    if (!revision || !wait || *wait < 0) throw bad_request("revision and wait are integers");
    return Reply::from(app_of(call).feed.answer(host_of(call), *revision, std::chrono::seconds(std::min<std::int64_t>(*wait, 60))));
}

Reply observed(Call& call) {
    observe_node(app_of(call), host_of(call), call.body);
    return {};
}

// A compute node sees the servers that it runs; a network node serves those of every host.
bool may_see(Call& call, Tx& tx) {
    if (!call.who.node || std::ranges::find(call.who.node->roles, "network") != call.who.node->roles.end()) return true;
    return tx.scalar("SELECT host FROM instances WHERE id = ?", {call.arg("id")}).text() == call.who.node->name;
}

Reply metadata(Call& call) {
    auto document = call.store().read([&](Tx& tx) -> std::optional<json::object> {
        if (!may_see(call, tx)) return std::nullopt;
        return metadata_document(tx, call.arg("id"));
    });
    if (!document) throw Error(Errc::not_found, "Instance " + call.arg("id") + " could not be found.");
    return Reply(std::move(*document));
}

// What the original keeps at most, in bytes.
constexpr std::size_t longest_password = 1020;

Reply password(Call& call) {
    const std::string text = string_or(call.body, "password");
    if (text.size() > longest_password) throw bad_request("Request is too large.");
    call.store().write([&](Tx& tx) {
        const auto instance = find_instance(tx, call.arg("id"));
        if (!instance || instance->deleted || instance->power == power::deleted)
            throw Error(Errc::not_found, "Instance " + call.arg("id") + " could not be found.");
        if (tx.exec("INSERT INTO server_passwords (instance_id, password) VALUES (?, ?) ON CONFLICT DO NOTHING", {instance->id, text}) == 0)
            throw Error(Errc::conflict, "The server has left a password already.");
    });
    return {};
}

constexpr Field password_fields[] = {{.name = "password", .type = Type::text, .use = api::required, .least = 1}};
constexpr Route routes[] = {
    {.method = "GET", .path = "/agent/v1/nodes/{host}/desired", .policy = "pilvi:agent:desired", .check = service_check, .handler = &desired},
    {.method = "POST",
     .path = "/agent/v1/nodes/{host}/observed",
     .policy = "pilvi:agent:observed",
     .check = service_check,
     .handler = &observed,
     .status = 204,
     .any_body = true,
     .body_limit = 8u << 20},
    {.method = "GET", .path = "/agent/v1/servers/{id}/metadata", .policy = "pilvi:agent:metadata", .check = service_check, .handler = &metadata},
    {.method = "POST",
     .path = "/agent/v1/servers/{id}/password",
     .policy = "pilvi:agent:password",
     .check = service_check,
     .handler = &password,
     .status = 204,
     .body = password_fields},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> agent_routes() { return routes; }

}  // namespace pilvi::compute
