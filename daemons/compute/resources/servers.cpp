// GET, PUT, DELETE of /servers. Creating is in server_create.cpp, the list's filters in server_list.cpp.
#include "base/ids.h"
#include "base/text.h"
#include "domain/names.h"
#include "domain/states.h"
#include "resources/server_list.h"
#include "resources/server_view.h"
#include "work/worker.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Field;
using api::Reply;
using api::Route;

Reply index(Call& call) { return list_servers(call, false); }
Reply detail(Call& call) { return list_servers(call, true); }

Reply show(Call& call) {
    return call.store().read([&](Tx& tx) {
        const Instance instance = load_server(call, tx);
        enforce_on(call, "os_compute_api:servers:show", instance);
        ServerView view = ServerView::of(call, tx);
        view.groups = true;
        return Reply(json::object{{"server", view.full(instance)}});
    });
}

void check_hostname(const json::object& body) {
    const json::value* hostname = find(body, "hostname");
    if (hostname && !is_name(str(hostname->as_string()))) refuse_field("hostname", *hostname, "is not a 'hostname'");
}

constexpr Field update_fields[] = {
    {.name = "name", .type = api::Type::text, .least = 1},
    {.name = "OS-DCF:diskConfig", .type = api::Type::text, .values = {}},
    {.name = "accessIPv4", .type = api::Type::ip},
    {.name = "accessIPv6", .type = api::Type::ip},
    {.name = "description", .type = api::Type::text, .use = api::nullable, .since = {2, 19}},
    {.name = "hostname", .type = api::Type::text, .least = 2, .most = 63, .pattern = "[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+", .since = {2, 90}},
};

Changes update_changes(const json::object& body) {
    Changes changes;
    if (const json::value* name = find(body, "name")) {
        if (!is_name(str(name->as_string()))) refuse_field("name", *name, "is not a 'name'");
        changes.emplace_back("display_name", std::string(trim(str(name->as_string()))));
    }
    check_hostname(body);
    if (const auto hostname = optional_string(body, "hostname")) changes.emplace_back("hostname", *hostname);
    if (body.contains("description")) changes.emplace_back("description", optional_string(body, "description"));
    for (const auto& [name, column, version] : {std::tuple{"accessIPv4", "access_ip_v4", 4}, std::tuple{"accessIPv6", "access_ip_v6", 6}})
        if (const auto address = optional_string(body, name)) {
            if ((address->find(':') != std::string::npos) != (version == 6))
                refuse_field(name, body.at(name), version == 6 ? "is not a 'ipv6'" : "is not a 'ipv4'");
            changes.emplace_back(column, *address);
        }
    if (const json::value* disk = find(body, "OS-DCF:diskConfig")) {
        const std::string mode = disk->is_string() ? str(disk->get_string()) : "";
        if (mode != "AUTO" && mode != "MANUAL") refuse_field("OS-DCF:diskConfig", *disk, "is not one of ['AUTO', 'MANUAL']");
        changes.emplace_back("disk_config", mode);
    }
    return changes;
}

Reply update(Call& call) {
    const Changes changes = update_changes(call.body);
    return call.store().write([&](Tx& tx) {
        Instance instance = load_server(call, tx);
        enforce_on(call, "os_compute_api:servers:update", instance);
        if (!changes.empty()) {
            change_instance(tx, instance.id, changes, app_of(call).now());
            instance = *find_instance(tx, instance.id);
        }
        ServerView view = ServerView::of(call, tx);
        view.all = call.at_least(2, 75);
        view.groups = true;
        return Reply(json::object{{"server", view.full(instance)}});
    });
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.1/servers", .policy = "os_compute_api:servers:index", .check = reader_check, .handler = &index},
    {.method = "GET", .path = "/v2.1/servers/detail", .policy = "os_compute_api:servers:detail", .check = reader_check, .handler = &detail},
    {.method = "GET", .path = "/v2.1/servers/{id}", .policy = "os_compute_api:servers:show", .check = reader_check, .handler = &show},
    {.method = "PUT",
     .path = "/v2.1/servers/{id}",
     .policy = "os_compute_api:servers:update",
     .check = member_check,
     .handler = &update,
     .wrapper = "server",
     .body = update_fields},
    {.method = "DELETE",
     .path = "/v2.1/servers/{id}",
     .policy = "os_compute_api:servers:delete",
     .check = member_check,
     .handler = &delete_server,
     .status = 204},
};
static_assert(api::sound(routes));

}  // namespace

// Marks; the worker and the node do the rest. Also while it is being built: the delete takes the place of the build.
Reply delete_server(Call& call) {
    App& app = app_of(call);
    const Micros now = app.now();
    app.store.write([&](Tx& tx) {
        const Instance instance = load_server(call, tx);
        enforce_on(call, "os_compute_api:servers:delete", instance);
        refuse_locked(call, instance);
        if (instance.power == power::deleted && instance.vm_state != vm::error) return;
        change_instance(tx, instance.id, {{"power", power::deleted}, {"task_state", task::deleting}, {"generation", instance.generation + 1}}, now);
        if (const auto before = find_operation(tx, instance.id))
            finish_event(tx, instance.id, before->request_id, "", false, "the server was deleted meanwhile", now);
        begin_operation(tx, {.id = new_uuid(),
                             .instance_id = instance.id,
                             .kind = "delete",
                             .step = "node",
                             .deadline = now + app.options.delete_timeout,
                             .next_at = now,
                             .attempts = 0,
                             .request_id = call.who.request_id,
                             .data = {}});
        begin_action(tx, instance.id, call.who.request_id, "delete", call.who.user_id, call.who.project_id, now);
        begin_event(tx, instance.id, call.who.request_id, event::terminate, instance.host, now);
        if (!instance.host.empty()) app.feed.bump(tx, instance.host);
        tx.after_commit([&app] { app.wake(); });
    });
    return {};
}

std::span<const Route> server_routes() { return routes; }

}  // namespace pilvi::compute
