#pragma once
// Internal: between database rows, field values and answers.
#include <vector>

#include "api/resource.h"

namespace pilvi::api {

inline bool stored(const Field& field) { return (field.use & computed) == 0; }
std::string column_of(const Field& field);
const Field* find_field(const Resource& resource, std::string_view name);

// Which fields an answer of this call shows: version range, read checks (evaluated once, against the caller's own project) and the
// `fields` selection of the query. One decision, three forms: an object, and the text of that object from field values or from a database row.
class View {
public:
    View(Call& call, const Resource& resource);
    json::object render(const json::object& row) const;
    // Appends to_text(render(row)).
    void append(std::string& out, const json::object& row) const;
    // Appends to_text(render(row_to_object(row))), `row` being of select_columns(), without making either. Stored JSON is taken as it is written.
    void append(std::string& out, const Row& row) const;

private:
    static constexpr std::size_t no_column = static_cast<std::size_t>(-1);
    struct Member {
        std::string_view name;  // the field's, its alias, or that of a column of the engine's own
        std::string_view source;
        const Field* field = nullptr;  // nullptr: the engine's own
        std::size_t column = no_column;
    };
    void add(const Member& member);
    void append_extra(std::string& out, std::size_t begin, const Row& row) const;
    bool wants(std::string_view name) const;
    bool wants_extra(std::string_view name) const;

    const Resource& resource_;
    std::vector<Member> members_;
    std::size_t extra_before_ = 0;  // where in members_ the members of the extra column come
    std::size_t extra_column_ = no_column;
    std::vector<std::string> selection_;  // empty: all
};

}  // namespace pilvi::api
