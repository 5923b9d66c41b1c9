#include "resources/common.h"

#include <algorithm>
#include <set>

#include "api/query.h"
#include "base/text.h"

namespace pilvi::identity {

using namespace api;

std::shared_ptr<const Token> token_of(const Call& call) {
    auto token = app(call).tokens.find(call.who.token);
    if (!token) throw Error(Errc::unauthenticated, "The request you have made requires authentication.");
    return token;
}

std::string link(const Call& call, std::string_view path) { return call.base_url() + "/v3/" + std::string(path); }

void add_link(const Call& call, std::string_view collection, json::object& row) {
    row["links"] = {{"self", link(call, std::string(collection) + "/" + string_or(row, "id"))}};
}

json::object page_links(const Call& call) { return {{"next", nullptr}, {"self", call.base_url() + call.request.target}, {"previous", nullptr}}; }

void refuse_duplicate(Tx& tx, const Resource& resource, const json::object& row, std::string_view condition, const Values& parameters,
                      std::string_view what) {
    Values values = parameters;
    values.emplace_back(string_or(row, "id"));
    if (tx.one("SELECT 1 FROM " + std::string(resource.table) + " WHERE " + std::string(condition) + " AND id <> ?", values))
        throw Error(Errc::conflict, "Conflict occurred attempting to store " + std::string(resource.name) + " - Duplicate entry found with " +
                                        std::string(what) + ".");
}

void refuse_change(const json::object& row, const json::object* before, std::string_view member, std::string_view title) {
    if (before && row.contains(member) && row.at(member) != before->at(member)) throw Error(Errc::bad_request, "Cannot change " + std::string(title));
}

void set_domain(const Call& call, Tx& tx, json::object& row, Errc missing) {
    if (string_or(row, "domain_id").empty()) {
        const Context& who = call.who;
        row["domain_id"] = !who.domain_id.empty() ? who.domain_id : who.project_domain_id;
        if (string_or(row, "domain_id").empty()) row["domain_id"] = "default";  // the original's default_domain_id
    }
    const std::string id = string_or(row, "domain_id");
    if (!find_domain(tx, id)) throw Error(missing, "Could not find domain: " + id + ".");
}

void merge_options(json::object& row, const json::object* before) {
    json::object merged = before ? object_or_empty(*before, "options") : json::object();
    const json::object given = object_or_empty(row, "options");
    for (const auto& option : given) {
        if (option.value().is_null()) merged.erase(option.key());
        else merged[option.key()] = option.value();
    }
    row["options"] = std::move(merged);
}

namespace {
std::string immutable_text(std::string_view verb, const Resource& resource, const json::object& row) {
    return "Unable to " + std::string(verb) + " immutable " + std::string(resource.name) + " resource: `" + string_or(row, "id") +
           "`. Set resource option \"immutable\" to false first.";
}
}  // namespace

void refuse_immutable(const Call& call, const Resource& resource, const json::object& row, const json::object& before) {
    if (!boolean_or(object_or_empty(before, "options"), "immutable")) return;
    const json::value* now = pilvi::find(object_or_empty(row, "options"), "immutable");
    if (call.body.size() == 1 && now && now->is_bool() && !now->as_bool()) return;
    throw Error(Errc::forbidden, immutable_text("update", resource, before));
}

void refuse_immutable_removal(const Resource& resource, const json::object& row) {
    if (boolean_or(object_or_empty(row, "options"), "immutable")) throw Error(Errc::forbidden, immutable_text("delete", resource, row));
}

void hide_null(json::object& row, std::initializer_list<std::string_view> members) {
    for (const std::string_view m : members)
        if (const json::value* v = pilvi::find(row, m); v && v->is_null()) row.erase(m);
}

std::string enabled_filter(std::string_view name, const std::vector<std::string>& values) {
    if (name != "enabled") return {};
    const std::string& text = values.back();
    return text.empty() || parse_boolean(text).value_or(true) ? "t.enabled = 1" : "t.enabled = 0";
}

bool is_set(const Call& call, std::string_view name) {
    const auto text = call.query.get(name);
    return text && (text->empty() || parse_boolean(*text).value_or(true));
}

std::string listed_domain(const Call& call) { return call.query.get("domain_id").value_or(call.who.domain_id); }

json::object need_row(Tx& tx, const Resource& resource, std::string_view id) {
    auto row = find_row(tx, resource, id);
    if (!row) throw not_found(Dialect::identity, resource, id);
    return std::move(*row);
}

json::object list_of(Call& call, Tx& tx, const Resource& resource, const std::vector<std::string>& ids) {
    Select select = build_select(call, tx, resource);
    const auto limit = static_cast<std::size_t>(select.limit);
    // Databases bound the number of parameters: long lists are picked out here.
    const bool picked_here = ids.size() > 500;
    if (picked_here) {
        select.limit = 0;
    } else {
        select.where.push_back("t.id IN (" + marks(ids.size()) + ")");
        for (const std::string& id : ids) select.parameters.emplace_back(id);
    }
    const std::set<std::string, std::less<>> wanted(ids.begin(), ids.end());
    std::vector<json::object> rows;
    for (const Row& row : tx.query(select.text(select_columns(resource), resource.table), select.parameters)) {
        if (picked_here && !wanted.contains(row.at(0).text())) continue;
        rows.push_back(row_to_object(resource, row));
        if (limit > 0 && rows.size() > limit) break;
    }
    const bool more = limit > 0 && rows.size() > limit;
    if (more) rows.pop_back();
    if (resource.hooks.view) resource.hooks.view(call, tx, rows);
    for (json::object& row : rows) row = render(call, resource, row);
    return list_answer(call, resource, std::move(rows), more);
}

json::array rendered_rows(Call& call, Tx& tx, const Resource& resource, const std::vector<std::string>& ids) {
    std::vector<json::object> rows;
    for (const Row& row :
         tx.query("SELECT " + select_columns(resource) + " FROM " + std::string(resource.table) + " t WHERE t.id IN (" + marks(ids.size()) + ")",
                  Values(ids.begin(), ids.end())))
        rows.push_back(row_to_object(resource, row));
    std::sort(rows.begin(), rows.end(), [&](const json::object& a, const json::object& b) {
        return std::find(ids.begin(), ids.end(), string_or(a, "id")) < std::find(ids.begin(), ids.end(), string_or(b, "id"));
    });
    if (resource.hooks.view) resource.hooks.view(call, tx, rows);
    json::array out;
    for (const json::object& row : rows) out.push_back(render(call, resource, row));
    return out;
}

std::vector<std::string> role_ids_of(Tx& tx, const json::array& roles) {
    std::vector<std::string> out;
    for (const json::value& role : roles) {
        const json::object& reference = role.as_object();
        const std::string id = string_or(reference, "id"), name = string_or(reference, "name");
        if (id.empty() == name.empty()) throw Error(Errc::bad_request, "Invalid input for field 'roles': each has an id or a name.");
        const auto row = id.empty() ? tx.one("SELECT id FROM roles WHERE name = ? ORDER BY CASE WHEN domain_id IS NULL THEN 0 ELSE 1 END", {name})
                                    : tx.one("SELECT id FROM roles WHERE id = ?", {id});
        if (!row) throw not_found(Dialect::identity, role_resource, id.empty() ? name : id);
        if (std::find(out.begin(), out.end(), row->at(0).text()) == out.end()) out.push_back(row->at(0).text());
    }
    return out;
}

std::optional<Micros> expiry(const Call& call) {
    const auto text = optional_string(call.body, "expires_at");
    if (!text) return std::nullopt;
    auto at = parse_iso8601(*text);
    if (!at) at = parse_iso8601(*text + "Z");
    if (!at) throw Error(Errc::bad_request, "Timestamp not in expected format: expires_at is an ISO 8601 date and time.");
    if (*at <= app(call).tokens.now()) throw Error(Errc::bad_request, "The 'expires_at' must not be before now.");
    return *at;
}

void forget_assignments(Tx& tx, std::string_view column, std::string_view id) {
    tx.exec("DELETE FROM assignments WHERE " + std::string(column) + " = ?", {id});
}

}  // namespace pilvi::identity
