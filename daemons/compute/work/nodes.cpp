#include "work/nodes.h"

#include <map>

#include "base/ids.h"
#include "base/text.h"
#include "domain/names.h"
#include "domain/states.h"
#include "work/network_info.h"
#include "work/worker.h"

namespace pilvi::compute {
namespace {

json::value json_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : parse_json(text); }

json::array ports_of(const Instance& instance) {
    json::array ports;
    for (const json::value& v : json_array(instance.network_info)) {
        const json::object& vif = v.as_object();
        json::array ips;
        for (const json::value& ip : array_or_empty(vif, "fixed_ips")) ips.push_back(ip.as_object().at("ip"));
        ports.push_back(json::object{
            {"id", vif.at("id")}, {"mac", vif.at("mac")}, {"mtu", vif.at("mtu")}, {"network_id", vif.at("network_id")}, {"fixed_ips", ips}});
    }
    return ports;
}

json::object desired_server(const Instance& instance, json::array tasks) {
    const json::object flavor = json_object(instance.flavor);
    return {{"id", instance.id},
            {"name", domain_name(instance.number)},
            {"generation", instance.generation},
            {"hostname", instance.display_name},
            {"project_id", instance.project_id},
            {"user_id", instance.user_id},
            {"power", instance.power},
            {"vif_plugged", instance.vif_plugged},
            {"flavor", json::object{{"name", string_or(flavor, "name")},
                                    {"vcpus", integer_or(flavor, "vcpus")},
                                    {"ram_mb", integer_or(flavor, "ram")},
                                    {"disk_gb", integer_or(flavor, "disk")},
                                    {"ephemeral_gb", integer_or(flavor, "ephemeral")},
                                    {"swap_mb", integer_or(flavor, "swap")},
                                    {"extra_specs", object_or_empty(flavor, "extra_specs")}}},
            {"image", parse_json(instance.image)},
            {"kernel", json_or_null(instance.kernel)},
            {"ramdisk", json_or_null(instance.ramdisk)},
            {"ports", ports_of(instance)},
            {"config_drive", instance.config_drive},
            {"tasks", std::move(tasks)}};
}

// ---- reports

void observe_host(App& app, Tx& tx, const std::string& host, const json::object& node, Micros now) {
    const std::string provider = string_or(node, "provider_id"), url = string_or(node, "agent_url"), text = to_text(node);
    if (tx.exec("UPDATE nodes SET hypervisor = ?, agent_url = ?, provider_id = ? WHERE host = ?", {text, url, provider, host}) == 0)
        tx.insert("nodes", {{"host", host},
                            {"id", is_uuid_like(provider) ? provider : new_uuid()},
                            {"number", next_number(tx, "nodes")},
                            {"provider_id", provider},
                            {"hypervisor", text},
                            {"agent_url", url},
                            {"zone", app.options.zone},
                            {"created_at", now}});
    if (tx.exec("UPDATE services SET seen_at = ? WHERE host = ? AND service_binary = 'nova-compute'", {now, host}) == 0)
        tx.insert("services", {{"id", new_uuid()},
                               {"number", next_number(tx, "services")},
                               {"host", host},
                               {"service_binary", "nova-compute"},
                               {"disabled", 0},
                               {"forced_down", 0},
                               {"seen_at", now},
                               {"created_at", now}});
}

Report report_of(const json::object& server, const std::string& task_id) {
    Report report{.state = string_or(server, "state"),
                  .generation = integer_or(server, "generation"),
                  .reason = string_or(server, "reason"),
                  .task_done = false,
                  .task_error = std::nullopt};
    if (task_id.empty()) return report;
    const json::object& task = object_or_empty(object_or_empty(server, "tasks"), task_id);
    report.task_done = boolean_or(task, "done");
    report.task_error = optional_string(task, "error");
    return report;
}

// What a build is waiting for, for its deadlines and their messages.
void note_build(Tx& tx, const Instance& instance, const json::object& server, Micros now) {
    auto operation = find_operation(tx, instance.id);
    if (!operation || operation->kind != "create" || operation->step != "spawn") return;
    const std::string step = string_or(server, "step");
    const bool waits = step == "wait_for_ports" && !operation->data.contains("waiting_since");
    if (!waits && string_or(operation->data, "node_step") == step) return;
    operation->data["node_step"] = step;
    if (waits) operation->data["waiting_since"] = now;
    keep_operation(tx, *operation);
}

void apply(App& app, Tx& tx, const Instance& instance, const Change& change, const std::string& task_id, Micros now) {
    if (change == Change{}) return;
    auto operation = find_operation(tx, instance.id);
    if (change.gone) {
        if (instance.absent_seen) return;
        tx.update("instances", instance.id, {{"absent_seen", true}});
        hurry_operation(tx, instance.id, now);
        tx.after_commit([&app] { app.wake(); });
        return;
    }
    if (instance.vm_state == vm::building && change.failed) {
        if (operation && operation->kind == "create") retry_build(app, tx, *operation, instance, *change.failed);
        return;
    }
    Changes changes;
    if (change.vm_state) changes.emplace_back("vm_state", *change.vm_state);
    if (change.task_state) changes.emplace_back("task_state", change.task_state->empty() ? Value(nullptr) : Value(*change.task_state));
    if (change.power_state) changes.emplace_back("power_state", *change.power_state);
    if (change.launched) changes.emplace_back("launched_at", now);
    if (change.failed && change.vm_state && *change.vm_state == vm::error) changes.emplace_back("fault", fault_text(500, *change.failed, "", now));
    if (change.power) {
        changes.emplace_back("power", *change.power);
        changes.emplace_back("generation", instance.generation + 1);
    }
    if (change.task_seen) tx.exec("DELETE FROM tasks WHERE id = ?", {task_id});
    if (!changes.empty()) change_instance(tx, instance.id, changes, now);
    if ((change.finished || change.failed) && operation && operation->kind != "delete") {
        finish_event(tx, instance.id, operation->request_id, "", change.finished, change.failed.value_or(""), now);
        end_operation(tx, *operation);
    }
    if (change.power || change.task_seen) app.feed.bump(tx, instance.host);
}

std::map<std::string, std::string> task_ids(Tx& tx, const std::string& host) {
    std::map<std::string, std::string> out;
    for (const Row& row : tx.query(
             "SELECT t.id, t.instance_id FROM tasks t JOIN instances i ON i.id = t.instance_id WHERE i.host = ? ORDER BY t.created_at DESC", {host}))
        out[row.text("instance_id")] = row.text("id");
    return out;
}

void observe_server(App& app, Tx& tx, const Instance& instance, const json::object& server, const std::string& task_id, Micros now) {
    const Known known{.vm_state = instance.vm_state,
                      .task_state = instance.task_state,
                      .power = instance.power,
                      .generation = instance.generation,
                      .power_state = instance.power_state,
                      .has_task = !task_id.empty()};
    if (instance.vm_state == vm::building && instance.task_state != task::spawning && instance.power != power::deleted) return;
    const Change change = observe(known, report_of(server, task_id));
    apply(app, tx, instance, change, task_id, now);
    if (known.vm_state == vm::building && !change.finished && !change.failed) note_build(tx, instance, server, now);
    if (known.power == power::deleted && !change.gone) {
        if (auto operation = find_operation(tx, instance.id); operation && operation->kind == "delete" && !string_or(server, "reason").empty() &&
                                                              string_or(operation->data, "node_reason") != string_or(server, "reason")) {
            operation->data["node_reason"] = string_or(server, "reason");
            keep_operation(tx, *operation);
        }
    }
}

}  // namespace

json::object desired_set(Tx& tx, const std::string& host) {
    std::map<std::string, json::array> tasks;
    for (const Row& row : tx.query("SELECT t.id, t.instance_id, t.verb, t.deadline FROM tasks t JOIN instances i ON i.id = t.instance_id WHERE "
                                   "i.host = ? ORDER BY t.created_at",
                                   {host}))
        tasks[row.text("instance_id")].push_back(
            json::object{{"id", row.text("id")}, {"verb", row.text("verb")}, {"deadline", iso8601(row.integer("deadline"))}});
    json::array servers;
    for (const Instance& instance : find_instances(
             tx, "host = ? AND deleted = 0 AND (power = 'deleted' OR vm_state <> 'building' OR task_state = 'spawning') ORDER BY number", {host}))
        servers.push_back(desired_server(instance, tasks[instance.id]));
    return {{"servers", servers}};
}

void observe_node(App& app, const std::string& host, const json::object& report) {
    const Micros now = app.now();
    app.store.write([&](Tx& tx) {
        if (const json::object& node = object_or_empty(report, "node"); !node.empty()) observe_host(app, tx, host, node, now);
        const json::object& servers = object_or_empty(report, "servers");
        if (servers.empty()) return;
        const auto tasks = task_ids(tx, host);
        for (const Instance& instance : find_instances(tx, "host = ? AND deleted = 0", {host})) {
            const json::value* server = find(servers, instance.id);
            if (!server || !server->is_object()) continue;
            const auto task = tasks.find(instance.id);
            observe_server(app, tx, instance, server->get_object(), task == tasks.end() ? "" : task->second, now);
        }
    });
}

}  // namespace pilvi::compute
