#include "resources/candidate_search.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "domain/standard_names.h"
#include "resources/condition.h"

namespace pilvi::placement {
namespace {

using Uuids = std::vector<std::string>;

// A longer list is not sent: all rows are read then. Below the 32,766 parameters of SQLite and the 65,535 of PostgreSQL.
constexpr std::size_t most_listed = 16'384;

constexpr std::string_view sharing_providers = "SELECT t.provider_uuid FROM provider_traits t WHERE t.trait = 'MISC_SHARES_VIA_AGGREGATE'";

// column IN (uuids). The list is filled up to a power of two with its last item, so that there are few statements to be prepared and kept.
Condition among(std::string_view column, const Uuids& uuids) {
    Condition c;
    if (uuids.empty()) c.add("1 = 0");
    if (uuids.empty() || uuids.size() > most_listed) return c;
    Values values(uuids.begin(), uuids.end());
    values.resize(std::bit_ceil(values.size()), uuids.back());
    c.add(fmt::format("{} IN ({})", column, marks(values.size())), values);
    return c;
}

// What kind of cloud it is decides how groups are served.
struct Shape {
    bool nested = false;
    bool sharing = false;
    bool flat() const { return !nested && !sharing; }
};

Shape shape_of(Tx& tx) {
    return {.nested = tx.one("SELECT 1 FROM resource_providers WHERE parent_uuid IS NOT NULL LIMIT 1").has_value(),
            .sharing = tx.one(std::string(sharing_providers) + " LIMIT 1").has_value()};
}

// The provider alone serves the group, of which the class `sure` is known to fit.
Condition serves_alone(std::string_view provider, const Group& group, std::string_view sure = {}) {
    Condition c;
    for (const auto& [resource_class, amount] : group.resources)
        if (resource_class != sure) c.with_room(provider, resource_class, amount);
    if (!group.in_tree.empty() && !group.resources.empty()) c.in_tree(provider, group.in_tree);
    c.with_traits(provider, group.required);
    c.without_traits(provider, group.forbidden);
    c.with_aggregates(provider, group.member_of);
    c.without_aggregates(provider, group.forbidden_aggregates);
    return c;
}

// The request allows the root.
void allow_root(Condition& c, std::string_view root, const CandidateRequest& request) {
    for (const std::string& trait : request.root_required) c.with_traits(root, {{trait}});
    c.without_traits(root, request.root_forbidden);
}

Uuids uuids_of(const std::vector<Row>& rows) {
    Uuids uuids;
    uuids.reserve(rows.size());
    for (const Row& row : rows) uuids.push_back(row.at(0).text());
    return uuids;
}

std::vector<Row> limited(Tx& tx, std::string sql, Values values, std::size_t limit) {
    if (limit) {
        sql += " LIMIT ?";
        values.emplace_back(static_cast<std::int64_t>(limit));
    }
    return tx.query(sql, values);
}

// Without trees and sharing one provider serves all groups. Driven by the index of the room of one class.
Uuids flat_roots(Tx& tx, const CandidateRequest& request, std::size_t limit) {
    Condition c;
    const auto driving =
        std::find_if(request.groups.begin(), request.groups.end(), [](const auto& group) { return !group.second.resources.empty(); });
    const auto& [resource_class, amount] = *driving->second.resources.begin();
    c.with_claim("f", resource_class, amount);
    for (const auto& [suffix, group] : request.groups) {
        const Condition serves = serves_alone("f.provider_uuid", group, suffix == driving->first ? resource_class : "");
        c.add(serves.text(), serves.values);
    }
    allow_root(c, "f.provider_uuid", request);
    return uuids_of(
        limited(tx, fmt::format("SELECT f.provider_uuid FROM inventories f{} ORDER BY {} DESC, f.provider_uuid DESC", c.where(), room_of("f")),
                c.values, limit));
}

// In the tree of r a provider p holds, or a provider s that shares with one of the tree.
void in_or_shared_with_tree(Condition& c, const Condition& p, const Condition* s) {
    std::string text = fmt::format("EXISTS (SELECT 1 FROM resource_providers p WHERE p.root_uuid = r.uuid AND {})", p.text());
    Values values = p.values;
    if (s) {
        text = fmt::format(
            "({} OR EXISTS (SELECT 1 FROM resource_providers m JOIN provider_aggregates b ON b.provider_uuid = m.uuid WHERE m.root_uuid = r.uuid AND "
            "b.aggregate_uuid IN (SELECT a.aggregate_uuid FROM provider_traits s JOIN provider_aggregates a ON a.provider_uuid = s.provider_uuid "
            "WHERE s.trait = '{}' AND {})))",
            text, sharing_trait, s->text());
        values.insert(values.end(), s->values.begin(), s->values.end());
    }
    c.add(std::move(text), values);
}

// One class of a group that may be spread over the tree of r and what shares with it.
void spread_class(Condition& c, const Group& group, const std::string& resource_class, std::int64_t amount, bool sharing) {
    Condition in_tree, shared;
    in_tree.with_room("p.uuid", resource_class, amount);
    in_tree.without_traits("p.uuid", group.forbidden);
    in_tree.without_aggregates("p.uuid", group.forbidden_aggregates);
    if (!group.in_tree.empty()) in_tree.in_tree("p.uuid", group.in_tree);
    if (!group.member_of.empty()) {  // the root's aggregates count for the whole tree
        Condition own, root;
        own.with_aggregates("p.uuid", group.member_of);
        root.with_aggregates("r.uuid", group.member_of);
        Values values = own.values;
        values.insert(values.end(), root.values.begin(), root.values.end());
        in_tree.add(fmt::format("(({}) OR ({}))", own.text(), root.text()), values);
    }
    shared.with_room("s.provider_uuid", resource_class, amount);
    shared.without_traits("s.provider_uuid", group.forbidden);
    shared.with_aggregates("s.provider_uuid", group.member_of);
    shared.without_aggregates("s.provider_uuid", group.forbidden_aggregates);
    in_or_shared_with_tree(c, in_tree, sharing && group.in_tree.empty() ? &shared : nullptr);
}

// Roots of the trees that may serve every group: no other does, and of these most do.
Uuids tree_roots(Tx& tx, const CandidateRequest& request, const Shape& shape, std::size_t limit) {
    Condition c;
    c.add("r.parent_uuid IS NULL");
    allow_root(c, "r.uuid", request);
    for (const auto& [suffix, group] : request.groups) {
        if (group.same_provider) {
            const Condition shared = serves_alone("s.provider_uuid", group);
            in_or_shared_with_tree(c, serves_alone("p.uuid", group), shape.sharing ? &shared : nullptr);
            continue;
        }
        c.without_aggregates("r.uuid", group.forbidden_aggregates);
        for (const auto& [resource_class, amount] : group.resources) spread_class(c, group, resource_class, amount, shape.sharing);
        for (const Names& any : group.required) {
            Condition in_tree, shared;
            in_tree.with_traits("p.uuid", {any});
            shared.with_traits("s.provider_uuid", {any});
            in_or_shared_with_tree(c, in_tree, shape.sharing ? &shared : nullptr);
        }
    }
    return uuids_of(limited(tx, "SELECT r.uuid FROM resource_providers r" + c.where() + " ORDER BY r.uuid", c.values, limit));
}

// The whole trees of these roots, and of all that share.
void add_trees(Tx& tx, Snapshot& snapshot, const Uuids& roots, const Shape& shape) {
    Condition c = among("p.root_uuid", roots);
    if (shape.sharing)
        c.parts = {
            fmt::format("({} OR p.root_uuid IN (SELECT q.root_uuid FROM resource_providers q WHERE q.uuid IN ({})))", c.text(), sharing_providers)};
    const auto rows = tx.query("SELECT p.uuid, p.parent_uuid FROM resource_providers p" + c.where() + " ORDER BY p.root_uuid, p.uuid", c.values);
    // Parents before children, whatever the order of the rows.
    std::map<std::string, std::vector<std::string>> children;
    snapshot.reserve(rows.size());
    for (const Row& row : rows) {
        if (row.at(1).is_null()) snapshot.add(row.at(0).text());
        else children[row.at(1).text()].push_back(row.at(0).text());
    }
    for (std::size_t i = 0; i < snapshot.providers.size(); ++i) {
        const std::string parent = snapshot.providers[i].uuid;
        if (const auto found = children.find(parent); found != children.end())
            for (const std::string& uuid : found->second) snapshot.add(uuid, parent);
    }
}

Uuids all_uuids(const Snapshot& snapshot) {
    Uuids uuids;
    uuids.reserve(snapshot.providers.size());
    for (const Provider& provider : snapshot.providers) uuids.push_back(provider.uuid);
    return uuids;
}

// Calls visit(provider, row) for the rows that are of a provider of the snapshot; the first column is its uuid.
template <class Visit>
void each_row(Tx& tx, Snapshot& snapshot, const std::string& columns_from, const Condition& c, Visit visit) {
    for (const Row& row : tx.query(columns_from + c.where(), c.values))
        if (const auto found = snapshot.by_uuid.find(row.at(0).text()); found != snapshot.by_uuid.end())
            visit(snapshot.providers[found->second], row);
}

bool names_aggregates(const CandidateRequest& request) {
    return std::any_of(request.groups.begin(), request.groups.end(),
                       [](const auto& group) { return !group.second.member_of.empty() || !group.second.forbidden_aggregates.empty(); });
}

Snapshot load_snapshot(Tx& tx, const CandidateRequest& request, const Uuids& roots, const Shape& shape) {
    Snapshot snapshot;
    add_trees(tx, snapshot, roots, shape);
    snapshot.nested = shape.nested;
    const Condition loaded = among("provider_uuid", all_uuids(snapshot));
    each_row(tx, snapshot,
             "SELECT provider_uuid, resource_class, total, reserved, min_unit, max_unit, step_size, allocation_ratio, used FROM inventories", loaded,
             [](Provider& provider, const Row& row) {
                 provider.inventories.emplace(row.at(1).text(), Inventory{.total = row.at(2).integer(),
                                                                          .reserved = row.at(3).integer(),
                                                                          .min_unit = row.at(4).integer(),
                                                                          .max_unit = row.at(5).integer(),
                                                                          .step_size = row.at(6).integer(),
                                                                          .allocation_ratio = row.at(7).number(),
                                                                          .used = row.at(8).integer()});
             });
    // Traits that decide; those of the answer are read later, for the trees of the answer.
    Names wanted = traits_of(request);
    if (shape.sharing) wanted.emplace(sharing_trait);
    if (!wanted.empty()) {
        Condition c = loaded;
        Values names;
        append(names, wanted);
        c.add("trait IN (" + marks(names.size()) + ")", names);
        each_row(tx, snapshot, "SELECT provider_uuid, trait FROM provider_traits", c,
                 [](Provider& provider, const Row& row) { provider.traits.insert(row.at(1).text()); });
    }
    if (shape.sharing || names_aggregates(request))
        each_row(tx, snapshot, "SELECT provider_uuid, aggregate_uuid FROM provider_aggregates", loaded,
                 [](Provider& provider, const Row& row) { provider.aggregates.insert(row.at(1).text()); });
    return snapshot;
}

}  // namespace

FoundCandidates search_candidates(Tx& tx, const CandidateRequest& request) {
    const Shape shape = shape_of(tx);
    FoundCandidates found;
    // Once more without a limit where trees that may serve did not all, and others are left.
    for (const std::size_t limit : {request.limit, std::size_t{0}}) {
        const Uuids roots = shape.flat() ? flat_roots(tx, request, limit) : tree_roots(tx, request, shape, limit);
        found = {};
        if (roots.empty()) break;
        found.snapshot = load_snapshot(tx, request, roots, shape);
        found.candidates = find_candidates(found.snapshot, request);
        if (limit == 0 || roots.size() < limit || found.candidates.requests.size() >= limit) break;
    }
    return found;
}

std::vector<json::array> load_traits(Tx& tx, const Snapshot& snapshot, const std::vector<std::size_t>& providers) {
    std::vector<json::array> traits(snapshot.providers.size());
    if (providers.empty()) return traits;
    Uuids uuids;
    for (const std::size_t i : providers) uuids.push_back(snapshot.providers[i].uuid);
    const Condition c = among("provider_uuid", uuids);
    for (const Row& row : tx.query("SELECT provider_uuid, trait FROM provider_traits" + c.where() +
                                       " ORDER BY CASE WHEN trait LIKE 'CUSTOM!_%' ESCAPE '!' THEN 1 ELSE 0 END, trait",
                                   c.values))
        if (const auto found = snapshot.by_uuid.find(row.at(0).text()); found != snapshot.by_uuid.end())
            traits[found->second].emplace_back(row.at(1).text());
    return traits;
}

}  // namespace pilvi::placement
