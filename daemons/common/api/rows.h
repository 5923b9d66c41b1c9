#pragma once
// Internal: between database rows, field values and answers.
#include <vector>

#include "api/resource.h"

namespace pilvi::api {

inline bool stored(const Field& field) { return (field.use & computed) == 0; }
std::string column_of(const Field& field);
const Field* find_field(const Resource& resource, std::string_view name);

// Which fields an answer of this call shows: version range, read checks (evaluated once, against the caller's own project) and the
// `fields` selection of the query.
class View {
public:
    View(Call& call, const Resource& resource);
    json::object render(const json::object& row) const;

private:
    const Resource& resource_;
    std::vector<const Field*> shown_;
    std::vector<std::string> selection_;  // empty: all
    bool wants(std::string_view name) const;
};

}  // namespace pilvi::api
