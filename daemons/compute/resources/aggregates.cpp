// os-aggregates: groups of nodes. The metadata availability_zone of an aggregate names the zone of its nodes.
#include <algorithm>

#include "base/ids.h"
#include "base/text.h"
#include "domain/names.h"
#include "resources/common.h"

namespace pilvi::compute {
namespace {

using api::Action;
using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

struct Aggregate {
    std::int64_t number = 0;
    std::string id, name;
    json::object metadata;
    json::array hosts;
    Micros created_at = 0;
    std::optional<Micros> updated_at;
};

Aggregate from(const Row& row) {
    return {row.integer("number"),
            row.text("id"),
            row.text("name"),
            json_object(row.text("metadata")),
            json_array(row.text("hosts")),
            row.integer("created_at"),
            row["updated_at"].optional_integer()};
}

json::object view(Call& call, const Aggregate& a) {
    const auto zone = optional_string(a.metadata, "availability_zone");
    json::object out{{"id", a.number},
                     {"name", a.name},
                     {"availability_zone", zone ? json::value(*zone) : json::value(nullptr)},
                     {"hosts", a.hosts},
                     {"metadata", a.metadata},
                     {"created_at", iso8601_naive(a.created_at)},
                     {"updated_at", a.updated_at ? json::value(iso8601_naive(*a.updated_at)) : json::value(nullptr)},
                     {"deleted", false},
                     {"deleted_at", nullptr}};
    if (call.at_least(2, 41)) out["uuid"] = a.id;
    return out;
}
Reply answer(Call& call, const Aggregate& a) { return Reply(json::object{{"aggregate", view(call, a)}}); }

std::vector<Aggregate> all(Tx& tx) {
    std::vector<Aggregate> out;
    for (const Row& row : tx.query("SELECT * FROM aggregates ORDER BY number")) out.push_back(from(row));
    return out;
}

Aggregate load(Call& call, Tx& tx) {
    const std::string& id = call.arg("id");
    const auto number = parse_integer(id);
    if (!number) throw bad_request("Invalid aggregate id: " + id);
    const auto row = tx.one("SELECT * FROM aggregates WHERE number = ?", {*number});
    if (!row) throw Error(Errc::not_found, "Aggregate " + id + " could not be found.");
    return from(*row);
}

bool has(const Aggregate& a, const std::string& host) { return std::find(a.hosts.begin(), a.hosts.end(), json::value(host)) != a.hosts.end(); }

// The zone of each node follows from the aggregates that it is in. A node with servers does not change its zone; a node is in one zone only.
void settle_zones(Call& call, Tx& tx) {
    const auto aggregates = all(tx);
    for (const Row& node : tx.query("SELECT host, zone FROM nodes")) {
        const std::string host = node.text("host");
        std::optional<std::string> zone;
        for (const Aggregate& a : aggregates) {
            const auto named = optional_string(a.metadata, "availability_zone");
            if (!named || !has(a, host)) continue;
            if (zone && *zone != *named) throw Error(Errc::conflict, "Host " + host + " is already in availability zone " + *zone + ".");
            zone = named;
        }
        const std::string wanted = zone.value_or(app_of(call).options.zone);
        if (wanted == node.text("zone")) continue;
        if (tx.one("SELECT 1 FROM instances WHERE host = ? AND deleted = 0", {host}))
            throw Error(Errc::conflict, "One or more hosts contain instances in this zone.");
        tx.exec("UPDATE nodes SET zone = ? WHERE host = ?", {wanted, host});
    }
}

void store(Call& call, Tx& tx, Aggregate& a) {
    a.updated_at = app_of(call).now();
    tx.exec("UPDATE aggregates SET name = ?, metadata = ?, hosts = ?, updated_at = ? WHERE number = ?",
            {a.name, to_text(a.metadata), to_text(a.hosts), *a.updated_at, a.number});
    settle_zones(call, tx);
}

void check_name(Tx& tx, const std::string& name, std::int64_t except) {
    if (!is_name(name)) refuse_field("name", json::string(name), "is not a 'name'");
    if (tx.one("SELECT 1 FROM aggregates WHERE name = ? AND number <> ?", {name, except}))
        throw Error(Errc::conflict, "Aggregate " + name + " already exists.");
}
void check_zone_name(const std::optional<std::string>& zone) {
    if (zone && (!is_name(*zone) || zone->find(':') != std::string::npos))
        refuse_field("availability_zone", json::string(*zone), "is not a 'az_name'");
}

Reply list(Call& call) {
    return call.store().read([&](Tx& tx) {
        json::array items;
        for (const Aggregate& a : all(tx)) items.push_back(view(call, a));
        return Reply(json::object{{"aggregates", items}});
    });
}
Reply show(Call& call) {
    return call.store().read([&](Tx& tx) { return answer(call, load(call, tx)); });
}
Reply create(Call& call) {
    const auto zone = optional_string(call.body, "availability_zone");
    check_zone_name(zone);
    return call.store().write([&](Tx& tx) {
        const std::string name = string_or(call.body, "name");
        check_name(tx, name, 0);
        Aggregate a{.number = next_number(tx, "aggregates"),
                    .id = new_uuid(),
                    .name = name,
                    .metadata = {},
                    .hosts = {},
                    .created_at = app_of(call).now(),
                    .updated_at = {}};
        if (zone) a.metadata["availability_zone"] = *zone;
        tx.insert(
            "aggregates",
            {{"number", a.number}, {"id", a.id}, {"name", a.name}, {"metadata", to_text(a.metadata)}, {"hosts", "[]"}, {"created_at", a.created_at}});
        Reply reply = answer(call, a);
        json::object& shown = reply.body.as_object()["aggregate"].as_object();
        shown.erase("hosts"), shown.erase("metadata");  // this answer lacks them
        return reply;
    });
}
Reply update(Call& call) {
    if (call.body.empty()) throw bad_request("{} does not have enough properties");
    return call.store().write([&](Tx& tx) {
        Aggregate a = load(call, tx);
        if (const auto name = optional_string(call.body, "name")) check_name(tx, *name, a.number), a.name = *name;
        if (call.body.contains("availability_zone")) {
            const auto zone = optional_string(call.body, "availability_zone");
            check_zone_name(zone);
            if (zone) a.metadata["availability_zone"] = *zone;
            else a.metadata.erase("availability_zone");
        }
        store(call, tx, a);
        return answer(call, a);
    });
}
Reply remove(Call& call) {
    call.store().write([&](Tx& tx) {
        const Aggregate a = load(call, tx);
        if (!a.hosts.empty()) throw bad_request("Cannot remove aggregate " + std::to_string(a.number) + ": it still has hosts.");
        tx.exec("DELETE FROM aggregates WHERE number = ?", {a.number});
    });
    return {};
}
Reply add_host(Call& call) {
    const std::string host = string_or(call.body, "host");
    return call.store().write([&](Tx& tx) {
        Aggregate a = load(call, tx);
        if (!tx.one("SELECT 1 FROM nodes WHERE host = ?", {host})) throw Error(Errc::not_found, "Compute host " + host + " could not be found.");
        if (has(a, host)) throw Error(Errc::conflict, "Aggregate " + std::to_string(a.number) + " already has host " + host + ".");
        a.hosts.push_back(json::string(host));
        store(call, tx, a);
        return answer(call, a);
    });
}
Reply remove_host(Call& call) {
    const std::string host = string_or(call.body, "host");
    return call.store().write([&](Tx& tx) {
        Aggregate a = load(call, tx);
        const auto found = std::find(a.hosts.begin(), a.hosts.end(), json::value(host));
        if (found == a.hosts.end()) throw Error(Errc::not_found, "Aggregate " + std::to_string(a.number) + " has no host " + host + ".");
        a.hosts.erase(found);
        store(call, tx, a);
        return answer(call, a);
    });
}
Reply set_metadata(Call& call) {
    for (const auto& item : object_or_empty(call.body, "metadata"))
        if (!item.value().is_null() && !item.value().is_string())
            refuse_field(std::string_view(item.key()), item.value(), "is not of type 'string', 'null'");
    return call.store().write([&](Tx& tx) {
        Aggregate a = load(call, tx);
        for (const auto& item : object_or_empty(call.body, "metadata")) {
            if (item.value().is_null()) a.metadata.erase(item.key());
            else a.metadata[item.key()] = item.value();
        }
        store(call, tx, a);
        return answer(call, a);
    });
}

constexpr Field create_fields[] = {{.name = "name", .type = Type::text, .use = api::required, .least = 1},
                                   {.name = "availability_zone", .type = Type::text, .use = api::nullable, .least = 1}};
constexpr Field update_fields[] = {{.name = "name", .type = Type::text, .least = 1},
                                   {.name = "availability_zone", .type = Type::text, .use = api::nullable, .least = 1}};
constexpr Field host_fields[] = {{.name = "host", .type = Type::text, .use = api::required, .least = 1}};
constexpr Field metadata_fields[] = {{.name = "metadata", .type = Type::object, .use = api::required}};
constexpr Action actions[] = {
    {.key = "add_host",
     .policy = "os_compute_api:os-aggregates:add_host",
     .check = admin_check,
     .handler = &add_host,
     .fields = host_fields,
     .status = 200},
    {.key = "remove_host",
     .policy = "os_compute_api:os-aggregates:remove_host",
     .check = admin_check,
     .handler = &remove_host,
     .fields = host_fields,
     .status = 200},
    {.key = "set_metadata",
     .policy = "os_compute_api:os-aggregates:set_metadata",
     .check = admin_check,
     .handler = &set_metadata,
     .fields = metadata_fields,
     .status = 200},
};
constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.1/os-aggregates", .policy = "os_compute_api:os-aggregates:index", .check = admin_check, .handler = &list},
    {.method = "POST",
     .path = "/v2.1/os-aggregates",
     .policy = "os_compute_api:os-aggregates:create",
     .check = admin_check,
     .handler = &create,
     .wrapper = "aggregate",
     .body = create_fields},
    {.method = "GET", .path = "/v2.1/os-aggregates/{id}", .policy = "os_compute_api:os-aggregates:show", .check = admin_check, .handler = &show},
    {.method = "PUT",
     .path = "/v2.1/os-aggregates/{id}",
     .policy = "os_compute_api:os-aggregates:update",
     .check = admin_check,
     .handler = &update,
     .wrapper = "aggregate",
     .body = update_fields},
    {.method = "DELETE",
     .path = "/v2.1/os-aggregates/{id}",
     .policy = "os_compute_api:os-aggregates:delete",
     .check = admin_check,
     .handler = &remove},
    {.method = "POST", .path = "/v2.1/os-aggregates/{id}/action", .actions = actions},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> aggregate_routes() { return routes; }

}  // namespace pilvi::compute
