#include "resources/flavors.h"

#include "base/ids.h"
#include "base/text.h"
#include "domain/names.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

constexpr std::int64_t max_int = 0x7fffffff;

json::object view(Call& call, const Flavor& f, bool detail, bool specs) {
    json::object out{{"id", f.id}, {"name", f.name}, {"links", links_of(call.base_url(), "flavors", f.id)}};
    if (call.at_least(2, 55)) out["description"] = f.description ? json::value(*f.description) : json::value(nullptr);
    if (!detail) return out;
    out["ram"] = f.memory_mb;
    out["disk"] = f.root_gb;
    out["swap"] = f.swap_mb == 0 && !call.at_least(2, 75) ? json::value("") : json::value(f.swap_mb);
    out["vcpus"] = f.vcpus;
    out["OS-FLV-EXT-DATA:ephemeral"] = f.ephemeral_gb;
    out["OS-FLV-DISABLED:disabled"] = f.disabled;
    out["os-flavor-access:is_public"] = f.is_public;
    out["rxtx_factor"] = f.rxtx_factor;
    if (specs && call.at_least(2, 61) && call.allowed("os_compute_api:os-flavor-extra-specs:index")) out["extra_specs"] = f.extra_specs;
    return out;
}

struct Sort {
    std::string_view key, column;
};
constexpr Sort sorts[] = {{"flavorid", "id"},
                          {"name", "name"},
                          {"memory_mb", "memory_mb"},
                          {"vcpus", "vcpus"},
                          {"root_gb", "root_gb"},
                          {"ephemeral_gb", "ephemeral_gb"},
                          {"swap", "swap_mb"},
                          {"created_at", "created_at"},
                          {"updated_at", "updated_at"},
                          {"id", "number"},
                          {"is_public", "is_public"},
                          {"disabled", "disabled"},
                          {"rxtx_factor", "rxtx_factor"},
                          {"vcpu_weight", "id"},
                          {"description", "description"}};

// WHERE of what the caller may see and asks for.
std::string condition(Call& call, Values& parameters) {
    std::string where = "1 = 1";
    const auto is_public = call.query.get("is_public");
    const bool admin = call.allowed("os_compute_api:os-flavor-access");
    std::optional<bool> wanted = true;
    if (admin && is_public) {
        if (equals_ignoring_case(*is_public, "none")) wanted = std::nullopt;
        else if (const auto b = parse_boolean(*is_public)) wanted = *b;
        else throw bad_request("Invalid is_public filter [" + is_public->substr(0, 100) + "]");
    }
    if (!admin) {
        where += " AND (is_public = 1 OR id IN (SELECT flavor_id FROM flavor_projects WHERE project_id = ?))";
        parameters.emplace_back(call.who.project_id);
    } else if (wanted && *wanted) {
        where += " AND (is_public = 1 OR id IN (SELECT flavor_id FROM flavor_projects WHERE project_id = ?))";
        parameters.emplace_back(call.who.project_id);
    } else if (wanted) {
        where += " AND is_public = 0";
    }
    for (const auto& [name, column] : {std::pair{"minRam", "memory_mb"}, std::pair{"minDisk", "root_gb"}}) {
        const auto text = call.query.get(name);
        if (!text) continue;
        const auto number = parse_integer(*text);
        if (!number) throw bad_request("Invalid " + std::string(name) + " filter [" + text->substr(0, 100) + "]");
        where += std::string(" AND ") + column + " >= ?";
        parameters.emplace_back(*number);
    }
    return where;
}

Reply list(Call& call, bool detail) {
    const Page page = page_of(call);
    const std::string key = call.query.get("sort_key").value_or("flavorid"), direction = call.query.get("sort_dir").value_or("asc");
    std::string_view column;
    for (const Sort& s : sorts)
        if (s.key == key) column = s.column;
    if (column.empty()) throw bad_request("Sort key supplied was not valid.");
    if (direction != "asc" && direction != "desc") throw bad_request("Unknown sort direction, must be one of: asc, desc");
    Values parameters;
    std::string where = condition(call, parameters);
    return call.store().read([&](Tx& tx) {
        const std::string order =
            " ORDER BY " + std::string(column) + (direction == "desc" ? " DESC" : "") + ", id" + (direction == "desc" ? " DESC" : "");
        std::vector<Flavor> flavors;
        for (const Row& row : tx.query("SELECT " + std::string(Flavor::columns) + " FROM flavors WHERE " + where + order, parameters))
            flavors.push_back(Flavor::from(row));
        auto first = flavors.begin();
        if (page.marker) {
            first = std::find_if(flavors.begin(), flavors.end(), [&](const Flavor& f) { return f.id == *page.marker; });
            if (first == flavors.end()) unknown_marker(*page.marker);
            ++first;
        }
        json::array items;
        std::string last;
        for (auto f = first; f != flavors.end() && static_cast<std::int64_t>(items.size()) < page.limit; ++f) {
            items.push_back(view(call, *f, detail, true));
            last = f->id;
        }
        const std::size_t shown = items.size();
        json::object body{{"flavors", std::move(items)}};
        if (call.query.has("limit")) add_next_link(call, body, "flavors", page, shown, last);
        return Reply(std::move(body));
    });
}

Reply index(Call& call) { return list(call, false); }
Reply detail(Call& call) { return list(call, true); }
Reply show(Call& call) {
    return call.store().read([&](Tx& tx) { return Reply(json::object{{"flavor", view(call, load_flavor(call, tx), true, true)}}); });
}

constexpr Field create_fields[] = {
    {.name = "name", .type = Type::text, .use = api::required, .least = 1},
    {.name = "id", .type = Type::any},
    {.name = "ram", .type = Type::integer, .use = api::required, .least = 1, .most = max_int},
    {.name = "vcpus", .type = Type::integer, .use = api::required, .least = 1, .most = max_int},
    {.name = "disk", .type = Type::integer, .use = api::required, .least = 0, .most = max_int},
    {.name = "OS-FLV-EXT-DATA:ephemeral", .type = Type::integer, .least = 0, .most = max_int},
    {.name = "swap", .type = Type::integer, .least = 0, .most = max_int},
    {.name = "rxtx_factor", .type = Type::any},
    {.name = "os-flavor-access:is_public", .type = Type::boolean},
    {.name = "description", .type = Type::text, .use = api::nullable, .least = 0, .most = 65535, .since = {2, 55}},
};

std::string id_of(const json::object& body) {
    const json::value* v = find(body, "id");
    if (!v || v->is_null()) return new_uuid();
    std::string id = v->is_int64() ? std::to_string(v->get_int64()) : v->is_string() ? str(v->get_string()) : "";
    if (v->is_string() && id == "auto") return new_uuid();
    const bool sound = !id.empty() && id.size() <= 255 && id.front() != ' ' && id.back() != ' ' &&
                       id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789. _-") == std::string::npos;
    if (!sound) refuse_field("id", *v, "does not match '^(?! )[a-zA-Z0-9. _-]+(?<! )$'");
    return id;
}

double factor_of(const json::object& body) {
    const json::value* v = find(body, "rxtx_factor");
    if (!v) return 1.0;
    double factor = -1;
    if (v->is_number()) factor = v->to_number<double>();
    else if (v->is_string()) factor = std::strtod(str(v->get_string()).c_str(), nullptr);
    if (!(factor > 0 && factor < 3.4e38)) refuse_field("rxtx_factor", *v, "is not a positive number");
    return factor;
}

Reply create(Call& call) {
    const json::object& b = call.body;
    const std::string name(trim(string_or(b, "name"))), id = id_of(b);
    if (!is_name(string_or(b, "name"))) refuse_field("name", b.at("name"), "is not a 'name'");
    const double factor = factor_of(b);
    return call.store().write([&](Tx& tx) {
        if (tx.one("SELECT 1 FROM flavors WHERE name = ?", {name})) throw Error(Errc::conflict, "Flavor with name " + name + " already exists.");
        if (find_flavor(tx, id)) throw Error(Errc::conflict, "Flavor with ID " + id + " already exists.");
        const bool is_public = boolean_or(b, "os-flavor-access:is_public", true);
        tx.insert("flavors", {{"id", id},
                              {"number", next_number(tx, "flavors")},
                              {"name", name},
                              {"memory_mb", integer_or(b, "ram")},
                              {"vcpus", integer_or(b, "vcpus")},
                              {"root_gb", integer_or(b, "disk")},
                              {"ephemeral_gb", integer_or(b, "OS-FLV-EXT-DATA:ephemeral")},
                              {"swap_mb", integer_or(b, "swap")},
                              {"rxtx_factor", factor},
                              {"is_public", is_public},
                              {"disabled", false},
                              {"description", optional_string(b, "description")},
                              {"extra_specs", "{}"},
                              {"created_at", app_of(call).now()}});
        return Reply(json::object{{"flavor", view(call, *find_flavor(tx, id), true, true)}});
    });
}

constexpr Field update_fields[] = {{.name = "description", .type = Type::text, .use = api::required | api::nullable, .least = 0, .most = 65535}};

Reply update(Call& call) {
    return call.store().write([&](Tx& tx) {
        const Flavor flavor = load_flavor(call, tx);
        tx.update("flavors", flavor.id, {{"description", optional_string(call.body, "description")}, {"updated_at", app_of(call).now()}});
        return Reply(json::object{{"flavor", view(call, *find_flavor(tx, flavor.id), true, true)}});
    });
}

Reply remove(Call& call) {
    call.store().write([&](Tx& tx) {
        const Flavor flavor = load_flavor(call, tx);
        tx.exec("DELETE FROM flavor_projects WHERE flavor_id = ?", {flavor.id});
        tx.exec("DELETE FROM flavors WHERE id = ?", {flavor.id});
    });
    return {};
}

constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.1/flavors", .policy = "os_compute_api:flavors:index", .check = anybody_check, .handler = &index},
    {.method = "GET", .path = "/v2.1/flavors/detail", .policy = "os_compute_api:flavors:index", .check = anybody_check, .handler = &detail},
    {.method = "GET", .path = "/v2.1/flavors/{id}", .policy = "os_compute_api:flavors:index", .check = anybody_check, .handler = &show},
    {.method = "POST",
     .path = "/v2.1/flavors",
     .policy = "os_compute_api:os-flavor-manage:create",
     .check = admin_check,
     .handler = &create,
     .wrapper = "flavor",
     .body = create_fields},
    {.method = "PUT",
     .path = "/v2.1/flavors/{id}",
     .policy = "os_compute_api:os-flavor-manage:update",
     .check = admin_check,
     .handler = &update,
     .wrapper = "flavor",
     .body = update_fields,
     .since = {2, 55}},
    {.method = "DELETE",
     .path = "/v2.1/flavors/{id}",
     .policy = "os_compute_api:os-flavor-manage:delete",
     .check = admin_check,
     .handler = &remove,
     .status = 202},
};
static_assert(api::sound(routes));

}  // namespace

Flavor Flavor::from(const Row& row) {
    Flavor f;
    f.id = row.text("id"), f.number = row.integer("number"), f.name = row.text("name"), f.memory_mb = row.integer("memory_mb"),
    f.vcpus = row.integer("vcpus");
    f.root_gb = row.integer("root_gb"), f.ephemeral_gb = row.integer("ephemeral_gb"), f.swap_mb = row.integer("swap_mb");
    f.rxtx_factor = row["rxtx_factor"].number(), f.is_public = row.boolean("is_public"), f.disabled = row.boolean("disabled");
    f.description = row["description"].optional_text(), f.extra_specs = json_object(row.text("extra_specs"));
    return f;
}

json::object Flavor::snapshot() const {
    return {{"id", id},        {"name", name},
            {"vcpus", vcpus},  {"ram", memory_mb},
            {"disk", root_gb}, {"ephemeral", ephemeral_gb},
            {"swap", swap_mb}, {"extra_specs", extra_specs}};
}

std::optional<Flavor> find_flavor(Tx& tx, std::string_view id) {
    const auto row = tx.one("SELECT " + std::string(Flavor::columns) + " FROM flavors WHERE id = ?", {id});
    return row ? std::optional(Flavor::from(*row)) : std::nullopt;
}

bool may_see(Tx& tx, const Context& who, const Flavor& flavor) {
    return flavor.is_public || who.is_admin ||
           tx.one("SELECT 1 FROM flavor_projects WHERE flavor_id = ? AND project_id = ?", {flavor.id, who.project_id}).has_value();
}

Flavor load_flavor(Call& call, Tx& tx) {
    const std::string& id = call.arg("id");
    auto flavor = find_flavor(tx, id);
    if (!flavor || !may_see(tx, call.who, *flavor)) throw Error(Errc::not_found, "Flavor " + id + " could not be found.");
    return std::move(*flavor);
}

std::span<const Route> flavor_routes() { return routes; }

}  // namespace pilvi::compute
