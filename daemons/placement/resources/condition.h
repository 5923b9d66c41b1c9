#pragma once
// SQL conditions on a resource provider, for its list and for allocation candidates. `provider` is always an SQL expression: the provider's uuid.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/candidates.h"
#include "store/store.h"

namespace pilvi::placement {

// Joined by AND; values in the order of the parts' placeholders.
struct Condition {
    std::vector<std::string> parts;
    Values values;

    void add(std::string part, const Values& with = {});
    // Of each set the provider has at least one trait; it has none of them.
    void with_traits(std::string_view provider, const std::vector<Names>& each);
    void without_traits(std::string_view provider, const Names& names);
    void with_aggregates(std::string_view provider, const std::vector<Names>& each);
    void without_aggregates(std::string_view provider, const Names& names);
    // The row of inventories named `i` is of the class and allows one claim of `amount` (1 ... max_integer).
    void with_claim(std::string_view i, const std::string& resource_class, std::int64_t amount);
    // The provider has an inventory that allows one claim of `amount` (1 or more).
    void with_room(std::string_view provider, const std::string& resource_class, std::int64_t amount);
    // The provider is in the tree of the provider `member`.
    void in_tree(std::string_view provider, const std::string& member);

    std::string text() const;   // "1 = 1" where there is none
    std::string where() const;  // " WHERE ..." or ""
};

// What is left of the inventory `i`: the expression of the index inventories_by_room.
std::string room_of(std::string_view i);

}  // namespace pilvi::placement
