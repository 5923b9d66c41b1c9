// os-server-external-events: what other services have to say of a server. The network service's word that a port is wired lets the guest run.
#include "domain/states.h"
#include "log/log.h"
#include "resources/common.h"
#include "work/network_info.h"
#include "work/worker.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

// The port is wired. The last one of the server lets it run.
void plugged(App& app, Tx& tx, const Instance& i, const std::string& port) {
    json::array info = json_array(i.network_info);
    bool changed = false;
    for (json::value& vif : info)
        if (string_or(vif.as_object(), "id") == port && string_or(vif.as_object(), "status") != "ACTIVE") {
            vif.as_object()["status"] = "ACTIVE";
            changed = true;
        }
    Changes changes;
    if (changed) changes = network_changes(info);
    if (!i.vif_plugged && !info.empty() && all_active(info)) {
        changes.emplace_back("vif_plugged", true);
        changes.emplace_back("generation", i.generation + 1);
        if (!i.host.empty()) app.feed.bump(tx, i.host);
    }
    if (!changes.empty()) tx.update("instances", i.id, changes);
}

void unplugged(Tx& tx, const Instance& i, const std::string& port) {
    json::array info = json_array(i.network_info);
    for (json::value& vif : info)
        if (string_or(vif.as_object(), "id") == port) vif.as_object()["status"] = "DOWN";
    tx.update("instances", i.id, network_changes(info));
}

Reply create(Call& call) {
    App& app = app_of(call);
    const Micros now = app.now();
    json::array answers;
    std::vector<std::string> refresh;
    bool accepted = false, partial = false;
    call.store().write([&](Tx& tx) {
        answers.clear(), refresh.clear(), accepted = partial = false;
        for (const json::value& e : array_or_empty(call.body, "events")) {
            json::object answer = e.as_object();
            const std::string name = string_or(answer, "name"), server = string_or(answer, "server_uuid"), tag = string_or(answer, "tag");
            if (!answer.contains("status")) answer["status"] = "completed";
            const auto instance = find_instance(tx, server);
            const bool tag_missing = tag.empty() && (name == "volume-extended" || name == "power-update" || name == "accelerator-request-bound");
            const int code = !instance || instance->deleted ? 404 : instance->host.empty() ? 422 : tag_missing ? 400 : 200;
            answer["code"] = code;
            if (code != 200) {
                answer["status"] = "failed";
                partial = true;
            } else {
                accepted = true;
                if (name == "network-vif-plugged" && string_or(answer, "status") == "completed") plugged(app, tx, *instance, tag);
                else if (name == "network-vif-unplugged") unplugged(tx, *instance, tag);
                if (name == "network-changed" || name == "network-vif-deleted") refresh.push_back(server);
                hurry_operation(tx, server, now);
            }
            answers.push_back(std::move(answer));
        }
        tx.after_commit([&app] { app.wake(); });
    });
    if (!accepted) throw Error(Errc::not_found, "No instances found for any event");
    for (const std::string& server : refresh) {
        try {
            refresh_network_info(app, server);
        } catch (const Error& error) {
            log::warning("the addresses of a server could not be read: " + error.message() + "; they are read again within 60 s",
                         {{"INSTANCE_UUID", server}});
        }
    }
    Reply reply(json::object{{"events", answers}});
    reply.status = partial ? 207 : 200;
    return reply;
}

constexpr std::string_view names[] = {"network-changed", "network-vif-plugged", "network-vif-unplugged",     "network-vif-deleted",
                                      "volume-extended", "power-update",        "accelerator-request-bound", "volume-reimaged"};
constexpr std::string_view statuses[] = {"failed", "completed", "in-progress"};
constexpr Field event_fields[] = {
    {.name = "server_uuid", .type = Type::uuid, .use = api::required},
    {.name = "name", .type = Type::text, .use = api::required, .values = names},
    {.name = "status", .type = Type::text, .values = statuses},
    {.name = "tag", .type = Type::text},
};
constexpr Field fields[] = {
    {.name = "events", .type = Type::array, .use = api::required, .least = 1, .most = 1000, .item = Type::object, .fields = event_fields}};
constexpr Route routes[] = {
    {.method = "POST",
     .path = "/v2.1/os-server-external-events",
     .policy = "os_compute_api:os-server-external-events:create",
     .check = service_check,
     .handler = &create,
     .body = fields},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> external_event_routes() { return routes; }

}  // namespace pilvi::compute
