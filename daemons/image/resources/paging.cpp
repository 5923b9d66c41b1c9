#include "resources/paging.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace pilvi::image {
namespace {
constexpr std::int64_t default_limit = 25, greatest_limit = 1000;
}

std::int64_t asked_limit(const api::Call& call) {
    const auto text = call.query.get("limit");
    if (!text) return default_limit;
    const auto limit = parse_integer(*text);
    if (!limit) throw Error(Errc::bad_request, "limit param must be an integer");
    if (*limit < 0) throw Error(Errc::bad_request, "limit param must be positive");
    return std::min(*limit, greatest_limit);
}

bool descending(std::string_view direction) {
    if (direction != "asc" && direction != "desc") throw Error(Errc::bad_request, "Invalid sort direction: " + std::string(direction.substr(0, 100)));
    return direction == "desc";
}

void start_behind(api::Select& select, const Row& row) {
    std::string condition;
    for (std::size_t i = 0; i < select.order.size(); ++i) {
        condition += i == 0 ? "(" : " OR (";
        for (std::size_t k = 0; k < i; ++k) {
            condition += select.order[k].expression + " = ? AND ";
            select.parameters.push_back(row.at(k));
        }
        condition += select.order[i].expression + (select.order[i].descending ? " < ?)" : " > ?)");
        select.parameters.push_back(row.at(i));
    }
    select.where.push_back("(" + condition + ")");
}

std::string query_without_marker(const api::Query& query) {
    std::string out;
    for (const auto& [name, value] : query.items())
        if (name != "marker") out += (out.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(value);
    return out;
}

std::string first_link(const api::Query& query, const std::string& path) {
    const std::string rest = query_without_marker(query);
    return path + (rest.empty() ? "" : "?" + rest);
}

std::string next_link(const api::Query& query, const std::string& path, const std::string& marker) {
    const std::string rest = query_without_marker(query);
    return path + "?" + (rest.empty() ? "" : rest + "&") + "marker=" + percent_encode(marker);
}

}  // namespace pilvi::image
