// /v2/tasks and /v2/images/{image_id}/tasks.
#include "resources/tasks.h"

#include <algorithm>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "base/time.h"
#include "domain/json_schema.h"
#include "domain/properties.h"
#include "importer.h"
#include "protection.h"
#include "resources/paging.h"
#include "rules.h"
#include "worker.h"

namespace pilvi::image {
namespace {
using api::Call;
using api::Reply;
using api::Route;

constexpr std::string_view columns =
    "t.id, t.type, t.status, t.owner, t.image_id, t.user_id, t.request_id, t.input, t.result, t.message, "
    "t.expires_at, t.created_at, t.updated_at";

json::object view(const Row& row, bool whole) {
    json::object out{{"id", row.text("id")}, {"type", row.text("type")}, {"status", row.text("status")}, {"owner", row.text("owner")}};
    if (whole) {
        out["input"] = parse_json(row.text("input"));
        out["result"] = row["result"].is_null() ? json::value(nullptr) : parse_json(row.text("result"));
        out["message"] = row.text("message");
        for (const std::string_view name : {"image_id", "request_id", "user_id"})
            if (!row[name].is_null()) out[name] = row.text(name);
    }
    if (!row["expires_at"].is_null()) out["expires_at"] = iso8601(row.integer("expires_at"));
    out["created_at"] = iso8601(row.integer("created_at"));
    out["updated_at"] = iso8601(row.integer("updated_at"));
    out["self"] = "/v2/tasks/" + row.text("id");
    out["schema"] = "/v2/schemas/task";
    return out;
}

void drop_expired(Call& call) {
    call.store().write([](Tx& tx) { tx.exec("DELETE FROM tasks WHERE expires_at < ?", {now_micros()}); });
}

Row find_task(Tx& tx, const std::string& id) {
    auto row = tx.one("SELECT " + std::string(columns) + " FROM tasks t WHERE t.id = ?", {id});
    if (!row) throw Error(Errc::not_found, "No task found with ID " + id.substr(0, 255));
    return std::move(*row);
}

Reply show(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply { return view(find_task(tx, call.arg("task_id")), true); });
}

Reply remove(Call& call) {
    const Error refused(Errc::not_allowed,
                        "This operation is currently not permitted on Glance Tasks. They are auto deleted after reaching the time based on their "
                        "expires_at property.");
    http::Response response = api::error_response(call.service.style(), refused, call.who.request_id);
    response.headers.set("Allow", "GET");
    return Reply::from(std::move(response));
}

void add_filters(api::Select& select, const Call& call) {
    const auto filter = [&](std::string_view name, std::initializer_list<std::string_view> values) {
        const auto value = call.query.get(name);
        if (!value || value->empty()) return;
        if (values.size() > 0 && std::find(values.begin(), values.end(), *value) == values.end())
            throw Error(Errc::bad_request, "Invalid " + std::string(name) + " value: " + value->substr(0, 100));
        select.add("t." + std::string(name) + " = ?", {*value});
    };
    filter("status", {"pending", "processing", "success", "failure"});
    filter("type", {"import"});
    filter("owner", {});
    filter("image_id", {});
}

Reply list(Call& call) {
    const auto limit = static_cast<std::size_t>(asked_limit(call));
    const std::string key = call.query.get("sort_key").value_or("created_at");
    constexpr std::string_view keys[] = {"id", "type", "status", "owner", "created_at", "updated_at", "expires_at"};
    if (std::find(std::begin(keys), std::end(keys), key) == std::end(keys))
        throw Error(Errc::bad_request, "Sort key supplied is invalid: " + key.substr(0, 100));
    const bool down = descending(call.query.get("sort_dir").value_or("desc"));
    drop_expired(call);
    api::Select select;
    add_filters(select, call);
    const std::string expression = key == "owner" ? "COALESCE(t.owner, '')" : key == "expires_at" ? "COALESCE(t.expires_at, 0)" : "t." + key;
    select.order.push_back({expression, down});
    if (key != "id") select.order.push_back({"t.id", down});
    select.limit = static_cast<std::int64_t>(std::max<std::size_t>(limit, 1));
    std::vector<Row> rows = call.store().read([&](Tx& tx) {
        api::Select page = select;
        if (const auto marker = call.query.get("marker")) {
            if (!is_uuid_like(*marker)) throw Error(Errc::bad_request, "Invalid marker format");
            const auto row = tx.one("SELECT " + expression + ", t.id FROM tasks t WHERE t.id = ?", {*marker});
            if (!row) throw Error(Errc::bad_request, "No task found with ID " + *marker);
            start_behind(page, *row);
        }
        return tx.query(page.text(columns, "tasks"), page.parameters);
    });
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(std::min(rows.size(), limit)), rows.end());
    json::array items;
    for (const Row& row : rows) items.push_back(view(row, false));
    json::object out{{"tasks", std::move(items)}, {"first", first_link(call.query, "/v2/tasks")}, {"schema", "/v2/schemas/tasks"}};
    if (!rows.empty() && rows.size() == limit) out["next"] = next_link(call.query, "/v2/tasks", rows.back().text("id"));
    return out;
}

// Source: Image service API v2, "Create task": {"type": "import", "input": {"import_from", "import_from_format", "image_properties"}}.
json::object checked_input(const Call& call) {
    if (!call.raw.is_object()) throw Error(Errc::bad_request, "Body expected in request.");
    const json::object& body = call.raw.get_object();
    for (const std::string_view name : {"type", "input"})
        if (!body.contains(name)) throw Error(Errc::bad_request, "Task '" + std::string(name) + "' is required");
    json::object schema = schema_document("task").as_object();
    schema["additionalProperties"] = false;
    if (const auto why = schema_mismatch(schema, call.raw)) throw Error(Errc::bad_request, "Provided object does not match schema 'task': " + *why);
    if (string_or(body, "type") != "import")
        throw Error(Errc::bad_request, "A task of type api_image_import is made by POST /v2/images/{image_id}/import");
    const json::object& input = object_or_empty(body, "input");
    for (const std::string_view name : {"import_from", "import_from_format", "image_properties"})
        if (!input.contains(name)) throw Error(Errc::bad_request, "Input does not contain '" + std::string(name) + "' field");
    if (!input.at("import_from").is_string() || !input.at("image_properties").is_object())
        throw Error(Errc::bad_request, "import_from must be a text and image_properties an object");
    return input;
}

Image image_from(const Call& call, const json::object& input) {
    Image image{.id = new_uuid(), .status = "importing"};
    if (!call.who.project_id.empty()) image.owner = call.who.project_id;
    image.disk_format = string_or(input, "import_from_format");
    image.container_format = "bare";
    image.created_at = image.updated_at = now_micros();
    validate("disk_format", json::value(*image.disk_format));
    for (const auto& member : input.at("image_properties").as_object()) {
        const std::string name(member.key());
        refuse_reserved(name);
        const Property* known = find_property(name);
        if (known && (known->read_only || name == "id" || name == "locations"))
            throw Error(Errc::forbidden, "Attribute '" + name + "' is read-only.");
        validate(name, member.value());
        if (name == "visibility" && member.value().as_string() == "public") call.enforce("publicize_image");
        assign(image, name, member.value());
    }
    return image;
}

Reply create(Call& call) {
    const json::object input = checked_input(call);
    Importer* importer = call.app<App>().importer;
    if (!importer) throw Error(Errc::not_found, "Imports are not supported at this site.");
    ImportJob job{.method = "web-download",
                  .uri = string_or(input, "import_from"),
                  .stores = {call.app<App>().stores.preferred().name},
                  .roles = call.who.roles};
    importer->fetcher().check(job.uri);
    const Image image = image_from(call, input);
    for (const auto& [name, value] : image.properties) enforce_property(call, name, PropertyRight::create);
    job.image_id = image.id;
    Reply reply = call.store().write([&](Tx& tx) -> Reply {
        insert_image(tx, image);
        job.task_id = insert_task(call, tx, "import", image.id, input);
        return view(find_task(tx, job.task_id), true);
    });
    reply.headers.set("Location", "/v2/tasks/" + job.task_id);
    importer->submit(std::move(job));
    return reply;
}

Reply of_image(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        json::array all;
        for (const Row& row :
             tx.query("SELECT " + std::string(columns) + " FROM tasks t WHERE t.image_id = ? ORDER BY t.created_at, t.id", {call.arg("image_id")}))
            all.push_back(view(row, true));
        return json::object{{"tasks", std::move(all)}};
    });
}

constexpr Route table[] = {
    {.method = "GET", .path = "/v2/tasks", .policy = "tasks_api_access", .check = rules::admin, .handler = list},
    {.method = "POST", .path = "/v2/tasks", .policy = "tasks_api_access", .check = rules::admin, .handler = create, .status = 201, .any_body = true},
    {.method = "GET", .path = "/v2/tasks/{task_id}", .policy = "tasks_api_access", .check = rules::admin, .handler = show},
    {.method = "DELETE", .path = "/v2/tasks/{task_id}", .policy = "tasks_api_access", .check = rules::admin, .handler = remove},
    {.method = "GET",
     .path = "/v2/images/{image_id}/tasks",
     .policy = "get_image",
     .check = rules::get_image,
     .handler = of_image,
     .target = image_target},
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

std::string insert_task(const Call& call, Tx& tx, std::string_view type, const std::string& image_id, const json::object& input) {
    const std::string id = new_uuid();
    const Micros now = now_micros();
    tx.insert("tasks", {{"id", id},
                        {"type", type},
                        {"status", "pending"},
                        {"owner", call.who.project_id},
                        {"image_id", image_id},
                        {"user_id", call.who.user_id},
                        {"request_id", call.who.request_id},
                        {"input", to_text(input)},
                        {"message", ""},
                        {"worker", call.app<App>().worker->id()},
                        {"created_at", now},
                        {"updated_at", now}});
    return id;
}

void end_task(Tx& tx, const std::string& id, const std::string& why) {
    const Micros now = now_micros();
    tx.exec("UPDATE tasks SET status = 'failure', message = ?, updated_at = ?, expires_at = ? WHERE id = ?", {why, now, now + task_lifetime, id});
}

bool is_running(Tx& tx, const std::string& id) {
    return tx.one("SELECT 1 FROM tasks WHERE id = ? AND (status = 'pending' OR status = 'processing')", {id}).has_value();
}

bool has_active_task(Tx& tx, const std::string& image_id) {
    return tx.one("SELECT 1 FROM tasks WHERE image_id = ? AND (status = 'pending' OR status = 'processing')", {image_id}).has_value();
}

const std::span<const Route> task_routes = table;

}  // namespace pilvi::image
