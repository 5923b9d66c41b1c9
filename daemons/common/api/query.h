#pragma once
// Lists: filters, sorting, paging as SQL, for the engine and for handlers with a list of their own.
#include <string>
#include <string_view>
#include <vector>

#include "api/resource.h"
#include "api/service.h"

namespace pilvi::api {

struct Sort {
    std::string expression;  // SQL over the table's alias t
    bool descending = false;
};

// The parts of one SELECT, built from a query string; all values are parameters.
struct Select {
    std::vector<std::string> where;  // joined with AND
    Values parameters;
    std::vector<Sort> order;  // ends with the id
    std::int64_t limit = 0;   // 0 = none; one row more is selected, to know whether there is a next page
    bool reverse = false;     // page_reverse
    void add(std::string condition, std::initializer_list<Value> values = {});
    std::string text(std::string_view columns, std::string_view table) const;  // "SELECT columns FROM table t WHERE ... ORDER BY ... LIMIT ..."
};

// Filters by the fields' `filter` flag, sort_key/sort_dir/sort, limit, marker (the row must exist: 400 otherwise), visibility.
// Parameters that are neither are refused or ignored as the style says.
Select build_select(Call& call, Tx& tx, const Resource& resource);
// limit from the query, checked: 400 on a negative or non-integer, capped by the style's page_limit; 0 = no limit.
std::int64_t page_limit(const Call& call);
// The request's own URL with marker=`marker` and, where `reverse`, page_reverse.
std::string page_link(const Call& call, std::string_view marker, bool reverse);
// page_link() forward.
std::string next_link(const Call& call, std::string_view last_id);
// Rows in answer form with paging links in the dialect's manner: {"networks": [...], "networks_links": [...]}.
json::object list_answer(Call& call, const Resource& resource, std::vector<json::object> rendered, bool more);
// The rows that build_select() and select_columns() brought as such an answer: without the one beyond the limit, turned round where the page is,
// completed by the resource's view and written as text.
Reply list_reply(Call& call, Tx& tx, const Resource& resource, const Select& select, const std::vector<Row>& rows);

}  // namespace pilvi::api
