// GET /v2/images: filters, sorting, paging. Source: Image API v2, "List images".
#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "image.h"
#include "model.h"
#include "protection.h"
#include "resources/paging.h"
#include "rules.h"

namespace pilvi::image {
namespace {
using api::Call;
using api::Reply;
using api::Route;
using api::Select;

[[noreturn]] void refuse(const std::string& why) { throw Error(Errc::bad_request, why); }

struct SortColumn {
    std::string_view key;
    std::string_view expression;  // NULL sorts as the empty value on both databases
};
constexpr std::array sort_columns{
    SortColumn{"name", "COALESCE(t.name, '')"},
    SortColumn{"status", "t.status"},
    SortColumn{"container_format", "COALESCE(t.container_format, '')"},
    SortColumn{"disk_format", "COALESCE(t.disk_format, '')"},
    SortColumn{"size", "COALESCE(t.size, 0)"},
    SortColumn{"id", "t.id"},
    SortColumn{"created_at", "t.created_at"},
    SortColumn{"updated_at", "t.updated_at"},
};

std::string_view sort_expression(std::string_view key) {
    std::string available;
    for (const SortColumn& c : sort_columns) {
        if (c.key == key) return c.expression;
        available += (available.empty() ? "" : ", ") + std::string(c.key);
    }
    refuse("Invalid sort key: " + std::string(key.substr(0, 100)) + ". It must be one of the following: " + available + ".");
}

std::vector<api::Sort> asked_order(const Call& call) {
    std::vector<api::Sort> order;
    const std::vector<std::string> keys = call.query.all("sort_key"), directions = call.query.all("sort_dir");
    if (const auto sort = call.query.get("sort")) {
        if (!keys.empty() || !directions.empty()) refuse("Old and new sorting syntax cannot be combined");
        for (const std::string& part : split(trim(*sort), ',')) {
            const std::size_t colon = part.find(':');
            const std::string_view direction = colon == std::string::npos ? "desc" : trim(std::string_view(part).substr(colon + 1));
            order.push_back({std::string(sort_expression(trim(std::string_view(part).substr(0, colon)))), descending(direction)});
        }
        return order;
    }
    if (directions.size() > 1 && directions.size() != keys.size()) refuse("Number of sort dirs does not match the number of sort keys");
    for (std::size_t i = 0; i < keys.size(); ++i)
        order.push_back(
            {std::string(sort_expression(trim(keys[i]))), directions.empty() || descending(trim(directions[directions.size() == 1 ? 0 : i]))});
    if (keys.empty()) order.push_back({"t.created_at", directions.empty() || descending(trim(directions[0]))});
    return order;
}

// The order made total: rows of one key are told apart by created_at and id.
std::vector<api::Sort> full_order(const Call& call) {
    std::vector<api::Sort> order = asked_order(call);
    const bool direction = order.front().descending;
    for (const std::string_view last : {"t.created_at", "t.id"})
        if (std::none_of(order.begin(), order.end(), [&](const api::Sort& s) { return s.expression == last; }))
            order.push_back({std::string(last), direction});
    return order;
}

void add_marker(Select& select, Tx& tx, const Call& call, const std::string& marker) {
    std::string columns;
    for (const api::Sort& s : select.order) columns += (columns.empty() ? "" : ", ") + s.expression;
    Values parameters{Value(marker)};
    const std::string visible = visible_condition(call.who, parameters);
    const auto row = tx.one("SELECT " + columns + " FROM images t WHERE t.id = ?" + (visible.empty() ? "" : " AND (" + visible + ")"), parameters);
    if (!row) refuse("No image found with ID " + marker.substr(0, 255));
    start_behind(select, *row);
}

// "in:a,\"b,c\"" -> a | b,c
std::vector<std::string> split_quoted(std::string_view text) {
    std::vector<std::string> out(1);
    bool quoted = false;
    for (const char c : text) {
        if (c == '"') quoted = !quoted;
        else if (c == ',' && !quoted) out.emplace_back();
        else out.back() += c;
    }
    if (quoted) refuse("Invalid filter value " + std::string(text.substr(0, 255)) + ". The quote is not closed.");
    return out;
}

void filter_text(Select& select, std::string_view column, const std::string& value) {
    const std::size_t colon = value.find(':');
    const std::string_view op = colon == std::string::npos ? "eq" : std::string_view(value).substr(0, colon);
    const std::string_view operand = colon == std::string::npos ? std::string_view(value) : std::string_view(value).substr(colon + 1);
    if (op == "eq") return select.add("t." + std::string(column) + " = ?", {operand});
    if (op != "in") refuse("Unable to filter by unknown operator '" + std::string(op.substr(0, 100)) + "'.");
    std::string marks;
    for (const std::string& item : split_quoted(operand)) {
        marks += marks.empty() ? "?" : ", ?";
        select.parameters.emplace_back(item);
    }
    select.where.push_back("t." + std::string(column) + " IN (" + marks + ")");
}

void filter_time(Select& select, const std::string& column, const std::string& value) {
    static constexpr std::pair<std::string_view, std::string_view> operators[] = {{"neq", "<>"}, {"eq", "="},   {"gte", ">="},
                                                                                  {"gt", ">"},   {"lte", "<="}, {"lt", "<"}};
    std::string_view comparison = "=", operand = value;
    if (!parse_iso8601(value)) {
        const std::size_t colon = value.find(':');
        const std::string_view op = std::string_view(value).substr(0, colon);
        const auto known = std::find_if(std::begin(operators), std::end(operators), [op](const auto& o) { return o.first == op; });
        if (colon != std::string::npos && known == std::end(operators))
            refuse("Unable to filter by unknown operator '" + std::string(op.substr(0, 100)) + "'.");
        if (known != std::end(operators)) comparison = known->second;
        operand = colon == std::string::npos ? operand : operand.substr(colon + 1);
    }
    const auto at = parse_iso8601(operand);
    if (!at) refuse("Bad \"" + column + "\" query filter format. Use ISO 8601 DateTime notation.");
    // The API shows whole seconds: it compares them, too.
    select.add("t." + column + " / 1000000 " + std::string(comparison) + " ?", {*at / 1'000'000});
}

bool filter_range(Select& select, std::string_view name, const std::string& value) {
    if (!name.ends_with("_min") && !name.ends_with("_max")) return false;
    const std::string_view column = name.substr(0, name.size() - 4);
    if (column != "size" && column != "min_ram" && column != "min_disk" && column != "virtual_size") return false;
    const auto number = parse_integer(value);
    if (!number) refuse("Unable to filter on a range with a non-numeric value.");
    select.add("t." + std::string(column) + (name.ends_with("_min") ? " >= ?" : " <= ?"), {*number});
    return true;
}

bool strict_boolean(const std::string& value, std::string_view name) {
    const std::string text = lower(value);
    if (text != "true" && text != "false")
        refuse("Invalid value '" + value.substr(0, 100) + "' for '" + std::string(name) + "' filter. Valid values are 'true' or 'false'.");
    return text == "true";
}

void filter_one(Select& select, const Call& call, const std::string& name, const std::string& value) {
    constexpr std::string_view texts[] = {"name", "id", "status", "container_format", "disk_format"};
    constexpr std::string_view exact[] = {"owner", "checksum", "os_hash_algo", "os_hash_value"};
    constexpr std::string_view numbers[] = {"size", "virtual_size", "min_ram", "min_disk"};
    const auto is = [&name](const auto& names) { return std::find(std::begin(names), std::end(names), name) != std::end(names); };
    if (name == "changes-since") refuse("The \"changes-since\" filter is no longer available on v2.");
    if (name == "protected") return select.add("t.protected = ?", {strict_boolean(value, name)});
    if (is(texts)) return filter_text(select, name, value);
    if (is(exact)) return select.add("t." + name + " = ?", {value});
    if (is(numbers)) {
        const auto number = parse_integer(value);
        return number ? select.add("t." + name + " = ?", {*number}) : select.add("1 = 0");
    }
    if (name == "created_at" || name == "updated_at") return filter_time(select, name, value);
    if (filter_range(select, name, value)) return;
    if (!may(call, name, PropertyRight::read)) return select.add("1 = 0");
    select.add("EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = t.id AND p.name = ? AND p.value = ?)", {name, value});
}

// What the caller sees in lists: less than by id, since a member sees a shared image only once it is accepted.
void add_visibility(Select& select, const Call& call) {
    const std::string member_status = call.query.get("member_status").value_or("accepted");
    if (member_status != "pending" && member_status != "accepted" && member_status != "rejected" && member_status != "all")
        refuse("Invalid status: " + member_status.substr(0, 100));
    const std::string visibility = call.query.get("visibility").value_or("");
    constexpr std::string_view known[] = {"", "community", "public", "private", "shared", "all"};
    if (std::find(std::begin(known), std::end(known), visibility) == std::end(known))
        refuse("Invalid visibility value: " + visibility.substr(0, 100));
    const std::string& project = call.who.project_id;
    if (!call.who.is_admin) {
        std::string condition =
            "t.visibility = 'public' OR t.visibility = 'community' OR t.owner = ? OR (t.visibility = 'shared' AND EXISTS (SELECT 1 FROM "
            "image_members m "
            "WHERE m.image_id = t.id AND m.member = ?";
        select.parameters.insert(select.parameters.end(), {Value(project), Value(project)});
        if (member_status != "all") {
            condition += " AND m.status = ?";
            select.parameters.emplace_back(member_status);
        }
        select.where.push_back("(" + condition + "))" + ")");
    }
    if (visibility.empty()) select.add("(t.visibility <> 'community' OR t.owner = ?)", {project});
    else if (visibility != "all") select.add("t.visibility = ?", {visibility});
}

Select select_of(Tx& tx, const Call& call) {
    constexpr std::string_view control[] = {"limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "visibility", "os_hidden", "deleted"};
    Select select;
    add_visibility(select, call);
    select.add("t.os_hidden = ?", {strict_boolean(call.query.get("os_hidden").value_or("false"), "os_hidden")});
    for (const auto& [name, value] : call.query.items()) {
        if (std::find(std::begin(control), std::end(control), name) != std::end(control)) continue;
        if (name == "tag") select.add("EXISTS (SELECT 1 FROM image_tags g WHERE g.image_id = t.id AND g.value = ?)", {trim(value)});
        else filter_one(select, call, name, value);
    }
    select.order = full_order(call);
    if (const auto marker = call.query.get("marker")) add_marker(select, tx, call, *marker);
    return select;
}

Reply list(Call& call) {
    const std::int64_t limit = asked_limit(call);
    std::vector<Image> images = call.store().read([&](Tx& tx) {
        Select select = select_of(tx, call);
        select.limit = std::max<std::int64_t>(limit, 1);
        return images_of(tx, tx.query(select.text(image_columns, "images"), select.parameters));
    });
    const bool full = limit > 0 && static_cast<std::int64_t>(images.size()) >= limit;  // there may be more: the API does not look
    if (static_cast<std::int64_t>(images.size()) > limit) images.resize(static_cast<std::size_t>(limit));
    std::string text = R"({"images":)";
    text.reserve(256 + images.size() * 1024);
    for (const Image& image : images) {
        text += &image == images.data() ? '[' : ',';
        append_view(text, call, image);
    }
    text += images.empty() ? "[]" : "]";
    const auto member = [&text](std::string_view name, std::string_view value) {
        ((text += ",\"") += name) += "\":";
        append_quoted(text, value);
    };
    member("first", first_link(call.query, "/v2/images"));
    member("schema", "/v2/schemas/images");
    if (full) member("next", next_link(call.query, "/v2/images", images.back().id));
    text += '}';
    return Reply::json_text(std::move(text));
}

constexpr Route table[] = {
    {.method = "GET", .path = "/v2/images", .policy = "get_images", .check = rules::reader, .handler = list},
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

const std::span<const Route> list_routes = table;

}  // namespace pilvi::image
