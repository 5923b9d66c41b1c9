#include "resources/common.h"

#include "base/ids.h"

namespace pilvi::network {

void for_children(Tx& tx, std::span<json::object> parents, std::string_view select_in, std::string_view tail,
                  const std::function<void(json::object&, const Row&)>& add) {
    for_children(tx, parents, fmt::format("{} IN ({{0}}) {}", select_in, tail), add);
}

void for_children(Tx& tx, std::span<json::object> parents, std::string_view statement, const std::function<void(json::object&, const Row&)>& add) {
    constexpr std::string_view place = "{0}";
    std::size_t places = 0;
    for (std::size_t at = statement.find(place); at != statement.npos; at = statement.find(place, at + place.size())) ++places;
    constexpr std::size_t batch = 500;
    std::multimap<std::string, json::object*, std::less<>> by_id;
    for (json::object& parent : parents) by_id.emplace(string_or(parent, "id"), &parent);
    for (auto from = by_id.begin(); from != by_id.end();) {
        std::vector<std::string> ids;
        for (; from != by_id.end() && ids.size() < batch; ++from) ids.push_back(from->first);
        Values parameters;
        parameters.reserve(ids.size() * places);
        std::string in;
        for (std::size_t i = 0; i < places; ++i) in = marks(ids, parameters);
        for (const Row& row : tx.query(fmt::format(fmt::runtime(statement), in), parameters)) {
            const auto [first, last] = by_id.equal_range(row.at(0).text());
            for (auto at = first; at != last; ++at) add(*at->second, row);
        }
    }
}

void add_tags(Tx& tx, std::span<json::object> rows) {
    for (json::object& row : rows) row["tags"] = json::array{};
    for_children(tx, rows, "SELECT resource_id, tag FROM tags WHERE resource_id", "ORDER BY tag",
                 [](json::object& parent, const Row& row) { parent["tags"].as_array().push_back(json::value(row.at(1).text())); });
}

std::string tag_filter(std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    const bool all = name == "tags" || name == "not-tags", any = name == "tags-any" || name == "not-tags-any";
    if (!all && !any) return "";
    std::vector<std::string> tags;
    for (const std::string& value : values)
        for (std::size_t from = 0; from <= value.size();) {
            const std::size_t comma = std::min(value.find(',', from), value.size());
            if (comma > from) tags.push_back(value.substr(from, comma - from));
            from = comma + 1;
        }
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    if (tags.empty()) return "1 = 1";
    const std::string in = marks(tags, parameters);
    const std::string count = fmt::format("(SELECT count(*) FROM tags g WHERE g.resource_id = t.id AND g.tag IN ({}))", in);
    const std::string wanted = all ? std::to_string(tags.size()) : "1";
    return fmt::format("{} {} {}", count, name.starts_with("not-") ? "<" : ">=", wanted);
}

void remove_tags(Tx& tx, std::string_view id) { tx.exec("DELETE FROM tags WHERE resource_id = ?", {id}); }

std::string marks(const std::vector<std::string>& values, Values& parameters) {
    std::string out;
    for (const std::string& value : values) {
        out += out.empty() ? "?" : ", ?";
        parameters.emplace_back(value);
    }
    return out;
}

std::vector<std::string> texts(const json::array& array) {
    std::vector<std::string> out;
    for (const json::value& v : array)
        if (v.is_string()) out.push_back(str(v.get_string()));
    return out;
}

json::array array_column(const Row& row, std::string_view column) {
    const json::value value = parse_json(row.text(column));
    return value.is_array() ? value.get_array() : json::array{};
}

std::string insert_object(Tx& tx, const App& app, const Resource& resource, json::object row) {
    if (!row.contains("id")) row["id"] = new_uuid();
    auto columns = api::object_to_columns(resource, row);
    const Micros now = app.clock();
    columns.emplace_back("created_at", now);
    columns.emplace_back("updated_at", now);
    columns.emplace_back("revision_number", std::int64_t{1});
    tx.insert(resource.table, columns);
    return str(row["id"].as_string());
}

void touch(Tx& tx, const App& app, std::string_view table, std::string_view id) {
    tx.exec(fmt::format("UPDATE {} SET revision_number = revision_number + 1, updated_at = ? WHERE id = ?", table), {app.clock(), id});
}

std::string visible_networks(const Call& call, Values& parameters) {
    if (call.who.is_admin || call.who.has_role("advsvc")) return "";
    parameters.emplace_back(call.who.project_id);
    parameters.emplace_back(call.who.project_id);
    return "t.project_id = ? OR t.shared = 1 OR t.router_external = 1 OR t.id IN (SELECT object_id FROM rbac_policies WHERE object_type = 'network' "
           "AND target_tenant IN (?, '*'))";
}

void network_target(Call&, Tx& tx, const json::object& row, json::object& target) {
    const auto network = tx.one("SELECT project_id, shared FROM networks WHERE id = ?", {string_or(row, "network_id")});
    for (const char* name : {"network:project_id", "network:tenant_id"}) target[name] = network ? network->text("project_id") : "";
    target["network:shared"] = network && network->boolean("shared");
}

}  // namespace pilvi::network
