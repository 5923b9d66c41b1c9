// POST /servers: checks everything that can be known now, then commits the rows and the operation in one transaction. The worker does the rest.
#include <fmt/format.h>

#include "base/ids.h"
#include "base/net.h"
#include "base/text.h"
#include "domain/names.h"
#include "domain/states.h"
#include "resources/flavors.h"
#include "resources/server_request.h"
#include "work/worker.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

constexpr std::string_view disk_configs[] = {"AUTO", "MANUAL"};
constexpr std::string_view source_types[] = {"volume", "image", "snapshot", "blank"};
constexpr std::string_view destination_types[] = {"local", "volume"};
constexpr Field group_fields[] = {{.name = "name", .type = Type::text, .least = 1}};
constexpr Field mapping_fields[] = {
    {.name = "virtual_name", .type = Type::text},
    {.name = "volume_id", .type = Type::uuid},
    {.name = "snapshot_id", .type = Type::uuid},
    {.name = "volume_size", .type = Type::integer, .least = 1, .most = 0x7fffffff},
    {.name = "device_name", .type = Type::text, .least = 1},
    {.name = "delete_on_termination", .type = Type::boolean},
    {.name = "no_device", .type = Type::any},
    {.name = "connection_info", .type = Type::any},
    {.name = "source_type", .type = Type::text, .values = source_types},
    {.name = "uuid", .type = Type::text, .least = 1},
    {.name = "image_id", .type = Type::uuid},
    {.name = "destination_type", .type = Type::text, .values = destination_types},
    {.name = "guest_format", .type = Type::text},
    {.name = "device_type", .type = Type::text},
    {.name = "disk_bus", .type = Type::text},
    {.name = "boot_index", .type = Type::integer, .use = api::nullable},
    {.name = "tag", .type = Type::text, .least = 1, .most = 60, .since = {2, 32}},
    {.name = "volume_type", .type = Type::text, .use = api::nullable, .since = {2, 67}},
};
constexpr Field create_fields[] = {
    {.name = "name", .type = Type::text, .use = api::required, .least = 1},
    {.name = "imageRef", .type = Type::text},
    {.name = "flavorRef", .type = Type::any, .use = api::required},
    {.name = "adminPass", .type = Type::text, .most = 65535},
    {.name = "metadata", .type = Type::object},
    {.name = "networks", .type = Type::any, .until = {2, 36}},
    {.name = "networks", .type = Type::any, .use = api::required, .since = {2, 37}},
    {.name = "OS-DCF:diskConfig", .type = Type::text, .values = disk_configs},
    {.name = "accessIPv4", .type = Type::ip},
    {.name = "accessIPv6", .type = Type::ip},
    {.name = "personality", .type = Type::array, .item = Type::object, .until = {2, 56}},
    {.name = "availability_zone", .type = Type::text, .least = 1},
    {.name = "block_device_mapping", .type = Type::array, .item = Type::object},
    {.name = "block_device_mapping_v2", .type = Type::array, .item = Type::object, .fields = mapping_fields},
    {.name = "config_drive", .type = Type::boolean},
    {.name = "key_name", .type = Type::text, .least = 1},
    {.name = "min_count", .type = Type::integer, .least = 1},
    {.name = "max_count", .type = Type::integer, .least = 1},
    {.name = "return_reservation_id", .type = Type::boolean},
    {.name = "security_groups", .type = Type::array, .item = Type::object, .fields = group_fields},
    {.name = "user_data", .type = Type::text, .most = 65535},
    {.name = "description", .type = Type::text, .use = api::nullable, .since = {2, 19}},
    {.name = "tags", .type = Type::array, .most = 50, .item = Type::text, .since = {2, 52}},
    {.name = "trusted_image_certificates", .type = Type::any, .since = {2, 63}},
    {.name = "host", .type = Type::text, .least = 1, .pattern = "[a-zA-Z0-9._-]*", .since = {2, 74}},
    {.name = "hypervisor_hostname", .type = Type::text, .least = 1, .pattern = "[a-zA-Z0-9._-]*", .since = {2, 74}},
    {.name = "hostname", .type = Type::text, .least = 2, .most = 63, .pattern = "[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+", .since = {2, 90}},
};

struct Counts {
    std::int64_t least = 1, most = 1;
};
Counts counts_of(const json::object& body) {
    Counts c;
    c.least = integer_or(body, "min_count", 1);
    c.most = integer_or(body, "max_count", c.least);
    if (c.least > c.most) throw bad_request("min_count must be <= max_count");
    return c;
}

// The name of the first disk on the bus that the image asks for.
std::string root_device(const json::object& image) {
    return string_or(object_or_empty(image, "properties"), "hw_disk_bus", "virtio") == "virtio" ? "/dev/vda" : "/dev/sda";
}

// What one create request has in common for all of its servers.
Instance model_of(Call& call, const Request& request, const Flavor& flavor, const json::object& hints) {
    const json::object& body = call.body;
    Instance i;
    i.project_id = call.who.project_id;
    i.user_id = call.who.user_id;
    i.display_name = std::string(trim(string_or(body, "name")));
    i.description = call.at_least(2, 19) ? optional_string(body, "description") : std::optional(i.display_name);
    i.vm_state = vm::building;
    i.task_state = task::scheduling;
    i.power = power::running;
    i.generation = 1;
    i.requested_host = request.host;
    i.availability_zone = request.zone;
    i.image_id = request.image_id;
    i.image = request.image, i.kernel = request.kernel, i.ramdisk = request.ramdisk;
    i.flavor_id = flavor.id;
    i.flavor = to_text(flavor.snapshot());
    i.vcpus = flavor.vcpus, i.memory_mb = flavor.memory_mb;
    i.key_name = request.key_name, i.key_data = request.key_data;
    i.user_data = optional_string(body, "user_data");
    i.config_drive = boolean_or(body, "config_drive");
    i.metadata = to_text(object_or_empty(body, "metadata"));
    i.tags = to_text(request.tags);
    i.requested_networks = to_text(request.networks);
    i.requested_groups = to_text(request.group_ids);
    i.hints = to_text(hints);
    i.security_groups = to_text(request.group_names);
    i.addresses = "{}", i.network_info = "[]";
    i.access_ip_v4 = string_or(body, "accessIPv4"), i.access_ip_v6 = string_or(body, "accessIPv6");
    i.disk_config = string_or(body, "OS-DCF:diskConfig", "AUTO");
    i.root_device_name = root_device(json_object(i.image));
    i.reservation_id = reservation_id();
    i.group_id = string_or(hints, "group");
    i.created_at = i.updated_at = app_of(call).now();
    return i;
}

// The number of servers that the quotas leave room for, at most `counts.most`; Error(over_quota) below `counts.least`.
std::int64_t allowed_count(Call& call, Tx& tx, const Counts& counts, const Flavor& flavor) {
    struct Use {
        std::string_view name, sum;
        std::int64_t each;
    };
    std::int64_t count = counts.most;
    for (const Use& use : {Use{"instances", "COUNT(*)", 1}, Use{"cores", "COALESCE(SUM(vcpus), 0)", flavor.vcpus},
                           Use{"ram", "COALESCE(SUM(memory_mb), 0)", flavor.memory_mb}}) {
        const std::int64_t limit = quota_of(tx, call.who.project_id, use.name);
        if (limit < 0 || use.each == 0) continue;
        const std::int64_t used =
            tx.scalar("SELECT " + std::string(use.sum) + " FROM instances WHERE deleted = 0 AND project_id = ?", {call.who.project_id}).integer();
        const std::int64_t room = std::max<std::int64_t>(0, limit - used) / use.each;
        if (room < counts.least)
            throw Error(Errc::over_quota, fmt::format("Quota exceeded for {}: Requested {}, but already used {} of {} {}", use.name,
                                                      counts.least * use.each, used, limit, use.name));
        count = std::min(count, room);
    }
    return count;
}

void check_group_hint(Tx& tx, Call& call, const std::string& group) {
    if (group.empty()) return;
    const auto row = is_uuid_like(group) ? tx.one("SELECT project_id FROM server_groups WHERE id = ?", {group}) : std::nullopt;
    if (!row || (row->text("project_id") != call.who.project_id && !call.who.is_admin))
        throw bad_request("Instance group " + group.substr(0, 255) + " could not be found.");
}

void insert(Call& call, Tx& tx, Instance& i, const std::string& hostname, std::int64_t index, std::int64_t count, const std::string& base_name) {
    App& app = app_of(call);
    i.id = new_uuid();
    i.number = next_number(tx, "instances");
    i.launch_index = index;
    if (count > 1) i.display_name = base_name + "-" + std::to_string(index + 1);
    const std::string fallback = "Server-" + i.id;
    i.hostname = !hostname.empty() ? hostname : host_name(i.display_name, fallback);
    i.insert(tx);
    const std::string& request_id = call.who.request_id;
    begin_operation(tx, {.id = new_uuid(),
                         .instance_id = i.id,
                         .kind = "create",
                         .step = "schedule",
                         .deadline = i.created_at + app.options.build_timeout,
                         .next_at = i.created_at,
                         .attempts = 0,
                         .request_id = request_id,
                         .data = {}});
    begin_action(tx, i.id, request_id, "create", i.user_id, i.project_id, i.created_at);
    begin_event(tx, i.id, request_id, event::schedule, "", i.created_at);
}

json::object answer(Call& call, const Instance& first) {
    json::object server{{"id", first.id}, {"links", links_of(call.base_url(), "servers", first.id)}, {"OS-DCF:diskConfig", first.disk_config}};
    const json::value* groups = find(call.body, "security_groups");
    server["security_groups"] = groups ? *groups : json::value(json::array{json::object{{"name", "default"}}});
    server["adminPass"] = string_or(call.body, "adminPass", admin_password());
    return server;
}

Reply create(Call& call) {
    App& app = app_of(call);
    const Counts counts = counts_of(call.body);
    const json::object hints = scheduler_hints(call);
    const auto [flavor, request] = check_request(call, counts.most);
    Instance instance = model_of(call, request, flavor, hints);
    const std::string hostname = string_or(call.body, "hostname"), base_name = instance.display_name;
    const auto first = call.store().write([&, &flavor = flavor, &request = request](Tx& tx) {
        check_group_hint(tx, call, instance.group_id);
        const std::int64_t count = allowed_count(call, tx, counts, flavor);
        std::optional<Instance> one;
        for (std::int64_t n = 0; n < count; ++n) {
            Instance next = instance;
            insert(call, tx, next, hostname, n, count, base_name);
            if (!one) one = next;
        }
        tx.after_commit([&app] { app.wake(); });
        return *one;
    });
    if (boolean_or(call.body, "return_reservation_id")) return Reply(json::object{{"reservation_id", first.reservation_id}});
    json::object server = answer(call, first);
    Reply reply(json::object{{"server", server}});
    reply.headers.set("Location", call.base_url() + "/v2.1/servers/" + first.id);
    return reply;
}

constexpr Route routes[] = {
    {.method = "POST",
     .path = "/v2.1/servers",
     .policy = "os_compute_api:servers:create",
     .check = member_check,
     .handler = &create,
     .status = 202,
     .wrapper = "server",
     .body = create_fields},
    {.method = "POST",
     .path = "/v2.1/os-volumes_boot",
     .policy = "os_compute_api:servers:create",
     .check = member_check,
     .handler = &create,
     .status = 202,
     .wrapper = "server",
     .body = create_fields},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> server_create_routes() { return routes; }

}  // namespace pilvi::compute
