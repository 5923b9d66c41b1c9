#include "domain/candidates.h"

#include <algorithm>
#include <functional>

#include "domain/standard_names.h"

namespace pilvi::placement {
namespace {

using Indexes = std::set<std::size_t>;

// Bounds the work of one request: a forest of wide trees has a combinatorial number of candidates.
constexpr std::size_t most_per_group = 20'000;
constexpr std::size_t most_candidates = 20'000;

// One way to serve one group, under the tree whose root is `anchor`.
struct Part {
    std::size_t anchor = 0;
    std::vector<std::pair<std::size_t, std::string>> resources;  // (provider, class)
    Indexes providers;
};

bool intersects(const Names& a, const Names& b) {
    return std::any_of(a.begin(), a.end(), [&](const std::string& name) { return b.contains(name); });
}
bool satisfies(const std::vector<Names>& each, const Names& have) {
    return std::all_of(each.begin(), each.end(), [&](const Names& any) { return intersects(any, have); });
}

// Calls `visit` with every combination of one index of each list; stops where it returns false.
void product(const std::vector<std::size_t>& sizes, const std::function<bool(const std::vector<std::size_t>&)>& visit) {
    if (std::any_of(sizes.begin(), sizes.end(), [](std::size_t n) { return n == 0; })) return;
    std::vector<std::size_t> at(sizes.size(), 0);
    for (;;) {
        if (!visit(at)) return;
        std::size_t digit = sizes.size();
        while (digit > 0 && ++at[digit - 1] == sizes[digit - 1]) at[--digit] = 0;
        if (digit == 0) return;
    }
}

class Search {
public:
    Search(const Snapshot& snapshot, const CandidateRequest& request) : snapshot_(snapshot), request_(request) {
        for (std::size_t i = 0; i < providers().size(); ++i) {
            if (providers()[i].traits.contains(sharing_trait)) sharing_.insert(i);
            for (const std::string& aggregate : providers()[i].aggregates) members_[aggregate].push_back(i);
        }
    }

    Candidates run() {
        Candidates result;
        if (!choose_anchors()) return result;
        std::map<std::string, std::vector<Part>> parts;
        for (const auto& [suffix, group] : request_.groups) {
            parts[suffix] = parts_of(group);
            if (parts[suffix].empty()) return result;
        }
        merge(parts, result);
        summarize(result);
        return result;
    }

private:
    const std::vector<Provider>& providers() const { return snapshot_.providers; }

    bool choose_anchors() {
        if (request_.root_required.empty() && request_.root_forbidden.empty()) return true;
        anchors_.emplace();
        for (std::size_t i = 0; i < providers().size(); ++i) {
            const Provider& p = providers()[i];
            const bool all = std::all_of(request_.root_required.begin(), request_.root_required.end(),
                                         [&](const std::string& trait) { return p.traits.contains(trait); });
            if (!p.parent && all && !intersects(request_.root_forbidden, p.traits)) anchors_->insert(i);
        }
        return !anchors_->empty();
    }
    bool anchor_allowed(std::size_t root) const { return !anchors_ || anchors_->contains(root); }

    // The roots of all providers that share an aggregate with `sharing`.
    const Indexes& anchors_of(std::size_t sharing) {
        const auto [entry, fresh] = sharing_anchors_.try_emplace(sharing);
        if (fresh)
            for (const std::string& aggregate : providers()[sharing].aggregates)
                for (const std::size_t member : members_[aggregate]) entry->second.insert(providers()[member].root);
        return entry->second;
    }

    std::vector<Part> parts_of(const Group& group) {
        if (!group.in_tree.empty() && !snapshot_.by_uuid.contains(group.in_tree)) return {};
        const bool spread = !group.same_provider && (snapshot_.nested || !sharing_.empty());
        return spread ? spread_parts(group) : single_parts(group);
    }

    // Providers (in the tree that the group names) that can give `amount` of the class.
    std::vector<std::size_t> with_resource(const Group& group, const std::string& resource_class, std::int64_t amount) const {
        std::vector<std::size_t> found;
        const bool bound = !group.in_tree.empty();
        const std::size_t root = bound ? snapshot_[group.in_tree].root : 0;
        for (std::size_t i = 0; i < providers().size(); ++i) {
            if (bound && providers()[i].root != root) continue;
            const auto inventory = providers()[i].inventories.find(resource_class);
            if (inventory != providers()[i].inventories.end() && inventory->second.unit_fits(amount) && inventory->second.has_room(amount))
                found.push_back(i);
        }
        return found;
    }

    // Everything from one provider.
    std::vector<Part> single_parts(const Group& group) {
        std::vector<std::size_t> fitting;
        if (group.resources.empty()) {
            for (std::size_t i = 0; i < providers().size(); ++i) fitting.push_back(i);
        } else {
            bool first = true;
            for (const auto& [resource_class, amount] : group.resources) {
                const auto found = with_resource(group, resource_class, amount);
                std::vector<std::size_t> both;
                std::set_intersection(fitting.begin(), fitting.end(), found.begin(), found.end(), std::back_inserter(both));
                fitting = first ? found : both;
                first = false;
            }
        }
        std::vector<Part> parts;
        for (const std::size_t i : fitting) {
            const Provider& p = providers()[i];
            if (!satisfies(group.required, p.traits) || intersects(group.forbidden, p.traits) || !satisfies(group.member_of, p.aggregates) ||
                intersects(group.forbidden_aggregates, p.aggregates))
                continue;
            Part part{.anchor = p.root, .resources = {}, .providers = {i}};
            for (const auto& [resource_class, amount] : group.resources) part.resources.emplace_back(i, resource_class);
            if (anchor_allowed(p.root)) parts.push_back(part);
            if (!sharing_.contains(i)) continue;
            for (const std::size_t anchor : anchors_of(i)) {
                if (anchor == p.root || !anchor_allowed(anchor)) continue;
                part.anchor = anchor;
                parts.push_back(part);
            }
        }
        return parts;
    }

    bool in_aggregates(const Group& group, std::size_t provider, std::size_t root) const {
        const auto member = [&](std::size_t i) { return satisfies(group.member_of, providers()[i].aggregates); };
        const auto banned = [&](std::size_t i) { return intersects(group.forbidden_aggregates, providers()[i].aggregates); };
        return (group.member_of.empty() || member(provider) || member(root)) && !banned(provider) && !banned(root);
    }

    // Resources may come from several providers of one tree and from providers that share with it.
    std::vector<Part> spread_parts(const Group& group) {
        std::vector<std::string> classes;
        std::map<std::size_t, std::vector<std::vector<std::size_t>>> trees;  // root -> per class the providers
        for (const auto& [resource_class, amount] : group.resources) {
            std::set<std::pair<std::size_t, std::size_t>> found;  // (root, provider)
            for (const std::size_t i : with_resource(group, resource_class, amount)) {
                found.emplace(providers()[i].root, i);
                if (!sharing_.contains(i) || !group.in_tree.empty() || !satisfies(group.member_of, providers()[i].aggregates)) continue;
                for (const std::size_t anchor : anchors_of(i)) found.emplace(anchor, i);
            }
            classes.push_back(resource_class);
            for (const auto& [root, i] : found) {
                if (!anchor_allowed(root) || !in_aggregates(group, i, root)) continue;
                auto& lists = trees[root];
                lists.resize(group.resources.size());
                lists[classes.size() - 1].push_back(i);
            }
        }
        std::vector<Part> parts;
        for (const auto& [root, lists] : trees) add_tree(group, root, classes, lists, parts);
        return parts;
    }

    void add_tree(const Group& group, std::size_t root, const std::vector<std::string>& classes, const std::vector<std::vector<std::size_t>>& lists,
                  std::vector<Part>& parts) const {
        std::vector<std::size_t> sizes;
        for (const auto& list : lists) sizes.push_back(list.size());
        product(sizes, [&](const std::vector<std::size_t>& at) {
            Part part{.anchor = root, .resources = {}, .providers = {}};
            Names traits;
            for (std::size_t c = 0; c < classes.size(); ++c) {
                const std::size_t i = lists[c][at[c]];
                part.resources.emplace_back(i, classes[c]);
                part.providers.insert(i);
                traits.insert(providers()[i].traits.begin(), providers()[i].traits.end());
            }
            if (satisfies(group.required, traits) && !intersects(group.forbidden, traits)) parts.push_back(std::move(part));
            return parts.size() < most_per_group;
        });
    }

    void merge(const std::map<std::string, std::vector<Part>>& parts, Candidates& result) const {
        std::map<std::size_t, std::map<std::string, std::vector<const Part*>>> by_anchor;
        for (const auto& [suffix, list] : parts)
            for (const Part& part : list) by_anchor[part.anchor][suffix].push_back(&part);
        std::set<Candidate> seen;
        for (const auto& [anchor, by_suffix] : by_anchor) {
            if (by_suffix.size() != parts.size()) continue;
            std::vector<std::size_t> sizes;
            std::vector<std::pair<const std::string*, const std::vector<const Part*>*>> lists;
            for (const auto& [suffix, list] : by_suffix) {
                sizes.push_back(list.size());
                lists.emplace_back(&suffix, &list);
            }
            std::size_t steps = 0;
            product(sizes, [&](const std::vector<std::size_t>& at) {
                std::vector<std::pair<const std::string*, const Part*>> chosen;
                for (std::size_t g = 0; g < lists.size(); ++g) chosen.emplace_back(lists[g].first, (*lists[g].second)[at[g]]);
                if (auto candidate = combine(chosen); candidate && seen.insert(*candidate).second) result.requests.push_back(std::move(*candidate));
                return !full(result) && ++steps < most_candidates * 10;
            });
            if (full(result)) return;
        }
    }
    bool full(const Candidates& result) const {
        return result.requests.size() >= (request_.limit ? std::min(request_.limit, most_candidates) : most_candidates);
    }

    std::optional<Candidate> combine(const std::vector<std::pair<const std::string*, const Part*>>& chosen) const {
        Candidate candidate;
        Indexes granular;
        std::size_t granular_groups = 0;
        for (const auto& [suffix, part] : chosen) {
            const Group& group = request_.groups.at(*suffix);
            for (const auto& [provider, resource_class] : part->resources)
                candidate.resources[{provider, resource_class}] += group.resources.at(resource_class);
            candidate.mappings[*suffix] = part->providers;
            if (!group.same_provider) continue;
            ++granular_groups;
            granular.insert(part->providers.begin(), part->providers.end());
        }
        if (request_.isolate && granular.size() != granular_groups) return std::nullopt;
        if (!same_subtrees_hold(candidate)) return std::nullopt;
        for (const auto& [key, amount] : candidate.resources) {
            const Inventory& inventory = providers()[key.first].inventories.at(key.second);
            if (inventory.used + amount > inventory.capacity() || amount > inventory.max_unit) return std::nullopt;
        }
        if (!request_.nested_aware && snapshot_.nested && !one_provider_per_tree(candidate)) return std::nullopt;
        return candidate;
    }

    // Of the providers of each same_subtree set one is an ancestor of (or is) all of them.
    bool same_subtrees_hold(const Candidate& candidate) const {
        for (const Names& suffixes : request_.same_subtrees) {
            Indexes used;
            for (const std::string& suffix : suffixes)
                if (const auto found = candidate.mappings.find(suffix); found != candidate.mappings.end())
                    used.insert(found->second.begin(), found->second.end());
            if (used.size() <= 1) continue;
            const bool holds = std::any_of(used.begin(), used.end(), [&](std::size_t top) {
                return std::all_of(used.begin(), used.end(), [&](std::size_t i) { return is_ancestor(top, i); });
            });
            if (!holds) return false;
        }
        return true;
    }
    bool is_ancestor(std::size_t top, std::size_t i) const {
        for (std::optional<std::size_t> at = i; at; at = providers()[*at].parent)
            if (*at == top) return true;
        return false;
    }

    bool one_provider_per_tree(const Candidate& candidate) const {
        Indexes used, roots;
        for (const auto& [key, amount] : candidate.resources) {
            used.insert(key.first);
            roots.insert(providers()[key.first].root);
        }
        return used.size() == roots.size();
    }

    void summarize(Candidates& result) const {
        Indexes roots, used;
        for (const Candidate& candidate : result.requests)
            for (const auto& [key, amount] : candidate.resources) {
                used.insert(key.first);
                roots.insert(providers()[key.first].root);
            }
        const bool only_used = !request_.nested_aware && snapshot_.nested;
        for (std::size_t i = 0; i < providers().size(); ++i)
            if (only_used ? used.contains(i) : roots.contains(providers()[i].root)) result.summaries.push_back(i);
    }

    const Snapshot& snapshot_;
    const CandidateRequest& request_;
    Indexes sharing_;
    std::map<std::string, std::vector<std::size_t>, std::less<>> members_;
    std::map<std::size_t, Indexes> sharing_anchors_;
    std::optional<Indexes> anchors_;
};

}  // namespace

std::size_t Snapshot::add(std::string uuid, const std::string& parent_uuid) {
    const std::size_t index = providers.size();
    Provider provider{.uuid = uuid, .root = index};
    if (!parent_uuid.empty()) {
        provider.parent = by_uuid.at(parent_uuid);
        provider.root = providers[*provider.parent].root;
        nested = true;
    }
    providers.push_back(std::move(provider));
    by_uuid.emplace(std::move(uuid), index);
    return index;
}

void Snapshot::reserve(std::size_t count) {
    providers.reserve(count);
    by_uuid.reserve(count);
}

Candidates find_candidates(const Snapshot& snapshot, const CandidateRequest& request) { return Search(snapshot, request).run(); }

Names traits_of(const CandidateRequest& request) {
    Names names = request.root_required;
    names.insert(request.root_forbidden.begin(), request.root_forbidden.end());
    for (const auto& [suffix, group] : request.groups) {
        names.insert(group.forbidden.begin(), group.forbidden.end());
        for (const Names& any : group.required) names.insert(any.begin(), any.end());
    }
    return names;
}

Names resource_classes_of(const CandidateRequest& request) {
    Names names;
    for (const auto& [suffix, group] : request.groups)
        for (const auto& [resource_class, amount] : group.resources) names.insert(resource_class);
    return names;
}

}  // namespace pilvi::placement
