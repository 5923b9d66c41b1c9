#include "records.h"

#include "base/ids.h"

namespace pilvi::compute {
namespace {

Value or_null(const std::string& text) { return text.empty() ? Value(nullptr) : Value(text); }

}  // namespace

Instance Instance::from(const Row& row) {
    Instance i;
    std::size_t at = 0;
    const auto text = [&](std::string& out) { out = row.at(at++).text(); };
    const auto maybe = [&](std::optional<std::string>& out) { out = row.at(at++).optional_text(); };
    const auto number = [&](std::int64_t& out) { out = row.at(at++).integer(); };
    const auto flag = [&](bool& out) { out = row.at(at++).boolean(); };
    const auto time = [&](std::optional<Micros>& out) { out = row.at(at++).optional_integer(); };
    text(i.id), number(i.number), text(i.project_id), text(i.user_id), text(i.display_name), maybe(i.description), text(i.hostname), text(i.vm_state);
    text(i.task_state), number(i.power_state), text(i.power), number(i.generation), flag(i.vif_plugged), text(i.host), text(i.node),
        text(i.requested_host);
    text(i.availability_zone), text(i.zone), text(i.image_id), text(i.image), text(i.kernel), text(i.ramdisk), text(i.flavor_id), text(i.flavor);
    number(i.vcpus), number(i.memory_mb), maybe(i.key_name), maybe(i.key_data), maybe(i.user_data), flag(i.config_drive), text(i.metadata),
        text(i.tags);
    text(i.requested_networks), text(i.requested_groups), text(i.hints), text(i.security_groups), text(i.addresses), text(i.network_info),
        maybe(i.fault);
    text(i.locked_by), maybe(i.locked_reason), text(i.access_ip_v4), text(i.access_ip_v6), text(i.disk_config), maybe(i.root_device_name);
    text(i.reservation_id), number(i.launch_index), text(i.group_id), number(i.created_at), number(i.updated_at), time(i.launched_at),
        time(i.terminated_at);
    flag(i.deleted), flag(i.absent_seen);
    return i;
}

void Instance::insert(Tx& tx) const {
    tx.insert("instances", {{"id", id},
                            {"number", number},
                            {"project_id", project_id},
                            {"user_id", user_id},
                            {"display_name", display_name},
                            {"description", description},
                            {"hostname", hostname},
                            {"vm_state", vm_state},
                            {"task_state", or_null(task_state)},
                            {"power_state", power_state},
                            {"power", power},
                            {"generation", generation},
                            {"vif_plugged", vif_plugged},
                            {"host", or_null(host)},
                            {"node", or_null(node)},
                            {"requested_host", or_null(requested_host)},
                            {"availability_zone", or_null(availability_zone)},
                            {"zone", or_null(zone)},
                            {"image_id", image_id},
                            {"image", image},
                            {"kernel", or_null(kernel)},
                            {"ramdisk", or_null(ramdisk)},
                            {"flavor_id", flavor_id},
                            {"flavor", flavor},
                            {"vcpus", vcpus},
                            {"memory_mb", memory_mb},
                            {"key_name", key_name},
                            {"key_data", key_data},
                            {"user_data", user_data},
                            {"config_drive", config_drive},
                            {"metadata", metadata},
                            {"tags", tags},
                            {"requested_networks", requested_networks},
                            {"requested_groups", requested_groups},
                            {"hints", hints},
                            {"security_groups", security_groups},
                            {"addresses", addresses},
                            {"network_info", network_info},
                            {"fault", fault},
                            {"locked_by", or_null(locked_by)},
                            {"locked_reason", locked_reason},
                            {"access_ip_v4", or_null(access_ip_v4)},
                            {"access_ip_v6", or_null(access_ip_v6)},
                            {"disk_config", disk_config},
                            {"root_device_name", root_device_name},
                            {"reservation_id", reservation_id},
                            {"launch_index", launch_index},
                            {"group_id", or_null(group_id)},
                            {"created_at", created_at},
                            {"updated_at", updated_at},
                            {"launched_at", launched_at},
                            {"terminated_at", terminated_at},
                            {"deleted", deleted},
                            {"absent_seen", absent_seen}});
}

std::optional<Instance> find_instance(Tx& tx, std::string_view id) {
    const auto row = tx.one("SELECT " + std::string(Instance::columns) + " FROM instances WHERE id = ?", {id});
    return row ? std::optional(Instance::from(*row)) : std::nullopt;
}

std::string Instance::list_columns() {
    std::string text(columns);
    for (const std::string_view unused : {" image,", " key_data,", " requested_networks,", " requested_groups,", " hints,", " network_info,"})
        if (const std::size_t at = text.find(unused); at != std::string::npos) text.replace(at, unused.size(), " NULL,");
    return text;
}

std::vector<Instance> find_instances(Tx& tx, std::string_view where, const Values& parameters, std::string_view columns) {
    std::vector<Instance> out;
    for (const Row& row : tx.query("SELECT " + std::string(columns) + " FROM instances WHERE " + std::string(where), parameters))
        out.push_back(Instance::from(row));
    return out;
}

void change_instance(Tx& tx, std::string_view id, Changes changes, Micros now) {
    changes.emplace_back("updated_at", now);
    tx.update("instances", id, changes);
}

Operation Operation::from(const Row& row) {
    Operation o;
    o.id = row.text("id"), o.instance_id = row.text("instance_id"), o.kind = row.text("kind"), o.step = row.text("step");
    o.deadline = row.integer("deadline"), o.next_at = row.integer("next_at"), o.attempts = row.integer("attempts");
    o.request_id = row.text("request_id");
    o.data = json_object(row.text("data"));
    return o;
}

void begin_operation(Tx& tx, const Operation& o) {
    tx.exec("DELETE FROM operations WHERE instance_id = ?", {o.instance_id});
    tx.insert("operations", {{"id", o.id},
                             {"instance_id", o.instance_id},
                             {"kind", o.kind},
                             {"step", o.step},
                             {"deadline", o.deadline},
                             {"next_at", o.next_at},
                             {"attempts", o.attempts},
                             {"request_id", o.request_id},
                             {"data", to_text(o.data)}});
}

std::optional<Operation> find_operation(Tx& tx, std::string_view instance_id) {
    const auto row = tx.one("SELECT " + std::string(Operation::columns) + " FROM operations WHERE instance_id = ?", {instance_id});
    return row ? std::optional(Operation::from(*row)) : std::nullopt;
}

bool keep_operation(Tx& tx, const Operation& o) {
    return tx.exec("UPDATE operations SET step = ?, next_at = ?, attempts = ?, data = ? WHERE id = ?",
                   {o.step, o.next_at, o.attempts, to_text(o.data), o.id}) == 1;
}

void end_operation(Tx& tx, const Operation& o) { tx.exec("DELETE FROM operations WHERE id = ?", {o.id}); }

void hurry_operation(Tx& tx, std::string_view instance_id, Micros now) {
    tx.exec("UPDATE operations SET next_at = ? WHERE instance_id = ? AND next_at > ?", {now, instance_id, now});
}

void begin_action(Tx& tx, std::string_view instance_id, std::string_view request_id, std::string_view action, std::string_view user_id,
                  std::string_view project_id, Micros now) {
    tx.exec(
        "INSERT INTO actions (id, instance_id, request_id, action, user_id, project_id, message, started_at, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?) ON CONFLICT DO NOTHING",
        {new_uuid(), instance_id, request_id, action, user_id, project_id, now, now});
}

namespace {
std::optional<std::string> action_of(Tx& tx, std::string_view instance_id, std::string_view request_id) {
    return tx.scalar("SELECT id FROM actions WHERE instance_id = ? AND request_id = ?", {instance_id, request_id}).optional_text();
}
}  // namespace

void begin_event(Tx& tx, std::string_view instance_id, std::string_view request_id, std::string_view name, std::string_view host, Micros now) {
    const auto action = action_of(tx, instance_id, request_id);
    if (!action) return;
    if (tx.one("SELECT number FROM action_events WHERE action_id = ? AND name = ? AND finished_at IS NULL", {*action, name})) return;
    const std::int64_t number = tx.scalar("SELECT COALESCE(MAX(number), 0) + 1 FROM action_events WHERE action_id = ?", {*action}).integer();
    tx.insert(
        "action_events",
        {{"action_id", *action}, {"number", number}, {"name", name}, {"host", host.empty() ? Value(nullptr) : Value(host)}, {"started_at", now}});
    tx.exec("UPDATE actions SET updated_at = ? WHERE id = ?", {now, *action});
}

void finish_event(Tx& tx, std::string_view instance_id, std::string_view request_id, std::string_view name, bool success, std::string_view details,
                  Micros now, std::string_view host) {
    const auto action = action_of(tx, instance_id, request_id);
    if (!action) return;
    Values values{success ? "Success" : "Error", details.empty() ? Value(nullptr) : Value(details), now};
    std::string sql = "UPDATE action_events SET result = ?, details = ?, finished_at = ?";
    if (!host.empty()) sql += ", host = ?", values.emplace_back(host);
    sql += " WHERE action_id = ? AND finished_at IS NULL";
    values.emplace_back(*action);
    if (!name.empty()) sql += " AND name = ?", values.emplace_back(name);
    tx.exec(sql, values);
    if (success) tx.exec("UPDATE actions SET updated_at = ? WHERE id = ?", {now, *action});
    else tx.exec("UPDATE actions SET updated_at = ?, message = 'Error' WHERE id = ?", {now, *action});
}

std::int64_t next_number(Tx& tx, std::string_view sequence) {
    tx.exec("INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1", {sequence});
    return tx.scalar("SELECT value FROM counters WHERE name = ?", {sequence}).integer();
}

json::array json_array(const std::string& text) { return std::move(parse_json(text).as_array()); }
json::object json_object(const std::string& text) { return std::move(parse_json(text).as_object()); }

std::string fault_text(int code, std::string_view message, std::string_view details, Micros now) {
    json::object fault{{"code", code}, {"created", iso8601(now)}, {"message", message}};
    if (!details.empty()) fault["details"] = details;
    return to_text(fault);
}

}  // namespace pilvi::compute
