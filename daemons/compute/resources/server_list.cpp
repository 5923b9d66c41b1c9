#include "resources/server_list.h"

#include <algorithm>
#include <regex>

#include "base/text.h"
#include "domain/states.h"
#include "resources/server_view.h"

namespace pilvi::compute {
namespace {

using api::Call;

// How a query parameter selects servers.
enum class Match { exact, text /* a regular expression that is found in it */, yes_no, number, time };
struct Filter {
    std::string_view name, column;
    Match match;
    int since = 0;  // minor version from which everybody may use it; -1: administrators only
};
constexpr Filter filters[] = {
    {"name", "display_name", Match::text, 0},
    {"display_name", "display_name", Match::text, -1},
    {"image", "image_id", Match::exact, 0},
    {"image_ref", "image_id", Match::exact, -1},
    {"flavor", "flavor_id", Match::exact, 0},
    {"reservation_id", "reservation_id", Match::exact, 0},
    {"host", "host", Match::exact, -1},
    {"node", "node", Match::exact, -1},
    {"uuid", "id", Match::exact, -1},
    {"description", "description", Match::text, -1},
    {"display_description", "description", Match::text, -1},
    {"hostname", "hostname", Match::text, 90},
    {"key_name", "key_name", Match::text, 83},
    {"user_id", "user_id", Match::exact, 83},
    {"task_state", "task_state", Match::exact, 83},
    {"vm_state", "vm_state", Match::exact, 83},
    {"power_state", "power_state", Match::number, 83},
    {"availability_zone", "zone", Match::exact, 83},
    {"launch_index", "launch_index", Match::number, -1},
    {"access_ip_v4", "access_ip_v4", Match::exact, -1},
    {"access_ip_v6", "access_ip_v6", Match::exact, -1},
    {"root_device_name", "root_device_name", Match::exact, -1},
    {"locked_by", "locked_by", Match::exact, -1},
    {"config_drive", "config_drive", Match::yes_no, 83},
    {"created_at", "created_at", Match::time, 83},
    {"launched_at", "launched_at", Match::time, 83},
    {"terminated_at", "terminated_at", Match::time, 83},
};
// Parameters with a meaning of their own, or none, that are not unknown.
constexpr std::string_view others[] = {"limit",      "marker",    "sort_key",   "sort_dir",         "all_tenants",   "tenant_id",
                                       "project_id", "status",    "deleted",    "soft_deleted",     "changes-since", "changes-before",
                                       "ip",         "ip6",       "tags",       "tags-any",         "not-tags",      "not-tags-any",
                                       "locked",     "kernel_id", "ramdisk_id", "auto_disk_config", "progress"};
constexpr std::string_view joined[] = {"block_device_mapping", "services",        "metadata",   "system_metadata",
                                       "info_cache",           "security_groups", "pci_devices"};

struct SortKey {
    std::string_view name, column;
};
constexpr SortKey sort_keys[] = {
    {"created_at", "created_at"},
    {"updated_at", "updated_at"},
    {"display_name", "display_name"},
    {"display_description", "description"},
    {"uuid", "id"},
    {"host", "host"},
    {"node", "node"},
    {"hostname", "hostname"},
    {"image_ref", "image_id"},
    {"instance_type_id", "flavor_id"},
    {"key_name", "key_name"},
    {"launch_index", "launch_index"},
    {"launched_at", "launched_at"},
    {"terminated_at", "terminated_at"},
    {"locked_by", "locked_by"},
    {"locked", "locked_by"},
    {"power_state", "power_state"},
    {"project_id", "project_id"},
    {"task_state", "task_state"},
    {"user_id", "user_id"},
    {"vm_state", "vm_state"},
    {"availability_zone", "zone"},
    {"config_drive", "config_drive"},
    {"access_ip_v4", "access_ip_v4"},
    {"access_ip_v6", "access_ip_v6"},
    {"root_device_name", "root_device_name"},
    {"auto_disk_config", "disk_config"},
    {"kernel_id", "kernel"},
    {"ramdisk_id", "ramdisk"},
    {"progress", "number"},
};
// Keys that are taken and ignored before 2.75.
constexpr std::string_view ignored_keys[] = {"architecture",
                                             "cell_name",
                                             "cleaned",
                                             "default_ephemeral_device",
                                             "default_swap_device",
                                             "deleted",
                                             "deleted_at",
                                             "disable_terminate",
                                             "ephemeral_gb",
                                             "ephemeral_key_uuid",
                                             "id",
                                             "key_data",
                                             "launched_on",
                                             "locked",
                                             "memory_mb",
                                             "os_type",
                                             "reservation_id",
                                             "root_gb",
                                             "shutdown_terminate",
                                             "user_data",
                                             "vcpus",
                                             "vm_mode"};

template <class T>
bool has(const T& list, std::string_view item) {
    return std::find(std::begin(list), std::end(list), item) != std::end(list);
}

struct Selection {
    std::vector<std::string> where;
    Values parameters;
    std::vector<std::pair<std::string, bool>> order;                   // column, descending
    std::vector<std::pair<std::string_view, std::regex>> expressions;  // column (as `filters` name it), looked at after the query
    std::string ip, ip6;
    bool nothing = false;
    void add(std::string condition, std::initializer_list<Value> values = {}) {
        where.push_back(std::move(condition));
        parameters.insert(parameters.end(), values);
    }
};

bool is_plain(const std::string& text) { return text.find_first_of("\\^$.|?*+()[]{}%_") == std::string::npos; }

std::string list_of(std::size_t count) {
    std::string out = "(";
    for (std::size_t i = 0; i < count; ++i) out += i ? ", ?" : "?";
    return out + ")";
}

// Linear in the text whatever the expression (no backtracking).
std::regex expression(std::string_view name, const std::string& text) {
    try {
        if (text.size() > 255) throw std::regex_error(std::regex_constants::error_complexity);
        return std::regex(text, std::regex::ECMAScript | std::regex_constants::__polynomial | std::regex::icase);
    } catch (const std::regex_error&) {
        throw bad_request("Invalid input for query parameters " + std::string(name) + ". Value: " + text.substr(0, 100) + ". " + text.substr(0, 100) +
                          " is not a 'regex'");
    }
}

void add_text(Selection& s, const Filter& f, const std::string& value) {
    if (is_plain(value)) s.add("LOWER(" + std::string(f.column) + ") LIKE ?", {"%" + lower(value) + "%"});
    else s.expressions.emplace_back(f.column, expression(f.name, value));
}

void add_filter(Selection& s, const Filter& f, const std::vector<std::string>& values) {
    const std::string& value = values.back();
    switch (f.match) {
        case Match::exact:
            s.where.push_back(std::string(f.column) + " IN " + list_of(values.size()));
            for (const std::string& v : values) s.parameters.emplace_back(v);
            break;
        case Match::text:
            add_text(s, f, value);
            break;
        case Match::yes_no:
            if (const auto b = parse_boolean(value)) s.add(std::string(f.column) + " = ?", {*b});
            break;
        case Match::number: {
            const auto number = parse_integer(value);
            if (!number) s.nothing = true;
            else s.add(std::string(f.column) + " = ?", {*number});
            break;
        }
        case Match::time: {
            const auto at = parse_iso8601(value.find('Z') == std::string::npos && value.find('+') == std::string::npos ? value + "Z" : value);
            if (!at) s.nothing = true;
            else s.add(std::string(f.column) + " / 1000000 = ?", {*at / second});
            break;
        }
    }
}

void add_states(Call& call, Selection& s) {
    const auto statuses = call.query.all("status");
    if (statuses.empty()) return;
    const StateFilter states = states_of(statuses);
    if (states.vm_states.empty()) {
        if (call.at_least(2, 38)) throw bad_request("Invalid status value");
        s.nothing = true;
        return;
    }
    if (states.vm_states == std::vector<std::string_view>{"deleted"} && !call.who.is_admin)
        throw Error(Errc::forbidden, "Only administrators may list deleted instances");
    s.where.push_back("vm_state IN " + list_of(states.vm_states.size()));
    for (const auto v : states.vm_states) s.parameters.emplace_back(v);
    if (has(states.task_states, "default")) return;
    s.where.push_back("task_state IN " + list_of(states.task_states.size()));
    for (const auto v : states.task_states) s.parameters.emplace_back(v);
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

void add_times(Call& call, Selection& s, bool all_filters) {
    const auto since = time_of(call, "changes-since");
    const auto before = call.at_least(2, 66) ? time_of(call, "changes-before") : std::nullopt;
    if (since && before && *before < *since) throw bad_request("The value of changes-since must be less than or equal to changes-before.");
    if (since) s.add("updated_at >= ?", {*since});
    if (before) s.add("updated_at <= ?", {*before});
    const auto deleted = call.query.get("deleted");
    const auto statuses = call.query.all("status");
    const bool only_deleted = statuses.size() == 1 && equals_ignoring_case(statuses[0], "deleted");
    if (only_deleted) s.add("deleted = 1");
    else if (deleted && all_filters) s.add(parse_boolean(*deleted).value_or(false) ? "deleted = 1" : "deleted = 0");
    else if (!since && !before) s.add("deleted = 0");
}

// Whose servers: the caller's project, or everybody's.
void add_scope(Call& call, Selection& s, bool detail) {
    bool all = false;
    if (const auto text = call.query.get("all_tenants");
        text && (call.who.is_admin || call.allowed("os_compute_api:servers:allow_all_filters") || !text->empty())) {
        const auto b = text->empty() ? std::optional(true) : parse_boolean(*text);
        if (!b)
            throw bad_request("Unrecognized value '" + text->substr(0, 50) +
                              "', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'");
        all = *b;
    }
    if (!all) return call.who.project_id.empty() ? s.add("user_id = ?", {call.who.user_id}) : s.add("project_id = ?", {call.who.project_id});
    call.enforce(detail ? "os_compute_api:servers:detail:get_all_tenants" : "os_compute_api:servers:index:get_all_tenants");
    for (const std::string_view name : {"project_id", "tenant_id"})
        if (const auto id = call.query.get(name)) s.add("project_id = ?", {*id});
}

void add_tags(Call& call, Selection& s) {
    if (!call.at_least(2, 26)) return;
    const auto like = [](const std::string& tag) { return "%" + to_text(json::string(tag)) + "%"; };
    struct Rule {
        std::string_view name, joint;
        bool negated;
    };
    for (const Rule& rule :
         {Rule{"tags", " AND ", false}, Rule{"tags-any", " OR ", false}, Rule{"not-tags", " AND ", true}, Rule{"not-tags-any", " OR ", true}}) {
        const auto value = call.query.get(rule.name);
        if (!value) continue;
        std::string condition;
        for (const std::string& tag : split(*value, ',', false)) {
            condition += (condition.empty() ? "" : std::string(rule.joint)) + "tags LIKE ?";
            s.parameters.emplace_back(like(tag));
        }
        if (!condition.empty()) s.where.push_back((rule.negated ? "NOT (" : "(") + condition + ")");
    }
}

void check_names(Call& call) {
    for (const auto& [name, value] : call.query.items()) {
        if (has(joined, name) || name.starts_with("_")) {
            if (call.allowed("os_compute_api:servers:allow_all_filters") || call.at_least(2, 75))
                throw bad_request("Invalid filter field: " + name + ".");
            continue;
        }
        const bool known =
            has(others, name) || std::any_of(std::begin(filters), std::end(filters), [&, &n = name](const Filter& f) { return f.name == n; });
        if (!known && call.at_least(2, 75)) throw bad_request("Additional properties are not allowed ('" + name.substr(0, 100) + "' was unexpected)");
    }
}

void add_order(Call& call, Selection& s) {
    const auto keys = call.query.all("sort_key"), directions = call.query.all("sort_dir");
    for (const std::string& d : directions)
        if (d != "asc" && d != "desc") throw bad_request("Unknown sort direction, must be one of: asc, desc");
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const std::string_view key = trim(keys[i]);
        const bool ignored = has(ignored_keys, key) && !(key == "locked" && call.at_least(2, 73));
        if (ignored && !call.at_least(2, 75)) continue;
        const auto found = std::find_if(std::begin(sort_keys), std::end(sort_keys), [&](const SortKey& k) { return k.name == key; });
        if (found == std::end(sort_keys) || ignored)
            throw bad_request("Invalid input for query parameters sort_key. Value: " + std::string(key.substr(0, 100)) + ". '" +
                              std::string(key.substr(0, 100)) + "' is not one of the sort keys");
        if ((key == "host" || key == "node") && !call.who.is_admin)
            throw Error(Errc::forbidden, "Only administrators can sort servers by " + std::string(key));
        const std::string direction = directions.empty() ? "desc" : directions[std::min(i, directions.size() - 1)];
        s.order.emplace_back(found->column, direction == "desc");
    }
    const bool descending = s.order.empty() ? directions.empty() || directions[0] == "desc" : s.order[0].second;
    if (s.order.empty()) s.order.emplace_back("created_at", descending);
    s.order.emplace_back("number", descending);
}

// Rows after the marker's, in the order of the list.
void add_marker(Tx& tx, Selection& s, const std::string& marker) {
    std::string columns;
    for (const auto& [column, descending] : s.order) columns += (columns.empty() ? "" : ", ") + column;
    const auto row = tx.one("SELECT " + columns + " FROM instances WHERE id = ?", {marker});
    if (!row) unknown_marker(marker);
    std::string condition;
    for (std::size_t i = 0; i < s.order.size(); ++i) {
        std::string part;
        for (std::size_t k = 0; k <= i; ++k) {
            const auto& [column, descending] = s.order[k];
            if (row->at(k).is_null()) {  // NULL comes first when ascending
                if (k < i) part += (part.empty() ? "" : " AND ") + column + " IS NULL";
                else part += (part.empty() ? "" : " AND ") + (descending ? std::string("1 = 0") : column + " IS NOT NULL");
                continue;
            }
            part += (part.empty() ? "" : " AND ");
            if (k < i) part += column + " = ?";
            else if (descending) part += "(" + column + " < ? OR " + column + " IS NULL)";
            else part += column + " > ?";
            s.parameters.push_back(row->at(k));
        }
        condition += (condition.empty() ? "(" : " OR (") + part + ")";
    }
    s.where.push_back("(" + condition + ")");
}

Selection select(Call& call, bool detail) {
    check_names(call);
    Selection s;
    const bool all_filters = call.allowed("os_compute_api:servers:allow_all_filters");
    add_states(call, s);
    for (const Filter& f : filters) {
        const auto values = call.query.all(f.name);
        if (values.empty()) continue;
        if (!all_filters && (f.since < 0 || !call.at_least(2, f.since))) continue;
        add_filter(s, f, values);
    }
    add_times(call, s, all_filters);
    add_scope(call, s, detail);
    add_tags(call, s);
    if (const auto locked = call.query.get("locked"); locked && call.at_least(2, 73)) {
        const auto b = parse_boolean(*locked);
        if (!b) throw bad_request("Invalid value for locked filter.");
        s.add(*b ? "locked_by IS NOT NULL" : "locked_by IS NULL");
    }
    s.ip = call.query.get("ip").value_or("");
    if (all_filters || call.at_least(2, 5)) s.ip6 = call.query.get("ip6").value_or("");
    add_order(call, s);
    return s;
}

std::string text_of(const Instance& i, std::string_view column) {
    if (column == "display_name") return i.display_name;
    if (column == "description") return i.description.value_or("");
    if (column == "hostname") return i.hostname;
    return i.key_name.value_or("");
}

bool passes(const Instance& i, const Selection& s, const std::optional<std::regex>& ip, const std::optional<std::regex>& ip6) {
    for (const auto& [column, e] : s.expressions)
        if (!std::regex_search(text_of(i, column), e)) return false;
    if (!ip && !ip6) return true;
    for (const auto& network : json_object(i.addresses))
        for (const json::value& a : network.value().as_array()) {
            const std::string address = string_or(a.as_object(), "addr");
            const bool v6 = address.find(':') != std::string::npos;
            if (!v6 && ip && std::regex_search(address, *ip)) return true;
            if (v6 && ip6 && std::regex_search(address, *ip6)) return true;
        }
    return false;
}

std::vector<Instance> run(Tx& tx, Selection& s, const Page& page) {
    if (s.nothing || page.limit == 0) return {};
    if (page.marker) add_marker(tx, s, *page.marker);
    std::string where = join(s.where, " AND ") + " ORDER BY ";
    for (bool first = true; const auto& [column, descending] : s.order) {
        where += (first ? "" : ", ") + column + (descending ? " DESC" : "");
        first = false;
    }
    std::optional<std::regex> ip, ip6;
    if (!s.ip.empty()) ip = expression("ip", s.ip);
    if (!s.ip6.empty()) ip6 = expression("ip6", s.ip6);
    const bool sift = ip || ip6 || !s.expressions.empty();
    if (!sift) where += " LIMIT " + std::to_string(page.limit);
    auto found = find_instances(tx, where, s.parameters, Instance::list_columns());
    if (sift) {
        std::erase_if(found, [&](const Instance& i) { return !passes(i, s, ip, ip6); });
        if (found.size() > static_cast<std::size_t>(page.limit)) found.resize(static_cast<std::size_t>(page.limit));
    }
    return found;
}

}  // namespace

api::Reply list_servers(Call& call, bool detail) {
    Selection selection = select(call, detail);
    const Page page = page_of(call);
    return call.store().read([&](Tx& tx) {
        const auto instances = run(tx, selection, page);
        const ServerView view = ServerView::of(call, tx);
        json::array servers;
        servers.reserve(instances.size());
        for (const Instance& i : instances) servers.push_back(detail ? view.full(i) : view.brief(i));
        json::object body{{"servers", std::move(servers)}};
        if (!instances.empty()) add_next_link(call, body, "servers", page, instances.size(), instances.back().id);
        return api::Reply(std::move(body));
    });
}

}  // namespace pilvi::compute
