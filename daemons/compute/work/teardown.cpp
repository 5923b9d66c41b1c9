// Deleting a server is a finalizer: the API marked it, the node tears down and says so, then ports, allocation and row go.
#include "domain/states.h"
#include "log/log.h"
#include "work/network_info.h"
#include "work/worker.h"

namespace pilvi::compute {

bool host_is_up(Tx& tx, const std::string& host, Micros now, const Options& options) {
    const auto row = tx.one("SELECT forced_down, seen_at FROM services WHERE host = ? AND service_binary = 'nova-compute'", {host});
    return row && !row->boolean("forced_down") && now - row->integer("seen_at") < options.service_down;
}

namespace {

// True where nothing more is to be expected of the node.
bool node_is_done(App& app, Operation& operation, const Instance& instance) {
    if (instance.host.empty() || instance.absent_seen) return true;
    const Micros now = app.now();
    return app.store.write([&](Tx& tx) {
        if (!host_is_up(tx, instance.host, now, app.options)) {
            log::notice("the node of a deleted server is down: the server goes from the database, the node removes its part when it is back",
                        {{"INSTANCE_UUID", instance.id}});
            return true;
        }
        if (now >= operation.deadline) {
            const std::string reason = string_or(operation.data, "node_reason", "the node has not reported that it is gone");
            change_instance(
                tx, instance.id,
                {{"vm_state", vm::error}, {"fault", fault_text(500, "The node " + instance.host + " cannot remove the server: " + reason, "", now)}},
                now);
            finish_event(tx, instance.id, operation.request_id, event::terminate, false, reason, now);
            operation.deadline = now + app.options.delete_timeout;
            tx.exec("UPDATE operations SET deadline = ? WHERE id = ?", {operation.deadline, operation.id});
        }
        operation.next_at = now + 5 * second;
        keep_operation(tx, operation);
        return false;
    });
}

}  // namespace

void step_delete(App& app, Operation operation, const Instance& instance) {
    if (operation.step == "node" && !node_is_done(app, operation, instance)) return;
    release_resources(app, instance);
    const Micros now = app.now();
    app.store.write([&](Tx& tx) {
        Changes changes{{"vm_state", vm::deleted}, {"task_state", nullptr}, {"power_state", 0}, {"deleted", true}, {"terminated_at", now}};
        for (auto& change : network_changes({})) changes.push_back(std::move(change));
        change_instance(tx, instance.id, changes, now);
        for (const char* table : {"tasks", "server_passwords"})
            tx.exec("DELETE FROM " + std::string(table) + " WHERE instance_id = ?", {instance.id});
        finish_event(tx, instance.id, operation.request_id, "", true, "", now);
        end_operation(tx, operation);
        if (!instance.host.empty()) app.feed.bump(tx, instance.host);
    });
}

}  // namespace pilvi::compute
