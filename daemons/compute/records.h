#pragma once
// The rows that more than one part of the daemon reads and writes: servers, operations, actions with their events.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "store/store.h"

namespace pilvi::compute {

struct Instance {
    std::string id;
    std::int64_t number = 0;
    std::string project_id, user_id, display_name;
    std::optional<std::string> description;
    std::string hostname, vm_state, task_state;  // task_state "": none
    std::int64_t power_state = 0;
    std::string power;            // desired: see domain/states.h
    std::int64_t generation = 0;  // grows with every change that the node must see
    bool vif_plugged = false;
    std::string host, node, requested_host;        // "" : none
    std::string availability_zone;                 // as asked for, "" : any
    std::string zone;                              // of the host, "" before it has one
    std::string image_id, image, kernel, ramdisk;  // JSON texts as the node needs them; "" : none
    std::string flavor_id, flavor;                 // JSON text: the flavor as it was
    std::int64_t vcpus = 0, memory_mb = 0;
    std::optional<std::string> key_name, key_data, user_data;
    bool config_drive = false;
    std::string metadata, tags;        // JSON texts: object, array
    std::string requested_networks;    // JSON text: [{"network", "port", "fixed_ip", "tag"}]
    std::string requested_groups;      // JSON text: ids of security groups
    std::string hints;                 // JSON text
    std::string security_groups;       // JSON text: [{"name"}], as the API shows them
    std::string addresses;             // JSON text, as the API shows them
    std::string network_info;          // JSON text: see work/network_info.h
    std::optional<std::string> fault;  // JSON text: {"code", "message", "details", "created"}
    std::string locked_by;             // "owner", "admin", "" : not locked
    std::optional<std::string> locked_reason;
    std::string access_ip_v4, access_ip_v6, disk_config;
    std::optional<std::string> root_device_name;
    std::string reservation_id;
    std::int64_t launch_index = 0;
    std::string group_id;
    Micros created_at = 0, updated_at = 0;
    std::optional<Micros> launched_at, terminated_at;
    bool deleted = false;
    bool absent_seen = false;  // the node reported that nothing is left

    static constexpr std::string_view columns =
        "id, number, project_id, user_id, display_name, description, hostname, vm_state, task_state, power_state, power, generation, vif_plugged, "
        "host, node, "
        "requested_host, availability_zone, zone, image_id, image, kernel, ramdisk, flavor_id, flavor, vcpus, memory_mb, key_name, key_data, "
        "user_data, "
        "config_drive, metadata, tags, requested_networks, requested_groups, hints, security_groups, addresses, network_info, fault, locked_by, "
        "locked_reason, "
        "access_ip_v4, access_ip_v6, disk_config, root_device_name, reservation_id, launch_index, group_id, created_at, updated_at, launched_at, "
        "terminated_at, "
        "deleted, absent_seen";
    // The same columns for lists, without the texts that only the node and the worker read.
    static std::string list_columns();
    static Instance from(const Row& row);  // of a SELECT of `columns` or list_columns()
    void insert(Tx& tx) const;
};

using Changes = std::vector<std::pair<std::string, Value>>;

// The server, deleted or not; nullopt where there never was one.
std::optional<Instance> find_instance(Tx& tx, std::string_view id);
std::vector<Instance> find_instances(Tx& tx, std::string_view where, const Values& parameters, std::string_view columns = Instance::columns);
// Writes columns of a server and its updated_at.
void change_instance(Tx& tx, std::string_view id, Changes changes, Micros now);

// What is still to be done for a server; at most one at a time. A row is the only memory of it: whoever takes it goes on from `step`.
struct Operation {
    std::string id, instance_id, kind, step;
    Micros deadline = 0, next_at = 0;
    std::int64_t attempts = 0;
    std::string request_id;
    json::object data;
    static constexpr std::string_view columns = "id, instance_id, kind, step, deadline, next_at, attempts, request_id, data";
    static Operation from(const Row& row);
};
// Puts `operation` in place of whatever was to be done for the server.
void begin_operation(Tx& tx, const Operation& operation);
std::optional<Operation> find_operation(Tx& tx, std::string_view instance_id);
// False where the operation is no longer the current one: what was done in its name must not be recorded.
bool keep_operation(Tx& tx, const Operation& operation);
void end_operation(Tx& tx, const Operation& operation);
// The report of a node or an event came in: look at the operation now.
void hurry_operation(Tx& tx, std::string_view instance_id, Micros now);

// os-instance-actions. An action is one request on one server.
void begin_action(Tx& tx, std::string_view instance_id, std::string_view request_id, std::string_view action, std::string_view user_id,
                  std::string_view project_id, Micros now);
// An event that has begun; finished by finish_event with the same name.
void begin_event(Tx& tx, std::string_view instance_id, std::string_view request_id, std::string_view name, std::string_view host, Micros now);
// Ends the latest open event of that name ("" : every open one). `details` is shown to the user. Result is "Success" or "Error".
void finish_event(Tx& tx, std::string_view instance_id, std::string_view request_id, std::string_view name, bool success, std::string_view details,
                  Micros now, std::string_view host = {});

// The next number of a sequence, from 1.
std::int64_t next_number(Tx& tx, std::string_view sequence);

// JSON columns by value: a range-for over a member of a temporary would outlive it.
json::array json_array(const std::string& text);
json::object json_object(const std::string& text);

// The fault column's text.
std::string fault_text(int code, std::string_view message, std::string_view details, Micros now);

}  // namespace pilvi::compute
