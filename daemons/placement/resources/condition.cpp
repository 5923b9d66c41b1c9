#include "resources/condition.h"

#include <fmt/format.h>

#include "base/text.h"
#include "resources/common.h"

namespace pilvi::placement {
namespace {

void add_member(Condition& c, bool wanted, std::string_view provider, std::string_view table, std::string_view column, const Names& names) {
    Values values;
    append(values, names);
    c.add(fmt::format("{}EXISTS (SELECT 1 FROM {} x WHERE x.provider_uuid = {} AND x.{} IN ({}))", wanted ? "" : "NOT ", table, provider, column,
                      marks(names.size())),
          values);
}

}  // namespace

void Condition::add(std::string part, const Values& with) {
    parts.push_back(std::move(part));
    values.insert(values.end(), with.begin(), with.end());
}
std::string Condition::text() const { return parts.empty() ? "1 = 1" : join(parts, " AND "); }
std::string Condition::where() const { return parts.empty() ? std::string() : " WHERE " + text(); }

void Condition::with_traits(std::string_view provider, const std::vector<Names>& each) {
    for (const Names& any : each) add_member(*this, true, provider, "provider_traits", "trait", any);
}
void Condition::without_traits(std::string_view provider, const Names& names) {
    if (!names.empty()) add_member(*this, false, provider, "provider_traits", "trait", names);
}
void Condition::with_aggregates(std::string_view provider, const std::vector<Names>& each) {
    for (const Names& any : each) add_member(*this, true, provider, "provider_aggregates", "aggregate_uuid", any);
}
void Condition::without_aggregates(std::string_view provider, const Names& names) {
    if (!names.empty()) add_member(*this, false, provider, "provider_aggregates", "aggregate_uuid", names);
}

std::string room_of(std::string_view i) { return fmt::format("(({0}.total - {0}.reserved) * {0}.allocation_ratio - {0}.used)", i); }

void Condition::with_claim(std::string_view i, const std::string& resource_class, std::int64_t amount) {
    add(fmt::format("{0}.resource_class = ? AND {1} >= ? AND {0}.min_unit <= ? AND {0}.max_unit >= ? AND CAST(? AS BIGINT) % {0}.step_size = 0", i,
                    room_of(i)),
        {resource_class, amount, amount, amount, amount});
}

void Condition::with_room(std::string_view provider, const std::string& resource_class, std::int64_t amount) {
    if (amount > max_integer) {  // above every max_unit
        add("1 = 0");
        return;
    }
    Condition claim;
    claim.with_claim("i", resource_class, amount);
    add(fmt::format("EXISTS (SELECT 1 FROM inventories i WHERE i.provider_uuid = {} AND {})", provider, claim.text()), claim.values);
}

void Condition::in_tree(std::string_view provider, const std::string& member) {
    add(fmt::format("{} IN (SELECT x.uuid FROM resource_providers x WHERE x.root_uuid = (SELECT y.root_uuid FROM resource_providers y "
                    "WHERE y.uuid = ?))",
                    provider),
        {member});
}

}  // namespace pilvi::placement
