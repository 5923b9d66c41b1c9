// os-hypervisors: the nodes that have reported.
#include <fmt/format.h>

#include <map>

#include "base/ids.h"
#include "base/text.h"
#include "domain/names.h"
#include "resources/common.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Reply;
using api::Route;

struct Hypervisor {
    std::string id, host, service_id, disabled_reason;
    std::int64_t number = 0, service_number = 0;
    bool up = false, disabled = false;
    json::object report;
    json::array servers;  // {"name", "uuid"}
    std::string name() const { return string_or(report, "hypervisor_hostname", host); }
};

std::vector<Hypervisor> all(Call& call, Tx& tx, bool with_servers) {
    const App& app = app_of(call);
    const Micros now = app.now();
    std::vector<Hypervisor> out;
    for (const Row& row :
         tx.query("SELECT n.id, n.number, n.host, n.hypervisor, s.id AS service_id, s.number AS service_number, s.disabled, s.disabled_reason, "
                  "s.forced_down, "
                  "s.seen_at FROM nodes n JOIN services s ON s.host = n.host AND s.service_binary = 'nova-compute' ORDER BY n.number")) {
        Hypervisor h;
        h.id = row.text("id"), h.number = row.integer("number"), h.host = row.text("host"), h.report = json_object(row.text("hypervisor"));
        h.service_id = row.text("service_id"), h.service_number = row.integer("service_number"), h.disabled = row.boolean("disabled");
        h.disabled_reason = row.text("disabled_reason");
        h.up = !row.boolean("forced_down") && now - row.integer("seen_at") < app.options.service_down;
        if (with_servers)
            for (const Row& s : tx.query("SELECT id, number FROM instances WHERE host = ? AND deleted = 0 ORDER BY number", {h.host}))
                h.servers.push_back(json::object{{"name", domain_name(s.integer("number"))}, {"uuid", s.text("id")}});
        out.push_back(std::move(h));
    }
    return out;
}

std::string uptime_text(std::int64_t seconds) {
    return fmt::format(" up {} days, {:2}:{:02}", seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
}

void add_sizes(Call& call, const Hypervisor& h, json::object& out) {
    for (const std::string_view name :
         {"vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used", "free_ram_mb", "free_disk_gb"})
        out[name] = integer_or(h.report, name);
    out["current_workload"] = 0;
    out["running_vms"] = integer_or(h.report, "running_vms");
    const json::value* least = find(h.report, "disk_available_least");
    out["disk_available_least"] = least ? *least : json::value(nullptr);
    const json::object& cpu = object_or_empty(h.report, "cpu_info");
    out["cpu_info"] = call.at_least(2, 28) ? json::value(cpu) : json::value(to_text(cpu));
}

json::object view(Call& call, const Hypervisor& h, bool detail, bool with_servers) {
    const bool uuids = call.at_least(2, 53);
    json::object out{{"id", uuids ? json::value(h.id) : json::value(h.number)},
                     {"hypervisor_hostname", h.name()},
                     {"state", h.up ? "up" : "down"},
                     {"status", h.disabled ? "disabled" : "enabled"}};
    if (detail) {
        out["hypervisor_type"] = string_or(h.report, "hypervisor_type", "QEMU");
        out["hypervisor_version"] = integer_or(h.report, "hypervisor_version");
        out["host_ip"] = string_or(h.report, "host_ip");
        out["service"] = json::object{{"id", uuids ? json::value(h.service_id) : json::value(h.service_number)},
                                      {"host", h.host},
                                      {"disabled_reason", h.disabled_reason.empty() ? json::value(nullptr) : json::value(h.disabled_reason)}};
        if (!call.at_least(2, 88)) add_sizes(call, h, out);
        else out["uptime"] = h.up && h.report.contains("uptime") ? json::value(uptime_text(integer_or(h.report, "uptime"))) : json::value(nullptr);
    }
    if (!h.servers.empty()) out["servers"] = h.servers;
    else if (with_servers && call.at_least(2, 75)) out["servers"] = json::array{};
    return out;
}

bool wants_servers(Call& call) {
    const auto text = call.at_least(2, 53) ? call.query.get("with_servers") : std::nullopt;
    if (!text) return false;
    const auto b = parse_boolean(*text);
    if (!b)
        throw bad_request("Invalid input for query parameters with_servers. Value: " + text->substr(0, 50) + ". '" + text->substr(0, 50) +
                          "' is not a boolean");
    return *b;
}

Reply list(Call& call, bool detail) {
    const bool servers = wants_servers(call);
    const auto pattern = call.at_least(2, 53) ? call.query.get("hypervisor_hostname_pattern") : std::nullopt;
    if (pattern && (call.query.has("limit") || call.query.has("marker")))
        throw bad_request("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.");
    const Page page = call.at_least(2, 33) ? page_of(call) : Page{};
    return call.store().read([&](Tx& tx) {
        auto hypervisors = all(call, tx, servers);
        if (pattern) {
            std::erase_if(hypervisors, [&](const Hypervisor& h) { return lower(h.name()).find(lower(*pattern)) == std::string::npos; });
            if (hypervisors.empty()) throw Error(Errc::not_found, "No hypervisor matching '" + pattern->substr(0, 255) + "' could be found.");
        }
        auto first = hypervisors.begin();
        const auto key = [&](const Hypervisor& h) { return call.at_least(2, 53) ? h.id : std::to_string(h.number); };
        if (page.marker) {
            first = std::find_if(hypervisors.begin(), hypervisors.end(), [&](const Hypervisor& h) { return key(h) == *page.marker; });
            if (first == hypervisors.end()) unknown_marker(*page.marker);
            ++first;
        }
        json::array items;
        std::string last;
        for (auto h = first; h != hypervisors.end() && static_cast<std::int64_t>(items.size()) < page.limit; ++h) {
            items.push_back(view(call, *h, detail, servers));
            last = key(*h);
        }
        const std::size_t shown = items.size();
        json::object body{{"hypervisors", std::move(items)}};
        if (call.at_least(2, 33) && call.query.has("limit")) add_next_link(call, body, "hypervisors", page, shown, last);
        return Reply(std::move(body));
    });
}
Reply index(Call& call) { return list(call, false); }
Reply detail(Call& call) { return list(call, true); }

Hypervisor one(Call& call, Tx& tx, bool servers) {
    const std::string& id = call.arg("id");
    if (call.at_least(2, 53) && !is_uuid_like(id)) throw bad_request("Invalid uuid " + id);
    for (Hypervisor& h : all(call, tx, servers))
        if (call.at_least(2, 53) ? h.id == lower(id) : std::to_string(h.number) == id) return std::move(h);
    throw Error(Errc::not_found, "Hypervisor with ID '" + id + "' could not be found.");
}

Reply show(Call& call) {
    const bool servers = wants_servers(call);
    return call.store().read([&](Tx& tx) { return Reply(json::object{{"hypervisor", view(call, one(call, tx, servers), true, servers)}}); });
}

Reply uptime(Call& call) {
    return call.store().read([&](Tx& tx) {
        const Hypervisor h = one(call, tx, false);
        if (!h.up) throw bad_request("Compute service of " + h.host + " is unavailable at this time.");
        json::object out = view(call, h, false, false);
        out["uptime"] = uptime_text(integer_or(h.report, "uptime"));
        return Reply(json::object{{"hypervisor", out}});
    });
}

Reply statistics(Call& call) {
    return call.store().read([&](Tx& tx) {
        json::object sum{{"count", 0}, {"current_workload", 0}};
        for (const std::string_view name : {"vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used", "free_ram_mb",
                                            "free_disk_gb", "running_vms", "disk_available_least"}) {
            std::int64_t total = 0;
            for (const Hypervisor& h : all(call, tx, false)) total += integer_or(h.report, name);
            sum[name] = total;
        }
        sum["count"] = all(call, tx, false).size();
        return Reply(json::object{{"hypervisor_statistics", sum}});
    });
}

Reply search(Call& call, bool servers) {
    const std::string& text = call.arg("id");
    return call.store().read([&](Tx& tx) {
        json::array items;
        for (const Hypervisor& h : all(call, tx, servers))
            if (lower(h.name()).find(lower(text)) != std::string::npos) items.push_back(view(call, h, false, servers));
        if (items.empty()) throw Error(Errc::not_found, "No hypervisor matching '" + text + "' could be found.");
        return Reply(json::object{{"hypervisors", items}});
    });
}
Reply search_names(Call& call) { return search(call, false); }
Reply search_servers(Call& call) { return search(call, true); }

constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.1/os-hypervisors", .policy = "os_compute_api:os-hypervisors:list", .check = admin_check, .handler = &index},
    {.method = "GET",
     .path = "/v2.1/os-hypervisors/detail",
     .policy = "os_compute_api:os-hypervisors:list-detail",
     .check = admin_check,
     .handler = &detail},
    {.method = "GET",
     .path = "/v2.1/os-hypervisors/statistics",
     .policy = "os_compute_api:os-hypervisors:statistics",
     .check = admin_check,
     .handler = &statistics,
     .until = {2, 87}},
    {.method = "GET", .path = "/v2.1/os-hypervisors/{id}", .policy = "os_compute_api:os-hypervisors:show", .check = admin_check, .handler = &show},
    {.method = "GET",
     .path = "/v2.1/os-hypervisors/{id}/uptime",
     .policy = "os_compute_api:os-hypervisors:uptime",
     .check = admin_check,
     .handler = &uptime,
     .until = {2, 87}},
    {.method = "GET",
     .path = "/v2.1/os-hypervisors/{id}/search",
     .policy = "os_compute_api:os-hypervisors:search",
     .check = admin_check,
     .handler = &search_names,
     .until = {2, 52}},
    {.method = "GET",
     .path = "/v2.1/os-hypervisors/{id}/servers",
     .policy = "os_compute_api:os-hypervisors:servers",
     .check = admin_check,
     .handler = &search_servers,
     .until = {2, 52}},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> hypervisor_routes() { return routes; }

}  // namespace pilvi::compute
