// Building a server: schedule, claim, ports, then the node. Source of the order: DESIGN §4.
#include <algorithm>
#include <map>

#include "domain/scheduler.h"
#include "domain/states.h"
#include "work/network_info.h"
#include "work/worker.h"

namespace pilvi::compute {
namespace {

struct Node {
    std::string host, id, provider, zone;
    bool enabled = false, up = false;
};

std::vector<Node> nodes_of(Tx& tx, Micros now, const Options& options) {
    std::vector<Node> out;
    for (const Row& row : tx.query("SELECT n.host, n.id, n.provider_id, n.zone, s.disabled, s.forced_down, s.seen_at FROM nodes n JOIN services s "
                                   "ON s.host = n.host AND s.service_binary = 'nova-compute' ORDER BY n.host"))
        out.push_back({row.text("host"), row.text("id"), row.text("provider_id"), row.text("zone"), !row.boolean("disabled"),
                       !row.boolean("forced_down") && now - row.integer("seen_at") < options.service_down});
    return out;
}

std::set<std::string> hosts_of(Tx& tx, const json::object& hints, std::string_view name) {
    std::set<std::string> ids, hosts;
    const json::value* hint = find(hints, name);
    if (hint && hint->is_string()) ids.insert(str(hint->get_string()));
    if (hint && hint->is_array())
        for (const json::value& v : hint->get_array())
            if (v.is_string()) ids.insert(str(v.get_string()));
    for (const std::string& id : ids) {
        const std::string host = tx.scalar("SELECT host FROM instances WHERE id = ? AND deleted = 0", {id}).text();
        if (!host.empty()) hosts.insert(host);
    }
    return hosts;
}

void group_of(Tx& tx, const Instance& instance, Wanted& wanted) {
    if (instance.group_id.empty()) return;
    const auto group = tx.one("SELECT policy, rules FROM server_groups WHERE id = ?", {instance.group_id});
    if (!group) return;
    wanted.group_policy = group->text("policy");
    wanted.max_per_host = static_cast<int>(integer_or(json_object(group->text("rules")), "max_server_per_host", 1));
    for (const Row& row :
         tx.query("SELECT host, COUNT(*) AS members FROM instances WHERE group_id = ? AND deleted = 0 AND host IS NOT NULL AND id <> ? GROUP BY host",
                  {instance.group_id, instance.id}))
        wanted.group_hosts[row.text("host")] = static_cast<int>(row.integer("members"));
}

Wanted wanted_of(Tx& tx, const Operation& operation, const Instance& instance) {
    const json::object flavor = json_object(instance.flavor);
    const json::object hints = json_object(instance.hints);
    Wanted wanted;
    wanted.vcpus = integer_or(flavor, "vcpus");
    wanted.memory_mb = integer_or(flavor, "ram");
    wanted.disk_gb = integer_or(flavor, "disk") + integer_or(flavor, "ephemeral") + (integer_or(flavor, "swap") + 1023) / 1024;
    std::map<std::string, std::string> specs;
    for (const auto& spec : object_or_empty(flavor, "extra_specs"))
        if (spec.value().is_string()) specs[std::string(spec.key())] = str(spec.value().get_string());
    request_of_flavor(wanted, specs);
    wanted.host = instance.requested_host;
    wanted.zone = instance.requested_host.empty() ? instance.availability_zone : "";
    for (const json::value& host : array_or_empty(operation.data, "excluded")) wanted.excluded.insert(str(host.as_string()));
    wanted.has_same_host = hints.contains("same_host");
    wanted.same_host = hosts_of(tx, hints, "same_host");
    wanted.different_host = hosts_of(tx, hints, "different_host");
    group_of(tx, instance, wanted);
    return wanted;
}

double free_of(const Provider& p, const std::string& resource) {
    const auto capacity = p.capacity.find(resource), used = p.used.find(resource);
    return (capacity == p.capacity.end() ? 0 : capacity->second) - (used == p.used.end() ? 0 : used->second);
}

// The nodes that placement offers, and why the others are not among them.
std::vector<Candidate> candidates_of(const std::vector<Node>& nodes, const std::vector<Provider>& providers,
                                     const std::map<std::string, int>& building, std::vector<Rejection>& rejections) {
    std::vector<Candidate> out;
    for (const Node& node : nodes) {
        const auto provider = std::find_if(providers.begin(), providers.end(), [&](const Provider& p) { return p.id == node.provider; });
        if (provider == providers.end()) {
            rejections.push_back(
                {node.host, "Placement",
                 node.provider.empty() ? "it has no resource provider yet" : "it has not enough free VCPU, MEMORY_MB or DISK_GB, or lacks a trait"});
            continue;
        }
        const auto count = building.find(node.host);
        out.push_back({node.host, node.provider, node.zone, node.enabled, node.up, free_of(*provider, "VCPU"), free_of(*provider, "MEMORY_MB"),
                       free_of(*provider, "DISK_GB"), count == building.end() ? 0 : count->second, 0});
    }
    return out;
}

void take_host(App& app, Operation operation, const Instance& instance, const Node& node, const std::string& details) {
    const Micros now = app.now();
    operation.step = "network";
    operation.attempts = 0;
    operation.next_at = now;
    app.store.write([&](Tx& tx) {
        if (!keep_operation(tx, operation)) return;  // a delete came in between: it releases the claim
        change_instance(tx, instance.id, {{"host", node.host}, {"node", node.host}, {"zone", node.zone}, {"task_state", task::networking}}, now);
        finish_event(tx, instance.id, operation.request_id, event::schedule, true, details, now, node.host);
        begin_event(tx, instance.id, operation.request_id, event::build, node.host, now);
    });
}

void schedule(App& app, const Operation& operation, const Instance& instance) {
    const Micros now = app.now();
    std::map<std::string, int> building;
    const auto [nodes, wanted] = app.store.read([&](Tx& tx) {
        for (const Row& row :
             tx.query("SELECT host, COUNT(*) AS n FROM instances WHERE deleted = 0 AND vm_state = 'building' AND host IS NOT NULL GROUP BY host"))
            building[row.text("host")] = static_cast<int>(row.integer("n"));
        return std::pair(nodes_of(tx, now, app.options), wanted_of(tx, operation, instance));
    });
    const auto node_of = [&nodes = nodes](const std::string& provider) {
        return std::find_if(nodes.begin(), nodes.end(), [&](const Node& n) { return n.provider == provider; });
    };
    // A claim from before we were killed counts; the scheduler is not asked twice.
    if (const auto holder = app.placement.holder(instance.id)) {
        const auto node = node_of(*holder);
        if (node != nodes.end()) return take_host(app, operation, instance, *node, "");
        app.placement.release(instance.id);
    }
    std::vector<Rejection> rejections;
    const auto providers = app.placement.candidates(wanted.resources, wanted.required_traits, wanted.forbidden_traits);
    Choice choice = choose(candidates_of(nodes, providers, building, rejections), wanted);
    rejections.insert(rejections.end(), choice.rejections.begin(), choice.rejections.end());
    for (const Candidate& host : choice.hosts) {
        auto claim = PlacementClient::Claim::conflict;
        for (int i = 0; i < 4 && claim == PlacementClient::Claim::conflict; ++i)
            claim = app.placement.claim(instance.id, host.provider, wanted.resources, instance.project_id, instance.user_id);
        if (claim == PlacementClient::Claim::done) return take_host(app, operation, instance, *node_of(host.provider), describe(rejections));
        rejections.push_back({host.host, "Placement", "the claim of its resources was refused"});
    }
    if (nodes.empty()) rejections.push_back({"-", "ComputeFilter", "no compute node has reported yet"});
    const std::string before = string_or(operation.data, "reason");
    const std::string details = describe(rejections) + (before.empty() ? "" : "; the last build failed: " + before);
    app.store.write([&](Tx& tx) {
        finish_event(tx, instance.id, operation.request_id, event::schedule, false, details, now);
        fail_build(app, tx, operation, instance,
                   before.empty() ? "No valid host was found. There are not enough hosts available."
                                  : "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance " +
                                        instance.id + ". Last failure: " + before,
                   details);
    });
}

// ---- ports

bool has_address(const json::object& port, const std::string& address) {
    for (const json::value& ip : array_or_empty(port, "fixed_ips"))
        if (ip.is_object() && string_or(ip.get_object(), "ip_address") == address) return true;
    return false;
}

json::object binding_of(const Instance& instance) {
    return {{"device_id", instance.id}, {"device_owner", "compute:" + instance.zone}, {"binding:host_id", instance.host}};
}

json::object create_port(App& app, const Instance& instance, const std::string& network, const std::string& address) {
    json::object port = binding_of(instance);
    port["network_id"] = network;
    port["tenant_id"] = instance.project_id;
    port["admin_state_up"] = true;
    if (!address.empty()) port["fixed_ips"] = json::array{json::object{{"ip_address", address}}};
    const json::array groups = json_array(instance.requested_groups);
    if (!groups.empty()) port["security_groups"] = groups;
    return app.network.create_port(port);
}

// The port of one requested interface: given, found from before, or made. `left` are the ports of the server that no interface has yet.
std::string port_for(App& app, const Instance& instance, const json::object& requested, std::vector<json::object>& left) {
    const std::string given = string_or(requested, "port"), network = string_or(requested, "network"), address = string_or(requested, "fixed_ip");
    auto found = std::find_if(left.begin(), left.end(), [&](const json::object& p) {
        if (!given.empty()) return string_or(p, "id") == given;
        return string_or(p, "network_id") == network && (address.empty() || has_address(p, address));
    });
    if (found != left.end()) {
        const std::string id = string_or(*found, "id");
        if (string_or(*found, "binding:host_id") != instance.host) app.network.update_port(id, binding_of(instance));
        left.erase(found);
        return id;
    }
    if (!given.empty()) return string_or(app.network.update_port(given, binding_of(instance)), "id");
    return string_or(create_port(app, instance, network, address), "id");
}

std::vector<std::string> make_ports(App& app, const Instance& instance) {
    const json::array requested = json_array(instance.requested_networks);
    if (requested.empty()) return {};
    std::set<std::string> given;
    for (const json::value& r : requested)
        if (const std::string id = string_or(r.as_object(), "port"); !id.empty()) given.insert(id);
    std::vector<json::object> left;
    for (const json::value& port : app.network.list("", "ports", "device_id=" + instance.id)) left.push_back(port.as_object());
    // Interfaces that ask for a certain port or address choose first among the ports that are there.
    std::map<std::size_t, std::string> chosen;
    for (const bool certain : {true, false})
        for (std::size_t i = 0; i < requested.size(); ++i) {
            const json::object& r = requested[i].as_object();
            const bool is_certain = !string_or(r, "port").empty() || !string_or(r, "fixed_ip").empty();
            if (is_certain == certain) chosen[i] = port_for(app, instance, r, left);
        }
    std::vector<std::string> ids;
    for (const auto& [i, id] : chosen) ids.push_back(id);
    return ids;
}

bool transient(const Error& error) {
    return error.code() == Errc::unavailable || error.code() == Errc::timeout || error.code() == Errc::bad_gateway ||
           error.code() == Errc::unauthenticated;
}

void network(App& app, Operation operation, const Instance& instance) {
    json::array info;
    try {
        const auto ids = make_ports(app, instance);
        if (!ids.empty()) {
            info = fetch_network_info(app.network, instance.id, json_array(instance.network_info), ids);
            const json::array requested = json_array(instance.requested_networks);
            for (std::size_t i = 0; i < info.size() && i < requested.size(); ++i)
                if (const json::value* tag = find(requested[i].as_object(), "tag")) info[i].as_object()["tag"] = *tag;
        }
    } catch (const Error& error) {
        if (transient(error)) throw;
        app.store.write([&](Tx& tx) {
            fail_build(app, tx, operation, instance,
                       "Build of instance " + instance.id + " aborted: Failed to allocate the network(s), not rescheduling: " + error.message(),
                       error.message());
        });
        return;
    }
    const Micros now = app.now();
    operation.step = "spawn";
    operation.attempts = 0;
    operation.next_at = now + second / 2;  // the event may have come before the row could take it
    app.store.write([&](Tx& tx) {
        if (!keep_operation(tx, operation)) return;
        Changes changes = network_changes(info);
        changes.emplace_back("task_state", task::spawning);
        changes.emplace_back("vif_plugged", all_active(info));
        changes.emplace_back("generation", instance.generation + 1);
        change_instance(tx, instance.id, changes, now);
        app.feed.bump(tx, instance.host);
    });
}

// ---- the node's part

// The network service's word on the ports, where its event was lost.
bool ports_are_active(App& app, const Instance& instance) {
    const json::array ports = app.network.list("", "ports", "device_id=" + instance.id);
    return std::all_of(ports.begin(), ports.end(), [](const json::value& p) { return string_or(p.as_object(), "status") == "ACTIVE"; });
}

void spawn(App& app, Operation operation, const Instance& instance) {
    const bool plugged = instance.vif_plugged || ports_are_active(app, instance);
    const Micros now = app.now();
    app.store.write([&](Tx& tx) {
        const auto current = find_operation(tx, instance.id);
        const auto known = find_instance(tx, instance.id);
        if (!current || current->id != operation.id || current->step != "spawn" || !known || known->vm_state != vm::building) return;
        operation = *current;
        const std::int64_t waiting_since = integer_or(operation.data, "waiting_since", 0);
        const bool late = waiting_since != 0 && now - waiting_since >= app.options.vif_timeout;
        if (!known->vif_plugged && (plugged || (late && !app.options.vif_fatal))) {
            change_instance(tx, known->id, {{"vif_plugged", true}, {"generation", known->generation + 1}}, now);
            app.feed.bump(tx, known->host);
        } else if (!known->vif_plugged && late) {
            return fail_build(app, tx, operation, *known, "Build of instance " + known->id + " aborted: Virtual Interface creation failed",
                              "no ACTIVE from the network service for every port within the time allowed");
        }
        if (now >= operation.deadline)
            return fail_build(app, tx, operation, *known,
                              "Build of instance " + known->id + " aborted: the node " + known->host + " did not finish it within the time allowed",
                              string_or(operation.data, "node_step"));
        operation.next_at = std::min(operation.deadline, now + (known->vif_plugged || plugged ? 30 : 2) * second);
        keep_operation(tx, operation);
    });
}

void reschedule(App& app, Operation operation, const Instance& instance) {
    app.placement.release(instance.id);
    const Micros now = app.now();
    operation.step = "schedule";
    operation.attempts = 0;
    operation.next_at = now;
    app.store.write([&](Tx& tx) {
        if (!keep_operation(tx, operation)) return;
        begin_event(tx, instance.id, operation.request_id, event::schedule, "", now);
    });
}

}  // namespace

void fail_build(App& app, Tx& tx, Operation operation, const Instance& instance, const std::string& message, const std::string& details) {
    const Micros now = app.now();
    operation.step = "abort";
    operation.attempts = 0;
    operation.next_at = now;
    if (!keep_operation(tx, operation)) return;
    change_instance(tx, instance.id,
                    {{"vm_state", vm::error},
                     {"task_state", nullptr},
                     {"host", nullptr},
                     {"node", nullptr},
                     {"zone", nullptr},
                     {"power_state", 0},
                     {"generation", instance.generation + 1},
                     {"fault", fault_text(500, message, details, now)}},
                    now);
    finish_event(tx, instance.id, operation.request_id, "", false, details.empty() ? message : details, now);
    if (!instance.host.empty()) app.feed.bump(tx, instance.host);  // the node removes what it has of it
    tx.after_commit([&app] { app.wake(); });
}

void retry_build(App& app, Tx& tx, Operation operation, const Instance& instance, const std::string& reason) {
    json::array excluded = array_or_empty(operation.data, "excluded");
    excluded.push_back(json::string(instance.host));
    if (static_cast<int>(excluded.size()) >= app.options.build_attempts || !instance.requested_host.empty())
        return fail_build(app, tx, operation, instance, "Build of instance " + instance.id + " aborted: " + reason, instance.host + ": " + reason);
    const Micros now = app.now();
    operation.data["excluded"] = excluded;
    operation.data["reason"] = instance.host + ": " + reason;
    operation.data.erase("waiting_since");
    operation.step = "reschedule";
    operation.attempts = 0;
    operation.next_at = now;
    if (!keep_operation(tx, operation)) return;
    finish_event(tx, instance.id, operation.request_id, event::build, false, reason, now);
    change_instance(tx, instance.id,
                    {{"task_state", task::scheduling},
                     {"host", nullptr},
                     {"node", nullptr},
                     {"zone", nullptr},
                     {"vif_plugged", false},
                     {"generation", instance.generation + 1}},
                    now);
    app.feed.bump(tx, instance.host);
    tx.after_commit([&app] { app.wake(); });
}

void release_resources(App& app, const Instance& instance) {
    std::set<std::string> given;
    for (const json::value& r : json_array(instance.requested_networks))
        if (const std::string id = string_or(r.as_object(), "port"); !id.empty()) given.insert(id);
    for (const json::value& port : app.network.list("", "ports", "device_id=" + instance.id)) {
        const std::string id = string_or(port.as_object(), "id");
        if (!given.contains(id)) app.network.delete_port(id);
        else app.network.update_port(id, {{"device_id", ""}, {"device_owner", ""}, {"binding:host_id", ""}});
    }
    app.placement.release(instance.id);
}

void step_create(App& app, Operation operation, const Instance& instance) {
    if (operation.step == "schedule") return schedule(app, operation, instance);
    if (operation.step == "network") return network(app, std::move(operation), instance);
    if (operation.step == "spawn") return spawn(app, std::move(operation), instance);
    if (operation.step == "reschedule") return reschedule(app, std::move(operation), instance);
    release_resources(app, instance);  // abort
    app.store.write([&](Tx& tx) {
        const json::array nothing;
        tx.update("instances", instance.id, network_changes(nothing));
        end_operation(tx, operation);
    });
}

}  // namespace pilvi::compute
