// Metadata of servers; addresses of servers.
#include "domain/states.h"
#include "resources/server_request.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Reply;
using api::Route;

Instance load(Call& call, Tx& tx) {
    Instance i = load_server(call, tx);
    enforce_on(call, call.route.policy, i);
    return i;
}

void store(Call& call, Tx& tx, const Instance& i, const json::object& metadata) {
    refuse_locked(call, i);
    if (i.power == power::deleted) throw Error(Errc::conflict, "Cannot 'update metadata' instance " + i.id + " while it is in task_state deleting");
    check_metadata_count(call, tx, metadata.size());
    change_instance(tx, i.id, {{"metadata", to_text(metadata)}}, app_of(call).now());
}

Reply list(Call& call) {
    return call.store().read([&](Tx& tx) { return Reply(json::object{{"metadata", column_json(load(call, tx).metadata)}}); });
}
Reply show(Call& call) {
    return call.store().read([&](Tx& tx) {
        const json::object metadata = json_object(load(call, tx).metadata);
        const json::value* value = find(metadata, call.arg("key"));
        if (!value) throw Error(Errc::not_found, "Metadata item was not found");
        json::object meta;
        meta[call.arg("key")] = *value;
        return Reply(json::object{{"meta", meta}});
    });
}

Reply write(Call& call, bool replace) {
    check_metadata(call.body, "metadata");
    return call.store().write([&](Tx& tx) {
        const Instance i = load(call, tx);
        json::object metadata = replace ? json::object{} : json_object(i.metadata);
        for (const auto& item : call.body) metadata[item.key()] = item.value();
        store(call, tx, i, metadata);
        return Reply(json::object{{"metadata", metadata}});
    });
}
Reply create(Call& call) { return write(call, false); }
Reply replace(Call& call) { return write(call, true); }

Reply update(Call& call) {
    check_metadata(call.body, "meta");
    const std::string& key = call.arg("key");
    if (call.body.size() != 1)
        throw bad_request(call.body.empty() ? "Request body does not contain a metadata item" : "Request body contains too many items");
    const json::value* value = find(call.body, key);
    if (!value) throw bad_request("Request body and URI mismatch");
    return call.store().write([&](Tx& tx) {
        const Instance i = load(call, tx);
        json::object metadata = json_object(i.metadata);
        metadata[key] = *value;
        store(call, tx, i, metadata);
        return Reply(json::object{{"meta", call.body}});
    });
}

Reply remove(Call& call) {
    call.store().write([&](Tx& tx) {
        const Instance i = load(call, tx);
        json::object metadata = json_object(i.metadata);
        if (metadata.erase(call.arg("key")) == 0) throw Error(Errc::not_found, "Metadata item was not found");
        store(call, tx, i, metadata);
    });
    return {};
}

// These answers have only the address and its version.
json::object plain(const Instance& i) {
    json::object out;
    if (i.vm_state == vm::building) return out;
    for (const auto& network : json_object(i.addresses)) {
        json::array list;
        for (const json::value& a : network.value().as_array())
            list.push_back(json::object{{"version", a.as_object().at("version")}, {"addr", a.as_object().at("addr")}});
        out[network.key()] = std::move(list);
    }
    return out;
}

Reply addresses(Call& call) {
    return call.store().read([&](Tx& tx) { return Reply(json::object{{"addresses", plain(load(call, tx))}}); });
}
Reply network_addresses(Call& call) {
    return call.store().read([&](Tx& tx) {
        const json::object all = plain(load(call, tx));
        const json::value* list = find(all, call.arg("network"));
        if (!list) throw Error(Errc::not_found, "Instance is not a member of specified network");
        json::object out;
        out[call.arg("network")] = *list;
        return Reply(std::move(out));
    });
}

constexpr Route routes[] = {
    {.method = "GET",
     .path = "/v2.1/servers/{id}/metadata",
     .policy = "os_compute_api:server-metadata:index",
     .check = reader_check,
     .handler = &list},
    {.method = "GET",
     .path = "/v2.1/servers/{id}/metadata/{key}",
     .policy = "os_compute_api:server-metadata:show",
     .check = reader_check,
     .handler = &show},
    {.method = "POST",
     .path = "/v2.1/servers/{id}/metadata",
     .policy = "os_compute_api:server-metadata:create",
     .check = member_check,
     .handler = &create,
     .wrapper = "metadata"},
    {.method = "PUT",
     .path = "/v2.1/servers/{id}/metadata",
     .policy = "os_compute_api:server-metadata:update_all",
     .check = member_check,
     .handler = &replace,
     .wrapper = "metadata"},
    {.method = "PUT",
     .path = "/v2.1/servers/{id}/metadata/{key}",
     .policy = "os_compute_api:server-metadata:update",
     .check = member_check,
     .handler = &update,
     .wrapper = "meta"},
    {.method = "DELETE",
     .path = "/v2.1/servers/{id}/metadata/{key}",
     .policy = "os_compute_api:server-metadata:delete",
     .check = member_check,
     .handler = &remove,
     .status = 204},
    {.method = "GET", .path = "/v2.1/servers/{id}/ips", .policy = "os_compute_api:ips:index", .check = reader_check, .handler = &addresses},
    {.method = "GET",
     .path = "/v2.1/servers/{id}/ips/{network}",
     .policy = "os_compute_api:ips:show",
     .check = reader_check,
     .handler = &network_addresses},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> server_metadata_routes() { return routes; }

}  // namespace pilvi::compute
