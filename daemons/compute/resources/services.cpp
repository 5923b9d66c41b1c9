// os-services and os-availability-zone.
#include <map>

#include "base/ids.h"
#include "base/text.h"
#include "domain/names.h"
#include "resources/common.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

struct ServiceRow {
    std::string id, host, program, zone;
    std::int64_t number = 0;
    bool disabled = false, forced_down = false, up = false;
    std::optional<std::string> reason;
    Micros seen_at = 0;
};

std::vector<ServiceRow> all(Call& call, Tx& tx) {
    const App& app = app_of(call);
    const Micros now = app.now();
    std::vector<ServiceRow> out;
    for (const Row& row :
         tx.query("SELECT s.id, s.number, s.host, s.service_binary, s.disabled, s.disabled_reason, s.forced_down, s.seen_at, n.zone FROM services s "
                  "LEFT JOIN nodes n ON n.host = s.host ORDER BY s.number")) {
        ServiceRow s{.id = row.text("id"),
                     .host = row.text("host"),
                     .program = row.text("service_binary"),
                     .zone = row.text("zone"),
                     .number = row.integer("number"),
                     .disabled = row.boolean("disabled"),
                     .forced_down = row.boolean("forced_down"),
                     .up = false,
                     .reason = row["disabled_reason"].optional_text(),
                     .seen_at = row.integer("seen_at")};
        if (s.program != "nova-compute") s.zone = "internal";
        s.up = !s.forced_down && now - s.seen_at < app.options.service_down;
        out.push_back(std::move(s));
    }
    return out;
}

json::object view(Call& call, const ServiceRow& s) {
    json::object out{{"id", call.at_least(2, 53) ? json::value(s.id) : json::value(s.number)},
                     {"binary", s.program},
                     {"host", s.host},
                     {"zone", s.zone},
                     {"status", s.disabled ? "disabled" : "enabled"},
                     {"state", s.up ? "up" : "down"},
                     {"updated_at", iso8601_naive(s.seen_at)},
                     {"disabled_reason", s.reason ? json::value(*s.reason) : json::value(nullptr)}};
    if (call.at_least(2, 11)) out["forced_down"] = s.forced_down;
    return out;
}

Reply list(Call& call) {
    const auto host = call.query.get("host"), program = call.query.get("binary");
    return call.store().read([&](Tx& tx) {
        json::array items;
        for (const ServiceRow& s : all(call, tx))
            if ((!host || *host == s.host) && (!program || *program == s.program)) items.push_back(view(call, s));
        return Reply(json::object{{"services", std::move(items)}});
    });
}

const ServiceRow& find_by_name(const std::vector<ServiceRow>& rows, const std::string& host, const std::string& program) {
    for (const ServiceRow& s : rows)
        if (s.host == host && s.program == program) return s;
    throw Error(Errc::not_found, "Could not find binary " + program + " on host " + host + ".");
}

// PUT /os-services/{enable, disable, disable-log-reason, force-down}, before 2.53.
Reply change_by_name(Call& call, std::string_view what) {
    const std::string host = string_or(call.body, "host"), program = string_or(call.body, "binary"), reason = string_or(call.body, "disabled_reason");
    if (what == "force-down" && !call.at_least(2, 11)) throw Error(Errc::not_found, "Unknown action");
    if (what == "disable-log-reason" && reason.empty()) throw bad_request("Missing disabled reason field");
    if (what == "force-down" && !call.body.contains("forced_down")) throw bad_request("Missing forced_down field");
    return call.store().write([&](Tx& tx) {
        const auto rows = all(call, tx);
        const ServiceRow& s = find_by_name(rows, host, program);
        if (what == "enable") tx.update("services", s.id, {{"disabled", 0}, {"disabled_reason", nullptr}});
        else if (what == "disable") tx.update("services", s.id, {{"disabled", 1}, {"disabled_reason", nullptr}});
        else if (what == "disable-log-reason") tx.update("services", s.id, {{"disabled", 1}, {"disabled_reason", reason}});
        else tx.update("services", s.id, {{"forced_down", boolean_or(call.body, "forced_down")}});
        json::object out{{"host", host}, {"binary", program}};
        if (what == "force-down") out["forced_down"] = boolean_or(call.body, "forced_down");
        else out["status"] = what == "enable" ? "enabled" : "disabled";
        if (what == "disable-log-reason") out["disabled_reason"] = reason;
        return Reply(json::object{{"service", out}});
    });
}
Reply enable(Call& call) { return change_by_name(call, "enable"); }
Reply disable(Call& call) { return change_by_name(call, "disable"); }
Reply disable_reason(Call& call) { return change_by_name(call, "disable-log-reason"); }
Reply force_down(Call& call) { return change_by_name(call, "force-down"); }

const ServiceRow& find_by_id(Call& call, const std::vector<ServiceRow>& rows) {
    const std::string& id = call.arg("id");
    if (call.at_least(2, 53) && !is_uuid_like(id)) throw bad_request("Invalid uuid " + id);
    if (!call.at_least(2, 53) && !parse_integer(id)) throw bad_request("Invalid service id " + id);
    for (const ServiceRow& s : rows)
        if (call.at_least(2, 53) ? s.id == lower(id) : std::to_string(s.number) == id) return s;
    throw Error(Errc::not_found, "Service " + id + " could not be found.");
}

Reply update(Call& call) {
    const auto status = optional_string(call.body, "status"), reason = optional_string(call.body, "disabled_reason");
    if (call.body.empty()) throw bad_request("No updates were requested. Fields 'status' or 'forced_down' should be specified.");
    if (reason && status != "disabled") throw bad_request("Specifying disabled_reason is not allowed unless status is \"disabled\".");
    return call.store().write([&](Tx& tx) {
        const auto rows = all(call, tx);
        const ServiceRow& s = find_by_id(call, rows);
        if (s.program != "nova-compute")
            throw bad_request("Updating a " + s.program + " service is not supported. Only nova-compute services can be updated.");
        if (status)
            tx.update("services", s.id,
                      {{"disabled", *status == "disabled"}, {"disabled_reason", *status == "disabled" ? Value(reason) : Value(nullptr)}});
        if (call.body.contains("forced_down")) tx.update("services", s.id, {{"forced_down", boolean_or(call.body, "forced_down")}});
        const auto after = all(call, tx);
        return Reply(json::object{{"service", view(call, find_by_id(call, after))}});
    });
}

// The service that is to go; Error(conflict) where it has servers.
ServiceRow removable(Call& call, Tx& tx) {
    const auto rows = all(call, tx);
    const ServiceRow& s = find_by_id(call, rows);
    if (s.program == "nova-compute" && tx.one("SELECT 1 FROM instances WHERE host = ? AND deleted = 0", {s.host}))
        throw Error(Errc::conflict, "Unable to delete compute service that is hosting instances. Migrate or delete the instances first.");
    return s;
}

// Its resource provider first: a node of that name that joins later has one of its own, and two of one name cannot be. Without it no server comes here.
Reply remove(Call& call) {
    const std::string provider = call.store().read([&](Tx& tx) {
        const ServiceRow s = removable(call, tx);
        const auto node = s.program == "nova-compute" ? tx.one("SELECT provider_id FROM nodes WHERE host = ?", {s.host}) : std::nullopt;
        return node ? (*node)["provider_id"].optional_text().value_or("") : "";
    });
    if (!provider.empty()) app_of(call).placement.remove_provider(provider);
    call.store().write([&](Tx& tx) {
        const ServiceRow s = removable(call, tx);
        if (s.program == "nova-compute") tx.exec("DELETE FROM nodes WHERE host = ?", {s.host});
        tx.exec("DELETE FROM services WHERE id = ?", {s.id});
    });
    return {};
}

// ---- availability zones

Reply zones(Call& call, bool detail) {
    return call.store().read([&](Tx& tx) {
        struct Zone {
            bool available = false;
            json::object hosts;
        };
        std::map<std::string, Zone> found;
        found[app_of(call).options.zone];
        for (const ServiceRow& s : all(call, tx)) {
            if (s.zone == "internal" && !detail) continue;
            Zone& zone = found[s.zone];
            zone.available |= !s.disabled;
            json::value& host = zone.hosts[s.host];
            if (!host.is_object()) host.emplace_object();
            host.get_object()[s.program] = json::object{{"available", s.up}, {"active", !s.disabled}, {"updated_at", iso8601_naive(s.seen_at)}};
        }
        json::array items;
        for (auto& [name, zone] : found)
            items.push_back(json::object{{"zoneName", name},
                                         {"zoneState", json::object{{"available", zone.available}}},
                                         {"hosts", detail ? json::value(std::move(zone.hosts)) : json::value(nullptr)}});
        return Reply(json::object{{"availabilityZoneInfo", std::move(items)}});
    });
}
Reply zone_list(Call& call) { return zones(call, false); }
Reply zone_detail(Call& call) { return zones(call, true); }

constexpr std::string_view statuses[] = {"enabled", "disabled"};
constexpr Field named_fields[] = {
    {.name = "host", .type = Type::text, .use = api::required, .least = 1},
    {.name = "binary", .type = Type::text, .use = api::required, .least = 1},
    {.name = "disabled_reason", .type = Type::text, .least = 1},
    {.name = "forced_down", .type = Type::boolean, .since = {2, 11}},
};
constexpr Field update_fields[] = {
    {.name = "status", .type = Type::text, .values = statuses},
    {.name = "disabled_reason", .type = Type::text, .least = 1},
    {.name = "forced_down", .type = Type::boolean},
};
constexpr std::string_view list_rule = "os_compute_api:os-services:list", update_rule = "os_compute_api:os-services:update";
constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.1/os-services", .policy = list_rule, .check = admin_check, .handler = &list},
    {.method = "PUT",
     .path = "/v2.1/os-services/enable",
     .policy = update_rule,
     .check = admin_check,
     .handler = &enable,
     .body = named_fields,
     .until = {2, 52}},
    {.method = "PUT",
     .path = "/v2.1/os-services/disable",
     .policy = update_rule,
     .check = admin_check,
     .handler = &disable,
     .body = named_fields,
     .until = {2, 52}},
    {.method = "PUT",
     .path = "/v2.1/os-services/disable-log-reason",
     .policy = update_rule,
     .check = admin_check,
     .handler = &disable_reason,
     .body = named_fields,
     .until = {2, 52}},
    {.method = "PUT",
     .path = "/v2.1/os-services/force-down",
     .policy = update_rule,
     .check = admin_check,
     .handler = &force_down,
     .body = named_fields,
     .since = {2, 11},
     .until = {2, 52}},
    {.method = "PUT",
     .path = "/v2.1/os-services/{id}",
     .policy = update_rule,
     .check = admin_check,
     .handler = &update,
     .body = update_fields,
     .since = {2, 53}},
    {.method = "DELETE",
     .path = "/v2.1/os-services/{id}",
     .policy = "os_compute_api:os-services:delete",
     .check = admin_check,
     .handler = &remove,
     .status = 204},
};
static_assert(api::sound(routes));

constexpr Route zone_table[] = {
    {.method = "GET",
     .path = "/v2.1/os-availability-zone",
     .policy = "os_compute_api:os-availability-zone:list",
     .check = anybody_check,
     .handler = &zone_list},
    {.method = "GET",
     .path = "/v2.1/os-availability-zone/detail",
     .policy = "os_compute_api:os-availability-zone:detail",
     .check = admin_check,
     .handler = &zone_detail},
};
static_assert(api::sound(zone_table));

}  // namespace

std::span<const Route> service_routes() { return routes; }
std::span<const Route> zone_routes() { return zone_table; }

}  // namespace pilvi::compute
