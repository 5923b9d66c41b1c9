#include "resources/server_view.h"

#include "domain/names.h"
#include "domain/states.h"

namespace pilvi::compute {
namespace {

json::value text_or_null(const std::optional<std::string>& text) { return text ? json::value(*text) : json::value(nullptr); }
json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }
json::value time_or_null(const std::optional<Micros>& at) { return at ? json::value(iso8601_naive(*at)) : json::value(nullptr); }

std::string image_id_of(const std::string& image) { return image.empty() ? "" : string_or(json_object(image), "id"); }

}  // namespace

ServerView ServerView::of(api::Call& call, Tx& tx) {
    ServerView view;
    view.version = call.version;
    view.base = call.base_url();
    view.admin = call.who.is_admin;
    view.extended = call.allowed("os_compute_api:os-extended-server-attributes");
    view.extra_specs = call.allowed("os_compute_api:servers:show:flavor-extra-specs");
    view.host_status = call.at_least(2, 16) && call.allowed("os_compute_api:servers:show:host_status");
    if (!view.host_status) return view;
    const Options& options = app_of(call).options;
    const Micros now = app_of(call).now();
    for (const Row& row : tx.query("SELECT host, disabled, forced_down, seen_at FROM services WHERE service_binary = 'nova-compute'"))
        view.host_states[row.text("host")] = row.boolean("forced_down")                            ? "DOWN"
                                             : row.boolean("disabled")                             ? "MAINTENANCE"
                                             : now - row.integer("seen_at") < options.service_down ? "UP"
                                                                                                   : "UNKNOWN";
    return view;
}

json::object ServerView::brief(const Instance& i) const {
    return {{"id", i.id}, {"name", i.display_name}, {"links", links_of(base, "servers", i.id)}};
}

json::value ServerView::flavor(const Instance& i) const {
    const bool embedded = version >= api::Version{2, 47};
    if (!embedded) return json::object{{"id", i.flavor_id}, {"links", bookmark_of(base, "flavors", i.flavor_id)}};
    const json::object flavor = json_object(i.flavor);
    json::object out{{"vcpus", integer_or(flavor, "vcpus")}, {"ram", integer_or(flavor, "ram")},
                     {"disk", integer_or(flavor, "disk")},   {"ephemeral", integer_or(flavor, "ephemeral")},
                     {"swap", integer_or(flavor, "swap")},   {"original_name", string_or(flavor, "name")}};
    if (extra_specs) out["extra_specs"] = object_or_empty(flavor, "extra_specs");
    return out;
}

void ServerView::add_status(const Instance& i, json::object& server) const {
    const std::string_view status = status_of(i.vm_state, i.task_state, i.deleted);
    server["status"] = status;
    if ((status == "ERROR" || status == "DELETED") && i.fault) {
        json::object fault = json_object(*i.fault);
        if (!admin && integer_or(fault, "code") == 500) fault.erase("details");
        server["fault"] = std::move(fault);
    }
    if (status == "ACTIVE" || status == "BUILD" || status == "REBUILD" || status == "RESIZE" || status == "VERIFY_RESIZE" || status == "MIGRATING")
        server["progress"] = status == "ACTIVE" ? 100 : 0;
}

void ServerView::add_attributes(const Instance& i, json::object& server) const {
    server["OS-EXT-SRV-ATTR:host"] = text_or_null(i.host);
    server["OS-EXT-SRV-ATTR:instance_name"] = domain_name(i.number);
    server["OS-EXT-SRV-ATTR:hypervisor_hostname"] = text_or_null(i.node);
    if (version < api::Version{2, 3}) return;
    server["OS-EXT-SRV-ATTR:reservation_id"] = i.reservation_id;
    server["OS-EXT-SRV-ATTR:launch_index"] = i.launch_index;
    server["OS-EXT-SRV-ATTR:hostname"] = i.hostname;
    server["OS-EXT-SRV-ATTR:kernel_id"] = image_id_of(i.kernel);
    server["OS-EXT-SRV-ATTR:ramdisk_id"] = image_id_of(i.ramdisk);
    server["OS-EXT-SRV-ATTR:root_device_name"] = text_or_null(i.root_device_name);
    server["OS-EXT-SRV-ATTR:user_data"] = text_or_null(i.user_data);
}

void ServerView::add_versioned(const Instance& i, json::object& server) const {
    const auto since = [&](int minor) { return version >= api::Version{2, minor}; };
    if (all && host_status) {
        const auto state = host_states.find(i.host);
        server["host_status"] = i.host.empty() ? "" : state == host_states.end() ? "UNKNOWN" : state->second;
    }
    if (since(9)) server["locked"] = !i.locked_by.empty();
    if (since(73)) server["locked_reason"] = text_or_null(i.locked_reason);
    if (since(19)) server["description"] = text_or_null(i.description);
    if (since(26)) server["tags"] = column_json(i.tags);
    if (since(63)) server["trusted_image_certificates"] = nullptr;
    if (since(90) && !(all && extended)) server["OS-EXT-SRV-ATTR:hostname"] = i.hostname;
    if (since(71) && groups) {
        json::array ids;
        if (!i.group_id.empty()) ids.push_back(json::string(i.group_id));
        server["server_groups"] = std::move(ids);
    }
}

json::object ServerView::full(const Instance& i) const {
    json::object server;
    server.reserve(40);
    server["id"] = i.id;
    server["name"] = i.display_name;
    add_status(i, server);
    server["tenant_id"] = i.project_id;
    server["user_id"] = i.user_id;
    server["metadata"] = column_json(i.metadata);
    auto& opaque_host = host_ids[{i.project_id, i.host}];
    if (opaque_host.empty()) opaque_host = host_id(i.project_id, i.host);
    server["hostId"] = opaque_host;
    server["image"] =
        i.image_id.empty() ? json::value("") : json::value(json::object{{"id", i.image_id}, {"links", bookmark_of(base, "images", i.image_id)}});
    server["flavor"] = flavor(i);
    server["created"] = iso8601(i.created_at);
    server["updated"] = iso8601(i.updated_at);
    server["addresses"] = i.vm_state == vm::building ? json::value(json::object{}) : column_json(i.addresses);
    server["accessIPv4"] = i.access_ip_v4;
    server["accessIPv6"] = i.access_ip_v6;
    server["links"] = links_of(base, "servers", i.id);
    server["OS-DCF:diskConfig"] = i.disk_config;
    if (all) {
        server["OS-EXT-AZ:availability_zone"] = i.zone.empty() ? i.availability_zone : i.zone;
        server["config_drive"] = i.config_drive ? "True" : "";
        server["key_name"] = text_or_null(i.key_name);
        server["OS-SRV-USG:launched_at"] = time_or_null(i.launched_at);
        server["OS-SRV-USG:terminated_at"] = time_or_null(i.terminated_at);
        if (i.security_groups != "[]") server["security_groups"] = column_json(i.security_groups);
        if (extended) add_attributes(i, server);
        server["OS-EXT-STS:task_state"] = text_or_null(i.task_state);
        server["OS-EXT-STS:vm_state"] = i.vm_state;
        server["OS-EXT-STS:power_state"] = i.power_state;
        server["os-extended-volumes:volumes_attached"] = json::array{};
    }
    add_versioned(i, server);
    return server;
}

}  // namespace pilvi::compute
