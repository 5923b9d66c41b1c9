// POST /servers/{id}/action.
#include "base/ids.h"
#include "base/text.h"
#include "domain/states.h"
#include "resources/server_request.h"
#include "work/network_info.h"
#include "work/worker.h"

namespace pilvi::compute {
namespace {

using api::Action;
using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

[[noreturn]] void refuse_state(const Instance& i, std::string_view action, const Verdict& verdict) {
    throw Error(Errc::conflict, "Cannot '" + std::string(action) + "' instance " + i.id + " while it is in " + verdict.attribute + " " +
                                    (verdict.state.empty() ? "None" : verdict.state));
}

struct PowerAction {
    std::string_view rule, name /* in messages */, action /* in os-instance-actions */;
    Verb verb;
    std::string_view task_state, power, event, task;  // task: one-shot verb of the node, "" : none
};

// Commits what shall be; the node does it and reports; the operation holds the deadline.
Reply change_power(Call& call, const PowerAction& what) {
    App& app = app_of(call);
    const Micros now = app.now();
    call.store().write([&](Tx& tx) {
        const Instance i = load_server(call, tx);
        enforce_on(call, what.rule, i);
        refuse_locked(call, i);
        if (i.power == power::deleted)
            throw Error(Errc::conflict, "Cannot '" + std::string(what.name) + "' instance " + i.id + " while it is in task_state deleting");
        if (const Verdict verdict = may(what.verb, i.vm_state, i.task_state); !verdict.allowed) refuse_state(i, what.name, verdict);
        if (i.host.empty()) throw Error(Errc::conflict, "Instance " + i.id + " is not ready");
        change_instance(tx, i.id, {{"task_state", what.task_state}, {"power", what.power}, {"generation", i.generation + 1}}, now);
        tx.exec("DELETE FROM tasks WHERE instance_id = ?", {i.id});
        if (!what.task.empty())
            tx.insert(
                "tasks",
                {{"id", new_uuid()}, {"instance_id", i.id}, {"verb", what.task}, {"deadline", now + app.options.power_timeout}, {"created_at", now}});
        if (const auto before = find_operation(tx, i.id))
            finish_event(tx, i.id, before->request_id, "", false, "another request took its place", now);
        begin_operation(tx, {.id = new_uuid(),
                             .instance_id = i.id,
                             .kind = "power",
                             .step = std::string(what.task_state),
                             .deadline = now + app.options.power_timeout,
                             .next_at = now + app.options.power_timeout,
                             .attempts = 0,
                             .request_id = call.who.request_id,
                             .data = {{"power", i.power}}});
        begin_action(tx, i.id, call.who.request_id, what.action, call.who.user_id, call.who.project_id, now);
        begin_event(tx, i.id, call.who.request_id, what.event, i.host, now);
        app.feed.bump(tx, i.host);
    });
    return {};
}

Reply start(Call& call) {
    return change_power(call, {"os_compute_api:servers:start", "start", "start", Verb::start, task::powering_on, power::running, event::start, ""});
}
Reply stop(Call& call) {
    return change_power(call, {"os_compute_api:servers:stop", "stop", "stop", Verb::stop, task::powering_off, power::stopped, event::stop, ""});
}
Reply reboot(Call& call) {
    const std::string type = lower(string_or(call.body, "type"));
    if (type == "hard")
        return change_power(call, {"os_compute_api:servers:reboot", "reboot", "reboot", Verb::reboot_hard, task::rebooting_hard, power::running,
                                   event::reboot, "reboot_hard"});
    return change_power(call, {"os_compute_api:servers:reboot", "reboot", "reboot", Verb::reboot_soft, task::rebooting, power::running, event::reboot,
                               "reboot_soft"});
}

// ---- console

Reply console(Call& call) {
    const json::value* length = find(call.body, "length");
    std::int64_t lines = -1;
    if (length && !length->is_null()) {
        const auto number = length->is_int64()    ? std::optional(length->get_int64())
                            : length->is_string() ? parse_integer(str(length->get_string()))
                                                  : std::nullopt;
        if (!number || *number < -1) refuse_field("length", *length, "is less than the minimum of -1");
        lines = *number;
    }
    App& app = app_of(call);
    const auto [instance, url] = call.store().read([&](Tx& tx) {
        Instance i = load_server(call, tx);
        enforce_on(call, "os_compute_api:os-console-output", i);
        return std::pair(i, i.host.empty() ? std::string() : tx.scalar("SELECT agent_url FROM nodes WHERE host = ?", {i.host}).text());
    });
    if (url.empty()) throw Error(Errc::conflict, "Instance " + instance.id + " is not ready");
    std::optional<std::string> output;
    try {
        output = app.agents.console(instance.host, url, instance.id, lines);
    } catch (const Error& error) {
        throw Error(Errc::conflict, "The node " + instance.host + " does not answer: " + error.message());
    }
    if (!output) throw Error(Errc::conflict, "Instance " + instance.id + " is not ready");
    return Reply(json::object{{"output", *output}});
}

// ---- security groups

Reply change_group(Call& call, bool add) {
    App& app = app_of(call);
    const std::string name = string_or(call.body, "name");
    const Instance i = call.store().read([&](Tx& tx) {
        Instance found = load_server(call, tx);
        enforce_on(call, add ? "os_compute_api:os-security-groups:add" : "os_compute_api:os-security-groups:remove", found);
        return found;
    });
    std::string id;
    try {
        id = check_group(call, name).first;
    } catch (const Error& error) {
        if (error.code() != Errc::bad_request) throw;
        throw Error(Errc::not_found, error.message());
    }
    const json::array ports = app.network.list("", "ports", "device_id=" + i.id);
    if (ports.empty())
        throw bad_request("Cannot " + std::string(add ? "add" : "remove") + " security group " + name + (add ? " to " : " from ") + i.id +
                          " since it has no ports.");
    bool found = false;
    for (const json::value& p : ports) {
        const json::object& port = p.as_object();
        json::array groups;
        bool has = false;
        for (const json::value& g : array_or_empty(port, "security_groups")) {
            has |= g == json::string(id);
            if (add || g != json::string(id)) groups.push_back(g);
        }
        found |= has;
        if (has == add) continue;
        if (add) groups.push_back(json::string(id));
        app.network.update_port(string_or(port, "id"), {{"security_groups", groups}});
    }
    if (!add && !found) throw Error(Errc::not_found, "Security group " + name + " is not associated with the instance " + i.id);
    refresh_network_info(app, i.id);
    return {};
}
Reply add_group(Call& call) { return change_group(call, true); }
Reply remove_group(Call& call) { return change_group(call, false); }

// ---- administrators'

Reply reset_state(Call& call) {
    const std::string state = string_or(call.body, "state");
    if (state != "active" && state != "error") refuse_field("state", call.body.at("state"), "is not one of ['active', 'error']");
    App& app = app_of(call);
    const Micros now = app.now();
    call.store().write([&](Tx& tx) {
        const Instance i = load_server(call, tx);
        Changes changes{{"vm_state", state}, {"task_state", nullptr}};
        const auto operation = find_operation(tx, i.id);
        if (operation && operation->kind == "power") {
            finish_event(tx, i.id, operation->request_id, "", false, "the state was reset", now);
            end_operation(tx, *operation);
            tx.exec("DELETE FROM tasks WHERE instance_id = ?", {i.id});
        } else if (operation && operation->kind == "create") {
            throw Error(Errc::conflict, "Cannot 'reset_state' instance " + i.id + " while it is being built");
        }
        change_instance(tx, i.id, changes, now);
        if (!i.host.empty()) app.feed.bump(tx, i.host);
    });
    return {};
}

Reply lock(Call& call) {
    const auto reason = optional_string(call.body, "locked_reason");
    if (reason && !call.at_least(2, 73)) throw bad_request("Additional properties are not allowed ('locked_reason' was unexpected)");
    call.store().write([&](Tx& tx) {
        const Instance i = load_server(call, tx);
        enforce_on(call, "os_compute_api:os-lock-server:lock", i);
        change_instance(tx, i.id, {{"locked_by", call.who.project_id == i.project_id ? "owner" : "admin"}, {"locked_reason", reason}},
                        app_of(call).now());
        begin_action(tx, i.id, call.who.request_id, "lock", call.who.user_id, call.who.project_id, app_of(call).now());
    });
    return {};
}
Reply unlock(Call& call) {
    call.store().write([&](Tx& tx) {
        const Instance i = load_server(call, tx);
        enforce_on(call, "os_compute_api:os-lock-server:unlock", i);
        if (i.locked_by == "admin")
            call.enforce("os_compute_api:os-lock-server:unlock:unlock_override", {{"project_id", i.project_id}, {"user_id", i.user_id}});
        change_instance(tx, i.id, {{"locked_by", nullptr}, {"locked_reason", nullptr}}, app_of(call).now());
        begin_action(tx, i.id, call.who.request_id, "unlock", call.who.user_id, call.who.project_id, app_of(call).now());
    });
    return {};
}

// ---- verbs that only a state allows which no server here is ever in

Reply never(Call& call, std::string_view name, std::string_view rule) {
    call.store().read([&](Tx& tx) {
        const Instance i = load_server(call, tx);
        enforce_on(call, rule, i);
        refuse_locked(call, i);
        refuse_state(i, name, {false, "vm_state", i.vm_state});
    });
    return {};
}
Reply resume(Call& call) { return never(call, "resume", "os_compute_api:os-suspend-server:resume"); }
Reply unpause(Call& call) { return never(call, "unpause", "os_compute_api:os-pause-server:unpause"); }
Reply restore(Call& call) { return never(call, "restore", "os_compute_api:os-deferred-delete:restore"); }
Reply unrescue(Call& call) { return never(call, "unrescue", "os_compute_api:os-rescue:unrescue"); }
Reply unshelve(Call& call) { return never(call, "unshelve", "os_compute_api:os-shelve:unshelve"); }
Reply confirm_resize(Call& call) { return never(call, "confirmResize", "os_compute_api:servers:confirm_resize"); }
Reply revert_resize(Call& call) { return never(call, "revertResize", "os_compute_api:servers:revert_resize"); }

constexpr std::string_view reboot_types[] = {"HARD", "Hard", "hard", "SOFT", "Soft", "soft"};
constexpr Field reboot_fields[] = {{.name = "type", .type = Type::text, .use = api::required, .values = reboot_types}};
constexpr Field console_fields[] = {{.name = "length", .type = Type::any}};
constexpr Field group_fields[] = {{.name = "name", .type = Type::text, .use = api::required, .least = 1}};
constexpr Field state_fields[] = {{.name = "state", .type = Type::text, .use = api::required}};
constexpr Field lock_fields[] = {{.name = "locked_reason", .type = Type::text, .least = 1}};

constexpr Action actions[] = {
    {.key = "os-start", .policy = "os_compute_api:servers:start", .check = member_check, .handler = &start, .any_value = true},
    {.key = "os-stop", .policy = "os_compute_api:servers:stop", .check = member_check, .handler = &stop, .any_value = true},
    {.key = "reboot", .policy = "os_compute_api:servers:reboot", .check = member_check, .handler = &reboot, .fields = reboot_fields},
    {.key = "os-getConsoleOutput",
     .policy = "os_compute_api:os-console-output",
     .check = member_check,
     .handler = &console,
     .fields = console_fields,
     .status = 200},
    {.key = "addSecurityGroup",
     .policy = "os_compute_api:os-security-groups:add",
     .check = member_check,
     .handler = &add_group,
     .fields = group_fields},
    {.key = "removeSecurityGroup",
     .policy = "os_compute_api:os-security-groups:remove",
     .check = member_check,
     .handler = &remove_group,
     .fields = group_fields},
    {.key = "os-resetState",
     .policy = "os_compute_api:os-admin-actions:reset_state",
     .check = admin_check,
     .handler = &reset_state,
     .fields = state_fields},
    {.key = "lock",
     .policy = "os_compute_api:os-lock-server:lock",
     .check = member_check,
     .handler = &lock,
     .fields = {},
     .until = {2, 72},
     .any_value = true},
    {.key = "lock", .policy = "os_compute_api:os-lock-server:lock", .check = member_check, .handler = &lock, .fields = lock_fields, .since = {2, 73}},
    {.key = "forceDelete", .policy = "os_compute_api:os-deferred-delete:force", .check = member_check, .handler = &delete_server, .any_value = true},
    {.key = "restore", .policy = "os_compute_api:os-deferred-delete:restore", .check = member_check, .handler = &restore, .any_value = true},
    {.key = "resume", .policy = "os_compute_api:os-suspend-server:resume", .check = member_check, .handler = &resume, .any_value = true},
    {.key = "unpause", .policy = "os_compute_api:os-pause-server:unpause", .check = member_check, .handler = &unpause, .any_value = true},
    {.key = "unrescue", .policy = "os_compute_api:os-rescue:unrescue", .check = member_check, .handler = &unrescue, .any_value = true},
    {.key = "unshelve", .policy = "os_compute_api:os-shelve:unshelve", .check = member_check, .handler = &unshelve, .any_value = true},
    {.key = "confirmResize", .policy = "os_compute_api:servers:confirm_resize", .check = member_check, .handler = &confirm_resize, .any_value = true},
    {.key = "revertResize", .policy = "os_compute_api:servers:revert_resize", .check = member_check, .handler = &revert_resize, .any_value = true},
    {.key = "unlock", .policy = "os_compute_api:os-lock-server:unlock", .check = member_check, .handler = &unlock, .any_value = true},
};
constexpr Route routes[] = {{.method = "POST", .path = "/v2.1/servers/{id}/action", .actions = actions}};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> server_action_routes() { return routes; }

}  // namespace pilvi::compute
