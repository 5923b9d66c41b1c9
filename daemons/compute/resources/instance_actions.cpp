// os-instance-actions: what was asked of a server, and what became of it: the chosen host, on failure the reason per host.
#include "base/text.h"
#include "domain/names.h"
#include "resources/common.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Reply;
using api::Route;

json::object view(Call& call, const Row& row) {
    json::object out{{"action", row.text("action")},
                     {"instance_uuid", row.text("instance_id")},
                     {"request_id", row.text("request_id")},
                     {"user_id", row.text("user_id")},
                     {"project_id", row.text("project_id")},
                     {"start_time", iso8601_naive(row.integer("started_at"))},
                     {"message", row["message"].is_null() ? json::value(nullptr) : json::value(row.text("message"))}};
    if (call.at_least(2, 58)) out["updated_at"] = iso8601_naive(row.integer("updated_at"));
    return out;
}

Instance load(Call& call, Tx& tx) {
    Instance i = load_server(call, tx, "id", call.at_least(2, 21));
    enforce_on(call, call.route.policy, i);
    return i;
}

std::optional<Micros> time_of(Call& call, std::string_view name) {
    const auto text = call.query.get(name);
    if (!text) return std::nullopt;
    auto at = parse_iso8601(*text);
    if (!at) at = parse_iso8601(*text + "Z");
    if (!at)
        throw bad_request("Invalid input for query parameters " + std::string(name) + ". Value: " + text->substr(0, 100) + ". '" +
                          text->substr(0, 100) + "' is not a 'date-time'");
    return at;
}

Reply list(Call& call) {
    Page page;
    if (call.at_least(2, 58)) page = page_of(call);
    return call.store().read([&](Tx& tx) {
        const Instance i = load(call, tx);
        std::string where = "instance_id = ?";
        Values values{i.id};
        if (call.at_least(2, 58))
            if (const auto since = time_of(call, "changes-since")) where += " AND updated_at >= ?", values.emplace_back(*since);
        if (call.at_least(2, 66))
            if (const auto before = time_of(call, "changes-before")) where += " AND updated_at <= ?", values.emplace_back(*before);
        if (page.marker) {
            const auto row = tx.one("SELECT started_at, id FROM actions WHERE instance_id = ? AND request_id = ?", {i.id, *page.marker});
            if (!row) unknown_marker(*page.marker);
            where += " AND (started_at < ? OR (started_at = ? AND id < ?))";
            for (const Value& v : {Value(row->integer("started_at")), Value(row->integer("started_at")), Value(row->text("id"))}) values.push_back(v);
        }
        json::array items;
        std::string last;
        for (const Row& row :
             tx.query("SELECT * FROM actions WHERE " + where + " ORDER BY started_at DESC, id DESC LIMIT " + std::to_string(page.limit), values)) {
            items.push_back(view(call, row));
            last = row.text("request_id");
        }
        const std::size_t shown = items.size();
        json::object body{{"instanceActions", std::move(items)}};
        if (call.query.has("limit") && call.at_least(2, 58)) {
            add_next_link(call, body, "instanceActions", page, shown, last);
            if (body.contains("instanceActions_links")) {
                json::value links = std::move(body["instanceActions_links"]);
                body.erase("instanceActions_links");
                body["links"] = std::move(links);
            }
        }
        return Reply(std::move(body));
    });
}

json::object event_view(Call& call, const Instance& i, const Row& row) {
    const json::value details = row["details"].is_null() ? json::value(nullptr) : json::value(row.text("details"));
    const auto time = [&](std::string_view column) {
        return row[column].is_null() ? json::value(nullptr) : json::value(iso8601_naive(row.integer(column)));
    };
    json::object out{{"event", row.text("name")},
                     {"start_time", time("started_at")},
                     {"finish_time", time("finished_at")},
                     {"result", row["result"].is_null() ? json::value(nullptr) : json::value(row.text("result"))}};
    const bool failed = row.text("result") == "Error";
    const json::object target{{"project_id", i.project_id}, {"user_id", i.user_id}};
    if (call.allowed("os_compute_api:os-instance-actions:events", target)) out["traceback"] = failed ? details : json::value(nullptr);
    if (call.at_least(2, 62)) {
        out["hostId"] = host_id(i.project_id, row.text("host"));
        if (call.allowed("os_compute_api:os-instance-actions:events:details", target))
            out["host"] = row["host"].is_null() ? json::value(nullptr) : json::value(row.text("host"));
    }
    if (call.at_least(2, 84)) out["details"] = details;
    return out;
}

Reply show(Call& call) {
    return call.store().read([&](Tx& tx) {
        const Instance i = load(call, tx);
        const std::string& request = call.arg("request");
        const auto action = tx.one("SELECT * FROM actions WHERE instance_id = ? AND request_id = ?", {i.id, request});
        if (!action) throw Error(Errc::not_found, "Action for request_id " + request + " on instance " + i.id + " not found");
        json::object body = view(call, *action);
        if (call.who.is_admin || call.at_least(2, 51)) {
            json::array events;
            for (const Row& row : tx.query("SELECT * FROM action_events WHERE action_id = ? ORDER BY number DESC", {action->text("id")}))
                events.push_back(event_view(call, i, row));
            body["events"] = std::move(events);
        }
        return Reply(json::object{{"instanceAction", std::move(body)}});
    });
}

constexpr Route routes[] = {
    {.method = "GET",
     .path = "/v2.1/servers/{id}/os-instance-actions",
     .policy = "os_compute_api:os-instance-actions:list",
     .check = reader_check,
     .handler = &list},
    {.method = "GET",
     .path = "/v2.1/servers/{id}/os-instance-actions/{request}",
     .policy = "os_compute_api:os-instance-actions:show",
     .check = reader_check,
     .handler = &show},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> instance_action_routes() { return routes; }

}  // namespace pilvi::compute
