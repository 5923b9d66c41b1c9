// Projects: a tree below each domain.
#include "resources/projects.h"

#include <algorithm>
#include <map>
#include <set>

#include "auth/delegation.h"

namespace pilvi::identity {

using namespace api;

namespace {

// The original's max_project_tree_depth, and what its model strict_two_level allows.
constexpr std::size_t deepest_project = 5, deepest_strict_project = 2;

constexpr Field fields[] = {
    {.name = "id", .use = show | filter},
    {.name = "name", .use = create | update | required | show | filter | sort, .least = 1, .most = 64, .pattern = not_blank},
    {.name = "domain_id", .use = create | update | show | filter | nullable, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "description", .use = create | update | show | nullable, .fallback = R"("")", .most = 65'536},
    {.name = "enabled", .type = Type::boolean, .use = create | update | show | filter, .fallback = "true"},
    {.name = "parent_id", .use = create | update | show | filter | nullable, .least = 1, .most = 64, .pattern = id_pattern},
    {.name = "is_domain", .type = Type::boolean, .use = create | update | show | filter, .fallback = "false"},
    {.name = "tags", .type = Type::array, .use = create | update | show | computed, .most = 80, .item = Type::text},
    {.name = "options", .type = Type::object, .use = create | update | show, .fallback = "{}", .fields = immutable_option},
    {.name = "valid_from", .type = Type::integer},
    // Made by ?parents_as_list and the like.
    {.name = "parents", .type = Type::any, .use = show | computed},
    {.name = "subtree", .type = Type::any, .use = show | computed},
};

constexpr Operation operations[] = {
    {Verb::list, "identity:list_projects", admin_or_reader},
    {Verb::show, "identity:get_project",
     "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.project.domain_id)s) or "
     "project_id:%(target.project.id)s"},
    {Verb::create, "identity:create_project", admin},
    {Verb::update, "identity:update_project", admin},
    {Verb::remove, "identity:delete_project", admin},
};

void place_new(Call& call, Tx& tx, json::object& row) {
    row["valid_from"] = 0;
    if (boolean_or(row, "is_domain")) {
        if (!string_or(row, "parent_id").empty() || !string_or(row, "domain_id").empty())
            throw Error(Errc::bad_request, "Only root projects are allowed to act as domains.");
        for (const char* name : {"domain_id", "parent_id"}) row[name] = nullptr;
        return;
    }
    set_domain(call, tx, row, Errc::bad_request);
    const std::string domain_id = string_or(row, "domain_id");
    if (string_or(row, "parent_id").empty()) row["parent_id"] = domain_id;
    const std::string parent_id = string_or(row, "parent_id");
    const auto parent = find_project(tx, parent_id);
    if (!parent) throw Error(Errc::bad_request, "Could not find project: " + parent_id + ".");
    if ((parent->is_domain ? parent->id : parent->domain_id) != domain_id)
        throw Error(Errc::bad_request, "Cannot create project: its parent " + parent_id + " is not in the domain " + domain_id + ".");
    std::vector<std::string> above = ancestors_of(tx, *parent);
    above.insert(above.begin(), parent_id);
    for (const std::string& id : above)
        if (!find_project(tx, id)->enabled)
            throw Error(Errc::bad_request, "Cannot create a project in a branch containing a disabled project: " + id);
    if (above.size() > (app(call).options.strict_limits ? deepest_strict_project : deepest_project))
        throw Error(Errc::forbidden, "Max hierarchy depth reached for " + parent_id + " branch.");
}

void check_enabling(Tx& tx, const std::string& id, bool enable) {
    if (enable) {
        for (const std::string& above : ancestors_of(tx, *find_project(tx, id)))
            if (!find_project(tx, above)->enabled) throw Error(Errc::forbidden, "Cannot enable project " + id + " since it has disabled parents");
    } else {
        for (const std::string& below : load_tree(tx).below(id))
            if (find_project(tx, below)->enabled)
                throw Error(Errc::forbidden, "Cannot disable project " + id + " since its subtree contains enabled projects.");
    }
}

void check_change(Call& call, Tx& tx, const json::object& row, const json::object& before) {
    refuse_immutable(call, project_resource, row, before);
    refuse_change(row, &before, "domain_id", "Domain ID");
    refuse_change(row, &before, "is_domain", "is_domain");
    if (row.at("parent_id") != before.at("parent_id")) throw Error(Errc::forbidden, "Update of `parent_id` is not allowed.");
    const bool was = boolean_or(before, "enabled"), is = boolean_or(row, "enabled");
    if (was != is && !boolean_or(before, "is_domain")) check_enabling(tx, string_or(before, "id"), is);
}

void before_write(Call& call, Tx& tx, json::object& row, const json::object* before) {
    merge_options(row, before);
    if (before) check_change(call, tx, row, *before);
    else place_new(call, tx, row);
    row["name"] = trim(string_or(row, "name"));
    const std::string name = string_or(row, "name");
    if (boolean_or(row, "is_domain")) refuse_duplicate(tx, project_resource, row, "is_domain = 1 AND name = ?", {name}, "name " + name);
    else refuse_duplicate(tx, project_resource, row, "domain_id = ? AND name = ?", {string_or(row, "domain_id"), name}, "name " + name);
    end_tokens_when_disabled(call, row, before);
}

void after_write(Call& call, Tx& tx, const json::object& row, const json::object*) {
    write_tags(tx, row);
    app(call).tokens.changed(tx);
}

void before_remove(Call&, Tx& tx, const json::object& row) {
    refuse_immutable_removal(project_resource, row);
    const std::string id = string_or(row, "id");
    if (boolean_or(row, "is_domain")) {
        remove_domain_contents(tx, row);
        return;
    }
    if (tx.one("SELECT 1 FROM projects WHERE parent_id = ?", {id}))
        throw Error(Errc::forbidden, "Cannot delete the project " + id + " since it is not a leaf in the hierarchy.");
    forget_assignments(tx, "target_id", id);
    tx.exec("UPDATE users SET default_project_id = NULL WHERE default_project_id = ?", {id});
    tx.exec("DELETE FROM credentials WHERE project_id = ?", {id});
}

void after_remove(Call& call, Tx& tx, const json::object& row) {
    forget_projects(tx, "?", {string_or(row, "id")});
    app(call).tokens.record_revocation(tx, {{"project_id", row.at("id")}});
    app(call).tokens.changed(tx);
}

// Only those on which the caller has a role.
json::array family(Call& call, Tx& tx, const std::vector<std::string>& ids) {
    const std::vector<std::string> mine = scopes_of(tx, call.who.user_id, Target::project);
    json::array out;
    for (const std::string& id : ids) {
        if (std::find(mine.begin(), mine.end(), id) == mine.end()) continue;
        json::object row = need_row(tx, project_resource, id);
        read_tags(tx, std::span(&row, 1));
        add_link(call, "projects", row);
        out.push_back(json::object{{"project", render(call, project_resource, row)}});
    }
    return out;
}

json::value nested_parents(const std::vector<std::string>& above) {
    json::value out = nullptr;
    for (auto id = above.rbegin(); id != above.rend(); ++id) {
        json::object level;
        level[*id] = std::move(out);
        out = std::move(level);
    }
    return out;
}

json::value nested_subtree(const ProjectTree& tree, const std::string& id) {
    json::object out;
    for (const std::string& below : tree.below(id))
        if (tree.find(below)->parent_id == id) out[below] = nested_subtree(tree, below);
    return out.empty() ? json::value(nullptr) : json::value(std::move(out));
}

void add_family(Call& call, Tx& tx, json::object& row) {
    const bool parents = is_set(call, "parents_as_list"), parent_ids = is_set(call, "parents_as_ids");
    const bool subtree = is_set(call, "subtree_as_list"), subtree_ids = is_set(call, "subtree_as_ids");
    if (parents && parent_ids) throw Error(Errc::bad_request, "Cannot use parents_as_list and parents_as_ids query params at the same time.");
    if (subtree && subtree_ids) throw Error(Errc::bad_request, "Cannot use subtree_as_list and subtree_as_ids query params at the same time.");
    if (!parents && !parent_ids && !subtree && !subtree_ids) return;
    const ProjectTree tree = load_tree(tx);
    const std::string id = string_or(row, "id");
    if (parents) row["parents"] = family(call, tx, tree.ancestors(id));
    if (parent_ids) row["parents"] = nested_parents(tree.ancestors(id));
    if (subtree) row["subtree"] = family(call, tx, tree.below(id));
    if (subtree_ids) row["subtree"] = nested_subtree(tree, id);
}

void view(Call& call, Tx& tx, std::span<json::object> rows) {
    read_tags(tx, rows);
    for (json::object& row : rows) add_link(call, "projects", row);
    if (call.path.contains("id") && rows.size() == 1 && call.request.method == "GET") add_family(call, tx, rows.front());
}

std::string visible(const Call& call, Values& parameters) {
    if (call.path.contains("id")) return {};
    std::string condition = call.query.has("is_domain") ? "1 = 1" : "t.is_domain = 0";
    if (!call.who.domain_id.empty() && call.path.empty()) {  // not the projects of a user, an endpoint, ...
        condition += " AND t.domain_id = ?";
        parameters.emplace_back(call.who.domain_id);
    }
    return condition;
}

// tags: has all of them; tags-any: one of them; not-tags, not-tags-any: the opposite.
std::string tag_filter(std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    if (name != "tags" && name != "tags-any" && name != "not-tags" && name != "not-tags-any") return {};
    const std::vector<std::string> tags = split(values.back(), ',', false);
    const std::set<std::string> distinct(tags.begin(), tags.end());
    for (const std::string& tag : distinct) parameters.emplace_back(tag);
    const std::size_t least = name.ends_with("any") ? 1 : std::max<std::size_t>(distinct.size(), 1);
    return "(SELECT count(*) FROM project_tags p WHERE p.project_id = t.id AND p.name IN (" + marks(distinct.size()) + "))" +
           (name.starts_with("not") ? " < " : " >= ") + std::to_string(least);
}

std::string filters(const Call&, std::string_view name, const std::vector<std::string>& values, Values& parameters) {
    const std::string enabled = enabled_filter(name, values);
    return enabled.empty() ? tag_filter(name, values, parameters) : enabled;
}

void target(Call&, Tx&, const json::object& row, json::object& target) { target["target"] = {{"project", row}}; }

constexpr Resource declared{
    .name = "project",
    .plural = "projects",
    .path = "/v3/projects",
    .table = "projects",
    .fields = fields,
    .operations = operations,
    .hooks = {.before_write = &before_write,
              .after_write = &after_write,
              .before_remove = &before_remove,
              .after_remove = &after_remove,
              .view = &view,
              .visible = &visible,
              .filter = &filters,
              .target = &target},
    .scope = "",
    .hex_id = true,
    .checks_update = true,
    .extra_column = "extra",
    .hides = item_verbs,
};
static_assert(sound(declared));

}  // namespace

const Resource project_resource = declared;

void check_tag(const json::value& tag) {
    if (!tag.is_string()) throw Error(Errc::bad_request, "Invalid input for field 'tags': a tag is a text.");
    const std::string text = str(tag.as_string());
    if (text.empty() || utf8_length(text) > 255 || text.find_first_of(",/") != text.npos)
        throw Error(Errc::bad_request, "Invalid input for field 'tags': a tag has 1 to 255 characters and neither ',' nor '/'.");
}

void set_tags(Tx& tx, std::string_view project_id, const json::array& tags) {
    if (tags.size() > 80) throw Error(Errc::bad_request, "Invalid input for field 'tags': there are more than 80.");
    std::set<std::string> distinct;
    for (const json::value& tag : tags) {
        check_tag(tag);
        if (!distinct.insert(str(tag.as_string())).second) throw Error(Errc::bad_request, "Invalid input for field 'tags': they are not unique.");
    }
    tx.exec("DELETE FROM project_tags WHERE project_id = ?", {project_id});
    for (const std::string& tag : distinct) tx.insert("project_tags", {{"project_id", project_id}, {"name", tag}});
}

void write_tags(Tx& tx, const json::object& row) {
    if (row.contains("tags")) set_tags(tx, string_or(row, "id"), row.at("tags").as_array());
}

void read_tags(Tx& tx, std::span<json::object> rows) {
    if (rows.empty()) return;
    std::map<std::string, json::array> found;
    Values ids;
    if (rows.size() <= 500)  // databases bound the number of parameters
        for (const json::object& row : rows) ids.emplace_back(string_or(row, "id"));
    const std::string condition = ids.empty() ? "" : " WHERE project_id IN (" + marks(ids.size()) + ")";
    const auto tags = tx.query("SELECT project_id, name FROM project_tags" + condition + " ORDER BY name", ids);
    for (const Row& row : tags) found[row.at(0).text()].emplace_back(row.at(1).text());
    for (json::object& row : rows) row["tags"] = found[string_or(row, "id")];
}

void end_tokens_when_disabled(Call& call, json::object& row, const json::object* before) {
    if (before && boolean_or(*before, "enabled") && !boolean_or(row, "enabled")) row["valid_from"] = app(call).tokens.now() / 1'000'000 + 1;
}

void remove_domain_contents(Tx& tx, const json::object& domain) {
    const std::string id = string_or(domain, "id");
    if (boolean_or(domain, "enabled")) throw Error(Errc::forbidden, "Cannot delete a domain that is enabled, please disable it first.");
    for (const std::string_view table : {"users", "user_groups"})
        tx.exec("DELETE FROM assignments WHERE actor_id IN (SELECT id FROM " + std::string(table) + " WHERE domain_id = ?)", {id});
    tx.exec("DELETE FROM assignments WHERE target_id = ? OR target_id IN (SELECT id FROM projects WHERE domain_id = ?)", {id, id});
    tx.exec("UPDATE users SET default_project_id = NULL WHERE default_project_id IN (SELECT id FROM projects WHERE domain_id = ?)", {id});
    tx.exec("DELETE FROM credentials WHERE project_id IN (SELECT id FROM projects WHERE domain_id = ?)", {id});
    forget_users(tx, "SELECT id FROM users WHERE domain_id = ?", {id});
    forget_projects(tx, "SELECT id FROM projects WHERE domain_id = ?", {id});
    for (const std::string_view table : {"users", "user_groups", "roles"})
        tx.exec("DELETE FROM " + std::string(table) + " WHERE domain_id = ?", {id});
    const std::vector<std::string> below = load_tree(tx).below(id);
    for (auto project = below.rbegin(); project != below.rend(); ++project) tx.exec("DELETE FROM projects WHERE id = ?", {*project});
}

}  // namespace pilvi::identity
